"""From joules at the devices to the wall, the facility and the planet.  Pure.

`wall = factor * devices + base_w * seconds`, `facility = wall * PUE`, `operational = facility * intensity`; the making
of the hardware and the water stand on lines of their own and are never added to the headline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.model import (
    ZERO,
    CarbonIntensity,
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
from jupyter_carbon.value import replace, value


def footprint(shares: Iterable[Share], duration_s: float, context: Context) -> Footprint:
    """The cost of `shares` over `duration_s` charged seconds: ours, in joules, kWh, grams and litres."""
    energy_j = idle_j = machine_j = counted_j = ZERO
    for share in shares:
        energy_j = energy_j + share.energy_j
        idle_j = idle_j + share.idle_energy_j
        machine_j = machine_j + share.machine_energy_j
        counted_j = counted_j + (share.energy_j if context.wall.spread is None else _as_counted(share))
    wall_j = context.wall.energy_j(counted_j, duration_s * context.idle_share)
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


def facility_j(shares: Iterable[Share], duration_s: float, context: Context) -> float:
    """The likely joules of `shares` at the facility: those of :func:`footprint`, for who needs no range."""
    wall = context.wall
    devices_j = sum(share.energy_j.likely for share in shares)
    wall_j = devices_j * wall.factor.likely + wall.base_w.likely * duration_s * context.idle_share
    if wall.spread is not None:
        wall_j *= wall.spread.likely
    return wall_j * context.pue.likely


def _as_counted(share: Share) -> Interval:
    """The range of a share without its counter's own bias, which a fit to a plug meter holds already."""
    energy_j, domain = share.energy_j, share.domain
    if domain.quality != "measured":  # a model is not off by one factor at every load
        return energy_j
    likely_j = energy_j.likely
    down_j = _side(likely_j - energy_j.low, likely_j * (1.0 - domain.spread.low))
    up_j = _side(energy_j.high - likely_j, likely_j * (domain.spread.high - 1.0))
    return Interval(likely_j - down_j, likely_j, likely_j + up_j)


def _side(whole: float, other: float) -> float:
    """The other side of a right angle: doubts were added like this."""
    return math.sqrt(max(0.0, whole**2 - other**2))


def _kwh(energy_j: Interval) -> Interval:
    return Interval(kwh_from_j(energy_j.low), kwh_from_j(energy_j.likely), kwh_from_j(energy_j.high))


def record(
    run: CellRun,
    window: Window,
    status: Status,
    context: Context,
    intensity: CarbonIntensity | None = None,
    course: tuple[tuple[float, float], ...] = (),
) -> CellRecord:
    """The row of one cell run, from what was counted and the context it was counted in.

    `intensity` is that of the run's own time, where more is known of it than the context's yearly figure.
    """
    shares, doubts = attribute(window, context)
    then = context if intensity is None else replace(context, intensity=intensity)
    return CellRecord(
        run=run,
        duration_s=window.duration_s if window.elapsed_s is None else window.elapsed_s,
        status=status,
        shares=shares,
        footprint=footprint(shares, window.duration_s, then),
        pue=context.pue,
        intensity=then.intensity,
        flags=(*window.flags, *doubts, *context.flags),
        yearly=None if intensity is None else context.intensity,
        course=course,
    )


def settled(record: CellRecord, intensity: CarbonIntensity) -> CellRecord:
    """The same run with a surer intensity; what it was first told with stays beside it, and so does its year."""
    yearly = record.intensity if record.intensity.start is None else record.yearly
    return replace(
        record,
        intensity=intensity,
        footprint=replace(
            record.footprint, operational_gco2e=record.footprint.facility_energy_kwh * intensity.gco2e_per_kwh
        ),
        first=record.first or record.intensity,
        yearly=yearly,
    )


def energy_j(window: Window, context: Context) -> float:
    """The likely joules of ours in a window."""
    shares, _ = attribute(window, context)
    return sum(share.energy_j.likely for share in shares)


def together(one: Footprint | None, other: Footprint) -> Footprint:
    """Two footprints of one machine and place: they err in the same direction, so the ends of their ranges add.

    A sum with an unknown part is unknown.
    """
    if one is None:
        return other
    return Footprint(
        energy_j=one.energy_j.plus_together(other.energy_j),
        idle_energy_j=one.idle_energy_j.plus_together(other.idle_energy_j),
        machine_energy_j=one.machine_energy_j.plus_together(other.machine_energy_j),
        wall_energy_j=one.wall_energy_j.plus_together(other.wall_energy_j),
        facility_energy_kwh=one.facility_energy_kwh.plus_together(other.facility_energy_kwh),
        operational_gco2e=one.operational_gco2e.plus_together(other.operational_gco2e),
        embodied_gco2e=_both(one.embodied_gco2e, other.embodied_gco2e),
        water_l=_both(one.water_l, other.water_l),
    )


def _both(one: Interval | None, other: Interval | None) -> Interval | None:
    return None if one is None or other is None else one.plus_together(other)


def exchanged(total: Interval, old: Interval, new: Interval) -> Interval:
    """A sum in which one part is told anew; they err together, so ends add."""
    return Interval(
        max(0.0, total.low - old.low + new.low),
        max(0.0, total.likely - old.likely + new.likely),
        max(0.0, total.high - old.high + new.high),
    )


def retold(total: Footprint, old: Footprint, new: Footprint) -> Footprint:
    """The cost of several runs, one of which is told anew."""
    return Footprint(
        energy_j=exchanged(total.energy_j, old.energy_j, new.energy_j),
        idle_energy_j=exchanged(total.idle_energy_j, old.idle_energy_j, new.idle_energy_j),
        machine_energy_j=exchanged(total.machine_energy_j, old.machine_energy_j, new.machine_energy_j),
        wall_energy_j=exchanged(total.wall_energy_j, old.wall_energy_j, new.wall_energy_j),
        facility_energy_kwh=exchanged(total.facility_energy_kwh, old.facility_energy_kwh, new.facility_energy_kwh),
        operational_gco2e=exchanged(total.operational_gco2e, old.operational_gco2e, new.operational_gco2e),
        embodied_gco2e=_exchanged_if_known(total.embodied_gco2e, old.embodied_gco2e, new.embodied_gco2e),
        water_l=_exchanged_if_known(total.water_l, old.water_l, new.water_l),
    )


def _exchanged_if_known(total: Interval | None, old: Interval | None, new: Interval | None) -> Interval | None:
    return None if total is None or old is None or new is None else exchanged(total, old, new)


@value
class Totals:
    """What a session has cost so far; `between` is what it cost while no cell ran, and stands in no cell's number."""

    cells: int
    busy_s: float
    footprint: Footprint | None
    between_s: float
    between: Footprint | None

    def with_cell(self, record: CellRecord) -> Totals:
        """One more cell."""
        return replace(
            self,
            cells=self.cells + 1,
            busy_s=self.busy_s + record.duration_s,
            footprint=together(self.footprint, record.footprint),
        )

    def with_retold(self, before: CellRecord, after: CellRecord) -> Totals:
        """One of the cells is known better now."""
        if self.footprint is None:
            return self
        return replace(self, footprint=retold(self.footprint, before.footprint, after.footprint))

    def with_between(self, seconds: float, cost: Footprint) -> Totals:
        """One more stretch between cells."""
        return replace(self, between_s=self.between_s + seconds, between=together(self.between, cost))


NOTHING = Totals(0, 0.0, None, 0.0, None)
