"""The bench of docs/accuracy.md: fault schedules on a simulated clock, and a small case on the simulated machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from bench import place, report  # noqa: E402
from bench.cases import Case  # noqa: E402
from bench.conductor import OURS, Result, opened  # noqa: E402
from bench.drive import build  # noqa: E402
from bench.machine import Trouble, Zone, package  # noqa: E402
from bench.profile import Profile, constant, square, work  # noqa: E402
from bench.schedules import Schedule, run  # noqa: E402

SCHEDULES = 240


@pytest.fixture(scope="module")
def outcome():
    """In a process of its own, so that no other test finds GPUs here."""
    words = [sys.executable, str(ROOT / "benchmarks/bench/schedules.py"), str(SCHEDULES)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_number_is_wrong_without_a_flag_whatever_goes_wrong(outcome):
    assert outcome["schedules"] == SCHEDULES
    assert outcome["silent"] == []


def test_nine_in_ten_of_the_numbers_without_a_flag_hold_the_truth_in_their_range(outcome):
    assert outcome["inside"] >= 0.9 * (outcome["numbers"] - outcome["flagged"])


def test_every_kind_of_fault_was_among_them_and_was_said(outcome):
    registers = {"fail", "fail for good", "freeze", "freeze for good", "jump", "glitch", "back", "reset", "lost"}
    cards = {"fail", "gauge fails", "both fail", "vanish", "freeze", "freeze for good", "jump", "back", "reset"}
    wanted = {f"register: {kind}" for kind in registers} | {f"card: {kind}" for kind in cards}
    assert wanted | {"suspend", "nobody looks", "none"} == set(outcome["faults"])
    assert outcome["flagged"] > 0.2 * outcome["numbers"]


def schedule(*troubles: Trouble) -> Schedule:
    """A cell of one second at 20 W."""
    zones = (Zone("intel-rapl:0", "package-0", constant(20.0), troubles=troubles),)
    return Schedule(0, zones, (), ((1.5, 2.5),), (), (), ("test",))


def test_a_schedule_without_a_fault_has_one_number_inside_its_range(tmp_path):
    outcome = run(schedule(), tmp_path)
    assert (outcome.numbers, outcome.flagged, outcome.inside, outcome.silent) == (1, 0, 1, [])


def test_what_cannot_be_told_from_work_is_found_silent_by_the_judge(tmp_path):
    """10 J from nowhere within a second of 20: the register could have counted them."""
    outcome = run(schedule(Trouble("jump", 2.0, j=10.0)), tmp_path)
    assert [line.split(":")[0] for line in outcome.silent] == ["seed 0, package-0, 1.500 to 2.500 s"]


def test_what_no_processor_can_draw_is_flagged(tmp_path):
    outcome = run(schedule(Trouble("jump", 2.0, j=10_000.0)), tmp_path)
    assert (outcome.flagged, outcome.silent) == (1, [])


# --- whose joules ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shares():
    words = [sys.executable, str(ROOT / "benchmarks/bench/shares.py"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_kernel_is_told_its_own_joules(shares):
    for row in shares["rows"]:
        assert row["said_j"] == pytest.approx(row["truth_j"], rel=0.05, abs=0.01), row
        assert row["inside"], row


def test_two_kernels_at_three_to_one_get_three_to_one(shares):
    three_j, one_j = (row["said_j"] - 120 for row in shares["rows"] if row["machine"] == "two kernels at 3:1")
    assert three_j / one_j == pytest.approx(3.0, rel=0.05)  # beside their halves of 24 W in ten seconds


def test_what_strangers_do_is_not_billed(shares):
    told = {(row["machine"], row["component"]): row["said_j"] for row in shares["rows"]}
    assert told["a neighbour's load", "cpu"] == pytest.approx(240 + 140, rel=0.01)  # idle, and one CPU of six
    assert told["a sleeping cell", "cpu"] == pytest.approx(240, rel=0.01)
    assert told["a stranger alone on the GPU", "gpu"] == 0.0


def test_all_kernels_together_are_told_no_more_than_the_machine_has_drawn(shares):
    assert 0.99 <= shares["most"] <= 1.0 + 1e-6


# --- the simulated machine ------------------------------------------------------------------------------------------


def test_a_profile_is_integrated_exactly_and_repeats():
    profile = Profile.parse("1 100\n1 0 50\n")
    assert profile.energy_j(3.5) == 100 + 25 + 100 + 0.5 * 12.5
    assert Profile.parse(profile.text) == profile
    assert square(20, 120, 0.35).mean_w(0, 7) == pytest.approx(70)
    assert work(10, 110, from_s=2, to_s=3).energy_j(4) == 20 + 110 + 10


def test_ours_stands_on_the_bench_and_reads_its_joules():
    """0.6 s at 60 W, through `with jc.measure()`, in a process that was told nothing of the bench."""
    case = Case("small", "60 W", "cpu", package(constant(60.0)), cells=((0.6, 0.0),))
    with opened({OURS: Path(sys.executable)}) as bench:
        told = bench.run(case)
    assert told["zeus"].why_not == "not installed here"
    ours = told[OURS]
    assert ours.why_not is None
    assert ours.truth_j == pytest.approx(36, rel=0.2)
    assert ours.error == pytest.approx(0.0, abs=2.0)
    assert ours.inside


def test_a_private_namespace_shows_the_bench_where_a_machine_shows_its_counters(tmp_path):
    refused = place.allowed()
    if refused is not None:
        pytest.skip(f"mounts are not permitted here, so only ours can stand on the bench: {refused}")
    build(tmp_path, package(constant(60.0)))
    environ = place.environment(tmp_path, tmp_path / "libnvidia-ml.so.1", tmp_path)
    words = place.command(["cat", "/sys/class/powercap/intel-rapl:0/name"])
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "package-0\n", "")


# --- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said_j", "flags", "verdict"),
    [
        (100.4, (), "ok"),
        (104.0, (), "ok"),
        (120.0, ("stuck:package-0",), "flagged"),
        (120.0, (), "wrong"),
        (None, ("stuck:package-0",), "wrong"),
    ],
)
def test_a_number_outside_its_range_needs_a_flag(said_j, flags, verdict):
    case = Case("case", "", "cpu")
    low_j, high_j = (None, None) if said_j is None else (0.95 * said_j, 1.05 * said_j)
    told = Result(OURS, 100.0, said_j, low_j, high_j, flags)
    assert report.verdict(case, told) == verdict
