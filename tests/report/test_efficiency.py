"""PePR and the front, against their definitions and against brute force."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.report.efficiency import pareto, pepr

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


def test_three_models_by_hand():
    assert pepr([0.8, 0.9, 0.85], [1, 3, 2]) == pytest.approx([0.8, 0.45, 0.85 / 1.5])


def test_equal_costs_and_a_single_model_score_their_performance():
    assert pepr([0.7, 0.6], [2.0, 2.0]) == [0.7, 0.6]
    assert pepr([0.7], [5.0]) == [0.7]
    assert pepr([], []) == []


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e6)), min_size=1, max_size=20))
def test_a_score_lies_between_half_the_performance_and_all_of_it(models):
    performance, cost = zip(*models, strict=True)
    for score, p in zip(pepr(performance, cost), performance, strict=True):
        assert p / 2 <= score <= p


def test_columns_of_a_frame_are_taken_as_they_are():
    frame = pd.DataFrame({"acc": [0.8, 0.9], "kwh": [1.0, 2.0]}, index=[5, 6])
    assert pepr(frame["acc"], frame["kwh"]) == [0.8, 0.45]


@pytest.mark.parametrize(
    ("performance", "cost", "message"),
    [
        ([1.2], [1], r"performance\[0\]=1.2 is not possible; it must be 0 to 1"),
        ([math.nan], [1], r"performance\[0\]=nan"),
        ([0.5], [-1], r"cost\[0\]=-1.0 is not possible; it must be 0 or more"),
        ([0.5, 0.6], [1], "performance has 2 values, cost 1"),
    ],
)
def test_scores_that_cannot_be_are_refused(performance, cost, message):
    with pytest.raises(ValueError, match=message):
        pepr(performance, cost)


@settings(deadline=None)  # a busy machine is no failure
@given(pairs)
def test_the_front_is_what_nothing_beats(points):
    frame = pd.DataFrame(points, columns=["kwh", "acc"], dtype=float)
    kept = pareto(frame, cost="kwh", performance="acc")
    beaten = {
        at
        for at, (cost, score) in enumerate(points)
        if any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
    }
    assert sorted(kept.index) == [at for at in range(len(points)) if at not in beaten]
    assert kept["kwh"].is_monotonic_increasing


def test_a_row_without_a_number_is_no_candidate():
    frame = pd.DataFrame({"kwh": [1.0, None, 2.0], "acc": [0.5, 0.99, None], "name": ["a", "b", "c"]})
    assert pareto(frame, cost="kwh", performance="acc")["name"].tolist() == ["a"]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="column 'co2' is not in the frame; it has: kwh, acc"):
        pareto(pd.DataFrame({"kwh": [1.0], "acc": [0.5]}), cost="co2", performance="acc")
