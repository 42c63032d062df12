"""One place's grid over time, from whoever knows it best.

In this order: a measured slot, the source's own estimate, its forecast, the bundled hour of the day, the year.  The
first that covers a moment wins, and its status goes with the number.  Reading is memory only: this is asked on the
cell's path.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from jupyter_carbon.grid.hourly import Profile
from jupyter_carbon.grid.providers import FORECAST
from jupyter_carbon.grid.region import Region
from jupyter_carbon.grid.series import Series, check_one_kind, iso, rank
from jupyter_carbon.model import ZERO, CarbonIntensity, IntensityUnavailable, Interval

Course = Sequence[tuple[float, float]]
"""How a run's energy grew: seconds since its begin, and the part of its energy spent by then (0 to 1).  Between these
points, from (0, 0) and to (its end, 1), it grew evenly."""

Piece = tuple[float, float, CarbonIntensity]
"""From and to, in seconds since the epoch, and what the electricity carried then."""


class Timeline:
    """Answers for one place and one kind of number.  `live` is replaced whole by the refresher's thread.

    `is_fed`: a live source is asked about it.  `forecast_doubt` is by what factor its forecasts err.  `skew_s` is how
    far the machine's clock is behind the source's, where it is plainly wrong; questions are asked by the machine's.
    """

    def __init__(self, place: Region, yearly: CarbonIntensity | None, profile: Profile | None = None) -> None:
        self.place, self.yearly, self.profile = place, yearly, profile
        self.live: Series | None = None
        self.is_fed = False
        self.forecast_doubt = FORECAST
        self.skew_s = 0.0

    def at(self, moment_s: float) -> CarbonIntensity:
        """What the electricity carries at a moment; raises `IntensityUnavailable` where nothing is known."""
        return self._piece(moment_s + self.skew_s)[2]

    def known_at(self, moment_s: float) -> CarbonIntensity | None:
        """The same, or None."""
        try:
            return self.at(moment_s)
        except IntensityUnavailable:
            return None

    def pieces(self, start_s: float, end_s: float) -> list[Piece]:
        """A span from end to end, one piece for each number."""
        found: list[Piece] = []
        moment_s, end_s = start_s + self.skew_s, end_s + self.skew_s
        while moment_s < end_s:
            _, until_s, intensity = self._piece(moment_s)
            until_s = min(until_s, end_s)
            if found and found[-1][2] is intensity:
                moment_s = found.pop()[0] + self.skew_s
            found.append((moment_s - self.skew_s, until_s - self.skew_s, intensity))
            moment_s = until_s
        return found

    def over(self, start_s: float, end_s: float, course: Course = ()) -> CarbonIntensity:
        """The mean over a run, each slot weighed by the energy spent in it: `grams = kWh x mean` is then the sum of
        `kWh(slot) x intensity(slot)`.  Raises `MixedIntensities` rather than add two kinds of number."""
        series = self.live
        if series is not None:  # nearly every run lies in one slot
            index = series.index(start_s + self.skew_s)
            if index is not None and end_s + self.skew_s <= series.end_s[index]:
                return series.slots[index]
        pieces = self.pieces(start_s, end_s)
        if not pieces:
            return self.at(start_s)
        return pieces[0][2] if len(pieces) == 1 else mean(pieces, course)

    def _piece(self, moment_s: float) -> Piece:
        series, until_s = self.live, 1e12
        if series is not None:
            index = series.index(moment_s)
            if index is not None:
                return series.start_s[index], series.end_s[index], series.slots[index]
            until_s = series.next_s(moment_s)
        if self.profile is not None:
            start_s, end_s = self.profile.hour_of(moment_s)
            return start_s, min(end_s, until_s), self.profile.at(moment_s)
        if self.yearly is None:
            raise IntensityUnavailable(f"nothing is known of the marginal emissions of {self.place.name} at this time")
        return moment_s, until_s, self.yearly


def mean(pieces: Sequence[Piece], course: Course = ()) -> CarbonIntensity:
    """One intensity for a run over several slots of one place."""
    start_s, end_s = pieces[0][0], pieces[-1][1]
    points = [(0.0, 0.0), *course, (end_s - start_s, 1.0)]
    shares = [_share(points, piece[1] - start_s) - _share(points, piece[0] - start_s) for piece in pieces]
    first, last = pieces[0][2], pieces[-1][2]
    parts = [(share, piece[2]) for share, piece in zip(shares, pieces, strict=True)]
    return weighed(parts, start=first.start or iso(start_s), end=last.end or iso(end_s))


def weighed(parts: Sequence[tuple[float, CarbonIntensity]], *, start: str | None, end: str | None) -> CarbonIntensity:
    """One intensity for energy spent under several, over slots of time and at the places of several hosts: the mean,
    each weighed by its kWh (or its part of them), so that `grams = all kWh x mean` is the sum of `kWh x intensity`.

    Slots of one place err in the same direction, so their ends are added; places err each for itself.  The status is
    that of the least sure.  Raises `MixedIntensities` rather than add two kinds of number.
    """
    check_one_kind(intensity for _, intensity in parts)
    whole = sum(weight for weight, _ in parts)
    by_region: dict[str, Interval] = {}
    for weight, intensity in parts:
        grams = intensity.gco2e_per_kwh.scaled(weight / whole if whole > 0.0 else 1.0 / len(parts))
        by_region[intensity.region] = by_region.get(intensity.region, ZERO).plus_together(grams)
    total, *others = by_region.values()
    for grams in others:
        total = total + grams
    worst = max((intensity for _, intensity in parts), key=rank)
    sources = dict.fromkeys(intensity.source.partition(", direct ")[0] for _, intensity in parts)
    names = dict.fromkeys(intensity.name for _, intensity in parts)
    return CarbonIntensity(
        gco2e_per_kwh=total,
        region="+".join(by_region),
        name=" and ".join(names),
        basis=worst.basis,
        method=worst.method,
        status=worst.status,
        source="; ".join(sources),
        year=worst.year,
        start=start,
        end=end,
    )


def _share(points: Sequence[tuple[float, float]], at_s: float) -> float:
    """The part of the energy spent by then."""
    index = bisect_right(points, (at_s, 2.0))
    if index == len(points):
        return 1.0
    (before_s, before), (after_s, after) = points[index - 1], points[index]
    return before + (after - before) * (at_s - before_s) / (after_s - before_s)


def surer(one: CarbonIntensity, other: CarbonIntensity) -> bool:
    """Whether `one` tells more of its time than `other`, of the same kind and place."""
    kind = (one.basis, one.method, one.region) == (other.basis, other.method, other.region)
    return kind and rank(one) < rank(other)
