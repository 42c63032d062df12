"""After k of n steps: a total whose range shrinks, and closes at the end."""

import random

import pytest

from jupyter_carbon.estimate.projection import Projection


def test_before_the_first_step_nothing_is_known():
    assert Projection(10).total() is None


def test_one_of_ten_equal_epochs_says_the_total():
    loop = Projection(10)
    loop.add(1, 5.0)
    assert loop.total().likely == pytest.approx(50.0, rel=0.05)


def test_the_range_shrinks_as_equal_steps_go_by():
    loop, widths = Projection(10), []
    for _ in range(10):
        loop.add(1, 5.0)
        widths.append(loop.total().high - loop.total().low)
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 10


def test_after_the_last_step_the_total_is_what_was_counted():
    loop = Projection(3)
    for joules in (1.0, 2.0, 4.0):
        loop.add(1, joules)
    assert (loop.total().low, loop.total().likely, loop.total().high) == (7.0, 7.0, 7.0)


def test_what_is_done_is_never_taken_back():
    loop = Projection(100)
    loop.add(99, 1000.0)
    loop.add(1, 0.0)
    assert loop.total().low == 1000.0


def test_steps_that_scatter_leave_a_wider_range():
    calm, wild = Projection(20), Projection(20)
    for joules in (5.0, 5.0, 5.0, 5.0):
        calm.add(1, joules)
    for joules in (1.0, 9.0, 1.0, 9.0):
        wild.add(1, joules)
    assert wild.total().likely == calm.total().likely
    assert wild.total().high > calm.total().high


def test_ten_steps_at_once_tell_as_much_as_ten_in_a_row():
    at_once, in_a_row = Projection(20), Projection(20)
    at_once.add(10, 50.0)
    for _ in range(10):
        in_a_row.add(1, 5.0)
    assert at_once.total().likely == in_a_row.total().likely == 100.0


def test_nine_in_ten_totals_lie_in_the_range():
    """Loops of 50 steps that scatter by 20 %, looked at after 5: seeded, so it cannot change its mind."""
    chance = random.Random(7)
    inside = 0
    for _ in range(400):
        steps = [chance.gauss(10.0, 2.0) for _ in range(50)]
        loop = Projection(50)
        for joules in steps[:5]:
            loop.add(1, joules)
        inside += loop.total().low <= sum(steps) <= loop.total().high
    assert 0.85 <= inside / 400 <= 0.95


def test_more_steps_than_there_are_is_refused():
    loop = Projection(2)
    loop.add(1, 1.0)
    with pytest.raises(ValueError, match="steps=2 is not possible; it must be 1 to 1, what is left of 2"):
        loop.add(2, 1.0)
    with pytest.raises(ValueError, match="steps=0 is not possible"):
        Projection(0)
