"""The next run on this very machine: its mean power while cells ran, or what its devices may draw at most."""

from __future__ import annotations

from jupyter_carbon.footprint import Totals
from jupyter_carbon.model import Context, Interval
from jupyter_carbon.units import J_PER_KWH, duration_text, j_from_kwh
from jupyter_carbon.value import value

METERED_S = 10.0
"""Cells must have run that long before their mean power says more than the ratings of the devices."""

NEXT = Interval(1 / 1.5, 1.0, 1.5)
"""The next run's power against the mean of those before it: other code, the same machine.  Assumed."""

LOAD = Interval(0.15, 0.5, 1.0)
"""Draw of the devices that are yours as a share of the most they can draw, where nothing has run yet: from light work
to all of it.  Assumed."""


@value
class Here:
    """Watts at the facility's meter that are yours while a cell runs here, and how that is known."""

    power_w: Interval
    basis: str

    def energy_kwh(self, hours: float) -> Interval:
        """Of a run of so many hours."""
        return self.power_w.scaled(hours * 3600.0 / J_PER_KWH)


def here(context: Context, totals: Totals) -> Here:
    """What a run would draw on this machine, by this session's cells if they have run for a while."""
    if totals.footprint is not None and totals.busy_s >= METERED_S:
        ran = totals.footprint.facility_energy_kwh.scaled(j_from_kwh(1.0) / totals.busy_s)
        cells = f"{totals.cells} metered cell{'s' * (totals.cells != 1)}"
        return Here(ran * NEXT, f"the mean power of {cells} of this session, {duration_text(totals.busy_s)}")
    share = {"cpu": context.idle_share, "dram": context.idle_share, "ram": context.ram_share}
    most_w = 0.0
    for domain in {domain.device: domain for domain in context.domains}.values():
        part = share.get(domain.component, float(domain.device in context.gpus_allotted))
        most_w += part * context.power_limit_w.get(domain.device, 0.0)
    wall_w = LOAD.scaled(most_w) * context.wall.factor + context.wall.base_w.scaled(context.idle_share)
    return Here(wall_w * context.pue, "no cell has run for long yet: from 15 to 100 % of what its devices may draw")
