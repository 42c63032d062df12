"""From a card's watts at some utilisations to its curve.  Pure; what cannot be one card at its work is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.value import value

LEAST_SPAN = 0.5
"""Utilisations that lie closer tell no curve between idle and full."""
LEAST_RISE = 1.1
"""Power at the highest over power at the lowest: any card that is awake draws more as it computes."""
QUIET = 0.1
"""A card that is busier than this at rest has other work: a desktop's drawing takes a few per cent."""
UNSTEADY = 0.1
"""The halves of a look that differ by more than this part are of two states: a card that heats up, or other work."""
FALLS = 0.95
"""Where more work draws less than this part of less work, the card has throttled."""
FARTHEST = 0.1
"""Points farther off their curve than this part of their mean are on none."""
EXPONENTS = (0.2, 4.0)
"""The least and the most that is tried."""


@value
class Look:
    """Some seconds of one card at steady work: how busy its driver said it was, from 0 to 1, and the counter's mean
    watts in the first and in the second half."""

    utilisation: float
    first_w: float
    second_w: float

    @property
    def power_w(self) -> float:
        """Over all of it."""
        return (self.first_w + self.second_w) / 2.0


def fit_card(looks: Sequence[Look], *, device: str, model: str, at: str) -> GpuCurve:
    """Idle watts, full watts and exponent by least squares; raises `CalibrationRefused` with the reason."""
    points = sorted(looks, key=lambda look: look.utilisation)
    _check(points)
    exponent = _best_exponent(points)
    idle_w, rise_w = _line(points, exponent)
    curve = GpuCurve(device, model, idle_w, idle_w + rise_w, exponent, 0.0, at)
    residual = math.sqrt(_squares(points, exponent) / len(points)) / _mean_w(points)
    if idle_w <= 0.0 or residual > FARTHEST:
        raise CalibrationRefused(
            f"its watts do not follow how busy it is, but lie {residual:.0%} off any curve ({_told(points)})"
        )
    return GpuCurve(device, model, curve.idle_w, curve.full_w, exponent, residual, at)


def _check(points: Sequence[Look]) -> None:
    for look in points:
        if abs(look.first_w - look.second_w) > UNSTEADY * look.power_w:
            raise CalibrationRefused(
                f"its power was not steady: {look.first_w:.3g} W, then {look.second_w:.3g} W at the same work.  Try "
                "again when it is cool and nothing else runs"
            )
    lowest, highest = points[0], points[-1]
    if lowest.utilisation > QUIET:
        raise CalibrationRefused(
            f"it was busy for {lowest.utilisation:.0%} of the time while it should have rested.  Try again when "
            "nothing else computes on it"
        )
    if highest.utilisation - lowest.utilisation < LEAST_SPAN:
        raise CalibrationRefused(
            f"the points are equal: it was busy for {lowest.utilisation:.0%} to {highest.utilisation:.0%} of the "
            "time.  The load did not reach it"
        )
    if highest.power_w < LEAST_RISE * lowest.power_w:
        raise CalibrationRefused(
            f"it shows {lowest.power_w:.3g} W at rest and {highest.power_w:.3g} W at full load: its counter does not "
            "follow the load"
        )
    for less, more in pairwise(points):
        if more.power_w < FALLS * less.power_w:
            raise CalibrationRefused(
                f"more work drew less: {less.power_w:.3g} W at {less.utilisation:.0%}, {more.power_w:.3g} W at "
                f"{more.utilisation:.0%}.  It throttles: let it cool, and try again"
            )


def _best_exponent(points: Sequence[Look]) -> float:
    """Where the squares are least: on a grid, then by golden sections between the neighbours of its best."""
    least, most = EXPONENTS
    step = 0.05
    grid = [least + step * index for index in range(round((most - least) / step) + 1)]
    best = min(grid, key=lambda exponent: _squares(points, exponent))
    low, high = max(least, best - step), min(most, best + step)
    section = (math.sqrt(5.0) - 1.0) / 2.0
    while high - low > 1e-9:
        a, b = high - section * (high - low), low + section * (high - low)
        if _squares(points, a) < _squares(points, b):
            high = b
        else:
            low = a
    return (low + high) / 2.0


def _line(points: Sequence[Look], exponent: float) -> tuple[float, float]:
    """Idle watts and their rise, by least squares at this exponent."""
    rises = [look.utilisation**exponent for look in points]
    mean_rise, mean_w = sum(rises) / len(rises), _mean_w(points)
    spread = sum((rise - mean_rise) ** 2 for rise in rises)
    both = sum((rise - mean_rise) * (look.power_w - mean_w) for rise, look in zip(rises, points, strict=True))
    return mean_w - both / spread * mean_rise, both / spread


def _squares(points: Sequence[Look], exponent: float) -> float:
    idle_w, rise_w = _line(points, exponent)
    offs_w: list[float] = [look.power_w - idle_w - rise_w * look.utilisation**exponent for look in points]
    return sum(off_w * off_w for off_w in offs_w)


def _mean_w(points: Sequence[Look]) -> float:
    return sum(look.power_w for look in points) / len(points)


def _told(points: Sequence[Look]) -> str:
    return ", ".join(f"{look.power_w:.3g} W at {look.utilisation:.0%}" for look in points)
