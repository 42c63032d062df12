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
    """Where numbers lie, never negative: 50 % of our belief, and the logarithms of how far 5 % and 95 % are from it.

    Logarithms, because products are what is taken most.  A field is an array, or one float where all rows agree.
    """

    likely: Number
    down: Number = 0.0
    up: Number = 0.0

    @classmethod
    def of(cls, interval: Interval) -> Belief:
        """One number."""
        if interval.low == interval.high:
            return cls(interval.likely)
        down, up = log_ratio(interval.likely, interval.low), log_ratio(interval.high, interval.likely)
        return cls(interval.likely, down, up)

    @classmethod
    def column(cls, each: Sequence[Belief]) -> Belief:
        """One number a row; what is the same in all rows is one for all."""
        parts = np.array([(belief.likely, belief.down, belief.up) for belief in each], dtype=float).T
        return cls(*(merged(part) for part in parts))

    def rows(self, which: NDArray[np.int64]) -> Belief:
        """Those rows of a column; what is one for all stays so."""
        return Belief(*(number_rows(part, which) for part in (self.likely, self.down, self.up)))

    @property
    def low(self) -> Number:
        """The 5 % ends."""
        return self.likely * _exp(-self.down)

    @property
    def high(self) -> Number:
        """The 95 % ends."""
        return self.likely * _exp(self.up)

    @property
    def is_exact(self) -> bool:
        """Whether it is one number without a range, or a column of such."""
        return all(isinstance(spread, float) and spread == 0.0 for spread in (self.down, self.up))

    def interval(self) -> Interval:
        """One number as an interval; a column has no such thing."""
        return Interval(float(self.low), float(self.likely), float(self.high))

    def scaled(self, factor: Number) -> Belief:
        """The same belief in another unit, or of `factor` things that err together."""
        return Belief(self.likely * factor, self.down, self.up)

    def __mul__(self, other: Belief) -> Belief:
        """Product of independent factors."""
        if isinstance(other.likely, float) and other.likely == 1.0 and other.is_exact:
            return self
        return Belief(self.likely * other.likely, _right_angle(self.down, other.down), _right_angle(self.up, other.up))


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
                down, up = part.likely * _expm1(-part.down), part.likely * _expm1(part.up)
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
            below, above = math.sqrt(self.below2) / least, math.sqrt(self.above2) / least
            return Belief(self.likely, -math.log(max(1.0 - below, TINY)), math.log1p(above))
        least = np.maximum(self.likely, TINY)
        below, above = np.sqrt(self.below2) / least, np.sqrt(self.above2) / least
        return Belief(self.likely, -np.log(np.maximum(1.0 - below, TINY)), np.log1p(above))


def total(*parts: Belief) -> Belief:
    """Sum of independent numbers."""
    return Sum.of(*parts).belief()


def where(condition: Truth, yes: Belief, no: Belief) -> Belief:
    """`yes` where the condition holds, else `no`."""
    if not isinstance(condition, np.ndarray) or condition.all() or not condition.any():
        return yes if is_any(condition) else no
    pairs = ((yes.likely, no.likely), (yes.down, no.down), (yes.up, no.up))
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
    down: Number = 0.0
    up: Number = 0.0
    for at, each in enumerate(inputs):
        if each.is_exact:
            continue
        ends = (function(*likely[:at], end, *likely[at + 1 :]) for end in (each.low, each.high))
        one, other = (log_ratio(end, centre) for end in ends)
        down = _right_angle(down, -_least(_least(one, other), 0.0))
        up = _right_angle(up, -_least(_least(-one, -other), 0.0))
    return Belief(centre, down, up)


def log_ratio(above: Number, below: Number) -> Number:
    """Logarithm of a ratio of numbers that are not negative."""
    if isinstance(above, np.ndarray) or isinstance(below, np.ndarray):
        return np.asarray(np.log(np.maximum(above, TINY) / np.maximum(below, TINY)))
    return math.log(max(above, TINY) / max(below, TINY))


def _least(one: Number, other: Number) -> Number:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.asarray(np.minimum(one, other))
    return one if one < other else other


def _right_angle(one: Number, other: Number) -> Number:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        if isinstance(one, float) and one == 0.0:
            return other
        if isinstance(other, float) and other == 0.0:
            return one
        return np.asarray(np.sqrt(one * one + other * other))
    return math.hypot(one, other)


def _plus(one: Number, other: Number) -> Number:
    return other if isinstance(one, float) and one == 0.0 else one + other


def _root(number: Number) -> Number:
    return np.asarray(np.sqrt(number)) if isinstance(number, np.ndarray) else math.sqrt(number)


def _exp(power: Number) -> Number:
    return np.asarray(np.exp(power)) if isinstance(power, np.ndarray) else math.exp(power)


def _expm1(power: Number) -> Number:
    return np.asarray(np.expm1(power)) if isinstance(power, np.ndarray) else math.expm1(power)
