"""The ledger as its readers know it: what SQLite holds and what still stands in journals, each run once."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from jupyter_carbon.ledger import place
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.plans import Plans
from jupyter_carbon.ledger.replay import Counted, Replay, Story, is_over, tell, told
from jupyter_carbon.ledger.rollup import Found, with_records
from jupyter_carbon.ledger.rows import Surer
from jupyter_carbon.ledger.sqlite import PAGE, Busy, Corrupt, Store
from jupyter_carbon.model import CellRecord, LedgerError

log = logging.getLogger(__name__)


class Ledger:
    """One ledger: its database, and the journals beside it.  Nothing is made or read until it is asked.

    `notice` tells what a person should know of it: that it is only read, or was damaged and begun anew.
    """

    def __init__(self, path: Path, store: Store, *, mountinfo: Path) -> None:
        self.path, self.journals = path, place.journals(path)
        self._store, self._mountinfo = store, mountinfo
        self._lock = threading.Lock()
        self._live: Replay | None = None
        self._undrained: list[Counted] = []

    @classmethod
    def open(cls, path_or_url: str | Path, *, mountinfo: Path = place.MOUNTINFO) -> Ledger:
        """The ledger at a path: a file, or a folder that holds (or will hold) ``ledger.sqlite``."""
        path = place.locate(path_or_url)
        return cls(path, Store(path, mountinfo=mountinfo), mountinfo=mountinfo)

    @property
    def notice(self) -> str | None:
        """One sentence for whoever keeps this ledger, or None."""
        return self._store.notice

    # --- off the cell's path, by the session that writes --------------------------------------------------------

    def drain(self, journal: Journal) -> int:
        """Move what this session's journal has finished into SQLite; how many rows were new.

        Costs 1.5 ms of CPU and 0.1 ms a row: every ten seconds is often enough, as readers read the journal too.
        Returns 0 when another kernel is writing just now: the rows stay in the journal for the next time.  Raises
        `LedgerError` when the file takes none: they stay as well.
        """
        journal.flush()
        if not journal.is_own or journal.path is None:
            return 0
        path = journal.path
        with self._lock:
            return self._at_once(lambda: self._drain(path))

    def sweep(self) -> int:
        """Move the journals of dead sessions into SQLite and delete them; how many rows were new."""
        with self._lock:
            return self._at_once(self._sweep)

    def settle(self, since_s: float, region: str, surer: Surer) -> int:
        """Tell stored runs of a region with surer intensities; how many changed.  0 when another kernel is writing."""
        with self._lock:
            return self._at_once(lambda: self._store.settle(since_s, region, surer))

    def _at_once(self, work: Callable[[], int]) -> int:
        try:
            try:
                return work()
            except Corrupt:
                self._live = None  # rows of ours went away with the damaged file: they are read again
                self._store.move_aside()
                return work()
        except Busy as err:
            log.debug("rows stay in %s for now", self.journals, exc_info=err)
            return 0

    def _drain(self, path: Path) -> int:
        self._store.make_ready()
        added = 0
        if self._live is None or self._live.path != path:
            # A new file: what is left in the one before, and by dead sessions, is nobody's to go on with.
            self._live, self._undrained = None, []
            added += self._sweep()
            self._live = Replay(path)
        try:
            self._undrained += self._live.read()
        except OSError as err:
            raise LedgerError(f"the journal {path} cannot be read ({err.strerror})") from err
        while self._undrained:
            added += self._store.add(list(told(self._undrained[:PAGE])))
            del self._undrained[:PAGE]
        return added

    def _sweep(self) -> int:
        self._store.make_ready()
        added, crashed, over = 0, list[Counted](), list[tuple[Path, Story]]()
        for path, story in self._each_journal(
            lambda path, far: tell(path, far=far) if is_over(path, far=far) else None
        ):
            added += self._add_unknown(story.ended)
            crashed += story.crashed
            over.append((path, story))
        # Only now: a run may have been left open in one file of its session and have ended in the next.
        added += self._add_unknown(crashed)
        for path, story in over:
            try:
                if story.unreadable:
                    path.replace(path.with_suffix(".unreadable"))  # what we do not understand is not ours to delete
                else:
                    path.unlink()
            except OSError as err:  # another sweeper was quicker, or the folder is read-only
                log.debug("%s is swept and stays", path, exc_info=err)
        return added

    def _add_unknown(self, counted: Sequence[Counted]) -> int:
        added = 0
        for start in range(0, len(counted), PAGE):
            page = counted[start : start + PAGE]
            known = self._store.known(run.run.id for run in page)
            added += self._store.add(list(told(run for run in page if run.run.id not in known)))
        return added

    # --- reading ----------------------------------------------------------------------------------------------

    def records(self, since: datetime | None = None, notebook: str | None = None) -> Iterator[CellRecord]:
        """Every run that ended or was killed, by time of begin; a finished one is there at once.

        `notebook` is a path, or the name at its end.
        """
        since_s = None if since is None else since.timestamp()
        # The journals first: what is moved from there while we read is met in SQLite, and left out here.
        journalled = self._journalled(since_s, notebook)
        by_time = sorted(journalled.values(), key=lambda counted: counted.run.started_at)
        stored = (record for record in self._stored(since_s, notebook) if record.run.id not in journalled)
        return heapq.merge(told(by_time), stored, key=lambda record: record.run.started_at)

    def roll_up(self, edges_s: Sequence[float], here: str | None = None) -> Found:
        """What was used since the first of these moments, by kind of intensity: in each slot that begins with one of
        them, and by notebook.  `here` is a notebook whose part of each slot is told apart.
        """
        journalled = self._journalled(edges_s[0], None)
        try:
            stored = self._store.roll_up(edges_s, here)
        except Corrupt:
            if self._store.move_aside() is None:
                raise
            stored = {}
        return with_records(stored, told(journalled.values()), edges_s, here)

    def of_source(self, sha1s: Collection[str], limit: int) -> list[CellRecord]:
        """The newest `limit` runs of a cell, oldest first: those whose source has one of these SHA-1s.

        Of what SQLite holds: a cell waits for the answer, and journals have no index.
        """
        try:
            stored = self._store.of_source(sha1s, limit)
        except Corrupt:
            if self._store.move_aside() is None:
                raise
            stored = []
        return sorted(stored, key=lambda record: record.run.started_at)[-limit:]

    @property
    def plans(self) -> Plans:
        """The estimates that are kept here."""
        return Plans(self._store)

    def _journalled(self, since_s: float | None, notebook: str | None) -> dict[str, Counted]:
        """The runs that stand in journals only."""
        ended: dict[str, Counted] = {}
        crashed: dict[str, Counted] = {}
        for _, story in self._each_journal(lambda path, far: tell(path, far=far)):
            ended |= {counted.run.id: counted for counted in story.ended}
            crashed |= {counted.run.id: counted for counted in story.crashed}
        journalled = {
            run_id: counted
            for run_id, counted in {**crashed, **ended}.items()
            if (since_s is None or counted.run.started_at >= since_s) and _is_in(counted.run.notebook, notebook)
        }
        for run_id in self._known(journalled):
            del journalled[run_id]
        return journalled

    def _known(self, run_ids: Iterable[str]) -> set[str]:
        try:
            return self._store.known(run_ids)
        except Corrupt:
            return set()  # `_stored` meets it again, and acts

    def _stored(self, since_s: float | None, notebook: str | None) -> Iterator[CellRecord]:
        try:
            yield from self._store.records(since_s=since_s, notebook=notebook)
        except Corrupt:
            if self._store.move_aside() is None:
                raise

    def _each_journal(self, ask: Callable[[Path, bool], Story | None]) -> Iterator[tuple[Path, Story]]:
        """What the journals tell, those that have something to tell."""
        far = place.is_network(self.path.parent, self._mountinfo)
        for path in sorted(self.journals.glob("*.jsonl")):
            try:
                story = ask(path, far)
                if story is not None:
                    yield path, story
            except FileNotFoundError:
                continue  # moved into SQLite meanwhile
            except OSError as err:
                raise LedgerError(f"the journal {path} cannot be read ({err.strerror})") from err


def _is_in(notebook: str | None, asked: str | None) -> bool:
    return asked is None or (notebook is not None and (notebook == asked or notebook.endswith(f"/{asked}")))
