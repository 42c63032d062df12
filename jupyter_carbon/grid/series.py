"""Slots of one grid in order of time: the surest number for each, and no two kinds of number side by side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from itertools import pairwise

from jupyter_carbon.model import CarbonError, CarbonIntensity, IntensityStatus, Interval

RANKS: Mapping[IntensityStatus, int] = {"actual": 0, "estimated": 1, "forecast": 2, "yearly": 3}

SAME_S = 1.0
"""Moments that differ by less are one."""


class MixedIntensities(CarbonError):
    """Direct beside life-cycle, or average beside marginal: they are different quantities, and have no sum."""


def check_one_kind(intensities: Iterable[CarbonIntensity]) -> None:
    """Raise `MixedIntensities` unless all have one basis and one method."""
    kinds = {(it.basis, it.method) for it in intensities}
    if len(kinds) > 1:
        told = " and ".join(sorted(f"{basis} {method}" for basis, method in kinds))
        raise MixedIntensities(f"{told} intensities are different quantities: they cannot be summed or compared")


def rank(intensity: CarbonIntensity) -> int:
    """How sure, 0 the surest; a profile's hour (it has a start) before a year."""
    return RANKS[intensity.status] + (intensity.status == "yearly" and intensity.start is None)


class Series:
    """What one source says of one place, in order; `start_s` and `end_s` are seconds since the epoch."""

    def __init__(self, slots: Iterable[CarbonIntensity]) -> None:
        """Of several numbers for a slot the surest is taken, of equally sure ones the last.  A gap of one slot is
        filled from its neighbours; a wider one stays."""
        by_start: dict[float, CarbonIntensity] = {}
        for slot in slots:
            start_s = seconds(slot.start)
            known = by_start.get(start_s)
            if known is None or RANKS[slot.status] <= RANKS[known.status]:
                by_start[start_s] = slot
        check_one_kind(by_start.values())
        ordered = _filled([by_start[start_s] for start_s in sorted(by_start)])
        self.slots = tuple(ordered)
        self.start_s = [seconds(slot.start) for slot in ordered]
        ends_s = [seconds(slot.end) for slot in ordered]
        self.end_s = [min(end_s, next_s) for end_s, next_s in zip(ends_s, [*self.start_s[1:], 1e12], strict=True)]

    def index(self, moment_s: float) -> int | None:
        """The slot that covers a moment; None: none does."""
        index = bisect_right(self.start_s, moment_s) - 1
        return index if index >= 0 and moment_s < self.end_s[index] else None

    def next_s(self, moment_s: float) -> float:
        """Where the next slot begins."""
        index = bisect_right(self.start_s, moment_s)
        return self.start_s[index] if index < len(self.start_s) else 1e12


def seconds(iso: str | None) -> float:
    """Seconds since the epoch of a slot's edge; ValueError for a figure that has none."""
    if iso is None:
        raise ValueError("a yearly figure has no slot")
    return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()


def iso(moment_s: float) -> str:
    """The inverse of :func:`seconds`, to the second."""
    return datetime.fromtimestamp(round(moment_s), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _filled(ordered: list[CarbonIntensity]) -> list[CarbonIntensity]:
    filled = ordered[:1]
    for one, other in pairwise(ordered):
        start_s, end_s = seconds(one.end), seconds(other.start)
        if abs((end_s - start_s) - (start_s - seconds(one.start))) < SAME_S:
            filled.append(_between(one, other))
        filled.append(other)
    return filled


def _between(one: CarbonIntensity, other: CarbonIntensity) -> CarbonIntensity:
    a, b = one.gco2e_per_kwh, other.gco2e_per_kwh
    status: IntensityStatus = "forecast" if "forecast" in (one.status, other.status) else "estimated"
    return CarbonIntensity(
        gco2e_per_kwh=Interval(min(a.low, b.low), (a.likely + b.likely) / 2.0, max(a.high, b.high)),
        region=one.region,
        name=one.name,
        basis=one.basis,
        method=one.method,
        status=status,
        source=f"{one.source}; a missing slot, from its neighbours",
        year=one.year,
        start=one.end,
        end=other.start,
    )
