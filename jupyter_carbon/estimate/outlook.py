"""The coming day of a grid for a panel: what it carries now, a small curve, the cleanest hour of it."""

from __future__ import annotations

from typing import NamedTuple

from jupyter_carbon.estimate.advice import Advice, Job, advise
from jupyter_carbon.estimate.coming import Signal, Slot, slots_of
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.model import CarbonIntensity, IntensityUnavailable
from jupyter_carbon.value import value

DAY_S = 86_400.0
STEP_S = 1800.0
"""Width of a point: 48 of them, whatever the source's slots."""

HOURS = 1.0
"""Length of the window that is looked for."""


class Point(NamedTuple):
    """Half an hour from `start_s` on, in g/kWh."""

    start_s: float
    low: float
    likely: float
    high: float


@value
class Day:
    """The coming hours as far as they are known, at most a day; `best` is the cleanest hour of them, against the next
    one, and None where less than an hour is known."""

    points: tuple[Point, ...]
    signal: Signal
    best: Advice | None


@value
class Outlook:
    """What a grid carries at `now_s`, and in the day after it; `day` is None where nothing tells one hour from another.

    `marginal` is what one more kWh changes now, where a source tells: another quantity, in no sum.  `asking`: a source
    is being asked, so that more is known soon.
    """

    now_s: float
    now: CarbonIntensity
    day: Day | None
    marginal: CarbonIntensity | None = None
    asking: bool = False


def outlook(
    timeline: Timeline, now_s: float, *, marginal: CarbonIntensity | None = None, asking: bool = False
) -> Outlook:
    """What the timeline of a place knows of now and of the coming day."""
    return Outlook(now_s, timeline.at(now_s), _day(timeline, now_s), marginal, asking)


def _day(timeline: Timeline, now_s: float) -> Day | None:
    try:
        slots, signal = slots_of(timeline, now_s, now_s + DAY_S, HOURS)
    except IntensityUnavailable:
        return None
    end_s = slots[-1].end_s
    best = None
    if end_s - now_s >= HOURS * 3600.0:
        best = advise(slots, signal, Job(HOURS), now_s=now_s, end_s=end_s)
    return Day(_points(slots, now_s), signal, best)


def _points(slots: list[Slot], now_s: float) -> tuple[Point, ...]:
    points: list[Point] = []
    start_s, first = now_s // STEP_S * STEP_S, 0
    while first < len(slots):
        index, low, likely, high, seconds = first, 0.0, 0.0, 0.0, 0.0
        while index < len(slots) and slots[index].start_s < start_s + STEP_S:
            slot = slots[index]
            part_s = min(slot.end_s, start_s + STEP_S) - max(slot.start_s, start_s)
            grams = part_s * slot.gco2e_per_kwh
            low, likely, high = low + grams * slot.spread.low, likely + grams, high + grams * slot.spread.high
            seconds, index = seconds + part_s, index + 1
        points.append(Point(start_s, low / seconds, likely / seconds, high / seconds))
        start_s += STEP_S
        while first < len(slots) and slots[first].end_s <= start_s:
            first += 1
    return tuple(points)
