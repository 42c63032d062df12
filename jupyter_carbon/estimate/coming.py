"""The coming hours in numbers: a forecast that somebody gives, or what a grid's timeline knows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

from jupyter_carbon.grid.providers import FORECAST
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.model import ONE, Basis, IntensityStatus, IntensityUnavailable, Interval, Method
from jupyter_carbon.value import value

AS_GIVEN: Literal["as given"] = "as given"


class Slot(NamedTuple):
    """A part of the coming time, from and to in seconds since the epoch, and its likely g/kWh.

    `spread` is the factor by which that may be wrong, `doubt` the part of it by which this hour may come out otherwise
    than the others of the same source: what does not cancel when two hours are compared.
    """

    start_s: float
    end_s: float
    gco2e_per_kwh: float
    spread: Interval
    doubt: Interval


@value
class Signal:
    """What the slots are: whose, of which kind, how known."""

    region: str
    name: str
    basis: Basis | Literal["as given"]
    method: Method | Literal["as given"]
    status: IntensityStatus
    source: str


_UNITS_H = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0, "": 1.0}


def hours_of(name: str, text: float | str | timedelta) -> float:
    """Hours of "3h", "90m", "2d", a number of hours or a `timedelta`.

    >>> hours_of("within", "2d"), hours_of("hours", "90m")
    (48.0, 1.5)
    """
    if isinstance(text, timedelta):
        return text / timedelta(hours=1)
    if isinstance(text, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(m|min|h|d|)\s*", text.casefold())
        if found is None:
            raise ValueError(f"{name}={text!r} is no time span; write it like 90m, 3h or 2d, or as a number of hours")
        return float(found[1]) * _UNITS_H[found[2]]
    return float(text)


def slots_given(forecast: Iterable[tuple[datetime, float]]) -> list[Slot]:
    """A forecast that somebody gives: each number holds until the next begins, the last as long as the one before."""
    ordered = sorted(forecast, key=lambda pair: pair[0])
    if len(ordered) < 2:
        raise ValueError("forecast: give at least two pairs of a start and g/kWh, so that a slot has a length")
    for start, grams in ordered:
        if start.tzinfo is None:
            raise ValueError(f"forecast: {start!r} has no time zone; attach one, like timezone.utc")
        if not 0.0 <= grams < 1e5:
            raise ValueError(f"forecast: {grams!r} g/kWh at {start.isoformat()} is not possible; it must be 0 or more")
    starts_s = [start.timestamp() for start, _ in ordered]
    if any(b - a < 1.0 for a, b in pairwise(starts_s)):
        raise ValueError("forecast: two numbers for one moment")
    ends_s = [*starts_s[1:], 2.0 * starts_s[-1] - starts_s[-2]]
    return [
        Slot(start_s, end_s, grams, FORECAST, FORECAST)
        for start_s, end_s, (_, grams) in zip(starts_s, ends_s, ordered, strict=True)
    ]


def slots_of(timeline: Timeline, now_s: float, end_s: float, hours: float) -> tuple[list[Slot], Signal]:
    """The coming time as a grid's timeline knows it: the live source as far as it reaches without a gap, if that
    leaves a choice; else the hours of the bundled profile.  The two are never put side by side, as they differ by more
    than their hours.

    Raises `IntensityUnavailable` where nothing tells one hour from another.
    """
    live, seen = _live_slots(timeline, now_s, end_s)
    reach_s = live[-1].end_s - now_s if live else 0.0
    job_s = hours * 3600.0
    if seen is not None and (reach_s >= min(2.0 * job_s, end_s - now_s) or (reach_s >= job_s and not timeline.profile)):
        return live, seen
    place = timeline.place
    if timeline.profile is None or timeline.yearly is None:
        raise IntensityUnavailable(
            f"nothing tells one coming hour in {place.name} from another: no forecast reaches {hours:g} h ahead, and "
            "there is no hourly profile; give forecast=[(start, g/kWh), ...]"
        )
    slots = []
    for start_s, until_s, intensity in Timeline(place, timeline.yearly, timeline.profile).pieces(now_s, end_s):
        days = timeline.profile.grams(start_s)[1]
        grams = intensity.gco2e_per_kwh
        slots.append(Slot(start_s, until_s, grams.likely, _relative(grams), days))
    return slots, Signal(place.code, place.name, "lifecycle", "average", "yearly", intensity.source)


def _live_slots(timeline: Timeline, now_s: float, end_s: float) -> tuple[list[Slot], Signal | None]:
    slots: list[Slot] = []
    series, seen = timeline.live, None
    if series is None:
        return slots, seen
    moment_s = now_s + timeline.skew_s
    while moment_s < end_s + timeline.skew_s:
        index = series.index(moment_s)
        if index is None:
            break
        intensity = series.slots[index]
        until_s = min(series.end_s[index], end_s + timeline.skew_s)
        doubt = timeline.forecast_doubt if intensity.status == "forecast" else ONE
        from_s, grams = moment_s - timeline.skew_s, intensity.gco2e_per_kwh
        slots.append(Slot(from_s, until_s - timeline.skew_s, grams.likely, _relative(grams), doubt))
        if seen is None or intensity.status == "forecast":
            source = intensity.source.partition(", direct ")[0]
            place = timeline.place
            seen = Signal(place.code, place.name, intensity.basis, intensity.method, intensity.status, source)
        moment_s = until_s
    return slots, seen


def _relative(grams: Interval) -> Interval:
    return grams.scaled(1.0 / grams.likely) if grams.likely > 0.0 else ONE
