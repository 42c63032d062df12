"""From watts of devices to kilowatt-hours, grams and litres: one formula for one scenario or for millions.

`wall = factor * devices + base`, `facility = wall * PUE`, `operational = facility * intensity`; making and water stand
on lines of their own.  All numbers are beliefs, floats or arrays of the same length.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from jupyter_carbon.estimate.belief import Array, Belief, Number, select
from jupyter_carbon.estimate.draw import accelerator_share, package_share

HOURS_PER_YEAR = 8766.0


@dataclass(frozen=True, slots=True)
class Ingredients:
    """Everything that an outcome hangs on.  NaN in `utilisation`, `ram_gb_given` and `pue_given` means: not given.

    `gpu_w` and `cpu_w` are per device under the work, `gpu_base_w` is CPU, memory and fans of an unnamed host per GPU,
    `wall_base_w` per machine.  `cpu_uses_utilisation` is 1 where a given utilisation is the CPU's too, `at_wall` 1 at
    the wall and 0 at the devices.  `water_site_l_per_kwh` is per kWh of machines, `water_grid_l_per_kwh` of the facility.
    """

    hours: Number
    n_gpu: Number
    n_cpu: Number
    utilisation: Number
    ram_gb_given: Number
    pue_given: Number
    cpu_uses_utilisation: Number
    at_wall: Number
    gpus_per_machine: Number
    gpu_w: Belief
    gpu_idle: Belief
    gpu_rated_w: Belief
    cpu_w: Belief
    cpu_idle: Belief
    cpu_rated_w: Belief
    cpu_curve: Belief
    host_w: Belief
    ram_w_per_gb: Belief
    ram_gb: Belief
    wall_factor: Belief
    wall_base_w: Belief
    pue: Belief
    intensity_g_per_kwh: Belief
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
        """The uncertain ones, by name."""
        return {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Belief)}

    def one_at_a_time_exact(self) -> tuple[list[str], Ingredients]:
        """Rows for finding what a range hangs on: in row 0 all ranges stand, in row i that of the i-th name is closed."""
        names = list(self.beliefs())
        rows = len(names) + 1
        opened: dict[str, Belief] = {}
        for at, name in enumerate(names, start=1):
            belief: Belief = getattr(self, name)
            low, high = np.full(rows, belief.low), np.full(rows, belief.high)
            low[at] = high[at] = belief.likely
            opened[name] = Belief(low, np.full(rows, belief.likely), high)
        return names, replace(self, **opened)


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

    @property
    def water_l(self) -> Belief:
        """Both waters."""
        return self.water_site_l + self.water_grid_l


def outcome(given: Ingredients) -> Outcome:
    """The whole chain."""
    devices_w = devices(given)
    machines = np.maximum(np.maximum(np.ceil(given.n_gpu / given.gpus_per_machine), np.ceil(given.n_cpu / 2.0)), 1.0)
    wall_w = devices_w * given.wall_factor + given.wall_base_w.scaled(machines)
    if not np.all(given.at_wall):
        wall_w = select(np.asarray(given.at_wall, dtype=bool), wall_w, devices_w)
    pue_known = ~np.isnan(given.pue_given)
    pue = select(pue_known, Belief.exact(given.pue_given), given.pue) if np.any(pue_known) else given.pue
    site_kwh = wall_w.scaled(given.hours / 1000.0)
    energy_kwh = site_kwh * pue
    return Outcome(
        devices_w=devices_w,
        wall_w=wall_w,
        energy_kwh=energy_kwh,
        operational_kgco2e=(energy_kwh * given.intensity_g_per_kwh).scaled(1e-3),
        embodied_kgco2e=_embodied(given, machines),
        water_site_l=site_kwh * given.water_site_l_per_kwh,
        water_grid_l=energy_kwh * given.water_grid_l_per_kwh,
    )


def devices(given: Ingredients) -> Belief:
    """Watts of all devices together.  Devices of one kind err together, different kinds do not."""
    gpu_w, cpu_w, ram_gb = given.gpu_w, given.cpu_w, given.ram_gb.scaled(np.maximum(given.n_cpu, 0.0))
    if not np.all(np.isnan(given.utilisation)):
        stated = ~np.isnan(given.utilisation)
        used = np.where(stated, given.utilisation, 0.0)
        gpu_w = select(stated, accelerator_share(used, given.gpu_idle, Belief.exact(1.0)) * given.gpu_rated_w, gpu_w)
        share = package_share(Belief.exact(used), given.cpu_idle, Belief.exact(1.0), given.cpu_curve)
        both = stated & (np.asarray(given.cpu_uses_utilisation) > 0.0)
        cpu_w = select(both, share * given.cpu_rated_w, cpu_w)
    known_gb = ~np.isnan(given.ram_gb_given)
    if np.any(known_gb):
        ram_gb = select(known_gb, Belief.exact(given.ram_gb_given), ram_gb)
    hosts = np.where(given.n_cpu > 0.0, given.n_gpu, 0.0)
    return (
        gpu_w.scaled(given.n_gpu) + cpu_w.scaled(given.n_cpu) + ram_gb * given.ram_w_per_gb + given.host_w.scaled(hosts)
    )


def _embodied(given: Ingredients, machines: Number) -> Belief:
    """The run's share of making the hardware: its hours over the hours that the hardware is used in its life."""
    ram_gb = np.where(np.isnan(given.ram_gb_given), given.ram_gb.likely * given.n_cpu, given.ram_gb_given)
    boxed = np.where(given.n_cpu > 0.0, given.at_wall, 0.0)
    made_kg = (
        given.gpu_kgco2e.scaled(given.n_gpu)
        + given.cpu_kgco2e.scaled(given.n_cpu)
        + given.ram_kgco2e_per_gb.scaled(ram_gb)
        + given.machine_kgco2e.scaled(machines * boxed)
        + given.host_kgco2e.scaled(given.n_gpu * boxed)
    )
    used = given.life_years * given.fleet_use
    per_h = Belief(*(1.0 / (HOURS_PER_YEAR * end) for end in (used.high, used.likely, used.low)))
    return (made_kg * per_h).scaled(given.hours)


def broadcast(number: Number, rows: int) -> Array:
    """A number as one column of `rows`."""
    return np.broadcast_to(np.asarray(number, dtype=float), (rows,))
