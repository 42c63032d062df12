from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_carbon.ledger import run_id
from jupyter_carbon.model import (
    CarbonIntensity,
    CellRun,
    Context,
    Domain,
    Interval,
    WallModel,
    Window,
)

PACKAGE = Domain("cpu", "package-0", "rapl", "measured", 6.1e-5, 0.001)
MEMORY = Domain("ram", "memory-0", "ram model", "modelled", 0.0)
GPU = Domain("gpu", "gpu0", "nvml", "measured", 0.001, 0.1)

FRANCE = CarbonIntensity(Interval(30, 50, 80), "FR", "France", "lifecycle", "average", "yearly", "a source", 2024)


def a_context(*, domains: tuple[Domain, ...] = (PACKAGE, MEMORY), intensity: CarbonIntensity = FRANCE) -> Context:
    """Half the machine's idle power is ours; nothing is lost between devices, wall and facility."""
    return Context(
        domains=domains,
        n_cpu=4,
        idle_share=0.5,
        ram_share=0.5,
        idle_w={"package-0": 10.0, "memory-0": 2.0},
        power_limit_w={"package-0": 100.0, "gpu0": 300.0},
        gpus_allotted=("gpu0",),
        wall=WallModel("none", Interval.exact(1.0), Interval.exact(0.0), "assumed", "a test"),
        pue=Interval.exact(1.0),
        pue_source="a test",
        intensity=intensity,
    )


def a_run(
    name: str | None = None,
    *,
    session_id: str = "session",
    started_at: float = 1_750_000_000.25,
    notebook: str | None = "home/analysis.ipynb",
) -> CellRun:
    return CellRun(name or run_id(), session_id, "cell-1", notebook, "a label", 7, started_at, "ab" * 20)


def a_window(energy_j: float = 40.0, duration_s: float = 2.0) -> Window:
    """A machine that drew `energy_j` at its package, half of its busy seconds ours."""
    return Window(
        duration_s=duration_s,
        energy_j={PACKAGE: energy_j, MEMORY: 2.0 * duration_s},
        tree_cpu_s=1.0,
        machine_busy_s=2.0,
        idle_w={"package-0": 10.0},
    )


@pytest.fixture
def python() -> Callable[..., subprocess.Popen[str]]:
    """A real process that runs some lines; `as_nobody` in one without any rights on files."""

    def start(code: str, *args: object, as_nobody: bool = False) -> subprocess.Popen[str]:
        drop = "import os; os.setgid(65534); os.setuid(65534)\n" if as_nobody and os.getuid() == 0 else ""
        prelude = f"import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}\n"
        return subprocess.Popen(
            [sys.executable, "-c", prelude + "from conftest import *\n" + drop + code, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
