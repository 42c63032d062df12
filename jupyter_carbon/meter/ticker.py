"""One daemon thread that ticks while cells run and is parked, with no wake-up, while none does."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jupyter_carbon.boundary import Boundary


def _nothing() -> None:
    return


def _rest(seconds: float, wait: Callable[[float], bool]) -> None:
    wait(seconds)


class Ticker:
    """Calls `tick` every `period_s` seconds while `busy()`, `woken` when it begins again to do so, `first` at its start
    and `last` at its end, all off everybody's path.  `pause` is given a time, and the wait that fills it and
    tells whether the end has come.

    Waking a thread costs the waker some microseconds and then the lock of the interpreter, so a burst of short cells
    finds the thread awake: it parks only when a whole period has passed with nothing left to do.
    """

    def __init__(
        self,
        tick: Callable[[], None],
        busy: Callable[[], bool],
        *,
        first: Callable[[], None] = _nothing,
        woken: Callable[[], None] = _nothing,
        last: Callable[[], None] = _nothing,
        pause: Callable[[float, Callable[[float], bool]], object] = _rest,
        boundary: Boundary,
        period_s: float = 1.0,
    ) -> None:
        self._pause = pause
        self._tick, self._busy, self._boundary = tick, busy, boundary
        self._first, self._woken, self._last = first, woken, last
        self.period_s = period_s
        self._wake = threading.Event()
        self._halt = threading.Event()
        self._over = threading.Event()
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

    def hurry(self) -> None:
        """Somebody waits: tick at once instead of at the period's end."""
        self._wake.set()

    def pause(self) -> None:
        """On the ticker's thread: a period passes, or somebody is in a hurry, or the end comes."""
        self._wake.clear()
        if not self._halt.is_set():
            self._pause(self.period_s, self._wake.wait)

    def stop(self, patience_s: float) -> bool:
        """End the thread; whether its `last` act was done within `patience_s`.  Where there is no thread it is done
        here."""
        if not self.running:
            self._boundary.run(self._last)
            return True
        self.running = False
        self._halt.set()
        self._wake.set()
        return self._over.wait(patience_s)

    def _loop(self) -> None:
        self._boundary.run(self._first)
        while not self._halt.is_set():
            self._wake.clear()
            self.parked = True
            if not self._busy():
                self._wake.wait()
                self.parked = False
                if not self._halt.is_set():
                    self._boundary.run(self._woken)
            self.parked = False
            if not self._boundary.run(self.pause):
                self._halt.wait(self.period_s)
            if not self._halt.is_set():
                self._boundary.run(self._tick)
        self._boundary.run(self._last)
        self._over.set()
