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
        self._thread: threading.Thread | None = None
        self._leaving = threading.Lock()
        self._sent_away = self._is_away = False
        self.parked = False
        self.running = False

    def start(self) -> bool:
        """Start the thread; False where there are none (Pyodide): then cells are metered at their edges only."""
        self.running = self._start(self._begin)
        return self.running

    def _start(self, body: Callable[[], None]) -> bool:
        thread = threading.Thread(target=body, name="carbon-ticker", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def send_away(self, patience_s: float) -> None:
        """End the thread between two of its acts until there is work again; one that is long in an act is not waited
        for."""
        if self.running and self._thread is not None:
            self._sent_away = True
            self._wake.set()
            self._thread.join(patience_s)

    def _back(self) -> None:
        with self._leaving:
            self._sent_away, was_away = False, self._is_away
            self._is_away = False
        if was_away and not self._start(self._loop):
            self.running = False

    def wake(self) -> None:
        """Something runs: tick from now on.  Free of charge while the thread is awake."""
        if self._sent_away:
            self._back()
        elif self.parked:
            self._wake.set()

    def hurry(self) -> None:
        """Somebody waits: tick at once instead of at the period's end."""
        self._wake.set()
        if self._sent_away:
            self._back()

    def pause(self) -> None:
        """On the ticker's thread: a period passes, or somebody is in a hurry, or the end comes, or it is sent away."""
        self._wake.clear()
        if not self._halt.is_set() and not self._sent_away:
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
        if self._sent_away:
            self._back()
        return self._over.wait(patience_s)

    def _begin(self) -> None:
        self._boundary.run(self._first)
        self._loop()

    def _loop(self) -> None:
        while True:
            self._wake.clear()
            if self._ends():
                break
            self.parked = True
            if not self._busy():
                self._wake.wait()
                self.parked = False
                if self._ends():
                    break
                self._boundary.run(self._woken)
            self.parked = False
            if not self._boundary.run(self.pause):
                self._halt.wait(self.period_s)
            if self._ends():
                break
            self._boundary.run(self._tick)
        if not self._is_away:
            self._boundary.run(self._last)
            self._over.set()

    def _ends(self) -> bool:
        """To be followed by the end of the thread."""
        if self._halt.is_set():
            return True
        with self._leaving:
            self._is_away = self._sent_away
            return self._is_away
