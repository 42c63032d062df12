"""Names made into numbers: a machine, a place and counts become the ingredients of an outcome."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from jupyter_carbon.estimate.machine import Machine, machine
from jupyter_carbon.estimate.outcome import Ingredients
from jupyter_carbon.estimate.place import Place
from jupyter_carbon.estimate.priors import shipped
from jupyter_carbon.estimate.scenario import Boundary, Scenario
from jupyter_carbon.estimate.workload import Workload
from jupyter_carbon.grid import static
from jupyter_carbon.model import ONE, ZERO, Interval


@lru_cache(maxsize=4096)
def known_machine(gpu: str | None, cpu: str | None, work: Workload | None, n_gpu: float) -> Machine:
    """:func:`machine` with the shipped priors, remembered: names are looked up once."""
    return machine(gpu, cpu, work, n_gpu, shipped())


def ingredients(
    box: Machine, place: Place | None, scenario: Scenario, runtime: Interval = ONE
) -> Ingredients[Interval]:
    """What the outcome of one scenario hangs on; without a place it ends at the plug.  `runtime` is a factor on hours."""
    return Ingredients(
        hours=scenario.hours,
        n_gpu=scenario.n_gpu if box.gpu is not None else 0.0,
        n_cpu=scenario.n_cpu,
        utilisation=_or_nan(scenario.utilisation),
        ram_gb_given=_or_nan(scenario.ram_gb),
        pue_given=_or_nan(scenario.pue),
        runtime=runtime,
        **per_device(box, scenario.boundary),
        **per_kwh(place, scenario.boundary),
    )


def per_device(box: Machine, boundary: Boundary) -> dict[str, Any]:
    """The ingredients that follow from the machine's names."""
    return {
        "cpu_follows": float(box.cpu_named),
        "at_wall": float(boundary == "wall"),
        "gpus_per_machine": box.gpus_per_machine,
        "gpu_w": box.gpu_w,
        "gpu_idle": box.gpu_idle,
        "gpu_rated_w": box.gpu_rated_w,
        "cpu_w": box.cpu_w,
        "cpu_idle": box.cpu_idle,
        "cpu_rated_w": box.cpu_rated_w,
        "cpu_curve": box.cpu_curve,
        "host_w": box.host_w,
        "ram_w_per_gb": box.ram_w_per_gb,
        "ram_gb": box.ram_gb,
        "wall_factor": box.wall_factor,
        "wall_base_w": box.wall_base_w,
        "gpu_kgco2e": (box.gpu_kgco2e),
        "cpu_kgco2e": (box.cpu_kgco2e),
        "ram_kgco2e_per_gb": (box.ram_kgco2e_per_gb),
        "machine_kgco2e": (box.machine_kgco2e),
        "host_kgco2e": (box.host_kgco2e),
        "life_years": static.LIFE_YEARS,
        "fleet_use": static.UTILISATION,
    }


def per_kwh(place: Place | None, boundary: Boundary) -> dict[str, Any]:
    """The ingredients that follow from the place; at the devices no building is added."""
    if place is None:
        values = (ONE, ZERO, ONE, ZERO, ZERO)
    else:
        values = (
            place.pue if boundary == "wall" else ONE,
            place.intensity.gco2e_per_kwh,
            place.hours,
            place.water_site_l_per_kwh,
            place.water_grid_l_per_kwh,
        )
    names = ("pue", "intensity_g_per_kwh", "hour_of_year", "water_site_l_per_kwh", "water_grid_l_per_kwh")
    return dict(zip(names, values, strict=True))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
