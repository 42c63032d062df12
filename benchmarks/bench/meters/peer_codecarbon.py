"""CodeCarbon on the bench, as its documentation says: an offline tracker with its defaults; tasks for many cells."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pynvml
import stand
from codecarbon import OfflineEmissionsTracker

J_PER_KWH = 3.6e6


class CodeCarbon:
    version = version("codecarbon")

    def open(self, case: dict[str, Any]) -> None:
        pynvml.nvmlInit()  # the fake takes the case from the environment now; CodeCarbon did so at import
        self._tasks = len(case["cells"]) > 1
        self._tracker = OfflineEmissionsTracker(
            country_iso_code="FRA",
            save_to_file=False,
            log_level="critical",
            allow_multiple_runs=True,
            tracking_mode=case.get("mode", "machine"),
        )

    def begin(self) -> None:
        if self._tasks:
            self._tracker.start_task()
        else:
            self._tracker.start()

    def end(self) -> dict[str, Any]:
        if self._tasks:
            data = self._tracker.stop_task()
        else:
            self._tracker.stop()
            data = self._tracker.final_emissions_data
        energy_j = {
            "cpu": data.cpu_energy * J_PER_KWH,
            "ram": data.ram_energy * J_PER_KWH,
            "gpu": data.gpu_energy * J_PER_KWH,
        }
        return {"energy_j": energy_j, "flags": []}

    def close(self) -> None:
        if self._tasks:
            self._tracker.stop()


stand.serve(CodeCarbon())
