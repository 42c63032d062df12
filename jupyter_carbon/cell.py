"""A run as a session holds it: what it is, its readings while it runs, its window once it has ended."""

from __future__ import annotations

import threading
from types import TracebackType

from jupyter_carbon.hours import Course, Growth
from jupyter_carbon.meter.meter import Running
from jupyter_carbon.model import CarbonIntensity, CellRun, Context, Status, Window


class Cell:
    """A run that is being metered, or has been: its window and status are there once it has ended.

    `owner` is the shell's hooks, or None for a block; `told` the context that the journal knows it by.  `intensity` is
    that of its own hour, as far as it was known when the cell ended.
    """

    __slots__ = (
        "client", "course", "growth", "intensity", "owner", "region", "run", "running", "status", "thread", "told",
        "window",
    )  # fmt: skip

    def __init__(self, run: CellRun, region: str | None, owner: object) -> None:
        self.run, self.region, self.owner = run, region, owner
        self.running, self.thread = Running(), threading.get_ident()
        self.told: Context | None = None
        self.window: Window | None = None
        self.status: Status = "ok"
        self.growth = Growth(run.started_at)
        self.intensity: CarbonIntensity | None = None
        self.course: Course = ()
        self.client: str | None = None
        """Which page or client asked for the run (`header.session` of its request)."""

    @property
    def goes_on(self) -> bool:
        """Whether its devices may be at work for it still, though it has ended."""
        return self.running.tail is not None and not self.running.tail.over


class StruckOff:
    """A cell that meets a fault of ours is none of the running ones any more: that costs it its row, and no cell after
    it.  What an interrupt breaks off stays, to be ended again."""

    __slots__ = ("_cell", "_running")

    def __init__(self, running: list[Cell], cell: Cell) -> None:
        self._running, self._cell = running, cell

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and self._cell in self._running:
            self._running.remove(self._cell)
