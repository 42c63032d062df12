"""How many runs a search will make, read from the search object itself, which is never run.

scikit-learn's and Optuna's objects are known by what they carry, so neither is imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_carbon.model import ONE, Interval

PRUNED = Interval(0.25, 0.55, 0.95)
"""Share of a full run that a trial takes on average under a pruner whose history is not known.  Assumed."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A search counted before it runs.

    `fits` are folds times configurations, `refits` what is fitted once more at the end.  `full_runs` is what both
    amount to in runs over all data and steps: fewer where a search gives most candidates less, or stops them early.
    `parts` say how the count came about.
    """

    fits: int
    refits: int
    full_runs: Interval
    parts: Mapping[str, float]

    def __str__(self) -> str:
        told = " x ".join(f"{count:g} {name}" for name, count in self.parts.items())
        low, likely, high = self.full_runs.low, self.full_runs.likely, self.full_runs.high
        span = "" if low == high else f" ({low:.3g} – {high:.3g})"
        again = f" and {self.refits} at the end" if self.refits else ""
        return f"{told}: {self.fits} fits{again}, as much as {likely:.4g}{span} full runs"


def count_runs(
    search: Any,
    *,
    n_trials: int | None = None,
    n_samples: int | None = None,
    n_classes: int = 2,
    repeats: int = 1,
) -> Sweep:
    """Count the runs of a `GridSearchCV`, `RandomizedSearchCV`, their halving kin, or an Optuna study.

    A study needs `n_trials`, as its `optimize` does; a halving search, or a splitter that leaves single samples out,
    needs `n_samples`, and for a classifier `n_classes`.  `repeats` is how often the whole search is made.

    Raises `ValueError` for what is missing, and `TypeError` for an object that is no search.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats!r} is not possible; it must be 1 or more")
    if hasattr(search, "trials") and hasattr(search, "optimize"):
        return _study(search, n_trials, repeats)
    if not hasattr(search, "estimator") or not hasattr(search, "cv"):
        raise TypeError(f"{type(search).__name__} is no search that can be counted; count its runs yourself")
    folds = _folds(search.cv, n_samples)
    rounds = list(_rounds(search, folds, n_samples, n_classes))
    fits = sum(count * folds for count, _ in rounds) * repeats
    refits = repeats if search.refit else 0
    parts: dict[str, float] = {"configurations": sum(count for count, _ in rounds), "folds": folds, "repeats": repeats}
    full_runs = sum(count * folds * share for count, share in rounds) * repeats + refits
    return Sweep(fits, refits, Interval.exact(full_runs), parts)


def _rounds(search: Any, folds: int, n_samples: int | None, n_classes: int) -> Iterator[tuple[int, float]]:
    """Candidates of each round, and the share of a full run that each of them gets."""
    halving = hasattr(search, "factor") and hasattr(search, "min_resources")
    if hasattr(search, "param_grid"):
        candidates: int | None = _grid_size(search.param_grid)
    elif hasattr(search, "n_iter"):
        candidates = _drawn(search.param_distributions, search.n_iter)
    elif halving:
        candidates = None if search.n_candidates == "exhaust" else int(search.n_candidates)
    else:
        raise TypeError(f"{type(search).__name__} is no search that can be counted; count its runs yourself")
    if not halving:
        yield candidates or 0, 1.0
        return
    yield from _halving(search, candidates, 2 * folds * (n_classes if _is_classifier(search) else 1), n_samples)


def _halving(search: Any, candidates: int | None, fewest: int, n_samples: int | None) -> Iterator[tuple[int, float]]:
    """Successive halving as scikit-learn does it: of each round's candidates the best 1 / factor go on, with `factor`
    times the resources, beginning with no fewer than `fewest` samples.  Candidates `None`: as many as use up all
    resources in the last round."""
    most = search.max_resources
    if most == "auto":
        if search.resource != "n_samples":
            raise ValueError("max_resources='auto' only says how many samples there are; give it as a number")
        if n_samples is None:
            raise ValueError("n_samples=None: a halving search gives out samples; say how many there are")
        most = n_samples
    if search.min_resources in ("smallest", "exhaust"):
        least = fewest if search.resource == "n_samples" else 1
    else:
        least = search.min_resources
    if candidates is None:
        candidates = max(1, most // least)
    needed = 1 + math.floor(_log(candidates, search.factor))
    if search.min_resources == "exhaust":
        least = max(least, int(most // search.factor ** (needed - 1)))
    possible = 1 + math.floor(_log(most // least, search.factor))
    for turn in range(needed if search.aggressive_elimination else min(needed, possible)):
        power = max(0, turn - needed + possible) if search.aggressive_elimination else turn
        yield candidates, min(int(search.factor**power * least), most) / most
        candidates = math.ceil(candidates / search.factor)


def _is_classifier(search: Any) -> bool:
    """As the estimator says of itself, before scikit-learn 1.6 and since."""
    kind = getattr(search.estimator, "_estimator_type", None)
    if kind is None and hasattr(search.estimator, "__sklearn_tags__"):
        kind = search.estimator.__sklearn_tags__().estimator_type
    return bool(kind == "classifier")


def _log(number: float, base: float) -> float:
    return math.log(number) / math.log(base)


def _grid_size(grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]]) -> int:
    """Combinations in a grid, or in several."""
    grids = [grid] if isinstance(grid, Mapping) else grid
    return sum(math.prod(len(values) for values in each.values()) for each in grids)


def _drawn(distributions: Any, n_iter: int) -> int:
    """Draws without putting back from lists end when all combinations are drawn; a distribution never ends."""
    spaces = [distributions] if isinstance(distributions, Mapping) else distributions
    if any(hasattr(values, "rvs") for space in spaces for values in space.values()):
        return n_iter
    return min(n_iter, _grid_size(distributions))


def _folds(cv: Any, n_samples: int | None) -> int:
    """Folds of a `cv` argument: a number, none (5), a splitter, or the splits themselves."""
    if cv is None:
        return 5  # scikit-learn's default since 0.22
    if isinstance(cv, int):
        return cv
    if hasattr(cv, "get_n_splits"):
        try:
            return int(cv.get_n_splits())
        except (TypeError, ValueError) as err:  # it leaves single samples or groups out
            if n_samples is None:
                raise ValueError(f"n_samples=None: the folds of {type(cv).__name__} depend on it") from err
            return int(cv.get_n_splits(range(n_samples)))
    if not isinstance(cv, Sequence):
        raise ValueError("cv is a generator, which counting would use up; give the splits as a list")
    return len(cv)


def _study(study: Any, n_trials: int | None, repeats: int) -> Sweep:
    """Trials still to come; a pruner's discount is read from the study's own history, else it is a wide belief."""
    if n_trials is None:
        raise ValueError("n_trials=None: a study does not know it; give what its optimize will be given")
    if n_trials < 0:
        raise ValueError(f"n_trials={n_trials!r} is not possible; it must be 0 or more")
    share = ONE if type(study.pruner).__name__ == "NopPruner" else _pruned_share(study.trials)
    return Sweep(
        n_trials * repeats, 0, share.scaled(float(n_trials * repeats)), {"trials": n_trials, "repeats": repeats}
    )


def _pruned_share(trials: Sequence[Any]) -> Interval:
    """Mean length of the trials so far, in lengths of those that ran to their end."""
    lengths = {"COMPLETE": [], "PRUNED": []}  # type: dict[str, list[int]]
    for trial in trials:
        if trial.state.name in lengths and trial.intermediate_values:
            lengths[trial.state.name].append(max(trial.intermediate_values) + 1)
    if not lengths["COMPLETE"]:
        return PRUNED
    full = sum(lengths["COMPLETE"]) / len(lengths["COMPLETE"])
    shares = [min(1.0, steps / full) for steps in (*lengths["COMPLETE"], *lengths["PRUNED"])]
    mean, count = sum(shares) / len(shares), len(shares)
    spread = math.sqrt(sum((share - mean) ** 2 for share in shares) / count) if count > 1 else 0.0
    doubt = 1.645 * max(spread, 0.1) / math.sqrt(count)  # some doubt is left even where all were alike
    return Interval(max(mean - doubt, mean / 2), mean, min(mean + doubt, 1.0))
