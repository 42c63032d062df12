"""The composition root: settings -> sources, meter, grid, ledger.

`begin` and `end` are on the cell's path: two readings and two appends.  Everything else (deriving records, learning,
SQLite, slow drivers) happens on the ticker's thread after the cell.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from jupyter_carbon.bookkeeper import Bookkeeper
from jupyter_carbon.boundary import Boundary
from jupyter_carbon.cell import Cell, StruckOff
from jupyter_carbon.grid import region as regions
from jupyter_carbon.hours import Course, Hours
from jupyter_carbon.ledger import default_path
from jupyter_carbon.ledger.place import locate
from jupyter_carbon.ledger.run_id import run_id
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.processes import ProcessTree, own_cgroup
from jupyter_carbon.meter.ticker import Ticker
from jupyter_carbon.model import (
    CarbonIntensity,
    CellRecord,
    CellRun,
    Context,
    Footprint,
    LedgerError,
    Reading,
    Status,
    Window,
)
from jupyter_carbon.power import GPU_SOURCES, GpuSource, detect, is_present
from jupyter_carbon.power.host import Host
from jupyter_carbon.settings import Carbon
from jupyter_carbon.surroundings import Surroundings
from jupyter_carbon.tails import STILL_BUSY, Tails
from jupyter_carbon.turns import in_turns
from jupyter_carbon.unforkable import PATIENCE_S as UNFORKABLE_S
from jupyter_carbon.unforkable import Unforkable
from jupyter_carbon.upkeep import Upkeep, calibration_of
from jupyter_carbon.value import replace

if TYPE_CHECKING:
    from jupyter_carbon.account import Account
    from jupyter_carbon.estimate.outlook import Outlook
    from jupyter_carbon.grid.live import Fetch, Live
    from jupyter_carbon.ledger.book import Ledger
    from jupyter_carbon.ledger.plans import Planned
    from jupyter_carbon.meter.device_sync import Waited

    class Watcher(Protocol):
        """Who wants to see a session as it goes; called on the ticker's thread, off every cell's path."""

        def settled(self, ended: Sequence[tuple[Cell, CellRecord]], between: Sequence[Footprint]) -> None:
            """These cells have ended, and this was used while none ran; each is told once."""

        def resettled(self, changes: Sequence[tuple[CellRecord, CellRecord]]) -> None:
            """These cells are told anew, before and after; here the refresher's thread may be the caller."""

        def ticked(self, reading: Reading, running: Sequence[Cell]) -> None:
            """The counters now, and the cells that run."""


SETTLE_FROM = 256
"""Ended cells that are settled by the ticker even while another runs: they hold their readings until then."""

LOOK_AROUND_S = 5.0
"""How often a running cell asks who else meters this machine; each cell's beginning and end do as well."""

CLOSING_S = 2.0
"""How long a closing session, so an ending kernel, waits for a disk or a driver that does not answer.  Nothing is lost
by not waiting: every finished cell is in the journal since its own end."""


NEWEST = 256
"""Cells that have ended and are kept in memory: until they are in the ledger, a cell's history is looked up here."""


class Session:
    """Meters this process: the cells of a notebook, or blocks of a script."""

    def __init__(
        self,
        settings: Carbon,
        *,
        root: Path = Path("/"),
        environ: Mapping[str, str] = os.environ,
        recording: bool = True,
        forked: bool = False,
        fetch: Fetch | None = None,
    ) -> None:
        """Find the sources, the place and the ledger.  With `recording` off nothing is written (`doctor`, and a child
        that was `forked` from a process that is metered).

        `fetch` asks a live grid source; without it, over the network.
        """
        self.settings = settings
        refused = settings.fill_from(environ)
        self.id = run_id()
        self.closed = False
        self.boundary = Boundary()
        self._unforkable = Unforkable()
        self.notebook = environ.get("JPY_SESSION_NAME")
        self._environ, self._pid, self._forked, self._fetch = environ, os.getpid(), forked, fetch
        self._running: list[Cell] = []
        self._ended: deque[Cell] = deque()
        self._newest: deque[Cell] = deque(maxlen=NEWEST)
        self._planned: deque[tuple[Planned, Cell]] = deque()
        self._account: Account | None = None
        self._stale = False
        self._lock = threading.RLock()  # re-entrant: a signal may land on a thread that holds it
        self._settling = threading.Lock()
        self._watcher: Watcher | None = None
        self._comes: Callable[[], Watcher] | None = None
        self._called = False
        self._next_look_s = 0.0
        self._soon: deque[Callable[[], object]] = deque()

        self.surroundings = Surroundings(
            settings,
            root,
            environ,
            sources=lambda: self.meter.sources,
            inside_another=forked,
            calibration=partial(calibration_of, environ),
        )
        sources, self.refusals = detect(self.host)
        self.meter = Meter(
            sources,
            ProcessTree(root, cgroup=own_cgroup(root)),
            self.host.busy,
            n_cpu=self.host.logical_cpus,
            idle_w=known.idle_w if (known := self.surroundings.calibration) else None,
        )
        self.gpus_found = self._gpus_awaited = False
        self._warm, self._looked = threading.Event(), threading.Event()
        self.hours = Hours(self._make_live, lambda region: self.surroundings.place(region)[0])
        self.books = Bookkeeper(ledger_of(settings), self.id, recording=recording)
        self.upkeep = Upkeep(
            self.meter,
            self.surroundings,
            hours=self.hours,
            books=self.books,
            boundary=self.boundary,
            refusals=lambda: self.refusals,
            environ=environ,
            reconfigure=self.reconfigure,
        )
        self._tails = Tails(self.meter, self.books)
        self.note(*refused)
        self._ticker = Ticker(
            self._tick,
            self._has_work,
            first=self._warm_up,
            woken=self._woken,
            last=self._finish,
            pause=self.meter.watch,
            boundary=self.boundary,
        )
        if not self._ticker.start():
            self.note("threads cannot be started here: cells are metered at their edges only")
        ours = weakref.ref(self)
        atexit.register(_close, ours)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=lambda: _make_way(ours),
                after_in_child=lambda: _forget(ours),
            )

    # --- on the cell's path -------------------------------------------------------------------------------

    def begin(
        self,
        source: str | None,
        *,
        cell_id: str | None = None,
        label: str | None = None,
        execution_count: int | None = None,
        region: str | None = None,
        owner: object = None,
    ) -> Cell:
        """A cell begins now.  `source` is hashed, never kept."""
        if self._stale and not self._running:
            self._renew()
        run = self.new_run(source, cell_id=cell_id, label=label, execution_count=execution_count)
        cell = Cell(run, region, owner)
        self._running.append(cell)  # first of all: what an interrupt leaves half done, `end_lost` ends
        if owner is None:  # a block: nobody comes to end it
            with StruckOff(self._running, cell):
                self._begin(cell)
        else:
            self._begin(cell)
        self._ticker.wake()
        self.meter.release(cell.running)
        return cell

    def _begin(self, cell: Cell) -> None:
        self._tell_begin(cell, self.context(cell.region))
        self.meter.begin(cell.running)

    def new_run(
        self,
        source: str | None,
        *,
        cell_id: str | None = None,
        label: str | None = None,
        execution_count: int | None = None,
    ) -> CellRun:
        """A name for a run that begins now."""
        sha1 = sha1_of(source) if source else None
        return CellRun(run_id(), self.id, cell_id, self.notebook, label, execution_count, time.time(), sha1)

    @property
    def running(self) -> bool:
        """Whether a cell is being metered now."""
        return bool(self._running)

    @property
    def open_cells(self) -> tuple[Cell, ...]:
        """The cells that are being metered now."""
        return tuple(self._running)

    def notebook_cell(self) -> Cell | None:
        """The notebook's cell that is being metered now, if one is."""
        return next((cell for cell in self._running if cell.owner is not None), None)

    def end(self, cell: Cell, status: Status = "ok", flags: tuple[str, ...] = ()) -> None:
        """The cell ends now: one reading, one append.  To be called again if an interrupt broke it off."""
        with StruckOff(self._running, cell):
            if cell.window is None:
                self._read_end(cell, status, flags)
            self._write_end(cell)
            if self._watcher is not None and cell.window is not None and cell.window.duration_s > self._ticker.period_s:
                self._ticker.hurry()  # somebody waits for the number of a cell that took its time
        self._ticker.wake()
        self.books.say()

    def _read_end(self, cell: Cell, status: Status, flags: tuple[str, ...]) -> None:
        if cell.running.began is None:
            flags += ("begun-late",)
        waited: Waited = "none"
        if self.gpus_found:
            from jupyter_carbon.meter.device_sync import synchronise  # noqa: PLC0415  (imported with the first GPU)

            waited = synchronise(sys.modules)
            if waited == "unsure" and self.meter.gpus.is_blind:
                flags += (STILL_BUSY,)
            self.meter.arrive(cell.running)  # what was waited for is the cell's
        if self.hours.clock_is_wrong(cell.region):
            flags += ("clock-wrong",)
        if self._gpus_awaited:
            flags += ("gpu-awaited",)
        window = self.meter.end(cell.running, waited=waited == "all")
        if flags:
            window = replace(window, flags=window.flags + flags)
        cell.status, cell.window = status, window

    def _write_end(self, cell: Cell) -> None:
        with self._lock:
            if cell not in self._running or cell.window is None:
                return
            self._tell_begin(cell, self.context(cell.region))
            cell.intensity, cell.course = self._hour_of(cell, cell.window)
            tail = cell.running.tail
            goes_on = tail is not None
            self.books.end(cell.run, cell.window, cell.status, cell.intensity, cell.course, goes_on=goes_on)
            if tail is not None:
                self._tails.add(cell, tail)
            self._running.remove(cell)
        self._ended.append(cell)
        self._newest.append(cell)
        if not self._ticker.running and len(self._ended) >= SETTLE_FROM:
            self.account()

    def _hour_of(self, cell: Cell, window: Window) -> tuple[CarbonIntensity | None, Course]:
        if not self.hours.knows(cell.region):
            return None, ()
        elapsed_s = window.duration_s if window.elapsed_s is None else window.elapsed_s
        course = cell.growth.course(window, cell.told or self.context(cell.region))
        return self.hours.of(cell.region, cell.run.started_at, elapsed_s, course), course

    def keep(self, planned: Planned, cell: Cell) -> None:
        """What was expected of a cell goes to the ledger beside what it took, once it has ended; off the path."""
        self._planned.append((planned, cell))

    def end_lost(self, owner: object, status: Status = "interrupted") -> None:
        """End what `owner` has begun on this thread and did not end: an interrupt that lands in a hook is swallowed
        with the rest of that hook."""
        thread = threading.get_ident()
        for cell in tuple(self._running):
            if cell.owner is owner and cell.thread == thread:
                self.boundary.run(lambda cell=cell: self.end(cell, status))  # type: ignore[misc]

    def _tell_begin(self, cell: Cell, context: Context) -> None:
        """The journal knows the cell by this context from now on: at first, when a GPU has joined in mid-cell, and
        when another kernel has come or gone."""
        if cell.told is not context:
            self.books.begin(cell.run, context)
            cell.told = context  # after it: an interrupt in between tells twice, which is stored once

    def context(self, region: str | None = None) -> Context:
        """What turns joules into a footprint here, or in another `region`."""
        return self.surroundings.context(region)

    # --- off the path -------------------------------------------------------------------------------------

    def record_of(self, cell: Cell) -> CellRecord:
        """The record of a cell that has ended, or of one that runs up to its last tick."""
        from jupyter_carbon.footprint import record  # noqa: PLC0415  (`_warm_up`)

        window, intensity, course = cell.window, cell.intensity, cell.course
        if window is None:
            window = self.meter.so_far(cell.running)
            intensity, course = self._hour_of(cell, window)
        context = cell.told or self.context(cell.region)
        return record(cell.run, window, cell.status, context, intensity, course)

    def record_now(self, cell: Cell) -> CellRecord:
        """The same, to be shown at once: it says where the device may go on, and the row be told once more."""
        record = self.record_of(cell)
        return replace(record, flags=(*record.flags, STILL_BUSY)) if cell.goes_on else record

    def newest_of(self, sha1s: Collection[str], limit: int) -> list[CellRecord]:
        """The newest of this session's runs of these sources, oldest first: the ledger may not have them yet."""
        cells = [cell for cell in tuple(self._newest) if cell.run.source_sha1 in sha1s]
        return [self.record_of(cell) for cell in cells[-limit:]]

    def intensity(self, region: str | None = None) -> CarbonIntensity:
        """What the electricity carries now, as far as it is known in memory."""
        return self.hours.of(region, time.time(), 0.0) or self.context(region).intensity

    def account(self) -> Account:
        """What this session has cost up to now."""
        with self._settling:
            self._follow()
            if self._account is None:
                from jupyter_carbon.account import Account  # noqa: PLC0415  (`_warm_up`)

                self._account = Account()
            cells = [self._ended.popleft() for _ in range(len(self._ended))]
            ended = [(cell, self.record_of(cell)) for cell in in_turns(cells)]
            records = [record for _, record in ended]
            between = self._account.settle(records, self.meter, self.context(), self._hour_between())
            if self._watcher is not None:
                self._watcher.settled(ended, between)
            return self._account

    def _follow(self) -> None:
        """Tell cells whose devices went on after their end; `_settling` is held."""
        told = self._tails.tell()
        if told and self._account is not None:
            changes = [change for cell in told if (change := self._account.retell(self.record_of(cell))) is not None]
            if changes and self._watcher is not None:
                self._watcher.resettled(changes)

    def _follow_no_more(self) -> None:
        if self._tails:
            self.meter.leave()
            with self._settling:
                self._follow()

    def _hour_between(self) -> Callable[[Reading, Reading], CarbonIntensity | None]:
        """What the electricity carried between two readings, which tell the monotonic clock."""
        epoch_s = time.time() - time.monotonic()
        return lambda a, b: self.hours.of(None, a.t_s + epoch_s, b.t_s - a.t_s)

    def watch(self, comes: Callable[[], Watcher]) -> None:
        """Somebody may look: `comes` is called on the ticker's thread, where its imports delay no cell, when a page's
        cell runs (it has an id) or when somebody is sure to look (`call`)."""
        self._comes = comes

    def call(self) -> None:
        """Somebody does look."""
        self._called = True
        self._ticker.hurry()

    def soon(self, do: Callable[[], object]) -> None:
        """Have something done when the next cell has begun, on the ticker's thread: an import that its end may need."""
        self._soon.append(do)

    def tick_every(self, period_s: float) -> None:
        """How often a running cell is looked at."""
        self._ticker.period_s = period_s

    def _let_in(self) -> None:
        if self._comes is not None and (self._called or any(cell.run.cell_id for cell in self.open_cells)):
            self._watcher, self._comes = self._comes(), None
            self._watcher.ticked(self.meter.tick(), self.open_cells)

    def outlook(self) -> Outlook:
        """The grid here, now and in the coming day, as far as it is known in memory; off the cell's path."""
        from jupyter_carbon.estimate.outlook import outlook  # noqa: PLC0415  (when a panel asks)

        live, now_s = self.hours.live, time.time()
        average, marginal = (live.timeline(self.place, method) for method in ("average", "marginal"))
        asking = live.refresh_soon() or live.is_asking
        return outlook(average, now_s, marginal=marginal.known_at(now_s), asking=asking)

    @property
    def host(self) -> Host:
        """The machine."""
        return self.surroundings.host

    @property
    def ledger_path(self) -> Path:
        """Where rows go."""
        return self.books.path

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong so far, and what was refused."""
        return tuple(self.books.warnings)

    def note(self, *texts: str) -> None:
        """For the doctor to tell."""
        self.books.note(*texts)

    @property
    def place(self) -> regions.Region:
        """Where this session takes its electricity, and how that is known."""
        return self.surroundings.place()[0]

    @property
    def is_of_this_process(self) -> bool:
        """False in a forked child."""
        return os.getpid() == self._pid

    def take(self, settings: Carbon) -> None:
        """Go on with other settings."""
        self.settings = self.surroundings.settings = settings
        self.note(*settings.fill_from(self._environ))
        self.reconfigure()

    def reconfigure(self) -> None:
        """The settings have changed: the next cell is told by the new ones."""
        self._stale = True
        self.hours.forget()
        self.surroundings.renew()

    def _renew(self) -> None:
        """Between two cells: what cannot change under one that runs."""
        self._stale = False
        if self.surroundings.rate():
            from jupyter_carbon.power.cpu_model import CpuModel  # noqa: PLC0415  (once, after somebody gave watts)

            for source in self.meter.sources:
                if isinstance(source, CpuModel):
                    self.meter.swap(source, CpuModel.open(self.host))
            self.surroundings.renew()
        self._follow_no_more()  # its rows are in this ledger
        self.books.move(ledger_of(self.settings))

    def close(self) -> None:
        """Hand the journal over and give everything back; what does not answer is not waited for long."""
        if self.closed or not self.is_of_this_process:
            return
        self.closed = True
        self._ticker.stop(CLOSING_S)
        self.books.say()

    def _finish(self) -> None:
        """On the ticker's thread, as its last act."""
        for cell in tuple(self._running):
            self.end(cell, "interrupted", ("session-closed",))
        self._follow_no_more()
        self.books.close()
        self.meter.close()

    def _has_work(self) -> bool:
        return bool(self._running or self._ended or self._tails or (self._comes and self._called))

    def _woken(self) -> None:
        self._look_around()
        while self._soon and (self._running or self._ended):
            with self._unforkable:
                self._soon.popleft()()
        self._let_in()

    def _tick(self) -> None:
        """Each second while a cell runs; once more when none does, to settle and hand over."""
        if self.closed:
            return
        if not (self._running or self._tails) or time.monotonic() >= self._next_look_s:
            self._look_around()
        with self._unforkable:
            self.hours.look(self.surroundings.asked_for)
        self._let_in()
        followed = bool(self._running or self._tails)
        reading = self.meter.tick() if followed or self._watcher is not None else None
        if self._running:
            with self._settling:
                self._follow()
            for cell in tuple(self._running):
                self._checkpoint(cell)
            if len(self._ended) >= (SETTLE_FROM if self._watcher is None else 1):
                self.account()
        else:
            self.account()
            if not self._tails:
                with self._unforkable:
                    self.books.hand_over(self._settle)
        if self._watcher is not None and reading is not None:
            self._watcher.ticked(reading, self.open_cells)

    def _checkpoint(self, cell: Cell) -> None:
        with self._lock:
            if cell.window is not None or cell.running.began is None or not self.books.recording:
                return
            self._tell_begin(cell, self.context(cell.region))
            window = self.meter.so_far(cell.running)
            if self.hours.knows(cell.region):
                cell.growth.tick(window, self.context(cell.region))
            self.books.checkpoint(cell.run.id, window, *self._hour_of(cell, window))

    def _look_around(self) -> None:
        """See who else meters this machine: idle power and memory are shared among all who do."""
        self._next_look_s = time.monotonic() + LOOK_AROUND_S
        others = self.books.others(self.host.memory_group)
        if others is not None:
            self.surroundings.share_with(others.count, others.in_memory, inside_another=others.above)
        self._foresee()

    def _foresee(self) -> None:
        """What the next cell's begin would have to put into words, off its path."""
        for region in self.surroundings.asked_for:
            self.books.foresee(self.context(region))

    def _settle(self, ledger: Ledger) -> None:
        """Tell rows with the surer intensities that have come since, and expectations with what came of them."""
        self._settle_hours(ledger)
        self._settle_plans(ledger)

    def _settle_hours(self, ledger: Ledger) -> None:
        if not self.hours.has_unsettled:
            return
        account = self.account()
        with self._settling:  # who watches hears of a cell's end first
            changes = self.hours.settle(account)
            if changes and self._watcher is not None:
                self._watcher.resettled(changes)
        self.hours.settle_rows(ledger)

    def _settle_plans(self, ledger: Ledger) -> None:
        """Keep what was expected of the cells that have ended; of one that failed nothing can be learned."""
        while self._planned and self._planned[0][1].window is not None and not self._planned[0][1].goes_on:
            planned, cell = self._planned[0]
            if cell.status == "ok":
                actual_kwh = self.record_of(cell).footprint.facility_energy_kwh.likely
                ledger.plans.keep(replace(planned, actual_kwh=actual_kwh))
            self._planned.popleft()

    def _warm_up(self) -> None:
        """On the ticker's thread, once: what a cell's end may need is imported here, and slow drivers are opened."""
        try:
            with self._unforkable:
                self.meter.tick()  # children that were there before: what they did till now is no cell's
                self._look_around()
                self.account()
                self.hours.look(self.surroundings.asked_for)
                self._foresee()
            self._looked.set()
            # One by one: a machine may have cards of two makers.  None in a forked child, where a driver that the
            # parent has begun may never answer, and where the parent counts what is used anyway.
            for name in () if self._forked else GPU_SOURCES:
                with self._unforkable:
                    self._gpus_awaited = is_present(name, self.host)
                    sources, refusals = detect(self.host, (name,))
                self.refusals += refusals
                for source in sources:
                    import jupyter_carbon.meter.device_sync  # noqa: F401, PLC0415  (so that no cell's end has to)

                    self.meter.add_gpus(cast("GpuSource", source))
                    self.gpus_found = self.gpus_found or bool(source.domains)
                self._gpus_awaited = False
            if self.gpus_found:
                self.surroundings.renew()
                self._foresee()
            self._let_in()
        finally:
            self._warm.set()
        if self.gpus_found:
            self._ticker.pause()  # a cell that begins now finds known when the counters move

    def _make_live(self) -> Live:
        from jupyter_carbon.grid.live import Live  # noqa: PLC0415  (on the ticker's thread, for a named place)

        return Live(
            grid_beside(self.books.path),
            self._environ,
            enabled=self.settings.live and self.books.recording,
            provider=self.settings.provider,
            area=self.settings.area,
            fetch=self._fetch,
            on_news=self._on_grid_news,
            guard=self.boundary.run,
            whole=self._unforkable,
        )

    def _on_grid_news(self) -> None:
        """On the refresher's thread: the cells of these hours may be settled, though the ticker sleeps."""
        self.hours.has_news()
        if self.books.ledger is not None and not self._running:
            try:
                with self._unforkable:
                    self._settle_hours(self.books.ledger)
            except LedgerError as err:
                self.books.warn(str(err))

    def wait_for_hours(self, timeout_s: float) -> bool:
        """Whether what the tables know of its place's hours is at hand within `timeout_s`."""
        return self._looked.wait(timeout_s)

    def wait_until_warm(self, timeout_s: float) -> bool:
        """Whether all drivers have answered within `timeout_s`; never asked on a cell's path."""
        return self._warm.wait(timeout_s)


def sha1_of(source: str) -> str:
    """What a cell's code is known by; the code itself is never kept."""
    return hashlib.sha1(source.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def ledger_of(settings: Carbon) -> Path:
    """Where rows go by these settings."""
    return Path(settings.ledger).expanduser() if settings.ledger else default_path()


def grid_beside(ledger: Path) -> Path:
    """Where live sources' answers lie: beside the ledger, as its journals do."""
    try:
        return locate(ledger).with_suffix(".grid")
    except LedgerError:  # at a URL
        return default_path().with_suffix(".grid")


def _close(ours: weakref.ref[Session]) -> None:
    session = ours()
    if session is not None:
        session.close()


def _make_way(ours: weakref.ref[Session]) -> None:
    """A script forks while nothing is metered: our thread, if it is the only other one, is not there, and is started
    again with the next block.  Python 3.12 warns of a fork beside a thread, and rightly: the child has the locks that
    the thread held, and nobody who lets them go."""
    session = ours()
    if session is not None and not session._running and session.is_of_this_process and threading.active_count() == 2:
        session._ticker.send_away(UNFORKABLE_S)


def _forget(ours: weakref.ref[Session]) -> None:
    """In a forked child: its hooks, threads and descriptors are the parent's, so nothing here counts or writes."""
    session = ours()
    if session is not None:
        # No setting is changed here: whoever observes it may wait for a lock that a thread of the parent's held.
        session.closed = True
        session.books.abandon()
