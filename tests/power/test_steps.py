"""Between the moves of a counter that moves seldom: a card on a simulated clock, and looks that come late."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from jupyter_carbon.power.counter import FaultLog, WrappingCounter
from jupyter_carbon.power.gauge import Glances
from jupyter_carbon.power.steps import SteppedCounter

STEP_S = 0.1


class Card:
    """Draws what `power_w` says; its counter moves every `period_s`, first after `phase_s`."""

    def __init__(
        self,
        power_w: Callable[[float], float],
        *,
        period_s: float = STEP_S,
        phase_s: float = 0.037,
        late_s: float = 0.0,
        gauge: bool = False,
    ) -> None:
        self.now_s, self._power_w, self._period_s, self._phase_s = 0.0, power_w, period_s, phase_s
        self._dice, self._late_s = random.Random(4), late_s
        self._sum_j = [0.0]
        self.faults = FaultLog()
        counter = WrappingCounter(
            lambda: self._counted_j(),
            range_j=None,
            max_w=400.0,
            expected_w=30.0,
            device="gpu0",
            faults=self.faults,
            step_s=STEP_S,
            rests=lambda: False,
            clock=lambda: self.now_s,
            suspended_s=lambda: 0.0,
        )
        self.gauge_fails = False
        glances = Glances(self._shown_w, max_w=400.0, clock=lambda: self.now_s) if gauge else None
        self.steps = SteppedCounter(counter, step_s=STEP_S, glances=glances, clock=lambda: self.now_s)

    def used_j(self, t_s: float) -> float:
        """The truth, to the millisecond."""
        milliseconds = round(t_s * 1000)
        while len(self._sum_j) <= milliseconds:
            self._sum_j.append(self._sum_j[-1] + self._power_w(len(self._sum_j) / 1000) / 1000)
        return self._sum_j[milliseconds]

    def _shown_w(self) -> float:
        if self.gauge_fails:
            raise OSError(5, "Input/output error")
        return self._power_w(self.now_s)

    def _counted_j(self) -> float:
        moves = math.floor((self.now_s - self._phase_s) / self._period_s)
        return self.used_j(max(0.0, self._phase_s + moves * self._period_s))

    def watched_until(self, t_s: float) -> None:
        while True:
            wait_s = max(self.steps.watch(), 0.001) + self._dice.uniform(0.0, self._late_s)
            if self.now_s + wait_s >= t_s:
                break
            self.now_s += wait_s
        self.now_s = t_s

    def cell(self, from_s: float, to_s: float) -> float:
        """The error of a cell's joules, as a part of the truth."""
        self.watched_until(from_s)
        said_j = self.steps.energy_j()
        self.watched_until(from_s + 0.5)
        known_j = self.steps.at(from_s)
        before_j = said_j if known_j is None else known_j
        self.watched_until(to_s)
        return (self.steps.energy_j() - before_j) / (self.used_j(to_s) - self.used_j(from_s)) - 1.0


def work(from_s: float, to_s: float) -> Callable[[float], float]:
    return lambda t_s: 300.0 if from_s <= t_s < to_s else 30.0


def swinging(half_s: float = 0.43) -> Callable[[float], float]:
    return lambda t_s: 280.0 if t_s % (2 * half_s) > half_s else 60.0


@pytest.mark.parametrize("late_s", [0.0, 0.004])
@pytest.mark.parametrize("period_s", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("phase_s", [0.003, 0.037, 0.061, 0.09])
def test_three_seconds_of_work_are_known_to_one_per_cent(phase_s, period_s, late_s):
    card = Card(work(2.01, 4.99), phase_s=phase_s, period_s=period_s, late_s=late_s)
    assert card.cell(2.0, 5.0) == pytest.approx(0.0, abs=0.01)
    assert not card.faults


@pytest.mark.parametrize("phase_s", [0.003, 0.037, 0.061, 0.09])
def test_a_square_wave_is_known_to_three_per_cent(phase_s):
    card = Card(swinging(), phase_s=phase_s, late_s=0.003)
    assert card.cell(2.043, 5.043) == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("late_s", [0.0, 0.003])
@pytest.mark.parametrize("begin_s", [2.043, 2.211, 2.388, 2.517, 2.62, 2.749])
@pytest.mark.parametrize("phase_s", [0.003, 0.037, 0.061, 0.09])
def test_with_a_gauge_beside_it_a_square_wave_is_known_to_one_per_cent(phase_s, begin_s, late_s):
    card = Card(swinging(), phase_s=phase_s, late_s=late_s, gauge=True)
    assert card.cell(begin_s, begin_s + 3.0) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("phase_s", [0.003, 0.037, 0.061, 0.09])
def test_work_that_begins_with_a_cell_is_not_taken_for_what_was_before_it(phase_s):
    card = Card(work(2.01, 2.99), phase_s=phase_s, gauge=True)
    card.watched_until(2.0)
    card.steps.energy_j()
    card.watched_until(2.5)
    assert card.steps.at(2.0) == pytest.approx(card.used_j(2.0), abs=0.3)  # J, where the step holds up to 27


@pytest.mark.parametrize("phase_s", [0.003, 0.037, 0.061, 0.09])
def test_bursts_that_no_gauge_can_follow_are_told_by_their_mean(phase_s):
    card = Card(lambda t_s: 300.0 if t_s % 0.02 < 0.005 else 40.0, phase_s=phase_s, late_s=0.003, gauge=True)
    assert card.cell(2.043, 5.043) == pytest.approx(0.0, abs=0.01)


def test_a_moment_is_told_better_once_the_counter_has_moved_on_and_not_before():
    card = Card(swinging(), gauge=True)
    card.watched_until(2.62)
    card.steps.energy_j()
    assert card.steps.at(2.62) is None
    card.watched_until(3.1)
    assert card.steps.at(2.62) == pytest.approx(card.used_j(2.62), abs=1.0)
    assert card.steps.at(0.01) is None  # nobody knew the moves then


@pytest.mark.parametrize("phase_s", [0.003, 0.037, 0.061, 0.09])
def test_without_a_gauge_a_step_of_power_that_swings_is_parted_evenly_and_one_of_steady_power_by_what_was(phase_s):
    card = Card(swinging(), phase_s=phase_s)
    card.watched_until(3.1)
    assert card.steps.at(2.62) == pytest.approx(card.used_j(2.62), abs=4.0)  # a step holds up to 28 J
    card = Card(work(2.01, 2.99), phase_s=phase_s)
    card.watched_until(2.5)
    assert card.steps.at(2.0) == pytest.approx(card.used_j(2.0), abs=0.5)


def test_a_gauge_that_fails_leaves_the_counter_alone_and_no_doubt():
    card = Card(lambda _: 100.0, gauge=True)
    card.watched_until(2.0)
    card.gauge_fails = True
    assert card.cell(2.043, 5.043) == pytest.approx(0.0, abs=0.005)
    assert not card.faults


def test_a_counter_that_nobody_watches_is_told_as_it_is():
    card = Card(lambda _: 100.0, phase_s=0.0)
    card.now_s = 1.05
    assert card.steps.energy_j() == pytest.approx(100.0)
    assert card.steps.edge_s() == pytest.approx(0.1)


def test_an_edge_between_known_moves_is_known_to_a_fraction_of_a_step():
    card = Card(lambda _: 100.0)
    card.watched_until(3.0)
    assert card.steps.edge_s() < 0.025
    assert card.steps.energy_j() == pytest.approx(300.0, abs=1.0)


def test_power_that_changes_from_step_to_step_leaves_the_edge_as_wide_as_the_step():
    card = Card(lambda t_s: 300.0 if t_s % 0.4 < 0.2 else 30.0)
    card.watched_until(3.0)
    assert card.steps.edge_s() > 0.05


def test_what_was_said_never_falls():
    card = Card(lambda t_s: 300.0 if t_s % 0.33 < 0.1 else 30.0, late_s=0.01)
    said_j = []
    for moment in range(1, 300):
        card.watched_until(moment / 70)
        said_j.append(card.steps.energy_j())
    assert said_j == sorted(said_j)


def test_a_counter_that_stops_is_found_within_a_few_steps():
    stop_s = 2.5
    card = Card(lambda t_s: 100.0 if t_s < stop_s else 0.0)  # the counter stands from there on
    card.watched_until(stop_s + 0.5)
    card.steps.energy_j()
    assert card.faults.during(stop_s, stop_s + 0.5) == ("stuck:gpu0",)


def test_looks_are_few_once_the_moves_are_known():
    card = Card(lambda _: 100.0)
    card.watched_until(3.0)
    looks = 0
    read = card.steps._counter.energy_j

    def counted() -> float:
        nonlocal looks
        looks += 1
        return read()

    card.steps._counter.energy_j = counted  # type: ignore[method-assign]
    card.watched_until(13.0)
    assert looks < 10 * 40
