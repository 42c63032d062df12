import os
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from power.host_tree import HostTree

from jupyter_carbon.model import Interval
from jupyter_carbon.power.cpu_model import FULL_OF_TDP, IDLE_OF_TDP, SHAPE, CpuModel
from jupyter_carbon.power.cpu_time import MachineBusy

TICKS = os.sysconf("SC_CLK_TCK")
LAPTOP = "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"  # 28 W, 8 threads


class Clock:
    s = 50.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tree(tmp_path):
    return HostTree(tmp_path)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    return HostTree(tmp_path_factory.mktemp("laptop")).cpus(8, LAPTOP).detect()


def on(tree, clock):
    """The host of a tree whose busy seconds follow the tree's /proc/stat and the test's clock."""
    busy = MachineBusy.open(tree.root, clock=clock, own_cpu=lambda: 0.0)
    return replace(tree.detect(), busy=busy)


def joules(model):
    (energy_j,) = model.energy_j().values()
    return energy_j


def test_a_sleeping_machine_reads_idle_only(tree, clock):
    model = CpuModel.open(on(tree.cpus(8, LAPTOP), clock), clock=clock)
    clock.s += 10
    assert joules(model) == pytest.approx(0.15 * 28 * 10)


def test_a_machine_with_every_cpu_busy_reads_full_power(tree, clock):
    model = CpuModel.open(on(tree.cpus(8, LAPTOP), clock), clock=clock)
    clock.s += 10
    tree.stat(8, busy_ticks=8 * 10 * TICKS)
    assert joules(model) == pytest.approx(0.85 * 28 * 10)


def test_one_busy_second_costs_a_cpus_part_of_what_lies_between(tree, clock):
    model = CpuModel.open(on(tree.cpus(8, LAPTOP), clock), clock=clock)
    clock.s += 4
    idle_j = joules(model)
    clock.s += 4
    tree.stat(8, busy_ticks=3 * TICKS)
    assert joules(model) - 2 * idle_j == pytest.approx(3 * (0.85 - 0.15) * 28 / 8)


def test_a_guest_of_two_vcpus_on_sixty_four_cores_draws_its_part_at_full_load(tree, clock):
    model = CpuModel.open(on(tree.cpus(2, "AMD EPYC 7763 64-Core Processor", guest=True), clock), clock=clock)
    clock.s += 100
    tree.stat(2, busy_ticks=2 * 100 * TICKS)
    assert joules(model) / 100 == pytest.approx(0.85 * 280 * 2 / 128)  # 3.7 W, not 238


def test_what_it_tells_about_itself(tree, clock):
    model = CpuModel.open(on(tree.cpus(8, LAPTOP), clock), clock=clock)
    (domain,) = model.domains
    assert (domain.component, domain.device, domain.source) == ("cpu", "package-0", "cpu-model")
    assert (domain.quality, domain.spread, domain.resolution_j, domain.step_s) == ("modelled", SHAPE, 0, 0)
    assert dict(model.idle_w) == {"package-0": pytest.approx(0.15 * 28)}
    assert dict(model.power_limit_w) == {"package-0": 28}
    assert not model.faults
    model.close()


def test_a_default_instead_of_a_rated_power_is_assumed_and_wider(tree, clock):
    model = CpuModel.open(on(tree.cpus(2, "AMD EPYC", guest=True), clock), clock=clock)
    (domain,) = model.domains
    assert domain.quality == "assumed"
    assert domain.spread == SHAPE * Interval(1.3 / 3.1, 1.0, 5.9 / 3.1)
    assert domain.spread.low < SHAPE.low
    assert domain.spread.high > SHAPE.high


def test_a_rated_power_that_the_user_gives_is_modelled(tree, clock):
    host = replace(on(tree.cpus(2, "AMD EPYC", guest=True), clock), tdp_w=40.0, tdp_source="given", tdp_known=True)
    (domain,) = CpuModel.open(host, clock=clock).domains
    assert (domain.quality, domain.spread) == ("modelled", SHAPE)


def test_the_spread_holds_what_its_derivation_says_and_no_more_than_idle_may_be_off():
    draw = random.Random(7)

    def believed(low, likely, high):
        z = draw.gauss(0, 1) / 1.645
        return likely * (high / likely if z > 0 else likely / low) ** z

    ratios = []
    for busy_share in (0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1):
        for _ in range(1000):
            idle = believed(0.05, 0.15, 0.30)
            full = max(idle, believed(0.55, 0.85, 1.05))
            p = believed(2.0, 2.7, 3.0) if draw.random() < 0.6 else believed(0.6, 1.0, 1.7)
            truth = idle + (full - idle) * (1 - (1 - busy_share) ** p)
            ratios.append(truth / (IDLE_OF_TDP + (FULL_OF_TDP - IDLE_OF_TDP) * busy_share))
    ratios.sort()
    assert ratios[len(ratios) // 20] == pytest.approx(0.57, abs=0.02)
    assert ratios[-len(ratios) // 20] == pytest.approx(1.85, abs=0.02)
    assert 0.05 / 0.15 < SHAPE.low < 0.57
    assert 1.85 < SHAPE.high < 0.30 / 0.15


@given(st.lists(st.tuples(st.floats(0.001, 30), st.floats(0, 1)), max_size=30))
def test_it_never_falls_and_adds_up_however_often_it_is_read(laptop, steps):
    busy_s, clock = [0.0], Clock()
    host = replace(laptop, busy=MachineBusy(lambda: busy_s[0], cpus=8, clock=clock, own_cpu=lambda: busy_s[0]))
    often, once = CpuModel.open(host, clock=clock), CpuModel.open(host, clock=clock)
    told_j, began_s = 0.0, clock.s
    for seconds, share in steps:
        clock.s += seconds
        busy_s[0] += seconds * share * 8
        now_j = joules(often)
        assert now_j >= told_j
        told_j = now_j
    elapsed_s = clock.s - began_s
    assert joules(once) == pytest.approx(told_j)
    assert told_j == pytest.approx(0.15 * 28 * elapsed_s + 0.7 * 28 * busy_s[0] / 8)
