"""The public functions that need a session: `jc.measure()` and `jc.history()`."""

from __future__ import annotations

from contextlib import ContextDecorator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from jupyter_carbon.footprint import record
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.history import frame
from jupyter_carbon.meter.meter import Running
from jupyter_carbon.model import CarbonError, CellRecord, CellRun, Status, Window
from jupyter_carbon.session import Cell, Session

if TYPE_CHECKING:
    import pandas as pd


def history(since: datetime | str | None = None, notebook: str | Path | None = None) -> pd.DataFrame:
    """Every cell run in the ledger as a DataFrame, oldest first; energies in joules and kWh, footprints in grams.

    `since` is a date or time (naive: local) or its ISO 8601 text; `notebook` a path or the end of one.  Raises
    `ValueError` for a date that is none, `LedgerError` for a ledger that cannot be read.
    """
    moment = datetime.fromisoformat(since.replace("Z", "+00:00")) if isinstance(since, str) else since
    if moment is not None and moment.tzinfo is None:
        moment = moment.astimezone()
    ledger = Ledger.open(Session.ledger_of_process())
    return frame(ledger.records(since=moment, notebook=None if notebook is None else str(notebook)))


class measure(ContextDecorator):
    """Meter a block, or each call of a function; `record` is there after the block.

    Outside a metered cell the block is a row of the ledger like any cell.  Inside one it is a part of that cell, which
    has its row already: the block has a record and no row.

    >>> with measure("sum") as cell:
    ...     total = sum(range(1000))
    >>> cell.record.run.label
    'sum'
    """

    def __init__(self, label: str | None = None) -> None:
        self.label = label
        self._record: CellRecord | None = None
        self._cell: Cell | None = None
        self._part: tuple[CellRun, Running] | None = None

    def _recreate_cm(self) -> measure:
        return measure(self.label)  # a function may call itself: each call has a block of its own

    @property
    def record(self) -> CellRecord:
        """What the block has cost; raises `CarbonError` before its end."""
        if self._record is None:
            raise CarbonError("the block has not ended: its record is there after the `with`")
        return self._record

    def __enter__(self) -> measure:
        session = Session.current()
        if session.running:
            self._part = (session.new_run(None, label=self.label), session.meter.mark())
        else:
            self._cell = session.begin(None, label=self.label)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        status: Status = "ok" if kind is None else "interrupted" if issubclass(kind, KeyboardInterrupt) else "error"
        session = Session.current()
        if self._part is not None:
            run, running = self._part
            window: Window = session.meter.since(running)
            self._record = record(run, window, status, session.context())
        elif self._cell is not None:
            session.end(self._cell, status)
            self._record = session.record_of(self._cell)
