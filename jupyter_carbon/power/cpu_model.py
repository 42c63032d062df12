"""The CPU's load model as a counter: joules from seconds, and from the CPU seconds the machine was busy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from jupyter_carbon.model import Component, Domain, Interval
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.host import Host

if TYPE_CHECKING:
    from jupyter_carbon.power.cpu_curve import LoadLooks

IDLE_OF_TDP = 0.15
"""Idle power over TDP; 0.05 to 0.30 in general, 0.08 and 0.24 on the two parts of CodeCarbon's CPU load profiles."""

FULL_OF_TDP = 0.85
"""Power with every logical CPU busy, over TDP; 0.55 to 1.05 in general, 0.72 and 0.92 to 0.97 on the same two."""

# What a busy CPU second costs falls with the load: the first core wakes the package and runs at its highest clock, the
# second thread of a core is nearly free.  Active power goes like 1 - (1 - u)^p of the busy share u, with p = 2.7 (2.0
# to 3.0) where some threads are full and the rest idle, 1.0 (0.6 to 1.7) where load is spread thinly.  A counter made
# of that curve would depend on how often it is read (u is a mean over the time between two readings), so two kernels
# would count different joules for the same machine, and a burst of 100 ms would be paid by when it happened to be seen.
# A counter linear in CPU seconds has no such moments, adds up over any windows, and needs no sampling.  The slope
# through idle and full load is also the one without bias: over the 42 usable rows of those profiles it is 20 % low
# where some cores are full, 18 % high where all are partly busy, 0 % over all, and no p does better over all (40 % mean
# error, 42 % for p = 1.7, 48 % for p = 2.7).
#
# The curve goes into the spread, and so does the rating: at rest, where notebooks mostly are, idle power over the
# table's share alone lies within 0.33 to 2.0.  Drawn with the ranges above, 60 % of the draws with full threads and
# 40 % spread thinly, for busy shares of 0, 1/32, 1/16 .. 1, 5 and 95 % of truth over model are 0.57 and 1.85; but only
# 76 % of those 42 rows lie in there.  The range is the rows' (90 %; `benchmarks/ranges.py`).
SHAPE = Interval(0.44, 1.0, 1.95)


LOOK_S = 0.5
"""How often a calibrated model looks how load lies on the CPUs: 50 ticks of each."""


class CpuModel:
    """``E(t) = idle_w * t + (max_w - idle_w) * busy_s / logical_cpus``: all CPUs this OS sees, as one package.

    Where the machine was calibrated (`host.curve`) its own two watts stand in, and a busy second costs what it costs at
    the load of the last look: the ticker's looks, so that a reading does nothing but multiply.
    """

    name: ClassVar[str] = "cpu-model"
    components: ClassVar[tuple[Component, ...]] = ("cpu",)

    def __init__(self, host: Host, clock: Callable[[], float]) -> None:
        device, curve = "package-0", host.curve
        idle_w, max_w = IDLE_OF_TDP * host.tdp_w, FULL_OF_TDP * host.tdp_w
        spread = SHAPE if host.tdp_known else SHAPE * host.tdp_spread
        self._looks: LoadLooks | None = None
        if curve is not None:
            from jupyter_carbon.power.cpu_curve import CURVE_SPREAD, LoadLooks  # noqa: PLC0415  (few are calibrated)

            idle_w, max_w, spread = curve.idle_w, curve.full_w, CURVE_SPREAD
            self._looks = LoadLooks(host.root)
        self._domain = Domain(
            component="cpu",
            device=device,
            source=self.name,
            quality="modelled" if host.tdp_known or curve else "assumed",
            resolution_j=0.0,
            spread=spread,
        )
        self.domains: tuple[Domain, ...] = (self._domain,)
        self.faults = FaultLog()
        self.idle_w: Mapping[str, float] = {device: idle_w}
        self.power_limit_w: Mapping[str, float] = {device: max(max_w, host.tdp_w)}
        self._idle_w, self._j_per_cpu_s = idle_w, (max_w - idle_w) / host.logical_cpus
        self._curve, self._cpus = curve, host.logical_cpus
        self._next_look_s = clock() + LOOK_S
        if curve is not None:  # until the first look: one full thread, the usual notebook
            self._j_per_cpu_s = curve.j_per_cpu_s(1.0 / self._cpus, 1.0, self._cpus)
        self._clock, self._busy_s = clock, host.busy.busy_s
        self._seen_s, self._seen_busy_s = clock(), self._busy_s()
        self._total_j = 0.0

    @classmethod
    def open(cls, host: Host, *, clock: Callable[[], float] = time.monotonic) -> CpuModel:
        """Always there: it needs a rated power and the machine's CPU seconds, and `Host` has both."""
        return cls(host, clock)

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules since it was opened."""
        now_s, busy_s = self._clock(), self._busy_s()
        self._total_j += self._idle_w * (now_s - self._seen_s) + self._j_per_cpu_s * (busy_s - self._seen_busy_s)
        self._seen_s, self._seen_busy_s = now_s, busy_s
        return {self._domain: self._total_j}

    def watch(self) -> float:
        """See how load lies, if it is time; the seconds until the next look."""
        if self._curve is None or self._looks is None:
            return math.inf
        now_s = self._clock()
        if now_s < self._next_look_s:
            return self._next_look_s - now_s
        self._next_look_s = now_s + LOOK_S
        seen = self._looks.look()
        if seen is not None:
            self.energy_j()  # what was busy until now is paid at the load of until now
            self._j_per_cpu_s = self._curve.j_per_cpu_s(*seen, self._cpus)
        return LOOK_S

    def edge_s(self) -> Mapping[str, float]:
        """Nothing moves in steps."""
        return {}

    def close(self) -> None:
        """Nothing is held: the machine's CPU seconds are the host's."""
