"""What the ledger's tests and the processes they start build their runs of."""

from __future__ import annotations

import itertools

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

PACKAGE = Domain("cpu", "package-0", "rapl", "measured", 0.0)
MEMORY = Domain("ram", "memory-0", "ram model", "modelled", 0.0)
GPU = Domain("gpu", "gpu0", "nvml", "measured", 0.001)

FRANCE = CarbonIntensity(Interval(30, 50, 80), "FR", "France", "lifecycle", "average", "yearly", "a source", 2024)
BRITAIN = CarbonIntensity(Interval(150, 200, 250), "GB", "Britain", "direct", "average", "yearly", "a source", None)

moments = itertools.count(1_750_000_000.25)


def a_context(*, domains: tuple[Domain, ...] = (PACKAGE, MEMORY), intensity: CarbonIntensity = FRANCE) -> Context:
    """Half the machine's idle power is ours; nothing is lost between devices, wall and facility."""
    return Context(
        domains=domains,
        n_cpu=4,
        idle_share=0.5,
        ram_share=0.5,
        kernel_share=0.5,
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
    started_at: float | None = None,
    notebook: str | None = "home/analysis.ipynb",
    label: str | None = "a label",
) -> CellRun:
    """A run that begins, unless told when, a second after the one before."""
    if started_at is None:
        started_at = next(moments)
    return CellRun(name or run_id(), session_id, "cell-1", notebook, label, 7, started_at, "ab" * 20)


def a_window(package_j: float = 40.0, duration_s: float = 2.0) -> Window:
    """The machine drew `package_j` at its package, half of its busy seconds ours; its memory 2 W."""
    return Window(
        duration_s=duration_s,
        energy_j={PACKAGE: package_j, MEMORY: 2.0 * duration_s},
        tree_cpu_s=1.0,
        machine_busy_s=2.0,
        idle_w={"package-0": 10.0},
    )
