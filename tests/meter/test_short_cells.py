"""Cells shorter than a counter's step: right together, likely each."""

from __future__ import annotations

import math
import random

import pytest

from jupyter_carbon.meter.short_cells import LEAST, ShortCells

STEP_S, POWER_W = 0.1, 250.0


def counted_j(from_s: float, to_s: float) -> float:
    """What a counter of 250 W shows that moves every tenth of a second."""
    return POWER_W * STEP_S * (math.floor(to_s / STEP_S) - math.floor(from_s / STEP_S))


def told(cell_s: float, count: int) -> list[float]:
    """What each of so many cells is told, that follow each other without a pause."""
    short, now_s, told_j = ShortCells(STEP_S), 0.033, []
    for _ in range(count):
        told_j.append(short.tell(counted_j(now_s, now_s + cell_s), cell_s, expected_w=POWER_W))
        now_s += cell_s
    return told_j


@pytest.mark.parametrize("cell_s", [0.002, 0.01, 0.05, 0.09])
def test_a_thousand_cells_are_told_together_what_was_counted(cell_s):
    assert sum(told(cell_s, 1000)) == pytest.approx(1000 * cell_s * POWER_W, abs=2 * POWER_W * STEP_S)


def test_each_is_told_near_what_it_used_and_not_nothing_or_a_step():
    told_j = told(0.01, 1000)[100:]
    assert min(told_j) > 0.5 * 2.5
    assert max(told_j) < 2.0 * 2.5


def test_an_expectation_that_is_wrong_is_forgotten_after_some_steps():
    short, now_s, told_j = ShortCells(STEP_S), 0.0, []
    for _ in range(400):
        told_j.append(short.tell(counted_j(now_s, now_s + 0.01), 0.01, expected_w=10.0))
        now_s += 0.01
    assert sum(told_j[-100:]) == pytest.approx(250.0, rel=0.15)


def test_something_ran_so_no_cell_is_told_nothing():
    short = ShortCells(STEP_S)
    for _ in range(50):
        short.tell(2.5, 0.01, expected_w=POWER_W)
    told_j = [short.tell(0.0, 0.01, expected_w=POWER_W) for _ in range(5)]
    assert min(told_j) > LEAST * 2.0


def test_cells_of_any_length_are_right_together():
    dice, short, now_s = random.Random(3), ShortCells(STEP_S), 0.05
    told_j, began_s = 0.0, now_s
    for _ in range(2000):
        seconds = 0.001 * 50 ** dice.random()
        told_j += short.tell(counted_j(now_s, now_s + seconds), seconds, expected_w=POWER_W)
        now_s += seconds
    assert told_j == pytest.approx((now_s - began_s) * POWER_W, rel=0.01)
