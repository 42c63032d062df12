"""Which hours of the grid a run sees: any of the year, or those after its start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jupyter_carbon.estimate.belief import Array, Belief, Number
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import Region

WEEK_H = 168
"""Wind and frost last for days: hours of one week are taken to err together, those of two weeks not.  Assumed."""
MONTH_H = 730
"""A start says what month a run begins in; hours beyond it are any of the year."""


@dataclass(frozen=True, slots=True, eq=False)
class RunHours:
    """Grid intensity over the hours of a run, as a factor on the year's mean.

    `summed` holds, for the low, likely and high belief, the sum of the factors over the first 0, 1 .. 168 hours;
    `None` is any hours of the year, which are as `static.HOURS` says.
    """

    summed: Array | None
    source: str

    def over(self, hours: float) -> Belief:
        """The mean factor of a run of so many hours."""
        if self.summed is None:
            return _any(averaging(hours))
        found = over([self], np.zeros(1, dtype=np.int64), np.array([hours]))
        return Belief(*(float(np.ravel(part)[0]) for part in (found.likely, found.down2, found.up2)))


def over(profiles: Sequence[RunHours], which: NDArray[np.int64], hours: Array) -> Belief:
    """The mean factors of many runs: row `i` has ``profiles[which[i]]`` and ``hours[i]``."""
    left = averaging(hours)
    if all(profile.summed is None for profile in profiles):
        return _any(left)
    summed = np.stack([_FLAT if profile.summed is None else profile.summed for profile in profiles])
    within = np.clip(hours, 1e-9, WEEK_H)
    whole = np.minimum(within.astype(np.int64), WEEK_H - 1)
    part = within - whole
    low, likely, high = (
        (summed[which, end, whole] * (1.0 - part) + summed[which, end, whole + 1] * part) / within for end in range(3)
    )
    beyond = np.maximum(hours - MONTH_H, 0.0) / np.maximum(hours, 1e-9)
    down2, up2 = np.log(likely / low) ** 2 * left, np.log(high / likely) ** 2 * left
    return Belief(likely * (1.0 - beyond) + beyond, down2, up2)


_FLAT: Array = np.outer((static.HOURS.low, static.HOURS.likely, static.HOURS.high), np.arange(WEEK_H + 1.0))


def _any(left: Number) -> Belief:
    return Belief(1.0, math.log(static.HOURS.low) ** 2 * left, math.log(static.HOURS.high) ** 2 * left)


def averaging(hours: Number) -> Number:
    """What is left of the squared spread (of its logarithm) of the grid's hours over a run of so many: weeks average
    out."""
    if isinstance(hours, np.ndarray):
        return np.asarray(np.minimum(1.0, WEEK_H / np.maximum(hours, 1.0)))
    return min(1.0, WEEK_H / max(hours, 1.0))


ANY = RunHours(None, "any hours of the year, by 26 zone-years of hourly figures")


@lru_cache(maxsize=4096)
def hours_from(start: datetime, place: Region) -> RunHours:
    """A run that begins at `start`, by the hourly profile of the place's own grid."""
    known = profile(place)
    if known is None:
        return RunHours(None, f"no hourly profile of {place.grids[0]} is in the tables: any hours of the year")
    started_s = start.timestamp()
    factors = np.empty((3, WEEK_H))
    for at in range(WEEK_H):
        grams, days = known.grams(started_s + 3600.0 * at)
        factors[:, at] = grams * days.low, grams, grams * days.high
    summed = np.concatenate([np.zeros((3, 1)), np.cumsum(factors, axis=1)], axis=1) / known.year_gco2e_per_kwh
    return RunHours(summed, known.source)
