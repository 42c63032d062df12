"""The greenest window: the oracle by hand, and brute force over hundreds of random curves."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.estimate.schedule import Curve, one_run, with_pauses, with_restarts

HOUR_S = 3600.0
HOURLY = (300, 300, 100, 100, 300, 50)


def hourly(grams=HOURLY):
    return Curve([i * HOUR_S for i in range(len(grams) + 1)], grams)


def overlap(curve, start_s, end_s):
    """The integral over a span, slot by slot: no prefix sums, no hands."""
    slots = zip(curve.edges, curve.edges[1:], curve.grams, strict=False)
    return sum(g * max(0.0, min(b, end_s) - max(a, start_s)) for a, b, g in slots)


def hours(window):
    return [(start_s / HOUR_S, end_s / HOUR_S) for start_s, end_s in window.runs]


# --- the oracle -------------------------------------------------------------------------------------------------


def test_two_hours_in_one_run():
    window = one_run(hourly(), 2 * HOUR_S)
    assert hours(window) == [(2, 4)]
    assert window.gco2e_per_kwh == 100


def test_the_best_run_may_end_on_an_edge_and_start_between_two():
    window = one_run(hourly((300, 100, 100, 400)), 2.5 * HOUR_S)
    assert hours(window) == [(0.5, 3)]
    assert window.gco2e_per_kwh == pytest.approx((0.5 * 300 + 200) / 2.5)


def test_two_hours_with_pauses():
    window = with_pauses(hourly(), 2 * HOUR_S)
    assert hours(window) == [(2, 3), (5, 6)]
    assert window.gco2e_per_kwh * 2 == 150


@pytest.mark.parametrize(("restart", "cost", "runs"), [(0, 250, 2), (60, 370, 2), (400, 850, 1)])
def test_three_hours_when_each_start_costs(restart, cost, runs):
    window = with_restarts(hourly(), 3 * HOUR_S, restart)
    assert window.gco2e_per_kwh * 3 + restart * len(window.runs) == pytest.approx(cost)
    assert len(window.runs) == runs


def test_the_last_slot_is_used_in_part_beside_a_neighbour():
    assert hours(with_pauses(hourly((50, 100, 300)), 1.5 * HOUR_S)) == [(0, 1.5)]
    assert hours(with_pauses(hourly((300, 100, 50)), 1.5 * HOUR_S)) == [(1.5, 3)]


@pytest.mark.parametrize("find", [one_run, with_pauses])
def test_of_equal_windows_the_earliest(find):
    assert hours(find(hourly((200, 100, 100, 200, 100, 100)), 2 * HOUR_S)) == [(1, 3)]
    assert hours(find(hourly((7, 7, 7, 7)), 2 * HOUR_S)) == [(0, 2)]


def test_a_job_as_long_as_the_curve_has_one_start():
    assert hours(one_run(hourly(), 6 * HOUR_S)) == [(0, 6)]


def test_waiting_that_draws_power_is_weighed():
    curve = hourly((100, 100, 100, 95))
    assert hours(one_run(curve, HOUR_S)) == [(3, 4)]
    assert hours(one_run(curve, HOUR_S, idle=0.1)) == [(0, 1)]  # 30 g to wait, 5 g saved


@pytest.mark.parametrize("edges", [[0, 1], [0, 2, 1], [0, 1, 1]])
def test_a_curve_that_is_none_is_refused(edges):
    with pytest.raises(ValueError, match="edges"):
        Curve(edges, [1.0, 2.0])


# --- brute force ------------------------------------------------------------------------------------------------

GRAMS = st.lists(st.integers(0, 600), min_size=2, max_size=40)
UNEVEN = st.lists(st.tuples(st.integers(60, 7200), st.integers(0, 600)), min_size=1, max_size=30)


@settings(max_examples=300, deadline=None)
@given(UNEVEN, st.floats(0.01, 1.0), st.sampled_from([0.0, 0.0, 0.05, 0.4]))
def test_one_run_is_the_best_of_all_starts(slots, part, idle):
    edges = [0.0]
    for width_s, _ in slots:
        edges.append(edges[-1] + width_s)
    curve = Curve(edges, [grams for _, grams in slots])
    length_s = part * edges[-1]
    latest_s = edges[-1] - length_s

    def cost(start_s):
        return overlap(curve, start_s, start_s + length_s) + idle * overlap(curve, 0.0, start_s)

    starts = [latest_s * i / 200 for i in range(201)]
    starts += [edge for edge in edges if edge <= latest_s] + [edge - length_s for edge in edges if edge >= length_s]
    best = min(map(cost, starts))
    ((start_s, end_s),) = one_run(curve, length_s, idle=idle).runs
    assert end_s - start_s == pytest.approx(length_s)
    assert -1e-6 <= start_s <= latest_s + 1e-6
    assert cost(start_s) == pytest.approx(best, rel=1e-9, abs=1e-4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 600), min_size=1, max_size=9), st.data())
def test_pauses_are_the_best_of_all_subsets(grams, data):
    whole = data.draw(st.integers(0, len(grams) - 1))
    part = data.draw(st.floats(0.01, 1.0))
    best = min(
        sum(chosen) + part * last
        for size in [whole]
        for kept in combinations(range(len(grams)), size)
        for chosen in [[grams[i] for i in kept]]
        for last in [grams[i] for i in range(len(grams)) if i not in kept]
    )
    window = with_pauses(hourly(grams), (whole + part) * HOUR_S)
    assert window.gco2e_per_kwh * (whole + part) == pytest.approx(best, abs=1e-6)
    assert sum(b - a for a, b in window.runs) == pytest.approx((whole + part) * HOUR_S)


def every_plan(n, whole, part):
    """Every choice of whole slots, and of one used in its first or its last part; as spans of time."""
    for kept in combinations(range(n), whole):
        spans = [(float(i), i + 1.0) for i in kept]
        if part == 0.0:
            yield spans
            continue
        for i in set(range(n)) - set(kept):
            yield sorted([*spans, (float(i), i + part)])
            yield sorted([*spans, (i + 1 - part, i + 1.0)])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 600), min_size=2, max_size=7), st.data())
def test_restarts_are_the_best_of_all_plans(grams, data):
    whole = data.draw(st.integers(0, len(grams) - 1))
    part = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.9])) if whole else 0.5
    restart = data.draw(st.sampled_from([0.0, 5.0, 60.0, 400.0]))
    best = float("inf")
    for spans in every_plan(len(grams), whole, part):
        runs = 1 + sum(b[0] - a[1] > 1e-9 for a, b in pairwise(spans))
        cost = sum(grams[int(a)] * (b - a) for a, b in spans) + restart * runs
        best = min(best, cost)
    window = with_restarts(hourly(grams), (whole + part) * HOUR_S, restart)
    cost = window.gco2e_per_kwh * (whole + part) + restart * len(window.runs)
    assert cost == pytest.approx(best, abs=1e-6)
    assert sum(b - a for a, b in window.runs) == pytest.approx((whole + part) * HOUR_S)


@given(GRAMS, st.floats(0.05, 1.0))
def test_pausing_is_never_worse_than_not(grams, part):
    curve = hourly(grams)
    length_s = part * curve.edges[-1]
    assert with_pauses(curve, length_s).gco2e_per_kwh <= one_run(curve, length_s).gco2e_per_kwh + 1e-6
