"""`for batch in track(loader): ...` says while it runs what the whole loop will cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO, TypeVar

from jupyter_carbon.estimate.projection import Projection
from jupyter_carbon.model import Interval
from jupyter_carbon.units import J_PER_KWH, duration_text, energy_text, mass_text, range_text

T = TypeVar("T")
Show = Callable[["Progress"], None]
BAR = 24


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a loop stands: steps done of all, joules so far, and the whole in joules and seconds."""

    done: int
    steps: int
    energy_j: float
    total_j: Interval
    total_s: Interval
    total_gco2e: Interval | None
    finished: bool

    @property
    def text(self) -> str:
        """One line: a bar, the projected total with its range, and the time left."""
        full = BAR * self.done // self.steps
        kwh = self.total_j.scaled(1.0 / J_PER_KWH)
        parts = [f"{energy_text(kwh.likely, 'modelled')} ({range_text(kwh, 'kWh')})"]
        if self.total_gco2e is not None:
            parts.append(f"{mass_text(self.total_gco2e.likely, 'modelled')} CO₂e")
        parts.append(f"{duration_text(self.total_s.likely)} in all")
        return f"{'█' * full}{'░' * (BAR - full)} {self.done}/{self.steps} · " + " · ".join(parts)

    @property
    def html(self) -> str:
        """The same line under a bar that a browser draws."""
        return (
            f"<progress value='{self.done}' max='{self.steps}'></progress> "
            f"<span style='font-variant-numeric:tabular-nums'>{self.text[BAR + 1 :]}</span>"
        )


class Terminal:
    """Rewrites one line of a terminal; a file or a pipe gets the last line only."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream

    def __call__(self, progress: Progress) -> None:
        """Show where the loop stands now."""
        if self._stream.isatty():
            self._stream.write(f"\r\x1b[K{progress.text}" + ("\n" if progress.finished else ""))
        elif progress.finished:
            self._stream.write(f"{progress.text}\n")
        self._stream.flush()


def track(
    steps: Iterable[T],
    *,
    energy_j: Callable[[], float],
    show: Show,
    total: int | None = None,
    gco2e_per_kwh: Interval | None = None,
    clock: Callable[[], float] = time.monotonic,
    every_s: float = 0.5,
) -> Iterator[T]:
    """The items of `steps`, one by one, while `show` is told what the whole loop will cost.

    `energy_j` counts joules of this process so far; it is asked at most every `every_s` seconds, so that quick steps
    are not slowed down.  `total` is how many steps there are, where `len(steps)` cannot say; without either nothing
    can be projected, and nothing is shown.
    """
    count = total if total is not None else _length(steps)
    if not count:
        yield from steps
        return
    energy, seconds = Projection(count), Projection(count)
    at_j, at_s, made = energy_j(), clock(), 0
    for item in steps:
        yield item
        made += 1
        now_s = clock()
        if energy.done_steps + made > count:  # more steps than were promised: the rest goes untold
            continue
        last = energy.done_steps + made == count
        if now_s - at_s < every_s and not last and energy.done_steps:
            continue
        now_j = energy_j()
        energy.add(made, max(now_j - at_j, 0.0))
        seconds.add(made, now_s - at_s)
        at_j, at_s, made = now_j, now_s, 0
        show(_progress(energy, seconds, gco2e_per_kwh, last))


def _progress(energy: Projection, seconds: Projection, gco2e_per_kwh: Interval | None, last: bool) -> Progress:
    total_j, total_s = energy.total(), seconds.total()
    assert total_j is not None  # a step has been added
    assert total_s is not None
    grams = None if gco2e_per_kwh is None else total_j.scaled(1.0 / J_PER_KWH) * gco2e_per_kwh
    return Progress(energy.done_steps, energy.steps, energy.done, total_j, total_s, grams, last)


def _length(steps: Iterable[T]) -> int | None:
    try:
        return len(steps)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None
