"""A card that tells how busy it is and not what it draws, as many laptops' and virtual ones: counted by its curve."""

from __future__ import annotations

import time
from collections.abc import Callable

from jupyter_carbon.power.counter import FaultLog, Seconds, suspended_s
from jupyter_carbon.power.gauge import LOOK_S, GaugeIntegrator
from jupyter_carbon.power.gpu_curve import GpuCurve

UTILISATION_STEP_S = 1.0
"""NVML's utilisation covers the last 1/6 to 1 s, by card (`nvmlUtilization_t`): an edge is known no better."""


def modelled_card(
    read_utilisation: Callable[[], float],
    curve: GpuCurve,
    *,
    device: str,
    faults: FaultLog,
    errors: tuple[type[Exception], ...],
    rests: Callable[[], bool] = lambda: False,
    clock: Seconds = time.monotonic,
    suspended_s: Seconds = suspended_s,
) -> GaugeIntegrator:
    """Joules since now of a card whose `read_utilisation` tells the busy part of the last moments, from 0 to 1; raises
    what that raises.  While it `rests` it is not asked, and draws nothing."""
    return GaugeIntegrator(
        lambda: 0.0 if rests() else curve.likely_w(read_utilisation()),
        max_w=curve.full_w,
        device=device,
        faults=faults,
        closest_s=LOOK_S,
        errors=errors,
        clock=clock,
        suspended_s=suspended_s,
    )
