"""The public functions that need a session: `jc.measure()` and `jc.history()`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from datetime import date, datetime, time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_carbon.footprint import record
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.history import frame
from jupyter_carbon.meter.meter import Running
from jupyter_carbon.model import CarbonError, CellRecord, CellRun, Status
from jupyter_carbon.session import Cell, Session

if TYPE_CHECKING:
    import pandas as pd

F = TypeVar("F", bound=Callable[..., Any])

_inside: ContextVar[Cell | None] = ContextVar("jupyter_carbon_inside", default=None)
"""The block around this code, in its own thread or task: blocks of others run beside it, not inside it."""


def history(since: date | str | None = None, notebook: str | Path | None = None) -> pd.DataFrame:
    """Every cell run in the ledger as a DataFrame, oldest first; energies in joules and kWh, footprints in grams.

    `since` is a date or time (naive: local) or its ISO 8601 text; `notebook` a path or the end of one.  Raises
    `ValueError` for a date that is none, `LedgerError` for a ledger that cannot be read.
    """
    ledger = Ledger.open(Session.ledger_of_process())
    return frame(ledger.records(since=_moment(since), notebook=None if notebook is None else str(notebook)))


def _moment(since: date | str | None) -> datetime | None:
    if isinstance(since, str):
        since = datetime.fromisoformat(since.replace("Z", "+00:00"))
    if since is None:
        return None
    moment = since if isinstance(since, datetime) else datetime.combine(since, time())
    return moment if moment.tzinfo else moment.astimezone()


class measure:
    """Meter a block, or each call of a function; `record` is there after the block.

    Outside a metered cell the block is a row of the ledger like any cell.  Inside one, or inside another block, it is
    a part of that, which has its row already: the block has a record and no row.  Of a coroutine all the time until
    its end is metered; of a generator all until its last value, and what the loop around it does meanwhile.

    >>> with measure("sum") as cell:
    ...     total = sum(range(1000))
    >>> cell.record.run.label
    'sum'
    """

    def __init__(self, label: str | None = None) -> None:
        self.label = label
        self._open = False
        self._session: Session | None = None
        self._record: CellRecord | None = None
        self._cell: Cell | None = None
        self._part: tuple[CellRun, Running] | None = None

    @property
    def record(self) -> CellRecord:
        """What the block has cost; raises `CarbonError` before its end, and where it could not be metered."""
        if self._record is None:
            raise CarbonError("the block has not ended, or was not metered: its record is there after the `with`")
        return self._record

    def __call__(self, function: F) -> F:
        """Meter each call: under the label, or the function's name."""
        label = self.label or function.__qualname__

        @functools.wraps(function)
        def metered(*args: Any, **named: Any) -> Any:
            with measure(label):
                return function(*args, **named)

        @functools.wraps(function)
        async def metered_coroutine(*args: Any, **named: Any) -> Any:
            with measure(label):
                return await function(*args, **named)

        @functools.wraps(function)
        def metered_generator(*args: Any, **named: Any) -> Generator[Any, Any, Any]:
            with measure(label):
                return (yield from function(*args, **named))

        @functools.wraps(function)
        async def metered_async_generator(*args: Any, **named: Any) -> AsyncGenerator[Any, None]:
            with measure(label):
                async for value in function(*args, **named):
                    yield value

        if inspect.iscoroutinefunction(function):
            return cast("F", metered_coroutine)
        if inspect.isgeneratorfunction(function):
            return cast("F", metered_generator)
        if inspect.isasyncgenfunction(function):
            return cast("F", metered_async_generator)
        return cast("F", metered)

    def __enter__(self) -> measure:
        if self._open:
            raise CarbonError("this block is open already: each needs a measure() of its own")
        self._record = self._cell = self._part = None
        self._session = session = Session.current()
        self._open = True
        session.boundary.run(lambda: self._begin(session))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session, self._open = self._session, False
        if session is not None and session.is_of_this_process:  # else we are a child that was forked in the block
            session.boundary.run(lambda: self._end(session, _status(kind)))

    def _begin(self, session: Session) -> None:
        around = _inside.get()
        if around is None or around.window is not None or around.run.session_id != session.id:
            around = session.notebook_cell()
        if around is None:
            self._cell = session.begin(None, label=self.label)
            _inside.set(self._cell)
        else:
            self._part = session.new_run(None, label=self.label), session.meter.mark()

    def _end(self, session: Session, status: Status) -> None:
        if self._part is not None:
            run, block = self._part
            self._record = record(run, session.meter.since(block), status, session.context())
        elif self._cell is not None:
            if _inside.get() is self._cell:
                _inside.set(None)
            session.end(self._cell, status)
            self._record = session.record_of(self._cell)


def _status(kind: type[BaseException] | None) -> Status:
    if kind is None or issubclass(kind, GeneratorExit):  # a generator that nobody asks on has done its work
        return "ok"
    asyncio = sys.modules.get("asyncio")  # where nobody has loaded it, nothing can be cancelled
    interrupts = (KeyboardInterrupt, asyncio.CancelledError) if asyncio is not None else (KeyboardInterrupt,)
    return "interrupted" if issubclass(kind, interrupts) else "error"
