"""Numbers with a range: alone they are intervals, in columns they follow the same rules."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.estimate.belief import Belief, propagate, total, where
from jupyter_carbon.model import Interval

likely = st.floats(1e-3, 1e6)
spread = st.floats(1.0, 10.0)
intervals = st.builds(lambda x, down, up: Interval(x / down, x, x * up), likely, spread, spread)


def near(interval):
    return pytest.approx((interval.low, interval.likely, interval.high))


def ends(belief):
    return (belief.low, belief.likely, belief.high)


def test_two_factors_known_to_ten_percent_give_a_product_known_to_fourteen():
    ten = Belief.of(Interval(1 / 1.1, 1, 1.1))
    assert (ten * ten).high == pytest.approx(1.1 ** math.sqrt(2))


def test_a_sum_of_two_known_to_three_and_four_is_known_to_five():
    assert ends(total(Belief.of(Interval(7, 10, 13)), Belief.of(Interval(16, 20, 24)))) == pytest.approx((25, 30, 35))


@settings(deadline=None)  # a busy machine is no failure
@given(intervals, intervals)
def test_one_number_multiplies_and_adds_as_an_interval_does(one, other):
    assert ends(Belief.of(one) * Belief.of(other)) == near(one * other)
    assert ends(total(Belief.of(one), Belief.of(other))) == near(one + other)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(intervals, min_size=1, max_size=5), intervals)
def test_a_column_does_row_by_row_what_one_number_does(rows, other):
    column, single = Belief.column([Belief.of(each) for each in rows]), Belief.of(other)
    alone = [(Belief.of(each) * single, total(Belief.of(each), single)) for each in rows]
    for end in ("low", "likely", "high"):
        product, added = getattr(column * single, end), getattr(total(column, single), end)
        assert np.broadcast_to(product, len(rows)) == pytest.approx([getattr(p, end) for p, _ in alone])
        assert np.broadcast_to(added, len(rows)) == pytest.approx([getattr(s, end) for _, s in alone])


def test_nothing_stays_nothing_whatever_its_range():
    nothing = Belief.of(Interval(0.0, 0.0, 0.0))
    assert ends(nothing * Belief.of(Interval(1, 2, 3))) == (0.0, 0.0, 0.0)
    assert ends(total(nothing, Belief.of(Interval(1, 2, 3)))) == pytest.approx((1, 2, 3))


def test_a_low_end_of_zero_stays_zero():
    assert ends(Belief.of(Interval(0.0, 1.0, 2.0)) * Belief(5.0)) == pytest.approx((0.0, 5.0, 10.0))


def test_a_function_moves_with_each_input_alone():
    moved = propagate(lambda a, b: a / b, Belief.of(Interval(1, 2, 4)), Belief.of(Interval(1, 2, 4)))
    assert ends(moved) == pytest.approx((2.0 ** -math.sqrt(2), 1.0, 2.0 ** math.sqrt(2)))


def test_a_choice_is_made_row_by_row():
    chosen = where(np.array([True, False]), Belief(1.0), Belief.of(Interval(1, 2, 4)))
    assert chosen.likely.tolist() == [1.0, 2.0]
    assert chosen.high.tolist() == pytest.approx([1.0, 4.0])
