"""The view as it is shipped, in a real browser, in every state, theme and width."""

from __future__ import annotations

import re

import pytest
from panel_states import (
    CELLS,
    FRESH,
    IDLE,
    LIVE,
    RUNNING,
    STATES,
    T0_MS,
    cell,
    cells,
    feed,
    focus,
    history,
    link,
    snapshot,
    tick,
    told,
    totals,
)
from playwright.sync_api import Page

WIDTHS = (240, 320, 480)
THEMES = ("light", "dark", "contrast")


def text(page: Page) -> str:
    return words(page, "main")


def words(page: Page, selector: str) -> str:
    """What a reader sees there; the blanks that hold a number and its unit together are blanks."""
    return page.locator(selector).inner_text().replace("\xa0", " ").replace("\u2060", "")


# --- every state says something, and says it well --------------------------------------------------------------

SAYS = {
    "no-notebook": "Open a notebook to see its footprint.",
    "no-kernel": "This notebook has no kernel.",
    "other-language": "R is not a Python kernel. It is not metered.",
    "waiting": "Waiting for the kernel",
    "busy": "Its state is known when the running cell ends.",
    "off": "Metering is off for this kernel. Nothing is measured.",
    "missing": "jupyter_carbon is not installed in this kernel’s environment.",
    "starting": "Starting",
    "failed": "ImportError: cannot import name 'x'",
    "other-version": "another version of the protocol (2)",
    "fresh": "No cell has run yet",
    "metering": "metering",
    "beside": "+2",
    "idle": "idle",
    "paused": "paused",
    "reloaded": "2 more cells are listed when the running cell has ended.",
    "stalled": "No sample for 6 s: the cell holds Python’s lock",
    "held": "No sample for 6 s: the cell holds Python’s lock",
    "disconnected": "Not connected to the kernel; numbers of 14:13",
    "restarted": "The session before ended at 14:13: ≈ 4.7 g CO₂e, 12.1 Wh",
    "dead": "The kernel has died; this is what it had used.",
    "died-unmetered": "The kernel has died.",
    "modelled": "CPU modelled: the energy counter is not readable",
    "near-budget": "Near the budget: 82% of 50 g this month. Nothing is stopped.",
    "over-budget": "Over the budget: 137% of 30 g this month. Nothing is stopped.",
    "within-budget": "41% of 100 g this month",
    "adrift": "<b>bold</b>",
    "method": "SUBSYSTEM",
    "mixed": "Not summed: these cells have intensities of different kinds",
    "day-worth": "Cleanest hour: tomorrow 04:00 – 05:00",
    "day-not-worth": "Not worth waiting: the cleanest hour would be tomorrow 04:00 – 05:00",
    "day-now": "Start now: no later hour is cleaner.",
    "day-short": "Less than an hour ahead is known.",
    "day-usual": "an average day of this month, no forecast",
    "day-marginal": "One more kWh now changes ≈ 400 g/kWh (marginal, direct, forecast 14:00 – 14:30, WattTime)",
    "day-unknown": "Nothing tells one coming hour in Germany from another.",
    "day-guessed": "You have named no place.",
    "day-old": "as of 14:13",
    "day-silent": "The kernel did not answer.",
}


@pytest.mark.parametrize("state", sorted(STATES))
def test_a_state_has_its_words_and_no_fault(show, state):
    page = show(STATES[state])
    if state != "skeleton":
        assert SAYS[state] in text(page)
    assert page.faults == []


def test_an_empty_frame_stands_for_a_second_and_no_longer(show):
    page = show(STATES["skeleton"])
    assert page.locator(".jc-skeleton").is_visible()
    page.evaluate("event => store.dispatch(event)", tick(T0_MS + 1001))
    assert not page.locator(".jc-skeleton").is_visible()
    assert "Waiting for the kernel" in text(page)


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_any_state(gallery, axe, theme):
    assert axe(gallery(theme, 320), without=["landmark-unique"]) == []  # a gallery has many panels, a page has one


def test_axe_finds_nothing_on_a_page_with_one_panel(show, axe):
    assert axe(show(LIVE), without=[]) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_or_overlaps_its_frame_in_any_state(gallery, width):
    overflowing = gallery("light", width).evaluate(
        """() => [...document.querySelectorAll('main .jc-panel *')].filter(e => {
            if (e.closest('.jc-sr, pre, svg') || !e.checkVisibility()) return false;
            const box = e.getBoundingClientRect(), frame = document.querySelector('main').getBoundingClientRect();
            const { textOverflow, overflow } = getComputedStyle(e);
            const isCut = textOverflow !== 'ellipsis' && overflow !== 'visible' && e.scrollWidth > e.clientWidth + 1;
            return isCut || box.right > frame.right + 0.5 || box.left < frame.left - 0.5;
        }).map(e => `${e.closest('main > div').id}: ${e.className}: ${e.textContent.slice(0, 60)}`)"""
    )
    assert overflowing == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", ["metering", "modelled", "idle", "near-budget"])
def test_a_number_and_its_unit_stay_on_one_line(show, state, width):
    page = show(STATES[state], width=width)
    unit, number = (page.locator(selector).bounding_box() for selector in (".jc-unit", ".jc-number"))
    assert number["y"] < unit["y"] < number["y"] + number["height"]
    for selector in (".jc-number", ".jc-fact dd", ".jc-watts", "td.jc-kwh:visible", "td.jc-co2:visible", ".jc-total"):
        heights = page.locator(selector).evaluate_all(
            "all => all.map(e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))"
        )
        assert all(lines < 2 for lines in heights), (selector, heights)


def test_a_picture_of_one_state_is_the_same_twice(show):
    pictures = [
        show(STATES["metering"]).locator("main").screenshot(animations="disabled", caret="hide") for _ in range(2)
    ]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pictures_of_every_state_can_be_looked_at(gallery, pictures, theme, width):
    page = gallery(theme, width)
    for state in sorted(STATES):
        picture = pictures / f"{state}-{theme}-{width}.png"
        page.locator(f"#{state}").screenshot(path=picture, animations="disabled", caret="hide")
        assert picture.stat().st_size > 1000


# --- the headline -------------------------------------------------------------------------------------------------


def test_the_number_its_range_and_three_facts(show):
    page = show(LIVE)
    assert words(page, ".jc-number") == "≈ 4.7"
    assert words(page, ".jc-hero").split() == ["≈", "4.7", "g", "CO₂e", "this", "session"]
    assert words(page, ".jc-range") == "4.0 – 5.6 g, 5 to 95 %"
    assert words(page, ".jc-energy") == "12.1 Wh"
    assert words(page, ".jc-power") == "≈ 200 W"
    assert words(page, ".jc-busy") == "4 min 12 s"


def test_the_range_is_drawn_to_scale_from_zero(show):
    page = show(LIVE)
    box = page.locator(".jc-headline .jc-rangebar").bounding_box()
    band, likely = (page.locator(s).bounding_box() for s in (".jc-band", ".jc-likely"))
    end = 5.61 * 1.15  # the bar ends a little after the high end
    assert (band["x"] - box["x"]) / box["width"] == pytest.approx(3.97 / end, abs=0.01)
    assert band["width"] / box["width"] == pytest.approx((5.61 - 3.97) / end, abs=0.01)
    assert (likely["x"] + 1 - box["x"]) / box["width"] == pytest.approx(4.66 / end, abs=0.01)


def test_grams_are_exact_only_where_the_intensity_is_that_of_these_minutes(show):
    page = show([focus(), feed(snapshot(totals=totals(exact=True)))])
    assert words(page, ".jc-number") == "4.66"
    measured_now = {**snapshot()["intensity"], "status": "actual"}  # of this moment, not of all the runs
    page = show([focus(), feed(snapshot(intensity=measured_now))])
    assert words(page, ".jc-number") == "≈ 4.7"


def test_power_is_a_dash_while_nothing_runs(show):
    page = show(STATES["idle"])
    assert words(page, ".jc-power") == "–"


def test_a_snapshot_that_is_not_newer_changes_nothing(show):
    page = show(LIVE)
    before = text(page)
    old = snapshot(seq=41, totals=totals(operational_gco2e={"low": 1.0, "likely": 1.0, "high": 1.0}))
    page.evaluate("event => store.dispatch(event)", feed(old))
    assert text(page) == before


def test_a_new_session_begins_at_zero_and_the_old_total_is_kept(show):
    page = show([*LIVE, feed({**FRESH, "session_id": "s2", "sent_at": FRESH["sent_at"] + 60}, T0_MS + 60_000)])
    assert words(page, ".jc-number") == "0"
    assert "The session before ended at 14:14: ≈ 4.7 g CO₂e, 12.1 Wh" in text(page)
    assert page.locator(".jc-cells tbody tr").count() == 0


def test_the_last_words_of_a_session_that_has_ended_are_not_shown(show):
    page = show([*STATES["restarted"], feed(snapshot(seq=99), T0_MS + 2000)])
    assert "Metering is off" in text(page)


def test_another_notebook_never_shows_the_first_ones_numbers(show):
    page = show([*LIVE, focus(title="b.ipynb", path="b.ipynb", kernel_id="k2"), {**link("off"), "kernel_id": "k2"}])
    assert "4.7" not in words(page, ".jc-notice")
    assert not page.locator(".jc-hero").is_visible()
    page.evaluate("event => store.dispatch(event)", focus())
    assert words(page, ".jc-number") == "≈ 4.7"


def test_two_notebooks_on_one_kernel_show_the_same_session(show):
    page = show([*LIVE, focus(title="b.ipynb", path="b.ipynb")])
    assert words(page, ".jc-notebook") == "b.ipynb"
    assert words(page, ".jc-number") == "≈ 4.7"


def test_a_rename_keeps_the_numbers(show):
    page = show([*LIVE, focus(title="renamed.ipynb", path="work/renamed.ipynb")])
    assert words(page, ".jc-notebook") == "renamed.ipynb"
    assert words(page, ".jc-number") == "≈ 4.7"


# --- the curve ----------------------------------------------------------------------------------------------------


def test_the_legend_names_each_part_its_watts_and_how_it_is_known(show):
    page = show(LIVE)
    rows = [row.replace("\xa0", " ") for row in page.locator(".jc-part:visible").all_inner_texts()]
    assert [re.split(r"\s*[\t\n]+\s*", row.strip()) for row in rows] == [
        ["GPU", "112 W", "measured"],
        ["CPU", "54.1 W", "measured"],
        ["Memory", "≈ 14 W", "modelled"],
        ["The rest", "≈ 22 W", "assumed"],
    ]


def test_arrow_keys_read_the_curve(show):
    page = show(LIVE)
    page.locator(".jc-reader").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    slider = page.locator(".jc-reader")
    assert slider.get_attribute("aria-valuenow") == "-3"
    assert slider.get_attribute("aria-valuetext") == page.locator(".jc-at").inner_text()
    assert words(page, ".jc-at").startswith("3 s ago: ≈ ")
    page.keyboard.press("Escape")
    assert words(page, ".jc-watts >> nth=0") == "112 W"


def test_the_pointer_reads_the_curve(show):
    page = show(LIVE)
    box = page.locator(".jc-reader").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    assert words(page, ".jc-at").startswith("30 s ago: ")
    page.mouse.move(0, 0)
    assert words(page, ".jc-at") == ""


def test_the_picture_has_a_sentence_and_its_values_are_a_table(show):
    page = show([*LIVE, {"type": "fold", "section": "method", "folded": False}])
    assert re.fullmatch(
        r"Power over the last minute: ≈ \d+ W to ≈ \d+ W, most of it GPU",
        page.locator(".jc-curve").get_attribute("aria-label").replace("\xa0", " "),
    )
    table = page.locator(".jc-values")
    assert table.locator("thead th").all_inner_texts() == ["s ago", "GPU", "CPU", "Memory", "The rest"]
    first = table.locator("tbody tr").first
    assert first.locator("th, td").all_inner_texts()[3:] == ["≈\xa014\xa0W", "≈\xa022\xa0W"]


@pytest.mark.parametrize(("watts", "top"), [(0.8, 0.8), (1.0, 1), (101.0, 150), (212.0, 250), (999.0, 1000), (0.0, 1)])
def test_the_axis_ends_at_a_round_number(show, watts, top):
    assert show([]).evaluate("watts => jc.ceiling(watts)", watts) == pytest.approx(top)


def test_layers_stand_on_each_other_and_a_long_point_is_flat(show):
    tail = {"age_s": [10.0, 5.0, 4.0], "power_w": {"cpu": [0.0, 50.0, 50.0], "rest": [50.0, 50.0, 50.0]}}
    drawn = show([]).evaluate("tail => jc.layers(tail)", tail)
    assert drawn["top_w"] == 100
    rest, cpu = drawn["layers"]
    assert rest["d"].startswith("M500.0 50.0L500.0 50.0L550.0 50.0L560.0 50.0L560.0 100.0")
    assert cpu["d"].startswith("M500.0 50.0L500.0 0.0L550.0 0.0L560.0 0.0")  # five seconds at their mean, not a ramp


# --- cells --------------------------------------------------------------------------------------------------------


def names(page: Page) -> list[str]:
    return page.locator(".jc-cells tbody .jc-code").all_inner_texts()


def test_cells_are_ranked_by_energy_with_the_running_one_on_top(show):
    page = show(LIVE)
    assert names(page) == [
        "evaluate(model)",
        "model.fit(X, y)",
        "frames = load()",
        "plots for the paper",
        "import pandas as pd",
    ]
    assert words(page, ".jc-live .jc-elapsed") == "00:41"


def test_cells_that_run_side_by_side_are_counted_in_words(show):
    page = show(STATES["beside"])
    assert page.locator(".jc-live .jc-runs").get_attribute("aria-label") == "and 2 more cells beside it"


def test_cells_can_be_ranked_by_runs_and_by_time(show):
    page = show(STATES["idle"])
    page.get_by_role("button", name="runs", exact=True).click()
    assert names(page)[0] == "frames = load()"
    page.get_by_role("button", name="newest").click()
    assert names(page)[0] == "plots for the paper"
    assert page.get_by_role("button", name="newest").get_attribute("aria-pressed") == "true"


def test_a_row_leads_to_its_cell(show):
    page = show(LIVE)
    page.get_by_role("button", name="model.fit(X, y)").click()
    assert page.evaluate("acted") == [{"type": "go", "cell_id": "c-fit"}]


def test_repeats_of_unchanged_code_are_told(show):
    page = show(LIVE)
    assert words(page, ".jc-repeats") == "frames = load(): run 9 times, 8 of them with unchanged code: ≈ 600 mg"


def test_a_failed_cell_says_so_in_a_word(show):
    failed = {**CELLS[0], "failed_runs": 1, "last": {**CELLS[0]["last"], "status": "error"}}
    page = show([focus(), feed(IDLE), cells([failed])])
    assert "failed" in words(page, ".jc-cells")


def test_after_a_reload_in_mid_cell_the_largest_cells_are_there_at_once(show):
    page = show(STATES["reloaded"])
    assert names(page) == ["evaluate(model)", "model.fit(X, y)", "frames = load()"]
    assert "After the running cell." in text(page)


def test_the_end_of_a_cell_changes_one_row_without_a_question(show):
    page = show([focus(), feed(snapshot(running=None, seq=40, totals=totals(runs=8)))])
    page.evaluate("event => store.dispatch(event)", cells())
    ended = cell("c-eval", 9, 1.3)
    shot = snapshot(running=None, seq=44, ended=ended, power_w={}, totals=totals(runs=9, cells=5))
    page.evaluate("event => store.dispatch(event)", feed(shot))
    assert "evaluate(model)" in names(page)


def test_five_thousand_cells_stay_quick(show):
    many = [cell(f"c{i}", i + 1, 0.1 + (i * 7919 % 5000) / 100) for i in range(5000)]
    page = show([focus(), feed(snapshot(running=None, seq=40, totals=totals(runs=5000, cells=5000)))])
    took = page.evaluate(
        """events => { const t = performance.now(); events.forEach(e => store.dispatch(e));
            document.body.offsetHeight; return performance.now() - t; }""",
        [cells(many)],
    )
    assert page.locator(".jc-cells tbody tr").count() == 8
    page.get_by_role("button", name="Show 50 more").click()
    assert page.locator(".jc-cells tbody tr").count() == 58
    assert took < 2000  # a bound against the quadratic; `benchmarks/panel.py` has the figures


def test_focus_stays_on_its_row_when_the_list_changes(show):
    page = show([focus(), feed(IDLE), cells()])
    page.get_by_role("button", name="frames = load()").focus()
    page.evaluate("event => store.dispatch(event)", feed({**IDLE, "seq": 60, "ended": None}))
    assert page.evaluate("document.activeElement.textContent") == "frames = load()"


# --- the ledger ---------------------------------------------------------------------------------------------------


def test_all_notebooks_in_a_period(show):
    page = show(LIVE)
    assert words(page, ".jc-sum").replace("\n", " ") == "≈ 41 g 34 – 48 g"
    assert words(page, ".jc-undertotal") == "≈ 110 Wh · 63 runs"
    rows = page.locator(".jc-notebooks tbody tr")
    assert rows.count() == 4
    assert rows.first.locator(".jc-file").inner_text() == "train-models.ipynb"


def test_bars_are_as_high_as_their_day(show):
    page = show(LIVE)
    highs = page.locator(".jc-bars .jc-there, .jc-bars .jc-here").evaluate_all(
        "all => all.map(e => Number(e.getAttribute('height')))"
    )
    days = [a + b for a, b in zip(highs[::2], highs[1::2], strict=True)]
    assert days == pytest.approx([48 * g / 15.2 for g in (4.1, 7.6, 2.2, 0.4, 0.6, 10.9, 15.2)], abs=0.05)
    assert page.locator(".jc-barvalues tbody tr").count() == 7


def test_a_period_is_asked_for_by_a_click(show):
    page = show(LIVE)
    page.get_by_role("button", name="30 d").click()
    assert page.evaluate("acted") == [{"type": "history", "period": "30d"}]


def test_the_answer_to_another_period_than_the_chosen_one_is_dropped(show):
    page = show([*LIVE, {"type": "period", "period": "30d"}, told(period="today", runs=1)])
    assert "63 runs" in text(page)
    page.evaluate("event => store.dispatch(event)", told(period="30d", runs=200))
    assert "200 runs" in text(page)


def test_an_answer_that_is_there_is_shown_at_once(show):
    week, month = told(), [{"type": "period", "period": "30d"}, told(period="30d", runs=99)]
    page = show([*LIVE, week, *month, {"type": "period", "period": "7d"}, {"type": "history-asked", "asked": "now"}])
    assert "63 runs" in words(page, ".jc-undertotal")
    assert page.locator(".jc-answer[data-stale]").count() == 0
    assert page.locator(".jc-section-history .jc-note").is_hidden()


def test_without_a_kernel_the_last_totals_have_a_date(show):
    page = show(STATES["no-notebook"])
    assert "As of 21 Sept 2026, 14:13" in text(page) or "As of Sep 21, 2026, 14:13" in text(page)


def test_runs_by_another_kind_of_intensity_are_named_and_not_added(show):
    others = [
        {
            "basis": "direct",
            "method": "average",
            "runs": 12,
            "facility_energy_kwh": 0.01,
            "operational_gco2e": 3.0,
        }
    ]
    page = show([*LIVE, told(others=others)])
    assert "12 runs more by another intensity (average, direct): ≈ 3.0 g, not added" in text(page)


# --- what it stands on, what it is like ---------------------------------------------------------------------------


def test_the_intensity_has_its_place_basis_and_year(show):
    page = show(LIVE)
    assert words(page, ".jc-intensity dd").split("\n") == ["385 g/kWh · Germany", "average, life cycle · mean of 2025"]


def test_a_guessed_place_is_told(show):
    assert "place guessed from the time zone" in words(show(STATES["modelled"]), ".jc-intensity")


def test_the_equivalent_changes_on_a_click_and_not_by_itself(show):
    page = show(LIVE)
    assert words(page, ".jc-equivalent p >> nth=0") == "≈ 27 m in an average European car"
    page.get_by_role("button", name="another").click()
    assert words(page, ".jc-equivalent p >> nth=0") == "≈ 1.0 smartphone charges"
    turned = snapshot(seq=70)
    turned["equivalents"].reverse()
    page.evaluate("event => store.dispatch(event)", feed(turned))
    assert words(page, ".jc-equivalent p >> nth=0") == "≈ 1.0 smartphone charges"
    assert "US EPA · 2022" in words(page, ".jc-equivalent")


def test_what_is_not_known_is_a_dash_with_the_reason(show):
    page = show([focus(), feed(snapshot(totals=totals(embodied_gco2e=None, water_l=None)))])
    assert re.sub(r"\s+", " ", words(page, ".jc-embodied dd")) == "– not known"


def test_doubts_have_the_kernels_words(show):
    doubts = words(show(STATES["method"]), ".jc-doubts")
    assert doubts.split("\n") == [
        "place guessed from the time zone",
        "package-0: shorter than the counter's step: modelled, with an upper bound",
    ]


# --- keyboard, ears, motion ---------------------------------------------------------------------------------------


def test_every_control_is_reached_by_the_tab_key_in_the_order_on_screen(show):
    page = show(LIVE)
    controls = page.locator("main button:visible, main [tabindex='0']:visible")
    reached = []
    for _ in range(controls.count()):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("[...document.querySelectorAll('main *')].indexOf(document.activeElement)"))
    assert -1 not in reached
    assert reached == sorted(reached)
    assert len(set(reached)) == controls.count()


def test_every_control_has_a_name(show):
    page = show(LIVE)
    for control in page.locator("main button:visible, main [role=slider]:visible").all():
        assert control.get_attribute("aria-label") or control.inner_text().strip()


def test_a_section_folds_by_the_keyboard(show):
    page = show(LIVE)
    page.get_by_role("button", name=re.compile("^Cells")).focus()
    page.keyboard.press("Enter")
    assert not page.locator(".jc-cells").is_visible()
    assert page.get_by_role("button", name=re.compile("^Cells")).get_attribute("aria-expanded") == "false"


def test_the_end_of_a_cell_is_spoken_and_a_tick_is_not(show):
    before = totals(runs=7)
    page = show([focus(), feed(snapshot(running=None, ended=CELLS[2], seq=41, totals=before))])
    spoken = page.locator(".jc-spoken")
    for seq in (42, 43):
        page.evaluate("event => store.dispatch(event)", feed(snapshot(seq=seq, totals=before)))
    assert spoken.inner_text() == ""
    page.evaluate("event => store.dispatch(event)", feed(IDLE | {"seq": 44}))
    said = "Cell 8 has ended: 330 milliwatt hours, about 130 milligrams of CO2 equivalent, measured"
    assert words(page, ".jc-spoken") == said


def test_the_dot_beats_with_each_sample(show):
    page = show(LIVE)
    beats = []
    for seq in (43, 44, 45):
        page.evaluate("event => store.dispatch(event)", feed(snapshot(seq=seq)))
        beats.append(page.locator(".jc-pill").evaluate("e => getComputedStyle(e, '::before').opacity"))
    assert beats == ["0.35", "1", "0.35"]


def test_motion_obeys_the_user(show):
    page = show(LIVE, reduced_motion="reduce")
    page.evaluate("event => store.dispatch(event)", feed(snapshot(seq=43)))
    assert page.locator(".jc-pill").evaluate("e => getComputedStyle(e, '::before').opacity") == "1"


def test_nothing_moves_between_two_samples(show):
    running = "document.getAnimations().filter(animation => animation.playState === 'running').length"
    assert show(LIVE).evaluate(running) == 0


def test_what_stands_below_the_curve_follows_a_running_cell_once_a_second(show):
    page = show(LIVE)

    def water(seq, at_ms):
        page.evaluate(
            "event => store.dispatch(event)", feed(snapshot(seq=seq, totals=totals(water_l=seq / 1000)), at_ms)
        )
        return words(page, ".jc-water .jc-first"), page.locator(".jc-pill").get_attribute("data-beat")

    assert water(50, T0_MS + 500) == ("≈ 35 ml", None)  # as before; the dot has beaten
    assert water(61, T0_MS + 1000) == ("≈ 61 ml", "")
    assert water(70, T0_MS + 1500) == ("≈ 61 ml", None)
    page.evaluate("event => store.dispatch(event)", tick(T0_MS + 3000))  # no sample for a while: the last one is shown
    assert words(page, ".jc-water .jc-first") == "≈ 70 ml"


def test_what_the_reader_asks_for_is_drawn_at_once_while_a_cell_runs(show):
    page = show(LIVE)
    page.evaluate("event => store.dispatch(event)", feed(snapshot(seq=50), T0_MS + 500))
    page.get_by_role("button", name="runs", exact=True).click()
    assert page.locator(".jc-cells tbody tr .jc-code").nth(1).inner_text() == "frames = load()"
    page.get_by_role("button", name="another").click()
    assert "smartphone" in words(page, ".jc-equivalent")


def test_the_switch_pauses_and_resumes(show):
    page = show(LIVE)
    page.get_by_role("button", name="Pause metering").click()
    page.evaluate("event => store.dispatch(event)", feed({**IDLE, "metering": False, "seq": 50}))
    page.get_by_role("button", name="Resume metering").click()
    assert page.evaluate("acted.map(a => a.type)") == ["pause", "resume"]


def test_starting_is_one_click(show):
    page = show(STATES["off"])
    page.get_by_role("button", name="Start metering").click()
    assert page.evaluate("acted") == [{"type": "start"}]


def test_the_way_to_install_can_be_copied(show):
    page = show(STATES["missing"])
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("acted") == [{"type": "copy", "text": "%pip install jupyter_carbon"}]


# --- what comes in at the door ------------------------------------------------------------------------------------


def test_names_are_text_and_not_markup(show):
    page = show(STATES["adrift"])
    assert page.locator("main b", has_text="bold").count() == 0
    assert page.locator("main script, main img, main iframe").count() == 0


@pytest.mark.parametrize(
    "broken",
    [
        None,
        7,
        [],
        {},
        {"v": 1},
        {**snapshot(), "seq": "42"},
        {**snapshot(), "totals": None},
        {**snapshot(), "power_w": {"steam": 1.0}},
        {**snapshot(), "running": {**RUNNING, "quality": "guessed"}},
        {**snapshot(), "tail": {"age_s": [1.0, 0.0], "power_w": {"cpu": [1.0]}}},
    ],
)
def test_a_message_that_is_not_ours_is_refused(show, broken):
    assert show([]).evaluate("data => jc.parseSnapshot(data)", broken) is None


def test_a_field_that_we_do_not_know_is_dropped_and_the_rest_is_taken(show):
    assert show([]).evaluate("data => jc.parseSnapshot(data)", {**snapshot(), "later": 1}) == snapshot()


def test_an_answer_of_another_version_is_refused(show):
    assert show([]).evaluate("data => jc.parseAnswer(data)", {**history(), "v": 2}) is None
    assert show([]).evaluate("data => jc.parseAnswer(data)", history()) == history()


def news(since_run, *rows):
    message = {"v": 1, "session_id": "s1", "since_run": since_run, "news": list(rows)}
    return {"type": "news", "kernel_id": "k1", "news": message}


def test_rows_that_are_told_while_a_cell_runs_are_listed(show):
    page = show([*LIVE, news(8, cell("c-new", 9, 0.5))])
    assert "c-new" in page.evaluate("[...store.get().kernels.get('k1').cells.keys()]")
    assert page.evaluate("store.get().kernels.get('k1').known_run") == 9


def test_rows_after_a_gap_are_taken_and_the_gap_is_still_to_be_asked_for(show):
    page = show([*LIVE, news(10, cell("c-new", 11, 0.5))])
    assert "c-new" in page.evaluate("[...store.get().kernels.get('k1').cells.keys()]")
    assert page.evaluate("store.get().kernels.get('k1').known_run") == 8
    assert page.evaluate("jc.behind(store.get().kernels.get('k1'))") is True


def test_rows_of_another_session_are_not_taken(show):
    stranger = news(8, cell("c-new", 9, 0.5))
    stranger["news"]["session_id"] = "s2"
    page = show([*LIVE, stranger])
    assert "c-new" not in page.evaluate("[...store.get().kernels.get('k1').cells.keys()]")


@pytest.mark.parametrize("broken", [{"v": 2}, {"news": [{}]}, {"news": None}, {"since_run": "0"}, {"session_id": None}])
def test_news_of_another_shape_are_refused(show, broken):
    page = show([])
    sound = news(0, CELLS[0])["news"]
    assert page.evaluate("data => jc.parseNews(data)", sound) == sound
    assert page.evaluate("data => jc.parseNews(data)", {**sound, **broken}) is None


def test_a_screen_without_numbers_makes_no_request(show):
    page = show([])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("events => events.forEach(e => store.dispatch(e))", STATES["metering"])
    assert asked == []


def test_it_leaves_nothing_behind(show):
    page = show(LIVE)
    page.evaluate("view.destroy()")
    assert page.locator("main").inner_html() == ""
    page.evaluate("event => store.dispatch(event)", feed(snapshot(seq=80)))
    assert page.faults == []
