"""Work of our thread that a fork of the user's must not cut in half.

A forked child has the forking thread only.  A module that another thread was importing, or a mutex inside SQLite that
it held, stays so in the child for ever: the child hangs when it imports that module, or opens a database.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType

PATIENCE_S = 0.25
"""How long a fork waits for such work, most of which takes milliseconds.  Never for long: who forks may hold what our
work waits for."""


class Unforkable:
    """``with unforkable: import sqlite3``: forks of this process wait until then."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking: set[int] = set()
        if hasattr(os, "register_at_fork"):  # for good: Python has no way to take it back, so it holds nothing alive
            ours = weakref.WeakMethod(self._before), weakref.WeakMethod(self._after)
            os.register_at_fork(
                before=lambda: _call(ours[0]),
                after_in_parent=lambda: _call(ours[1]),
                after_in_child=lambda: _call(ours[1]),
            )

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    def _before(self) -> None:
        if self._lock.acquire(timeout=PATIENCE_S):
            self._forking.add(threading.get_ident())

    def _after(self) -> None:
        thread = threading.get_ident()
        if thread in self._forking:
            self._forking.discard(thread)
            self._lock.release()


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()
