"""From joules at the devices to the wall, the facility and the planet.  Pure.

`wall = factor * devices + base_w * seconds`, `facility = wall * PUE`, `operational = facility * intensity`; the device's
making and the water stand on lines of their own and are never added to the headline.
"""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.model import (
    ZERO,
    CellRecord,
    CellRun,
    Context,
    Footprint,
    Interval,
    Share,
    Status,
    Window,
)
from jupyter_carbon.units import kwh_from_j


def footprint(shares: Iterable[Share], duration_s: float, context: Context) -> Footprint:
    """The cost of `shares` over `duration_s` charged seconds: ours, in joules, kWh, grams and litres."""
    energy_j = idle_j = machine_j = ZERO
    for share in shares:
        energy_j = energy_j + share.energy_j
        idle_j = idle_j + share.idle_energy_j
        machine_j = machine_j + share.machine_energy_j
    base_j = context.wall.base_w.scaled(duration_s * context.idle_share)
    wall_j = energy_j * context.wall.factor + base_j
    facility_kwh = _kwh(wall_j) * context.pue
    return Footprint(
        energy_j=energy_j,
        idle_energy_j=idle_j,
        machine_energy_j=machine_j,
        wall_energy_j=wall_j,
        facility_energy_kwh=facility_kwh,
        operational_gco2e=facility_kwh * context.intensity.gco2e_per_kwh,
        embodied_gco2e=context.embodied_gco2e_per_h and context.embodied_gco2e_per_h.scaled(duration_s / 3600.0),
        water_l=context.water_l_per_kwh and facility_kwh * context.water_l_per_kwh,
    )


def _kwh(energy_j: Interval) -> Interval:
    return Interval(kwh_from_j(energy_j.low), kwh_from_j(energy_j.likely), kwh_from_j(energy_j.high))


def record(run: CellRun, window: Window, status: Status, context: Context) -> CellRecord:
    """The row of one cell run, from what was counted and the context it was counted in."""
    shares, doubts = attribute(window, context)
    return CellRecord(
        run=run,
        duration_s=window.duration_s if window.elapsed_s is None else window.elapsed_s,
        status=status,
        shares=shares,
        footprint=footprint(shares, window.duration_s, context),
        pue=context.pue,
        intensity=context.intensity,
        flags=(*window.flags, *doubts, *context.flags),
    )
