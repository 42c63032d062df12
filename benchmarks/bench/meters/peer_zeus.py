"""Zeus on the bench: one window of a ZeusMonitor for each cell."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pynvml
import stand
from zeus.monitor import ZeusMonitor


class Zeus:
    version = version("zeus")

    def open(self, case: dict[str, Any]) -> None:
        pynvml.nvmlInit()
        self._monitor = ZeusMonitor(approx_instant_energy=case.get("approx", False))

    def begin(self) -> None:
        self._monitor.begin_window("cell", sync_execution=False)

    def end(self) -> dict[str, Any]:
        told = self._monitor.end_window("cell", sync_execution=False)
        energy_j = {}
        if told.cpu_energy:
            energy_j["cpu"] = sum(told.cpu_energy.values())
        if told.dram_energy:
            energy_j["dram"] = sum(told.dram_energy.values())
        if told.gpu_energy:
            energy_j["gpu"] = sum(told.gpu_energy.values())
        return {"energy_j": energy_j, "flags": []}

    def close(self) -> None:
        pass


stand.serve(Zeus())
