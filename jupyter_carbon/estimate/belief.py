"""Numbers with a range, one or millions at a time: the same formula serves an estimate and a plan.

A :class:`Belief` is an :class:`~jupyter_carbon.model.Interval` that may be a whole column.  Products of independent
factors add their relative spreads, sums their absolute ones, each like the sides of a right angle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jupyter_carbon.model import Interval

Array: TypeAlias = NDArray[np.float64]
Number: TypeAlias = float | Array
Truth: TypeAlias = bool | NDArray[np.bool_]
TINY = 1e-300  # keeps the logarithm of a zero finite; a likely value of zero stays zero whatever its spread


@dataclass(frozen=True, slots=True)
class Belief:
    """Where numbers lie, never negative: 50 % of our belief, and the squares of the logarithms of how far 5 % and 95 %
    are from it.

    Squared logarithms, because products are what is taken most: there they add up.  A field is an array, or one float
    where all rows agree.
    """

    likely: Number
    down2: Number = 0.0
    up2: Number = 0.0

    @classmethod
    def of(cls, interval: Interval) -> Belief:
        """One number."""
        if interval.low == interval.high:
            return cls(interval.likely)
        return cls.between(interval.low, interval.likely, interval.high)

    @classmethod
    def between(cls, low: Number, likely: Number, high: Number) -> Belief:
        """By its ends."""
        down, up = _log_ratio(likely, low), _log_ratio(high, likely)
        return cls(likely, down * down, up * up)

    @classmethod
    def column(cls, each: Sequence[Belief]) -> Belief:
        """One number a row; what is the same in all rows is one for all."""
        parts = np.array([(belief.likely, belief.down2, belief.up2) for belief in each], dtype=float).T
        return cls(*(merged(part) for part in parts))

    def rows(self, which: NDArray[np.int64]) -> Belief:
        """Those rows of a column; what is one for all stays so."""
        return Belief(*(number_rows(part, which) for part in (self.likely, self.down2, self.up2)))

    @property
    def low(self) -> Number:
        """The 5 % ends."""
        return self.likely * _exp(-_root(self.down2))

    @property
    def high(self) -> Number:
        """The 95 % ends."""
        return self.likely * _exp(_root(self.up2))

    @property
    def is_exact(self) -> bool:
        """Whether it is one number without a range, or a column of such."""
        return all(isinstance(spread, float) and spread == 0.0 for spread in (self.down2, self.up2))

    def interval(self) -> Interval:
        """One number as an interval; a column has no such thing."""
        return Interval(float(self.low), float(self.likely), float(self.high))

    def scaled(self, factor: Number) -> Belief:
        """The same belief in another unit, or of `factor` things that err together."""
        return Belief(self.likely * factor, self.down2, self.up2)

    def __mul__(self, other: Belief) -> Belief:
        """Product of independent factors."""
        if isinstance(other.likely, float) and other.likely == 1.0 and other.is_exact:
            return self
        return Belief(self.likely * other.likely, _plus(self.down2, other.down2), _plus(self.up2, other.up2))


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of independent numbers: its likely value, and the squares of how far its ends lie below and above it."""

    likely: Number = 0.0
    below2: Number = 0.0
    above2: Number = 0.0

    @classmethod
    def of(cls, *parts: Belief) -> Sum:
        """Of these."""
        found = cls()
        for part in parts:
            if is_any(part.likely):
                down, up = part.likely * _expm1(-_root(part.down2)), part.likely * _expm1(_root(part.up2))
                found = found + cls(part.likely, down * down, up * up)
        return found

    def __add__(self, other: Sum) -> Sum:
        """With more of them."""
        return Sum(_plus(self.likely, other.likely), _plus(self.below2, other.below2), _plus(self.above2, other.above2))

    def rows(self, which: NDArray[np.int64]) -> Sum:
        """Those rows of a column."""
        return Sum(*(number_rows(part, which) for part in (self.likely, self.below2, self.above2)))

    def ends(self) -> tuple[Number, Number, Number]:
        """The 5 % end, the likely value and the 95 % end."""
        return self.likely - _root(self.below2), self.likely, self.likely + _root(self.above2)

    def belief(self) -> Belief:
        """As a factor of products."""
        parts = (self.likely, self.below2, self.above2)
        if not any(isinstance(part, np.ndarray) for part in parts):
            least = max(self.likely, TINY)
            down = math.log(max(1.0 - math.sqrt(self.below2) / least, TINY))
            up = math.log1p(math.sqrt(self.above2) / least)
            return Belief(self.likely, down * down, up * up)
        least = np.maximum(self.likely, TINY)
        downs = np.log(np.maximum(1.0 - np.sqrt(self.below2) / least, TINY))
        ups = np.log1p(np.sqrt(self.above2) / least)
        return Belief(self.likely, downs * downs, ups * ups)


def total(*parts: Belief) -> Belief:
    """Sum of independent numbers."""
    return Sum.of(*parts).belief()


def where(condition: Truth, yes: Belief, no: Belief) -> Belief:
    """`yes` where the condition holds, else `no`."""
    if not isinstance(condition, np.ndarray) or condition.all() or not condition.any():
        return yes if is_any(condition) else no
    pairs = ((yes.likely, no.likely), (yes.down2, no.down2), (yes.up2, no.up2))
    return Belief(*(np.where(condition, one, other) for one, other in pairs))


def number_where(condition: Truth, yes: Number, no: Number) -> Number:
    """The same for plain numbers."""
    if isinstance(condition, np.ndarray) and condition.all():
        return yes
    return np.where(condition, yes, no) if isinstance(condition, np.ndarray) else yes if condition else no


def merged(column: Array) -> Number:
    """The one number of a column that has no other, else the column."""
    return float(column[0]) if len(column) and (column == column[0]).all() else column


def number_rows(number: Number, which: NDArray[np.int64]) -> Number:
    """Those rows of a column; what is one for all stays so."""
    return np.take(number, which) if isinstance(number, np.ndarray) else number


def is_known(number: Number) -> Truth:
    """Whether it was said: NaN is "not said"."""
    return ~np.isnan(number) if isinstance(number, np.ndarray) else not math.isnan(number)


def is_any(truth: Truth | Number) -> bool:
    """Whether it is true, or not zero, in any row."""
    return bool(truth.any()) if isinstance(truth, np.ndarray) else bool(truth)


def propagate(function: Callable[..., Number], *inputs: Belief) -> Belief:
    """`function` of independent, positive inputs: each alone is moved to its ends, and what that does to the logarithm
    of the result adds like the sides of a right angle (first order)."""
    likely = [each.likely for each in inputs]
    centre = function(*likely)
    down2: Number = 0.0
    up2: Number = 0.0
    for at, each in enumerate(inputs):
        if each.is_exact:
            continue
        ends = (function(*likely[:at], end, *likely[at + 1 :]) for end in (each.low, each.high))
        one, other = (_log_ratio(end, centre) for end in ends)
        down, up = _least(_least(one, other), 0.0), _least(_least(-one, -other), 0.0)
        down2, up2 = _plus(down2, down * down), _plus(up2, up * up)
    return Belief(centre, down2, up2)


def _log_ratio(above: Number, below: Number) -> Number:
    """Logarithm of a ratio of numbers that are not negative."""
    if isinstance(above, np.ndarray) or isinstance(below, np.ndarray):
        return np.asarray(np.log(np.maximum(above, TINY) / np.maximum(below, TINY)))
    return math.log(max(above, TINY) / max(below, TINY))


def _least(one: Number, other: Number) -> Number:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.asarray(np.minimum(one, other))
    return one if one < other else other


def _plus(one: Number, other: Number) -> Number:
    return other if isinstance(one, float) and one == 0.0 else one + other


def _root(number: Number) -> Number:
    return np.asarray(np.sqrt(number)) if isinstance(number, np.ndarray) else math.sqrt(number)


def _exp(power: Number) -> Number:
    return np.asarray(np.exp(power)) if isinstance(power, np.ndarray) else math.exp(power)


def _expm1(power: Number) -> Number:
    return np.asarray(np.expm1(power)) if isinstance(power, np.ndarray) else math.expm1(power)
