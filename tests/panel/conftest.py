"""A real browser, and a static page that mounts the view as it is shipped."""

from __future__ import annotations

import json
import sys
import sysconfig
import threading
from collections.abc import Callable, Generator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)  # for panel_states and panel_lab: pytest's importlib mode puts no folder of tests there

from panel_lab import CHROMIUM, FAILED  # noqa: E402
from panel_states import NAMES, STATES  # noqa: E402

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

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Carbon</title>
<link rel="stylesheet" href="/theme/{theme}/index.css"><link rel="stylesheet" href="/static/view.css">
<style>body{{margin:0;background:var(--jp-layout-color1)}}main{{width:{width}px}}</style></head>
<body data-jp-theme-light="{light}" data-jp-theme-name="{name}"><h1 hidden>Carbon</h1><main></main>
<script type="module">
import * as jc from '/static/view.js';
const names = {names};
const offers = ['start', 'pause', 'resume', 'copy', 'go', 'history', 'ahead', 'outlook', 'settings'];
let views = [];
const mount = element => {{
  window.store = jc.createStore();
  // What the view asks for by itself stands apart from what a click asks for.
  const act = action => (action.type === 'outlook' ? asked : acted).push(action);
  window.view = jc.mount(element, store, {{ t: jc.english, act, offers, nameOf: id => names[id] ?? null }});
  views.push(view);
}};
const clear = () => {{
  views.forEach(view => view.destroy());
  views = [];
  window.acted = [];
  window.asked = [];
  document.querySelector('main').replaceChildren();
}};
const fresh = () => {{
  clear();
  mount(document.querySelector('main'));
  document.activeElement?.blur();
}};
const hang = name => {{
  if (name === undefined) return clear();
  const frame = document.createElement('div');
  frame.id = name;
  document.querySelector('main').append(frame);
  mount(frame);
}};
Object.assign(window, {{ jc, fresh, hang }});
</script></body></html>"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


# Not for the whole session: a page that is being watched works on, and would be a neighbour to the meter's own tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM["executable_path"]).exists():
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium; .ci/run does it)")
    if not (VIEW / "view.js").exists():
        pytest.skip("the panel is not built: no Node when the environment was made")
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


@pytest.fixture(scope="module")
def open_page(browser: Browser, site: str) -> Iterator[Show]:
    """A page of a theme, a width and what else a browser may be told; each is opened once and used again."""
    pages: dict[str, Page] = {}

    def open_page(theme: str, width: int, **options: Any) -> Page:
        key = repr((theme, width, sorted(options.items())))
        if key not in pages:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, locale="en-GB", timezone_id="UTC", **options
            )
            page = pages[key] = context.new_page()
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
            page.wait_for_function("window.fresh !== undefined")
        return pages[key]

    yield open_page
    for page in pages.values():
        page.context.close()


@pytest.fixture
def show(open_page: Show) -> Show:
    """Mount the view in a theme and a width, and take it through some events."""

    def show(events: list[dict[str, Any]], *, theme: str = "light", width: int = 320, **options: Any) -> Page:
        page = open_page(theme, width, **options)
        page.faults.clear()  # type: ignore[attr-defined]
        page.mouse.move(0, 0)
        page.evaluate("fresh()")
        dispatch(page, events)
        return page

    return show


@pytest.fixture
def gallery(open_page: Show) -> Show:
    """Every state at once, each in a frame that bears its name."""

    def gallery(theme: str, width: int) -> Page:
        page = open_page(theme, width)
        page.evaluate("hang()")
        for name, events in STATES.items():
            page.evaluate("name => hang(name)", name)
            dispatch(page, events)
        return page

    return gallery


def dispatch(page: Page, events: list[dict[str, Any]]) -> None:
    """What a host would dispatch: messages are parsed at the door first."""
    page.evaluate(
        """events => events.forEach(event => {
            const { snapshot, answer } = event;
            const parsed = snapshot ? jc.parseSnapshot(snapshot) : answer ? jc.parseAnswer(answer) : event;
            if (parsed === null) throw Error('refused: ' + JSON.stringify(event).slice(0, 300));
            store.dispatch(event);
        })""",
        events,
    )


@pytest.fixture
def axe() -> Callable[..., list[str]]:
    """What axe-core has to say about a page: rule and element."""

    def check(page: Page, *, within: str = "main", without: list[str]) -> list[str]:
        page.add_script_tag(path=str(AXE))
        found = page.evaluate(
            """async ([within, off]) => {
                const rules = Object.fromEntries(off.map(rule => [rule, { enabled: false }]));
                return (await axe.run(within, { rules })).violations;
            }""",
            [within, without],
        )
        return [
            f"{rule['id']}: {node['html'][:120]} {node['failureSummary'][:300]}"
            for rule in found
            for node in rule["nodes"]
        ]

    return check


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where pictures of the panel go, to be looked at; git ignores it."""
    folder = ROOT / "build/panel"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
