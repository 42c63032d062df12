"""Work of our thread that a fork of the user's must not cut in half.

A forked child has the forking thread only.  A module that another thread was importing, or a mutex inside SQLite that
it held, stays so in the child for ever: the child hangs when it imports that module, or opens a database.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType

PATIENCE_S = 0.25
"""How long a fork waits for such work to go on.  Not for long: who forks may hold what our work waits for."""

MOST_S = 5.0
"""How long it waits in all for work that does go on: most takes milliseconds, but on a machine that is busy with others
that can be seconds, and a child that hangs for ever is worse."""

LOOK_S = 0.02


class Unforkable:
    """``with unforkable: import sqlite3``: forks of this process wait until then."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking: set[int] = set()
        self._worker = 0
        if hasattr(os, "register_at_fork"):  # for good: Python has no way to take it back, so it holds nothing alive
            ours = weakref.WeakMethod(self._before), weakref.WeakMethod(self._after)
            os.register_at_fork(
                before=lambda: _call(ours[0]),
                after_in_parent=lambda: _call(ours[1]),
                after_in_child=lambda: _call(ours[1]),
            )

    def __enter__(self) -> None:
        self._lock.acquire()
        self._worker = threading.get_native_id()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    def _before(self) -> None:
        began_s = moved_s = time.monotonic()
        seen = ""
        while not self._lock.acquire(timeout=LOOK_S):
            now_s, work = time.monotonic(), _work(self._worker)
            if work != seen or work.startswith("R"):
                moved_s, seen = now_s, work
            if now_s - moved_s > PATIENCE_S or now_s - began_s > MOST_S:
                return
        self._forking.add(threading.get_ident())

    def _after(self) -> None:
        thread = threading.get_ident()
        if thread in self._forking:
            self._forking.discard(thread)
            self._lock.release()


def _work(thread: int) -> str:
    """State (R: it runs, or would) and CPU ticks of a thread of ours, to see whether it goes on: proc_pid_stat(5)."""
    try:
        with open(f"/proc/self/task/{thread}/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:  # no /proc here
        return ""
    return b" ".join((fields[0], *fields[11:13])).decode("ascii")


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()
