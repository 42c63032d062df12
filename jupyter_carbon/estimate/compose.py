"""Names made into numbers: a machine, a place and counts become the ingredients of an outcome."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import lru_cache

from jupyter_carbon.estimate.belief import Belief
from jupyter_carbon.estimate.machine import Device, Machine, machine
from jupyter_carbon.estimate.outcome import Ingredients
from jupyter_carbon.estimate.place import Place
from jupyter_carbon.estimate.priors import shipped
from jupyter_carbon.estimate.scenario import Scenario
from jupyter_carbon.estimate.workload import Workload
from jupyter_carbon.grid import static
from jupyter_carbon.model import ONE, ZERO, Interval

OF_MACHINE = tuple(
    {each.name for each in fields(Machine)} & {each.name for each in fields(Ingredients)} - {"gpus_per_machine"}
)


@lru_cache(maxsize=4096)
def known_machine(gpu: Device, cpu: Device, work: Workload | None, n_gpu: float) -> Machine:
    """:func:`machine` with the shipped priors, remembered: names are looked up once."""
    return machine(gpu, cpu, work, n_gpu, shipped())


def ingredients(box: Machine, place: Place | None, scenario: Scenario, runtime: Interval = ONE) -> Ingredients:
    """What the outcome of one scenario hangs on.  `runtime` is a factor on its hours; without a place it ends at the
    plug, and at the devices no building is added."""
    believed = {
        "runtime": runtime,
        "learned": ONE,
        **{name: getattr(box, name) for name in OF_MACHINE},
        "pue": place.pue if place is not None and scenario.boundary == "wall" else ONE,
        "intensity_g_per_kwh": ZERO if place is None else place.intensity.gco2e_per_kwh,
        "water_site_l_per_kwh": ZERO if place is None else place.water_site_l_per_kwh,
        "water_grid_l_per_kwh": ZERO if place is None else place.water_grid_l_per_kwh,
        "life_years": static.LIFE_YEARS,
        "fleet_use": static.UTILISATION,
    }
    return Ingredients(
        hours=scenario.hours,
        n_gpu=scenario.n_gpu if box.gpu is not None else 0.0,
        n_cpu=scenario.n_cpu,
        utilisation=_or_nan(scenario.utilisation),
        ram_gb_given=_or_nan(scenario.ram_gb),
        pue_given=_or_nan(scenario.pue),
        cpu_follows=float(box.cpu_named),
        at_wall=float(scenario.boundary == "wall"),
        gpus_per_machine=box.gpus_per_machine,
        hour_of_year=Belief(1.0) if place is None else place.hours.over(scenario.hours),
        **{name: Belief.of(interval) for name, interval in believed.items()},
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
