"""A session's cells and their own hours: through a real session, a real ledger and a real server with a script."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from machine import Machine, sessions
from scripted import Server, serving
from scripted import gb as half_hours

from jupyter_carbon.cell import Cell
from jupyter_carbon.footprint import NOTHING
from jupyter_carbon.grid.providers import NoAnswer, electricity_maps, gb
from jupyter_carbon.grid.providers.http import fetch
from jupyter_carbon.grid.series import Series
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.hours import STEP_S, Growth, _surer
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import CellRecord, Context, Window
from jupyter_carbon.session import Session

ADDED = 163.1 - 106.1  # what a British kWh's life cycle adds to its direct number
YEAR_G = 217.41


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.package()
    return machine


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def open_session(machine: Machine, server: Server) -> Iterator[Callable[..., Session]]:
    ask = partial(fetch, deadline_s=0.5, hosts=dict.fromkeys((gb.ROOT, electricity_maps.ROOT), server.origin))
    with sessions(machine, region="GB", fetch=ask) as open_one:
        yield open_one


def now_and_coming(*grams: tuple[int | None, int | None]) -> dict[str, Any]:
    """Half-hours from the one before the running one on."""
    now = datetime.now(timezone.utc)
    running = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    return half_hours((running - timedelta(minutes=30)).isoformat(), grams)


def until(done: Callable[[], object], patience_s: float = 10.0) -> None:
    """Wait for another thread's work."""
    ends_s = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < ends_s, "it never came"
        time.sleep(0.01)


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ended: list[tuple[Cell, CellRecord]] = []
        self.changes: list[tuple[CellRecord, CellRecord]] = []
        self.ticks = 0

    def settled(self, ended: Sequence[tuple[Cell, CellRecord]], between: object) -> None:
        self.ended += ended

    def resettled(self, changes: Sequence[tuple[CellRecord, CellRecord]]) -> None:
        self.changes += changes

    def ticked(self, reading: object, running: object) -> None:
        self.ticks += 1


def live_of(session: Session) -> None:
    """Wait until the first round is over and its numbers are in memory."""
    until(lambda: session.hours.timeline().live is not None)


def run_cell(session: Session, **options: Any) -> Cell:
    cell = session.begin("1", **options)
    session.end(cell)
    return cell


def rows(machine: Machine) -> list[CellRecord]:
    return list(Ledger.open(machine.ledger).records())


# --- a cell's own hour --------------------------------------------------------------------------------------------


def test_a_cell_is_told_by_its_own_half_hour_and_its_year_stands_beside(server, open_session, machine):
    server.script(now_and_coming((140, None), (150, None), (160, None), (170, None)))
    session = open_session()
    live_of(session)
    record = session.record_of(run_cell(session))
    assert record.intensity.status == "forecast"
    assert record.intensity.gco2e_per_kwh.likely in (150 + ADDED, 160 + ADDED)  # the half-hour may just have turned
    assert record.yearly.gco2e_per_kwh.likely == YEAR_G
    energy_kwh = record.footprint.facility_energy_kwh.likely
    assert record.footprint.operational_gco2e.likely == pytest.approx(
        energy_kwh * record.intensity.gco2e_per_kwh.likely
    )
    assert record.yearly_gco2e.likely == pytest.approx(energy_kwh * YEAR_G)
    assert rows(machine)[-1].intensity == record.intensity  # from the journal, at once


def test_the_ledger_tells_it_as_the_journal_did(server, open_session, machine):
    server.script(now_and_coming((140, None), (150, None), (160, None)))
    session = open_session()
    live_of(session)
    told = session.record_of(run_cell(session))
    session.books.hand_over(session._settle)
    (stored,) = Ledger.open(machine.ledger)._stored(None, None)
    assert (stored.intensity, stored.yearly, stored.course) == (told.intensity, told.yearly, told.course)
    assert CellRecord.from_dict(json.loads(json.dumps(told.to_dict()))).yearly == told.yearly


def test_offline_the_hour_of_an_average_day(server, open_session, machine):
    session = open_session(live=False)
    record = session.record_of(run_cell(session))
    assert record.intensity.status == "yearly"
    assert "hour of the day" in record.intensity.source
    assert record.yearly.start is None
    assert not server.asked
    assert session.hours.states == ()


def test_a_place_that_has_no_hours_is_told_by_its_year_alone(open_session):
    session = open_session(region="FR", live=False)
    record = session.record_of(run_cell(session))
    assert (record.intensity.start, record.yearly, record.course) == (None, None, ())
    assert "yearly_gco2e" not in record.to_dict()


def test_a_cell_elsewhere_is_told_by_its_own_place(server, open_session):
    server.default = now_and_coming((140, None), (150, None), (160, None))
    session = open_session()
    live_of(session)
    run_cell(session, region="US-CA")  # the first of a place: its hours are not known yet
    until(lambda: session.hours.knows("US-CA"))
    record = session.record_of(run_cell(session, region="US-CA"))
    assert record.intensity.region == "US-CA"
    assert "hour of the day" in record.intensity.source


# --- energy over time ---------------------------------------------------------------------------------------------


def test_how_a_run_s_energy_grew_is_noted_at_each_step_of_the_clock(machine, open_session):
    context = open_session(live=False).context()
    (domain,) = [d for d in context.domains if d.component == "cpu"]
    begun_s = 1_800_000_000.0  # on a step

    def window(elapsed_s: float, joules: float) -> Window:
        return Window(elapsed_s, {domain: joules}, elapsed_s, elapsed_s, elapsed_s=elapsed_s)

    growth = Growth(begun_s)
    for elapsed_s, joules in ((1, 10), (STEP_S - 1, 80), (STEP_S + 0.5, 100), (STEP_S + 1.5, 101), (2 * STEP_S, 900)):
        growth.tick(window(elapsed_s, joules), context)
    course = growth.course(window(2.5 * STEP_S, 1000), context)
    assert course == ((STEP_S + 0.5, pytest.approx(0.1)), (2 * STEP_S, pytest.approx(0.9)))


def test_a_short_run_notes_nothing(open_session):
    context: Context = open_session(live=False).context()
    growth = Growth(1_800_000_000.0)
    growth.tick(Window(1.0, {}, 0.0, 0.0), context)
    assert growth.course(Window(2.0, {}, 0.0, 0.0), context) == ()


# --- settling -----------------------------------------------------------------------------------------------------


def test_an_actual_settles_the_row_and_the_first_value_is_kept(server, open_session, machine):
    forecast = [(140, None), (150, None), (160, None), (170, None)]
    server.script(now_and_coming(*forecast))
    session = open_session()
    live_of(session)
    cell = run_cell(session)
    first = session.record_of(cell)
    until(lambda: not session._has_work())
    session.books.hand_over(session._settle)
    server.script(now_and_coming(*((f, f - 40) for f, _ in forecast)))
    feed = session.hours.live.feeds[0]
    feed._next_s = 0.0
    session.hours.look([None])
    until(lambda: rows(machine)[-1].first is not None)
    settled = rows(machine)[-1]
    assert settled.intensity.status == "estimated"  # measured, and lifted to the life cycle
    assert settled.intensity.gco2e_per_kwh.likely == pytest.approx(first.intensity.gco2e_per_kwh.likely - 40)
    assert settled.first == first.intensity
    assert settled.first_gco2e.likely == pytest.approx(first.footprint.operational_gco2e.likely)
    energy_kwh = settled.footprint.facility_energy_kwh.likely
    assert settled.footprint.operational_gco2e.likely == pytest.approx(
        energy_kwh * settled.intensity.gco2e_per_kwh.likely
    )
    assert settled.yearly == first.yearly
    assert settled.to_dict()["first_gco2e"]["likely"] == pytest.approx(settled.first_gco2e.likely)


def test_the_session_s_own_sum_is_settled_too(server, open_session):
    forecast = [(140, None), (150, None), (160, None), (170, None)]
    server.script(now_and_coming(*forecast))
    session = open_session()
    live_of(session)
    for _ in range(3):
        run_cell(session)
    session.account()
    until(lambda: session.books.ledger is not None)
    server.script(now_and_coming(*((f, f - 40) for f, _ in forecast)))
    session.hours.live.feeds[0]._next_s = 0.0
    session.hours.look([None])
    until(lambda: all(record.first is not None for record in session.account().records))
    account = session.account()
    total = NOTHING
    for record in account.records:
        total = total.with_cell(record)
    assert account.totals.footprint.operational_gco2e.likely == pytest.approx(total.footprint.operational_gco2e.likely)


def test_whoever_watches_hears_which_cells_are_told_anew(server, open_session):
    forecast = [(140, None), (150, None), (160, None), (170, None)]
    server.script(now_and_coming(*forecast))
    session = open_session()
    live_of(session)
    watcher = Watcher()
    session.watch(lambda: watcher)
    session.call()
    until(lambda: watcher.ticks)
    run_cell(session)
    session.account()
    until(lambda: session.books.ledger is not None)
    server.script(now_and_coming(*((f, f - 40) for f, _ in forecast)))
    session.hours.live.feeds[0]._next_s = 0.0
    session.hours.look([None])
    until(lambda: watcher.changes)
    ((before, after),) = watcher.changes
    assert before == watcher.ended[0][1]
    assert after.intensity.gco2e_per_kwh.likely == pytest.approx(before.intensity.gco2e_per_kwh.likely - 40)
    assert after.first == before.intensity


def test_what_is_used_between_cells_has_its_own_hour_too(server, open_session):
    server.default = now_and_coming((140, None), (150, None), (160, None))
    session = open_session()
    live_of(session)
    run_cell(session)
    time.sleep(0.05)
    run_cell(session)
    between = session.account().totals.between
    assert between.operational_gco2e.likely / between.facility_energy_kwh.likely in (
        pytest.approx(150 + ADDED),
        pytest.approx(160 + ADDED),
    )


def test_a_settled_row_is_not_settled_twice(server, open_session, machine):
    server.script(now_and_coming((140, None), (150, 110), (160, 120)))
    session = open_session()
    live_of(session)
    run_cell(session)
    until(lambda: not session._has_work())
    session.books.hand_over(session._settle)
    ledger, timeline = Ledger.open(machine.ledger), session.hours.timeline()
    newer = Timeline(timeline.place, timeline.yearly)
    newer.live = Series(replace(slot, status="actual") for slot in timeline.live.slots)
    assert [ledger.settle(0.0, "GB", partial(_surer, line)) for line in (timeline, newer, newer)] == [0, 1, 0]
    assert ledger.settle(0.0, "FR", partial(_surer, newer)) == 0


def test_a_killed_run_keeps_the_hour_of_its_last_checkpoint(server, open_session, machine):
    server.script(now_and_coming((140, None), (150, None), (160, None)))
    session = open_session()
    live_of(session)
    cell = session.begin("1")
    until(lambda: b'"checkpoint"' in b"".join(p.read_bytes() for p in Ledger.open(machine.ledger).journals.iterdir()))
    session.books._journal._let_go()  # as when the process is gone
    journal = next(iter(Ledger.open(machine.ledger).journals.iterdir()))
    from jupyter_carbon.ledger.replay import Replay

    replay = Replay(journal)
    replay.read()
    (crashed,) = [counted.record() for counted in replay.crashed()]
    assert crashed.intensity.status == "forecast"
    assert crashed.footprint.operational_gco2e.likely == pytest.approx(
        crashed.footprint.facility_energy_kwh.likely * crashed.intensity.gco2e_per_kwh.likely
    )
    session._running.remove(cell)


# --- nobody waits, nothing leaks ----------------------------------------------------------------------------------


def hours_ago(hours: float, *grams: tuple[int | None, int | None]) -> dict[str, Any]:
    began = datetime.now(timezone.utc) - timedelta(hours=hours)
    return half_hours(began.replace(minute=began.minute // 30 * 30, second=0, microsecond=0).isoformat(), grams)


def with_a_gap() -> dict[str, Any]:
    slots = hours_ago(2, *[(150, 140)] * 9)["data"]
    return {"data": slots[:2] + slots[6:]}


AN_HOUR_OFF = {"Date": f"{datetime.now(timezone.utc) - timedelta(hours=1):%a, %d %b %Y %H:%M:%S} GMT"}
FAULTS = {
    "a server that never replies": "hang",
    "a body that drips": "drip",
    "headers that drip": "drip headers",
    "429": (429, {"Retry-After": "1"}, b""),
    "500": (500, {}, b""),
    "a page of HTML": (200, {}, b"<html>"),
    "an empty body": b"",
    "a list for an object": [1, 2, 3],
    "a gap": with_a_gap(),
    "a day of 23 hours": half_hours("2026-03-29T00:00+00:00", [(150, 140)] * 46),
    "stale data": hours_ago(72, *[(150, 140)] * 4),
    "a clock that is an hour off": (200, AN_HOUR_OFF, hours_ago(2, *[(150, None)] * 9)),
}


@pytest.mark.parametrize("step", FAULTS.values(), ids=FAULTS)
def test_no_cell_is_delayed_by_a_fault(server, open_session, step):
    server.default = step
    session = open_session()
    until(lambda: server.asked)
    slowest_s = 0.0
    for _ in range(100):
        started_s = time.perf_counter()
        run_cell(session)
        slowest_s = max(slowest_s, time.perf_counter() - started_s)
    assert slowest_s < 0.25  # the server is waited for 0.5 s; a busy machine is allowed for
    assert not session.boundary.faults


def test_no_cell_is_delayed_by_a_silent_resolver(open_session):
    gate = threading.Event()

    def ask(request: object) -> object:
        gate.wait(30)
        raise NoAnswer("the name could not be looked up")

    session = open_session(fetch=ask)
    until(lambda: any(thread.name == "carbon-grid" for thread in threading.enumerate()))
    started_s = time.perf_counter()
    for _ in range(100):
        run_cell(session)
    assert time.perf_counter() - started_s < 5.0
    assert sum(thread.name == "carbon-grid" for thread in threading.enumerate()) == 1
    started_s = time.perf_counter()
    session.close()
    assert time.perf_counter() - started_s < 3.0  # it is never joined
    gate.set()


def test_no_thread_and_no_import_where_nobody_is_asked(machine):
    session = machine.session(region="")
    assert session.wait_until_warm(10)
    run_cell(session)
    assert session.hours._live is None
    assert not [thread for thread in threading.enumerate() if thread.name == "carbon-grid"]
    session.close()


def test_a_wrong_clock_is_flagged_and_the_right_slot_is_used(server, open_session):
    fast = datetime.now(timezone.utc) - timedelta(hours=1)  # what the time is; this machine shows an hour more
    answer = half_hours(
        (fast.replace(minute=fast.minute // 30 * 30, second=0, microsecond=0) - timedelta(minutes=30)).isoformat(),
        [(140, None), (150, None), (160, None), (170, None), (180, None)],
    )
    server.script((200, {"Date": f"{fast:%a, %d %b %Y %H:%M:%S} GMT"}, answer))
    session = open_session()
    live_of(session)
    record = session.record_of(run_cell(session))
    assert "clock-wrong" in record.flags
    assert record.intensity.gco2e_per_kwh.likely in (150 + ADDED, 160 + ADDED)


def test_no_key_and_no_postcode_is_in_the_ledger_the_journal_a_record_or_a_log(server, open_session, machine, caplog):
    caplog.set_level(logging.DEBUG)
    secrets = ("s3cret-t0ken", "EC1A", "ec1a")
    regional = now_and_coming((140, None), (150, None), (160, None))
    server.script({"data": {"regionid": 13, "postcode": "EC1A", **regional}})
    server.default = (401, {}, b"s3cret-t0ken EC1A")
    session = open_session(area="EC1A 1BB", environ={"TZ": "UTC", "JUPYTER_CARBON_ELECTRICITY_MAPS_KEY": secrets[0]})
    live_of(session)
    run_cell(session)
    run_cell(session, region="DE")
    until(lambda: not session._has_work())
    session.books.hand_over(session._settle)
    session.hours.look(["DE", None])
    until(lambda: any("history" in path for path in server.paths()))
    until(lambda: any(state.trouble for state in session.hours.states))
    assert not session.boundary.faults
    told = repr([record.to_dict() for record in rows(machine)]) + caplog.text + repr(session.upkeep.findings())
    session.close()
    assert any("EC1A" in path for path in server.paths())  # it was asked for
    for path in machine.root.rglob("*"):
        if path.is_file() and "ledger" in str(path.relative_to(machine.root)):
            told += path.name + path.read_bytes().decode("latin-1")
    for secret in secrets:
        assert secret not in told
