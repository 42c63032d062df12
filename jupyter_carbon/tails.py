"""The ends of cells, written: those whose devices may go on once more, when that is over."""

from __future__ import annotations

from collections import deque
from typing import cast

from jupyter_carbon.bookkeeper import Bookkeeper
from jupyter_carbon.cell import Cell
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.tail import Tail
from jupyter_carbon.model import Window
from jupyter_carbon.value import replace

STILL_BUSY = "may-still-run"


class Tails:
    """Cells that have ended and whose devices may go on.  Only the last one's can be followed still."""

    def __init__(self, meter: Meter, books: Bookkeeper) -> None:
        self._meter, self._books = meter, books
        self._cells: deque[tuple[Cell, Tail]] = deque()

    def __bool__(self) -> bool:
        return bool(self._cells)

    def write_end(self, cell: Cell, window: Window) -> None:
        """A cell has ended: one append, on its path."""
        tail = cell.running.tail
        self._write(cell, window, goes_on=tail is not None)
        if tail is not None:
            self._cells.append((cell, tail))

    def tell(self) -> list[Cell]:
        """Write for good those that are over, and the last one as far as it is known: the cells that are told anew.

        By one thread at a time, off every cell's path.
        """
        anew = []
        while self._cells:
            cell, tail = self._cells[0]
            ended = cast("Window", cell.window)
            window = self._told(ended, tail)
            if not tail.over:
                if window is not ended:
                    self._write(cell, window, goes_on=True)
                break
            self._cells.popleft()
            cell.window = window
            self._write(cell, window, goes_on=False)
            if window is not ended:
                anew.append(cell)
        return anew

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
