"""JOULES.  A power source answers one question: how many joules have you counted so far?

A source is one class in one file: `open`, `energy_j`, `close`.  Wraparound, microjoules, watts, vendors and
permissions stay inside it.  Add one: a file here, a line in :data:`SOURCES`, a test on a fake.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import ClassVar, Protocol, cast

from jupyter_carbon.model import Component, Domain, GpuPresence, SourceUnavailable
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.present import PROBES
from jupyter_carbon.value import value


class PowerSource(Protocol):
    """Cumulative joules of some devices.

    `domains` is fixed at `open`; `energy_j` gives one number for each of them at every call, never falling and
    never raising: a fault is filled with the expected power, and noted in `faults` with its seconds.
    `idle_w` (from tables) and `power_limit_w` are by device.
    """

    name: ClassVar[str]
    components: ClassVar[tuple[Component, ...]]
    domains: tuple[Domain, ...]
    faults: FaultLog
    idle_w: Mapping[str, float]
    power_limit_w: Mapping[str, float]

    @classmethod
    def open(cls, host: Host) -> PowerSource:
        """Look the devices up once and keep them open; raises `SourceUnavailable` with the cause and the remedy."""

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules counted so far, by domain."""

    def close(self) -> None:
        """Give descriptors and handles back."""


class GpuSource(PowerSource, Protocol):
    """A source that also knows whose work a device does."""

    allotted: tuple[str, ...]

    def busy_s(self, pids: frozenset[int]) -> Mapping[str, tuple[float, float]]:
        """By device, cumulative SM-seconds of `pids` and of everybody; a device the driver is silent on is absent."""

    def presence(self, pids: frozenset[int]) -> Mapping[str, GpuPresence]:
        """By device, who has a compute context there now."""


class WatchedSource(PowerSource, Protocol):
    """A source that knows more when it is looked at between ticks: a counter's moves, a gauge of the moment."""

    def watch(self) -> float:
        """Look, if it is time; the seconds until it wants to be called again."""

    def edge_s(self) -> Mapping[str, float]:
        """By device, how well the moment is known at which its counter moved last; at the worst its step."""


class SteppedSource(PowerSource, Protocol):
    """A source whose counters move seldom: what they held at a moment is known better when they have moved on."""

    def at(self, t_s: float) -> Mapping[Domain, float]:
        """Joules at a moment that has passed, of the domains whose counter has told of it since."""


class GaugedSource(PowerSource, Protocol):
    """A source with power gauges, which are looked at and not counted."""

    def wander_j2(self) -> Mapping[str, float]:
        """By device, the variance of what the looks at a gauge have missed so far, in J²."""


_COUNTER = "apple:Apple" if sys.platform == "darwin" else "rapl:Rapl"
SOURCES: tuple[str, ...] = (_COUNTER, "cpu_model:CpuModel", "ram:Ram")
"""Module and class, in order of preference: a source whose components are all counted already is not opened."""

GPU_SOURCES: tuple[str, ...] = ("nvml:Nvml", "amd_gpu:AmdGpu")
"""Opened on the ticker's thread: a driver may take seconds to answer."""


@value
class Refusal:
    """A source that is not in use, why, and what would mend it."""

    source: str
    reason: str
    remedy: str | None = None


def is_present(name: str, host: Host) -> bool:
    """Whether there is something to open for a source: a driver, which may then take its time to answer."""
    try:
        PROBES[name.partition(":")[0]](host)
    except SourceUnavailable:
        return False
    return True


def detect(host: Host, names: Sequence[str] = SOURCES) -> tuple[tuple[PowerSource, ...], tuple[Refusal, ...]]:
    """Open every source that counts something new; the others with their reasons."""
    counted: set[Component] = set()
    sources: list[PowerSource] = []
    refusals: list[Refusal] = []
    for name in names:
        module, _, class_name = name.partition(":")
        try:
            if module in PROBES:
                PROBES[module](host)
        except SourceUnavailable as err:
            refusals.append(Refusal(module.replace("_", "-"), str(err), err.remedy))
            continue
        source_class = cast("type[PowerSource]", getattr(import_module(f"{__name__}.{module}"), class_name))
        if counted.issuperset(source_class.components):
            continue
        try:
            source = source_class.open(host)
        except SourceUnavailable as err:
            refusals.append(Refusal(source_class.name, str(err), err.remedy))
            continue
        sources.append(source)
        counted.update(domain.component for domain in source.domains)
        # Measured memory, or a whole platform with its memory inside: the model would count it twice.
        if "dram" in counted or any(domain.device.startswith("psys") for domain in source.domains):
            counted.add("ram")
    return tuple(sources), tuple(refusals)
