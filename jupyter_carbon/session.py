"""The composition root: settings -> sources, meter, grid, ledger.  One session a process.

`begin` and `end` are on the cell's path: two readings and two appends.  Everything else (deriving records, learning,
SQLite, slow drivers) happens on the ticker's thread after the cell.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from jupyter_carbon.boundary import Boundary
from jupyter_carbon.grid import region as regions
from jupyter_carbon.grid import static
from jupyter_carbon.ledger import default_path
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.run_id import run_id
from jupyter_carbon.meter.device_sync import synchronise
from jupyter_carbon.meter.meter import Meter, Running
from jupyter_carbon.meter.processes import ProcessTree, own_cgroup
from jupyter_carbon.meter.ticker import Ticker
from jupyter_carbon.model import (
    CellRecord,
    CellRun,
    Context,
    Interval,
    LedgerError,
    Status,
    UnknownRegion,
    Window,
)
from jupyter_carbon.power import GPU_SOURCES, GpuSource, detect
from jupyter_carbon.power.host import Host, wall_model
from jupyter_carbon.settings import Carbon

if TYPE_CHECKING:
    from jupyter_carbon.account import Account
    from jupyter_carbon.ledger.book import Ledger
    from jupyter_carbon.report.doctor import Finding

log = logging.getLogger("jupyter_carbon")

GIVEN_PUE = Interval(0.98, 1.0, 1.02)
"""A PUE that somebody states is a yearly mean of a building: good to a few per cent in one hour (assumed)."""


class Cell:
    """A run that is being metered, or has been: its window and status are there once it has ended."""

    __slots__ = ("context", "region", "run", "running", "status", "window")

    def __init__(self, run: CellRun, region: str | None, running: Running, context: Context) -> None:
        self.run, self.region, self.running, self.context = run, region, running, context
        self.window: Window | None = None
        self.status: Status = "ok"


class Session:
    """Meters this process: the cells of a notebook, or blocks of a script."""

    _current: ClassVar[Session | None] = None

    @classmethod
    def current(cls, settings: Carbon | None = None) -> Session:
        """The session of this process, opened on first use: there is one meter, one ticker, one journal."""
        if cls._current is None or cls._current.closed:
            cls._current = cls(settings or Carbon())
        return cls._current

    @classmethod
    def ledger_of_process(cls) -> Path:
        """Where this process writes, or would."""
        if cls._current is not None:
            return cls._current.ledger_path
        settings = Carbon()
        settings.fill_from(os.environ)
        return _ledger_path(settings)

    def __init__(
        self,
        settings: Carbon,
        *,
        root: Path = Path("/"),
        environ: Mapping[str, str] = os.environ,
        recording: bool = True,
    ) -> None:
        """Find the sources, the place and the ledger.  With `recording` off nothing is written (`doctor`)."""
        self.settings = settings
        self.warnings: list[str] = list(settings.fill_from(environ))
        self.id = run_id()
        self.closed = False
        self.boundary = Boundary()
        self.notebook = environ.get("JPY_SESSION_NAME")
        self._root, self._environ, self._pid = root, environ, os.getpid()
        self._running: list[Cell] = []
        self._ended: deque[Cell] = deque()
        self._account: Account | None = None
        self._kernels = 1
        self._contexts: dict[str | None, Context] = {}

        self.host = Host.detect(root, environ)
        if settings.tdp_w is not None:
            self.host = replace(self.host, tdp_w=settings.tdp_w, tdp_source="given by you", tdp_known=True)
        sources, self.refusals = detect(self.host)
        self.meter = Meter(
            sources, ProcessTree(root, cgroup=own_cgroup(root)), self.host.busy, n_cpu=self.host.logical_cpus
        )
        self.gpus_found = False
        self._warm = threading.Event()
        self.ledger_path = _ledger_path(settings)
        self._journal = self._open_journal() if recording else None
        self._ledger: Ledger | None = None
        self._ticker = Ticker(self._tick, self._has_work, first=self._warm_up, boundary=self.boundary)
        if not self._ticker.start():
            self.warnings.append("threads cannot be started here: cells are metered at their edges only")
        ours = weakref.ref(self)
        atexit.register(_close, ours)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _forget(ours))

    # --- on the cell's path -------------------------------------------------------------------------------

    def begin(
        self,
        source: str | None,
        *,
        cell_id: str | None = None,
        label: str | None = None,
        execution_count: int | None = None,
        region: str | None = None,
    ) -> Cell:
        """A cell begins now.  `source` is hashed, never kept."""
        run = self.new_run(source, cell_id=cell_id, label=label, execution_count=execution_count)
        context = self.context(region)
        self._write_begin(run, context)
        cell = Cell(run, region, self.meter.begin(), context)
        self._running.append(cell)
        self._ticker.wake()
        return cell

    def new_run(
        self,
        source: str | None,
        *,
        cell_id: str | None = None,
        label: str | None = None,
        execution_count: int | None = None,
    ) -> CellRun:
        """A name for a run that begins now."""
        sha1 = source and hashlib.sha1(source.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
        return CellRun(run_id(), self.id, cell_id, self.notebook, label, execution_count, time.time(), sha1 or None)

    @property
    def running(self) -> bool:
        """Whether a cell is being metered now."""
        return bool(self._running)

    def end(self, cell: Cell, status: Status = "ok", flags: tuple[str, ...] = ()) -> None:
        """The cell ends now: one reading, one append."""
        if self.gpus_found:
            flags += synchronise(sys.modules)
        window = self.meter.end(cell.running)
        if flags:
            window = replace(window, flags=window.flags + flags)
        cell.window, cell.status = window, status
        context = self.context(cell.region)
        if context is not cell.context:  # a GPU has joined, or the settings have changed: told with the new one
            self._write_begin(cell.run, context)
            cell.context = context
        if self._journal is not None:
            try:
                self._journal.end(cell.run.id, window, status)
            except LedgerError as err:
                self._warn(err)
        self._running.remove(cell)
        self._ended.append(cell)
        self._ticker.wake()

    def _write_begin(self, run: CellRun, context: Context) -> None:
        if self._journal is not None:
            try:
                self._journal.context(context)
                self._journal.begin(run)
            except LedgerError as err:
                self._warn(err)

    def context(self, region: str | None = None) -> Context:
        """What turns joules into a footprint here, or in another `region`; made once for each."""
        context = self._contexts.get(region)
        if context is None:
            context = self._contexts[region] = self._make_context(region)
        return context

    # --- off the path -------------------------------------------------------------------------------------

    def record_of(self, cell: Cell) -> CellRecord:
        """The record of a cell that has ended, or of one that runs up to its last tick."""
        from jupyter_carbon.footprint import record  # noqa: PLC0415  (`_warm_up`)

        window = cell.window or self.meter.so_far(cell.running)
        return record(cell.run, window, cell.status, cell.context)

    def account(self) -> Account:
        """What this session has cost up to now."""
        if self._account is None:
            from jupyter_carbon.account import Account  # noqa: PLC0415  (`_warm_up`)

            self._account = Account()
        ended = []
        while self._ended:
            ended.append(self.record_of(self._ended.popleft()))
        self._account.settle(ended, self.meter, self.context())
        return self._account

    def findings(self) -> tuple[Finding, ...]:
        """What `doctor` says: sources, machine, place, ledger, and what went wrong so far."""
        from jupyter_carbon.report.doctor import Finding, examine  # noqa: PLC0415  (when somebody asks)

        trouble = self._journal.trouble if self._journal is not None else None
        ledger = Finding(
            "ledger", "problem" if trouble else "good", f"{self.ledger_path}{f': {trouble}' if trouble else ''}"
        )
        return (
            *examine(self.host, self.meter.sources, self.refusals, self.context()),
            ledger,
            *(Finding("warning", "problem", text) for text in self.warnings),
            *(Finding("fault", "problem", text) for text in self.boundary.faults),
        )

    def reconfigure(self) -> None:
        """The settings have changed: the next cell is told by the new ones."""
        self._contexts = {}

    def close(self) -> None:
        """Settle, hand the journal over, give everything back."""
        if self.closed or os.getpid() != self._pid:
            return
        self.closed = True
        self._ticker.stop()
        self.account()
        if self._journal is not None:
            try:
                self._journal.close()
            except LedgerError as err:
                log.debug("journal not closed: %s", err)
        self.meter.close()

    def _has_work(self) -> bool:
        return bool(self._running or self._ended)

    def _tick(self) -> None:
        """Each second while a cell runs; once more when none does, to settle and hand over."""
        if self.closed:
            return
        if self._running:
            self.meter.tick()
            for cell in tuple(self._running):
                if self._journal is not None and cell.window is None:
                    try:
                        self._journal.checkpoint(cell.run.id, self.meter.so_far(cell.running))
                    except LedgerError as err:
                        self._warn(err)
        else:
            self.account()
            self._hand_over()

    def _hand_over(self) -> None:
        """Move finished runs from the journal into the ledger."""
        if self._journal is None:
            return
        if self._ledger is None:
            # SQLite has no business on a cell's path, not even its import.
            from jupyter_carbon.ledger.book import Ledger  # noqa: PLC0415

            self._ledger = Ledger.open(self.ledger_path)
        try:
            self._ledger.drain(self._journal)
        except LedgerError as err:
            self._warn(err)

    def _warm_up(self) -> None:
        """On the ticker's thread, once: what a cell's end may need is imported here, and slow drivers are opened."""
        try:
            self.account()
            for name in GPU_SOURCES:  # one by one: a machine may have cards of two makers
                sources, refusals = detect(self.host, (name,))
                self.refusals += refusals
                for source in sources:
                    self.meter.add_gpus(cast("GpuSource", source))
                    self.gpus_found = True
            if self.gpus_found:
                self.reconfigure()
        finally:
            self._warm.set()

    def wait_until_warm(self, timeout_s: float) -> bool:
        """Whether all drivers have answered within `timeout_s`; never asked on a cell's path."""
        return self._warm.wait(timeout_s)

    def _open_journal(self) -> Journal | None:
        try:
            return Journal.open(self.ledger_path, self.id)
        except LedgerError as err:
            self.warnings.append(str(err))
            return None

    def _warn(self, err: LedgerError) -> None:
        """One warning a session for each cause; the cell runs on."""
        text = str(err)
        if text not in self.warnings:
            self.warnings.append(text)
            log.warning("jupyter_carbon: %s", text)

    def _place(self, region: str | None) -> tuple[regions.Region, tuple[str, ...]]:
        refused: tuple[str, ...] = ()
        for text in (region, self.settings.region):
            if text:
                try:
                    return regions.resolve(text), refused
                except UnknownRegion as err:
                    refused = ("region-refused",)
                    if str(err) not in self.warnings:
                        self.warnings.append(str(err))
        place = regions.guess(root=self._root, environ=self._environ)
        guessed = {"time zone": ("region-guessed",), "default": ("region-unknown",)}.get(place.how, ())
        return place, refused + guessed

    def _make_context(self, region: str | None) -> Context:
        place, flags = self._place(region)
        host = self.host
        if self.settings.pue is not None:
            pue, pue_source = GIVEN_PUE.scaled(self.settings.pue), "given by you"
        else:
            pue, pue_source = static.pue(place, host.chassis)
        embodied = static.embodied_gco2e_per_h(host.chassis)
        water = static.water_l_per_kwh(place)
        idle_share = min(host.cpu_share, 1.0 / self._kernels)
        sources = self.meter.sources
        return Context(
            domains=self.meter.domains,
            n_cpu=host.logical_cpus,
            idle_share=idle_share,
            ram_share=1.0 / self._kernels,
            idle_w={device: w for source in sources for device, w in source.idle_w.items()},
            power_limit_w={device: w for source in sources for device, w in source.power_limit_w.items()},
            gpus_allotted=tuple(d for source in sources for d in getattr(source, "allotted", ())),
            wall=wall_model(host),
            pue=pue,
            pue_source=pue_source,
            intensity=static.intensity(place),
            embodied_gco2e_per_h=embodied and embodied[0].scaled(idle_share),
            embodied_source=embodied and embodied[1],
            water_l_per_kwh=water and water[0],
            water_source=water and water[1],
            flags=flags,
        )


def _ledger_path(settings: Carbon) -> Path:
    return Path(settings.ledger).expanduser() if settings.ledger else default_path()


def _close(ours: weakref.ref[Session]) -> None:
    session = ours()
    if session is not None:
        session.close()


def _forget(ours: weakref.ref[Session]) -> None:
    """In a forked child: its hooks, threads and descriptors are the parent's, so nothing here counts or writes."""
    session = ours()
    if session is not None:
        session.closed = True
        session.settings.metering = False
        if session._journal is not None:
            session._journal.abandon()
