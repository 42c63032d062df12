"""Numbers with a range, one or millions at a time: the same arithmetic serves an estimate and a plan.

A :class:`Belief` is an :class:`~jupyter_carbon.model.Interval` whose ends may be numpy arrays.  Products of independent
factors add their relative spreads, sums their absolute ones, each like the sides of a right angle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jupyter_carbon.model import Interval

Array: TypeAlias = NDArray[np.float64]
Number: TypeAlias = float | Array
TINY = 1e-300  # keeps a logarithm of zero finite; a likely value of zero stays zero whatever its spread


@dataclass(frozen=True, slots=True)
class Belief:
    """Where numbers lie: 5 %, 50 % and 95 % of our belief; never negative."""

    low: Number
    likely: Number
    high: Number

    @classmethod
    def of(cls, interval: Interval) -> Belief:
        """The belief in one number."""
        return cls(interval.low, interval.likely, interval.high)

    @classmethod
    def exact(cls, value: Number) -> Belief:
        """Numbers that are known, or whose doubt is carried elsewhere."""
        return cls(value, value, value)

    @classmethod
    def column(cls, intervals: Sequence[Interval]) -> Belief:
        """One belief a row."""
        return cls(*np.array([(i.low, i.likely, i.high) for i in intervals], dtype=float).reshape(-1, 3).T)

    def __getitem__(self, rows: NDArray[np.intp]) -> Belief:
        """The beliefs of these rows; a scalar is everyone's."""
        return Belief(*(end[rows] if isinstance(end, np.ndarray) else end for end in (self.low, self.likely, self.high)))

    def scaled(self, factor: Number) -> Belief:
        """The same belief in another unit, or of `factor` things that err together."""
        return Belief(self.low * factor, self.likely * factor, self.high * factor)

    def __mul__(self, other: Belief) -> Belief:
        """Product of independent factors: relative spreads add like the sides of a right angle."""
        down = np.hypot(_log_ratio(self.likely, self.low), _log_ratio(other.likely, other.low))
        up = np.hypot(_log_ratio(self.high, self.likely), _log_ratio(other.high, other.likely))
        likely = self.likely * other.likely
        return Belief(likely * np.exp(-down), likely, likely * np.exp(up))

    def __add__(self, other: Belief) -> Belief:
        """Sum of independent numbers: absolute spreads add like the sides of a right angle."""
        likely = self.likely + other.likely
        down = np.hypot(self.likely - self.low, other.likely - other.low)
        up = np.hypot(self.high - self.likely, other.high - other.likely)
        return Belief(np.maximum(likely - down, 0.0), likely, likely + up)

    def interval(self, row: int = 0) -> Interval:
        """One row as plain floats."""
        low, likely, high = (float(np.atleast_1d(end)[row]) for end in (self.low, self.likely, self.high))
        return Interval(low, likely, high)


def _log_ratio(above: Number, below: Number) -> Number:
    ratio: Number = np.log(np.maximum(above, TINY) / np.maximum(below, TINY))
    return ratio


def select(condition: bool | NDArray[np.bool_], yes: Belief, no: Belief) -> Belief:
    """`yes` where the condition holds, else `no`."""
    return Belief(
        np.where(condition, yes.low, no.low),
        np.where(condition, yes.likely, no.likely),
        np.where(condition, yes.high, no.high),
    )
