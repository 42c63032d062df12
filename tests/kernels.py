"""Real kernels, one environment for each ipykernel that matters, spoken to as a front end speaks to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from jupyter_carbon.ledger.book import Ledger

ROOT = Path(__file__).parents[1]
SPECS = ROOT / ".venvs/specs/share/jupyter/kernels"  # `make test` fills it; without it: this environment's own kernel
NEWEST = "ik-newest"
KERNELS = sorted(p.name for p in SPECS.glob("ik-*")) or [NEWEST]
PATIENCE_S = 60.0
SILENCE_S = 5.0


@dataclass
class Run:
    """What a front end hears about one request."""

    reply: dict[str, Any] = field(default_factory=dict)
    iopub: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    idle: bool = False

    @property
    def status(self) -> str:
        return str(self.reply["status"])

    @property
    def count(self) -> int:
        """The number the user sees: `In[n]`."""
        return int(next(content["execution_count"] for kind, content in self.iopub if kind == "execute_input"))

    @property
    def outputs(self) -> list[tuple[str, dict[str, Any]]]:
        """What lands under the cell."""
        return [m for m in self.iopub if m[0] in ("stream", "display_data", "execute_result", "error")]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.outputs]

    @property
    def text(self) -> str:
        """Everything a reader sees, plain."""
        return "".join(
            content.get("text", "") or content.get("data", {}).get("text/plain", "") or content.get("evalue", "")
            for _, content in self.outputs
        )

    @property
    def result(self) -> str | None:
        return next((c["data"]["text/plain"] for kind, c in self.outputs if kind == "execute_result"), None)


class Kernel:
    """One kernel with a ledger of its own."""

    def __init__(self, spec: str, folder: Path, **env: str) -> None:
        self.env = clean_env(folder) | {"JUPYTER_CARBON_LEDGER": str(folder / "ledger.sqlite")} | env
        self.manager = KernelManager(**where(spec))
        self.manager.start_kernel(env=self.env, cwd=str(folder), stderr=subprocess.DEVNULL)
        client = self.manager.client()
        assert isinstance(client, BlockingKernelClient)
        self.client = client
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE_S)
        self._runs: dict[str, Run] = {}

    # --- asking ----------------------------------------------------------------------------------------------

    def submit(
        self, code: str, *, silent: bool = False, cell_id: str | None = None, subshell_id: str | None = None
    ) -> str:
        """Send a cell and do not wait; the answer is a message id for `wait`."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        metadata = {} if cell_id is None else {"cellId": cell_id}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        if subshell_id is not None:
            message["header"]["subshell_id"] = subshell_id
        self.client.shell_channel.send(message)
        self._runs[message["header"]["msg_id"]] = Run()
        return str(message["header"]["msg_id"])

    def wait(self, msg_id: str, until: Callable[[Run], bool] = lambda run: run.idle and bool(run.reply)) -> Run:
        """Hear messages, sorted by the request each belongs to, until this one is answered (or `until` holds)."""
        run = self._runs[msg_id]
        deadline = time.monotonic() + PATIENCE_S
        heard_s = time.monotonic()
        while not until(run):
            assert time.monotonic() < deadline, f"no answer within {PATIENCE_S:.0f} s: {run}"
            if self._hear():
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENCE_S:
                heard_s = time.monotonic()
                wake(self.client)
        return run

    def _hear(self) -> bool:
        heard = False
        for channel in (self.client.iopub_channel, self.client.shell_channel):
            while True:
                try:
                    message = channel.get_msg(timeout=0.01)
                except Empty:
                    break
                heard = True
                run = self._runs.get(message["parent_header"].get("msg_id", ""))
                if run is None:
                    continue
                if message["msg_type"] == "execute_reply":
                    run.reply = message["content"]
                elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    run.idle = True
                else:
                    run.iopub.append((message["msg_type"], message["content"]))
        return heard

    def run(self, code: str, **options: Any) -> Run:
        """Send a cell, and what came of it."""
        return self.wait(self.submit(code, **options))

    def value(self, expression: str) -> Any:
        """What a JSON-able expression is worth in the kernel, asked silently: no row, no number."""
        run = self.run(f"__import__('sys').stdout.write(__import__('json').dumps({expression}))", silent=True)
        assert run.status == "ok", run
        return json.loads(run.text)

    def subshell(self) -> str:
        """Open a second shell in the kernel (ipykernel 7)."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            reply = self.client.control_channel.get_msg(timeout=PATIENCE_S)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return str(reply["content"]["subshell_id"])
        raise AssertionError("no subshell")

    # --- ending ----------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        pid = getattr(self.manager.provisioner, "pid", None)
        assert isinstance(pid, int)
        return pid

    def interrupt(self) -> None:
        os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """kill -9, as an out-of-memory killer does."""
        os.kill(self.pid, signal.SIGKILL)
        self.manager.provisioner.process.wait()  # gone, not going

    def stop(self) -> None:
        """As a front end does: ask, so that the kernel may end well; one that is gone is not asked."""
        self.manager.shutdown_kernel(now=not self.manager.is_alive())
        self.client.stop_channels()

    # --- what was written ------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """Every record, as another process than the kernel reads it; `export` is the same by the command line."""
        return [record.to_dict() for record in Ledger.open(self.env["JUPYTER_CARBON_LEDGER"]).records()]

    def rows_of(self, *runs: Run) -> list[dict[str, Any]]:
        """The rows of these runs, by the number the user sees: `In[n]`."""
        counts = [run.count for run in runs]
        return [row for row in self.rows() if row["execution_count"] in counts]

    def row(self, run: Run) -> dict[str, Any]:
        """The one row of a run; none, or a second, is a failure."""
        (row,) = self.rows_of(run)
        return row


def wake(client: BlockingKernelClient) -> None:
    """Connect once more.  ipykernel 7.0 to 7.2 may not see a request that comes while a reply goes out, until the next
    connection (its issue 1554); a front end reconnects."""
    with client.context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(f"{client.transport}://{client.ip}:{client.shell_port}")
        time.sleep(0.1)


def where(spec: str) -> dict[str, Any]:
    """Arguments for a `KernelManager` of this spec."""
    found = KernelSpecManager(kernel_dirs=[str(SPECS)])
    return {"kernel_name": spec if SPECS.is_dir() else "python3", "kernel_spec_manager": found}


def export(env: Mapping[str, str]) -> list[dict[str, Any]]:
    """The ledger of this environment, one record a line."""
    command = [sys.executable, "-m", "jupyter_carbon.cli", "export", "--format", "jsonl"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def clean_env(folder: Path) -> dict[str, str]:
    """This environment with nobody's settings, history or ledger in it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER_CARBON_", "JPY_"))}
    return kept | {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "TZ": "UTC",
        "JUPYTER_CARBON_LIVE": "0",  # no test asks the world
    }
