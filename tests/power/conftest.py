"""A powercap tree, a host that stands on it, and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from power.powercap import Clock, Powercap

from jupyter_carbon.model import ONE
from jupyter_carbon.power.host import Host


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Host]:
    """A bare-metal machine of one 100 W socket and 16 GB, except for what a test says."""
    detected = Host.detect(tmp_path, {}, affinity=8)

    def make(**fields: Any) -> Host:
        machine = {
            "cpu_model": "Intel(R) Xeon(R)",
            "is_vm": False,
            "sockets": 1,
            "tdp_w": 100.0,
            "tdp_known": True,
            "tdp_spread": ONE,
            "ram_gb": 16.0,
        }
        return replace(detected, **{**machine, **fields})

    return make
