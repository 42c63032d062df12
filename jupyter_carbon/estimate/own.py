"""The part that is asked for is the one that is here: what was measured of it stands for the table's figures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_carbon import tables
from jupyter_carbon.calibration.place import folder
from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.estimate.result import Estimate
from jupyter_carbon.model import HardwareSpec, Interval
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.value import replace as with_fields

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
    if here is not None:
        gpu = measured_gpu(gpu, here.gpu_curves) or gpu
        more["cpu"] = measured_cpu(more.get("cpu"), here) or more.get("cpu")
    return estimate(gpu, n_gpu, **more)


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
