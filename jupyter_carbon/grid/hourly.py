"""The bundled profile of a grid: the mean and the spread of each local hour, month by month, of one past year.

What is known of an hour where nobody can be asked.  It is an average of that hour's days, not a forecast of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jupyter_carbon import tables
from jupyter_carbon.grid.region import Region
from jupyter_carbon.grid.series import iso
from jupyter_carbon.grid.static import PUBLISHERS
from jupyter_carbon.model import CarbonIntensity, Interval

TO_95 = 1.6449 / 1.2816
"""From the 10th and 90th to the 5th and 95th percentile, in the logarithm, of a log-normal spread."""

HOURS = [f"h{hour}" for hour in range(24)]

WHICH = "this hour of the day in this month"
"""In a source's words: which number of the profile it is."""


class Profile:
    """Month by local hour of one grid.  `months` has, for each month, mean, 10th and 90th percentile of 24 hours."""

    def __init__(
        self, place: Region, zone: ZoneInfo, months: Sequence[Sequence[Sequence[float]]], *, year: int, source: str
    ) -> None:
        self._place, self._zone, self._months = place, zone, months
        self._year, self.source = year, source
        self._newest: tuple[float, CarbonIntensity] | None = None

    @property
    def year_gco2e_per_kwh(self) -> float:
        """The mean of all its hours, each month alike."""
        means = [mean for month in self._months for mean in month[0]]
        return sum(means) / len(means)

    def hour_of(self, moment_s: float) -> tuple[float, float]:
        """The local clock hour of a moment, from and to, in seconds since the epoch."""
        local = datetime.fromtimestamp(moment_s, self._zone)
        start_s = float(round(moment_s - local.minute * 60 - local.second - local.microsecond / 1e6))
        return start_s, start_s + 3600.0

    def grams(self, moment_s: float) -> tuple[float, Interval]:
        """Grams per kWh of that hour on a mean day of its month, and the factor by which its days differ."""
        local = datetime.fromtimestamp(moment_s, self._zone)
        mean, p10, p90 = (row[local.hour] for row in self._months[local.month - 1])
        return mean, Interval(min(1.0, (p10 / mean) ** TO_95), 1.0, max(1.0, (p90 / mean) ** TO_95))

    def at(self, moment_s: float) -> CarbonIntensity:
        """What the profile says of the hour of a moment.  The range holds its days and what publishers differ by."""
        start_s, end_s = self.hour_of(moment_s)
        if self._newest is None or self._newest[0] != start_s:
            mean, days = self.grams(moment_s)
            self._newest = start_s, self._intensity(start_s, end_s, Interval.exact(mean) * days * PUBLISHERS)
        return self._newest[1]

    def _intensity(self, start_s: float, end_s: float, grams: Interval) -> CarbonIntensity:
        return CarbonIntensity(
            gco2e_per_kwh=grams,
            region=self._place.code,
            name=self._place.name,
            basis="lifecycle",
            method="average",
            status="yearly",
            source=self.source,
            year=self._year,
            start=iso(start_s),
            end=iso(end_s),
        )


def profile(place: Region, *, data: Path | None = None) -> Profile | None:
    """The profile of a place's own grid; None where there is none, or where the place is only guessed."""
    if place.how in ("time zone", "default"):
        return None
    try:
        rows = tables.lookup("grid_hourly", place.grids[0], data=data)
    except FileNotFoundError:  # the share-alike folder was deleted
        return None
    if not rows:
        return None
    try:
        zone = ZoneInfo(rows[0]["tz"])
    except ZoneInfoNotFoundError:  # Windows without the package tzdata
        return None
    by_month = {(int(row["month"]), row["statistic"]): [float(row[hour]) for hour in HOURS] for row in rows}
    months = [[by_month[month, name] for name in ("mean", "p10", "p90")] for month in range(1, 13)]
    first = rows[0]
    source = f"{first['publisher']} {first['year']}, {WHICH}, {first['boundary']}"
    return Profile(place, zone, months, year=int(first["year"]), source=f"{source}, {first['licence']}")
