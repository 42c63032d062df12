"""A real browser, and a static page that mounts the view as it is shipped."""

from __future__ import annotations

import json
import sysconfig
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
VIEW = ROOT / "jupyter_carbon/static"
THEMES = Path(sysconfig.get_path("data")) / "share/jupyter/lab/themes/@jupyterlab"
AXE = ROOT / "labextension/node_modules/axe-core/axe.min.js"
THEME_OF = {
    "light": "theme-light-extension",
    "dark": "theme-dark-extension",
    "contrast": "theme-dark-high-contrast-extension",
}
NAME_OF = {"light": "JupyterLab Light", "dark": "JupyterLab Dark", "contrast": "JupyterLab Dark High Contrast"}

CHROMIUM = {
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

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Carbon</title>
<link rel="stylesheet" href="/theme/{theme}/index.css"><link rel="stylesheet" href="/static/view.css">
<style>body{{margin:0;background:var(--jp-layout-color1)}}main{{width:{width}px}}</style></head>
<body data-jp-theme-light="{light}" data-jp-theme-name="{name}"><h1 hidden>Carbon</h1><main></main><script type="module">
import * as jc from '/static/view.js';
const store = jc.createStore();
const acted = [];
const names = {names};
const view = jc.mount(document.querySelector('main'), store, {{
  t: jc.english, act: action => acted.push(action),
  offers: ['start', 'pause', 'resume', 'copy', 'go', 'history', 'settings'], nameOf: id => names[id] ?? null
}});
Object.assign(window, {{ jc, store, acted, view }});
</script></body></html>"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The shipped view, Lab's own themes and axe, served on this machine."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/page":
                self.answer("text/html", PAGE.format(**json.loads(bytes.fromhex(query))).encode())
                return
            home = {"static": VIEW, "theme": THEMES}.get(path.split("/")[1])
            file = home and home / path.split("/", 2)[2]
            if file and file.is_file():
                kind = {".js": "text/javascript", ".css": "text/css"}.get(file.suffix, "application/octet-stream")
                self.answer(kind, file.read_bytes())
            else:
                self.answer("text/plain", b"", 404 if path != "/favicon.ico" else 200)

        def answer(self, kind: str, body: bytes, code: int = 200) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind + ("; charset=utf-8" if kind.startswith("text") else ""))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


Show = Callable[..., Page]


@pytest.fixture
def show(browser: Browser, site: str) -> Iterator[Show]:
    """Mount the view in a theme and a width, and take it through some events."""
    from tests_panel_states import NAMES  # placed on the path below

    contexts = []

    def show(events: list[dict[str, Any]], *, theme: str = "light", width: int = 320, **context_options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, locale="en-GB", timezone_id="UTC", **context_options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.faults = faults  # type: ignore[attr-defined]
        form = {
            "theme": THEME_OF[theme],
            "light": str(theme == "light").lower(),
            "name": NAME_OF[theme],
            "width": width,
            "names": json.dumps(NAMES),
        }
        page.goto(f"{site}/page?{json.dumps(form).encode().hex()}")
        page.wait_for_function("window.view !== undefined")
        dispatch(page, events)
        return page

    yield show
    for context in contexts:
        context.close()


def dispatch(page: Page, events: list[dict[str, Any]]) -> None:
    page.evaluate("events => events.forEach(event => store.dispatch(event))", events)
