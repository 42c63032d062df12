"""The public functions that need a session: `jc.measure()`, `jc.history()`, `jc.track()`, `jc.intensity()` and
`jc.best_start()`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta, timezone
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jupyter_carbon.cell import Cell
from jupyter_carbon.footprint import footprint, record
from jupyter_carbon.grid import region as regions
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Running
from jupyter_carbon.model import CarbonError, CarbonIntensity, CellRecord, CellRun, Method, Status
from jupyter_carbon.process import ThisProcess
from jupyter_carbon.session import Session
from jupyter_carbon.units import J_PER_KWH

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_carbon.estimate.advice import Advice, Job
    from jupyter_carbon.estimate.tracking import Progress, Show
    from jupyter_carbon.grid.timeline import Timeline

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_inside: ContextVar[Cell | None] = ContextVar("jupyter_carbon_inside", default=None)
"""The block around this code, in its own thread or task: blocks of others run beside it, not inside it."""


def history(since: date | str | None = None, notebook: str | Path | None = None) -> pd.DataFrame:
    """Every cell run in the ledger as a DataFrame, oldest first; energies in joules and kWh, footprints in grams.

    `since` is a date or time (naive: local) or its ISO 8601 text; `notebook` a path or the end of one.  Raises
    `ValueError` for a date that is none, `LedgerError` for a ledger that cannot be read.
    """
    # Here: a first `measure` in a cell waits for this module, and needs no SQLite.
    from jupyter_carbon.ledger.book import Ledger  # noqa: PLC0415
    from jupyter_carbon.ledger.history import frame  # noqa: PLC0415

    ledger = Ledger.open(ThisProcess.ledger_path())
    return frame(ledger.records(since=_moment(since), notebook=None if notebook is None else str(notebook)))


def _moment(since: date | str | None) -> datetime | None:
    if isinstance(since, str):
        since = datetime.fromisoformat(since.replace("Z", "+00:00"))
    if since is None:
        return None
    moment = since if isinstance(since, datetime) else datetime.combine(since, time())
    return moment if moment.tzinfo else moment.astimezone()


WAIT_S = 2.0
"""How long a person who asks about a grid waits for its live source at most; what is known by then is the answer."""


def intensity(
    region: str | None = None,
    at: datetime | str | None = None,
    *,
    method: Method = "average",
    wait_s: float = WAIT_S,
) -> CarbonIntensity:
    """What electricity carries in a region (this machine's, if none is named) at a moment (now, if none is given).

    The surest that is known: a measured slot, the source's estimate, its forecast, the hour of the day in an average
    month, the year; `status`, `source`, `start` and `end` say which.  A time without a zone is this machine's clock.
    `method="marginal"` is another quantity, and needs a source of its own.  Raises `UnknownRegion`,
    `IntensityUnavailable`.
    """
    moment = _moment(at) or datetime.now(timezone.utc)
    return _timeline(region, method, wait_s).at(moment.timestamp())


def best_start(
    hours: float | str | timedelta,
    region: str | Sequence[str] | None = None,
    within: float | str | timedelta = "48h",
    interruptible: bool = False,
    *,
    forecast: Iterable[tuple[datetime, float]] | None = None,
    energy_kwh: float | None = None,
    restart_gco2e: float = 0.0,
    idle_w: float = 0.0,
    method: Method = "average",
    now: datetime | None = None,
    wait_s: float = WAIT_S,
) -> Advice:
    """When to start a job of so many hours, so that it ends `within` the given span and emits least.

    `interruptible`: it may pause and go on.  Several regions are compared with starting now in the first.  `forecast`
    is used instead of the region's own numbers: pairs of an aware start and g/kWh, the first start being now.  With
    `energy_kwh` the answer has grams, and what each start (`restart_gco2e`) and waiting (`idle_w`, your share) cost is
    counted.  Raises `ValueError` that names the field, `UnknownRegion`, `IntensityUnavailable`.
    """
    from jupyter_carbon.estimate.advice import Job, advise, best_of  # noqa: PLC0415  (when somebody asks)
    from jupyter_carbon.estimate.coming import AS_GIVEN, Signal, hours_of, slots_given  # noqa: PLC0415

    job = Job(hours_of("hours", hours), interruptible, energy_kwh, restart_gco2e, idle_w)
    job.check()
    within_h = hours_of("within", within)
    if not job.hours <= within_h <= 24 * 366:
        raise ValueError(f"within={within!r} is not possible; it must lie between hours={hours!r} and a year")
    names = [region] if region is None or isinstance(region, str) else list(region)
    if not names:
        raise ValueError("region=[] names no region")
    if forecast is None:
        now_s = (now or datetime.now(timezone.utc)).timestamp()
        return best_of([_advice(_timeline(name, method, wait_s), job, now_s, within_h) for name in names])
    if len(names) > 1:
        raise ValueError("forecast is of one place: give one region with it")
    pairs = list(forecast)
    slots = slots_given(pairs)
    now_s = slots[0].start_s if now is None else now.timestamp()
    place = regions.resolve(names[0]) if names[0] else ThisProcess.place()
    signal = Signal(place.code, place.name, AS_GIVEN, AS_GIVEN, "forecast", AS_GIVEN)
    zone = min(pairs, key=lambda pair: pair[0])[0].tzinfo
    return advise(slots, signal, job, now_s=now_s, end_s=now_s + within_h * 3600.0, zone=zone)


def _advice(timeline: Timeline, job: Job, now_s: float, within_h: float) -> Advice:
    from jupyter_carbon.estimate.advice import advise  # noqa: PLC0415
    from jupyter_carbon.estimate.coming import slots_of  # noqa: PLC0415

    end_s = now_s + within_h * 3600.0
    slots, signal = slots_of(timeline, now_s, end_s, job.hours)
    return advise(slots, signal, job, now_s=now_s, end_s=end_s)


def _timeline(region: str | None, method: Method, wait_s: float) -> Timeline:
    place = regions.resolve(region) if region else ThisProcess.place()
    live = ThisProcess.live()
    timeline = live.timeline(place, method)
    live.refresh_within(wait_s)
    return timeline


def track(steps: Iterable[T], total: int | None = None) -> Iterator[T]:
    """The items of `steps`, while a bar says what the whole loop will cost: energy and grams of the facility, with a
    range that shrinks and closes.

    In a notebook the bar stands under the cell and is replaced in place, in a terminal it is one line; a file or a
    pipe gets the last line only.  `total` is how many steps there are where `len(steps)` cannot say; without either
    nothing is shown.  A fault of the meter or of the display never becomes the loop's.

    >>> for batch in track(loader): ...        # doctest: +SKIP
    """
    from jupyter_carbon.estimate import tracking  # noqa: PLC0415  (when somebody asks)

    session = ThisProcess.session()
    show: Show = _kernel_bar() or tracking.Terminal(sys.stderr)

    def shown(progress: Progress) -> None:
        session.boundary.run(lambda: show(progress))

    grams = session.intensity().gco2e_per_kwh
    yield from tracking.track(steps, energy_j=_Joules(session), show=shown, total=total, gco2e_per_kwh=grams)


def _kernel_bar() -> Show | None:
    """A bar under the cell, where this is a kernel.  What knows IPython stands above us: it is found by its name."""
    if "ipykernel" not in sys.modules:
        return None
    bar: Show | None = import_module("jupyter_carbon.notebook.progress").bar_of_kernel()
    return bar


class _Joules:
    """Joules of this process so far, carried to the facility; one stretch is read after the other."""

    def __init__(self, session: Session) -> None:
        self._session, self._total_j = session, 0.0
        self._block = session.meter.mark()

    def __call__(self) -> float:
        if self._session.is_of_this_process:  # else we are a child that was forked in the loop
            self._session.boundary.run(self._count)
        return self._total_j

    def _count(self) -> None:
        session, block = self._session, self._block
        self._block = session.meter.mark()
        window, context = session.meter.since(block), session.context()
        shares, _ = attribute(window, context)
        self._total_j += footprint(shares, window.duration_s, context).facility_energy_kwh.likely * J_PER_KWH


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
        self._tell: Callable[[], CellRecord] | None = None
        self._record: CellRecord | None = None
        self._cell: Cell | None = None
        self._part: tuple[CellRun, Running] | None = None

    @property
    def record(self) -> CellRecord:
        """What the block has cost; raises `CarbonError` before its end, and where it could not be metered."""
        if self._record is None:
            if self._tell is None:
                raise CarbonError("the block has not ended, or was not metered: its record is there after the `with`")
            self._record = self._tell()  # when it is asked for: most blocks only want their row
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
        self._record = self._tell = self._cell = self._part = None
        self._session = session = ThisProcess.session()
        self._open = True
        session.boundary.run(lambda: self._begin(session))
        if self._cell is not None:
            session.meter.release(self._cell.running)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session, self._open = self._session, False
        if session is not None and session.is_of_this_process:  # else we are a child that was forked in the block
            if self._cell is not None:
                session.meter.arrive(self._cell.running)
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
            self._tell = functools.partial(record, run, session.meter.since(block), status, session.context())
        elif self._cell is not None:
            if _inside.get() is self._cell:
                _inside.set(None)
            session.end(self._cell, status)
            self._tell = functools.partial(session.record_now, self._cell)


def _status(kind: type[BaseException] | None) -> Status:
    if kind is None or issubclass(kind, GeneratorExit):  # a generator that nobody asks on has done its work
        return "ok"
    asyncio = sys.modules.get("asyncio")  # where nobody has loaded it, nothing can be cancelled
    interrupts = (KeyboardInterrupt, asyncio.CancelledError) if asyncio is not None else (KeyboardInterrupt,)
    return "interrupted" if issubclass(kind, interrupts) else "error"
