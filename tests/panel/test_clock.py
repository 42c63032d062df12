"""The grid's clock in the panel: what it carries now, the coming day, and the question that brings it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grid_parts import TEN_S, slot
from machine import Machine
from panel_lab import Lab, serve
from panel_states import (
    ABOUT,
    BRITAIN,
    BRITISH,
    GERMANY,
    IDLE,
    KERNEL,
    LIVE,
    MARGINAL,
    SLOT_S,
    STATES,
    T0_MS,
    coming,
    feed,
    focus,
    outlook,
    status,
    tick,
    totals,
)
from playwright.sync_api import Page
from scripted import Server, serving
from scripted import gb as half_hours

from jupyter_carbon.estimate.outlook import outlook as outlook_of
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.providers import gb
from jupyter_carbon.grid.providers.http import fetch
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.series import Series
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.notebook.channel import Channel
from jupyter_carbon.notebook.clock import outlook_answer
from jupyter_carbon.notebook.protocol import VERSION, encoded_bytes, parse_question
from jupyter_carbon.session import Session

DAY = ".jc-section-day"


def words(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text().replace("\xa0", " ").replace("\u2060", "")


def tell(page: Page, *events: dict[str, Any]) -> None:
    page.evaluate("events => events.forEach(event => store.dispatch(event))", list(events))


# --- the grid now -------------------------------------------------------------------------------------------------


def test_the_grid_now_has_its_place_basis_status_and_time_and_its_year_stands_beside(show):
    page = show(BRITISH)
    told = words(page, ".jc-intensity dd").split("\n")
    assert told == ["≈ 210 g/kWh · United Kingdom", "average, life cycle · forecast 14:00 – 14:30"]
    assert words(page, ".jc-yearly dd") == "217 g/kWh now 5% below"


@pytest.mark.parametrize(
    ("known", "word"),
    [
        ("actual", "measured 14:00 – 14:30"),
        ("estimated", "estimated 14:00 – 14:30"),
        ("forecast", "forecast 14:00 – 14:30"),
        ("yearly", "usual for 14:00 – 14:30"),
    ],
)
def test_how_a_number_is_known_is_told_in_words(show, known, word):
    page = show([focus(), feed({**IDLE, "intensity": {**BRITAIN, "status": known}})])
    told = words(page, ".jc-intensity dd")
    assert word in told
    assert told.startswith("207 g/kWh" if known == "actual" else "≈ 210 g/kWh")


def test_a_place_that_has_no_hours_has_its_year_once(show):
    page = show([focus(), feed(IDLE)])
    assert "mean of 2025" in words(page, ".jc-intensity dd")
    assert not page.locator(".jc-yearly").is_visible()


def test_what_was_told_last_is_what_is_now(show):
    later = outlook(as_of=T0_MS / 1000 + 60, now={**BRITAIN, "gco2e_per_kwh": {"low": 90, "likely": 101, "high": 120}})
    page = show([*BRITISH, coming(later)])
    assert words(page, ".jc-intensity dd").startswith("≈ 100 g/kWh")
    tell(page, feed({**IDLE, "seq": 60, "sent_at": T0_MS / 1000 + 120, "intensity": BRITAIN}))
    assert words(page, ".jc-intensity dd").startswith("≈ 210 g/kWh")


# --- the coming day -----------------------------------------------------------------------------------------------


def test_the_cleanest_hour_and_what_it_saves_with_its_range(show):
    page = show(STATES["day-worth"])
    assert words(page, ".jc-best") == "Cleanest hour: tomorrow 04:00 – 05:00"
    assert words(page, ".jc-bestsaving") == "≈ 74 g/kWh instead of ≈ 210 now: 64% less (51% – 74%)"
    assert words(page, ".jc-known") == "forecast · average, life cycle · NESO Carbon Intensity API, CC BY 4.0"


def test_a_saving_that_may_be_none_is_not_worth_waiting_for(show):
    page = show(STATES["day-not-worth"])
    assert words(page, ".jc-best").startswith("Not worth waiting: ")
    assert words(page, ".jc-bestsaving").endswith("3% less (−11% – 15%)")


def test_the_hour_is_drawn_where_it_is_and_not_where_now_is_best(show):
    page = show(STATES["day-worth"])
    hour = page.locator(".jc-besthour")
    assert float(hour.get_attribute("x")) == pytest.approx(600 * 28 / 48, abs=0.1)
    assert float(hour.get_attribute("width")) == pytest.approx(600 * 2 / 48, abs=0.1)
    assert not show(STATES["day-now"]).locator(".jc-besthour").is_visible()


def test_the_curve_is_steps_from_zero_and_its_top_holds_the_range(show):
    drawn = show([]).evaluate("day => jc.steps(day)", {"low": [50, 25], "likely": [100, 50], "high": [150, 200]})
    assert drawn["top"] == 200
    assert drawn["line"] == "M0.0 50.0L300.0 50.0L300.0 75.0L600.0 75.0"
    assert drawn["band"].startswith("M0.0 25.0L300.0 25.0L300.0 0.0L600.0 0.0L600.0 87.5")


def test_now_moves_along_the_curve_and_off_its_end(show):
    page = show(STATES["day-worth"])
    line = page.locator(".jc-nowline")
    assert float(line.get_attribute("x1")) == pytest.approx(600 * (T0_MS / 1000 - SLOT_S) / 86_400, abs=0.1)
    tell(page, tick(T0_MS + 6 * 3_600_000))
    assert float(line.get_attribute("x1")) == pytest.approx(600 * (T0_MS / 1000 - SLOT_S + 21_600) / 86_400, abs=0.1)
    tell(page, tick(T0_MS + 25 * 3_600_000))
    assert not line.is_visible()


def test_arrow_keys_and_the_pointer_read_the_day(show):
    page = show(STATES["day-worth"])
    reader = page.locator(".jc-dayreader")
    reader.focus()
    page.keyboard.press("ArrowRight")
    assert words(page, ".jc-dayat").startswith("14:00: ")
    page.keyboard.press("ArrowRight")
    assert words(page, ".jc-dayat").startswith("14:30: ")
    assert reader.get_attribute("aria-valuetext") == page.locator(".jc-dayat").inner_text()
    page.keyboard.press("End")
    assert (reader.get_attribute("aria-valuenow"), reader.get_attribute("aria-valuemax")) == ("47", "47")
    page.keyboard.press("Escape")
    assert words(page, ".jc-dayat") == ""
    box = reader.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    assert words(page, ".jc-dayat").startswith("02:00: ")


def test_the_picture_has_a_sentence_and_its_values_are_a_table(show):
    page = show(STATES["day-worth"])
    label = page.locator(".jc-daycurve").get_attribute("aria-label").replace("\xa0", " ").replace("\u2060", "")
    assert label.startswith("The grid of United Kingdom until tomorrow 14:00: ")
    table = page.locator(".jc-dayvalues")
    assert table.locator("thead th").all_inner_texts() == ["From", "g/kWh", "5 to 95 %"]
    assert table.locator("tbody tr").count() == 48
    assert table.locator("tbody th").first.inner_text() == "14:00"


def test_a_marginal_signal_is_another_quantity(show):
    page = show(STATES["day-marginal"])
    assert words(page, ".jc-marginal") == (
        "One more kWh now changes ≈ 400 g/kWh (marginal, direct, forecast 14:00 – 14:30, WattTime). "
        "Another quantity: it is in no number here."
    )
    assert not show(STATES["day-worth"]).locator(".jc-marginal").is_visible()


def test_a_place_without_hours_has_no_curve_and_a_guessed_one_a_hint(show):
    page = show(STATES["day-unknown"])
    assert not page.locator(".jc-daychart").is_visible()
    assert not page.locator(".jc-hint").is_visible()
    assert '%config Carbon.region = "FR"' in words(show(STATES["day-guessed"]), ".jc-hint")


def test_it_folds_and_is_there_only_where_a_kernel_is_metered(show):
    page = show(STATES["day-worth"])
    page.get_by_role("button", name="The coming day").click()
    assert not page.locator(".jc-best").is_visible()
    assert not show(STATES["off"]).locator(DAY).is_visible()


def test_a_new_session_does_not_show_the_last_one_s_day(show):
    page = show([*STATES["day-worth"], feed({**IDLE, "session_id": "s2", "sent_at": IDLE["sent_at"] + 60, "seq": 1})])
    assert not page.locator(".jc-best").is_visible()


# --- when it is asked for -----------------------------------------------------------------------------------------


def asked(page: Page) -> int:
    """How often since the last look."""
    return page.evaluate("(count => { asked.length = 0; return count; })(asked.length)")


def test_an_idle_kernel_is_asked_once(show):
    page = show([focus(), feed(IDLE)])
    assert asked(page) == 1
    tell(page, {"type": "outlook-asked", "kernel_id": KERNEL, "now_ms": T0_MS}, tick(T0_MS + 9000))
    assert asked(page) == 0


@pytest.mark.parametrize(
    "events",
    [
        LIVE,
        [*BRITISH, status(busy=True)],
        [*BRITISH, status(connected=False)],
        [*BRITISH, status(dead=True)],
        STATES["off"],
        [{"type": "fold", "section": "day", "folded": True}, *BRITISH],
    ],
    ids=["a cell runs", "busy", "disconnected", "dead", "off", "folded"],
)
def test_who_could_not_answer_at_once_or_is_not_looked_at_is_not_asked(show, events):
    page = show(events)
    asked(page)  # on the way there it may have been idle
    tell(page, tick(T0_MS + 1))
    assert asked(page) == 0


@pytest.mark.parametrize(
    ("event", "after_s"),
    [
        (coming(), 601),
        (coming(outlook(asking=True)), 6),
        ({"type": "outlook-asked", "kernel_id": KERNEL, "now_ms": T0_MS}, 61),
    ],
    ids=["an old answer", "a source was being asked", "no answer came"],
)
def test_it_is_asked_again_when_more_may_be_known(show, event, after_s):
    page = show([*BRITISH, event])
    asked(page)
    tell(page, tick(T0_MS + 1000 * (after_s - 2)))
    assert asked(page) == 0
    tell(page, tick(T0_MS + 1000 * after_s))
    assert asked(page) == 1


def test_another_place_is_asked_for_at_once(show):
    page = show([*BRITISH, coming()])
    asked(page)
    tell(page, feed({**IDLE, "seq": 70, "intensity": {**GERMANY, "region": "DE"}}))
    assert asked(page) == 1


def test_rows_that_were_told_anew_are_asked_for(show):
    rows = {"type": "cells", "kernel_id": KERNEL, "session_id": "s1", "cells": [], "about": ABOUT}
    page = show([focus(), feed({**IDLE, "totals": totals(runs=0)}), rows])
    behind = "jc.behind(store.get().kernels.get('k1'))"
    assert page.evaluate(behind) is False
    tell(page, feed({**IDLE, "seq": 51, "totals": totals(runs=0, settled_runs=2)}))
    assert page.evaluate(behind) is True
    tell(page, rows)
    assert page.evaluate(behind) is False


# --- on the wire --------------------------------------------------------------------------------------------------


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Machine(tmp_path).session(region="GB", live=False)
    assert session.wait_until_warm(10)
    yield session
    session.close()


def british(*grams: tuple[int, str], wide: float = 1.2) -> Timeline:
    place = resolve("GB")
    line = Timeline(place, static.intensity(place), profile(place))
    line.live = Series(slot(i, g, known, wide=wide) for i, (g, known) in enumerate(grams))
    return line


def test_the_question_is_taken_as_it_is():
    assert parse_question({"v": VERSION, "ask": "outlook", "more": 1}) == {"v": VERSION, "ask": "outlook"}


def test_an_answer_is_small_and_passes_the_door(show, session):
    line = british((321, "actual"), *((100 + i, "forecast") for i in range(60)))
    marginal = slot(0, 395, "forecast", basis="direct", method="marginal")
    answer = outlook_answer(outlook_of(line, TEN_S + 60, marginal=marginal, asking=True), session.context())
    assert encoded_bytes(answer) < 4096
    assert len(answer["day"]["likely"]) == len(answer["day"]["low"]) == len(answer["day"]["high"]) == 49
    assert (answer["now"]["status"], answer["now"]["start"]) == ("actual", TEN_S)
    assert answer["now"]["yearly_gco2e_per_kwh"] == pytest.approx(217.4)
    assert answer["marginal"]["method"] == "marginal"
    assert answer["day"]["best"]["worth_waiting"]
    assert show([]).evaluate("data => jc.parseAnswer(data)", json.loads(json.dumps(answer))) == answer


@pytest.mark.parametrize(
    "broken",
    [
        {"day": {**outlook()["day"], "low": [1.0]}},
        {"now": {**BRITAIN, "status": "perhaps"}},
        {"marginal": {**MARGINAL, "gco2e_per_kwh": "lots"}},
        {"as_of": None},
    ],
)
def test_a_broken_answer_is_refused(show, broken):
    assert show([]).evaluate("data => jc.parseAnswer(data)", {**outlook(), **broken}) is None


def test_a_profile_s_curve_names_its_publisher_and_not_one_hour(session):
    line = Timeline(resolve("GB"), static.intensity(resolve("GB")), profile(resolve("GB")))
    answer = outlook_answer(outlook_of(line, TEN_S), session.context())
    assert answer["day"]["source"].startswith("Electricity Maps 20")
    assert "this hour" not in answer["day"]["source"]


def test_best_now_says_so_on_the_wire(session):
    line = british(*((100 + i, "forecast") for i in range(48)))
    answer = outlook_answer(outlook_of(line, TEN_S), session.context())
    assert answer["day"]["best"]["start"] == answer["as_of"] == TEN_S


# --- a session, its source and its panel --------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def british_channel(tmp_path: Path, server: Server) -> Iterator[Callable[[], Channel]]:
    opened: list[Session] = []

    def open_one() -> Channel:
        ask = partial(fetch, deadline_s=0.5, hosts={gb.ROOT: server.origin})
        opened.append(Machine(tmp_path).session(region="GB", fetch=ask))
        assert opened[0].wait_until_warm(10)
        return Channel(opened[0], lambda snapshot, packed: None, lambda news: None)

    yield open_one
    for session in opened:
        session.close()


def now_and_coming(*grams: tuple[int | None, int | None]) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    return half_hours(now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0).isoformat(), grams)


def ask(channel: Channel) -> dict[str, Any]:
    answer = channel.answer({"v": VERSION, "ask": "outlook"})
    assert answer["answer"] == "outlook"
    return dict(answer)


def test_a_snapshot_tells_the_grid_now_and_the_year_beside(server, british_channel):
    server.default = now_and_coming((150, None), (150, None), (160, None))
    channel = british_channel()
    until(lambda: channel.snapshot()["intensity"]["status"] == "forecast")
    intensity = channel.snapshot()["intensity"]
    assert intensity["gco2e_per_kwh"]["likely"] == pytest.approx(150 + 163.1 - 106.1)
    assert intensity["end"] - intensity["start"] == 1800
    assert intensity["yearly_gco2e_per_kwh"] == pytest.approx(217.4)


def test_an_answer_never_waits_for_the_source(server, british_channel):
    server.default = "hang"
    channel = british_channel()
    began_s = time.perf_counter()
    told = ask(channel)
    assert time.perf_counter() - began_s < 0.4  # the source is waited for half a second, on a thread of its own
    assert (told["asking"], told["day"]["status"]) == (True, "yearly")
    until(lambda: not ask(channel)["asking"])


def test_after_a_round_the_day_is_the_source_s(server, british_channel):
    server.default = now_and_coming(*([(150, None)] * 10 + [(60, None)] * 4 + [(150, None)] * 34))
    channel = british_channel()
    until(lambda: ask(channel)["day"]["status"] == "forecast")
    told = ask(channel)
    assert told["day"]["best"]["gco2e_per_kwh"] == pytest.approx(60 + 163.1 - 106.1)
    assert (told["asking"], told["marginal"]) == (False, None)
    assert len(server.asked) == 1


def test_no_part_of_a_place_reaches_a_page(server, tmp_path):
    regional = {"data": {"regionid": 13, "postcode": "EC1A", **now_and_coming((150, None), (160, None))}}
    server.default = regional
    ask_here = partial(fetch, deadline_s=0.5, hosts={gb.ROOT: server.origin})
    session = Machine(tmp_path).session(region="GB", area="EC1A 1BB", fetch=ask_here)
    assert session.wait_until_warm(10)
    channel = Channel(session, lambda snapshot, packed: None, lambda news: None)
    until(lambda: ask(channel)["now"]["status"] == "forecast")
    assert "EC1A" in server.paths()[0]
    assert "EC1A" not in json.dumps([ask(channel), channel.snapshot(), channel.answer(LOOK)])
    session.close()


LOOK = {"v": VERSION, "ask": "look", "looking": True, "notebook": None, "session_id": None, "since_run": 0}


def test_a_place_that_nobody_named_is_asked_about_nowhere(server, tmp_path):
    session = Machine(tmp_path).session(region="", fetch=partial(fetch, deadline_s=0.5, hosts={gb.ROOT: server.origin}))
    assert session.wait_until_warm(10)
    told = ask(Channel(session, lambda snapshot, packed: None, lambda news: None))
    assert (told["day"], told["asking"], told["now"]["start"]) == (None, False, None)
    assert not server.asked
    session.close()


@pytest.mark.timeout(180)
def test_a_real_lab_shows_the_day(browser, tmp_path, pictures):
    """Germany has no source without a key: the hours are those of an average day, and nobody is asked."""
    with serve(tmp_path / "lab") as served:
        context = browser.new_context(viewport={"width": 1400, "height": 1400}, locale="en-GB", timezone_id="UTC")
        lab = Lab(context.new_page(), served).open(served.notebook("day.ipynb", "1 + 1")).start()
        lab.run(0)
        lab.page.locator(".jc-dayline").wait_for()
        assert "an average day of this month, no forecast" in words(lab.page, ".jc-known")
        assert "usual for" in words(lab.page, ".jc-intensity dd")
        assert words(lab.page, ".jc-yearly dd").startswith("3")  # some 330 g/kWh
        lab.page.locator(DAY).scroll_into_view_if_needed()
        lab.page.locator("#jupyter-carbon-panel").screenshot(path=pictures / "day-in-lab.png")
        assert lab.strangers == []
        context.close()


def until(done: Callable[[], object], patience_s: float = 10.0) -> None:
    ends_s = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < ends_s, "it never came"
        time.sleep(0.02)
