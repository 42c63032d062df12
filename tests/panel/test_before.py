"""Before you run: the form of the panel, as it is shipped, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from panel_states import IDLE, KERNEL, LIVE, MODELLED, T0_MS, cells, feed, focus, link, status, tick
from playwright.sync_api import Page

OPEN = {"type": "fold", "section": "ahead", "folded": False}
FORM = ".jc-section-ahead"


def an_answer(**more: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "answer": "estimate",
        "what": "1 x A100 SXM4 80GB",
        "basis": "estimated from the tables, kind of work not said",
        "minutes": 360.0,
        "region": "DE",
        "name": "Germany",
        "energy_kwh": {"low": 1.3, "likely": 2.2, "high": 3.4},
        "operational_gco2e": {"low": 500.0, "likely": 850.0, "high": 1300.0},
        "embodied_gco2e": 420.0,
        "water_l": 4.1,
        "dominant": "GPU draw",
        "elsewhere": {"region": "FR", "name": "France", "operational_gco2e": 90.0},
        "later": {
            "start": T0_MS / 1000 + 3 * 3600,
            "operational_gco2e": 660.0,
            "saving": {"low": 0.12, "likely": 0.22, "high": 0.31},
            "worth_waiting": True,
            "status": "forecast",
        },
        **more,
    }


def answered(**more: Any) -> dict[str, Any]:
    return {"type": "ahead", "answer": an_answer(**more)}


def words(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text().replace("\u00a0", "_")


IDLING = [focus(), feed(IDLE), cells(), OPEN]


def test_it_is_folded_until_somebody_opens_it(show):
    page = show(LIVE)
    button = page.get_by_role("button", name="Before you run")
    assert button.get_attribute("aria-expanded") == "false"
    assert not page.locator(".jc-ahead").is_visible()
    button.click()
    assert page.locator(".jc-ahead").is_visible()


def test_an_empty_form_asks_for_ten_minutes_on_this_machine_here(show):
    page = show(IDLING)
    assert page.get_by_label("region").get_attribute("placeholder") == "DE"
    page.get_by_role("button", name="Estimate").click()
    assert page.evaluate("acted") == [
        {
            "type": "ahead",
            "question": {"v": 1, "ask": "estimate", "gpu": None, "n_gpu": 1, "minutes": 10, "region": None},
        }
    ]


def test_what_is_written_is_what_is_asked(show):
    page = show(IDLING)
    assert not page.get_by_label("how many").is_visible()  # of this machine there is one
    page.get_by_label("hardware").fill("A100")
    page.get_by_label("how many").fill("8")
    page.get_by_label("minutes").fill("4320")
    page.get_by_label("region").fill("US-CA")
    page.get_by_label("region").press("Enter")
    (action,) = page.evaluate("acted")
    assert action["question"] == {
        "v": 1, "ask": "estimate", "gpu": "A100", "n_gpu": 8, "minutes": 4320, "region": "US-CA",
    }  # fmt: skip


@pytest.mark.parametrize("minutes", ["", "soon", "-5", "0", "1e999"])
def test_minutes_that_cannot_be_are_not_asked_and_the_field_is_marked(show, minutes):
    page = show(IDLING)
    field = page.get_by_label("minutes")
    field.fill(minutes)
    page.get_by_role("button", name="Estimate").click()
    assert page.evaluate("acted") == []
    assert field.get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement === document.querySelector('.jc-field-minutes input')")
    field.fill("5,5")
    assert field.get_attribute("aria-invalid") is None


def test_an_answer_has_its_range_another_place_and_another_hour(show):
    page = show([*IDLING, answered()])
    assert words(page, f"{FORM} .jc-aheadtotal") == "≈_850_g"  # _ is a blank that does not break
    assert words(page, ".jc-aheadrange") == "0.50_–_1.3_kg · ≈_2.2_kWh"
    assert words(page, ".jc-compared") == "in France ≈_90_g · from 17:13 ≈_660_g"
    assert "the range hangs most on: GPU draw" in page.locator(".jc-why").inner_text()
    assert "the later start by: forecast" in page.locator(".jc-why").inner_text()


def test_a_start_that_is_not_worth_the_wait_says_so(show):
    later = {**an_answer()["later"], "worth_waiting": False}
    page = show([*IDLING, answered(later=later)])
    assert page.locator(".jc-compared").inner_text().endswith("not worth the wait")


def test_where_no_hour_is_known_none_is_named(show):
    page = show([*IDLING, answered(later=None)])
    assert words(page, ".jc-compared") == "in France ≈_90_g"


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([{"type": "ahead-asked", "asked": "later"}], "After the running cell."),
        ([{"type": "ahead-asked", "asked": "now"}], "Estimating …"),
        ([{"type": "ahead-problem", "problem": "gpu='H1000' is not in the tables"}], "No estimate: gpu='H1000'"),
        ([{"type": "ahead-problem", "problem": None}], "The kernel did not answer."),
        ([answered(), {"type": "ahead-problem", "problem": "no"}], "No estimate: no"),
    ],
)
def test_what_is_under_way_or_went_wrong_is_said(show, events, sentence):
    page = show([*IDLING, *events])
    assert page.locator(f"{FORM} .jc-aheadnote").inner_text().startswith(sentence)


@pytest.mark.parametrize("events", [[focus(), link("off")], [*LIVE, status(dead=True)], [tick(T0_MS), focus()]])
def test_without_a_metered_kernel_it_says_who_would_answer(show, events):
    page = show([*events, OPEN])
    assert page.locator(f"{FORM} .jc-aheadnote").inner_text() == "A metered kernel answers this; none runs here."
    assert page.get_by_role("button", name="Estimate").is_disabled()


def test_the_newest_answer_stands_and_a_tick_leaves_the_form_alone(show):
    page = show([*IDLING, answered()])
    page.get_by_label("hardware").fill("H1")
    page.evaluate("event => store.dispatch(event)", tick(T0_MS + 1000))
    assert page.get_by_label("hardware").input_value() == "H1"
    page.evaluate("event => store.dispatch(event)", answered(what="8 x H100"))
    assert page.locator(".jc-why").inner_text().startswith("8 x H100")


def test_the_state_is_a_pure_function_of_its_events(show):
    page = show([])
    states = page.evaluate(
        """answer => {
            const before = jc.initial;
            const after = [
                { type: 'ahead-form', form: { gpu: 'A100' } },
                { type: 'ahead-asked', asked: 'now' },
                { type: 'ahead', answer }
            ].reduce(jc.reduce, before);
            return { before: before.ahead, after: after.ahead };
        }""",
        an_answer(),
    )
    empty = {"form": {"gpu": "", "n_gpu": "1", "minutes": "10", "region": ""}, "answer": None}
    assert states["before"] == {**empty, "asked": "no", "problem": None}
    assert states["after"]["form"] == {"gpu": "A100", "n_gpu": "1", "minutes": "10", "region": ""}
    assert (states["after"]["asked"], states["after"]["answer"]["minutes"]) == ("no", 360)


@pytest.mark.parametrize("change", [{"minutes": "6"}, {"later": {}}, {"elsewhere": None}, {"v": 2}])
def test_an_answer_of_another_shape_is_refused(show, change):
    assert show([]).evaluate("data => jc.parseAnswer(data)", an_answer(**change)) is None


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
@pytest.mark.parametrize("width", [240, 320])
def test_axe_finds_nothing_and_nothing_is_cut_off(show, axe, theme, width):
    page = show([focus(), feed(MODELLED), OPEN, answered()], theme=theme, width=width)
    page.get_by_label("hardware").fill("NVIDIA A100-SXM4-80GB")
    assert axe(page, without=[]) == []
    beyond = page.evaluate(
        """() => [...document.querySelectorAll('.jc-section-ahead *')]
            .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 0.5)
            .map(e => e.className)"""
    )
    assert beyond == []
    assert page.faults == []


def test_the_kernel_of_another_notebook_is_not_asked(show):
    """The form speaks of the kernel in focus."""
    page = show([*IDLING, focus(kernel_id="k2", path="other.ipynb")])
    assert KERNEL != "k2"
    assert page.get_by_role("button", name="Estimate").is_disabled()
