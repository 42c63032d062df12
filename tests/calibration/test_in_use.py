"""A stored calibration in a session: known joules, and the range that the plug meter has left of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from machine import Machine

from jupyter_carbon.calibration.fit import Point, WallFit
from jupyter_carbon.calibration.store import Calibration, Store, counted_by
from jupyter_carbon.footprint import footprint
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.model import Interval, Share, Window
from jupyter_carbon.power.cpu_curve import CURVE_SPREAD, CpuCurve
from jupyter_carbon.session import Session

FIT = WallFit(1.25, 30.0, 0.5, 0.005, (Point(10.0, 42.5), Point(110.0, 167.5)))
CALIBRATED = Calibration(wall=FIT, wall_at="2026-11-22", source="cpu:package-0:rapl ram:memory-0:ram-model@4.8")
SHELL = object()
JOULES = 50.0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "machine")
    machine.zone = machine.package()
    return machine


@pytest.fixture
def opened(machine: Machine, tmp_path: Path):
    sessions: list[Session] = []

    def opened() -> Session:
        sessions.append(machine.session({"TZ": "UTC", "JUPYTER_DATA_DIR": str(tmp_path)}))
        assert sessions[-1].wait_until_warm(timeout_s=10.0)
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


def stored(session: Session, tmp_path: Path, calibration: Calibration) -> None:
    Store(tmp_path / "jupyter_carbon" / "calibration", session.host).save(calibration)


def a_cell(session: Session, machine: Machine):
    with machine.zone.restless():  # as a real register: it never stands still
        cell = session.begin("1", owner=SHELL)
        machine.zone.draw(JOULES, seconds=0.2)
        session.end(cell)
    return session.record_of(cell)


def a_thousand_joules(session: Session) -> Interval:
    """At the wall, of 1 kJ in 10 s that were all ours, counted as this session counts its processor."""
    context = session.context()
    [cpu] = [domain for domain in context.domains if domain.component == "cpu"]
    joules = cpu.spread.scaled(1000.0)
    share = Share(cpu, joules, Interval.exact(0.0), joules, 0.0)
    return footprint([share], 10.0, replace(context, idle_share=1.0)).wall_energy_j


def test_the_next_session_uses_what_was_stored_and_its_range_is_the_fits(machine, opened, tmp_path):
    before = opened()
    assert before.context().wall.spread is None
    by_table = a_thousand_joules(before)
    stored(before, tmp_path, replace(CALIBRATED, source=way_of(before)))
    before.close()

    session = opened()
    assert session.context().wall.source == "calibrated on 2026-11-22 with 2 readings, off by 0.5%"
    by_plug = a_thousand_joules(session)
    # 1.25 x 1000 J + 30 W x 10 s = 1550 J, from 12 % below to 13 % above: the counter's own 5 % are in the fit.
    assert (by_plug.low, by_plug.likely, by_plug.high) == pytest.approx((0.88 * 1550, 1550, 1.13 * 1550))
    # 1.15 (1.05 to 1.25) x 1000 J (5 %) + 50 W (20 to 90) x 10 s
    assert by_table.likely == pytest.approx(1650)
    assert by_table.high - by_table.low > by_plug.high - by_plug.low


def test_a_cells_joules_at_the_wall_are_the_fits(machine, opened, tmp_path):
    session = opened()
    session.upkeep.calibrator._save(replace(CALIBRATED, source=way_of(session)))
    record = a_cell(session, machine)
    cost, seconds = record.footprint, record.duration_s
    base_j = 30.0 * session.context().idle_share * seconds
    assert cost.wall_energy_j.likely == pytest.approx(1.25 * cost.energy_j.likely + base_j)
    [cpu] = [share for share in record.shares if share.domain.component == "cpu"]
    assert cpu.machine_energy_j.likely == pytest.approx(JOULES, rel=0.1)  # a real clock, and edges of 5 ms


def way_of(session: Session) -> str:
    context = session.context()
    return counted_by(context.domains, context.idle_w)


def test_a_calibration_made_now_is_used_from_the_next_cell_on_and_doctor_says_so(machine, opened):
    session = opened()
    told = {finding.topic: finding for finding in session.upkeep.findings()}
    assert told["calibration"].health == "note"
    assert "nothing is calibrated" in told["calibration"].text
    calibrator = session.upkeep.calibrator
    calibrator._save(Calibration(FIT, "2026-11-22", way_of(session)))
    assert session.context().wall.factor.likely == 1.25
    finding = {finding.topic: finding for finding in session.upkeep.findings()}["calibration"]
    assert finding.health == "good"
    assert finding.text == "to the wall on 2026-11-22 with 2 readings, off by 0.5 W (0.5%)"
    calibrator.forget()
    assert session.context().wall.spread is None


def test_a_fit_to_other_counters_is_not_used_and_doctor_says_why(machine, opened, tmp_path):
    session = opened()
    stored(session, tmp_path, replace(CALIBRATED, source="cpu:package-0:cpu-model@22.5"))
    session.close()
    session = opened()
    assert session.context().wall.spread is None
    finding = {finding.topic: finding for finding in session.upkeep.findings()}["calibration"]
    assert finding.health == "note"
    assert "not in use" in finding.text


def test_without_a_counter_the_processors_own_watts_count(tmp_path):
    machine = Machine(tmp_path / "machine")  # no powercap tree: the model
    environ = {"TZ": "UTC", "JUPYTER_DATA_DIR": str(tmp_path)}
    session = machine.session(environ)
    stored(session, tmp_path, Calibration(cpu=CpuCurve(8.0, 88.0, "2026-11-22")))
    assert session.context().idle_w["package-0"] == pytest.approx(0.15 * 150)  # the table's: 0.15 of 150 W
    session.close()

    session = machine.session(environ)  # joules by these two: tests/power/test_cpu_curve.py
    context = session.context()
    session.close()
    [cpu] = [domain for domain in context.domains if domain.component == "cpu"]
    assert (context.idle_w["package-0"], cpu.spread, cpu.quality) == (8.0, CURVE_SPREAD, "modelled")


def test_a_session_without_a_pause_begins_with_the_idle_watts_that_were_stored(machine, opened, tmp_path):
    session = opened()
    stored(session, tmp_path, Calibration(idle_w={"package-0": 30.0}, idle_at="2026-11-22"))
    session.close()
    session = opened()
    assert session.meter.learned.idle_w == {"package-0": 30.0}
    window = Window(1.0, dict.fromkeys(session.meter.domains, 100.0), 0.0, 0.0, session.meter.learned.idle_w)
    [share] = [s for s in attribute(window, session.context())[0] if s.domain.component == "cpu"]
    # 30 J of 100 J are idle, known as learned ones are: 30 % less to 10 % more, and not to half or twice.
    idle_j, ours = share.idle_energy_j, session.context().idle_share
    assert (idle_j.likely, idle_j.high) == pytest.approx((30.0 * ours, 33.0 * ours))
