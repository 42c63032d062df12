"""Cells too short for a counter's steps: each gets what is likely, and all together what was counted.

A cell of 10 ms on a counter that moves every 100 counts nothing nine times in ten, and ten times too much the tenth.
The counts are right in their sum, the mean power of the cells before is near for each: so a cell is told the latter,
and a part of what the counter is ahead of all that was told: next to nothing of it where a cell is a hundredth of a
step, nearly all where it is several.
"""

from __future__ import annotations

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
