"""What a session has cost: records of its cells, and the sum with what lies between them.  Off the cell's path."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from jupyter_carbon.footprint import NOTHING, Totals, footprint, settled
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.tail import without
from jupyter_carbon.model import CarbonIntensity, CellRecord, Context, Footprint, Reading, Window
from jupyter_carbon.turns import in_turns

HourOf = Callable[[Reading, Reading], "CarbonIntensity | None"]

KEPT_RECORDS = 1000
"""Records kept in memory; the ledger has them all."""


class Account:
    """Adds up one session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[CellRecord] = deque(maxlen=KEPT_RECORDS)
        self._totals = NOTHING

    @property
    def records(self) -> tuple[CellRecord, ...]:
        """The newest finished cells, oldest first."""
        return tuple(self._records)

    @property
    def totals(self) -> Totals:
        """The session so far."""
        return self._totals

    def resettle(self, surer: Callable[[CellRecord], CarbonIntensity | None]) -> list[tuple[CellRecord, CellRecord]]:
        """Tell cells with a surer intensity, where there is one now: each that changes, before and after."""
        changes = []
        with self._lock:
            for index, record in enumerate(self._records):
                intensity = surer(record)
                if intensity is not None:
                    after = settled(record, intensity)
                    self._records[index] = after
                    self._totals = self._totals.with_retold(record, after)
                    changes.append((record, after))
        return changes

    def retell(self, after: CellRecord) -> tuple[CellRecord, CellRecord] | None:
        """Tell one cell anew, by the intensity that it has here: before and after; None if it is not known here."""
        with self._lock:
            for index in range(len(self._records) - 1, -1, -1):
                before = self._records[index]
                if before.run.id == after.run.id:
                    if before.first is not None:
                        after = settled(after, before.intensity)
                    self._records[index] = after
                    self._totals = self._totals.with_retold(before, after)
                    return before, after
        return None

    def settle(
        self, ended: Iterable[CellRecord], meter: Meter, context: Context, hour_of: HourOf = lambda a, b: None
    ) -> list[Footprint]:
        """Take the cells that have ended and the stretches between them, and let the meter learn from both.

        `hour_of` tells what the electricity carried between two readings, where more than the context's year is known.
        Returns what each stretch between cells has cost.
        """
        with self._lock:
            totals, between = self._totals, []
            for record in in_turns(ended):
                self._records.append(record)
                totals = totals.with_cell(record)
            for a, b in in_turns(meter.take_stretches()):
                window = _between(meter, a, b)
                shares, _ = attribute(window, context)
                intensity = hour_of(a, b)
                then = context if intensity is None else replace(context, intensity=intensity)
                cost = footprint(shares, window.duration_s, then)
                between.append(cost)
                totals = totals.with_between(window.duration_s, cost)
            meter.learned.from_cells()
            self._totals = totals
        return between


def _between(meter: Meter, a: Reading, b: Reading) -> Window:
    """A stretch between cells, less what devices went on doing in it for the cell before; the rest is learned from."""
    window, tail = meter.between(a, b), meter.take_tail(a)
    after = None if tail is None else meter.after(tail)
    if tail is None or after is None:
        meter.learned.from_pause(window)
        return window
    if not tail.is_cut:
        meter.learned.from_pause(meter.between(tail.end, b))
    return without(window, after)
