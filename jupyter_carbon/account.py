"""What a session has cost: records of its cells, and the sum with what lies between them.  Off the cell's path."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from jupyter_carbon.footprint import NOTHING, Totals, footprint, settled
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.model import CarbonIntensity, CellRecord, Context, Footprint
from jupyter_carbon.turns import in_turns

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

    def resettle(self, surer: Callable[[CellRecord], CarbonIntensity | None]) -> None:
        """Tell cells with a surer intensity, where there is one now."""
        with self._lock:
            for index, record in enumerate(self._records):
                intensity = surer(record)
                if intensity is not None:
                    after = settled(record, intensity)
                    self._records[index] = after
                    self._totals = self._totals.with_settled(record, after)

    def settle(self, ended: Iterable[CellRecord], meter: Meter, context: Context) -> list[Footprint]:
        """Take the cells that have ended and the stretches between them, and let the meter learn from both.

        Returns what each stretch between cells has cost.
        """
        with self._lock:
            totals, between = self._totals, []
            for record in in_turns(ended):
                self._records.append(record)
                totals = totals.with_cell(record)
            for window in in_turns(meter.take_between()):
                meter.learn(window, idle=True)
                shares, _ = attribute(window, context)
                cost = footprint(shares, window.duration_s, context)
                between.append(cost)
                totals = totals.with_between(window.duration_s, cost)
            meter.learn_from_cells()
            self._totals = totals
        return between
