"""Power gauges: watts told as joules, and what they show between the moves of a counter.

A gauge knows nothing of the time between two looks, so it is looked at more often while its power swings.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise

from jupyter_carbon.power.counter import (
    GUARD,
    PAUSE_S,
    READ_ERRORS,
    SUSPEND_S,
    FaultLog,
    Seconds,
    suspended_s,
)

LOOK_S, CLOSE_LOOK_S = 0.1, 0.025
"""While cells run a gauge of the moment is looked at so often in the mean: at steady power, and while it swings."""
SWING = 0.1
"""Two looks that are farther apart than this part of the greater one have seen power swing."""
CLOSE_FOR_S = 2.0
"""After a swing, and after a time in which nobody looked, it is looked at closely for so long."""
COST = 200.0
"""Looks are at least so many times as far apart as one takes of a core: half a per cent of it at the most.  What a look
waits, for a cell that holds Python's lock, is no cost."""
GOLDEN = 0.618034
"""Looks at a gauge are half of that to one and a half times apart, by multiples of the golden section: looks at a fixed
beat see always the same part of work that has a beat of its own (arXiv 2312.02741)."""
FORGET = 0.8
"""What is left, after `LOOK_S`, of how far a gauge has swung between two looks."""
GAP_S = 2.0
"""A gauge that was not looked at for so long, while something ran, was not looked at."""

FRESH_S, UNWATCHED_S = 0.005, 0.5
"""A reading at the edge of a cell looks at the gauge beside a counter unless that was done so short a time ago, or so
long that nobody follows it."""
SLOW_S = 1e-3
"""At the edge of a cell no gauge is looked at that took longer than this."""
NEAR_S = 1.5 * LOOK_S
"""A glance says something of moments that are no farther from it."""
KEPT_GLANCES = 64
SENSOR_DOUBT = 0.02
"""Glances beside a counter of the same card: the part by which they differ though power is steady (assumed)."""


class Pace:
    """When to look at a gauge again, by what it has shown; `closest_s` apart in the mean where power swings."""

    def __init__(self, closest_s: float = CLOSE_LOOK_S) -> None:
        self._closest_s = closest_s
        self._looks, self._seen_s, self._power_w = 0, -math.inf, 0.0
        self._close_until_s = -math.inf
        self._times_s: deque[float] = deque(maxlen=3)

    @property
    def took_s(self) -> float:
        """How long the driver takes: the shortest of the last looks, since any may have waited for a core."""
        return min(self._times_s, default=0.0)

    def wait_s(self, now_s: float, power_w: float, *, took_s: float, burnt_s: float) -> float:
        """Seconds until the next look, after one that has shown `power_w` for so many CPU seconds."""
        swung = abs(power_w - self._power_w) > SWING * max(power_w, self._power_w)
        if swung or now_s - self._seen_s > UNWATCHED_S:
            self._close_until_s = now_s + CLOSE_FOR_S
        self._seen_s, self._power_w = now_s, power_w
        self._looks += 1
        self._times_s.append(took_s)
        mean_s = self._closest_s if now_s < self._close_until_s else LOOK_S
        return max(mean_s * (0.5 + self._looks * GOLDEN % 1.0), COST * burnt_s)


class Glances:
    """What a gauge of the moment has shown lately, beside a counter of the same card: how what that has counted lies
    between its moves.  A glance that fails, or shows what the card cannot draw, was none."""

    def __init__(
        self,
        read_w: Callable[[], float],
        *,
        max_w: float,
        errors: tuple[type[Exception], ...] = READ_ERRORS,
        clock: Seconds = time.monotonic,
        cpu_s: Seconds = time.thread_time,
    ) -> None:
        self._read_w, self._errors, self._clock, self._cpu_s = read_w, errors, clock, cpu_s
        self._guard_w = GUARD * max_w
        self._seen: deque[tuple[float, float]] = deque(maxlen=KEPT_GLANCES)
        self._pace = Pace()
        self._next_s = -math.inf

    def watch(self) -> float:
        """Look, if it is time; the seconds until the next look."""
        now_s = self._clock()
        if now_s >= self._next_s:
            self._look(now_s)
        return self._next_s - now_s

    def at_edge(self) -> None:
        """Somebody reads the counter now: look, where that says more than the last glance."""
        now_s = self._clock()
        if self._seen and FRESH_S < now_s - self._seen[-1][0] < UNWATCHED_S and self._pace.took_s < SLOW_S:
            self._look(now_s)

    def _look(self, now_s: float) -> None:
        began_cpu_s = self._cpu_s()
        try:
            power_w = self._read_w()
        except self._errors:
            power_w = math.nan
        took_s, burnt_s = self._clock() - now_s, self._cpu_s() - began_cpu_s
        if 0.0 <= power_w <= self._guard_w:
            self._seen.append((now_s, power_w))
            self._next_s = now_s + self._pace.wait_s(now_s, power_w, took_s=took_s, burnt_s=burnt_s)
        else:
            self._next_s = now_s + max(LOOK_S, COST * burnt_s)

    def have_seen(self, t_s: float) -> bool:
        """Whether the gauge was looked at since a moment."""
        return bool(self._seen) and self._seen[-1][0] >= t_s

    def energy_j(self, from_s: float, to_s: float, *, before_w: float) -> float | None:
        """Joules between two moments, where the mean power before them was `before_w`; None where nobody looked."""
        line = self._line(from_s, to_s, before_w)
        return _joules(line) if line else None

    def split_j(self, from_s: float, at_s: float, to_s: float, *, total_j: float, before_w: float) -> float | None:
        """How much of `total_j`, counted between two moments, was used before `at_s`; None where nobody looked.

        Where the lines between the glances hold more or less than was counted, power has changed otherwise than on a
        line: so the difference lies where they are steep.
        """
        line = self._line(from_s, to_s, before_w)
        if not line:
            return None
        at_w = _on(line, at_s)
        first = [*(point for point in line if point[0] < at_s), (at_s, at_w)]
        second = [(at_s, at_w), *(point for point in line if point[0] > at_s)]
        first_j, first_doubt_j, second_doubt_j = _joules(first), _doubt_j(first), _doubt_j(second)
        doubt_j = first_doubt_j + second_doubt_j
        rest_j = total_j - _joules(line)
        part_j = first_j + rest_j * (first_doubt_j / doubt_j if doubt_j > 0.0 else 0.0)
        return min(max(0.0, part_j), total_j)

    def _line(self, from_s: float, to_s: float, before_w: float) -> list[tuple[float, float]]:
        """Power from moment to moment, by the glances between the two and those next to them."""
        near: list[tuple[float, float]] = []
        for t_s, power_w in reversed(self._seen):
            if t_s - to_s <= NEAR_S:
                near.append((t_s, power_w))
            if t_s <= from_s:
                break
        near.reverse()
        if near and from_s - near[0][0] > NEAR_S:
            del near[0]
        if not near:
            return []
        # Where nobody looked just before, or power was then as it was in the mean before, that mean held until here.
        begin_s, begin_w = near[0]
        if begin_s > from_s or abs(begin_w - before_w) <= SWING * max(begin_w, before_w):
            near = [(from_s, before_w if begin_s > from_s else begin_w), *(p for p in near if p[0] > from_s)]
        inside = [point for point in near if from_s < point[0] < to_s]
        return [(from_s, _on(near, from_s)), *inside, (to_s, _on(near, to_s))]


def _on(line: Sequence[tuple[float, float]], t_s: float) -> float:
    """Power at a moment, on the straight line between the points beside it; beyond the ends as there."""
    before = line[0]
    for point in line:
        if point[0] >= t_s:
            if point[0] == before[0]:
                return point[1]
            return before[1] + (point[1] - before[1]) * (t_s - before[0]) / (point[0] - before[0])
        before = point
    return before[1]


def _joules(line: Sequence[tuple[float, float]]) -> float:
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2.0 for a, b in pairwise(line))


def _doubt_j(line: Sequence[tuple[float, float]]) -> float:
    """How far off these lines can be: where power has changed, it has at either end, or between."""
    pairs = pairwise(line)
    return sum((b[0] - a[0]) * (abs(b[1] - a[1]) + SENSOR_DOUBT * (a[1] + b[1])) / 2.0 for a, b in pairs)


class GaugeIntegrator:
    """Watts told as joules since the gauge was opened: trapezoids between the calls, each of which reads it once.

    `max_w` is the most the device can draw; while its power swings, looks are `closest_s` apart in the mean.  The
    constructor lets a failing read through, `energy_j` never does.

    Faults, by the name under which they are noted:

    - ``read-failed``, ``implausible`` (below zero, beyond 1.5 x `max_w`): the last power holds until the gauge is back.
    - ``gauge-gap``: not asked for more than 2 s.  From 5 s on they are filled with the power at their end: after a
      pause that is idle, after a block that let nobody tick it is the work.  A trapezoid would take half of both.
    - ``suspended``: the machine slept in between; only waking seconds are counted.
    """

    def __init__(
        self,
        read_w: Callable[[], float],
        *,
        max_w: float,
        device: str,
        faults: FaultLog,
        closest_s: float = CLOSE_LOOK_S,
        errors: tuple[type[Exception], ...] = READ_ERRORS,
        clock: Seconds = time.monotonic,
        suspended_s: Seconds = suspended_s,
        cpu_s: Seconds = time.thread_time,
    ) -> None:
        self._read_w, self._errors = read_w, errors
        self._clock, self._suspended_s, self._cpu_s = clock, suspended_s, cpu_s
        self._device, self._faults = device, faults
        self._guard_w = GUARD * max_w

        power_w = read_w()
        if not 0.0 <= power_w <= self._guard_w:
            raise ValueError(f"{device}: the gauge shows {power_w} W on a device of {max_w} W")
        self._power_w, self._seen_s = power_w, clock()
        self._suspend_s = suspended_s()
        self._total_j = 0.0
        self._fault: str | None = None
        self._pace, self._next_look_s = Pace(closest_s), -math.inf
        self._swing_w = 0.0
        self.wander_j2 = 0.0
        """The variance of what trapezoids between the looks may have missed so far, in J²: looks at a power that
        wanders without order err by the time between them times its deviation, which shows from look to look."""

    def energy_j(self) -> float:
        """Joules since the gauge was opened."""
        fault: str | None = None
        try:
            power_w = self._read_w()
        except self._errors:
            power_w, fault = self._power_w, "read-failed"
        if not 0.0 <= power_w <= self._guard_w:
            power_w, fault = self._power_w, "implausible"
        now_s = self._clock()
        suspend_s = self._suspended_s()
        self._total_j = max(self._total_j, self._sum_j(power_w, now_s))
        if now_s - self._seen_s > GAP_S:
            self._doubt("gauge-gap", now_s)
        self.wander_j2 += self._missed_j2(power_w, now_s)
        if suspend_s - self._suspend_s > SUSPEND_S:
            self._doubt("suspended", now_s)
        in_doubt = fault or self._fault  # a held power stands at one end of this trapezoid
        if in_doubt:
            self._doubt(in_doubt, now_s)
        self._power_w, self._seen_s, self._fault = power_w, now_s, fault
        self._suspend_s = max(suspend_s, self._suspend_s)
        return self._total_j

    def watch(self) -> float:
        """Look at the gauge, if it is time; the seconds until it wants the next look."""
        now_s = self._clock()
        if now_s >= self._next_look_s:
            began_cpu_s = self._cpu_s()
            self.energy_j()
            took_s, burnt_s = self._clock() - now_s, self._cpu_s() - began_cpu_s
            self._next_look_s = now_s + self._pace.wait_s(now_s, self._power_w, took_s=took_s, burnt_s=burnt_s)
        return self._next_look_s - now_s

    def _missed_j2(self, power_w: float, now_s: float) -> float:
        swing_w, seconds = abs(power_w - self._power_w), now_s - self._seen_s
        self._swing_w = max(swing_w, FORGET ** min(1.0, seconds / LOOK_S) * self._swing_w)
        if seconds > 2.0 * LOOK_S:  # nobody looked: it may have swung as it did lately
            swing_w = self._swing_w
        return (swing_w * seconds) ** 2 / 2.0

    def _sum_j(self, power_w: float, now_s: float) -> float:
        """Joules up to now, where the gauge shows `power_w`."""
        seconds = max(now_s - self._seen_s, 0.0)
        if seconds > PAUSE_S:
            return self._total_j + power_w * seconds
        return self._total_j + (self._power_w + power_w) / 2 * seconds

    def _doubt(self, kind: str, now_s: float) -> None:
        self._faults.note(self._device, kind, self._seen_s, now_s)
        self._faults.fill(self._device, self._seen_s, now_s)


class MeanGauge(GaugeIntegrator):
    """A gauge that shows the mean power of the last `mean_s` seconds.

    A trapezoid would lag by half of that, so a cell of 3 s would lose a sixth of its work.  But such a gauge is exact
    in another way: what was used up to now is what was used up to `mean_s` ago, and the mean times `mean_s`.  So the
    joules so far are kept for that long, with straight lines between the looks.
    """

    def __init__(
        self,
        read_w: Callable[[], float],
        *,
        mean_s: float,
        max_w: float,
        device: str,
        faults: FaultLog,
        errors: tuple[type[Exception], ...] = READ_ERRORS,
        clock: Seconds = time.monotonic,
        suspended_s: Seconds = suspended_s,
    ) -> None:
        super().__init__(
            read_w,
            max_w=max_w,
            device=device,
            faults=faults,
            closest_s=LOOK_S,  # it misses nothing of what lies between
            errors=errors,
            clock=clock,
            suspended_s=suspended_s,
        )
        self._mean_s = mean_s
        self._past = deque([(self._seen_s - mean_s, -self._power_w * mean_s), (self._seen_s, 0.0)])

    def _sum_j(self, power_w: float, now_s: float) -> float:
        past, then_s = self._past, now_s - self._mean_s
        last_s, last_j = past[-1]
        if now_s <= last_s:
            return last_j
        if then_s >= last_s:  # the mean reaches back to a moment after the last look: until then as since then
            then_j = last_j + power_w * (then_s - last_s)
            past.clear()
            past.append((then_s, then_j))
        else:
            while len(past) > 2 and past[1][0] <= then_s:
                past.popleft()
            (from_s, from_j), (to_s, to_j) = past[0], past[1]
            then_j = from_j + (to_j - from_j) * (then_s - from_s) / (to_s - from_s)
        now_j = then_j + power_w * self._mean_s
        past.append((now_s, now_j))
        return now_j
