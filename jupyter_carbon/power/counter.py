"""Hardware counters, told as joules that never fall; every doubt goes to a :class:`FaultLog`.

A failing counter is answered for, never silently: the seconds in doubt are filled with the expected power and noted.
Nothing here is locked: counters and their log are read and written under the meter's lock.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

Seconds = Callable[[], float]

READ_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError)
"""What a read may raise: EACCES, ENOENT, ENODATA, EIO, and text that is no number."""

GUARD, GUARD_S = 1.5, 1.0
"""A counter that counts more than so many times the power limit over so many seconds does not count energy.  Not over
fewer: behind a hypervisor, or while a driver sleeps, what was used comes late and all at once."""
SUSPEND_S = 0.5
"""A larger jump between the two clocks is a suspended machine, a smaller one is their jitter."""
PAUSE_S = 5.0
"""Between two calls: longer than any tick, so nothing of ours ran, and power then says little about power now."""
DECENT_STEPS = 20
"""Steps of a counter in an interval whose mean power is worth remembering: the edges err by 5 % of it at most."""
EDGE_S = 1e-3
"""A meter's reading takes some microseconds, so a fault may reach that far into the window beside its own."""
LOOK_S = 0.1
"""A counter that never rests is looked at so often while cells run, so that one that stands still is found out."""
STILL_S, STILL_STEPS = 0.05, 2.0
"""A counter that does not rest, and has not moved for so long and so many of its steps, is in doubt."""
SPANS_PER_FAULT = 64


def suspended_s() -> float:
    """Seconds this machine has been suspended since it was started; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0.0
    # In this order a thread that loses its core in between answers too little, which is never a jump.
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class FaultLog:
    """Which device was in doubt, why, and over which seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._filled: dict[str, list[tuple[float, float, bool]]] = {}

    def __bool__(self) -> bool:
        return bool(self._spans)

    def note(self, device: str, kind: str, start_s: float, end_s: float) -> None:
        """Remember a fault; one that goes on where the same fault ended makes it longer."""
        spans = self._spans.setdefault((kind, device), [])
        if spans and start_s <= spans[-1][1]:
            spans[-1] = (min(spans[-1][0], start_s), max(spans[-1][1], end_s))
            return
        spans.append((start_s, end_s))
        if len(spans) > SPANS_PER_FAULT:  # the two oldest become one: memory is bounded, and no fault is forgotten
            spans[:2] = [(spans[0][0], spans[1][1])]

    def fill(self, device: str, start_s: float, end_s: float) -> None:
        """Nothing was counted in these seconds; the expected power stands for them."""
        spans = self._filled.setdefault(device, [])
        if spans and start_s <= spans[-1][1] and not spans[-1][2]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end_s), False)
            return
        spans.append((start_s, end_s, False))
        if len(spans) > SPANS_PER_FAULT:
            spans[:2] = [(spans[0][0], spans[1][1], False)]

    def restore(self, device: str) -> None:
        """The counter has told what was used in the seconds filled last: now only their parts are in doubt."""
        spans = self._filled.get(device)
        if spans:
            start_s, end_s, _ = spans[-1]
            spans[-1] = (start_s, end_s, True)

    def filled_s(self, start_s: float, end_s: float) -> dict[str, float]:
        """By device, how many of these seconds no counter vouches for; devices without any are left out."""
        filled: dict[str, float] = {}
        for device, spans in self._filled.items():
            seconds = sum(
                max(0.0, min(end_s, fill_end_s) - max(start_s, fill_start_s))
                for fill_start_s, fill_end_s, restored in spans
                if not (restored and start_s <= fill_start_s and fill_end_s <= end_s)
            )
            if seconds > 0.0:
                filled[device] = seconds
        return filled

    def during(self, start_s: float, end_s: float) -> tuple[str, ...]:
        """The faults of these seconds as ``kind:device``, each once, in the order in which they first came."""
        return tuple(
            f"{kind}:{device}"
            for (kind, device), spans in self._spans.items()
            if any(_overlap(start_s, end_s, *span) for span in spans)
        )


def _overlap(start_s: float, end_s: float, fault_start_s: float, fault_end_s: float) -> bool:
    """Whether a fault belongs to a window: more than edges that touch."""
    common_s = min(end_s, fault_end_s) - max(start_s, fault_start_s)
    shorter_s = min(end_s - start_s, fault_end_s - fault_start_s)
    return common_s >= min(EDGE_S, shorter_s / 2)


class WrappingCounter:
    """A counter that starts again past ``range_j``, told as joules since it was opened; they never fall.

    `range_j` is None where nobody knows it, `max_w` the most the device can draw, `expected_w` the power to assume
    before any was seen, `step_s` how often the counter moves.  `rests` says that the device may draw nothing, as a GPU
    asleep does; a processor never does.  A `read_j` that fails raises one of `errors`; the constructor lets it through,
    `energy_j` never does.

    Faults, by the name under which they are noted:

    - ``read-failed``: answered with the expected power; when the counter is back, the truth is restored.
    - ``stuck``: it stands still and never should, so more was used than it says, until it moves on and tells all.
    - ``counter-reset``: it fell, and not by a wrap.  ``implausible``: it rose faster than the device can draw.
    - ``uneven``: it rose faster than the device can draw, but may have told late what was used before: counted.
    - ``gap``: not asked for so long that it may have wrapped more than once.
    - ``suspended``: the machine slept, which may have cleared the counter.

    The last four drop the difference, fill its seconds with the expected power and begin again from there.
    """

    def __init__(
        self,
        read_j: Callable[[], float],
        *,
        range_j: float | None,
        max_w: float,
        expected_w: float,
        device: str,
        faults: FaultLog,
        step_s: float = 1e-3,
        rests: Callable[[], bool] = lambda: True,
        errors: tuple[type[Exception], ...] = READ_ERRORS,
        clock: Seconds = time.monotonic,
        suspended_s: Seconds = suspended_s,
    ) -> None:
        self._read_j, self._errors = read_j, errors
        self._clock, self._suspended_s = clock, suspended_s
        self._device, self._faults = device, faults
        self._range_j = range_j or 0.0  # unknown: a fall stays a fall
        self._guard_w = GUARD * max_w
        self._longest_s = range_j / self._guard_w if range_j else float("inf")
        self._step_s = step_s
        self._rests, self._still_s = rests, max(STILL_S, STILL_STEPS * step_s)
        self._standing = False
        self._room_j = self._guard_w * GUARD_S  # what may be counted at once
        self._decent_s = DECENT_STEPS * step_s
        self._recent_w = self._pause_w = expected_w

        self._asked_s = clock()  # when the last good read began: the most time its successor can cover
        self._raw_j = read_j()
        self._suspend_s = suspended_s()
        self._seen_s = self._moved_s = self._mark_s = clock()
        self._total_j = self._mark_j = 0.0  # counted, at the last good read
        self._filled_j = 0.0  # expected, since then
        self._said_j = 0.0
        self._guessing: str | None = None  # why
        self.drops = 0
        """How often a difference was dropped: what was known of the counter's moves before is known no more."""

    @property
    def guessing(self) -> bool:
        """Whether the last answer was no count, or is waited for by the count."""
        return self._standing or self._guessing is not None

    def energy_j(self) -> float:
        """Joules since the counter was opened."""
        asked_s = self._clock()
        try:
            raw_j = self._read_j()
        except self._errors:
            return self._guess_j("read-failed", self._clock())
        now_s = self._clock()
        elapsed_s = now_s - self._asked_s
        silent_s = now_s - self._moved_s if self._standing else elapsed_s
        room_j = min(self._room_j + self._guard_w * elapsed_s, self._guard_w * max(GUARD_S, silent_s))
        is_late = asked_s - self._moved_s > self._still_s
        since_move_s = now_s - self._moved_s
        if raw_j != self._raw_j or (is_late and self._rests()):
            self._moved_s = now_s
        elif is_late:
            return self._standing_j(room_j, asked_s, now_s)
        suspend_s = self._suspended_s()
        step_j = raw_j - self._raw_j
        if step_j < 0.0:
            step_j += self._range_j
        sound = (
            # It moves in steps, and the first of them may have been due just before the last read.
            0.0 <= step_j <= room_j + self._guard_w * self._step_s
            and elapsed_s <= self._longest_s
            and suspend_s - self._suspend_s <= SUSPEND_S
        )
        if sound:
            if step_j > self._guard_w * (since_move_s + self._step_s):
                self._faults.note(self._device, "uneven", self._seen_s, now_s)
            self._total_j += step_j
            self._room_j = max(0.0, room_j - step_j)
            if now_s - self._mark_s >= self._decent_s:
                self._learn_power(now_s)
        elif not math.isfinite(raw_j):
            return self._guess_j("read-failed", now_s)
        else:
            self._drop(raw_j, suspend_s - self._suspend_s, now_s)
        self._raw_j, self._asked_s = raw_j, asked_s
        if suspend_s > self._suspend_s:
            self._suspend_s = suspend_s
        if self._standing:  # what it tells now is of all the time that it stood, so whoever is told it has to know
            self._faults.note(self._device, "stuck", now_s - elapsed_s, now_s + EDGE_S / 2)
            self._faults.fill(self._device, now_s - elapsed_s, now_s)
            if sound:
                self._faults.restore(self._device)
        self._standing = False
        if self._guessing:
            self._faults.note(self._device, self._guessing, self._seen_s, now_s)
            self._faults.fill(self._device, self._seen_s, now_s)
            self._filled_j = 0.0
            if self._total_j >= self._said_j:  # else too much was said: wait here until it is true
                self._guessing = None
                if sound:
                    self._faults.restore(self._device)
        self._seen_s = now_s
        if self._total_j > self._said_j:
            self._said_j = self._total_j
        return self._said_j

    def _standing_j(self, room_j: float, asked_s: float, now_s: float) -> float:
        """The answer where it has stood still for too long; what it says next is of all the time since."""
        self._standing, self._room_j, self._asked_s = True, room_j, asked_s
        self._faults.note(self._device, "stuck", self._moved_s, now_s)
        self._faults.fill(self._device, self._moved_s, now_s)
        return self._said_j

    def _guess_j(self, why: str, now_s: float) -> float:
        """The answer without a reading.  `_total_j` stays, so the next good one restores the truth."""
        self._faults.note(self._device, why, self._seen_s, now_s)
        self._faults.fill(self._device, self._seen_s, now_s)
        self._filled_j += self._expected_j(now_s)
        self._guessing = why
        self._seen_s = now_s
        self._said_j = max(self._said_j, self._total_j + self._filled_j)
        return self._said_j

    def _drop(self, raw_j: float, suspended_s: float, now_s: float) -> None:
        """Take the expected joules for a difference that cannot be one."""
        if suspended_s > SUSPEND_S:
            kind = "suspended"
        elif now_s - self._asked_s > self._longest_s:
            kind = "gap"
        else:
            kind = "counter-reset" if raw_j < self._raw_j else "implausible"
        self.drops += 1
        self._faults.note(self._device, kind, self._seen_s, now_s)
        self._faults.fill(self._device, self._seen_s, now_s)
        self._total_j += self._filled_j + self._expected_j(now_s)
        self._mark_s, self._mark_j = now_s, self._total_j

    def _learn_power(self, now_s: float) -> None:
        """Mean power since the mark, which is moved here."""
        self._recent_w = (self._total_j - self._mark_j) / (now_s - self._mark_s)
        if now_s - self._seen_s >= PAUSE_S:
            self._pause_w = self._recent_w
        self._mark_s, self._mark_j = now_s, self._total_j

    def _expected_j(self, now_s: float) -> float:
        """Since the last call, at the power of the last interval of its kind: work that ticks, or a pause."""
        seconds = max(now_s - self._seen_s, 0.0)
        return seconds * (self._pause_w if seconds >= PAUSE_S else self._recent_w)
