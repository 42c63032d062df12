"""A real JupyterLab (or Notebook 7) with real kernels whose processor draws what a test says."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import nbformat

LOAD = "%load_ext jupyter_carbon"
BUSY = "import time\nuntil = time.perf_counter() + {seconds}\nwhile time.perf_counter() < until:\n    pass"
READY_S = 90.0


class Powercap:
    """A powercap folder whose package counts the joules of `watts`, written a hundred times a second."""

    def __init__(self, folder: Path, watts: float = 40.0) -> None:
        self.folder, self.watts = folder, watts
        self._joules, self._halt = 1000.0, threading.Event()
        zone = folder / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "enabled").write_text("1\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        self._energy = os.open(zone / "energy_uj", os.O_CREAT | os.O_RDWR)
        self._write()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        last = time.monotonic()
        while not self._halt.wait(0.01):
            now = time.monotonic()
            self._joules += self.watts * (now - last)
            last = now
            self._write()

    def _write(self) -> None:
        os.pwrite(self._energy, str(round(self._joules * 1e6)).encode().ljust(24, b"\n"), 0)

    def close(self) -> None:
        self._halt.set()
        self._thread.join()
        os.close(self._energy)


class Server:
    """A running server, its folder and its address."""

    def __init__(self, address: str, token: str, root: Path, power: Powercap, log: Path) -> None:
        self.address, self.token, self.root, self.power, self.log = address, token, root, power, log

    def notebook(self, name: str, *cells: str) -> str:
        """Put a notebook into the server's folder; cells are named c0, c1, ..."""
        book = nbformat.v4.new_notebook()
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        for number, source in enumerate(cells):
            cell = nbformat.v4.new_code_cell(source)
            cell["id"] = f"c{number}"
            book.cells.append(cell)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(book, path)
        return name

    def url(self, path: str, *, reset: bool = True) -> str:
        return f"{self.address}/{path}?token={self.token}{'&reset' if reset else ''}"

    def api(self, path: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def serve(folder: Path, app: Literal["lab", "notebook"] = "lab", python: str = sys.executable) -> Iterator[Server]:
    """Start a server with homes of its own, and end it with its kernels, whatever happens."""
    root, token = folder / "work", secrets.token_hex(8)
    root.mkdir(parents=True)
    overrides = folder / "cfg/labconfig/default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(
        json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}})
    )
    power = Powercap(folder / "powercap")
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY_"))},
        "JUPYTER_CONFIG_DIR": str(folder / "cfg"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "rt"),
        "IPYTHONDIR": str(folder / "ipy"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "set"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "ws"),
        "JUPYTER_CARBON_POWERCAP": str(power.folder),
        "JUPYTER_CARBON_LEDGER": str(folder / "ledger.sqlite"),
        "JUPYTER_CARBON_REGION": "DE",
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shown = "LabApp" if app == "lab" else "JupyterNotebookApp"
    log = folder / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [
                python,
                "-m",
                "jupyterlab" if app == "lab" else "notebook",
                "--no-browser",
                "--allow-root",
                f"--port={port}",
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={token}",
                f"--ServerApp.root_dir={root}",
                f"--{shown}.expose_app_in_browser=True",
            ],
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        found = Server(f"http://127.0.0.1:{port}", token, root, power, log)
        _wait_until_ready(found, server)
        yield found
    finally:
        _end(server)
        power.close()


def _wait_until_ready(found: Server, server: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + READY_S
    while True:
        try:
            found.api("status")
            return
        except OSError:
            assert server.poll() is None, found.log.read_text()
            assert time.monotonic() < give_up, found.log.read_text()
            time.sleep(0.1)


def _end(server: subprocess.Popen[bytes]) -> None:
    for number, patience_s in ((signal.SIGINT, 1.0), (signal.SIGTERM, 15.0)):
        if server.poll() is None:
            server.send_signal(number)
            try:
                server.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)
