"""Counters that stand still while their device works: they counted nothing in that time."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_carbon.model import Domain, Reading
from jupyter_carbon.power import PowerSource

FROZEN_FROM_S = 0.5
FROZEN_FROM_BUSY = 0.5
"""A counter that did not move between two ticks at least so far apart, while this part of a CPU worked, is stuck."""


def note_frozen(sources: Iterable[PowerSource], before: Reading, now: Reading) -> None:
    """Note as a fault what stood still between two ticks while CPU or SM time passed."""
    seconds = now.t_s - before.t_s
    if seconds < FROZEN_FROM_S:
        return
    cpus_worked = now.machine_busy_s - before.machine_busy_s >= FROZEN_FROM_BUSY * seconds
    for source in sources:
        for domain in source.domains:
            if domain.step_s <= 0.0 or seconds < 4.0 * domain.step_s:
                continue
            if now.energy_j.get(domain, -1.0) != before.energy_j.get(domain):
                continue
            worked = _sm_s(now, domain) > _sm_s(before, domain) if domain.component == "gpu" else cpus_worked
            # A counter that is waited for, as after a failed read, has its own fault already.
            known = any(f.endswith(f":{domain.device}") for f in source.faults.during(before.t_s, now.t_s))
            if worked and not known:
                source.faults.note(domain.device, "frozen", before.t_s, now.t_s)
                source.faults.fill(domain.device, before.t_s, now.t_s)


def _sm_s(reading: Reading, domain: Domain) -> float:
    """SM-seconds of everybody on a device."""
    return reading.gpu_busy_s.get(domain.device, (0.0, 0.0))[1]
