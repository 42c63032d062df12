"""Who else meters this machine into the same ledger, told by the journals beside it.  Off the cell's path."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from jupyter_carbon.ledger.liveness import Writer, lock
from jupyter_carbon.value import value

DEATHS_S = 30.0
"""A session that begins changes the folder, and one that ends in order does (`leave`); one that is killed does not, so
now and then all are asked."""

_LAST_LINES = (b'["closed"]\n', b'["moved"]\n')


@value
class Sessions:
    """Sessions that meter this machine now, ours among them; `above` when one of them is of a process that ours
    descends from, whose energy by right holds ours.  So many as `in_memory` share the memory that is allotted to us."""

    count: int
    above: bool
    in_memory: int


class Neighbours:
    """Counts the sessions alive; asks the journals only when their folder has changed, or after a while."""

    def __init__(self, folder: Path, *, proc: Path = Path("/proc"), memory_group: str | None = None) -> None:
        """`memory_group` is the cgroup whose memory limit is ours; `None` where all of the machine's memory is."""
        self._folder, self._proc, self._memory_group = folder, proc, memory_group
        self._headers: dict[str, tuple[str, Writer]] = {}
        self._seen = Sessions(1, above=False, in_memory=1)
        self._changed_ns = -1
        self._asked_s = float("-inf")

    def look(self, now_s: float) -> Sessions:
        """The sessions alive at `now_s` of the monotonic clock; costs a `stat` while nothing has changed."""
        try:
            changed_ns = os.stat(self._folder).st_mtime_ns
        except OSError:  # no journal can be written there: nobody but us is known
            return Sessions(1, above=False, in_memory=1)
        if changed_ns != self._changed_ns or now_s - self._asked_s >= DEATHS_S:
            self._changed_ns, self._asked_s = changed_ns, now_s
            self._seen = self._ask()
        return self._seen

    def leave(self) -> None:
        """Our session has ended: let the others look."""
        with contextlib.suppress(OSError):
            os.utime(self._folder)

    def _ask(self) -> Sessions:
        own = Writer.own()
        alive, headers, above = {""}, {}, False  # "" stands for us, whose journal may not be writable
        in_memory = {""}
        ancestors: set[int] | None = None
        for name in os.listdir(self._folder):
            if not name.endswith(".jsonl"):
                continue
            try:
                known = self._read(name, own)
            except OSError:  # moved into SQLite meanwhile, or not ours to read
                continue
            if known is None:
                continue
            headers[name] = session_id, writer = known
            if (writer.pid, writer.host) != (own.pid, own.host):
                alive.add(session_id)
                if self._shares_memory(writer):
                    in_memory.add(session_id)
                if ancestors is None:
                    ancestors = _ancestors(self._proc, own.pid)
                above = above or (writer.is_here() and writer.pid in ancestors)
        self._headers = headers
        return Sessions(len(alive), above, len(in_memory))

    def _shares_memory(self, writer: Writer) -> bool:
        """Whether another session lives off the memory that is allotted to us."""
        group = self._memory_group
        if group is None:
            return True
        if not writer.is_here():
            return False  # a container beside ours, with a limit or without one of its own
        try:
            lines = (self._proc / str(writer.pid) / "cgroup").read_text().splitlines()
        except OSError:
            return True
        members = [line.split(":", 2)[1:] for line in lines if line.count(":") >= 2]
        paths = [path for controllers, path in members if controllers == "" or "memory" in controllers.split(",")]
        return any(f"{path.rstrip('/')}/".startswith(f"{group}/") for path in paths)

    def _read(self, name: str, own: Writer) -> tuple[str, Writer] | None:
        """Session and process of a journal, if that meters this machine still."""
        descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            known = self._headers.get(name) or _header(os.pread(descriptor, 4096, 0))
            if known is None:
                return None
            size = os.fstat(descriptor).st_size
            over = os.pread(descriptor, 16, max(0, size - 16)).endswith(_LAST_LINES)
            return known if not over and _meters_here(known[1], own, descriptor) else None
        finally:
            os.close(descriptor)


def _header(text: bytes) -> tuple[str, Writer] | None:
    try:
        _kind, _format, session_id, host, pid, born = json.loads(text.partition(b"\n")[0])
    except (ValueError, TypeError):  # not written yet, or by a version that we do not know
        return None
    return session_id, Writer(host, pid, born)


def _meters_here(writer: Writer, own: Writer, descriptor: int) -> bool:
    """Whether a journal's process lives, on this machine: in a container beside ours only its lock tells."""
    if writer.is_here():
        return writer.lives()
    same_machine = writer.host.partition(" ")[0] == own.host.partition(" ")[0]
    return same_machine and lock(descriptor) is False


def _ancestors(proc: Path, pid: int) -> set[int]:
    """The processes that this one descends from."""
    found: set[int] = set()
    while pid > 1 and pid not in found:
        found.add(pid)
        try:
            stat = (proc / str(pid) / "stat").read_bytes()
            pid = int(stat.rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return found - {os.getpid()}
