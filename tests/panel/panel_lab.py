"""A real JupyterLab (or Notebook 7) with real kernels whose processor draws what a test says."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import nbformat
import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page

BUILT = Path(__file__).parents[2] / "jupyter_carbon/labextension"
LOAD = "%load_ext jupyter_carbon"
BUSY = "import time\nuntil = time.perf_counter() + {seconds}\nwhile time.perf_counter() < until:\n    pass"
READY_S = 90.0
PATIENCE_S = 60.0
"""For what has to happen, on a machine that may be busy with something else; what has to be prompt says so itself."""

LOG = "server.log"
FAILED = pytest.StashKey[bool]()
"""On a test that has failed: the page it used may be in any state."""

CHROMIUM: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "headless": True,
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
    ],
}

OF_LAB = (
    "Could not restore the debugger state",
    "Canceled future for",
    "Cannot read properties of undefined (reading 'schema')",  # Notebook 7.6, at every start, without us too
    "Cannot read properties of undefined (reading 'last_modified')",  # Notebook 7.2, of a file without a checkpoint
)
"""What JupyterLab itself logs as an error: some when a kernel is changed, restarted or dies."""


class Powercap:
    """A powercap folder whose package counts the joules of `watts`, written a hundred times a second."""

    def __init__(self, folder: Path, watts: float = 20.0) -> None:
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

    def __init__(self, address: str, token: str, root: Path, power: Powercap, home: Path) -> None:
        self.address, self.token, self.root, self.power, self.home = address, token, root, power, home

    def notebook(self, name: str, *cells: str, kernel: str = "python3") -> str:
        """Put a notebook into the server's folder; cells are named after it and their number."""
        book = nbformat.v4.new_notebook()
        display_name = "Python 3 (ipykernel)" if kernel == "python3" else kernel
        book.metadata["kernelspec"] = {"name": kernel, "display_name": display_name, "language": "python"}
        for number, source in enumerate(cells):
            cell = nbformat.v4.new_code_cell(source)
            cell["id"] = f"{Path(name).stem}-{number}"
            book.cells.append(cell)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(book, path)
        return name

    def forget(self) -> None:
        """No kernel, and nothing in the ledger."""
        for kernel in self.api("kernels"):
            self.api(f"kernels/{kernel['id']}", "DELETE")
        shutil.rmtree(self.home / "ledger", ignore_errors=True)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}?token={self.token}&reset"

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
def serve(
    folder: Path,
    app: Literal["lab", "notebook"] = "lab",
    python: str = sys.executable,
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    path: Path | None = None,
) -> Iterator[Server]:
    """Start a server with homes of its own, and end it with its kernels, whatever happens.

    `settings` of plugins stand in for their defaults; packages in `path` are as good as installed.
    """
    root, token = folder / "work", secrets.token_hex(8)
    root.mkdir(parents=True)
    overrides = folder / "cfg/labconfig/default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(
        json.dumps(
            {
                "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
                **(settings or {}),
            }
        )
    )
    # The panel of this checkout, whatever an installation has copied to its share/ before.
    extensions = folder / "data/labextensions"
    extensions.mkdir(parents=True)
    (extensions / "jupyter-carbon").symlink_to(BUILT)
    power = Powercap(folder / "powercap")
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "JPY_"))},
        "JUPYTER_CONFIG_DIR": str(folder / "cfg"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_RUNTIME_DIR": str(folder / "rt"),
        "IPYTHONDIR": str(folder / "ipy"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "set"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "ws"),
        "JUPYTER_CARBON_POWERCAP": str(power.folder),
        "JUPYTER_CARBON_LEDGER": str(folder / "ledger/ledger.sqlite"),
        "JUPYTER_CARBON_REGION": "DE",
        "JUPYTER_CARBON_LIVE": "0",
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
        **({} if path is None else {"PYTHONPATH": str(path)}),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shown = "LabApp" if app == "lab" else "JupyterNotebookApp"
    with (folder / LOG).open("wb") as out:
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
        found = Server(f"http://127.0.0.1:{port}", token, root, power, folder)
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
            assert server.poll() is None, (found.home / LOG).read_text()
            assert time.monotonic() < give_up, (found.home / LOG).read_text()
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


class Lab:
    """A page of a server, driven as a person would; what goes wrong in it is kept."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.faults: list[str] = []
        self.strangers: list[str] = []
        self.notes: list[str] = []
        here = server.address.removeprefix("http")
        self._asked: dict[str, dict[str, Any]] = {}
        """The questions that the panel has put to kernels, by the id of their comm."""
        self._told: list[dict[str, Any]] = []
        """Those that were answered."""
        page.on("websocket", lambda socket: socket.on("framesent", self._see))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((f"http{here}", f"ws{here}", "data:", "blob:"))
                else self.strangers.append(request.url)
            ),
        )

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)
        elif "jupyter-carbon" in message.text:
            self.notes.append(message.text)

    def _see(self, frame: bytes | str) -> None:
        text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
        begins = text.find('{"comm_id"')
        if begins < 0:
            return
        content, _ = json.JSONDecoder().raw_decode(text[begins:])
        if content.get("target_name") == "jupyter_carbon":
            self._asked[content["comm_id"]] = content["data"]
        elif content["data"] == {} and content["comm_id"] in self._asked:  # an answered question is closed
            self._told.append(self._asked[content["comm_id"]])

    def is_of_lab(self, fault: str) -> bool:
        """An error that JupyterLab logs by itself: some on a kernel's end, and on other extensions' comms."""
        comm = re.match(r"Comm not found for comm id (\S+)", fault)
        return fault.startswith(OF_LAB) or (comm is not None and comm[1] not in self._asked)

    # --- getting there ------------------------------------------------------------------------------------

    def open(self, path: str, *, at: str = "lab/tree") -> Lab:
        self.page.goto(self.server.url(f"{at}/{quote(path)}"))
        return self.ready()

    def open_empty(self) -> Lab:
        """No document."""
        self.page.goto(self.server.url("lab"))
        self.page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=READY_S * 1000)
        self.page.evaluate("async () => { await jupyterapp.restored; }")
        return self

    def forget(self) -> None:
        """What was heard so far belongs to another test."""
        self.faults.clear()
        self.strangers.clear()
        self.notes.clear()
        self._told.clear()

    def switch(self, path: str) -> Lab:
        """Another notebook in the page that is open."""
        if self.page.evaluate("document.body.dataset.jpThemeName") != "JupyterLab Light":
            self.execute("apputils:change-theme", {"theme": "JupyterLab Light"}, wait=True)
        self.focus(path)
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
        self.execute("jupyter-carbon:open", wait=True)
        self.page.wait_for_selector("#jupyter-carbon-panel .jc-panel:visible")
        return self

    def focus(self, path: str, **options: Any) -> None:
        self.execute("docmanager:open", {"path": path, **options}, wait=True)
        self.page.wait_for_function("path => jupyterapp.shell.currentWidget?.context?.path === path", arg=path)

    def close_all(self) -> None:
        """Every document, saved first so that nothing is asked."""
        self.execute("docmanager:save-all", wait=True)
        self.execute("application:close-all", wait=True)
        self.page.wait_for_function("() => ![...jupyterapp.shell.widgets('main')].some(w => w.context)")

    @contextmanager
    def settings(self, **chosen: bool | float | str) -> Iterator[None]:
        """The extension's settings, set by hand as a person does it; at the end the defaults are back."""
        path = self.page.evaluate("jupyterapp.shell.currentWidget.context.path")
        self.execute("settingeditor:open", {"query": "Carbon"}, wait=True)
        for name, value in chosen.items():
            field = self.page.locator(f"[id$='jupyter-carbon:plugin_{name}']")
            if isinstance(value, bool):
                field.set_checked(value)
            elif isinstance(value, str):
                field.select_option(label=value)
            else:
                field.fill(str(value))
        self._wait_for_settings(lambda kept: chosen.items() <= kept.items())
        self.focus(path)
        yield
        self.execute("settingeditor:open", {"query": "Carbon"}, wait=True)
        self.page.get_by_role("button", name="Restore to Defaults").click()
        self._wait_for_settings(lambda kept: kept == {})
        self.focus(path)

    def _wait_for_settings(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        read = "async () => (await jupyterapp.serviceManager.settings.fetch('jupyter-carbon:plugin')).raw"
        within(lambda: holds(_uncommented(self.page.evaluate(read))), self.page, "the settings are kept")

    def ready(self) -> Lab:
        page = self.page
        page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=READY_S * 1000)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=READY_S * 1000)
        self.execute("jupyter-carbon:open")
        page.wait_for_selector("#jupyter-carbon-panel .jc-panel:visible")
        return self

    def execute(self, command: str, args: Mapping[str, Any] | None = None, *, wait: bool = False) -> None:
        call = "jupyterapp.commands.execute(command, args)"
        self.page.evaluate(
            f"async ([command, args]) => {{ await {call}; }}" if wait else f"([command, args]) => void {call}",
            [command, args or {}],
        )

    def wait_idle(self) -> None:
        """Until the kernel of the notebook in focus is idle."""
        self.page.wait_for_function(
            "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=PATIENCE_S * 1000,
        )

    def run(self, number: int, *, wait: bool = True) -> None:
        """Run the cell of this number in the notebook in focus."""
        self.page.evaluate("number => { jupyterapp.shell.currentWidget.content.activeCellIndex = number; }", number)
        self.execute("notebook:run-cell", wait=wait)

    # --- looking ------------------------------------------------------------------------------------------

    @property
    def panel(self) -> Locator:
        return self.page.locator("#jupyter-carbon-panel")

    def text(self) -> str:
        return self.panel.inner_text().replace("\xa0", " ").replace("\u2060", "")

    def until(self, words: str, timeout_s: float = PATIENCE_S) -> float:
        """Wait until the panel says these words; how long that took."""
        return self.until_text(lambda text: words in text, timeout_s, words)

    def until_text(self, holds: Callable[[str], bool], timeout_s: float = PATIENCE_S, what: str = "it") -> float:
        return within(lambda: holds(self.text()), self.page, what, timeout_s, self.text)

    def until_told(self, **said: Any) -> None:
        """Wait until a kernel has answered a question with these fields."""

        within(
            lambda: any(said.items() <= question.items() for question in self._told),
            self.page,
            f"a kernel is told {said}",
            what_now=lambda: str(self._told),
        )

    def start(self) -> Lab:
        """Start metering by the button; at the end the kernel knows that somebody looks."""
        self.until("Metering is off")
        self.panel.get_by_role("button", name="Start metering").click()
        self.until("CO₂e this session")
        self.until_told(ask="look", looking=True)
        return self

    @contextmanager
    def watched(self, selector: str) -> Iterator[list[tuple[float, str]]]:
        """Every text that an element of the panel shows meanwhile, with the time it came (seconds since the epoch)."""
        self.page.evaluate(
            """selector => {
                const element = document.querySelector('#jupyter-carbon-panel ' + selector);
                window.seen = [];
                const look = () => {
                    const text = element.textContent.replaceAll('\\u00a0', ' ');
                    if (text !== window.seen.at(-1)?.[1]) window.seen.push([Date.now() / 1000, text]);
                };
                look();
                window.watcher = new MutationObserver(look);
                window.watcher.observe(element, { childList: true, characterData: true, subtree: true });
            }""",
            selector,
        )
        seen: list[tuple[float, str]] = []
        yield seen
        seen += [(at_s, text) for at_s, text in self.page.evaluate("watcher.disconnect(), seen")]

    def read(self, selector: str) -> str:
        return self.panel.locator(selector).inner_text().replace("\xa0", " ").replace("\u2060", "")

    @property
    def indicator(self) -> str:
        """What Lab's own busy indicator says."""
        found = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator")
        return found.get_attribute("data-status") or ""


def within(
    holds: Callable[[], bool],
    page: Page,
    what: str,
    timeout_s: float = PATIENCE_S,
    what_now: Callable[[], str] = lambda: "",
) -> float:
    """Wait until this holds; how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout_s, f"{what!r} not within {timeout_s} s: {what_now()}"
        page.wait_for_timeout(30)
    return time.monotonic() - began


def _uncommented(settings: str) -> dict[str, Any]:
    """JupyterLab keeps settings as JSON with comments."""
    found: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", settings, flags=re.MULTILINE))
    return found


def watts(text: str) -> float:
    """The watts in a text like `≈ 180 W`."""
    found = re.search(r"([\d.]+) (m?k?)W", text)
    return float(found[1]) * {"": 1.0, "m": 1e-3, "k": 1e3}[found[2]] if found else 0.0
