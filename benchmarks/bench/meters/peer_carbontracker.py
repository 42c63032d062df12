"""carbontracker on the bench: one epoch for each cell.  Its figure holds a fixed PUE, which is taken out again."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from typing import Any

import numpy as np
import stand
from carbontracker import constants
from carbontracker.tracker import CarbonTracker

J_PER_KWH = 3.6e6


class Carbontracker:
    version = version("carbontracker")

    def open(self, case: dict[str, Any]) -> None:
        epochs = len(case["cells"])
        self._tracker = CarbonTracker(
            epochs=epochs,
            epochs_before_pred=0,
            monitor_epochs=epochs,
            verbose=0,
            log_dir=tempfile.mkdtemp(),
            ignore_errors=False,
        )

    def begin(self) -> None:
        self._tracker.epoch_start()

    def end(self) -> dict[str, Any]:
        thread = self._tracker.tracker
        components = list(thread.components)
        self._tracker.epoch_end()
        energy_j: dict[str, float] = {}
        for component in components:
            joules = float(np.sum(component.energy_usage(thread.epoch_times))) * J_PER_KWH
            energy_j[component.name] = energy_j.get(component.name, 0.0) + joules
        return {"energy_j": energy_j, "flags": [], "pue": constants.PUE_2023}

    def close(self) -> None:
        pass


stand.serve(Carbontracker())
