"""Apple Silicon through zeus-apple-silicon (the extra `apple`), which reads IOReport's group "Energy Model".

No privilege is needed and no process is started.  Only the totals are taken; the channels of cores and clusters lie
within them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from jupyter_carbon.model import Component, Domain, GpuPresence, Interval, SourceUnavailable
from jupyter_carbon.power.counter import FaultLog, Seconds, WrappingCounter
from jupyter_carbon.power.host import Host
from jupyter_carbon.value import value

SPREAD = Interval(0.85, 1.0, 1.15)
"""The chip derives its energy from utilisation, frequency and voltage (zeus-apple-silicon, "Accuracy"); +-15 % is
assumed."""

STEP_S = 0.1
"""The counters move by 1 mJ; below some tens of milliseconds that is coarse (ibid.)."""

HELD_S = 0.2
"""The processor spends 1 mJ in far less, also at rest: when no total moves for longer they are being held back.  The
newest macOS is reported to publish in batches, 2 to 108 s apart."""

GPU_FRAMEWORKS = ("jax", "mlx", "tensorflow", "torch")
"""What a kernel must have imported to compute on the GPU through Metal."""


@value
class _Total:
    """What is told as one device: its fields, in mJ, and assumed powers; most watts grow with the size of the chip,
    which its CPUs tell."""

    fields: tuple[str, ...]
    component: Component
    device: str
    idle_w: float
    max_w_per_cpu: float


TOTALS = (
    # 20 W over 8 cores in an M1, 90 W over 24 in an M2 Ultra; the neural engine draws up to about 1 W for each.
    _Total(("cpu_total_mj", "ane_mj"), "cpu", "package-0", 0.1, 5.0),
    _Total(("dram_mj",), "dram", "dram-0", 0.1, 2.0),
    _Total(("gpu_mj",), "gpu", "gpu0", 0.02, 8.0),
)


class Held(Exception):
    """The chip's totals are not being published just now."""


class Apple:
    """The totals of an Apple chip: processor with neural engine, memory, and GPU."""

    name: ClassVar[str] = "apple"
    components: ClassVar[tuple[Component, ...]] = ("cpu", "dram", "gpu")

    def __init__(self, monitor: Any, n_cpu: int, clock: Seconds, modules: Mapping[str, object]) -> None:
        self.faults = FaultLog()
        self.allotted: tuple[str, ...] = ()
        self._monitor, self._clock, self._modules = monitor, clock, modules
        self._totals_mj = _totals_mj(monitor.get_cumulative_energy())
        self._moved_s = clock()
        self._held = False
        totals = [total for total in TOTALS if total.fields[0] in self._totals_mj]
        self.power_limit_w: Mapping[str, float] = {total.device: total.max_w_per_cpu * n_cpu for total in totals}
        self.idle_w: Mapping[str, float] = {total.device: total.idle_w for total in totals}
        self._counters = {_domain(total): self._counter(total) for total in totals}
        self.domains = tuple(self._counters)

    @classmethod
    def open(
        cls,
        host: Host,
        clock: Seconds = time.monotonic,
        *,
        platform: str = sys.platform,
        modules: Mapping[str, object] = sys.modules,
    ) -> Apple:
        """Subscribe to the chip's energy report; anywhere but on a Mac this raises at once."""
        if platform != "darwin":
            raise SourceUnavailable("not a Mac")
        try:
            from zeus_apple_silicon import AppleEnergyMonitor  # noqa: PLC0415  (a vendor's library, and optional)
        except ImportError as err:
            remedy = "pip install 'jupyter_carbon[apple]'"
            raise SourceUnavailable(f"zeus-apple-silicon is not installed: {err}", remedy) from err
        try:
            source = cls(AppleEnergyMonitor(), host.logical_cpus, clock, modules)
        except (RuntimeError, ValueError) as err:
            raise SourceUnavailable(f"this Mac's energy report cannot be read: {err}") from err
        if not source.domains:
            raise SourceUnavailable("this Mac's energy report holds none of the totals that are known")
        return source

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules since `open`, by domain, from one report; while the chip holds it back, what is expected, flagged."""
        self._look()
        return {domain: counter.energy_j() for domain, counter in self._counters.items()}

    def busy_s(self, pids: frozenset[int]) -> Mapping[str, tuple[float, float]]:
        """Nothing: the chip does not tell utilisation by process."""
        return {}

    def presence(self, pids: frozenset[int]) -> Mapping[str, GpuPresence]:
        """Others always draw on a Mac's GPU; this kernel and its children may only with a framework for it."""
        may_be = len(pids) > 1 or any(name in self._modules for name in GPU_FRAMEWORKS)
        who: GpuPresence = "unknown" if may_be else "absent"
        return {domain.device: who for domain in self.domains if domain.component == "gpu"}

    def close(self) -> None:
        """Let the subscription go."""
        self._monitor = None

    def _look(self) -> None:
        """Take one report; it is held back when nothing in it has moved."""
        now_s = self._clock()
        try:
            totals_mj = _totals_mj(self._monitor.get_cumulative_energy())
        except (RuntimeError, ValueError):  # as nanobind hands on what the C++ of the binding throws
            self._held = True
            return
        if totals_mj != self._totals_mj:
            self._moved_s = now_s
        self._totals_mj = totals_mj
        self._held = now_s - self._moved_s > HELD_S
        if self._held:
            for domain in self.domains:
                self.faults.note(domain.device, "held-back", self._moved_s, now_s)

    def _counter(self, total: _Total) -> WrappingCounter:
        fields = [field for field in total.fields if field in self._totals_mj]

        def read_j() -> float:
            if self._held or any(field not in self._totals_mj for field in fields):
                raise Held
            return sum(self._totals_mj[field] for field in fields) * 1e-3

        return WrappingCounter(
            read_j,
            range_j=None,
            max_w=self.power_limit_w[total.device],
            expected_w=total.idle_w,
            device=total.device,
            faults=self.faults,
            step_s=STEP_S,
            errors=(Held,),
            clock=self._clock,
        )


def _totals_mj(metrics: Any) -> dict[str, int]:
    """What this chip tells; a field that it does not know is None."""
    fields = {field: getattr(metrics, field) for total in TOTALS for field in total.fields}
    return {field: total_mj for field, total_mj in fields.items() if total_mj is not None}


def _domain(total: _Total) -> Domain:
    return Domain(
        total.component, total.device, "ioreport", "measured", resolution_j=0.001, step_s=STEP_S, spread=SPREAD
    )
