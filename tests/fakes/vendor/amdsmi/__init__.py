"""The part of amdsmi 7 that we call, over a JSON file named by FAKE_AMDSMI: PCI address -> accumulator, processes.

`"error": 2` in a device's place makes its calls fail so; 2 is AMDSMI_STATUS_NOT_SUPPORTED.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

RESOLUTION_UJ = 15.3


class AmdSmiException(Exception):
    pass


class AmdSmiLibraryException(AmdSmiException):
    def __init__(self, err_code: int) -> None:
        super().__init__(err_code)
        self.err_code = err_code


def _devices() -> dict[str, dict[str, Any]]:
    return json.loads(Path(os.environ["FAKE_AMDSMI"]).read_text())  # type: ignore[no-any-return]


def _device(processor_handle: str) -> dict[str, Any]:
    device = _devices()[processor_handle]
    if "error" in device:
        raise AmdSmiLibraryException(device["error"])
    return device


def amdsmi_init() -> None:
    if "init_error" in os.environ.get("FAKE_AMDSMI_FAULT", ""):
        raise AmdSmiLibraryException(34)


def amdsmi_shut_down() -> None:
    _devices()


def amdsmi_get_processor_handles() -> list[str]:
    return list(_devices())


def amdsmi_get_gpu_device_bdf(processor_handle: str) -> str:
    return processor_handle


def amdsmi_get_energy_count(processor_handle: str) -> dict[str, Any]:
    energy_j = _device(processor_handle)["energy_j"]
    accumulator = round(energy_j * 1e6 / RESOLUTION_UJ)
    name = "power" if "old_name" in os.environ.get("FAKE_AMDSMI_FAULT", "") else "energy_accumulator"
    return {name: accumulator, "counter_resolution": RESOLUTION_UJ, "timestamp": 0}


def amdsmi_get_gpu_process_list(processor_handle: str) -> list[dict[str, Any]]:
    return [{"name": "python", "pid": pid, "mem": 0} for pid in _device(processor_handle).get("pids", [])]
