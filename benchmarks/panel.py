"""The panel in a real JupyterLab: its size, its share of a core while live, and how fast it answers a reader.

No peer has such a panel: each figure stands beside its target.  Nothing here reaches beyond this machine.  It needs
what the tests of the panel need: Chromium, and the panel built.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.blocking import BlockingKernelClient
from playwright.sync_api import CDPSession, Page, sync_playwright
from shown import machine, table

from jupyter_carbon.ledger.sqlite import Store
from jupyter_carbon.model import CarbonIntensity, CellRecord, CellRun, Footprint, Interval
from jupyter_carbon.notebook.connection import COMM_ID

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/panel"))

from panel_lab import CHROMIUM, Lab, Server, serve  # noqa: E402

MOST_KB = 80.0
MOST_OF_A_CORE = 0.02
MOST_MS = 100.0
MOST_BYTES = 4096
LIVE_S = 20.0
REPEATS = 5


def bundle() -> None:
    """What a browser loads: everything that is served to it, and what the widget carries."""
    served = [
        path for path in (ROOT / "jupyter_carbon/labextension/static").iterdir() if path.suffix in (".js", ".css")
    ]
    widget = [ROOT / "jupyter_carbon/static" / name for name in ("view.js", "view.css")]
    sizes_kb = {
        "JupyterLab and Notebook": sum(map(gzipped_kb, served)),
        "the widget": sum(map(gzipped_kb, widget)),
    }
    rows = [(name, f"{kb:.1f}") for name, kb in sizes_kb.items()]
    total_kb = sum(sizes_kb.values())
    table("The bundle, gzipped", ("", "KB"), [*rows, ("in total", f"{total_kb:.1f}"), ("at most", f"{MOST_KB:.0f}")])


def gzipped_kb(path: Path) -> float:
    return len(gzip.compress(path.read_bytes(), 9)) / 1000


# --- while live -----------------------------------------------------------------------------------------------------


def live(lab: Lab, cdp: CDPSession) -> None:
    """The page's share of a core while a cell sleeps: with the panel live at 2 Hz, with it hidden, and unmetered."""
    shares = {"kernel not metered": share_of_a_core(lab, cdp)}
    lab.start()
    shares["metered, panel open (2 Hz)"] = share_of_a_core(lab, cdp)
    shares["the same once more"] = share_of_a_core(lab, cdp)
    lab.execute("application:toggle-right-area", wait=True)
    lab.page.wait_for_timeout(1500)
    shares["metered, panel hidden (1 Hz)"] = share_of_a_core(lab, cdp)
    lab.execute("jupyter-carbon:open", wait=True)
    table(
        f"The page's main thread over {LIVE_S:.0f} s of a running cell, through Performance.getMetrics",
        ("", "tasks, % of a core", "script", "style and layout"),
        [
            (name, *(f"{100 * share[part]:.2f}" for part in ("TaskDuration", "ScriptDuration", "Drawing")))
            for name, share in shares.items()
        ]
        + [("the panel at 2 Hz at most", f"{100 * MOST_OF_A_CORE:.2f}", "", "")],
    )


def share_of_a_core(lab: Lab, cdp: CDPSession) -> dict[str, float]:
    lab.wait_idle()
    lab.run(0, wait=False)
    lab.page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    lab.page.wait_for_timeout(3000)  # Lab's own work for a cell that begins
    before, began_s = spent_s(cdp), time.monotonic()
    time.sleep(LIVE_S)
    after, took_s = spent_s(cdp), time.monotonic() - began_s
    lab.wait_idle()
    return {name: (after[name] - before[name]) / took_s for name in after}


def spent_s(cdp: CDPSession) -> dict[str, float]:
    metrics = {metric["name"]: metric["value"] for metric in cdp.send("Performance.getMetrics")["metrics"]}
    drawing_s = metrics["RecalcStyleDuration"] + metrics["LayoutDuration"]
    return {
        "TaskDuration": metrics["TaskDuration"],
        "ScriptDuration": metrics["ScriptDuration"],
        "Drawing": drawing_s,
    }


# --- at scale -------------------------------------------------------------------------------------------------------


def filled(path: Path, rows: int) -> None:
    """A ledger of a year in 40 notebooks."""
    dice = random.Random(12)
    one = Interval(0.9, 1.0, 1.1)
    grams = CarbonIntensity(
        Interval(300, 330, 400), "DE", "Germany", "lifecycle", "average", "yearly", "a source", 2025
    )
    now_s = time.time()

    def record(number: int) -> CellRecord:
        kwh = Interval(1e-4, 2e-4, 3e-4)
        return CellRecord(
            run=CellRun(
                f"{number:026d}",
                f"s{number // 100}",
                f"c{number % 100}",
                f"work/{number % 40}.ipynb",
                None,
                number % 100,
                now_s - dice.uniform(60, 365 * 86400),
                f"{number % 3000:040x}",
            ),
            duration_s=20.0,
            status="ok",
            shares=(),
            footprint=Footprint(one, one, one, one, kwh, kwh * grams.gco2e_per_kwh, None, None),
            pue=one,
            intensity=grams,
            flags=(),
        )

    path.parent.mkdir(parents=True)
    store = Store(path)
    for start in range(0, rows, 5000):
        store.add([record(number) for number in range(start, min(start + 5000, rows))])


def run_all(server: Server, kernel_id: str, ids: list[str]) -> int:
    """Run cells of these ids from outside, as another page would; the largest snapshot, in bytes."""
    client = BlockingKernelClient()
    client.load_connection_file(str(server.home / f"rt/kernel-{kernel_id}.json"))
    client.start_channels()
    client.wait_for_ready(timeout=60)
    largest = 0
    for start in range(0, len(ids), 50):
        asked = [execute(client, cell_id) for cell_id in ids[start : start + 50]]
        while asked:
            message = client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == COMM_ID:
                largest = max(largest, len(json.dumps(message["content"]["data"]).encode()))
            elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                asked = [request for request in asked if request != message["parent_header"].get("msg_id")]
    client.stop_channels()
    return largest


def execute(client: BlockingKernelClient, cell_id: str) -> str:
    content = {"code": f"x = '{cell_id}'", "silent": False, "store_history": True, "user_expressions": {}}
    message = client.session.msg("execute_request", content, metadata={"cellId": cell_id})
    client.shell_channel.send(message)
    return str(message["header"]["msg_id"])


ACT = """async ([act, shown]) => {
    const panel = document.querySelector('#jupyter-carbon-panel');
    const isShown = new Function('panel', 'return ' + shown);
    const began = performance.now();
    new Function('panel', act)(panel);
    do {
        if (performance.now() - began > 20_000) throw Error('never shown: ' + act);
        await new Promise(requestAnimationFrame);
    } while (!isShown(panel));
    const channel = new MessageChannel();
    await new Promise(painted => { channel.port1.onmessage = painted; channel.port2.postMessage(null); });
    return performance.now() - began;
}"""
"""Act, wait until it shows, and until the frame with it is painted."""

REST = "ms => new Promise(rested => setTimeout(() => requestIdleCallback(rested), ms))"
"""What one act leaves to be done is not the next one's."""

REST_MS, JUMP_REST_MS = 50, 1000


def click(words: str, inside: str = "panel") -> str:
    return f"[...{inside}.querySelectorAll('button')].find(b => b.textContent === '{words}').click()"


def pressed(words: str) -> str:
    return f"[...panel.querySelectorAll('button[aria-pressed=true]')].some(b => b.textContent === '{words}')"


UNFOLD = "panel.querySelector('.jc-section-cells .jc-fold').click()"
GO = """
    const { notebookConfig, widgets } = jupyterapp.shell.currentWidget.content;
    const number = link => Number(link.textContent.match(/[0-9]+/)[0]);
    const isThere = link => notebookConfig.windowingMode === 'full' || widgets[number(link)].isAttached;
    const link = [...panel.querySelectorAll('.jc-cells tbody button')].filter(isThere)[ROW];
    window.wanted = number(link);
    const began = performance.now();
    link.click();
    (window.ours ??= []).push(performance.now() - began);
"""
"""A jump to one of the cells that JupyterLab has put on the page: by default it does so when it has nothing else to do,
and takes minutes for all of them.  Cells bear their numbers."""

IN_VIEW = """(() => {
    const { outerNode, widgets } = jupyterapp.shell.currentWidget.content;
    const [cell, frame] = [widgets[window.wanted].node, outerNode].map(node => node.getBoundingClientRect());
    return cell.height > 0 && cell.top < frame.bottom && cell.bottom > frame.top;
})()"""
ON_PAGE = "jupyterapp.shell.currentWidget.content.widgets.filter(widget => widget.isAttached).length"
OUTER = "jupyterapp.shell.currentWidget.content.outerNode"
ACTIVE = "jupyterapp.shell.currentWidget.content.activeCellIndex"
ROWS = (2, 5, 3, 6)
Step = tuple[str, str]

INTERACTIONS: dict[str, list[Step]] = {
    "open the panel, where another was": [
        ("jupyterapp.shell.activateById('jp-property-inspector')", "!panel.checkVisibility()"),
        ("jupyterapp.commands.execute('jupyter-carbon:open')", "panel.checkVisibility()"),
    ],
    "sort the cells": [(click(word), pressed(word)) for word in ("runs", "newest", "energy")],
    "show 50 more cells": [
        ("window.shown = panel.querySelectorAll('.jc-cells tr').length; panel.querySelector('.jc-more').click()",
         "panel.querySelectorAll('.jc-cells tr').length > window.shown"),
    ],
    "fold and unfold the cells": [
        (UNFOLD, "!panel.querySelector('.jc-cells').checkVisibility()"),
        (UNFOLD, "panel.querySelector('.jc-cells').checkVisibility()"),
    ],
    "another comparison": [("panel.querySelector('.jc-another').click()", "true")],
    "another period of the ledger": [
        (click(word), f"{pressed(word)} && panel.querySelector('.jc-answer:not([data-stale])') !== null")
        for word in ("today", "30 d", "all", "7 d")
    ],
}  # fmt: skip
"""What a reader does, and by what it is seen to be done; several steps are taken in turn."""

JUMPS: dict[str, list[Step]] = {
    "jump to a cell, until it is in view": [(GO.replace("ROW", str(row)), IN_VIEW) for row in ROWS],
    "the same, until it is active": [(GO.replace("ROW", str(row)), f"{ACTIVE} === window.wanted") for row in ROWS],
    "JupyterLab's own next cell": [
        (f"window.was = {ACTIVE}; jupyterapp.commands.execute('notebook:move-cursor-down')", f"{ACTIVE} !== window.was")
    ],
    "the notebook scrolled by a screen": [(f"{OUTER}.scrollTop += ({OUTER}.scrollTop > 5000 ? -900 : 900)", "true")],
}
"""What a jump takes, and what JupyterLab takes for its parts without us: to make a cell active, and in each scroll, it
visits the editors of all cells on the page."""

FULL = """jupyterapp.serviceManager.settings.save(
    '@jupyterlab/notebook-extension:tracker', JSON.stringify({ windowingMode: 'full' })
)"""


def at_scale(lab: Lab, server: Server, cells: int, rows: int) -> None:
    lab.start()
    kernel_id = lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.id")
    largest_bytes = run_all(server, kernel_id, [f"large-{number}" for number in range(cells)])
    lab.until(f"CELLS {cells:,}")
    lab.page.wait_for_timeout(3000)
    took_ms = {name: timed_ms(lab.page, steps, REST_MS) for name, steps in INTERACTIONS.items()}
    heads = ("", "median ms", "slowest ms", "times")
    table(
        f"With {cells:,} cells in the session and the notebook, and {rows:,} rows in the ledger",
        heads,
        [*summaries(took_ms), ("at most", "", f"{MOST_MS:.0f}", "")],
    )
    jumps(lab, "where JupyterLab has put {:,} cells on the page, as it does by default")
    lab.page.evaluate(FULL)
    lab.page.reload()
    lab.ready()
    lab.until(f"CELLS {cells:,}")
    lab.until_text(lambda _: lab.panel.locator(".jc-more").is_visible())
    lab.page.wait_for_timeout(3000)
    jumps(lab, "where it has {:,} there, as with its setting windowing mode: full")
    table("A snapshot", ("", "bytes"), [("the largest of them", largest_bytes), ("fewer than", MOST_BYTES)])


def jumps(lab: Lab, where: str) -> None:
    took_ms = {name: timed_ms(lab.page, steps, JUMP_REST_MS) for name, steps in JUMPS.items()}
    took_ms["of a jump, in our own code"] = lab.page.evaluate("window.ours")
    table(
        f"Jumps {where.format(lab.page.evaluate(ON_PAGE))}",
        ("", "median ms", "slowest ms", "times"),
        summaries(took_ms),
    )


def summaries(took_ms: dict[str, list[float]]) -> list[tuple[str, str, str, int]]:
    return [(name, f"{statistics.median(took):.0f}", f"{max(took):.0f}", len(took)) for name, took in took_ms.items()]


def timed_ms(page: Page, steps: list[Step], rest_ms: int) -> list[float]:
    took_ms = []
    for _ in range(REPEATS):
        for step in steps:
            took_ms.append(page.evaluate(ACT, step))
            page.evaluate(REST, rest_ms)
    return took_ms


# --- the page -------------------------------------------------------------------------------------------------------


@contextmanager
def page_of(server: Server) -> Iterator[tuple[Lab, CDPSession]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        context = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-GB", timezone_id="UTC")
        page = context.new_page()
        page.set_default_timeout(120_000)
        cdp = context.new_cdp_session(page)
        cdp.send("Performance.enable", {"timeDomain": "threadTicks"})  # CPU time: others may be on this machine
        yield Lab(page, server), cdp
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=100_000)
    chosen = parser.parse_args()
    machine()
    bundle()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder) / "lab") as server:
        with page_of(server) as (lab, cdp):
            live(lab.open(server.notebook("live.ipynb", f"import time; time.sleep({LIVE_S + 8})")), cdp)
        server.forget()
        filled(server.home / "ledger/ledger.sqlite", chosen.rows)
        sources = (f"x = 'large-{number}'" for number in range(chosen.cells))
        large = server.notebook("large.ipynb", *sources)
        with page_of(server) as (lab, _):
            at_scale(lab.open(large), server, chosen.cells, chosen.rows)


if __name__ == "__main__":
    main()
