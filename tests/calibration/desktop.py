"""A desktop of four CPUs behind a plug: real files, a real meter, and a clock, a load and a plug that a test turns.

The package draws 10 W at rest and 110 W with all CPUs busy, on a straight line; the plug shows 1.2 times that and 40 W.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from machine import Machine
from power.powercap import Clock

from jupyter_carbon.calibration.gpu_load import GpuLoad
from jupyter_carbon.calibration.procedure import Calibrator
from jupyter_carbon.calibration.store import Calibration, Store
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.model import CarbonIntensity, Context, Interval
from jupyter_carbon.power.cpu_model import CpuModel
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.power.host import wall_model
from jupyter_carbon.power.rapl import Rapl

IDLE_W, FULL_W, CPUS = 10.0, 110.0, 4
FACTOR, BASE_W = 1.2, 40.0
GRAMS = CarbonIntensity(Interval.exact(100.0), "XX", "Nowhere", "lifecycle", "average", "yearly", "test", 2025)


class Bench:
    """`counted` False: the processor's counter is closed, and its model counts."""

    def __init__(self, root: Path, *, counted: bool = True, guest: bool = False) -> None:
        self.machine, self.clock = Machine(root, guest=guest), Clock()
        self.busy_cpus, self.busy_cpu_s, self.can_load = 0.0, 0.0, float(CPUS)
        self.gpu_load: Callable[[], GpuLoad | None] = lambda: None
        self.follows, self.at_plug = True, lambda: FACTOR * self.devices_w + BASE_W
        self.loads: list[int] = []
        self.zone = self.machine.package()
        busy = MachineBusy.open(root, clock=self.clock, own_cpu=lambda: 0.0)
        self.host = replace(self.machine.tree.detect(affinity=CPUS), busy=busy)
        open_counter = a_rapl if counted else CpuModel.open
        self.source = open_counter(self.host, clock=self.clock)
        tree = ProcessTree(own_cpu_s=lambda: 0.0, reaped_s=lambda: 0.0)
        self.meter = Meter([self.source], tree, busy, n_cpu=CPUS, clock=self.clock)
        self.store = Store(root / "calibration", self.host)
        self.told: list[Calibration] = []
        self.calibrator = self.a_calibrator()

    def a_calibrator(self) -> Calibrator:
        return Calibrator(
            self.meter,
            self.context,
            self.host,
            self.store,
            before=lambda: wall_model(self.host),
            on_new=self.told.append,
            load=self.load,
            gpu_load=lambda: self.gpu_load(),
            sleep=self.sleep,
            clock=self.clock,
            today=lambda: "2026-11-22",
        )

    @property
    def devices_w(self) -> float:
        """What the processor draws now."""
        return IDLE_W + (FULL_W - IDLE_W) * self.busy_cpus / CPUS

    def sleep(self, seconds: float) -> None:
        self.clock.s += seconds
        self.busy_cpu_s += self.busy_cpus * seconds
        self.machine.busy(self.busy_cpu_s)
        self.zone.add_j((self.devices_w if self.follows else IDLE_W) * seconds)

    def load(self, cpus: int, seconds: float, wait: Callable[[], None]) -> None:
        self.loads.append(cpus)
        self.busy_cpus = min(float(cpus), self.can_load)
        wait()
        self.busy_cpus = 0.0

    def context(self) -> Context:
        return Context(
            domains=self.meter.domains,
            n_cpu=CPUS,
            idle_share=1.0,
            ram_share=1.0,
            kernel_share=1.0,
            idle_w=dict(self.source.idle_w),
            power_limit_w=dict(self.source.power_limit_w),
            gpus_allotted=(),
            wall=wall_model(self.host),
            pue=Interval.exact(1.0),
            pue_source="test",
            intensity=GRAMS,
        )


def a_rapl(host, *, clock):
    return Rapl.open(host, clock=clock, suspended_s=clock.suspended)
