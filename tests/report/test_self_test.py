"""The self-test: a known load through a real meter, and a verdict in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from machine import Machine
from power.powercap import Clock
from records import a_context

from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.model import Context, Domain, Window
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.cpu_model import CpuModel
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.power.gauge import GaugeIntegrator
from jupyter_carbon.power.rapl import Rapl
from jupyter_carbon.report.doctor import Finding
from jupyter_carbon.report.self_test import LOAD_S, REST_S, Trial, _of_pace, judge, pace, run, verdict

CPUS = 4


class Bench:
    """Four CPUs, a package of 10 W at rest and 25 W more for each busy CPU, and a load that turns them."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.clock, self.zone = machine, Clock(), machine.package()
        self.ours = self.others = self.own_s = self.busy_s = 0.0
        self.watts: Callable[[], float] = lambda: 10.0 + 25.0 * (self.ours + self.others)
        self.counted = True
        busy = MachineBusy.open(machine.root, clock=self.clock, own_cpu=lambda: 0.0)
        self.host = replace(machine.tree.detect(affinity=CPUS), busy=busy)
        rapl = Rapl.open(self.host, clock=self.clock, suspended_s=self.clock.suspended)
        tree = ProcessTree(own_cpu_s=lambda: self.own_s, reaped_s=lambda: 0.0)
        self.meter = Meter([rapl], tree, busy, n_cpu=CPUS, clock=self.clock)
        self.context = replace(a_context(), domains=self.meter.domains, n_cpu=CPUS, power_limit_w={"package-0": 200.0})

    def load(self, cpus: int, seconds: float, wait: Callable[[], None]) -> None:
        self.ours = min(float(cpus), CPUS - self.others)
        wait()
        self.ours = 0.0

    def sleep(self, seconds: float) -> None:
        self.clock.s += seconds
        self.own_s += self.ours * seconds * self.counted
        self.busy_s += (self.ours + self.others) * seconds
        self.machine.busy(self.busy_s)
        self.zone.add_j(self.watts() * seconds)

    def told(self, curve: CpuCurve | None = None) -> dict[str, Finding]:
        trial = run(self.meter, cpus=2, load=self.load, sleep=self.sleep)
        return {finding.text.partition(":")[0]: finding for finding in judge(trial, self.context, curve)}


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(Machine(tmp_path))


def test_it_takes_ten_seconds_and_sees_rest_load_and_rest(bench):
    trial = run(bench.meter, cpus=2, load=bench.load, sleep=bench.sleep)
    assert bench.clock.s - 1000.0 == pytest.approx(REST_S + LOAD_S + REST_S) == 10.0
    [(domain, joules)] = trial.loaded.energy_j.items()
    assert joules == pytest.approx(60.0 * LOAD_S)  # 10 W and 2 x 25 W
    assert trial.before.energy_j[domain] == trial.after.energy_j[domain] == pytest.approx(10.0 * REST_S)


def test_the_load_takes_four_cpus_at_most(bench):
    assert run(bench.meter, cpus=64, load=bench.load, sleep=bench.sleep).cpus == 4
    assert run(bench.meter, cpus=0, load=bench.load, sleep=bench.sleep).cpus == 1


def test_a_machine_that_measures_is_told_in_joules_and_watts(bench):
    told = bench.told()
    assert {finding.health for finding in told.values()} == {"good"}
    assert told["CPU package-0"].text == (
        "CPU package-0: 240 J under load (60 W), 10 W at rest before, 10 W after (measured)"
    )
    assert told["CPU time of ours"].text.endswith("8.0 CPU seconds of a load of 2 processes for 4.0 s")
    assert told["share"].text == "share: 100% of the processor's joules are ours, with 100% of its busy time"


def test_a_counter_that_does_not_follow_the_load_is_a_problem(bench):
    bench.watts = lambda: 10.0
    told = bench.told()["CPU package-0"]
    assert told.health == "problem"
    assert told.text.endswith("; it does not follow the load")


def test_a_counter_that_stands_still_is_a_problem_with_its_fault(bench):
    bench.watts = lambda: 0.0
    told = bench.told()["CPU package-0"]
    assert told.health == "problem"
    assert "did not move" in told.text or "stood still" in told.text


def test_joules_that_the_part_cannot_draw_are_a_problem(bench):
    bench.watts = lambda: 10.0 + 200.0 * bench.ours
    assert bench.told()["CPU package-0"].text.endswith("; more than it can draw (200 W)")


def test_a_load_whose_processes_are_not_ours_is_a_problem(bench):
    bench.counted = False
    told = bench.told()
    assert told["CPU time of ours"].health == "problem"
    assert told["share"].health == "problem"


def test_where_others_want_the_cpus_too_that_is_said_and_no_alarm(bench):
    trial = run(bench.meter, cpus=2, load=bench.load, sleep=bench.sleep)
    loaded = replace(trial.loaded, tree_cpu_s=2.0, machine_busy_s=16.0)
    finding = judge(replace(trial, loaded=loaded), bench.context)[0]
    assert (finding.health, finding.text) == (
        "note", "CPU time of ours: 2.0 CPU seconds of a load of 2 processes for 4.0 s; others wanted the CPUs too"
    )  # fmt: skip


def test_a_machine_less_busy_than_ourselves_is_not_this_machine(bench):
    trial = run(bench.meter, cpus=2, load=bench.load, sleep=bench.sleep)
    loaded = replace(trial.loaded, machine_busy_s=1.0)
    told = judge(replace(trial, loaded=loaded), bench.context)[1]
    assert told.health == "problem"
    assert "/proc/stat is not this machine's" in told.text


def test_on_a_machine_that_is_full_already_nothing_is_told_and_nothing_alarmed(bench):
    bench.others = 4.0  # all four, before and after: the load gets none of them, or takes theirs
    told = bench.told()["CPU package-0"]
    assert told.health == "note"
    assert told.text.endswith("; the CPUs were as busy before, so nothing is told")


def test_of_two_packages_the_load_may_run_on_one(bench):
    trial = run(bench.meter, cpus=2, load=bench.load, sleep=bench.sleep)
    other = Domain("cpu", "package-1", "rapl", "measured", 0.001, 0.001)

    def with_other(window: Window, watts: float) -> Window:
        return replace(window, energy_j={**window.energy_j, other: watts * window.duration_s})

    both = Trial(with_other(trial.before, 9.0), with_other(trial.loaded, 9.0), with_other(trial.after, 9.0), 2)
    told = judge(both, replace(bench.context, domains=(*bench.context.domains, other)))
    assert {finding.health for finding in told} == {"good"}


# --- a counter that counts double, or half --------------------------------------------------------------------------

KNOWN = CpuCurve(10.0, 110.0, "2026-11-22")
"""What the package's counter said once: 10 W at rest, and 10 + 100 x (1 - 0.5^2.7) = 94.6 W with two of four busy."""


@pytest.mark.parametrize(
    ("times", "health", "words"), [(1.0, "good", ""), (2.0, "problem", "says more"), (0.5, "problem", "says less")]
)
def test_a_counter_is_held_against_this_machine_s_calibration(bench, times, health, words):
    bench.watts = lambda: times * (10.0 + 84.6 * bench.ours / 2)
    told = bench.told(KNOWN)["calibration"]
    assert told.health == health
    assert words in told.text
    assert told.text.startswith(f"calibration: {times * 10:.3g} W for 10 W, {times * 94.6:.3g} W for 94.6 W")


class Card:
    """A card that draws 50 W by its gauge, and whose counter counts so many times as much."""

    name, components = "nvml", ("gpu",)
    domains = (Domain("gpu", "gpu0", "nvml-energy", "measured", 0.1, 0.1),)
    idle_w: ClassVar = {"gpu0": 50.0}
    power_limit_w: ClassVar = {"gpu0": 300.0}
    allotted = ()

    def __init__(self, clock: Clock, times: float) -> None:
        self.clock, self.times, self.faults = clock, times, FaultLog()

    def energy_j(self):
        return {self.domains[0]: 50.0 * self.times * (self.clock() - 1000.0)}

    def gauge_w(self):
        return {"gpu0": 50.0}

    def busy_s(self, pids):
        return {}

    def presence(self, pids):
        return {"gpu0": "empty"}

    def close(self):
        pass


@pytest.mark.parametrize(("times", "health"), [(1.0, "good"), (2.0, "problem"), (0.5, "problem")])
def test_a_card_s_counter_is_held_against_its_gauge(bench, times, health):
    bench.meter.add_gpus(Card(bench.clock, times))
    bench.sleep(1.0)
    told = bench.told()["GPU gpu0"]
    assert told.health == health
    assert ", 50 W by its gauge" in told.text
    assert told.text.endswith(f"counter says {50 * times:.3g} W: one of the two is wrong") == (times != 1.0)


class Gauge(Card):
    """The same card without a counter: its gauge is integrated, as long as somebody looks."""

    domains = (Domain("gpu", "gpu0", "nvml-power", "measured", 0.1, 0.1),)

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, 1.0)
        self.gauge = GaugeIntegrator(
            lambda: 50.0, max_w=300.0, device="gpu0", faults=self.faults, clock=clock, suspended_s=clock.suspended
        )

    def energy_j(self):
        return {self.domains[0]: self.gauge.energy_j()}

    def gauge_w(self):
        return {}

    def watch(self):
        return self.gauge.watch()

    def edge_s(self):
        return {"gpu0": 0.1}


def test_a_card_that_has_a_gauge_alone_is_looked_at_meanwhile(bench):
    bench.meter.add_gpus(Gauge(bench.clock))
    bench.meter.watch(1.0, lambda seconds: bench.sleep(seconds) is not None)
    told = bench.told()["GPU gpu0"]
    assert (told.health, told.text) == (
        "good", "GPU gpu0: 200 J under load (50 W), 50 W at rest before, 50 W after (measured)"
    )  # fmt: skip


# --- what a read costs, and the counter's step ---------------------------------------------------------------------


class Ticking:
    """A clock that moves 50 µs at each look, and a counter that moves every so many looks."""

    def __init__(self, machine: Machine, every_s: float) -> None:
        self.s, self.zone, self.every_s, self.moves = 0.0, machine.package(), every_s, 0

    def __call__(self) -> float:
        self.s += 50e-6
        if self.s >= (self.moves + 1) * self.every_s:
            self.moves += 1
            self.zone.add_j(0.01)
        return self.s


@pytest.mark.parametrize(("every_s", "health"), [(0.001, "good"), (0.012, "problem")])
def test_the_step_is_seen_on_the_counter_itself(tmp_path, every_s, health):
    machine = Machine(tmp_path)
    clock = Ticking(machine, every_s)
    host = machine.tree.detect(affinity=CPUS)
    meters = Rapl.open(host)
    found = pace(meters, host, clock=clock)
    assert found.step_s["package-0"] == pytest.approx(every_s, rel=0.06)
    assert found.read_s == pytest.approx(50e-6)
    [told] = _of_pace(found, replace(a_context(), domains=meters.domains))
    assert told.health == health
    assert told.text.startswith(f"rapl: one read takes 50 µs; package-0 moves every {every_s * 1e3:.2g} ms")


def test_a_model_has_no_step(tmp_path):
    host = Machine(tmp_path).tree.detect(affinity=CPUS)
    found = pace(CpuModel.open(host), host)
    assert found.step_s == {}
    assert 0.0 < found.read_s < 0.01


def test_a_source_that_is_gone_meanwhile_is_left_out(tmp_path):
    machine = Machine(tmp_path)
    zone = machine.package()
    host = machine.tree.detect(affinity=CPUS)
    rapl = Rapl.open(host)
    zone.energy_uj.unlink()
    assert pace(rapl, host) is None


# --- the verdict ---------------------------------------------------------------------------------------------------

GOOD, NOTE = Finding("self-test", "good", "a: 1"), Finding("self-test", "note", "b: 2")
BAD = Finding("self-test", "problem", "CPU package-0: 3; it does not follow the load")


def test_the_verdict_is_one_sentence(bench):
    assert verdict([GOOD], bench.context).text == "the numbers move as they must"
    assert verdict([GOOD, NOTE], bench.context).health == "note"
    told = verdict([GOOD, BAD, NOTE], bench.context)
    assert (told.health, told.text) == ("problem", "do not believe what rests on this yet: CPU package-0")


def test_the_verdict_says_what_is_modelled(tmp_path):
    domains = CpuModel.open(Machine(tmp_path).tree.detect(affinity=CPUS)).domains
    context: Context = replace(a_context(), domains=domains)
    assert verdict([GOOD], context).text == "the numbers move as they must; modelled, not measured: CPU"
