"""From watts of devices to kilowatt-hours, grams and litres: one formula for one scenario or for millions.

`wall = factor * devices + base`, `facility = wall * PUE`, `operational = facility * intensity`; making and water stand
on lines of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_carbon.estimate.belief import Belief, Number, Sum, is_any, is_known, number_where, propagate, total, where
from jupyter_carbon.estimate.draw import accelerator_share, package_share

HOURS_PER_YEAR = 8760.0


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Everything that an outcome hangs on.  NaN in `utilisation`, `ram_gb_given` and `pue_given` means: not given.

    `gpu_w` and `cpu_w` are per device under the work, `host_w` is CPU, memory and fans of an unnamed host per GPU,
    `wall_base_w` per machine.  `runtime` is the doubt about `hours` as a factor, `learned` what earlier runs taught
    about the energy.  `cpu_follows` says whether a given utilisation is the CPU's too, `at_wall` whether the boundary
    is the wall.  `water_site_l_per_kwh` is per kWh of the machines, `water_grid_l_per_kwh` of the facility.
    """

    hours: Number
    n_gpu: Number
    n_cpu: Number
    utilisation: Number
    ram_gb_given: Number
    pue_given: Number
    cpu_follows: Number
    at_wall: Number
    gpus_per_machine: Number
    runtime: Belief
    learned: Belief
    gpu_w: Belief
    gpu_idle: Belief
    gpu_rated_w: Belief
    cpu_w: Belief
    cpu_idle: Belief
    cpu_rated_w: Belief
    cpu_full: Belief
    cpu_curve: Belief
    host_w: Belief
    ram_w_per_gb: Belief
    ram_gb: Belief
    wall_factor: Belief
    wall_base_w: Belief
    pue: Belief
    intensity_g_per_kwh: Belief
    hour_of_year: Belief
    water_site_l_per_kwh: Belief
    water_grid_l_per_kwh: Belief
    gpu_kgco2e: Belief
    cpu_kgco2e: Belief
    ram_kgco2e_per_gb: Belief
    machine_kgco2e: Belief
    host_kgco2e: Belief
    life_years: Belief
    fleet_use: Belief

    def beliefs(self) -> dict[str, Belief]:
        """The ingredients that are believed rather than counted, by name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, Belief)}

    def with_beliefs(self, **beliefs: Belief) -> Ingredients:
        """The same but for these."""
        changed: Any = beliefs
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run costs; `devices_w` and `wall_w` are powers, `energy_kwh` is at the facility's meter."""

    devices_w: Belief
    wall_w: Belief
    energy_kwh: Belief
    operational_kgco2e: Belief
    embodied_kgco2e: Belief
    water_site_l: Belief
    water_grid_l: Belief


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the GPUs: the watts of CPUs, memory and host, the base of the boxes, and the making of all."""

    host_w: Sum
    boxes_w: Sum
    embodied_kgco2e: Belief

    def rows(self, which: NDArray[np.int64]) -> Beside:
        """Those rows of columns."""
        return Beside(self.host_w.rows(which), self.boxes_w.rows(which), self.embodied_kgco2e.rows(which))


OF_BESIDE = (
    *("cpu_w", "cpu_idle", "cpu_rated_w", "cpu_full", "cpu_curve", "host_w", "ram_w_per_gb", "ram_gb", "wall_base_w"),
    *("gpu_kgco2e", "cpu_kgco2e", "ram_kgco2e_per_gb", "machine_kgco2e", "host_kgco2e", "life_years", "fleet_use"),
)
"""The ingredients that nothing else hangs on."""


def beside(given: Ingredients) -> Beside:
    """It hangs on how many there are of everything, and where a CPU is named on the utilisation."""
    machines = _machines(given)
    return Beside(_others(given), Sum.of(given.wall_base_w.scaled(machines)), _embodied(given, machines))


def outcome(given: Ingredients, rest: Beside | None = None) -> Outcome:
    """The whole chain; `rest` is what :func:`beside` says of these ingredients, if that is known already."""
    rest = beside(given) if rest is None else rest
    devices_w = (Sum.of(_gpus(given)) + rest.host_w).belief()
    at_plug_w = Sum.of(devices_w * given.wall_factor) + rest.boxes_w
    wall_w = where(given.at_wall > 0.0, at_plug_w.belief(), devices_w)
    pue = where(is_known(given.pue_given), Belief(given.pue_given), given.pue)
    site_kwh = wall_w.scaled(given.hours / 1000.0) * given.runtime * given.learned
    energy_kwh = site_kwh * pue
    return Outcome(
        devices_w=devices_w,
        wall_w=wall_w,
        energy_kwh=energy_kwh,
        operational_kgco2e=(energy_kwh * given.intensity_g_per_kwh * given.hour_of_year).scaled(1e-3),
        embodied_kgco2e=rest.embodied_kgco2e.scaled(given.hours),
        water_site_l=site_kwh * given.water_site_l_per_kwh,
        water_grid_l=energy_kwh * given.water_grid_l_per_kwh,
    )


def _gpus(given: Ingredients) -> Belief:
    """Watts of all GPUs; they err together."""
    gpu_w, used = given.gpu_w, given.utilisation
    stated = is_known(used)
    if is_any(stated):
        share = accelerator_share(number_where(stated, used, 0.0), given.gpu_idle)
        gpu_w = where(stated, share * given.gpu_rated_w, gpu_w)
    return gpu_w.scaled(given.n_gpu)


def _others(given: Ingredients) -> Sum:
    """Watts of CPUs, memory and unnamed hosts; devices of one kind err together, different kinds do not."""
    cpu_w, used = given.cpu_w, given.utilisation
    followed = is_known(used) & (given.cpu_follows > 0.0)
    if is_any(followed):
        busy = Belief(number_where(followed, used, 0.0))
        share = package_share(busy, given.cpu_idle, given.cpu_full, given.cpu_curve)
        cpu_w = where(followed, share * given.cpu_rated_w, cpu_w)
    host_w = given.host_w.scaled(number_where(given.n_cpu > 0.0, given.n_gpu, 0.0))
    ram_gb = given.ram_gb.scaled(given.n_cpu)
    known_gb = is_known(given.ram_gb_given)
    if is_any(known_gb):
        ram_gb = where(known_gb, Belief(number_where(known_gb, given.ram_gb_given, 0.0)), ram_gb)
    ram_w = ram_gb * given.ram_w_per_gb.scaled(number_where(host_w.likely > 0.0, 0.0, 1.0))  # a host has its memory
    return Sum.of(cpu_w.scaled(given.n_cpu), ram_w, host_w)


def _embodied(given: Ingredients, machines: Number) -> Belief:
    """An hour's share of making the hardware: over the hours that the hardware is used in its life."""
    ram_gb = number_where(is_known(given.ram_gb_given), given.ram_gb_given, given.ram_gb.likely * given.n_cpu)
    boxes = number_where(given.n_cpu > 0.0, given.at_wall, 0.0)
    made_kg = total(
        given.gpu_kgco2e.scaled(given.n_gpu),
        given.cpu_kgco2e.scaled(given.n_cpu),
        given.ram_kgco2e_per_gb.scaled(ram_gb),
        given.machine_kgco2e.scaled(machines * boxes),
        given.host_kgco2e.scaled(given.n_gpu * boxes),
    )
    per_h = propagate(lambda years, share: 1.0 / (HOURS_PER_YEAR * years * share), given.life_years, given.fleet_use)
    return made_kg * per_h * given.runtime


def _machines(given: Ingredients) -> Number:
    """Boxes with a supply each: as many as hold the GPUs, two CPUs to a box, at least one."""
    if any(isinstance(each, np.ndarray) for each in (given.n_gpu, given.n_cpu, given.gpus_per_machine)):
        return np.maximum(np.maximum(np.ceil(given.n_gpu / given.gpus_per_machine), np.ceil(given.n_cpu / 2.0)), 1.0)
    return float(max(math.ceil(given.n_gpu / given.gpus_per_machine), math.ceil(given.n_cpu / 2.0), 1))
