"""Takes the README's two pictures from a real JupyterLab: ``.venv/bin/python docs/pictures.py`` (half a minute).

The kernel and its cells are real; the counter that they are metered with is the tests' own, and says what `draw` says.
"""

from __future__ import annotations

import math
import sys
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests/panel"))

from panel_lab import CHROMIUM, Lab, Powercap, serve  # noqa: E402

CELLS = (
    "import math, random, time",
    "rows = [random.gauss(0, 1) for _ in range(2_000_000)]",
    "features = sorted(math.tanh(x) * x for x in rows)",
    "%%carbon train\nuntil = time.time() + 45\nwhile time.time() < until:\n"
    "    loss = sum(math.sin(x) for x in features[:50_000])",
)
PANEL_PX = 330


def draw(power: Powercap, ended: threading.Event) -> None:
    """A processor that works: a climb, then waves."""
    began_s = time.monotonic()
    while not ended.wait(0.05):
        at_s = time.monotonic() - began_s
        power.watts = 18 + 45 / (1 + math.exp(4 - at_s / 4)) + 5 * math.sin(at_s / 2)


def prepare(lab: Lab) -> None:
    """Room for the notebook and the panel, and nothing else."""
    lab.execute("application:toggle-left-area", wait=True)
    lab.execute("statusbar:toggle", wait=True)
    panel = lab.panel.bounding_box()
    assert panel is not None
    mouse, edge_px = lab.page.mouse, panel["x"] - 2
    mouse.move(edge_px, 300)
    mouse.down()
    mouse.move(edge_px + panel["width"] - PANEL_PX, 300, steps=5)
    mouse.up()
    mouse.move(0, 0)


def main() -> None:
    """Run the notebook, and take it in both themes while its last cell works."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "lab") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(**CHROMIUM)
        page = browser.new_page(
            viewport={"width": 960, "height": 1080}, device_scale_factor=1.5, locale="en-GB", timezone_id="UTC"
        )
        lab = Lab(page, server).open(server.notebook("train.ipynb", *CELLS)).start()
        prepare(lab)
        ended = threading.Event()
        drawing = threading.Thread(target=draw, args=(server.power, ended))
        drawing.start()
        for number in range(3):
            lab.run(number)
        lab.page.locator(".jc-badge").nth(1).wait_for()
        lab.run(3, wait=False)
        page.wait_for_timeout(25_000)
        for theme in ("Light", "Dark"):
            lab.execute("apputils:change-theme", {"theme": f"JupyterLab {theme}"}, wait=True)
            page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=f"JupyterLab {theme}")
            page.wait_for_timeout(2_000)
            page.screenshot(path=DOCS / f"panel-{theme.lower()}.png")
        ended.set()
        drawing.join()
        browser.close()


if __name__ == "__main__":
    main()
