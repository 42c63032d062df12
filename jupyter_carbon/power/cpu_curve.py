"""A processor's power by its load, from its own idle and full power: what `%carbon calibrate` has measured here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from jupyter_carbon.model import Interval
from jupyter_carbon.value import value

FULL_THREADS = 2.7
"""Power goes like 1 - (1 - u)^p of the busy share u.  Where some logical CPUs are full and the others idle, p = 2.7:
the first wakes the package at its highest clock, the second thread of a core is nearly free."""
SPREAD_THIN = 1.0
"""Where all are partly busy it is a straight line: of the two parts of CodeCarbon's load profiles one lies above it and
one below."""
CURVE_SPREAD = Interval(0.6, 1.0, 1.42)
"""Truth over this model, 5 to 95 %, on those profiles with each part's own idle and full power: 91 % of the 34 rows
between idle and full, whose mean error is 18 % (`benchmarks/ranges.py`)."""


@value
class CpuCurve:
    """Idle and full power of all CPUs that this OS sees, in watts, and the day they were measured."""

    idle_w: float
    full_w: float
    at: str

    def power_w(self, busy_share: float, bunched: float) -> float:
        """Power where `busy_share` of the CPUs is busy; `bunched` says how it lies, from 0 (all are partly busy) to 1
        (some are full, the others idle).

        >>> curve = CpuCurve(10.0, 110.0, "2026-01-01")
        >>> curve.power_w(0.0, 1.0), curve.power_w(0.5, 0.0), curve.power_w(1.0, 0.5)
        (10.0, 60.0, 110.0)
        """
        free = 1.0 - min(max(busy_share, 0.0), 1.0)
        rise: float = bunched * (1.0 - free**FULL_THREADS) + (1.0 - bunched) * (1.0 - free**SPREAD_THIN)
        return self.idle_w + (self.full_w - self.idle_w) * rise

    def j_per_cpu_s(self, busy_share: float, bunched: float, cpus: int) -> float:
        """What a busy CPU second costs above idle at such a load; at hardly any load: what the first costs."""
        share = max(busy_share, 0.01 / cpus)
        return (self.power_w(share, bunched) - self.idle_w) / (share * cpus)


def bunched(busy_shares: Sequence[float]) -> float:
    """How load lies on the CPUs, from the busy share of each: 0 for the same on all, 1 for full and idle ones.

    >>> bunched([1.0, 0.0, 0.0, 1.0]), bunched([0.5, 0.5]), bunched([0.0, 0.0])
    (1.0, 0.0, 1.0)
    """
    mean = sum(busy_shares) / len(busy_shares)
    if mean < 1e-6 or mean > 1.0 - 1e-6:
        return 1.0  # nothing runs, or everything: the curve does not care
    of_squares = sum(share * share for share in busy_shares) / len(busy_shares)
    return min(1.0, max(0.0, (of_squares / mean - mean) / (1.0 - mean)))


class LoadLooks:
    """How load lies on the CPUs now, from /proc/stat: it has a line for each (proc(5))."""

    def __init__(self, root: Path) -> None:
        self._path = root / "proc/stat"
        self._last: list[tuple[float, float]] = self._read()

    def look(self) -> tuple[float, float] | None:
        """Busy share and how bunched it is, since the last look; None where it cannot be told."""
        before, self._last = self._last, self._read()
        if not before or len(before) != len(self._last):
            return None
        shares = []
        for (busy, all_), (was_busy, was_all) in zip(self._last, before, strict=True):
            ticks = all_ - was_all
            shares.append(min(1.0, max(0.0, (busy - was_busy) / ticks)) if ticks > 0 else 0.0)
        return sum(shares) / len(shares), bunched(shares)

    def _read(self) -> list[tuple[float, float]]:
        """Busy and all ticks of each CPU; steal is neither ours nor idle, and left out."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return []
        try:
            lines = os.read(descriptor, 1 << 20).split(b"\n")[1:]
        finally:
            os.close(descriptor)
        found = []
        for line in lines:
            if not line.startswith(b"cpu"):
                break
            user, nice, system, idle, iowait, irq, softirq = map(int, line.split(None, 8)[1:8])
            busy = user + nice + system + irq + softirq
            found.append((float(busy), float(busy + idle + iowait)))
        return found
