"""Memory as a counter: what is allotted draws its power whether it is used or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from jupyter_carbon.model import Component, Domain, Interval
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.host import Host

W_PER_GB = Interval(0.18, 0.3, 0.39)
"""The models in use lie at 0.284 (Boavizta), 0.3725 (Green Algorithms) and 0.392 W/GB (Cloud Carbon Footprint); large
modules draw less, hence the low end."""


class Ram:
    """``E(t) = w_per_gb * allotted_gb * t``: the gigabytes of this kernel's cgroup or job, else all of them.

    Memory that is allotted to others is never counted, so these joules are by allotment ours (shared only with other
    kernels inside the same allotment).
    """

    name: ClassVar[str] = "ram-model"
    components: ClassVar[tuple[Component, ...]] = ("ram",)

    def __init__(self, host: Host, clock: Callable[[], float]) -> None:
        device = "ram-0"
        self._domain = Domain(
            component="ram",
            device=device,
            source=self.name,
            quality="modelled",
            resolution_j=0.0,
            spread=W_PER_GB.scaled(1.0 / W_PER_GB.likely),
        )
        self.domains: tuple[Domain, ...] = (self._domain,)
        self.faults = FaultLog()
        self._power_w = W_PER_GB.likely * host.allotted_ram_gb
        self.idle_w: Mapping[str, float] = {device: self._power_w}
        self.power_limit_w: Mapping[str, float] = {device: W_PER_GB.high * host.allotted_ram_gb}
        self._clock, self._start_s = clock, clock()

    @classmethod
    def open(cls, host: Host, *, clock: Callable[[], float] = time.monotonic) -> Ram:
        """Always there: every host has some memory allotted."""
        return cls(host, clock)

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules since it was opened."""
        return {self._domain: self._power_w * (self._clock() - self._start_s)}

    def close(self) -> None:
        """Nothing is held."""
