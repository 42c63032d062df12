"""The part of zeus-apple-silicon 1.1 that we call, over a JSON file named by FAKE_APPLE: totals in mJ, or an error."""

from __future__ import annotations

import json
import os
from pathlib import Path


class AppleEnergyMetrics:
    """Millijoules; None where the chip has no such channel.  Cores lie within the CPU's total."""

    def __init__(self) -> None:
        self.cpu_total_mj: int | None = None
        self.efficiency_cores_mj: list[int] | None = [999_999]
        self.performance_cores_mj: list[int] | None = [999_999]
        self.dram_mj: int | None = None
        self.gpu_mj: int | None = None
        self.gpu_sram_mj: int | None = 999_999
        self.ane_mj: int | None = None


class AppleEnergyMonitor:
    def get_cumulative_energy(self) -> AppleEnergyMetrics:
        state = json.loads(Path(os.environ["FAKE_APPLE"]).read_text())
        if "error" in state:
            raise RuntimeError(state["error"])
        metrics = AppleEnergyMetrics()
        for field, total_mj in state.items():
            assert hasattr(metrics, field), field
            setattr(metrics, field, total_mj)
        return metrics
