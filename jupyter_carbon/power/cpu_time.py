"""How long the whole machine was busy: CPU seconds since boot, steal, iowait and idle left out.

/proc/stat counts in ticks of 10 ms and is written anew for every read (7 µs on 2 CPUs, more with every CPU), so it is
too coarse and too dear for the edges of short cells.  It is an anchor here, five times a second at most; in between
our own CPU time is counted exactly and everybody else's is taken to go on as it did.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

ANCHOR_S = 0.2
"""Twenty ticks: the edges of an interval that long err by a tenth of one busy CPU at most."""

_JITTER_S = 1.0
"""A sum over CPUs may step back by ticks when one goes offline; a larger fall is a counter that began again (lxcfs)."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

Seconds = Callable[[], float]


class MachineBusy:
    """CPU seconds of everybody on this machine, as a counter that never falls.  Read under the meter's lock.

    Between two reads it grows at least by the CPU time of this process and at most by the machine's `cpus` seconds a
    second.  It agrees with the system's own total to a tick per CPU at an anchor and one more in between; where others
    stop or start between two anchors it is ahead or behind by what they did in those 0.2 s, until their work or their
    rest makes up for it.
    """

    __slots__ = (
        "_anchor_busy_s",
        "_anchor_own_s",
        "_anchor_t_s",
        "_base_s",
        "_clock",
        "_close",
        "_held",
        "_others_per_s",
        "_own_cpu",
        "_raw_s",
        "_read_s",
        "_told_own_s",
        "_told_s",
        "_told_t_s",
        "cpus",
    )

    def __init__(
        self,
        read_s: Seconds,
        *,
        cpus: int,
        clock: Seconds = time.monotonic,
        own_cpu: Seconds = time.process_time,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.cpus = cpus
        self._read_s, self._clock, self._own_cpu, self._close = read_s, clock, own_cpu, close
        self._base_s = self._others_per_s = 0.0
        self._held = False
        self._raw_s = self._anchor_busy_s = self._told_s = read_s()
        self._anchor_t_s = self._told_t_s = clock()
        self._anchor_own_s = self._told_own_s = own_cpu()

    @classmethod
    def open(
        cls, root: Path = Path("/"), *, clock: Seconds = time.monotonic, own_cpu: Seconds = time.process_time
    ) -> MachineBusy:
        """Counts from `root`/proc/stat, whose descriptor is kept; from psutil where there is none."""
        try:
            descriptor = os.open(root / "proc/stat", os.O_RDONLY)
        except OSError:
            return _from_psutil(clock, own_cpu)
        try:
            stat = os.pread(descriptor, 1 << 20, 0)  # once: the kernel writes all of it for any read
            busy_from_stat_s(stat)
        except (OSError, ValueError):
            os.close(descriptor)
            return _from_psutil(clock, own_cpu)
        return cls(
            lambda: busy_from_stat_s(os.pread(descriptor, 256, 0)),
            cpus=max(1, stat.count(b"\ncpu")),
            clock=clock,
            own_cpu=own_cpu,
            close=lambda: os.close(descriptor),
        )

    @property
    def others_per_s(self) -> float:
        """CPU seconds a second of all other processes, over the last anchored interval."""
        return self._others_per_s

    def hold(self) -> float:
        """CPU seconds since boot, now and to all who ask until :meth:`release`: one reading asks more than once."""
        busy_s = self.busy_s()
        self._held = True
        return busy_s

    def release(self) -> None:
        """It counts on."""
        self._held = False

    def busy_s(self) -> float:
        """CPU seconds since boot."""
        if self._held:
            return self._told_s
        t_s, own_s = self._clock(), self._own_cpu()
        elapsed_s = t_s - self._anchor_t_s
        if elapsed_s >= ANCHOR_S:
            self._anchor(t_s, own_s)
            busy_s = self._anchor_busy_s
        else:
            busy_s = self._anchor_busy_s + own_s - self._anchor_own_s + self._others_per_s * elapsed_s
        most_s = self._told_s + self.cpus * (t_s - self._told_t_s)
        least_s = self._told_s + own_s - self._told_own_s
        if busy_s > most_s:
            busy_s = most_s
        if busy_s < least_s:
            busy_s = least_s
        self._told_s, self._told_t_s, self._told_own_s = busy_s, t_s, own_s
        return busy_s

    def close(self) -> None:
        """Give the descriptor back; a second call does nothing."""
        close, self._close = self._close, lambda: None
        self._read_s = _closed  # the number of a closed descriptor may soon be somebody else's
        close()

    def _anchor(self, t_s: float, own_s: float) -> None:
        """Take the system's own total for the truth."""
        elapsed_s = t_s - self._anchor_t_s
        own_step_s = own_s - self._anchor_own_s
        busy_s = self._anchor_busy_s + own_step_s + self._others_per_s * elapsed_s
        try:
            raw_s = self._read_s()
        except (OSError, ValueError):
            pass  # no reading is not zero: others go on as they did
        else:
            if raw_s < self._raw_s - _JITTER_S:
                self._base_s = busy_s - raw_s
            self._raw_s = raw_s
            busy_s = self._base_s + raw_s
            self._others_per_s = max(0.0, busy_s - self._anchor_busy_s - own_step_s) / elapsed_s
        self._anchor_t_s, self._anchor_own_s, self._anchor_busy_s = t_s, own_s, busy_s


def _closed() -> float:
    raise OSError("/proc/stat was closed")


def busy_from_stat_s(stat: bytes) -> float:
    """CPU seconds in the first line of /proc/stat (proc(5)); guest time is already in user and nice.

    >>> busy_from_stat_s(b"cpu  100 20 30 9999 999 4 6 777 50 10")
    1.6
    """
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.split(None, 8)[1:8])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def _from_psutil(clock: Seconds, own_cpu: Seconds) -> MachineBusy:
    import psutil  # noqa: PLC0415  (only where there is no /proc; a live kernel holds it already)

    def read_s() -> float:
        times = psutil.cpu_times()
        # Windows counts interrupts inside `system` and names them otherwise; macOS and BSD lack some of these.
        return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")))

    return MachineBusy(read_s, cpus=os.cpu_count() or 1, clock=clock, own_cpu=own_cpu)
