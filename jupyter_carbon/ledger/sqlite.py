"""The rows in SQLite: one file, many kernels that write at once, and every way in which a disk can refuse.

A connection lives for one operation (about 1 ms, never on the cell's path): it crosses no thread and no fork, and
meets a file that was moved, deleted or restored meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from jupyter_carbon.ledger.liveness import lock
from jupyter_carbon.ledger.place import MOUNTINFO, is_network
from jupyter_carbon.ledger.rollup import Found, roll_up_stored
from jupyter_carbon.ledger.rows import RowReader, RowSettler, RowWriter, Surer
from jupyter_carbon.ledger.schema import APPLICATION_ID, MIGRATIONS
from jupyter_carbon.model import CellRecord, LedgerError
from jupyter_carbon.turns import in_turns

log = logging.getLogger(__name__)

T = TypeVar("T")

WRITE_WAIT_S = 0.5
"""How long a write waits for another kernel's; after that it is tried again with the next drain, nothing being lost."""

READ_WAIT_S = 10.0
"""How long a reader waits: a person asked."""

PAGE = 500
"""Rows of one transaction: some 50 ms for those who wait behind it."""

OURS_SUFFIXES = frozenset({".sqlite", ".sqlite3", ".db"})

Kind = Literal["absent", "fresh", "ours", "newer", "foreign", "corrupt"]
JournalMode = Literal["wal", "delete"]
Access = Literal["rw", "ro"]


class Busy(LedgerError):
    """Another process holds the file; the same call will do later."""


class Corrupt(LedgerError):
    """The file is damaged, or is no database."""


class Store:
    """The ledger's database.  `notice` tells what a person should know: that it was replaced, or is only read."""

    def __init__(
        self,
        path: Path,
        *,
        mountinfo: Path = MOUNTINFO,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
    ) -> None:
        self.path = path
        self.notice: str | None = None
        self._mountinfo, self._migrations = mountinfo, migrations
        self._ready: tuple[int, int] | None = None
        self._settled = False

    # --- what is asked of it ----------------------------------------------------------------------------------

    def make_ready(self) -> None:
        """Make the file, bring its tables up to date and choose how it is written: once for each file seen there."""
        if self._is_ready():
            return
        kind = self._kind()
        if kind == "corrupt":
            raise Corrupt(f"{self.path} is damaged")
        if kind in ("newer", "foreign"):
            raise LedgerError(self.notice or "")
        self._create()
        mode = self._best_mode(kind)
        self._migrate()
        if mode == "wal":
            self._switch_to_wal()
        self._ready = _identity(self.path)

    def add(self, records: Iterable[CellRecord]) -> int:
        """Store the records that are not there yet, in one transaction; how many were new.

        Raises `Busy` to be tried again, `LedgerError` where the file takes no rows.
        """
        self.make_ready()
        with self._connection("rw", WRITE_WAIT_S) as db:
            db.execute("BEGIN IMMEDIATE")
            rows = RowWriter(db)
            return sum(rows.add(record) for record in in_turns(records))

    def settle(self, since_s: float, region: str, surer: Surer) -> int:
        """Tell the runs of a region with the intensities that are surer by now; how many changed.

        Raises `Busy` to be tried again, `LedgerError` where the file takes no rows.
        """
        self.make_ready()
        settled, after, seen = 0, 0, PAGE
        with self._connection("rw", WRITE_WAIT_S) as db:
            rows = RowSettler(db)
            while seen == PAGE:
                db.execute("BEGIN IMMEDIATE")
                seen, after, changed = rows.page(after, since_s, region, surer, PAGE)
                db.execute("COMMIT")  # others write between two pages
                settled += changed
        return settled

    def known(self, run_ids: Iterable[str]) -> set[str]:
        """Those of these runs that are stored."""
        if not self._is_ready() and self._kind() not in ("ours", "newer"):
            return set()
        with self._connection("ro", READ_WAIT_S) as db:
            asked = "SELECT id FROM run WHERE id = ?"
            return {run_id for run_id in run_ids if db.execute(asked, (run_id,)).fetchone()}

    def records(self, *, since_s: float | None = None, notebook: str | None = None) -> Iterator[CellRecord]:
        """The stored records by time of begin.  No transaction is open between two of them: nobody waits for a
        reader that dawdles."""
        kind = self._kind()
        if kind == "corrupt":
            raise Corrupt(f"{self.path} is damaged")
        if kind not in ("ours", "newer"):
            return
        after = (-1e300 if since_s is None else since_s, 0)  # number 0 is before every row of that moment
        while True:
            with self._connection("ro", READ_WAIT_S) as db:
                page = RowReader(db).page(after, notebook, PAGE)
            yield from page.values()
            if len(page) < PAGE:
                return
            number, last = page.popitem()
            after = (last.run.started_at, number)

    def of_source(self, sha1s: Iterable[str], limit: int) -> list[CellRecord]:
        """The newest `limit` stored runs of each of these sources."""

        def each(db: sqlite3.Connection) -> list[CellRecord]:
            rows = RowReader(db)
            return [record for sha1 in sha1s for record in rows.of_source(sha1, limit)]

        return self.read(each) or []

    def write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do `work` in one transaction of a file that is up to date."""
        self.make_ready()
        with self._connection("rw", WRITE_WAIT_S) as db:
            db.execute("BEGIN IMMEDIATE")
            work(db)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `work` finds; `None` where there is no ledger yet."""
        kind = self._kind()
        if kind == "corrupt":
            raise Corrupt(f"{self.path} is damaged")
        if kind not in ("ours", "newer"):
            return None
        with self._connection("ro", READ_WAIT_S) as db:
            return work(db)

    def roll_up(self, edges_s: Sequence[float], here: str | None) -> Found:
        """What the runs since the first edge used, by slot and by notebook."""
        return self.read(lambda db: roll_up_stored(db, edges_s, here)) or {}

    def move_aside(self) -> Path | None:
        """Put a corrupt file under another name, never delete it; None when somebody has already done so."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
        try:
            with self.path.open("rb") as held:
                # Two kernels that find the damage move one file.
                first = lock(held.fileno()) is not False
                if not first or os.fstat(held.fileno()).st_ino != self.path.stat().st_ino or self._is_sound():
                    return None
                for suffix in ("-wal", "-shm", "-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")
                os.replace(self.path, aside)
        except FileNotFoundError:
            return None
        except OSError as err:
            raise LedgerError(f"{self.path} is damaged and cannot be put aside ({err.strerror})") from err
        self.notice = f"the ledger {self.path} was damaged: it was kept as {aside.name}, and a new one begun"
        return aside

    # --- what file is it --------------------------------------------------------------------------------------

    def _kind(self) -> Kind:
        """What lies at the path; sets the notice for what is only read."""
        if not os.path.exists(self.path):  # False, too, for a folder that we may not enter
            return "absent"
        self._leave_wal_on_network()
        try:
            with self._connection("ro", READ_WAIT_S) as db:
                (application_id,) = db.execute("PRAGMA application_id").fetchone()
                (version,) = db.execute("PRAGMA user_version").fetchone()
                (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except Corrupt:
            if self.path.suffix in OURS_SUFFIXES:
                return "corrupt"
            application_id, version, tables = -1, 0, 0
        if application_id == 0 and version == 0 and tables == 0:
            return "fresh"
        if application_id != APPLICATION_ID:
            self.notice = f"{self.path} is not a ledger of jupyter_carbon: it is left as it is; rows stay in journals"
            return "foreign"
        if version > len(self._migrations):
            self.notice = (
                f"{self.path} was written by a newer jupyter_carbon (format {version}, this one knows "
                f"{len(self._migrations)}): it is opened read-only, and new rows wait in journals until you upgrade"
            )
            return "newer"
        return "ours"

    def _is_ready(self) -> bool:
        try:
            return _identity(self.path) == self._ready
        except OSError:
            return False

    def _create(self) -> None:
        """An empty file is an empty database; SQLite itself would make one that others can read."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as err:
            raise LedgerError(
                f"the ledger {self.path} cannot be written ({err.strerror}); nothing stored is lost.  Set "
                "JUPYTER_CARBON_LEDGER to a path that can be written"
            ) from err

    def _migrate(self) -> None:
        with self._connection("rw", READ_WAIT_S) as db:
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for number, statements in enumerate(self._migrations[version:], start=version + 1):
                for statement in statements:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number:d}")
                db.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")

    def _is_sound(self) -> bool:
        try:
            with self._connection("ro", READ_WAIT_S) as db:
                return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except Corrupt:
            return False

    # --- how it is written ------------------------------------------------------------------------------------

    def _best_mode(self, kind: Kind) -> JournalMode:
        """WAL, where a writer hinders no reader; the rollback journal where WAL is unsafe; else `LedgerError`, and the
        journals are the ledger."""
        folder = self.path.parent
        if kind == "ours":
            with self._connection("ro", READ_WAIT_S) as db:
                if db.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                    return "wal"
        if not is_network(folder, self._mountinfo) and probe(folder, "wal"):
            return "wal"
        if probe(folder, "delete"):
            return "delete"
        self.notice = f"SQLite does not work in {folder}: rows stay in the journals beside it, and are read there"
        raise LedgerError(self.notice)

    def _leave_wal_on_network(self) -> None:
        """Turn a file of ours that came to a network home in WAL mode back to the rollback journal, before anything
        reads it through shared memory.  The header has fixed offsets: https://sqlite.org/fileformat.html (section 1.3).
        """
        if self._settled:
            return
        self._settled = True
        if not is_network(self.path.parent, self._mountinfo):
            return
        try:
            with self.path.open("rb") as file:
                header = file.read(100)
        except OSError:
            return  # whoever opens it says why
        in_wal, version, application_id = header[18:20] == b"\x02\x02", header[60:64], header[68:72]
        if in_wal and _number(application_id) == APPLICATION_ID and _number(version) <= len(self._migrations):
            try:
                with self._connection("rw", READ_WAIT_S, alone=True) as db:
                    db.execute("PRAGMA journal_mode = DELETE")
            except LedgerError as err:  # a read-only home: there it is only read
                log.debug("%s stays in WAL mode", self.path, exc_info=err)

    def _switch_to_wal(self) -> None:
        """After the tables are made, so that the file itself says whose it is.  The switch does not wait for others by
        itself (https://sqlite.org/pragma.html#pragma_journal_mode)."""
        give_up = time.monotonic() + READ_WAIT_S
        while True:
            try:
                with self._connection("rw", READ_WAIT_S) as db:
                    db.execute("PRAGMA journal_mode = WAL")
                    return
            except Busy:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.01)

    @contextlib.contextmanager
    def _connection(self, access: Access, wait_s: float, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection for one operation: committed at its end, rolled back by an error, told in our words.

        `alone`: with the file for itself, which in WAL mode needs no shared memory.
        """
        try:
            with contextlib.closing(_open(self.path, access, wait_s, alone=alone)) as db, db:
                yield db
        except sqlite3.Error as err:
            raise _told(err, self.path, access) from err


def _open(path: Path, access: Access, wait_s: float, *, alone: bool) -> sqlite3.Connection:
    def connect(options: str, *, alone: bool) -> sqlite3.Connection:
        db = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, timeout=wait_s, isolation_level=None)
        try:
            if alone:
                db.execute("PRAGMA locking_mode = EXCLUSIVE")
            # A power cut may take the newest rows, never the file: https://sqlite.org/pragma.html#pragma_synchronous
            db.execute("PRAGMA synchronous = NORMAL" if access == "rw" else "PRAGMA query_only = ON")
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.Error:
            db.close()
            raise
        return db

    try:
        return connect(f"mode={access}", alone=alone)
    except sqlite3.OperationalError as err:
        if access == "rw" or _is_busy(err):
            raise
        # No room or no right for WAL's shared memory: a full disk, a read-only home.  Without rows in the WAL nobody
        # writes now; else it is read alone, which needs no such memory.
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size > 0:
            return connect("mode=rw", alone=True)
        return connect("mode=ro&immutable=1", alone=False)


def probe(folder: Path, mode: JournalMode) -> bool:
    """Whether two connections can write and exclude each other in this folder, tried on a throw-away database: some
    file systems answer `wal` and then fail for good."""
    path = folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}.sqlite"
    try:
        with (
            contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as one,
            contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as two,
        ):
            if one.execute(f"PRAGMA journal_mode = {mode}").fetchone() != (mode,):
                return False
            one.execute("CREATE TABLE probe (x)")
            one.execute("BEGIN IMMEDIATE")
            one.execute("INSERT INTO probe VALUES (1)")
            if not _is_kept_out(two):
                return False
            one.execute("COMMIT")
            two.execute("INSERT INTO probe VALUES (2)")
            return bool(one.execute("SELECT count(*) FROM probe").fetchone() == (2,))
    except sqlite3.Error as err:
        log.debug("%s does not work in %s", mode, folder, exc_info=err)
        return False
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{path}{suffix}")


def _is_kept_out(second: sqlite3.Connection) -> bool:
    try:
        second.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    return False


def _told(err: sqlite3.Error, path: Path, access: Access) -> LedgerError:
    """SQLite's error in our words.  Python 3.10 has no `sqlite_errorcode`: the class and SQLite's fixed texts tell."""
    text = str(err)
    if _is_busy(err):
        return Busy(f"another program has held {path} for {READ_WAIT_S:.0f} s; try again")
    if type(err) is sqlite3.DatabaseError:  # SQLITE_CORRUPT and SQLITE_NOTADB; other codes have a class of their own
        return Corrupt(f"{path} is damaged ({text})")
    if access == "ro":
        return LedgerError(f"{path} cannot be read ({text})")
    return LedgerError(f"{path} takes no rows ({text}); nothing stored is lost, and new rows wait in journals")


def _is_busy(err: sqlite3.Error) -> bool:
    return "locked" in str(err) or "locking protocol" in str(err)


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")
