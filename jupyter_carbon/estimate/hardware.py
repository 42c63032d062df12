"""Which device a person means, and what is known of it before it is metered.

A name is matched as people, `lscpu` and NVML write it.  An unknown one raises and names near matches; a class
("data-centre GPU", "laptop CPU") stands in only where it is asked for by its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from jupyter_carbon import tables
from jupyter_carbon.estimate.priors import Priors, shipped
from jupyter_carbon.model import HardwareSpec, Interval, UnknownHardware

Chassis = Literal["laptop", "desktop", "server"]

# Classes that may be asked for by name, with the machine they stand in.  Their ratings are rows of the priors table.
GPU_CLASSES: Mapping[str, Chassis] = {
    "data-centre GPU": "server",
    "desktop GPU": "desktop",
    "laptop GPU": "laptop",
    "TPU": "server",
}
CPU_CLASSES: Mapping[str, Chassis] = {"server CPU": "server", "desktop CPU": "desktop", "laptop CPU": "laptop"}

MANY_CORES = 8
"""Above it a package is large: several dies or a mesh, whose share of the idle power is higher."""

# Parts by the names their makers give them; asked in this order, the first that fits is the class.
_GPU_KINDS = (
    (
        "pascal",
        re.compile(r"\b(tesla )?p(4|6|40|100)\b|\bgtx 10[5-8]0\b|\bquadro p\d{3,4}\b|\btitan xp?\b", re.IGNORECASE),
    ),
    (
        "geforce",
        re.compile(
            r"\bgeforce\b|\btitan\b|\bgtx\b|^(rtx )?[2-5]0[5-9]0\b|\bradeon (rx|r9|hd|vii)\b|\barc\b", re.IGNORECASE
        ),
    ),
)
_LAPTOP_CPU = re.compile(
    r"\d(u|h|hx|hs|hk|hq|p|y|v|m|mx|n?g\d)$|\d[ym]\d\d$|\bcore m\d|\bryzen ai (?!max)|mobile", re.IGNORECASE
)
_SERVER_CPU = re.compile(r"xeon|epyc|opteron|altra|graviton|thunderx|kunpeng|axion|cobalt|grace", re.IGNORECASE)
# Intel lets these run at their maximum turbo power, twice the base power they are rated at, without end (ARK).
_TURBO_CPU = re.compile(r"core i[579]-1[234]\d{3}k[fs]?\b", re.IGNORECASE)


@lru_cache(maxsize=1024)
def gpu(name: str | HardwareSpec) -> HardwareSpec:
    """The accelerator, or class of accelerators, of this name; raises `UnknownHardware` with near matches."""
    if isinstance(name, HardwareSpec):
        return name
    if (key := _class_of(name, GPU_CLASSES)) is not None:
        return _any_of("gpu", key, GPU_CLASSES[key], shipped())
    spec = tables.gpu(name)
    if spec is None or spec.tdp_w is None:
        raise _unknown("gpu", name, (row["model"] for row in tables.rows("gpus") if row["tdp_w"]), GPU_CLASSES)
    classes = tuple(kind for kind, pattern in _GPU_KINDS if pattern.search(spec.model))
    laptop = spec.form == "mobile" or spec.kind == "soc_gpu" or "jetson" in spec.model.casefold()
    return HardwareSpec(
        component="gpu",
        name=spec.model,
        classes=(*(("tpu",) if spec.kind == "tpu" else ()), *classes, "gpu"),
        chassis="laptop" if laptop else "desktop" if "geforce" in classes else "server",
        rated_w=Interval.exact(spec.tdp_w),
        idle_w=None if spec.idle_w is None else Interval(0.6 * spec.idle_w, spec.idle_w, 1.6 * spec.idle_w),
        cores=None,
        memory_gb=spec.memory_gb,
        fp32_tflops=spec.fp32_tflops,
        tensor_tflops=spec.tensor_tflops,
        embodied_kgco2e=_embodied(spec),
        source=f"{spec.publisher} {spec.year} ({spec.licence})",
    )


@lru_cache(maxsize=1024)
def cpu(name: str | HardwareSpec) -> HardwareSpec:
    """The CPU, or class of CPUs, of this name; raises `UnknownHardware` with near matches."""
    if isinstance(name, HardwareSpec):
        return name
    if (key := _class_of(name, CPU_CLASSES)) is not None:
        return _any_of("cpu", key, CPU_CLASSES[key], shipped())
    spec = tables.cpu(name)
    if spec is None:
        raise _unknown("cpu", name, (row["model"] for row in tables.rows("cpus")), CPU_CLASSES)
    return cpu_spec(
        spec.model, rated_w=spec.tdp_w, cores=spec.cores, source=f"{spec.publisher} {spec.year} ({spec.licence})"
    )


def own_cpu(idle_w: float, full_w: float, *, name: str = "own CPU", cores: int | None = None) -> HardwareSpec:
    """A CPU whose package was metered for a minute, idle and with all threads busy.

    That halves the error of an estimate from its name and rating alone.
    """
    if not 0.0 < idle_w < full_w < math.inf:
        raise ValueError(f"idle_w={idle_w!r}, full_w={full_w!r} are not possible; they must be above 0, idle the lower")
    spec = cpu_spec(name, rated_w=full_w, cores=cores, source="metered by you")
    minute = shipped()("metered", ("cpu",)).belief
    return replace(spec, classes=("metered-cpu", "cpu"), idle_w=minute.scaled(idle_w))


def own_gpu(rated_w: float, *, name: str = "own GPU", tensor_tflops: float | None = None) -> HardwareSpec:
    """An accelerator that no table knows, by the power its maker rates it at."""
    if not 0.0 < rated_w < math.inf:
        raise ValueError(f"rated_w={rated_w!r} is not possible; it must be greater than 0")
    return HardwareSpec(
        component="gpu",
        name=name,
        classes=("gpu",),
        chassis="server",
        rated_w=Interval.exact(rated_w),
        idle_w=None,
        cores=None,
        memory_gb=None,
        fp32_tflops=None,
        tensor_tflops=tensor_tflops,
        embodied_kgco2e=None,
        source="given",
    )


def cpu_spec(name: str, *, rated_w: float, cores: int | None, source: str) -> HardwareSpec:
    """A CPU by its name, its rated watts and its cores per package, as a person may know them without a table."""
    many = rated_w > 105.0 if cores is None else cores > MANY_CORES
    turbo, chassis = _TURBO_CPU.search(name), cpu_chassis(name)
    kind = "turbo-cpu" if turbo else "small-cpu" if not many else "server-cpu" if chassis == "server" else "large-cpu"
    return HardwareSpec(
        component="cpu",
        name=name,
        classes=(kind, "cpu"),
        chassis=chassis,
        rated_w=Interval.exact(rated_w),
        idle_w=None,
        cores=cores,
        memory_gb=None,
        fp32_tflops=None,
        tensor_tflops=None,
        embodied_kgco2e=None,
        source=source,
    )


def cpu_chassis(name: str) -> Chassis:
    """The machine that a CPU of this name usually stands in."""
    if _SERVER_CPU.search(name):
        return "server"
    return "laptop" if _LAPTOP_CPU.search(name.strip()) or "apple" in name.casefold() else "desktop"


def _class_of(name: str, classes: Mapping[str, Chassis]) -> str | None:
    asked = _plain(name)
    return next((known for known in classes if _plain(known) == asked), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.casefold().replace("center", "centre"))


def _any_of(component: Literal["cpu", "gpu"], name: str, chassis: Chassis, priors: Priors) -> HardwareSpec:
    row = priors("rated", (name,))
    narrow = {"desktop GPU": ("geforce",), "TPU": ("tpu",), "server CPU": ("server-cpu",)}.get(name, ())
    if component == "cpu" and not narrow:
        narrow = ("small-cpu",)
    return HardwareSpec(
        component=component,
        name=f"any {name}",
        classes=(*narrow, component),
        chassis=chassis,
        rated_w=row.belief,
        idle_w=None,
        cores=None,
        memory_gb=None,
        fp32_tflops=None,
        tensor_tflops=None,
        embodied_kgco2e=None,
        source=row.source,
    )


def _embodied(spec: tables.GpuSpec) -> Interval | None:
    """The publishers' span; where only one spoke, a half to twice, as their figures for one card differ by more."""
    if spec.embodied_kgco2e is None:
        return None
    likely = spec.embodied_kgco2e
    return Interval(spec.embodied_low_kgco2e or likely / 2, likely, spec.embodied_high_kgco2e or likely * 2)


def _unknown(component: str, name: str, names: Iterable[str], classes: Mapping[str, Chassis]) -> UnknownHardware:
    near = tables.near(name, names)
    hint = f"near matches: {', '.join(near)}" if near else "no name is near it"
    return UnknownHardware(
        f"{component}={name!r} is not in the tables; {hint}. A class stands in if you ask for one: {', '.join(classes)}"
    )
