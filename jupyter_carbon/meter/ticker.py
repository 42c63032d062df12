"""One daemon thread that ticks while cells run and is parked, with no wake-up, while none does."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jupyter_carbon.boundary import Boundary


class Ticker:
    """Calls `tick` every `period_s` seconds while `busy()`; `first` once at its start, off everybody's path.

    Waking a thread costs the waker some microseconds and then the lock of the interpreter, so a burst of short cells
    finds the thread awake: it parks only when a whole period has passed with nothing left to do.
    """

    def __init__(
        self,
        tick: Callable[[], None],
        busy: Callable[[], bool],
        *,
        first: Callable[[], None],
        boundary: Boundary,
        period_s: float = 1.0,
    ) -> None:
        self._tick, self._busy, self._first, self._boundary = tick, busy, first, boundary
        self.period_s = period_s
        self._wake = threading.Event()
        self._halt = threading.Event()
        self.parked = False
        self.running = False

    def start(self) -> bool:
        """Start the thread; False where there are none (Pyodide): then cells are metered at their edges only."""
        try:
            threading.Thread(target=self._loop, name="carbon-ticker", daemon=True).start()
        except RuntimeError:
            return False
        self.running = True
        return True

    def wake(self) -> None:
        """Something runs: tick from now on.  Free of charge while the thread is awake."""
        if self.parked:
            self._wake.set()

    def stop(self) -> None:
        """End the thread, soon; never waits for it."""
        self.running = False
        self._halt.set()
        self._wake.set()

    def _loop(self) -> None:
        self._boundary.run(self._first)
        while not self._halt.is_set():
            self._wake.clear()
            self.parked = True
            if not self._busy():
                self._wake.wait()
            self.parked = False
            if not self._halt.wait(self.period_s):
                self._boundary.run(self._tick)
