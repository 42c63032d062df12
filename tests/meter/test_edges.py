"""Edges of cells, moved: what a cell loses the stretch before it gains."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from jupyter_carbon.meter.edges import SETTLED_S, settled
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.model import Domain, Reading
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.cpu_time import MachineBusy

CARD = Domain("gpu", "gpu0", "test", "measured", 0.001, 0.1)


@dataclass
class Stepped:
    """A card whose counter tells at each moment what the test says, and `better_j` of the moment that is asked for."""

    joules: float = 0.0
    better_j: float | None = None
    faults: FaultLog = field(default_factory=FaultLog)
    name = "test"
    components = ("gpu",)
    domains = (CARD,)
    allotted = ()
    idle_w = {"gpu0": 20.0}  # noqa: RUF012
    power_limit_w = {"gpu0": 300.0}  # noqa: RUF012

    def energy_j(self) -> Mapping[Domain, float]:
        return {CARD: self.joules}

    def busy_s(self, pids: frozenset[int]) -> Mapping[str, tuple[float, float]]:
        return {}

    def presence(self, pids: frozenset[int]) -> Mapping[str, str]:
        return {"gpu0": "alone"}

    def watch(self) -> float:
        return 60.0

    def edge_s(self) -> Mapping[str, float]:
        return {"gpu0": 0.02}

    def at(self, t_s: float) -> Mapping[Domain, float]:
        return {} if self.better_j is None else {CARD: self.better_j}

    def close(self) -> None:
        pass


class Bench:
    """A meter of one card, whose clock is set by hand; before the cell the card has counted 100 J in a second."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.card = Stepped()
        tree = ProcessTree(own_cpu_s=lambda: 0.0, reaped_s=lambda: 0.0)
        busy = MachineBusy(lambda: 0.0, cpus=4, clock=lambda: self.now_s, own_cpu=lambda: 0.0)
        self.meter = Meter([self.card], tree, busy, n_cpu=4, clock=lambda: self.now_s)
        self.passes(1.0, 100.0)

    def passes(self, seconds: float, joules: float) -> None:
        self.now_s += seconds
        self.card.joules += joules

    def between_j(self) -> list[float]:
        return [self.meter.between(a, b).energy_j[CARD] for a, b in self.meter.take_stretches()]


@pytest.mark.parametrize("better_j", [95.0, 108.0])
def test_what_a_counter_tells_later_of_a_cells_beginning_moves_joules_between_it_and_the_stretch_before(better_j):
    bench = Bench()
    cell = bench.meter.begin()
    bench.passes(3.0, 300.0)
    bench.card.better_j = better_j
    assert bench.meter.end(cell).energy_j[CARD] == pytest.approx(400.0 - better_j)
    assert bench.between_j() == [pytest.approx(better_j)]


def test_no_stretch_is_told_less_than_nothing():
    bench = Bench()
    bench.meter.end(bench.meter.begin())
    cell = bench.meter.begin()
    bench.passes(3.0, 300.0)
    bench.card.better_j = 60.0  # the cell before has these joules already
    assert bench.meter.end(cell).energy_j[CARD] == pytest.approx(300.0)
    assert bench.between_j() == [100.0, 0.0]


def test_a_stretch_is_kept_back_until_its_end_is_known_and_no_longer():
    bench = Bench()
    cell = bench.meter.begin()
    assert bench.between_j() == []
    bench.passes(SETTLED_S + 0.01, 30.0)
    assert bench.between_j() == [100.0]
    bench.card.better_j = 108.0  # too late: these joules are told
    assert bench.meter.end(cell).energy_j[CARD] == pytest.approx(30.0)


def test_it_is_known_while_the_cell_runs_to_whoever_asks_how_far_it_is():
    bench = Bench()
    cell = bench.meter.begin()
    bench.card.better_j = 104.0
    bench.passes(0.2, 20.0)
    bench.meter.watch(1.0, lambda _: True)
    bench.passes(0.8, 80.0)
    bench.meter.tick()
    assert bench.meter.so_far(cell).energy_j[CARD] == pytest.approx(96.0)
    assert bench.meter.end(cell).energy_j[CARD] == pytest.approx(96.0)


def test_of_cells_that_run_at_once_no_edge_is_moved():
    bench = Bench()
    first = bench.meter.begin()
    bench.passes(1.0, 100.0)
    second = bench.meter.begin()
    bench.card.better_j = 90.0
    bench.passes(1.0, 100.0)
    told_j = [bench.meter.end(cell).energy_j[CARD] for cell in (first, second)]
    assert told_j == [150.0, 50.0]


def test_taking_stretches_beside_cells_loses_none():
    bench = Bench()
    bench.card.better_j = 0.0
    taken: list[float] = []
    over = threading.Event()

    def take() -> None:
        while not over.is_set():
            taken.extend(bench.between_j())

    thread = threading.Thread(target=take)
    thread.start()
    cells_j = 0.0
    for _ in range(200):
        cell = bench.meter.begin()
        bench.passes(0.2, 20.0)
        cells_j += bench.meter.end(cell).energy_j[CARD]
        bench.passes(0.2, 10.0)
    over.set()
    thread.join()
    cells_j += bench.meter.end(bench.meter.begin()).energy_j[CARD]
    taken.extend(bench.between_j())
    assert cells_j + sum(taken) == pytest.approx(bench.card.joules)


def test_a_reading_is_settled_for_the_devices_it_has_and_those_that_are_known():
    other = Domain("gpu", "gpu1", "test", "measured", 0.001, 0.1)
    before, began = (Reading(t_s, {CARD: j}, 0.0, 0.0, {}) for t_s, j in ((1.0, 10.0), (2.0, 20.0)))
    assert settled(began, before, {CARD: 17.0, other: 5.0}).energy_j == {CARD: 17.0}
    assert settled(began, before, {}).energy_j == {CARD: 20.0}
