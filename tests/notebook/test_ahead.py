"""The question "before you run", as a panel asks it, and the answer of a session on a machine in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from machine import Machine

import jupyter_carbon as jc
from jupyter_carbon.estimate.advice import Job
from jupyter_carbon.estimate.here import LOAD, METERED_S, NEXT, here
from jupyter_carbon.footprint import NOTHING, Totals, footprint
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.model import ONE, ZERO, Context, Domain, Interval, Share, WallModel
from jupyter_carbon.notebook.ahead import estimate_answer, later_of
from jupyter_carbon.notebook.protocol import VERSION, BadQuestion, parse_question
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.session import Session

ASK = {"v": VERSION, "ask": "estimate", "gpu": None, "n_gpu": 1, "minutes": 10, "region": None, "interruptible": False}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Machine(tmp_path).session(live=False)
    assert session.wait_until_warm(10)
    yield session
    session.close()


def asked(session: Session, **more: object) -> dict[str, object]:
    answer = estimate_answer(parse_question(ASK | more), session)
    return json.loads(json.dumps(answer, allow_nan=False))


# --- at the door ------------------------------------------------------------------------------------------------


def test_a_question_is_taken_as_it_is_with_one_device_if_none_is_said():
    assert parse_question({**ASK, "n_gpu": None}) == ASK | {"n_gpu": 1.0, "minutes": 10.0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minutes", 0), ("minutes", -1), ("minutes", float("nan")), ("minutes", "10"), ("minutes", True),
        ("minutes", 1e9), ("n_gpu", 0), ("n_gpu", "two"), ("gpu", ""), ("gpu", 7), ("gpu", "x" * 61), ("region", " "),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_named(field, value):
    with pytest.raises(BadQuestion, match=field):
        parse_question(ASK | {field: value})


# --- this machine -----------------------------------------------------------------------------------------------


def test_this_machine_ten_minutes_here(session):
    answer = asked(session)
    assert (answer["what"], answer["region"], answer["name"], answer["minutes"]) == ("this machine", "FR", "France", 10)
    low, likely, high = (answer["operational_gco2e"][end] for end in ("low", "likely", "high"))
    assert 0 < low < likely < high
    assert answer["elsewhere"]["region"] == "SE"  # France is compared with another place than itself


def test_twice_the_minutes_take_twice_the_energy(session):
    short, long = asked(session, minutes=30), asked(session, minutes=60)
    assert long["energy_kwh"]["likely"] == pytest.approx(2 * short["energy_kwh"]["likely"], rel=1e-3)


def test_another_place_has_another_grid_and_the_same_energy(session):
    here_, there = asked(session), asked(session, region="PL")
    assert there["energy_kwh"] == here_["energy_kwh"]
    assert there["operational_gco2e"]["likely"] > 5 * here_["operational_gco2e"]["likely"]
    assert there["elsewhere"]["operational_gco2e"] == here_["operational_gco2e"]["likely"]


def a_context(**more: object) -> Context:
    """A package and a GPU that may draw 300; nothing is lost on the way to the facility."""
    package, gpu = (
        Domain("cpu", "package-0", "rapl", "measured", 0.0),
        Domain("gpu", "gpu0", "nvml", "measured", 0.0),
    )
    given = {
        "domains": (package, gpu), "n_cpu": 4, "idle_share": 0.5, "ram_share": 0.5, "kernel_share": 0.5, "idle_w": {},
        "power_limit_w": {"package-0": 100.0, "gpu0": 300.0}, "gpus_allotted": ("gpu0",),
        "wall": WallModel("none", ONE, ZERO, "assumed", "a test"), "pue": ONE, "pue_source": "a test",
        "intensity": jc.CarbonIntensity(ONE, "FR", "France", "lifecycle", "average", "yearly", "a test", 2024),
    }  # fmt: skip
    return Context(**(given | more))


@pytest.fixture
def host(session: Session) -> Host:
    """80 W, and memory that takes nothing."""
    return replace(session.host, tdp_w=80.0, tdp_spread=ONE, allotted_ram_gb=0.0)


def test_before_any_cell_ran_it_is_a_share_of_the_rated_power_that_is_yours(host):
    assert here(a_context(), NOTHING, host).power_w.likely == pytest.approx(LOAD.likely * (0.5 * 80 + 300))
    assert here(a_context(gpus_allotted=()), NOTHING, host).power_w.high == pytest.approx(LOAD.high * 0.5 * 80)


def test_where_the_devices_were_calibrated_it_is_a_share_of_what_they_drew(host):
    card = GpuCurve("gpu0", "A card", 20.0, 240.0, 1.0, 0.01, "2026-11-22")
    known = replace(host, curve=CpuCurve(8.0, 64.0, "2026-11-22"), gpu_curves={"GPU-0": card})
    assert here(a_context(), NOTHING, known).power_w.likely == pytest.approx(LOAD.likely * (0.5 * 64 + 240))


def test_after_a_while_it_is_the_mean_power_of_the_cells(host):
    joules = Interval.exact(1200.0)
    share = Share(a_context().domains[0], joules, ZERO, joules, 0.0)
    ran = Totals(3, 12.0, footprint([share], 12.0, a_context()), 0.0, None)
    found = here(a_context(), ran, host)
    assert found.power_w.likely == pytest.approx(100.0)
    assert found.power_w.high == pytest.approx(100.0 * NEXT.high)
    assert found.energy_kwh(2.0).likely == pytest.approx(0.2)
    assert found.basis == "the mean power of 3 metered cells of this session, 12.0 s"
    assert (
        "no cell has run for long" in here(a_context(), Totals(3, METERED_S - 1, ran.footprint, 0.0, None), host).basis
    )


# --- other hardware ---------------------------------------------------------------------------------------------


def test_a_gpu_is_that_of_the_estimate(session):
    answer = asked(session, gpu="H100", n_gpu=8, minutes=4320, region="US-CA")
    one = jc.estimate(gpu="H100", n_gpu=8, hours=72, region="US-CA")
    assert answer["energy_kwh"]["likely"] == pytest.approx(one.energy_kwh.likely, rel=1e-3)
    assert answer["operational_gco2e"]["high"] == pytest.approx(1000 * one.operational_kgco2e.high, rel=1e-3)
    assert (answer["what"], answer["dominant"]) == ("8 x H100 SXM5 80GB", one.dominant)
    assert answer["later"] is None  # three days: nothing is gained by a start within one


@pytest.mark.parametrize(
    ("more", "sentence"), [({"gpu": "H1000"}, "near matches: "), ({"region": "FRA NCE"}, "FRA NCE")]
)
def test_an_unknown_name_ends_in_a_sentence(session, more, sentence):
    with pytest.raises(BadQuestion, match=sentence):
        asked(session, **more)


NOON_S, EVENING_S = 1_782_043_200.0, 1_782_064_800.0
"""21 June 2026, 12:00 and 18:00 UTC."""


def test_an_evening_in_june_waits_for_the_sun_and_a_noon_does_not(session):
    germany = session.hours.live.timeline(resolve("DE"), "average")
    later = later_of(germany, Job(2.0), Interval(800.0, 1000.0, 1200.0), EVENING_S)
    assert EVENING_S < later["start"] <= EVENING_S + 22 * 3600
    assert later["saving"]["likely"] > 0.1
    assert later["operational_gco2e"] == pytest.approx(1000 * (1 - later["saving"]["likely"]), rel=1e-3)
    assert (later["status"], later["worth_waiting"]) == ("yearly", later["saving"]["low"] > 0)
    at_noon = later_of(germany, Job(2.0), Interval(800.0, 1000.0, 1200.0), NOON_S)
    assert not at_noon["worth_waiting"]
    assert at_noon["saving"]["likely"] < 0.05


def test_a_run_that_may_pause_takes_the_cleanest_hours(session):
    germany = session.hours.live.timeline(resolve("DE"), "average")
    now = Interval(800.0, 1000.0, 1200.0)
    whole, parted = (later_of(germany, Job(6.0, pauses), now, EVENING_S) for pauses in (False, True))
    assert parted["operational_gco2e"] <= whole["operational_gco2e"]
    assert (whole["parts"], whole["end"] - whole["start"]) == (1, pytest.approx(6 * 3600))
    assert parted["end"] - parted["start"] >= 6 * 3600 - 1


def test_a_run_of_more_than_half_a_day_is_not_put_off_by_the_form(session):
    germany = session.hours.live.timeline(resolve("DE"), "average")
    assert later_of(germany, Job(13.0), Interval(800.0, 1000.0, 1200.0), EVENING_S) is None
