"""The panel in a real JupyterLab, with real kernels whose processor draws what a test says."""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from kernels import KERNELS, SPECS
from panel_lab import BUSY, FAILED, LOAD, PATIENCE_S, Lab, Server, serve, watts, within
from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(180)

OpenLab = Callable[..., Lab]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("lab")) as server:
        spec = server.root.parent / "data/kernels"
        _kernel(spec / "bare", "Bare", "python", "import sys; sys.modules['jupyter_carbon'] = None")
        _kernel(spec / "ir", "R", "R", "")
        for oldest_to_newest in SPECS.glob("ik-*"):
            (spec / oldest_to_newest.name).symlink_to(oldest_to_newest)
        yield server


@pytest.fixture(params=KERNELS if SPECS.is_dir() else ["python3"])
def any_kernel(request: pytest.FixtureRequest) -> str:
    """Each ipykernel that matters, by the name of its spec."""
    return str(request.param)


def _kernel(folder: Path, name: str, language: str, first: str) -> None:
    folder.mkdir(parents=True)
    launch = f"{first}\nfrom ipykernel.kernelapp import launch_new_instance\nlaunch_new_instance()"
    spec = {
        "argv": [sys.executable, "-c", launch, "-f", "{connection_file}"],
        "display_name": name,
        "language": language,
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


class Pages:
    """One page that most tests share, as JupyterLab takes seconds to start, and more of them for who asks."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self._browser, self._server = browser, server
        self._shared: Lab | None = None

    def shared(self) -> Lab:
        if self._shared is None:
            self._shared = self.new().open_empty()
        return self._shared

    def new(self) -> Lab:
        context = self._browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-GB", timezone_id="UTC")
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        return Lab(page, self._server)

    def clear(self, *, trust: bool) -> None:
        """For the next test; after a failure nobody trusts the page that it was in."""
        if self._shared is not None and trust:
            self._shared.close_all()
        elif self._shared is not None:
            self._shared.page.context.close()
            self._shared = None


@pytest.fixture(scope="module")
def pages(browser: Browser, server: Server) -> Iterator[Pages]:
    pages = Pages(browser, server)
    yield pages
    pages.clear(trust=False)


@pytest.fixture
def labs(pages: Pages, server: Server, request: pytest.FixtureRequest) -> Iterator[OpenLab]:
    """Opens notebooks, in the shared page or in one of their own; no page logs an error or asks another host."""
    opened: list[Lab] = []
    own: list[Lab] = []

    def labs(path: str, *, in_own_page: bool = False) -> Lab:
        if in_own_page:
            own.append(pages.new().open(path))
            opened.append(own[-1])
        else:
            shared = pages.shared()
            shared.forget()
            opened.append(shared.switch(path))
        return opened[-1]

    yield labs
    faults = [fault for lab in opened for fault in lab.faults if not lab.is_of_lab(fault)]
    strangers = [address for lab in opened for address in lab.strangers]
    for lab in own:
        lab.page.context.close()
    pages.clear(trust=not request.node.stash.get(FAILED, False))
    server.forget()
    assert faults == []
    assert strangers == []


# --- states ---------------------------------------------------------------------------------------------------------


def test_a_kernel_without_the_extension_is_off_until_the_button(labs, server):
    lab = labs(server.notebook("off.ipynb", "1 + 1"))
    lab.until("Metering is off for this kernel. Nothing is measured.")
    lab.run(0)
    assert "Metering is off" in lab.text()
    lab.start()
    assert "No cell has run yet" in lab.text()
    assert lab.page.locator(".jp-OutputArea-output").all_inner_texts() == [
        "2"
    ]  # starting leaves nothing in the notebook


def test_a_kernel_whose_environment_lacks_the_package_says_what_to_install(labs, server):
    lab = labs(server.notebook("bare.ipynb", "1 + 1"))
    lab.wait_idle()
    lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.changeKernel({ name: 'bare' })")
    lab.until("jupyter_carbon is not installed in this kernel’s environment.")
    assert "%pip install jupyter_carbon" in lab.text()


def test_a_kernel_of_another_language_is_left_alone(labs, server):
    lab = labs(server.notebook("r.ipynb", "1 + 1"))
    lab.wait_idle()
    lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.changeKernel({ name: 'ir' })")
    lab.until("R is not a Python kernel. It is not metered.")


def test_loading_the_extension_in_a_cell_is_seen(labs, server):
    lab = labs(server.notebook("loaded.ipynb", LOAD))
    lab.until("Metering is off")
    lab.run(0)
    lab.until("this session")


def test_a_setting_starts_metering_in_each_python_kernel(labs, server):
    lab = labs(server.notebook("auto.ipynb", "1 + 1"))
    lab.until("Metering is off")
    with lab.settings(autoStart=True):
        lab.execute("kernelmenu:restart")
        lab.page.get_by_role("button", name="Confirm Kernel Restart").click()
        lab.until("No cell has run yet")
        server.notebook("auto-too.ipynb", "1 + 1")
        lab.focus("auto-too.ipynb")
        lab.until("auto-too.ipynb")
        lab.until("No cell has run yet")
        lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.changeKernel({ name: 'ir' })")
        lab.until("R is not a Python kernel. It is not metered.")


def test_a_page_that_comes_to_a_busy_kernel_of_which_nothing_is_known_says_so(labs, server):
    lab = labs(server.notebook("unknown.ipynb", BUSY.format(seconds=60)), in_own_page=True)
    lab.until("Metering is off")
    lab.run(0, wait=False)
    lab.page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    lab.page.reload()
    lab.ready()
    lab.until("The kernel is busy. Its state is known when the running cell ends.")
    lab.execute("kernelmenu:interrupt")
    lab.until("Metering is off")


# --- live -----------------------------------------------------------------------------------------------------------


def test_numbers_move_at_least_every_second_while_a_cell_blocks(labs, server, any_kernel):
    lab = labs(server.notebook(f"live-{any_kernel}.ipynb", BUSY.format(seconds=6), kernel=any_kernel)).start()
    with lab.watched(".jc-headline") as seen:
        lab.run(0)
        lab.until("idle")
    assert len(seen) >= 8  # of twelve samples
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(seen[1:])]
    assert sum(gap_s > 1.0 for gap_s in gaps) <= 1  # one sample may be late on a machine that has other work
    assert max(gaps) < 1.5  # and no second one in a row
    assert lab.read(".jc-power") == "–"


def test_a_drawn_watt_is_on_screen_within_a_second_and_a_half(labs, server, any_kernel):
    lab = labs(server.notebook(f"watt-{any_kernel}.ipynb", BUSY.format(seconds=6), kernel=any_kernel)).start()
    lab.run(0, wait=False)
    lab.until_text(lambda text: watts(lab.read(".jc-power")) > 0.0)
    lab.page.wait_for_timeout(1000)
    with lab.watched(".jc-power") as seen:
        before = watts(lab.read(".jc-power"))
        server.power.watts = 200.0  # ten times as much: whatever else this machine does, it shows
        at_s = time.time()
        lab.until("idle")
    server.power.watts = 20.0
    assert next(shown_s for shown_s, text in seen if watts(text) > 2 * before) - at_s <= 1.5


def test_while_c_code_holds_the_lock_the_sample_grows_old_and_no_joule_is_lost(labs, server):
    hold = "import ctypes; ctypes.PyDLL(None).sleep(7)"  # PyDLL keeps Python's lock: no thread runs meanwhile
    lab = labs(server.notebook("hold.ipynb", hold)).start()
    lab.run(0, wait=False)
    lab.until("No sample for")
    assert "stalled" in lab.text()
    first_s = age_s(lab.text())
    lab.until_text(lambda text: age_s(text) > first_s, what="the sample grows older")
    lab.until("idle")
    lab.until("CELLS 1")
    counted = re.search(r"machine’s ≈ ([\d.]+) mWh", lab.text())
    assert float(counted[1]) >= 20.0 * 7.0 / 3.6  # the processor's 140 J, whoever draws them


def age_s(text: str) -> int:
    found = re.search(r"No sample for (\d+) s", text)
    return int(found[1]) if found else 0


def test_it_is_right_after_a_reload_in_mid_cell(labs, server):
    book = server.notebook("reload.ipynb", BUSY.format(seconds=1), BUSY.format(seconds=60))
    lab = labs(book, in_own_page=True).start()
    lab.run(0)
    lab.until("idle")
    lab.run(1, wait=False)
    lab.until("metering")
    lab.page.reload()
    lab.ready()
    assert lab.until("metering") < 5.0
    assert "busy" in lab.text()
    assert lab.panel.locator(".jc-cells tbody tr").count() == 2  # the running one and the largest
    assert lab.read(".jc-live .jc-code").startswith("until = ")
    lab.execute("kernelmenu:interrupt")
    lab.until("interrupted")
    lab.until("idle")


def test_a_second_tab_sees_the_same(labs, server):
    first = labs(server.notebook("tabs.ipynb", BUSY.format(seconds=60))).start()
    second = labs("tabs.ipynb", in_own_page=True)
    second.until("this session")
    first.run(0, wait=False)
    first.until("metering")
    assert second.until("metering") < 5.0
    first.execute("kernelmenu:interrupt")
    for lab in (first, second):
        lab.until("interrupted")
        lab.until("idle")
    assert first.read(".jc-number") == second.read(".jc-number")


def test_after_a_restart_the_old_total_is_kept_and_marked(labs, server):
    lab = labs(server.notebook("restart.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    lab.until_text(lambda text: "\n0\n" not in text)
    total = lab.read(".jc-number")
    lab.execute("kernelmenu:restart")
    lab.page.get_by_role("button", name="Confirm Kernel Restart").click()
    lab.until("The session before ended at")
    lab.until("Metering is off")
    assert f": {total} " in lab.read(".jc-former")
    lab.panel.get_by_role("button", name="Start metering").click()
    lab.until("No cell has run yet")
    assert lab.read(".jc-number") == "0"
    assert f": {total} " in lab.read(".jc-former")


def test_a_kernel_that_dies_leaves_its_total(labs, server):
    lab = labs(server.notebook("dies.ipynb", BUSY.format(seconds=1), "import os; os._exit(1)")).start()
    lab.run(0)
    lab.until("idle")
    lab.run(1, wait=False)
    lab.until("The session before ended at")
    lab.page.locator(".jp-Dialog .jp-mod-accept").first.click()


def test_a_rename_is_followed(labs, server):
    lab = labs(server.notebook("before.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.page.evaluate("jupyterapp.shell.currentWidget.context.rename('after.ipynb')")
    lab.until("after.ipynb")
    assert "CO₂e this session" in lab.text()
    lab.until_told(ask="look", notebook="after.ipynb")
    lab.run(0)
    lab.until_text(lambda text: "after.ipynb" in lab.read(".jc-notebooks"), what="after.ipynb in the ledger")


def test_two_notebooks_on_one_kernel_are_one_session(labs, server):
    server.notebook("two.ipynb", "2 + 2")
    lab = labs(server.notebook("one.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    lab.until_text(lambda text: lab.read(".jc-number") != "0")
    total = lab.read(".jc-number")
    kernel = lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.model")
    lab.focus("two.ipynb", kernel={"id": kernel["id"]})
    lab.until("two.ipynb")
    lab.until_told(ask="look", notebook="two.ipynb")
    assert lab.read(".jc-number") == total
    lab.panel.get_by_role("button", name="until = time.perf_counter() + 1").click()
    lab.until("one.ipynb")  # the row leads to its cell, in the other notebook


def test_a_text_file_in_focus_keeps_the_last_notebook(labs, server):
    (server.root / "notes.txt").write_text("some words")
    lab = labs(server.notebook("text.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    before = lab.read(".jc-headline")
    lab.focus("notes.txt")
    lab.page.wait_for_selector(".jp-FileEditor")
    assert lab.read(".jc-notebook") == "text.ipynb"
    assert lab.read(".jc-headline") == before


def test_another_notebook_has_its_own_numbers(labs, server):
    server.notebook("other.ipynb", "1")
    lab = labs(server.notebook("mine.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    lab.focus("other.ipynb")
    lab.until("other.ipynb")
    lab.until("Metering is off")
    assert not lab.panel.locator(".jc-hero").is_visible()


def test_the_busy_indicator_is_never_made_wrong(labs, server):
    lab = labs(server.notebook("busy.ipynb", BUSY.format(seconds=8))).start()
    lab.run(0, wait=False)
    lab.until("metering")
    lab.panel.get_by_role("button", name="30 d").click()
    lab.execute("filebrowser:activate")
    lab.until("After the running cell.")
    seen = set()
    for _ in range(25):
        seen.add(lab.indicator)
        lab.page.wait_for_timeout(100)
    assert seen == {"busy"}
    lab.until("idle")
    lab.wait_idle()
    lab.until_text(lambda text: "After the running cell." not in text)
    within(lambda: lab.indicator == "idle", lab.page, "the indicator is idle")


def test_many_cells_in_a_row_are_all_there(labs, server):
    lab = labs(server.notebook("many.ipynb", *[f"x = {n}" for n in range(30)])).start()
    lab.execute("notebook:run-all-cells", wait=True)
    lab.until_text(lambda text: "CELLS 30" in text, what="CELLS 30")
    lab.until("Show 22 more")
    lab.panel.get_by_role("button", name="Show 22 more").click()
    assert lab.panel.locator(".jc-cells tbody tr").count() == 30


def test_a_jump_finds_the_cell_where_it_stands_now(labs, server):
    """Cells are found by an index of the notebook, which a move must not outlive."""
    lab = labs(server.notebook("jump.ipynb", "a = 1", "b = 2", "c = 3")).start()
    lab.execute("notebook:run-all-cells", wait=True)
    lab.until("c = 3")  # each has been named, so the index is made
    lab.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    lab.execute("notebook:move-cell-up")
    lab.execute("notebook:move-cell-up")
    lab.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    lab.panel.locator(".jc-cells button", has_text="c = 3").click()
    lab.page.wait_for_function("window.jupyterapp.shell.currentWidget.content.activeCellIndex === 0")
    source = "window.jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.source"
    assert lab.page.evaluate(source) == "c = 3"


# --- badges, status bar, settings -----------------------------------------------------------------------------------


def test_a_quiet_line_under_each_metered_cell(labs, server):
    lab = labs(server.notebook("badge.ipynb", BUSY.format(seconds=1), "x = 1")).start()
    lab.run(0)
    badge = lab.page.locator(".jp-Cell .jc-badge")
    badge.wait_for()
    assert badge.inner_text().endswith("g CO₂e · modelled")
    assert "of CO2 equivalent, modelled" in (badge.get_attribute("aria-label") or "")
    lab.run(1)
    lab.until("CELLS 2")
    assert badge.count() == 1  # the second cell is below the threshold
    lab.page.locator(".jp-Cell .cm-content").first.click()
    lab.page.keyboard.type("# edited\n")
    lab.page.wait_for_selector(".jc-badge[data-stale]")
    assert badge.inner_text().endswith("edited since")


def test_in_a_run_of_all_a_line_is_there_while_the_next_cells_run(labs, server):
    book = server.notebook("all.ipynb", BUSY.format(seconds=1.5), BUSY.format(seconds=1.5), BUSY.format(seconds=60))
    lab = labs(book).start()
    lab.execute("application:toggle-right-area", wait=True)  # and so at 1 Hz, where nobody looks
    lab.execute("notebook:run-all-cells")
    counts = "() => [...document.querySelectorAll('.jp-InputPrompt')].map(e => e.textContent)"
    for number in (1, 2):
        lab.page.wait_for_function(f"{counts.removeprefix('() => ')}[{number - 1}] === '[{number}]:'")
        ended_s = time.monotonic()
        lab.page.locator(".jp-Cell").nth(number - 1).locator(".jc-badge").wait_for()
        assert time.monotonic() - ended_s < 1.0
    assert lab.page.evaluate(counts) == ["[1]:", "[2]:", "[*]:"]
    lab.execute("jupyter-carbon:open", wait=True)
    lab.until_text(lambda text: lab.panel.locator(".jc-cells tbody tr").count() == 3, what="all three in the list")
    lab.execute("kernelmenu:interrupt")
    lab.until("idle")


def test_a_cell_that_shows_its_cost_as_an_output_has_no_line_beside_it(labs, server):
    lab = labs(server.notebook("once.ipynb", f"%%carbon train\n{BUSY.format(seconds=1)}")).start()
    lab.run(0)
    lab.until("CELLS 1")
    output = lab.page.locator(".jp-OutputArea-output")
    assert "train: " in output.inner_text()
    lab.page.wait_for_timeout(1000)  # a line would have come
    assert lab.page.locator(".jc-badge").count() == 0
    lab.execute("notebook:clear-cell-output")
    lab.page.locator(".jc-badge").wait_for()  # now nothing else tells it


def test_a_line_survives_a_reload_and_is_not_in_the_file(labs, server):
    lab = labs(server.notebook("again.ipynb", BUSY.format(seconds=1)), in_own_page=True).start()
    lab.run(0)
    lab.page.locator(".jc-badge").wait_for()
    lab.execute("docmanager:save", wait=True)
    assert "jupyter_carbon" not in (server.root / "again.ipynb").read_text().replace(LOAD, "")
    lab.page.reload()
    lab.ready()
    lab.page.locator(".jc-badge").wait_for()


def test_saved_lines_have_two_digits_and_no_time(labs, server):
    lab = labs(server.notebook("saved.ipynb", BUSY.format(seconds=1)))
    lab.until("Metering is off")
    with lab.settings(badge="saved"):
        lab.start()
        lab.run(0)
        lab.page.locator(".jc-badge").wait_for()
        lab.execute("docmanager:save", wait=True)
        kept = nbformat.read(server.root / "saved.ipynb", as_version=4).cells[0].metadata["jupyter_carbon"]
        assert set(kept) == {"v", "energy_wh", "gco2e", "quality", "region", "source_sha1"}
        assert kept["region"] == "DE"
        assert len(f"{kept['gco2e']:.10f}".strip("0.")) <= 2


def test_a_line_is_saved_by_the_page_that_ran_the_cell_and_by_no_other(labs, server):
    first = labs(server.notebook("whose.ipynb", BUSY.format(seconds=1)))
    first.until("Metering is off")
    with first.settings(badge="saved"):
        first.start()
        second = labs("whose.ipynb", in_own_page=True)
        second.until("this session")
        first.run(0)
        for lab in (first, second):
            lab.page.locator(".jc-badge").wait_for()
        kept = "jupyterapp.shell.currentWidget.content.widgets[0].model.getMetadata('jupyter_carbon') !== undefined"
        assert [lab.page.evaluate(kept) for lab in (first, second)] == [True, False]
        first.execute("docmanager:save", wait=True)


def test_lines_can_be_switched_off(labs, server):
    lab = labs(server.notebook("no-lines.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.page.locator(".jc-badge").wait_for()
    with lab.settings(badge="off"):
        assert lab.page.locator(".jc-badge").count() == 0
        lab.run(0)
        lab.until("×2")
        assert lab.page.locator(".jc-badge").count() == 0
    lab.page.locator(".jc-badge").wait_for()


def test_a_line_in_the_metadata_of_an_untrusted_notebook_is_text(labs, server):
    server.notebook("evil.ipynb", "1", "2", "3")
    book = nbformat.read(server.root / "evil.ipynb", as_version=4)
    good = {
        "v": 1,
        "energy_wh": 0.12,
        "gco2e": 0.046,
        "quality": "measured",
        "region": "<img src=x>",
        "source_sha1": None,
    }
    book.cells[0].metadata["jupyter_carbon"] = good
    book.cells[1].metadata["jupyter_carbon"] = {**good, "quality": "<img src=x onerror=alert(1)>"}
    book.cells[2].metadata["jupyter_carbon"] = {**good, "energy_wh": "<script>alert(1)</script>"}
    nbformat.write(book, server.root / "evil.ipynb")
    lab = labs("evil.ipynb")
    lab.page.locator(".jc-badge").first.wait_for()
    assert lab.page.locator(".jc-badge").all_inner_texts() == ["120\xa0mWh · ≈\xa046\xa0mg CO₂e · measured"]
    assert lab.page.locator(".jc-badge img, .jc-badge script").count() == 0


HOSTILE = "<img src=x onerror=alert(1)> \"'&"


def test_labels_and_paths_with_markup_are_text(labs, server):
    cells = (f"%%carbon {HOSTILE}\n{BUSY.format(seconds=1)}", f"%%carbon {HOSTILE * 350}\n1")
    lab = labs(server.notebook(f"{HOSTILE}.ipynb", *cells)).start()
    lab.run(0)
    lab.run(1)
    lab.until("CELLS 2")
    assert lab.read(".jc-notebook") == f"{HOSTILE}.ipynb"
    assert lab.panel.get_by_role("button", name=HOSTILE, exact=True).count() == 1
    lab.until_text(lambda text: HOSTILE in lab.read(".jc-notebooks"), what="the notebook in the ledger")
    assert lab.page.locator("#jupyter-carbon-panel img, .jp-OutputArea img, .jc-badge img, .jc-status img").count() == 0


def test_a_message_of_another_version_is_ignored_with_one_note(labs, server):
    send = (
        "k, data = get_ipython().kernel, {'comm_id': 'jupyter-carbon-live', 'data': {'v': 99}}\n"
        "for _ in range(3): k.session.send(k.iopub_socket, 'comm_msg', data)"
    )
    lab = labs(server.notebook("version.ipynb", send))
    lab.until("Metering is off")
    lab.run(0)
    lab.until("another version of the protocol (99)")
    assert len(lab.notes) == 1
    assert "version 99" in lab.notes[0]


def test_the_status_bar_tells_the_session_and_opens_the_panel(labs, server):
    lab = labs(server.notebook("status.ipynb", BUSY.format(seconds=3))).start()
    lab.run(0, wait=False)
    item = lab.page.locator(".jc-status-button")
    item.wait_for()
    lab.page.wait_for_function("() => /g · .*W$/.test(document.querySelector('.jc-status-text')?.textContent ?? '')")
    lab.execute("application:toggle-right-area", wait=True)
    assert not lab.panel.is_visible()
    item.click()
    lab.panel.wait_for(state="visible")
    lab.until("idle")


def test_a_hidden_panel_is_right_when_it_is_shown_again(labs, server):
    lab = labs(server.notebook("hidden.ipynb", BUSY.format(seconds=1))).start()
    lab.execute("application:toggle-right-area", wait=True)
    lab.run(0)
    lab.page.locator(".jp-Cell .jc-badge").wait_for()
    lab.execute("jupyter-carbon:open", wait=True)
    assert lab.until_text(lambda text: "CELLS 1" in text and lab.read(".jc-busy") != "0 s") < 1.0


def test_the_commands_are_there_and_know_when_they_may(labs, server):
    lab = labs(server.notebook("commands.ipynb", "1"))
    lab.until("Metering is off")
    enabled = "name => jupyterapp.commands.isEnabled('jupyter-carbon:' + name)"
    names = ("start-metering", "pause-metering", "resume-metering")
    assert [lab.page.evaluate(enabled, name) for name in names] == [True, False, False]
    lab.start()
    assert [lab.page.evaluate(enabled, name) for name in names] == [False, True, False]
    lab.execute("jupyter-carbon:pause-metering", wait=True)
    lab.until("paused")
    assert [lab.page.evaluate(enabled, name) for name in names] == [False, False, True]
    lab.execute("jupyter-carbon:resume-metering", wait=True)
    lab.until("idle")
    lab.execute("apputils:activate-command-palette", wait=True)
    lab.page.locator(".lm-CommandPalette-input").fill("carbon")
    listed = lab.page.locator(".lm-CommandPalette-item[data-command^='jupyter-carbon:']")
    listed.first.wait_for()
    assert sorted(listed.evaluate_all("all => all.map(item => item.dataset.command.split(':')[1])")) == sorted(
        ("open", *names)
    )
    lab.page.keyboard.press("Escape")


def test_the_settings_have_a_page(labs, server):
    lab = labs(server.notebook("settings.ipynb", "1"))
    lab.execute("settingeditor:open", {"query": "Carbon"}, wait=True)
    lab.page.get_by_text("Start metering in each Python kernel").wait_for()
    for title in ("Line under a cell", "Smallest energy that gets a line", "Budget (grams of CO2e a month)"):
        assert lab.page.get_by_text(title).is_visible()


def test_a_budget_is_held_against_the_month(labs, server):
    lab = labs(server.notebook("budget.ipynb", BUSY.format(seconds=1))).start()
    with lab.settings(budget=1e-6):
        lab.run(0)
        lab.until("Over the budget:")


def test_the_widget_shows_the_same_view_under_a_cell(labs, server):
    lab = labs(server.notebook("widget.ipynb", LOAD, "%carbon live", BUSY.format(seconds=4)))
    lab.until("Metering is off")
    lab.run(0)
    lab.until("this session")
    lab.run(1)
    widget = lab.page.locator(".jp-OutputArea .jc-panel")
    widget.wait_for()
    lab.run(2, wait=False)
    widget.get_by_text("metering", exact=True).wait_for()
    seen = set()
    for _ in range(25):
        seen.add(widget.locator(".jc-headline").inner_text())
        lab.page.wait_for_timeout(100)
    assert len(seen) >= 3
    lab.until("idle")
    widget.get_by_text("idle", exact=True).wait_for()
    assert widget.locator(".jc-number").inner_text().replace("\xa0", " ") == lab.read(".jc-number")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"])
def test_axe_finds_nothing_in_the_panel_and_under_the_cells(labs, server, axe, pictures, theme):
    lab = labs(server.notebook("axe.ipynb", BUSY.format(seconds=1))).start()
    lab.execute("apputils:change-theme", {"theme": theme}, wait=True)
    lab.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=theme)
    lab.run(0)
    lab.page.locator(".jc-badge").wait_for()
    lab.until("CELLS 1")
    lab.page.screenshot(path=pictures / f"lab-{theme.split()[-1].lower()}.png")
    assert axe(lab.page, within="#jupyter-carbon-panel", without=[]) == []
    assert axe(lab.page, within=".jc-badge", without=[]) == []


# --- another language -----------------------------------------------------------------------------------------------

GERMAN = {
    "Metering is off for this kernel. Nothing is measured.": "Dieser Kernel wird nicht gemessen.",
    "Start metering": "Messung starten",
    "CO₂e this session": "CO₂e in dieser Sitzung",
    "%1, 5 to 95 %": "%1, 5 bis 95 %",
    "modelled": "modelliert",
    "%1 · %2 CO₂e · %3": "%1 · %2 CO₂e · %3!",
}


def test_the_interface_speaks_the_language_of_jupyterlab(browser, tmp_path):
    """By a language pack as people install them: a package with JSON files and an entry point."""
    pack, told = tmp_path / "packs/jc_german", tmp_path / "packs/jc_german-1.0.dist-info"
    words = pack / "locale/de_DE/LC_MESSAGES/jupyter_carbon.json"
    words.parent.mkdir(parents=True)
    head = {"domain": "jupyter_carbon", "language": "de-DE", "plural_forms": "nplurals=2; plural=(n != 1);"}
    words.write_text(json.dumps({"": head, **{english: [german] for english, german in GERMAN.items()}}))
    (pack / "__init__.py").write_text("")
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: jc-german\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[jupyterlab.languagepack]\nde_DE = jc_german\n")
    settings = {"@jupyterlab/translation-extension:plugin": {"locale": "de_DE"}}
    with serve(tmp_path / "lab", settings=settings, path=pack.parent) as server, browser.new_context() as context:
        lab = Lab(context.new_page(), server).open(server.notebook("a.ipynb", BUSY.format(seconds=1)))
        lab.until("Dieser Kernel wird nicht gemessen.")
        lab.panel.get_by_role("button", name="Messung starten").click()
        lab.until("CO₂e in dieser Sitzung")
        lab.run(0)
        badge = lab.page.locator(".jc-badge")
        badge.wait_for()
        assert re.fullmatch(
            r"≈ [\d,]+ mWh · ≈ [\d,]+ [µm]g CO₂e · modelliert!", badge.inner_text().replace("\xa0", " ")
        )
        lab.until("5 bis 95 %")
        assert re.fullmatch(r"[\d,]+ – [\d,]+ [µm]g, 5 bis 95 %", lab.read(".jc-range"))


# --- other houses ---------------------------------------------------------------------------------------------------

OLDEST = str(Path(__file__).parents[2] / ".venvs/lab-4.2/bin/python")  # `make test` fills it


@pytest.mark.parametrize(
    ("app", "python", "version"),
    [("lab", OLDEST, "4.2."), ("notebook", OLDEST, "7.2."), ("notebook", sys.executable, "7.")],
)
def test_the_same_bundle_runs_in(browser, tmp_path, app, python, version):
    if not Path(python).is_file():
        pytest.skip("the environment with JupyterLab 4.2 is made by `make test`")
    with serve(tmp_path / app, app, python) as server, browser.new_context(locale="en-GB") as context:
        lab = Lab(context.new_page(), server)
        lab.open(server.notebook("a.ipynb", BUSY.format(seconds=5)), at="lab/tree" if app == "lab" else "notebooks")
        assert lab.page.evaluate("jupyterapp.version").startswith(version)
        lab.start()
        with lab.watched(".jc-headline") as seen:
            lab.run(0)
            lab.until("idle")
        assert len(seen) >= 5
        lab.page.locator(".jc-badge").wait_for()
        assert [fault for fault in lab.faults if not lab.is_of_lab(fault)] == []
        assert lab.strangers == []
