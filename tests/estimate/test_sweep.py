"""Searches counted without a run, against what the real ones do."""

import warnings

import pytest
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (makes the halving searches importable)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    LeaveOneOut,
    RandomizedSearchCV,
    RepeatedKFold,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from jupyter_carbon.estimate.sweep import count_runs

GRID = {"max_depth": [1, 2, 3, 4, 5, 6], "min_samples_leaf": [1, 2, 3, 4]}
TREE = DecisionTreeClassifier(random_state=0)


class Uniform:
    """A distribution as scikit-learn draws from it."""

    def rvs(self, random_state=None):
        return random_state.randint(1, 9)


def test_folds_times_configurations_and_one_fit_at_the_end():
    counted = count_runs(GridSearchCV(TREE, GRID, cv=4))
    assert (counted.fits, counted.refits, counted.full_runs.likely) == (96, 1, 97)
    assert str(counted).startswith("24 configurations x 4 folds")


def test_five_folds_where_none_are_named_and_no_last_fit_where_none_is_wanted():
    counted = count_runs(GridSearchCV(TREE, GRID, refit=False))
    assert (counted.fits, counted.refits) == (120, 0)


def test_several_grids_add_up_and_repeats_multiply():
    search = GridSearchCV(TREE, [GRID, {"max_depth": [9]}], cv=2)
    assert count_runs(search, repeats=3).fits == 25 * 2 * 3


def test_draws_from_lists_end_with_the_lists_and_draws_from_a_distribution_do_not():
    assert count_runs(RandomizedSearchCV(TREE, GRID, n_iter=100, cv=5)).fits == 24 * 5
    assert count_runs(RandomizedSearchCV(TREE, {"max_depth": Uniform()}, n_iter=100, cv=5)).fits == 500


def test_a_splitter_knows_its_folds():
    assert count_runs(GridSearchCV(TREE, GRID, cv=RepeatedKFold(n_splits=3, n_repeats=2))).fits == 24 * 6
    assert count_runs(GridSearchCV(TREE, GRID, cv=LeaveOneOut()), n_samples=50).fits == 24 * 50
    assert count_runs(GridSearchCV(TREE, GRID, cv=[([0], [1]), ([1], [0])])).fits == 24 * 2


HALVING = {
    "exhaust": lambda: HalvingGridSearchCV(TREE, GRID, cv=3, factor=3),
    "smallest": lambda: HalvingGridSearchCV(DecisionTreeRegressor(), GRID, cv=3, factor=2, min_resources="smallest"),
    "aggressive": lambda: HalvingGridSearchCV(
        TREE, GRID, cv=2, factor=2, aggressive_elimination=True, max_resources=60
    ),
    "drawn": lambda: HalvingRandomSearchCV(DecisionTreeRegressor(), {"max_depth": list(range(1, 400))}, cv=3),
    "drawn twenty": lambda: HalvingRandomSearchCV(TREE, {"max_depth": list(range(1, 400))}, cv=3, n_candidates=20),
    "own resource": lambda: HalvingGridSearchCV(
        TREE, {"min_samples_leaf": [1, 2, 3, 4]}, cv=3, resource="max_depth", max_resources=8
    ),
}


@pytest.mark.parametrize("make", HALVING.values(), ids=HALVING)
def test_a_halving_search_is_counted_as_it_runs(make):
    samples, labels = make_classification(300, random_state=0)
    search = make()
    counted = count_runs(search, n_samples=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(samples, labels)
    folds = search.n_splits_
    shares = [resources / search.max_resources_ for resources in search.n_resources_]
    assert counted.fits == sum(search.n_candidates_) * folds
    real = sum(n * folds * share for n, share in zip(search.n_candidates_, shares, strict=True)) + 1
    assert counted.full_runs.likely == pytest.approx(real)


class Study:
    """What of an Optuna study is looked at: its trials so far, and its pruner."""

    def __init__(self, pruner, trials=()):
        self.pruner, self.trials = pruner, list(trials)

    def optimize(self, objective, n_trials):
        raise AssertionError("a study is counted, never run")


class Trial:
    def __init__(self, state, steps):
        self.state = type("State", (), {"name": state})
        self.intermediate_values = dict.fromkeys(range(steps), 0.5)


NopPruner, MedianPruner = type("NopPruner", (), {}), type("MedianPruner", (), {})


def test_a_study_without_a_pruner_makes_its_trials_in_full():
    assert count_runs(Study(NopPruner()), n_trials=50).full_runs.likely == 50


def test_a_pruner_s_discount_comes_from_the_study_s_own_trials():
    trials = [Trial("COMPLETE", 100)] * 10 + [Trial("PRUNED", 20)] * 10
    counted = count_runs(Study(MedianPruner(), trials), n_trials=100)
    assert counted.full_runs.likely == pytest.approx(60)
    assert counted.full_runs.low < 60 < counted.full_runs.high


def test_a_pruner_without_a_history_is_a_wide_belief():
    counted = count_runs(Study(MedianPruner()), n_trials=100).full_runs
    assert (counted.low, counted.high) == pytest.approx((25, 95))


def test_what_a_count_needs_is_asked_for():
    with pytest.raises(ValueError, match="n_trials=None: a study does not know it"):
        count_runs(Study(NopPruner()))
    with pytest.raises(ValueError, match="n_samples=None: a halving search gives out samples"):
        count_runs(HalvingGridSearchCV(TREE, GRID))
    with pytest.raises(ValueError, match="n_samples=None: the folds of LeaveOneOut"):
        count_runs(GridSearchCV(TREE, GRID, cv=LeaveOneOut()))
    with pytest.raises(ValueError, match="counting would use up"):
        count_runs(GridSearchCV(TREE, GRID, cv=iter([])))
    with pytest.raises(ValueError, match="repeats=0"):
        count_runs(GridSearchCV(TREE, GRID), repeats=0)


def test_what_is_no_search_is_not_counted():
    with pytest.raises(TypeError, match="DecisionTreeClassifier is no search"):
        count_runs(TREE)
