"""What a session writes: its journal on the cell's path, the ledger behind it, and what went wrong with either."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_carbon.ledger.journal import Course, Journal
from jupyter_carbon.model import CarbonIntensity, CellRun, Context, LedgerError, Status, Window

if TYPE_CHECKING:
    from jupyter_carbon.ledger.book import Ledger
    from jupyter_carbon.ledger.neighbours import Neighbours, Sessions

log = logging.getLogger("jupyter_carbon")


class Bookkeeper:
    """Keeps the rows of one session; whatever it cannot write is a warning, told once, never a cell's fault."""

    def __init__(self, path: Path, session_id: str, *, recording: bool) -> None:
        self.path, self.recording = path, recording
        self._session_id = session_id
        self.warnings: list[str] = []
        self._unsaid: list[str] = []
        self._no_journal = "nothing is recorded here"
        self.ledger: Ledger | None = None
        self._neighbours: Neighbours | None = None
        self._journal = self._open() if recording else None

    # --- on the cell's path -------------------------------------------------------------------------------

    def begin(self, run: CellRun, context: Context) -> None:
        """A run begins, or goes on under another context."""
        if self._journal is not None:
            try:
                self._journal.context(context)
                self._journal.begin(run)
            except LedgerError as err:
                self.warn(str(err))

    def end(
        self,
        run: CellRun,
        window: Window,
        status: Status,
        intensity: CarbonIntensity | None,
        course: Course,
        *,
        goes_on: bool = False,
    ) -> None:
        """A run has ended: one append.  `goes_on`: its devices may, so it will be told once more."""
        if self._journal is not None:
            try:
                try:
                    self._journal.end(run.id, window, status, intensity, course, goes_on=goes_on)
                except KeyError:  # an interrupt broke its first end off: what is told twice is stored once
                    self._journal.begin(run)
                    self._journal.end(run.id, window, status, intensity, course, goes_on=goes_on)
            except LedgerError as err:
                self.warn(str(err))

    def say(self) -> None:
        """Tell the warnings of late, on a thread of the user's: the ticker's words land in whatever cell is at hand."""
        if self._unsaid:
            unsaid, self._unsaid = self._unsaid, []
            for text in unsaid:
                log.warning("jupyter_carbon: %s", text)

    # --- off the path -------------------------------------------------------------------------------------

    def warn(self, text: str) -> None:
        """One warning a session for each cause; the cell runs on."""
        if text not in self.warnings:
            self.note(text)
            self._unsaid.append(text)

    def note(self, *texts: str) -> None:
        """For the doctor, and not said aloud."""
        self.warnings += texts

    def say_all(self) -> None:
        """Also what was only noted: in a script no line of ours at its begin speaks of notes."""
        self._unsaid += self.warnings

    @property
    def trouble(self) -> str | None:
        """Why rows cannot be written now, if they cannot."""
        return self._no_journal if self._journal is None else self._journal.trouble

    def foresee(self, context: Context) -> None:
        """A run may soon begin under this context: its words are found now, and not on the cell's path."""
        if self._journal is not None:
            self._journal.foresee(context)

    def checkpoint(self, run_id: str, window: Window, intensity: CarbonIntensity | None, course: Course) -> None:
        """What an open run has cost so far."""
        if self._journal is not None:
            try:
                self._journal.checkpoint(run_id, window, intensity, course)
            except LedgerError as err:
                self.warn(str(err))

    def others(self, memory_group: str | None) -> Sessions | None:
        """Who else meters this machine, and shares the memory of `memory_group`; `None`: not looked at."""
        if self._journal is None:
            return None
        if self._neighbours is None:
            from jupyter_carbon.ledger.neighbours import Neighbours  # noqa: PLC0415  (on the ticker's thread)

            self._neighbours = Neighbours(self._journal.folder, memory_group=memory_group)
        return self._neighbours.look(time.monotonic())

    def hand_over(self, settle: Callable[[Ledger], None]) -> None:
        """Move finished runs from the journal into the ledger, then `settle` what is there."""
        if self._journal is None:
            return
        try:
            if self.ledger is None:
                # SQLite has no business on a cell's path, not even its import.
                from jupyter_carbon.ledger.book import Ledger  # noqa: PLC0415

                self.ledger = Ledger.open(self.path)
            self.ledger.drain(self._journal)
            settle(self.ledger)
            if self.ledger.notice is not None:  # it was damaged, and has been begun anew
                self.warn(self.ledger.notice)
        except LedgerError as err:
            self.warn(str(err))

    def move(self, path: Path) -> None:
        """Go on in another ledger."""
        if path != self.path and self.recording:
            if self._journal is not None:
                self._journal.close()
            self.path, self.ledger, self._neighbours = path, None, None
            self._journal = self._open()

    def close(self) -> None:
        """Let go of the journal; what it holds is handed over by whoever comes next."""
        if self._journal is not None:
            self._journal.close()
        if self._neighbours is not None:
            self._neighbours.leave()

    def abandon(self) -> None:
        """In a forked child: the journal is the parent's."""
        if self._journal is not None:
            self._journal.abandon()

    def _open(self) -> Journal | None:
        try:
            return Journal.open(self.path, self._session_id)
        except (LedgerError, OSError) as err:  # a URL; a name that no file can have
            self._no_journal = f"rows are not stored: {err}"
            self.warn(self._no_journal)
            return None
