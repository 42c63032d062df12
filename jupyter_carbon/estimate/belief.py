"""Numbers with a range, one or millions at a time: the same formula serves an estimate and a plan.

One number is an :class:`~jupyter_carbon.model.Interval`, a column of them a :class:`Belief`.  Both multiply and add
alike: products of independent factors add their relative spreads, sums their absolute ones, each like the sides of a
right angle.  Below, `R` stands for either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from jupyter_carbon.model import Interval

Array: TypeAlias = NDArray[np.float64]
Number: TypeAlias = float | Array
Truth: TypeAlias = bool | NDArray[np.bool_]
TINY = 1e-300  # keeps the logarithm of a zero finite; a likely value of zero stays zero whatever its spread


@dataclass(frozen=True, slots=True)
class Belief:
    """Where the numbers of a column lie: 50 % of our belief, and the logarithms of how far 5 % and 95 % are from it.

    Logarithms, because products are what is taken most.  A field is an array, or one float where all rows agree.
    """

    likely: Number
    down: Number = 0.0
    up: Number = 0.0

    @classmethod
    def of(cls, intervals: Sequence[Interval]) -> Belief:
        """One interval a row; one for all where they are the same."""
        if all(interval == intervals[0] for interval in intervals):
            low, likely, high = intervals[0].low, intervals[0].likely, intervals[0].high
            return cls(likely, _log_ratio(likely, low), _log_ratio(high, likely)) if low != high else cls(likely)
        low, likely, high = np.array([(each.low, each.likely, each.high) for each in intervals]).T
        return cls(likely, _log_ratio(likely, low), _log_ratio(high, likely))

    def rows(self, which: NDArray[np.int64]) -> Belief:
        """Those rows."""
        parts = (self.likely, self.down, self.up)
        return Belief(*(part[which] if isinstance(part, np.ndarray) else part for part in parts))

    @property
    def low(self) -> Number:
        """The 5 % ends."""
        return self.likely * np.exp(-self.down)

    @property
    def high(self) -> Number:
        """The 95 % ends."""
        return self.likely * np.exp(self.up)

    def scaled(self, factor: Number) -> Belief:
        """The same belief in another unit, or of `factor` things that err together."""
        return Belief(self.likely * factor, self.down, self.up)

    def __mul__(self, other: Belief) -> Belief:
        """Product of independent factors."""
        return Belief(self.likely * other.likely, _right_angle(self.down, other.down), _right_angle(self.up, other.up))


R = TypeVar("R", Interval, Belief)


def total(*parts: R) -> R:
    """Sum of independent numbers: their absolute spreads add like the sides of a right angle."""
    first = parts[0]
    if isinstance(first, Interval):
        for part in parts[1:]:
            first = first + part
        return first
    counted = [part for part in parts if np.any(part.likely)] or [first]
    likely = sum(part.likely for part in counted)
    down = sum((part.likely * np.expm1(-part.down)) ** 2 for part in counted)
    up = sum((part.likely * np.expm1(part.up)) ** 2 for part in counted)
    some = np.maximum(likely, TINY)
    below = np.maximum(1.0 - np.sqrt(down) / some, TINY)
    return Belief(likely, -np.log(below), np.log1p(np.sqrt(up) / some))


def where(condition: Truth, yes: R, no: R) -> R:
    """`yes` where the condition holds, else `no`."""
    if isinstance(condition, np.ndarray):
        parts = (np.where(condition, getattr(yes, part), getattr(no, part)) for part in ("likely", "down", "up"))
        return cast(R, Belief(*parts))
    return yes if condition else no


def number_where(condition: Truth, yes: Number, no: Number) -> Number:
    """The same for plain numbers."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def is_known(number: Number) -> Truth:
    """Whether it was said: NaN is "not said"."""
    return ~np.isnan(number) if isinstance(number, np.ndarray) else not math.isnan(number)


def exact(number: Number, like: R) -> R:
    """What is known, as a belief of the kind of `like`."""
    return cast(R, Interval.exact(cast(float, number)) if isinstance(like, Interval) else Belief(number))


def propagate(function: Callable[..., Number], *inputs: R) -> R:
    """`function` of independent, positive inputs: each alone is moved to its ends, and what that does to the logarithm
    of the result adds like the sides of a right angle (first order)."""
    likely = [each.likely for each in inputs]
    centre = function(*likely)
    down: Number = 0.0
    up: Number = 0.0
    for at, each in enumerate(inputs):
        if is_exact(each):
            continue
        low, high = (_log_ratio(function(*likely[:at], end, *likely[at + 1 :]), centre) for end in (each.low, each.high))
        least, most = _ordered(low, high)
        down, up = down + least**2, up + most**2
    if isinstance(inputs[0], Interval):
        return cast(R, Interval(centre * math.exp(-math.sqrt(down)), centre, centre * math.exp(math.sqrt(up))))
    return cast(R, Belief(centre, np.sqrt(down), np.sqrt(up)))


def is_exact(each: Interval | Belief) -> bool:
    """Whether it has no range at all."""
    if isinstance(each, Interval):
        return each.low == each.high
    return all(isinstance(spread, float) and spread == 0.0 for spread in (each.down, each.up))


def _ordered(one: Number, other: Number) -> tuple[Number, Number]:
    """The lower of two, no higher than zero, and the higher, no lower than zero."""
    if isinstance(one, np.ndarray):
        return np.minimum(np.minimum(one, other), 0.0), np.maximum(np.maximum(one, other), 0.0)
    return min(one, other, 0.0), max(one, other, 0.0)


def _right_angle(one: Number, other: Number) -> Number:
    if isinstance(one, float) and one == 0.0:
        return other
    if isinstance(other, float) and other == 0.0:
        return one
    return np.sqrt(one * one + other * other)


def _log_ratio(above: Number, below: Number) -> Number:
    if isinstance(above, np.ndarray) or isinstance(below, np.ndarray):
        return np.log(np.maximum(above, TINY) / np.maximum(below, TINY))
    return math.log(max(above, TINY) / max(below, TINY))
