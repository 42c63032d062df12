"""Which of several models is worth its cost: PePR scores and the front that nothing beats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def pepr(performance: Iterable[float], cost: Iterable[float]) -> list[float]:
    """Performance per resource unit of each model in one compared set: ``P / (1 + (R - min R) / (max R - min R))``.

    `performance` lies in 0..1, higher is better; `cost` is energy, CO2e, time or memory, in any one unit.  The score
    depends on the set: scores of two sets do not compare.  Where all costs are equal it is the performance itself.

    >>> pepr([0.8, 0.9, 0.85], [1, 3, 2])
    [0.8, 0.45, 0.5666666666666667]
    """
    scores, costs = [float(p) for p in performance], [float(r) for r in cost]
    if len(scores) != len(costs):
        raise ValueError(f"performance has {len(scores)} values, cost {len(costs)}; each model needs one of both")
    for at, score in enumerate(scores):
        if not 0.0 <= score <= 1.0:
            raise ValueError(f"performance[{at}]={score!r} is not possible; it must be 0 to 1, higher being better")
    for at, value in enumerate(costs):
        if not 0.0 <= value < float("inf"):
            raise ValueError(f"cost[{at}]={value!r} is not possible; it must be 0 or more, and finite")
    if not costs:
        return []
    least, span = min(costs), max(costs) - min(costs)
    return [
        score / (1.0 + ((value - least) / span if span else 0.0)) for score, value in zip(scores, costs, strict=True)
    ]


def pareto(frame: pd.DataFrame, cost: str, performance: str) -> pd.DataFrame:
    """The rows that no other row beats in both `cost` (lower is better) and `performance` (higher is better).

    Rows that tie in both stay together; a row without one of the numbers is no candidate.  The order is by cost.
    """
    for column in (cost, performance):
        if column not in frame.columns:
            raise ValueError(f"column {column!r} is not in the frame; it has: {', '.join(map(str, frame.columns))}")
    candidates = frame.dropna(subset=[cost, performance])
    ordered = candidates.sort_values([cost, performance], ascending=[True, False], kind="stable")
    kept: pd.DataFrame = ordered.loc[_unbeaten(ordered[cost].tolist(), ordered[performance].tolist())]
    return kept


def _unbeaten(costs: Sequence[Any], performances: Sequence[Any]) -> list[bool]:
    """Of rows by rising cost and falling performance: those better than every cheaper one, and their ties."""
    kept: list[bool] = []
    best: tuple[Any, Any] | None = None
    for cost, performance in zip(costs, performances, strict=True):
        keep = best is None or performance > best[1] or (cost, performance) == best
        if keep:
            best = (cost, performance)
        kept.append(keep)
    return kept
