"""What an hour and a place add to watts: the building, the grid, the water."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from jupyter_carbon import tables
from jupyter_carbon.estimate.hardware import Chassis
from jupyter_carbon.estimate.priors import shipped
from jupyter_carbon.estimate.when import ANY, RunHours, hours_from
from jupyter_carbon.grid import region as regions
from jupyter_carbon.grid import static
from jupyter_carbon.model import ONE, ZERO, CarbonIntensity, Interval, UnknownRegion


@dataclass(frozen=True, slots=True)
class Place:
    """Where a machine stands: grams and litres per kWh, and what its building adds to it.

    `intensity` is the year's, `hours` what those of a run make of it.

    `water_site_l_per_kwh` evaporates at the building per kWh of its machines, `water_grid_l_per_kwh` at the power
    plants per kWh of the building; `None` where nobody says.
    """

    code: str
    name: str
    intensity: CarbonIntensity
    hours: RunHours
    pue: Interval
    pue_source: str
    water_site_l_per_kwh: Interval
    water_site_source: str
    water_grid_l_per_kwh: Interval
    water_grid_source: str


@lru_cache(maxsize=4096)
def place(region: str | None, chassis: Chassis, start: datetime | None = None) -> Place:
    """The place of this name, from `start` on, for a machine of this kind; the world where none is given.

    Raises `UnknownRegion` for a word that is no region, or two.
    """
    try:
        where = regions.resolve("WORLD", how="default") if region is None else regions.resolve(region)
    except UnknownRegion as err:
        raise UnknownRegion(f"region: {err}") from err
    pue, pue_source = static.pue(where, chassis)
    water = static.water_l_per_kwh(where) or static.water_l_per_kwh(regions.resolve("WORLD"))
    site, site_source = _site_water(where.code, chassis if where.provider is None else "server")
    return Place(
        code=where.code,
        name=where.name,
        intensity=static.intensity(where, hours=ONE),
        hours=ANY if start is None else hours_from(start, where),
        pue=pue,
        pue_source=pue_source,
        water_site_l_per_kwh=site,
        water_site_source=site_source,
        water_grid_l_per_kwh=ZERO if water is None else water[0],
        water_grid_source="not published" if water is None else water[1],
    )


def _site_water(code: str, chassis: Chassis) -> tuple[Interval, str]:
    """Litres that the building evaporates per kWh of its machines: the provider's figure for the region, else any
    data centre's.  Nothing cools a machine at home with water."""
    if chassis != "server":
        return ZERO, "no building around it"
    for row in tables.lookup("cloud_regions", code):
        if (wue := tables.number(row, "wue_l_per_kwh")) is not None:
            return Interval(wue / 1.5, wue, wue * 1.5), f"{row['publisher']} {row['wue_year']}, yearly mean of {code}"
    usual = shipped()("wue", ("data centre",))
    return usual.belief, usual.source
