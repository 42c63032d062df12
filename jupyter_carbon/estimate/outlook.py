"""The coming day of a grid for a panel: what it carries now, a small curve, the next greener hour."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from jupyter_carbon.estimate.advice import Job, advise
from jupyter_carbon.estimate.coming import Signal, Slot, slots_of
from jupyter_carbon.grid.series import iso
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.model import CarbonError

DAY_S = 86_400.0
STEP_S = 1800.0
"""Width of a point: 48 of them, whatever the source's slots."""

HOURS = 1.0
"""Length of the window that is looked for."""


def outlook(timeline: Timeline, now_s: float) -> dict[str, Any]:
    """JSON values.  `curve` is `[start, g/kWh, low, high]` for each half-hour that is known; empty, and `greener` None,
    where nothing tells one hour from another.  `greener` is there only where it is worth waiting for."""
    now = timeline.at(now_s)
    told: dict[str, Any] = {
        "now": asdict(now),
        "yearly_gco2e_per_kwh": None if timeline.yearly is None else timeline.yearly.gco2e_per_kwh.likely,
        "curve": [],
        "greener": None,
    }
    try:
        slots, signal = slots_of(timeline, now_s, now_s + DAY_S, HOURS)
    except CarbonError:
        return told
    return told | {"curve": _curve(slots, now_s), "curve_status": signal.status} | _greener(slots, signal, now_s)


def _curve(slots: list[Slot], now_s: float) -> list[list[object]]:
    points: list[list[object]] = []
    start_s = now_s // STEP_S * STEP_S
    while start_s < slots[-1].end_s:
        low = likely = high = seconds = 0.0
        for slot in slots:
            part_s = min(slot.end_s, start_s + STEP_S) - max(slot.start_s, start_s)
            if part_s > 0.0:
                grams = part_s * slot.gco2e_per_kwh
                low, likely, high = low + grams * slot.spread.low, likely + grams, high + grams * slot.spread.high
                seconds += part_s
        points.append([iso(start_s), *(round(total / seconds, 1) for total in (likely, low, high))])
        start_s += STEP_S
    return points


def _greener(slots: list[Slot], signal: Signal, now_s: float) -> dict[str, Any]:
    if slots[-1].end_s - now_s < HOURS * 3600.0:
        return {}
    advice = advise(slots, signal, Job(HOURS), now_s=now_s, end_s=slots[-1].end_s)
    if not advice.worth_waiting:
        return {}
    return {
        "greener": {
            "start": iso(advice.start.timestamp()),
            "end": iso(advice.end.timestamp()),
            "gco2e_per_kwh": round(advice.then_gco2e_per_kwh, 1),
            "saving": asdict(advice.saving),
        }
    }
