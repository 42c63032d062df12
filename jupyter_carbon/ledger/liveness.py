"""Whether the session that wrote a journal is still there.

The header tells the process, which can be asked for where it ran on this machine.  Of another (a container beside
ours, another host of a shared home) the lock tells (flock), which the machine's kernel drops with the process, however
that ends; and where locks do not reach, the clock.
"""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from jupyter_carbon.value import value

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SILENT_S = 86_400.0
"""A session on a host that we cannot ask is taken for dead when its journal was silent for a day (a running cell
writes each second, and an idle kernel has nothing open to lose)."""

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF})


@value
class Writer:
    """A process, safe against reuse of its number: its machine (and pid namespace), and when it began."""

    host: str
    pid: int
    born: str | None

    @classmethod
    def own(cls) -> Writer:
        """This process."""
        return cls(_host(), os.getpid(), _born(os.getpid()))

    def is_here(self) -> bool:
        """Whether it ran where we can see it."""
        return self.host == _host()

    def lives(self) -> bool:
        """Whether it still runs; only to be asked where it `is_here`."""
        return self.born is not None and _born(self.pid) == self.born


def lock(descriptor: int) -> bool | None:
    """Take the journal's lock, at once or not at all: True: it is ours now; False: somebody holds it; None: there are
    no locks here (Windows, some network file systems)."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as err:
        if err.errno in _NO_LOCKS:
            return None
        raise
    return True


def is_dead(writer: Writer | None, descriptor: int, locked: bool | None, *, far: bool) -> bool:
    """Whether nobody will ever append to this journal again.

    `locked` is the answer of :func:`lock`; `far` says that other hosts may write here, where a lock that we got is no
    proof.  `writer` is None while the header is not written.
    """
    silent = time.time() - os.fstat(descriptor).st_mtime > SILENT_S
    if writer is None:
        return silent
    if writer.is_here():
        # Surer than the lock: a forked child may hold that for a session that is gone, and user code that closes all
        # descriptors (`os.closerange`) drops it for one that is not.
        return not writer.lives()
    return locked is not False and (silent or (locked is True and not far))


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().decode().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        import platform  # noqa: PLC0415  (only where there is no /proc)

        return platform.node()


def _born(pid: int) -> str | None:
    """When this process began, as a text that no other process of this number has; None: there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _born_elsewhere(pid)
    # Fields 3, the state, and 22, ticks since boot; the name in field 2 may hold brackets: proc_pid_stat(5).
    state, *fields = stat.rpartition(b")")[2].decode("ascii").split()
    return None if state in "ZX" else fields[18]


def _born_elsewhere(pid: int) -> str | None:
    import psutil  # noqa: PLC0415  (only where there is no /proc)

    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.NoSuchProcess:
        return None
