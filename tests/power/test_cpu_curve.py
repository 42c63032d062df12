"""A calibrated processor: its own two watts, and a load that lies on few CPUs or on all."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from power.host_tree import HostTree

from jupyter_carbon.power.cpu_curve import CURVE_SPREAD, FULL_THREADS, CpuCurve, LoadLooks, bunched
from jupyter_carbon.power.cpu_model import LOOK_S, CpuModel
from jupyter_carbon.power.cpu_time import MachineBusy

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = 4
CURVE = CpuCurve(10.0, 110.0, "2026-11-22")


class Bench:
    """Four CPUs whose busy shares a test sets, in /proc/stat as the kernel writes it, and a clock."""

    def __init__(self, root: Path) -> None:
        self.s, self.ticks, self.all_ticks = 50.0, [0.0] * CPUS, 0.0
        self.tree = HostTree(root).cpus(CPUS, "Intel(R) Core(TM) i7-7700")
        self.write()
        busy = MachineBusy.open(root, clock=lambda: self.s, own_cpu=lambda: 0.0)
        self.host = replace(self.tree.detect(affinity=CPUS), busy=busy, curve=CURVE)
        self.model = CpuModel.open(self.host, clock=lambda: self.s)

    def write(self) -> None:
        lines = [
            f"cpu{n} {round(busy)} 0 0 {round(self.all_ticks - busy)} 0 0 0 7 0 0" for n, busy in enumerate(self.ticks)
        ]
        total = f"cpu  {round(sum(self.ticks))} 0 0 {round(CPUS * self.all_ticks - sum(self.ticks))} 0 0 0 28 0 0"
        self.tree.file("proc/stat", "\n".join([total, *lines, "intr 0", "ctxt 0"]))

    def passes(self, seconds: float, *shares: float) -> float:
        """Joules of these seconds, with the ticker's looks in them."""
        before_j = self.joules()
        for _ in range(round(seconds / LOOK_S)):
            self.s += LOOK_S
            self.all_ticks += LOOK_S * TICKS
            self.ticks = [busy + share * LOOK_S * TICKS for busy, share in zip(self.ticks, shares, strict=True)]
            self.write()
            self.model.watch()
        return self.joules() - before_j

    def joules(self) -> float:
        (energy_j,) = self.model.energy_j().values()
        return energy_j


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_idle_and_full_power_are_its_own(bench):
    assert bench.passes(10, 0, 0, 0, 0) == pytest.approx(10.0 * 10)
    bench.passes(1, 1, 1, 1, 1)  # the look that sees the load
    assert bench.passes(10, 1, 1, 1, 1) == pytest.approx(110.0 * 10)


def test_half_the_cpus_full_cost_more_than_all_half_busy(bench):
    bench.passes(1, 1, 1, 0, 0)
    few = bench.passes(10, 1, 1, 0, 0)
    bench.passes(1, 0.5, 0.5, 0.5, 0.5)
    thin = bench.passes(10, 0.5, 0.5, 0.5, 0.5)
    assert few == pytest.approx(10 * (10 + 100 * (1 - 0.5**2.7)), rel=1e-6)  # 94.6 W
    assert thin == pytest.approx(10 * 60.0, rel=1e-6)


def test_before_the_first_look_a_busy_second_costs_what_one_full_thread_does(bench):
    before_j = bench.joules()
    bench.s += 0.2
    bench.ticks[0] = bench.all_ticks = 0.2 * TICKS
    bench.write()
    # 10 W x 0.2 s, and 0.2 CPU seconds at the power of one thread of four over idle.
    assert bench.joules() - before_j == pytest.approx(2.0 + 0.2 * 100 * (1 - 0.75**2.7))


def test_what_was_busy_is_paid_at_the_load_it_was_busy_in(bench):
    bench.passes(2, 1, 1, 1, 1)
    before_j = bench.joules()
    bench.s += LOOK_S
    bench.all_ticks += LOOK_S * TICKS
    bench.ticks[0] += LOOK_S * TICKS  # now one alone, and no look has seen it yet
    bench.write()
    assert bench.joules() - before_j == pytest.approx(LOOK_S * (10.0 + 100.0 / 4))
    bench.model.watch()
    assert bench.joules() - before_j == pytest.approx(LOOK_S * (10.0 + 100.0 / 4))  # a look moves nothing


def test_it_is_looked_at_twice_a_second_and_without_a_curve_never(bench):
    assert bench.model.watch() == pytest.approx(LOOK_S)
    bench.s += 0.2
    assert bench.model.watch() == pytest.approx(LOOK_S - 0.2)
    plain = CpuModel.open(replace(bench.host, curve=None), clock=lambda: bench.s)
    assert plain.watch() == math.inf


def test_it_tells_that_it_is_modelled_by_its_own_watts(bench):
    [domain] = bench.model.domains
    assert (domain.quality, domain.spread) == ("modelled", CURVE_SPREAD)
    assert bench.model.idle_w == {"package-0": 10.0}


@given(st.floats(0, 1), st.floats(0, 1))
def test_power_lies_between_idle_and_full_and_rises_with_load(busy_share, lay):
    watts = CURVE.power_w(busy_share, lay)
    assert 10.0 <= watts <= 110.0 + 1e-9
    assert CURVE.power_w(min(1.0, busy_share + 0.1), lay) >= watts


@given(st.floats(0.01, 1), st.floats(0, 1), st.integers(1, 256))
def test_joules_of_a_second_and_power_say_the_same(busy_share, lay, cpus):
    active_w = CURVE.j_per_cpu_s(busy_share, lay, cpus) * busy_share * cpus
    assert active_w == pytest.approx(CURVE.power_w(busy_share, lay) - 10.0)


def test_the_first_thread_of_a_resting_machine_costs_a_finite_amount():
    assert CURVE.j_per_cpu_s(0.0, 1.0, 4) == pytest.approx(100 * FULL_THREADS / 4, rel=0.01)


@pytest.mark.parametrize(
    ("shares", "lay"),
    [([1, 0, 0, 0], 1.0), ([0.3, 0.3, 0.3], 0.0), ([1, 0.5, 0, 0.5], 0.5), ([1, 1], 1.0), ([0], 1.0)],
)
def test_how_load_lies(shares, lay):
    assert bunched(shares) == pytest.approx(lay)


def test_a_look_sees_each_cpus_part_and_leaves_stolen_time_out(bench):
    looks = LoadLooks(bench.host.root)
    assert looks.look() == (0.0, 1.0)  # no tick has passed
    bench.passes(1, 1, 0.5, 0.5, 0)
    assert looks.look() == pytest.approx((0.5, 0.5))


def test_where_no_cpu_is_listed_or_one_has_gone_a_look_sees_nothing(bench, tmp_path):
    looks = LoadLooks(bench.host.root)
    bench.tree.file("proc/stat", "cpu  1 0 0 1 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\nintr 0")
    assert looks.look() is None
    (tmp_path / "proc/stat").unlink()
    assert looks.look() is None
