"""A record whose numbers a person can check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jupyter_carbon.footprint import record
from jupyter_carbon.model import CarbonIntensity, CellRecord, CellRun, Context, Domain, Interval, WallModel, Window

CPU = Domain("cpu", "package-0", "rapl", "measured", 61e-6, 0.001)
MEMORY = Domain("ram", "ram-0", "ram-model", "modelled", 0.0)
FRANCE = CarbonIntensity(Interval(80, 100, 125), "FR", "France", "lifecycle", "average", "yearly", "test", 2025)
RUN = CellRun("id", "session", None, "work/a.ipynb", "fit", 7, 1_700_000_000.25, "da39a3ee")


def a_context(*domains: Domain, **changes: Any) -> Context:
    plain = Context(
        domains=domains or (CPU, MEMORY),
        n_cpu=1,
        idle_share=1.0,
        ram_share=1.0,
        kernel_share=1.0,
        idle_w={"package-0": 0.0, "ram-0": 5.0},
        power_limit_w={"package-0": 100.0},
        gpus_allotted=(),
        wall=WallModel("desktop", Interval.exact(1.1), Interval.exact(0.0), "assumed", "test"),
        pue=Interval.exact(1.2),
        pue_source="test",
        intensity=FRANCE,
        embodied_gco2e_per_h=Interval(1, 2, 4),
        water_l_per_kwh=Interval.exact(3.0),
    )
    return replace(plain, **changes)


def a_record(*, cpu_j: float = 36000.0, seconds: float = 60.0, run: CellRun = RUN, **changes: Any) -> CellRecord:
    """60 s, all CPU seconds ours: 36 kJ of the package and 300 J of memory, 1.1 and 1.2 on top: 13.3 Wh."""
    flags = changes.pop("flags", ())
    context = a_context(*changes.pop("domains", ()), **changes)
    energy_j = {d: cpu_j if d.component != "ram" else 5.0 * seconds for d in context.domains}
    return record(run, Window(seconds, energy_j, seconds, seconds, flags=flags), "ok", context)
