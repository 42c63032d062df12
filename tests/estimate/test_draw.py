"""From a rating to watts: physics that a person can check, before any prior comes in."""

from itertools import pairwise

import pytest

from jupyter_carbon.estimate.belief import Belief
from jupyter_carbon.estimate.draw import accelerator_share, between, cpu_share, under_limit
from jupyter_carbon.model import Interval

IDLE, FULL, CURVE = Interval(0.05, 0.1, 0.2), Interval(0.8, 0.9, 1.0), Interval(1.5, 2.0, 3.0)


def test_full_utilisation_of_a_gpu_is_its_rated_power():
    assert accelerator_share(1.0, Belief.of(IDLE)).interval() == Interval(1.0, 1.0, 1.0)


def test_a_gpu_at_half_stands_halfway_between_idle_and_rated():
    half = accelerator_share(0.5, Belief.of(IDLE)).interval()
    assert (half.low, half.likely, half.high) == pytest.approx((0.525, 0.55, 0.6))


def test_the_first_threads_of_a_cpu_cost_most():
    at = [cpu_share(Interval.exact(u), IDLE, FULL, CURVE).likely for u in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert at == pytest.approx([0.1, 0.1 + 0.8 * 0.4375, 0.7, 0.1 + 0.8 * 0.9375, 0.9])
    steps = [after - before for before, after in pairwise(at)]
    assert steps == sorted(steps, reverse=True)


def test_an_idle_cpu_is_as_uncertain_as_its_idle_power():
    idle = cpu_share(Interval.exact(0.0), IDLE, FULL, CURVE)
    assert (idle.low, idle.high) == pytest.approx((0.05, 0.2))


def test_a_line_through_own_idle_and_full_load():
    assert between(idle_w=50.0, full_w=250.0, busy=0.25) == 100.0


def test_a_card_under_a_limit_draws_no_more_than_it_lets_through():
    held = Interval(0.9, 0.95, 1.05)
    free = Interval(150.0, 250.0, 290.0)
    low, likely, high = (getattr(under_limit(free, 200.0, held), end) for end in ("low", "likely", "high"))
    assert (low, likely, high) == pytest.approx((135.0, 190.0, 210.0))
