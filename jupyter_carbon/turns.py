"""Long work off the cell's path, in turns with the cells."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

STRETCH_S = 2e-4
PAUSE_S = 5e-5

T = TypeVar("T")


def in_turns(items: Iterable[T]) -> Iterator[T]:
    """The same items, with a pause after each 0.2 ms of work on them.

    The interpreter's lock is free in it.  Whoever waits for that lock would else have to wait for 5 ms
    (`sys.getswitchinterval`), and a cell's edge does wait, since each of its writes gives the lock away.
    """
    until_s = time.perf_counter() + STRETCH_S
    for item in items:
        yield item
        if time.perf_counter() > until_s:
            time.sleep(PAUSE_S)
            until_s = time.perf_counter() + STRETCH_S
