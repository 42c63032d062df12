"""The session's own journal: what was counted, appended with one write before the cell's reply goes out.

JSON lines, each a list that begins with its kind:

``["journal", 1, session, host, pid, born]``
    the first line of a file: whose it is.
``["context", number, {...}]``
    what turns the counts of the runs that name it into a footprint.
``["begin", id, context, cell, notebook, label, execution_count, started_at, sha1]``
    alone, it is a cell that was killed in its first second.
``["checkpoint" | "tail" | "end", id, status, [duration_s, tree_cpu_s, machine_busy_s, joules by domain ...],
[idle_w, recent_w, j_per_cpu_s, gpu_presence, edge_s, filled_s, wander_j], gpu_busy_s, elapsed_s, flags, after,
{intensity}, [[second, share] ...]]``
    the counts so far; of a run that has ended, but whose devices may go on, so that it will be told once more; of the
    whole run.  The last two only where more than the year is known of its hour.  `after` is null, or what devices did
    after the run's end: ``[duration_s, [joules by device, idle_w, gpu_busy_s, gpu_presence, filled_s]]``.
``["moved"]``, ``["closed"]``
    the last line of a file that grew too long, whose open runs go on in the next; and of a session that ended in order.

The kernel of the machine has the line when `write` returns, so it survives `kill -9` of ours.  A session's files are
never written again once it is gone.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from jupyter_carbon.ledger import liveness, place
from jupyter_carbon.ledger.liveness import Writer
from jupyter_carbon.model import CarbonIntensity, CellRun, Context, Domain, LedgerError, Status, Window
from jupyter_carbon.value import asdict, value

log = logging.getLogger(__name__)

FORMAT = 1

CHECKPOINT_S = 1.0
"""How often a running cell is checkpointed: what a killed one can lose."""

LARGEST_BYTES = 1 << 20
"""A file longer than this is followed by a new one: what reading a living session's journal may cost."""

MOST_WAITING = 1000
"""Runs kept in memory while the disk takes none (2 to 3 kB each): then the oldest is lost."""

Course = tuple[tuple[float, float], ...]

_quoted = json.encoder.encode_basestring_ascii  # what `_json` does with a text, without its ways to get there
_json = json.JSONEncoder(separators=(",", ":")).encode  # ASCII only: a line can be cut nowhere inside a character


@value
class _Known:
    """A context and its line."""

    context: Context
    domains: tuple[Domain, ...]
    number: int
    line: bytes


class _Open:
    """A run that began and has not ended."""

    __slots__ = ("begin", "checkpoint", "known")

    def __init__(self, known: _Known, begin: bytes) -> None:
        self.known, self.begin, self.checkpoint = known, begin, b""

    def lines(self) -> bytes:
        """All that a new file must know of it."""
        return self.known.line + self.begin + self.checkpoint


class Journal:
    """Appends to the journal of one session, in the process that opened it and in no forked child.

    Safe from several threads.  When a write fails the first call that meets it raises `LedgerError`; the runs that
    end from then on wait in memory, in bounded number, until `flush` or `checkpoint` finds the disk well again.
    """

    def __init__(self, folder: Path, session_id: str, *, largest_bytes: int = LARGEST_BYTES) -> None:
        self.folder, self.session_id = folder, session_id
        self.path: Path | None = None
        self.trouble: str | None = None
        self.lost_runs = 0
        self._largest_bytes = largest_bytes
        self._pid = os.getpid()
        self._lock = threading.RLock()  # re-entrant: a signal may land on a thread that holds it
        self._descriptor = -1
        self._place: tuple[int, int] | None = None
        self._size_bytes = 0
        self._torn = False
        self._told = False
        self._closed = False
        self._contexts: dict[int, _Known] = {}
        self._current = threading.local()
        self._written: set[int] = set()
        self._open: dict[str, _Open] = {}
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._learned: tuple[Mapping[str, object], ...] = ()
        self._learned_json = ""
        self._intensity: CarbonIntensity | None = None
        self._intensity_json = ""
        self._next_number = 0

    @classmethod
    def open(cls, ledger: Path, session_id: str) -> Journal:
        """The journal of a new session, beside its ledger (a path that `Ledger.open` takes).

        Raises nothing for a folder that cannot be written: the first `begin` does.
        """
        journal = cls(place.journals(place.locate(ledger)), session_id)
        journal.flush()
        return journal

    # --- on the cell's path -----------------------------------------------------------------------------------

    def context(self, context: Context) -> None:
        """What the runs that this thread begins from now on are told with; free of charge for the same object again.

        Cells of a subshell run at the same time as the notebook's, and may have another region.
        """
        known: _Known | None = getattr(self._current, "known", None)
        if known is None or known.context is not context:
            self._current.known = self.foresee(context)

    def begin(self, run: CellRun) -> None:
        """A run begins, under the context that this thread gave last."""
        if os.getpid() != self._pid:
            return
        known: _Known | None = getattr(self._current, "known", None)
        if known is None:
            raise ValueError("a journal is told its context before its first run")
        text = (
            f'["begin",{_quoted(run.id)},{known.number},{_text(run.cell_id)},{_text(run.notebook)},{_text(run.label)},'
            f"{'null' if run.execution_count is None else run.execution_count},{run.started_at:.6f},"
            f"{_text(run.source_sha1)}]\n"
        )
        line = text.encode("ascii")
        with self._lock:
            self._open[run.id] = _Open(known, line)
            if known.number not in self._written:
                line = known.line + line
                self._written.add(known.number)
            self._append(line)

    def end(
        self,
        run_id: str,
        window: Window,
        status: Status,
        intensity: CarbonIntensity | None = None,
        course: Course = (),
        *,
        goes_on: bool = False,
    ) -> None:
        """A run ended; KeyError for one that never began, or was told for good.  `intensity` is that of its own time,
        if it is known.  `goes_on`: its devices may, so it is told once more."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            run, kind = self._open[run_id], "tail" if goes_on else "end"
            line = self._line(kind, run_id, status, window, run.known, self._grid(intensity, course))
            if goes_on:
                run.checkpoint = line
                self._append(line)
            else:
                del self._open[run_id]
                self._append(line, run)

    # --- on the ticker's thread -------------------------------------------------------------------------------

    def foresee(self, context: Context) -> _Known:
        """Put into words what a run may soon be told with; nothing is written yet."""
        with self._lock:
            known = self._contexts.get(id(context))
            if known is None:
                number = len(self._contexts)
                line = f'["context",{number},{_json(context.to_dict())}]\n'.encode("ascii")
                known = self._contexts[id(context)] = _Known(context, context.domains, number, line)
            return known

    def checkpoint(
        self, run_id: str, window: Window, intensity: CarbonIntensity | None = None, course: Course = ()
    ) -> None:
        """What an open run has cost so far; nothing for a run that has ended meanwhile."""
        self.flush()
        if os.getpid() != self._pid:
            return
        with self._lock:
            run = self._open.get(run_id)
            if run is None:
                return
            grid = self._grid(intensity, course)
            run.checkpoint = self._line("checkpoint", run_id, None, window, run.known, grid)
            self._append(run.checkpoint)

    def flush(self) -> None:
        """Write what waits, and go on in a new file where this one is long, lost or was never made."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._closed:
                return
            try:
                if self._descriptor < 0 or not self._is_in_place():
                    self._begin_file()
                elif not self._move_if_long() and self.trouble is not None:
                    self._write(b"".join(run.lines() for run in self._open.values()) or b"\n")
                while self._waiting:
                    self._write(self._waiting[0])
                    self._waiting.popleft()
            except OSError as err:
                self._failed(err)
            else:
                if self.trouble is not None:
                    self._written.clear()  # a context may be lost with its runs: it is written again
                self.trouble, self._told = None, False

    def close(self) -> None:
        """Write what waits and let go; a run that is still open becomes `crashed` to those who read."""
        self.flush()
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._descriptor >= 0 and self.trouble is None:
                try:
                    self._write(b'["closed"]\n')
                except OSError as err:
                    self._failed(err)
            self._closed = True
            self._let_go()

    def abandon(self) -> None:
        """In a forked child: give up the descriptor, by which the parent's lock would outlive the parent."""
        if os.getpid() != self._pid:
            self._let_go()

    @property
    def is_own(self) -> bool:
        """Whether this is the process that opened it, and it is still open."""
        return os.getpid() == self._pid and not self._closed

    # --- how a line is made and written -----------------------------------------------------------------------

    def _grid(self, intensity: CarbonIntensity | None, course: Course) -> str:
        if intensity is None:
            return ""
        if intensity is not self._intensity:  # the cells of one slot have one and the same
            self._intensity, self._intensity_json = intensity, _json(asdict(intensity))
        return f",{self._intensity_json},{_json(course) if course else '[]'}"

    def _line(self, kind: str, run_id: str, status: Status | None, window: Window, known: _Known, grid: str) -> bytes:
        energy_j = window.energy_j
        numbers: list[float | None] = [window.duration_s, window.tree_cpu_s, window.machine_busy_s]
        if tuple(energy_j) == known.domains:  # by identity: quicker than looking each up
            numbers += energy_j.values()
        else:
            numbers += [energy_j.get(domain) for domain in known.domains]
        learned = (
            window.idle_w,
            window.recent_w,
            window.j_per_cpu_s,
            window.gpu_presence,
            window.edge_s,
            window.filled_s,
            window.wander_j,
        )
        if learned != self._learned:
            self._learned = tuple(dict(by_device) for by_device in learned)
            self._learned_json = _json([_finite(by_device) for by_device in learned])
        return (
            f'["{kind}",{_quoted(run_id)},{_text(status)},{_numbers(numbers)},{self._learned_json},'
            f"{_json(window.gpu_busy_s) if window.gpu_busy_s else '{}'},"
            f"{'null' if window.elapsed_s is None else _numbers([window.elapsed_s])[1:-1]},"
            f"{_json(window.flags) if window.flags else '[]'},"
            f"{'null' if window.after is None else _after(window.after)}{grid}]\n"
        ).encode("ascii")

    def _append(self, line: bytes, ended: _Open | None = None) -> None:
        """One write; or, while the disk takes none, the ended run is put aside with all that tells it."""
        if not self._waiting and self.trouble is None:
            try:
                self._write(line)
            except OSError as err:
                self._failed(err)
            else:
                return
        if ended is not None:
            if len(self._waiting) == MOST_WAITING:
                self.lost_runs += 1
            self._waiting.append(ended.known.line + ended.begin + line)
        if not self._told and not self._closed:
            self._told = True
            raise LedgerError(
                f"cells are metered, but their rows cannot be written to {self.folder} ({self.trouble}); the last "
                f"{MOST_WAITING} wait in memory and are written as soon as that works"
            )

    def _write(self, line: bytes) -> None:
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._size_bytes += written
        self._torn = written < len(line) if written else self._torn
        if written < len(line):
            # The next call would tell why; a disk that takes a part of a line is full.
            raise OSError(f"only {written} of {len(line)} bytes were taken; the disk may be full")

    def _failed(self, err: OSError) -> None:
        self.trouble = err.strerror or str(err)
        log.debug("journal not written", exc_info=err)

    # --- files ------------------------------------------------------------------------------------------------

    def _begin_file(self) -> None:
        """A new file, with its header and the open runs; raises OSError and leaves the old one as it is."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writer = Writer.own()
        head = _json(["journal", FORMAT, self.session_id, writer.host, writer.pid, writer.born]).encode("ascii") + b"\n"
        head += b"".join(run.lines() for run in self._open.values())
        descriptor = self._create(head)
        self._let_go()
        self._descriptor, self._place = descriptor, _identity(descriptor)
        self._size_bytes, self._torn = len(head), False
        self._written = {run.known.number for run in self._open.values()}

    def _create(self, head: bytes) -> int:
        for _ in range(16):
            path = self.folder / f"{self.session_id}-{self._next_number}.jsonl"
            self._next_number += 1
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
            except FileExistsError:
                continue
            try:
                if liveness.lock(descriptor) is False:  # somebody looks, just now, whether its session is dead
                    os.close(descriptor)
                    path.unlink()
                    continue
                if os.write(descriptor, head) < len(head):
                    raise OSError("the disk may be full")
            except OSError:
                os.close(descriptor)
                path.unlink(missing_ok=True)
                raise
            self.path = path
            return descriptor
        raise OSError(f"no new file could be made in {self.folder}")

    def _move_if_long(self) -> bool:
        """Go on in a new file, and say so in the old one; where that fails, the old one goes on."""
        if self._size_bytes <= self._largest_bytes:
            return False
        old, self._descriptor = self._descriptor, -1
        try:
            self._begin_file()
        except OSError as err:
            self._descriptor = old
            log.debug("journal goes on in its long file", exc_info=err)
            return False
        try:
            os.write(old, b'\n["moved"]\n')  # its last line may be torn
        except OSError as err:
            log.debug("long journal left without its last line", exc_info=err)
        finally:
            os.close(old)
        return True

    def _is_in_place(self) -> bool:
        """Whether our descriptor is still our file, and that file still has a name."""
        try:
            return _identity(self._descriptor) == self._place and os.fstat(self._descriptor).st_nlink > 0
        except OSError:
            self._descriptor = -1  # somebody closed it (`os.closerange` does)
            return False

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _after(after: Window) -> str:
    above_j = {domain.device: joules for domain, joules in after.energy_j.items()}
    by_device = (above_j, after.idle_w, after.gpu_busy_s, after.gpu_presence, after.filled_s)
    return _json([after.duration_s, [_finite(each) for each in by_device]])


def _identity(descriptor: int) -> tuple[int, int]:
    stat = os.fstat(descriptor)
    return stat.st_dev, stat.st_ino


def _text(value: str | None) -> str:
    return "null" if value is None else _quoted(value)


def _numbers(values: list[float | None]) -> str:
    """A JSON list, each float to its last bit; what is no finite number is null: unknown, not zero."""
    text = str(values)
    # Python spells the rest None, nan, inf or np.float64(..): all with an n.
    return text if "n" not in text else _json([float(v) if v is not None and isfinite(v) else None for v in values])


def _finite(by_device: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in by_device.items() if not isinstance(value, float) or isfinite(value)}
