"""A process whose NVML is a fake: a bench with one card, worked by a load that writes the fake's profile.

Words: library, folder, idle watts, full watts, exponent; on its path: this folder and the one above.  Prints the curve
as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from desktop import Bench

from jupyter_carbon.power.nvml import Nvml


class Machine:
    """A bench whose clock is the fake library's too, and whose seconds it writes down as it draws them."""

    def __init__(self, folder: Path, idle_w: float, full_w: float, exponent: float) -> None:
        self.idle_w, self.full_w, self.exponent = idle_w, full_w, exponent
        self.now, self.profile = folder / "now", folder / "profile"
        self.bench = Bench(folder / "machine")
        self.began_s = self.bench.clock.s
        self.profile.write_text("")
        self.tick = self.bench.sleep
        self.bench.sleep = self.rest

    def rest(self, seconds: float) -> None:
        self.pass_(seconds, 0.0)

    def pass_(self, seconds: float, busy: float) -> None:
        watts = self.full_w if busy else self.idle_w
        with self.profile.open("a") as profile:
            profile.write(f"{seconds:.9f} {watts} {watts} {100 * busy}\n")
        self.tick(seconds)
        self.set_clock()

    def set_clock(self) -> None:
        self.now.write_text(f"{self.bench.clock.s - self.began_s:.6f}".ljust(24))


class Load:
    """In each period the card works and rests; what it draws on the whole follows the exponent."""

    framework = "torch"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def work(self, seconds: float) -> None:
        machine, part = self.machine, seconds / 0.05
        # Work at such watts that work and pause together draw what the curve says.
        mean_w = machine.idle_w + (machine.full_w - machine.idle_w) * part**machine.exponent
        full_w, machine.full_w = machine.full_w, (mean_w - machine.idle_w * (1.0 - part)) / part
        machine.pass_(seconds, 1.0)
        machine.full_w = full_w

    def close(self) -> None:
        pass


def main(library: str, folder: str, *watts: str) -> None:
    machine = Machine(Path(folder), *map(float, watts))
    machine.pass_(1.0, 0.0)
    os.environ.update(
        FAKE_NVML_PROFILE=str(machine.profile),
        FAKE_NVML_NOW_FILE=str(machine.now),
        FAKE_NVML_RATES_MEAN_S="0.5",
        FAKE_NVML_LIMIT_W="1200",
    )
    ctypes.CDLL(library)
    bench = machine.bench
    bench.meter.add_gpus(Nvml.open(bench.host, clock=bench.clock, suspended_s=bench.clock.suspended))
    machine.pass_(5.0, 0.0)
    bench.gpu_load = lambda: Load(machine)
    bench.calibrator = bench.a_calibrator()
    said = bench.calibrator.devices()
    curves = bench.store.load().gpus
    if not curves:
        sys.exit(said)
    [(key, curve)] = curves.items()
    print(json.dumps({"key": key, **asdict(curve)}))


main(*sys.argv[1:])
