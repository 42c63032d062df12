"""Numbers with a range, one or millions at a time: the same formula serves an estimate and a plan.

One number is an :class:`~jupyter_carbon.model.Interval`, a column of them a :class:`Belief`.  Both multiply and add
alike: products of independent factors add their relative spreads, sums their absolute ones, each like the sides of a
right angle.
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
    """Where the numbers of a column lie: 5 %, 50 % and 95 % of our belief; never negative.

    An end is an array, or one float where all rows agree.
    """

    low: Number
    likely: Number
    high: Number

    @classmethod
    def of(cls, intervals: Sequence[Interval], rows: NDArray[np.intp]) -> Belief:
        """The interval that each row points to; a scalar where they are all the same."""
        if len(intervals) == 1:
            return cls(intervals[0].low, intervals[0].likely, intervals[0].high)
        ends = np.array([(i.low, i.likely, i.high) for i in intervals], dtype=float).T
        return cls(*(end[rows] for end in ends))

    def scaled(self, factor: Number) -> Belief:
        """The same belief in another unit, or of `factor` things that err together."""
        return Belief(self.low * factor, self.likely * factor, self.high * factor)

    def __mul__(self, other: Belief) -> Belief:
        """Product of independent factors."""
        down = np.hypot(_log_ratio(self.likely, self.low), _log_ratio(other.likely, other.low))
        up = np.hypot(_log_ratio(self.high, self.likely), _log_ratio(other.high, other.likely))
        likely = self.likely * other.likely
        return Belief(likely * np.exp(-down), likely, likely * np.exp(up))

    def __add__(self, other: Belief) -> Belief:
        """Sum of independent numbers."""
        likely = self.likely + other.likely
        down = np.hypot(self.likely - self.low, other.likely - other.low)
        up = np.hypot(self.high - self.likely, other.high - other.likely)
        return Belief(likely - down, likely, likely + up)


R = TypeVar("R", Interval, Belief)


def exact(number: Number) -> Interval | Belief:
    """What is known: an interval for a float, a belief for an array."""
    return Belief(number, number, number) if isinstance(number, np.ndarray) else Interval.exact(number)


def where(condition: Truth, yes: R, no: R) -> R:
    """`yes` where the condition holds, else `no`."""
    if isinstance(condition, np.ndarray):
        ends = (np.where(condition, getattr(yes, end), getattr(no, end)) for end in ("low", "likely", "high"))
        return cast(R, Belief(*ends))
    return yes if condition else no


def number_where(condition: Truth, yes: Number, no: Number) -> Number:
    """The same for plain numbers."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def is_known(number: Number) -> Truth:
    """Whether it was said: NaN is "not said"."""
    return ~np.isnan(number) if isinstance(number, np.ndarray) else not math.isnan(number)


def propagate(function: Callable[..., Number], *inputs: R) -> R:
    """`function` of independent, positive inputs: each alone is moved to its ends, and what that does to the logarithm
    of the result adds like the sides of a right angle (first order)."""
    likely = [each.likely for each in inputs]
    centre = function(*likely)
    down: Number = 0.0
    up: Number = 0.0
    for at, each in enumerate(inputs):
        if each.low is each.high:
            continue
        ends = [function(*likely[:at], end, *likely[at + 1 :]) for end in (each.low, each.high)]
        if isinstance(centre, np.ndarray):
            steps = [_log_ratio(end, centre) for end in ends]
            down = down + np.minimum(np.minimum(*steps), 0.0) ** 2
            up = up + np.maximum(np.maximum(*steps), 0.0) ** 2
        else:
            steps = [math.log(max(end, TINY) / max(centre, TINY)) for end in ends]
            down += min(*steps, 0.0) ** 2
            up += max(*steps, 0.0) ** 2
    if isinstance(centre, np.ndarray):
        return cast(R, Belief(centre * np.exp(-np.sqrt(down)), centre, centre * np.exp(np.sqrt(up))))
    return cast(R, Interval(centre * math.exp(-math.sqrt(down)), centre, centre * math.exp(math.sqrt(up))))


def _log_ratio(above: Number, below: Number) -> Number:
    ratio: Number = np.log(np.maximum(above, TINY) / np.maximum(below, TINY))
    return ratio
