"""`pre_run_cell` and `post_run_cell`: where a cell begins and ends.  Short, and never heard.

Frames are paired by the identity of IPython's `info` object on a stack per thread: ipykernel 7 runs subshell cells in
threads of their own.  Depth 0 is a ledger row, inner frames are not.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from IPython import version_info

from jupyter_carbon.cell import Cell
from jupyter_carbon.model import Status
from jupyter_carbon.notebook.transform import PLAIN, Options, options_of
from jupyter_carbon.session import Session

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from jupyter_carbon.ledger.plans import Planned
    from jupyter_carbon.notebook.connection import Connection

COUNTS_FIRST = version_info >= (9, 8)
"""IPython counts the next cell up before `pre_run_cell` since 9.8, at the cell's end before that (`run_cell_async`)."""


class _Frame:
    """One run that has begun and not ended."""

    __slots__ = ("cell", "info", "options", "request")

    def __init__(self, info: ExecutionInfo, request: object) -> None:
        self.info, self.request = info, request
        self.options: Options | None = None
        self.cell: Cell | None = None


class Hooks:
    """Meters the cells of one shell with one session."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self._shell, self.session = shell, session
        self._frames = threading.local()
        self._pid = os.getpid()
        self.connection: Connection | None = None
        """To the panels, where there is a kernel."""

    def register(self) -> None:
        """From now on every cell is metered."""
        self._shell.events.register("pre_run_cell", self.pre_run_cell)
        self._shell.events.register("post_run_cell", self.post_run_cell)

    def unregister(self) -> None:
        """From now on none is."""
        self._shell.events.unregister("pre_run_cell", self.pre_run_cell)
        self._shell.events.unregister("post_run_cell", self.post_run_cell)

    def pre_run_cell(self, info: ExecutionInfo) -> None:
        """A cell is about to run."""
        self.session.boundary.run(lambda: self._begin(info))

    def post_run_cell(self, result: ExecutionResult | None) -> None:
        """A cell has run."""
        self.session.boundary.run(lambda: self._end(result))

    def _begin(self, info: ExecutionInfo) -> None:
        if os.getpid() != self._pid:
            return
        frames: list[_Frame] = self._frames.__dict__.setdefault("stack", [])
        frame = _Frame(info, self._request())
        if frames and frames[0].request != frame.request:
            frames.clear()  # the cell before never came to its end
        frames.append(frame)
        if len(frames) > 1:
            return
        if self.session.running:
            self.session.end_lost(self)
        options = options_of(info.raw_cell or "")
        if options is None and not self.session.settings.metering:
            return  # a cell that is named is metered all the same
        frame.options = options = options or PLAIN
        planned = self._expect(info.raw_cell or "", options) if options.estimate else None
        frame.cell = self.session.begin(
            info.raw_cell or "",
            cell_id=getattr(info, "cell_id", None),
            label=options.label,
            execution_count=self._count(info),
            region=options.region,
            owner=self,
        )
        if isinstance(frame.request, tuple):
            frame.cell.client = frame.request[1]
        if planned is not None:
            self.session.keep(planned, frame.cell)

    def _expect(self, raw_cell: str, options: Options) -> Planned | None:
        """Show what the cell should cost, before its metering begins; a fault of this is not the metering's."""
        from jupyter_carbon.notebook.expectation import show_expected  # noqa: PLC0415  (for cells that ask for it)

        found: list[Planned | None] = []
        self.session.boundary.run(lambda: found.append(show_expected(self.session, raw_cell, options.region)))
        return found[0] if found else None

    def _count(self, info: ExecutionInfo) -> int:
        """The number that the user will see: In[n]."""
        count: int = self._shell.execution_count
        return count - 1 if COUNTS_FIRST and info.store_history else count

    def _request(self) -> object:
        """What asked for the present run, and whose page or client that is: the same for a cell and the runs nested in
        it, another for the next cell."""
        get_parent = getattr(self._shell, "get_parent", None)
        try:
            if get_parent is not None:
                header = get_parent()["header"]
                return header["msg_id"], header.get("session")
        except (LookupError, TypeError):
            pass
        return self._shell.execution_count  # a terminal: there the number tells

    def _end(self, result: ExecutionResult | None) -> None:
        frames: list[_Frame] = self._frames.__dict__.get("stack", [])
        if os.getpid() != self._pid or not frames:
            return
        # Without a result the failure came before IPython had one: it is the newest frame's.
        depth = len(frames) - 1
        while result is not None and depth >= 0 and frames[depth].info is not result.info:
            depth -= 1
        if depth < 0:
            return
        frame = frames[depth]
        if frame.cell is not None:
            self.session.end(frame.cell, status_of(result))
        elif frame.options is not None:  # its hook was broken off
            self.session.end_lost(self, status_of(result))
        del frames[depth:]
        if frame.cell is None:
            return
        asked = frame.options is not None and frame.options.asked
        badge = self.session.settings.badge
        if badge == "always" or (asked and badge == "auto"):
            # Imported by the ticker's thread while the first cell ran (`load`): here it is a look-up.
            from jupyter_carbon.notebook.badge import show  # noqa: PLC0415

            options = frame.options or PLAIN
            notes = (options.problem, self.session.surroundings.refusal(options.region), self.session.books.trouble)
            show(self.session.record_now(frame.cell), options, [note for note in notes if note])


def is_of_page(shell: InteractiveShell) -> bool:
    """Whether the present request is a cell of a page: others (nbclient, papermill, a plain client) give no id."""
    get_parent = getattr(shell, "get_parent", None)
    try:
        return get_parent is not None and bool(get_parent()["metadata"].get("cellId"))
    except (LookupError, TypeError):
        return False


def status_of(result: ExecutionResult | None) -> Status:
    """How a cell ended."""
    if result is None:
        return "error"
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return "ok"
    return "interrupted" if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)) else "error"
