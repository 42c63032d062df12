"""The part that is asked for is the one that is here: what was measured of it stands for the table's figures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_carbon import tables
from jupyter_carbon.calibration.place import folder
from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.estimator import estimate, of_scenario
from jupyter_carbon.estimate.result import Estimate
from jupyter_carbon.estimate.scenario import Scenario
from jupyter_carbon.model import HardwareSpec, Interval
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.value import replace as with_fields

if TYPE_CHECKING:
    import pandas as pd

IDLE = Interval(0.8, 1.0, 1.2)
"""A card's idle power another day over that of its calibration: it moves with temperature and clocks (assumed)."""


def estimate_here(
    gpu: str | HardwareSpec | None = None,
    n_gpu: float = 1,
    *,
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
    **more: Any,
) -> Estimate:
    """:func:`~jupyter_carbon.estimate.estimator.estimate`, by what `%carbon calibrate devices` has measured on this
    machine where the GPU or the CPU that is named is its own."""
    here = calibrated_host(environ, root)
    if here is None:
        return estimate(gpu, n_gpu, **more)
    return of_scenario(owned(Scenario.of(gpu=gpu, n_gpu=n_gpu, **more), here))


def plan(
    scenarios: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    environ: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
) -> pd.DataFrame:
    """The same rows with ``energy_kwh``, ``operational_kgco2e``, ``embodied_kgco2e`` and ``water_l``, each as ``_p5``,
    ``_p50`` and ``_p95``, and their ``rank`` by the likely operational grams, 1 being the least.

    `scenarios` is a table whose columns are arguments of :func:`estimate` (others pass through), or a mapping of
    arguments to values, of which every combination becomes a row.  A row that cannot be has no numbers and says in
    ``error`` which field, which value and what is allowed; the others are computed.  This machine's own parts are told
    by what was measured of them, as :func:`estimate_here` does.
    """
    from jupyter_carbon.estimate import planner  # noqa: PLC0415  (it needs pandas)

    return planner.plan(scenarios, here=calibrated_host(environ, root))


def owned(scenario: Scenario, here: Host) -> Scenario:
    """The same run with the measured figures of the parts that are this machine's."""
    gpu, cpu = measured_gpu(scenario.gpu, here.gpu_curves), measured_cpu(scenario.cpu, here)
    return replace(scenario, gpu=gpu or scenario.gpu, cpu=cpu or scenario.cpu)


def calibrated_host(environ: Mapping[str, str], root: Path) -> Host | None:
    """This machine with its curves; `None` where none of this account's was ever calibrated."""
    place = folder(environ)
    if not place.is_dir():
        return None
    from jupyter_carbon.calibration.store import Store  # noqa: PLC0415  (few are calibrated)

    host = Host.detect(root, environ)
    known = Store(place, host).load()
    return with_fields(host, curve=known.cpu, gpu_curves=known.gpus)


def measured_gpu(name: str | HardwareSpec | None, curves: Mapping[str, GpuCurve]) -> HardwareSpec | None:
    """The card of this name as it was measured here, if one of these is it; of several alike their mean."""
    alike = [curve for curve in curves.values() if isinstance(name, str) and _same(name, curve.model)]
    if not alike:
        return None
    model, at = alike[0].model, max(curve.at for curve in alike)
    idle_w = sum(curve.idle_w for curve in alike) / len(alike)
    full_w = sum(curve.full_w for curve in alike) / len(alike)
    known = hardware.gpu(model) if tables.gpu(model) else hardware.own_gpu(full_w, name=model)
    return replace(
        known, rated_w=Interval.exact(full_w), idle_w=IDLE.scaled(idle_w), source=f"measured on this machine on {at}"
    )


def measured_cpu(name: object, host: Host) -> HardwareSpec | None:
    """The processor of this name as it was measured here, if it is this machine's: one socket of it."""
    curve = host.curve
    if curve is None or host.cpu_model is None or not isinstance(name, str):
        return None
    asked, ours = tables.cpu(name), tables.cpu(host.cpu_model)
    if (asked.model != ours.model) if asked and ours else name.casefold() != host.cpu_model.casefold():
        return None
    own = hardware.own_cpu(curve.idle_w / host.sockets, curve.full_w / host.sockets, name=host.cpu_model)
    return replace(own, cores=ours.cores if ours else None, source=f"measured on this machine on {curve.at}")


def _same(asked: str, model: str) -> bool:
    one, other = tables.gpu(asked), tables.gpu(model)
    return one.model == other.model if one and other else asked.casefold() == model.casefold()
