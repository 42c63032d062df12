"""The ends of cells, written: those whose devices may go on once more, when that is over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import cast

from jupyter_carbon.bookkeeper import Bookkeeper
from jupyter_carbon.cell import Cell
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.tail import Tail
from jupyter_carbon.model import Window
from jupyter_carbon.turns import in_turns
from jupyter_carbon.value import replace

STILL_BUSY = "may-still-run"


class Tails:
    """Cells that have ended and whose devices may go on.  Only the last one's can be followed still."""

    def __init__(self, meter: Meter, books: Bookkeeper) -> None:
        self._meter, self._books = meter, books
        self._cells: deque[tuple[Cell, Tail]] = deque()

    def __bool__(self) -> bool:
        return bool(self._cells)

    def add(self, cell: Cell, tail: Tail) -> None:
        """A cell has ended, and is written as one that goes on."""
        self._cells.append((cell, tail))

    def tell(self) -> list[Cell]:
        """Write for good those that are over, and the last one as far as it is known: the cells that are told anew.

        By one thread at a time, off every cell's path.
        """
        anew = []
        for cell, tail in in_turns(self._over()):
            ended = cast("Window", cell.window)
            cell.window = self._told(ended, tail)
            self._write(cell, cell.window, goes_on=False)
            if cell.window is not ended:
                anew.append(cell)
        if self._cells:
            cell, tail = self._cells[0]
            ended = cast("Window", cell.window)
            window = self._told(ended, tail)
            if window is not ended:
                self._write(cell, window, goes_on=True)
        return anew

    def _over(self) -> Iterator[tuple[Cell, Tail]]:
        while self._cells and self._cells[0][1].over:
            yield self._cells.popleft()

    def _told(self, ended: Window, tail: Tail) -> Window:
        after = self._meter.after(tail)
        flags = ended.flags
        if after is not None:
            flags += (*(f"gpu-tail:{domain.device}" for domain in after.energy_j), *after.flags)
        if tail.is_cut or (after is not None and not tail.over):
            flags += (STILL_BUSY,)
        if flags == ended.flags:
            return ended
        return replace(ended, after=after, flags=tuple(dict.fromkeys(flags)))

    def _write(self, cell: Cell, window: Window, *, goes_on: bool) -> None:
        self._books.end(cell.run, window, cell.status, cell.intensity, cell.course, goes_on=goes_on)
