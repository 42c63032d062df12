"""What is known of a place all year round: grams and litres per kilowatt-hour, its buildings, its machines.

Every number is a row of the tables with publisher, year and basis.  Life-cycle figures come first, permissive
ones before share-alike ones; a direct figure is taken only where a place has no other, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jupyter_carbon import tables
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import Basis, CarbonIntensity, IntensityUnavailable, Interval

PUBLISHERS = Interval(1 / 1.47, 1.0, 1.47)
"""A yearly figure against the truth: nine in ten countries differ by less than 47 % between Ember's generation and
Electricity Maps' consumption of 2025 (median 11.6 %), over 196 countries that both publish."""

HOURS = Interval(0.58, 1.0, 1.38)
"""An hour against its year: 5 and 95 % of the hours of the day in each month, 10th and 90th percentile days
included; the median over 26 zone-years of Electricity Maps, US EIA and ENTSO-E, 2020 to 2024."""

PLACES = Interval(0.36, 1.0, 1.76)
"""A part of a country against the whole, where no more than the country is guessed: 5 and 95 % of the zones of the
eleven countries with three or more, each country with one vote, islands of Spain left out; Electricity Maps 2025."""

LIFE_YEARS = Interval(3.0, 4.0, 6.0)
"""How long a machine serves: Boavizta 3 and Cloud Carbon Footprint 4 years for servers, ADEME 4 to 6 for computers."""

UTILISATION = Interval(0.2, 0.4, 0.8)
"""Share of its life that a machine is at work, which is what carries its manufacture.  Assumed."""

REPORTS = Interval(1 / 1.5, 1.0, 1.5)
"""A computer's manufacture against a figure for its kind: 10 and 90 % of 422 laptop and 256 desktop reports lie at
0.61 to 0.63 and 1.39 to 1.58 of their median."""

GPU_METHODS = Interval(1 / 3.5, 1.0, 1.5)
"""A GPU's manufacture against Boavizta's factors, which give an H100 3.5 times what NVIDIA's own report does."""

OVERHEAD = Interval(0.7, 1.0, 1.3)
"""A building's overhead (PUE - 1) in a given month against the yearly mean its owner publishes.  Assumed."""

HOURS_PER_YEAR = 8760.0


def intensity(region: Region, *, hours: Interval = HOURS, data: Path | None = None) -> CarbonIntensity:
    """Grams of CO2-equivalent per kWh of a region's electricity, as a yearly figure that is asked of one hour.

    The range is the spread between publishers times that of the hours of a year (pass `ONE` for a job that runs
    for months), widened to every other publisher's figure of the same basis, and once more where the place itself
    is a guess from the time zone.  The world's own range is that of the world's countries.
    """
    row, others = _grid_row(region, data)
    likely = float(row["gco2e_per_kwh"])
    if row["low"] and row["high"]:
        spread = Interval(float(row["low"]), likely, float(row["high"]))
    else:
        spread = Interval.exact(likely) * PUBLISHERS * hours
        if region.how == "time zone":
            spread = spread * PLACES
        spread = _widened(spread, (float(other["gco2e_per_kwh"]) for other in others))
    basis: Basis = "lifecycle" if row["basis"] == "lifecycle" else "direct"
    whose = "" if row["code"] == region.code else f", {row['name']}"
    doubt = {"time zone": "; place guessed from the time zone", "default": "; place unknown"}.get(region.how, "")
    return CarbonIntensity(
        gco2e_per_kwh=spread,
        region=region.code,
        name=region.name,
        basis=basis,
        method="average",
        status="yearly",
        source=f"{row['publisher']} {row['year']}{whose}, {row['boundary']}, {row['licence']}{doubt}",
        year=int(row["year"]),
    )


def pue(region: Region, chassis: str, *, data: Path | None = None) -> tuple[Interval, str]:
    """Facility energy over the machine's at the plug, and whose figure that is; 1 where no building serves it."""
    if region.provider:
        site = tables.lookup("cloud_regions", region.code, data=data)
        fleet = tables.lookup("pue", region.provider, data=data)
        if site and site[0]["pue"]:
            return _site_pue(site[0], fleet)
        if fleet:
            return _spread(fleet[0], "pue"), f"{fleet[0]['publisher']} {fleet[0]['year']}, mean of its data centres"
    if chassis in ("laptop", "desktop"):
        return Interval.exact(1.0), "own computer: no data centre around it"
    row = tables.lookup("pue", "unknown", data=data)[0]
    survey = _spread(row, "pue")
    if chassis == "unknown":  # it may stand on a desk
        survey = Interval(1.0, survey.likely, survey.high)
    return survey, f"{row['publisher']} {row['year']}, mean of its survey; the data centre is not known"


def water_l_per_kwh(region: Region, *, data: Path | None = None) -> tuple[Interval, str] | None:
    """Litres consumed upstream for a kWh of the country's electricity, reservoirs included; `None` if unpublished."""
    found = tables.lookup("water", region.country_iso2 or "WORLD", data=data)
    if not found:
        return None
    row = found[0]
    return _spread(row, "l_per_kwh"), f"{row['publisher']} {row['year']}, off-site water of electricity, {row['name']}"


def embodied_gco2e_per_h(
    chassis: str,
    *,
    life_years: Interval = LIFE_YEARS,
    utilisation: Interval = UTILISATION,
    data: Path | None = None,
) -> tuple[Interval, str] | None:
    """Grams of manufacture that an hour of use carries, of the whole machine without its GPUs: the caller takes its
    share.  `None` for a chassis of unknown kind."""
    found = tables.lookup("embodied", "server" if chassis == "vm" else chassis, data=data)
    if not found:
        return None
    row = found[0]
    device_kg = _widened(
        Interval.exact(float(row["kgco2e"])) * REPORTS,
        (float(other[column]) for other in found for column in ("low", "kgco2e", "high") if other[column]),
    )
    over = f"over {life_years.likely:g} years, {utilisation.likely:.0%} of them at work"
    return (
        device_kg * _per_busy_hour(life_years, utilisation),
        f"{row['publisher']} {row['year']}, {row['kgco2e']} kg for a {chassis}, {over} (assumed)",
    )


def gpus_gco2e_per_h(
    cards: Iterable[tuple[str, float]],
    *,
    life_years: Interval = LIFE_YEARS,
    utilisation: Interval = UTILISATION,
    data: Path | None = None,
) -> Interval:
    """The same of GPUs, by the driver's name for each and how much of it there is (of a MIG instance its part); one
    that goes by no table's name counts as a generic card."""
    device_kg = Interval.exact(0.0)
    for name, part in cards:
        device_kg = device_kg.plus_together(_gpu_kgco2e(name, data).scaled(part))
    return device_kg * _per_busy_hour(life_years, utilisation)


def _per_busy_hour(life_years: Interval, utilisation: Interval) -> Interval:
    """Grams an hour at work for each kilogram."""
    per_hour = Interval(1 / life_years.high, 1 / life_years.likely, 1 / life_years.low).scaled(1000 / HOURS_PER_YEAR)
    return per_hour * Interval(1 / utilisation.high, 1 / utilisation.likely, 1 / utilisation.low)


def _grid_row(region: Region, data: Path | None) -> tuple[tables.Row, list[tables.Row]]:
    """The row of the first grid that has one, and what other publishers say of the same grid in the same basis."""
    for code in (*region.grids, "WORLD"):
        name = "grid_regions" if "-" in code else "grid_countries"
        found = tables.lookup(name, code, data=data)
        if found:
            # The order of the rows is permissive first; a direct figure, or a doubtful one, steps back
            best = min(found, key=lambda row: (bool(row["flags"]), row["basis"] != "lifecycle"))
            return best, [row for row in found if row is not best and row["basis"] == best["basis"]]
    raise IntensityUnavailable(f"no figure for {region.code} in {data or tables.folder()}, not even the world's")


def _site_pue(site: tables.Row, fleet: list[tables.Row]) -> tuple[Interval, str]:
    """A region's own figure; a new building's design figure may end anywhere in its owner's fleet."""
    overhead = Interval.exact(float(site["pue"]) - 1.0) * OVERHEAD
    high = 1.0 + overhead.high
    if site["note"] and fleet:
        high = max(high, float(fleet[0]["high"]))
    known = Interval(1.0 + overhead.low, float(site["pue"]), high)
    return known, f"{site['publisher']} {site['pue_year']}, {site['code']}{', ' * bool(site['note'])}{site['note']}"


def _gpu_kgco2e(name: str, data: Path | None) -> Interval:
    spec = tables.gpu(name, data=data)
    if spec is None or spec.embodied_kgco2e is None:
        return _spread(tables.lookup("embodied", "gpu", data=data)[0], "kgco2e")
    if spec.embodied_low_kgco2e is not None and spec.embodied_high_kgco2e is not None:
        return Interval(spec.embodied_low_kgco2e, spec.embodied_kgco2e, spec.embodied_high_kgco2e)
    return Interval.exact(spec.embodied_kgco2e) * GPU_METHODS


def _spread(row: tables.Row, column: str) -> Interval:
    """A row's number between its own low and high."""
    return Interval(float(row["low"]), float(row[column]), float(row["high"]))


def _widened(interval: Interval, numbers: Iterable[float]) -> Interval:
    """The same belief, stretched to hold what others say."""
    known = [interval.low, interval.high, *numbers]
    return Interval(min(known), interval.likely, max(known))
