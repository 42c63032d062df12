"""The cells whose devices may go on after their end, until that is over and they have been told anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from jupyter_carbon.bookkeeper import Bookkeeper
from jupyter_carbon.cell import Cell
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.tail import Tail, with_after
from jupyter_carbon.model import Window
from jupyter_carbon.value import replace

CUT = "may-still-run"


class Tails:
    """A queue of cells by their end.  Only the last one's devices can be followed still: the others' were cut short."""

    def __init__(self, meter: Meter, books: Bookkeeper) -> None:
        self._meter, self._books = meter, books
        self._cells: deque[tuple[Cell, Tail]] = deque()

    def __bool__(self) -> bool:
        return bool(self._cells)

    def add(self, cell: Cell, tail: Tail) -> None:
        """A cell has ended, and so it is written; on its path."""
        self._cells.append((cell, tail))

    def tell(self, anew: Callable[[Cell], None]) -> None:
        """Write those that are over for good, `anew` where their devices did go on; and the last as far as it is known.

        By one thread at a time, off every cell's path.
        """
        while self._cells:
            cell, tail = self._cells[0]
            window = self._window(cell, tail)
            if not tail.over:
                if tail.devices:
                    self._write(cell, replace(window, flags=(*window.flags, CUT)), goes_on=True)
                return
            self._cells.popleft()
            self._write(cell, window, goes_on=False)
            if window is not cell.window:
                cell.window = window
                anew(cell)
