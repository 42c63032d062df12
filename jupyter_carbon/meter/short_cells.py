"""Cells too short for a counter's steps: each gets what is likely, and all together what was counted.

A cell of 10 ms on a counter that moves every 100 counts nothing nine times in ten, and ten times too much the tenth.
The counts are right in their sum, the mean power of the cells before is near for each: so a cell is told the latter,
and a part of what the counter is ahead of all that was told: next to nothing of it where a cell is a hundredth of a
step, nearly all where it is several.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from jupyter_carbon.meter.edges import with_joules
from jupyter_carbon.model import Domain, GpuPresence, Reading, Window
from jupyter_carbon.value import replace

BURST_STEPS = 10.0
"""Cells whose pauses are shorter than so many steps follow each other: what the counter says between two of them was
drawn in them, but for the idle power of the pause."""
PRIOR_STEPS = 1.0
"""Steps that the expected power counts for, beside what the cells themselves have shown."""
KEPT_STEPS = 200.0
"""Cells are remembered for about so many steps: after that they say little about those of now."""
LEAST = 0.2
"""Making good never takes more than this leaves of a cell: something ran."""


class ShortCells:
    """The short cells of one device."""

    __slots__ = ("_joules", "_owed_j", "_seconds", "_step_s")

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._joules = self._seconds = self._owed_j = 0.0

    def tell(self, counted_j: float, seconds: float, *, expected_w: float) -> float:
        """Joules of a cell of `seconds` on which the counter put `counted_j`; `expected_w` where no cell was yet."""
        kept = max(0.0, 1.0 - seconds / (KEPT_STEPS * self._step_s))
        self._joules = kept * self._joules + counted_j
        self._seconds = kept * self._seconds + seconds
        prior_s = PRIOR_STEPS * self._step_s
        # A count is off by a step at most, a likely value by itself: weighed by the squares of these.
        trust = seconds**2 / (seconds**2 + self._step_s**2)
        likely_j = seconds * (self._joules + expected_w * prior_s) / (self._seconds + prior_s)
        self._owed_j += counted_j
        told_j = max(likely_j + trust * (self._owed_j - likely_j), LEAST * likely_j)
        self._owed_j -= told_j
        return told_j


class Bursts:
    """The short cells of every card, and the pauses between them."""

    __slots__ = ("_short",)

    def __init__(self) -> None:
        self._short: dict[Domain, ShortCells] = {}

    def forget(self, devices: Collection[str]) -> None:
        """What these owed is told already."""
        self._short = {d: short for d, short in self._short.items() if d.device not in devices}

    def without_burst(
        self, last: Reading, now: Reading, idle_w: Mapping[str, float], presence: Mapping[str, GpuPresence]
    ) -> Reading:
        """The reading `now`, at the end of a pause since `last` between two short cells, as if the pause had been idle:
        what the counter says beyond that moves on into the cell that follows, for it shows the cell before only now."""
        seconds = now.t_s - last.t_s
        if not self._short or seconds > BURST_STEPS * max(domain.step_s for domain in self._short):
            return now
        idle_j = {
            domain: last.energy_j[domain] + idle_w[domain.device] * seconds
            for domain in self._short
            if seconds <= BURST_STEPS * domain.step_s
            and domain.device in idle_w
            and presence.get(domain.device) in ("alone", "empty")
        }
        moved_j = {d: j for d, j in idle_j.items() if j < now.energy_j[d]}
        return with_joules(now, moved_j) if moved_j else now

    def with_likely_w(self, window: Window) -> Window:
        """A cell's window, where it is shorter than a card's step: `recent_w` holds what the card likely drew in it."""
        seconds = window.duration_s
        likely_w: dict[str, float] = {}
        for domain, counted_j in window.energy_j.items():
            if domain.component != "gpu":
                continue
            if seconds <= 0.0 or cast("float", window.elapsed_s) >= domain.step_s:
                self._short.pop(domain, None)  # what is owed is less than a step, and this cell is many
                continue
            device = domain.device
            short = self._short.get(domain)
            if short is None:
                short = self._short[domain] = ShortCells(domain.step_s)
            expected_w = max(window.recent_w.get(device, 0.0), window.idle_w.get(device, 0.0))
            likely_w[device] = short.tell(counted_j, seconds, expected_w=expected_w) / seconds
        return replace(window, recent_w={**window.recent_w, **likely_w}) if likely_w else window
