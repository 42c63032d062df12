"""The next run on this very machine: its mean power while cells ran, or the rated power of its devices."""

from __future__ import annotations

from jupyter_carbon.footprint import Totals
from jupyter_carbon.model import ONE, Context, Interval
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.ram import W_PER_GB
from jupyter_carbon.units import J_PER_KWH, duration_text, j_from_kwh
from jupyter_carbon.value import value

METERED_S = 10.0
"""Cells must have run that long before their mean power says more than the ratings of the devices."""

NEXT = Interval(1 / 1.5, 1.0, 1.5)
"""The next run's power against the mean of those before it: other code, the same machine.  Assumed."""

LOAD = Interval(0.15, 0.5, 1.0)
"""Draw of the devices that are yours as a share of their rated power, where nothing has run yet: from light work
to all of it.  Assumed."""


@value
class Here:
    """Watts at the facility's meter that are yours while a cell runs here, and how that is known."""

    power_w: Interval
    basis: str

    def energy_kwh(self, hours: float) -> Interval:
        """Of a run of so many hours."""
        return self.power_w.scaled(hours * 3600.0 / J_PER_KWH)


def here(context: Context, totals: Totals, host: Host) -> Here:
    """What a run would draw on this machine, by this session's cells if they have run for a while."""
    if totals.footprint is not None and totals.busy_s >= METERED_S:
        ran = totals.footprint.facility_energy_kwh.scaled(j_from_kwh(1.0) / totals.busy_s)
        cells = f"{totals.cells} metered cell{'s' * (totals.cells != 1)}"
        return Here(ran * NEXT, f"the mean power of {cells} of this session, {duration_text(totals.busy_s)}")
    # A counter's own limit is what nobody would believe; the rating is what a part draws at most for long, and best of
    # all is what it drew at full load.
    cpu_w = host.tdp_w if host.curve is None else host.curve.full_w
    gpu_w = {**context.power_limit_w, **{curve.device: curve.full_w for curve in host.gpu_curves.values()}}
    most_w = cpu_w * context.idle_share + sum(gpu_w.get(gpu, 0.0) for gpu in context.gpus_allotted)
    memory_w = W_PER_GB.scaled(host.allotted_ram_gb * context.ram_share)
    devices_w = LOAD.scaled(most_w) * (host.tdp_spread if host.curve is None else ONE) + memory_w
    wall_w = context.wall.energy_j(devices_w, context.idle_share)  # joules of one second
    return Here(wall_w * context.pue, "no cell has run for long yet: from 15 to 100 % of its devices’ rated power")
