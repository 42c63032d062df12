"""The panel in a real JupyterLab, with real kernels whose processor draws what a test says."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nbformat
import pytest
from panel_lab import BUSY, LOAD, Lab, Server, serve, watts
from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(180)

OpenLab = Callable[..., Lab]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("lab")) as server:
        spec = server.root.parent / "data/kernels"
        _kernel(spec / "bare", "Bare", "python", "import sys; sys.modules['jupyter_carbon'] = None")
        _kernel(spec / "ir", "R", "R", "")
        yield server


def _kernel(folder: Path, name: str, language: str, first: str) -> None:
    folder.mkdir(parents=True)
    launch = f"{first}\nfrom ipykernel.kernelapp import launch_new_instance\nlaunch_new_instance()"
    spec = {
        "argv": [sys.executable, "-c", launch, "-f", "{connection_file}"],
        "display_name": name,
        "language": language,
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


@pytest.fixture(scope="module")
def first_page(browser: Browser, server: Server) -> Iterator[Lab]:
    """The page that most tests share: JupyterLab takes seconds to start."""
    with new_page(browser, server) as lab:
        lab.open(server.notebook("first.ipynb", "1"))
        yield lab


@contextmanager
def new_page(browser: Browser, server: Server) -> Iterator[Lab]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield Lab(page, server)
    context.close()


@pytest.fixture
def labs(browser: Browser, server: Server, first_page: Lab) -> Iterator[OpenLab]:
    """Opens notebooks, the second in a page of its own; no page has logged an error or asked another host."""
    opened: list[Lab] = []
    first_page.forget()

    with ExitStack() as pages:

        def labs(path: str) -> Lab:
            if not opened:
                opened.append(first_page.switch(path))
            else:
                opened.append(pages.enter_context(new_page(browser, server)).open(path))
            return opened[-1]

        yield labs
        faults = [fault for lab in opened for fault in lab.faults if not lab.is_of_lab(fault)]
        strangers = [address for lab in opened for address in lab.strangers]
    first_page.close_all()
    for kernel in server.api("kernels"):
        server.api(f"kernels/{kernel['id']}", "DELETE")
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
        lab.until("No cell has run yet", 30)


# --- live -----------------------------------------------------------------------------------------------------------


def test_numbers_move_while_a_cell_blocks(labs, server):
    lab = labs(server.notebook("live.ipynb", BUSY.format(seconds=6))).start()
    lab.page.wait_for_timeout(1000)  # the panel has said that it looks
    lab.run(0, wait=False)
    assert lab.until("metering") < 1.5
    seen = []
    while lab.indicator == "busy":
        if (shown := lab.read(".jc-headline")) not in seen[-1:]:
            seen.append(shown)
        lab.page.wait_for_timeout(100)
    assert len(seen) >= 6
    lab.until("idle", 10)
    assert lab.read(".jc-power") == "–"


def test_a_drawn_watt_is_on_screen_within_a_second_and_a_half(labs, server):
    lab = labs(server.notebook("watt.ipynb", BUSY.format(seconds=6))).start()
    lab.page.wait_for_timeout(1000)
    lab.run(0, wait=False)
    lab.until_text(lambda text: watts(lab.read(".jc-power")) > 0.0)
    before = watts(lab.read(".jc-power"))
    server.power.watts = 200.0  # ten times as much: whatever else this machine does, it shows
    try:
        took = lab.until_text(lambda text: watts(lab.read(".jc-power")) > 2 * before, 5)
    finally:
        server.power.watts = 20.0
    assert took <= 1.5


def test_while_c_code_holds_the_lock_the_sample_grows_old_and_no_joule_is_lost(labs, server):
    lab = labs(server.notebook("hold.ipynb", "import re", "re.match(r'(a+)+$', 'a' * 26 + 'b')")).start()
    lab.run(0)
    lab.page.wait_for_timeout(1000)
    lab.run(1, wait=False)
    lab.until("No sample for", 20)
    assert "stalled" in lab.text()
    lab.until("idle", 90)
    lab.until("CELLS 2")
    assert watts(lab.read(".jc-energy").replace("Wh", "W")) > 0.0


def test_it_is_right_after_a_reload_in_mid_cell(labs, server):
    lab = labs(server.notebook("reload.ipynb", BUSY.format(seconds=1), BUSY.format(seconds=20))).start()
    lab.run(0)
    lab.until("idle")
    lab.run(1, wait=False)
    lab.until("metering")
    lab.page.reload()
    lab.ready()
    took = lab.until("metering", 8)
    assert took < 3.0
    assert "busy" in lab.text()
    assert lab.panel.locator(".jc-cells tbody tr").count() == 2  # the running one and the largest
    assert lab.read(".jc-live .jc-code").startswith("until = ")
    lab.execute("kernelmenu:interrupt")
    lab.until("idle", 30)
    lab.until("interrupted")


def test_a_second_tab_sees_the_same(labs, server):
    first = labs(server.notebook("tabs.ipynb", BUSY.format(seconds=12))).start()
    second = labs("tabs.ipynb")
    second.until("this session")
    first.run(0, wait=False)
    first.until("metering")
    second.until("metering", 3)
    first.execute("kernelmenu:interrupt")
    for lab in (first, second):
        lab.until("idle", 30)
    assert first.read(".jc-number") == second.read(".jc-number")


def test_after_a_restart_the_old_total_is_kept_and_marked(labs, server):
    lab = labs(server.notebook("restart.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    lab.until_text(lambda text: "\n0\n" not in text)
    total = lab.read(".jc-number")
    lab.execute("kernelmenu:restart")
    lab.page.get_by_role("button", name="Confirm Kernel Restart").click()
    lab.until("The session before ended at", 30)
    lab.until("Metering is off", 30)
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
    lab.until("The session before ended at", 60)
    lab.page.locator(".jp-Dialog .jp-mod-accept").first.click()


def test_a_rename_is_followed(labs, server):
    lab = labs(server.notebook("before.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.page.evaluate("jupyterapp.shell.currentWidget.context.rename('after.ipynb')")
    lab.until("after.ipynb")
    assert "CO₂e this session" in lab.text()
    lab.page.wait_for_timeout(1500)  # the kernel is told once it is quiet
    lab.run(0)
    lab.until_text(lambda text: "after.ipynb" in lab.read(".jc-notebooks"), 20, "after.ipynb in the ledger")


def test_two_notebooks_on_one_kernel_are_one_session(labs, server):
    server.notebook("two.ipynb", "2 + 2")
    lab = labs(server.notebook("one.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    lab.until_text(lambda text: lab.read(".jc-number") != "0")
    total = lab.read(".jc-number")
    kernel = lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.model")
    lab.execute("docmanager:open", {"path": "two.ipynb", "kernel": {"id": kernel["id"]}}, wait=True)
    lab.until("two.ipynb")
    lab.page.wait_for_timeout(1000)
    assert lab.read(".jc-number") == total
    lab.panel.get_by_role("button", name="until = time.perf_counter() + 1").click()
    lab.until("one.ipynb")  # the row leads to its cell, in the other notebook


def test_a_text_file_in_focus_keeps_the_last_notebook(labs, server):
    (server.root / "notes.txt").write_text("some words")
    lab = labs(server.notebook("text.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    before = lab.read(".jc-headline")
    lab.execute("docmanager:open", {"path": "notes.txt"}, wait=True)
    lab.page.wait_for_selector(".jp-FileEditor")
    assert lab.read(".jc-notebook") == "text.ipynb"
    assert lab.read(".jc-headline") == before


def test_another_notebook_has_its_own_numbers(labs, server):
    server.notebook("other.ipynb", "1")
    lab = labs(server.notebook("mine.ipynb", BUSY.format(seconds=1))).start()
    lab.run(0)
    lab.until("idle")
    lab.execute("docmanager:open", {"path": "other.ipynb"}, wait=True)
    lab.until("other.ipynb")
    lab.until("Metering is off")
    assert not lab.panel.locator(".jc-hero").is_visible()


def test_the_busy_indicator_is_never_made_wrong(labs, server):
    lab = labs(server.notebook("busy.ipynb", BUSY.format(seconds=5))).start()
    lab.page.wait_for_timeout(1200)
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
    lab.until("idle", 15)
    lab.page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")
    lab.until_text(lambda text: "After the running cell." not in text, 10)
    assert lab.indicator == "idle"


def test_many_cells_in_a_row_are_all_there(labs, server):
    lab = labs(server.notebook("many.ipynb", *[f"x = {n}" for n in range(30)])).start()
    lab.execute("notebook:run-all-cells", wait=True)
    lab.until_text(lambda text: "CELLS 30" in text, 20, "CELLS 30")
    lab.until("Show 22 more", 10)
    lab.panel.get_by_role("button", name="Show 22 more").click()
    assert lab.panel.locator(".jc-cells tbody tr").count() == 30


# --- badges, status bar, settings -----------------------------------------------------------------------------------


def test_a_quiet_line_under_each_metered_cell(labs, server):
    lab = labs(server.notebook("badge.ipynb", BUSY.format(seconds=1), "x = 1")).start()
    lab.run(0)
    badge = lab.page.locator(".jp-Cell .jc-badge")
    badge.wait_for()
    assert badge.inner_text().endswith("g CO₂e · modelled")
    assert "of CO2 equivalent, modelled" in (badge.get_attribute("aria-label") or "")
    lab.run(1)
    lab.page.wait_for_timeout(1500)
    assert badge.count() == 1  # the second cell is below the threshold
    lab.page.locator(".jp-Cell .cm-content").first.click()
    lab.page.keyboard.type("# edited\n")
    lab.page.wait_for_selector(".jc-badge[data-stale]")
    assert badge.inner_text().endswith("edited since")


def test_a_line_survives_a_reload_and_is_not_in_the_file(labs, server):
    lab = labs(server.notebook("again.ipynb", BUSY.format(seconds=1))).start()
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


def test_a_label_with_markup_is_text(labs, server):
    lab = labs(
        server.notebook("label.ipynb", "%%carbon <img src=x onerror=alert(1)> \"'&\n" + BUSY.format(seconds=1))
    ).start()
    lab.run(0)
    lab.until("<img src=x onerror=alert(1)>")
    assert lab.panel.locator(".jc-cells img").count() == 0


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
    lab.until("idle", 10)


def test_a_hidden_panel_is_right_when_it_is_shown_again(labs, server):
    lab = labs(server.notebook("hidden.ipynb", BUSY.format(seconds=1))).start()
    lab.execute("application:toggle-right-area", wait=True)
    lab.run(0)
    lab.page.wait_for_timeout(1500)
    lab.execute("jupyter-carbon:open", wait=True)
    lab.until_text(lambda text: "busy" in text and lab.read(".jc-busy") != "0 s", 3)


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
    lab.until("idle", 10)
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
    lab.page.screenshot(path=pictures.folder / f"lab-{theme.split()[-1].lower()}.png")
    assert axe(lab.page, within="#jupyter-carbon-panel", without=[]) == []
    assert axe(lab.page, within=".jc-badge", without=[]) == []


# --- other houses ---------------------------------------------------------------------------------------------------

OLDEST = Path(__file__).parents[2] / ".venvs/lab-4.2/bin/python"  # `make test` fills it


@pytest.mark.skipif(not OLDEST.is_file(), reason="the environment with JupyterLab 4.2 is made by `make test`")
def test_the_same_bundle_runs_in_jupyterlab_4_2(browser, tmp_path):
    with serve(tmp_path / "old", python=str(OLDEST)) as server, browser.new_context(locale="en-GB") as context:
        assert server.api("")["version"]
        lab = Lab(context.new_page(), server).open(server.notebook("old.ipynb", BUSY.format(seconds=3))).start()
        assert lab.page.evaluate("jupyterapp.version").startswith("4.2.")
        lab.page.wait_for_timeout(1000)
        lab.run(0, wait=False)
        assert lab.until("metering") < 1.5
        lab.until("idle", 15)
        lab.page.locator(".jc-badge").wait_for()
        assert [fault for fault in lab.faults if not lab.is_of_lab(fault)] == []


def test_the_same_bundle_runs_in_notebook_7(browser, tmp_path):
    with serve(tmp_path / "notebook", "notebook") as server, browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        lab = Lab(page, server)
        page.goto(server.url(f"notebooks/{server.notebook('seven.ipynb', BUSY.format(seconds=3))}", reset=False))
        lab.ready().start()
        page.wait_for_timeout(1000)
        lab.run(0, wait=False)
        assert lab.until("metering") < 1.5
        lab.until("idle", 15)
        page.locator(".jc-badge").wait_for()
        assert [fault for fault in lab.faults if not lab.is_of_lab(fault)] == []
        assert lab.strangers == []
