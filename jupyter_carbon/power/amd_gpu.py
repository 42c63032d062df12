"""AMD's and Intel's discrete GPUs, by what their drivers show under /sys/class/drm.

AMD: the power gauge of hwmon, and amdsmi's energy counter (the extra `amd`) once it has agreed with that gauge: on
several MI100 and MI200 under ROCm 6 it stood still or ran far too low (ROCm/amdsmi issues 22 and 38).  Intel: hwmon's
energy counter.  Units are those of the kernel's hwmon interface: uW and uJ.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from jupyter_carbon.model import Component, Domain, GpuPresence, Interval, SourceUnavailable
from jupyter_carbon.power.counter import FaultLog, Seconds, WrappingCounter
from jupyter_carbon.power.gauge import GaugeIntegrator
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.present import NO_CARD
from jupyter_carbon.power.visible import (
    IDLE_SHARE,
    LIMIT_UNKNOWN_W,
    Gpu,
    HiddenPids,
    RuntimePower,
    allotted_amd,
    presence,
    while_awake,
)
from jupyter_carbon.value import value

AMD, INTEL = "0x1002", "0x8086"
SENSORS = {AMD: ("power1_average", "power1_input"), INTEL: ("energy1_input", "energy2_input")}
"""In the order of preference; i915 and xe give an energy counter to discrete cards only."""

GAUGE_STEP_S = 1.0
"""`power1_average` is a mean over a time that the driver does not tell (assumed)."""
COUNTER_STEP_S = 0.01
"""i915 and xe read a register that moves every millisecond or so (assumed ten times as slow)."""
GAUGE_SPREAD = Interval(0.93, 1.0, 1.07)
"""+-5 % for the sensor and +-5 % for what lies between two looks a second apart (both assumed)."""
COUNTER_SPREAD = Interval(0.95, 1.0, 1.05)
"""Assumed, as for NVIDIA's counter."""

CHECKED_S = 5.0
"""So long a counter must agree with the gauge before it is believed."""
CHECK_PAUSE_S = 2.0
"""Between two calls: longer, and the gauge has not seen what the counter counted."""
AGREES = (0.5, 2.0)


class AmdGpu:
    """The discrete GPUs of this machine that are not NVIDIA's.

    One that sleeps is not woken by a reading: it counts 0 W until the kernel says that it is awake.
    """

    name: ClassVar[str] = "amd-gpu"
    components: ClassVar[tuple[Component, ...]] = ("gpu",)

    def __init__(self, host: Host, clock: Seconds) -> None:
        self.faults = FaultLog()
        self.refused: dict[str, str] = {}
        """Devices that cannot be metered, and why."""
        self._clock = clock
        self._kfd = host.root / "sys/class/kfd/kfd/proc"
        self._rocm = HiddenPids(host.root / "proc", b"libhsa-runtime64.so")
        self._level_zero = HiddenPids(host.root / "proc", b"libze_intel_gpu.so")
        self._cards: list[_Card] = []
        found = list(_sensors(host.root))
        self._smi = _Smi.open(host) if any(sensor.vendor == AMD for sensor in found) else None
        counts = {AMD: 0, INTEL: 0}
        for sensor in found:
            self._add(counts[sensor.vendor], sensor)
            counts[sensor.vendor] += 1

        self.domains = tuple(card.domain for card in self._cards)
        self.power_limit_w: Mapping[str, float] = {card.domain.device: card.limit_w for card in self._cards}
        self.idle_w: Mapping[str, float] = {device: w * IDLE_SHARE for device, w in self.power_limit_w.items()}
        self.allotted = allotted_amd(host.environ, [card.gpu for card in self._cards if card.vendor == AMD])

    @classmethod
    def open(cls, host: Host, clock: Seconds = time.monotonic) -> AmdGpu:
        """Look at every card once; amdsmi is imported only where there is an AMD one."""
        source = cls(host, clock)
        if not source.domains:
            source.close()
            causes = "; ".join(f"{device}: {cause}" for device, cause in source.refused.items())
            raise SourceUnavailable(causes or NO_CARD)
        return source

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules since `open`, by device."""
        return {card.domain: card.energy_j() for card in self._cards}

    def busy_s(self, pids: frozenset[int]) -> Mapping[str, tuple[float, float]]:
        """Nothing: these drivers do not tell utilisation by process."""
        return {}

    def presence(self, pids: frozenset[int]) -> Mapping[str, GpuPresence]:
        """Who has a compute context on each device now, as far as amdsmi or the kernel's KFD tells."""
        return {card.domain.device: self._who(card, pids) for card in self._cards}

    def close(self) -> None:
        """Give descriptors and the library back."""
        for card in self._cards:
            card.power.close()
            os.close(card.descriptor)
        self._cards = []
        if self._smi is not None:
            self._smi.close()
            self._smi = None

    def _add(self, index: int, sensor: _Sensor) -> None:
        name = f"{'amd' if sensor.vendor == AMD else 'intel'}-gpu{index}"
        limit_w = _first_w(sensor.path.parent, "power1_cap", "power1_max", "power1_rated_max") or LIMIT_UNKNOWN_W
        power = RuntimePower(sensor.device)
        descriptor = -1
        try:
            descriptor = os.open(sensor.path, os.O_RDONLY | os.O_CLOEXEC)
            if sensor.vendor == AMD:
                meter = self._amd_meter(name, sensor, limit_w, power, descriptor)
            else:
                meter = self._intel_meter(name, limit_w, power, descriptor)
        except (OSError, ValueError) as err:
            power.close()
            if descriptor >= 0:
                os.close(descriptor)
            self.refused[name] = f"{sensor.path} does not answer: {err}"
            self.faults.note(name, "not-metered", -math.inf, math.inf)
            return
        domain = Domain(
            "gpu",
            name,
            meter.source,
            "measured",
            resolution_j=meter.step_s * limit_w * IDLE_SHARE,  # one step at the least power it can have
            step_s=meter.step_s,
            spread=meter.spread,
        )
        gpu = Gpu(name, index, f"GPU-{_text(sensor.device / 'unique_id')}", sensor.vendor)
        self._cards.append(_Card(domain, gpu, sensor.vendor, sensor.bus_id, limit_w, meter.energy_j, power, descriptor))

    def _amd_meter(self, name: str, sensor: _Sensor, limit_w: float, power: RuntimePower, descriptor: int) -> _Meter:
        gauge = GaugeIntegrator(
            lambda: 0.0 if power.asleep() else _read(descriptor),
            max_w=limit_w,
            device=name,
            faults=self.faults,
            clock=self._clock,
        )
        by_gauge = _Meter(gauge.energy_j, "hwmon-power", GAUGE_STEP_S, GAUGE_SPREAD)
        counted = None if self._smi is None else self._smi.counter(sensor.bus_id)
        if counted is None:
            return by_gauge
        read_j, error = counted
        try:
            counter = WrappingCounter(
                while_awake(power, read_j),
                range_j=None,
                max_w=limit_w,
                expected_w=limit_w * IDLE_SHARE,
                device=name,
                faults=self.faults,
                step_s=GAUGE_STEP_S,
                errors=(error,),
                clock=self._clock,
            )
        except error:
            return by_gauge  # a guest, or a card without a counter
        checked = CheckedCounter(counter.energy_j, gauge.energy_j, device=name, faults=self.faults, clock=self._clock)
        return _Meter(checked.energy_j, "amdsmi-energy", GAUGE_STEP_S, GAUGE_SPREAD)

    def _intel_meter(self, name: str, limit_w: float, power: RuntimePower, descriptor: int) -> _Meter:
        counter = WrappingCounter(
            while_awake(power, lambda: _read(descriptor)),
            range_j=None,
            max_w=limit_w,
            expected_w=limit_w * IDLE_SHARE,
            device=name,
            faults=self.faults,
            step_s=COUNTER_STEP_S,
            clock=self._clock,
        )
        return _Meter(counter.energy_j, "hwmon-energy", COUNTER_STEP_S, COUNTER_SPREAD)

    def _who(self, card: _Card, pids: frozenset[int]) -> GpuPresence:
        if card.power.asleep():
            return "empty"
        if card.vendor == INTEL:  # its driver tells nobody; only a process with its runtime can be there
            return "unknown" if self._level_zero.computing(pids) else "empty"
        running = None if self._smi is None else self._smi.running(card.bus_id)
        if running is not None:
            return presence(running, pids, hidden=not running & pids and self._rocm.among(pids))
        try:
            running = frozenset(int(entry) for entry in os.listdir(self._kfd) if entry.isdigit())
        except OSError:
            return "empty"  # no KFD, so no ROCm
        who = presence(running, pids, hidden=not running & pids and self._rocm.among(pids))
        several = sum(other.vendor == AMD for other in self._cards) > 1
        return "unknown" if several and who in ("alone", "shared") else who  # on one of them, and not said which


class CheckedCounter:
    """A counter that is believed once it has agreed with a gauge; until then, and if it does not, the gauge counts.

    Compared are only stretches short enough for the gauge to have seen them.  ``counter-wrong`` is noted for
    good where the counter is given up.
    """

    def __init__(
        self,
        counter_j: Callable[[], float],
        gauge_j: Callable[[], float],
        *,
        device: str,
        faults: FaultLog,
        clock: Seconds = time.monotonic,
    ) -> None:
        self._counter_j, self._gauge_j, self._clock = counter_j, gauge_j, clock
        self._device, self._faults = device, faults
        self._believed: bool | None = None
        self._last = (clock(), counter_j(), gauge_j())
        self._compared_s = self._counted_j = self._gauged_j = 0.0
        self._before_j = 0.0

    def energy_j(self) -> float:
        """Joules since the gauge was opened."""
        if self._believed:
            return self._before_j + self._counter_j()
        gauge_j = self._gauge_j()
        if self._believed is None:
            self._compare(gauge_j)
        return gauge_j

    def _compare(self, gauge_j: float) -> None:
        last_s, last_counter_j, last_gauge_j = self._last
        now_s, counter_j = self._clock(), self._counter_j()
        self._last = (now_s, counter_j, gauge_j)
        if now_s - last_s > CHECK_PAUSE_S:
            return
        self._compared_s += now_s - last_s
        self._counted_j += counter_j - last_counter_j
        self._gauged_j += gauge_j - last_gauge_j
        if self._compared_s < CHECKED_S or self._gauged_j <= 0.0:
            return
        self._believed = AGREES[0] <= self._counted_j / self._gauged_j <= AGREES[1]
        if self._believed:
            self._before_j = gauge_j - counter_j
        else:
            self._faults.note(self._device, "counter-wrong", last_s, math.inf)


class _Smi:
    """AMD's library, where it is installed: an energy counter and the processes of a device, by PCI address."""

    def __init__(self, amdsmi: ModuleType) -> None:
        self._amdsmi = amdsmi
        self._handles: dict[str, Any] = {
            amdsmi.amdsmi_get_gpu_device_bdf(handle): handle for handle in amdsmi.amdsmi_get_processor_handles()
        }

    @classmethod
    def open(cls, host: Host) -> _Smi | None:
        """The started library, or None where it is missing or does not start: the gauge then serves alone."""
        if not _library_loads(host.environ):
            return None
        try:
            import amdsmi  # noqa: PLC0415  (an optional vendor library, and slow)
        except (ImportError, OSError, AttributeError, KeyError):
            return None  # binding and library of different versions end in any of these (amdsmi 6 and 7)
        try:
            amdsmi.amdsmi_init()
            return cls(amdsmi)
        except amdsmi.AmdSmiException:
            return None

    def counter(self, bus_id: str) -> tuple[Callable[[], float], type[Exception]] | None:
        """How to read the energy accumulator in joules, and what that raises."""
        if bus_id not in self._handles:
            return None
        handle, count = self._handles[bus_id], self._amdsmi.amdsmi_get_energy_count

        def read_j() -> float:
            answer = count(handle)
            # amdsmi before 6.2.1 calls it "power".  The resolution is in uJ: 15.3.
            accumulated = answer["energy_accumulator"] if "energy_accumulator" in answer else answer["power"]
            return float(accumulated * answer["counter_resolution"] * 1e-6)

        return read_j, self._amdsmi.AmdSmiException

    def running(self, bus_id: str) -> frozenset[int] | None:
        """The pids on a device, or None where it does not tell."""
        if bus_id not in self._handles:
            return None
        try:
            return frozenset(p["pid"] for p in self._amdsmi.amdsmi_get_gpu_process_list(self._handles[bus_id]))
        except self._amdsmi.AmdSmiException:
            return None

    def close(self) -> None:
        """Let the library go."""
        try:
            self._amdsmi.amdsmi_shut_down()
        except self._amdsmi.AmdSmiException:
            return  # the driver has gone before us


@value
class _Meter:
    """How the joules of a card are counted."""

    energy_j: Callable[[], float]
    source: str
    step_s: float
    spread: Interval


@value
class _Card:
    """One board."""

    domain: Domain
    gpu: Gpu
    vendor: str
    bus_id: str
    limit_w: float
    energy_j: Callable[[], float]
    power: RuntimePower
    descriptor: int


@value
class _Sensor:
    """A discrete card's gauge or counter, and its PCI directory."""

    vendor: str
    device: Path
    path: Path

    @property
    def bus_id(self) -> str:
        """As sysfs and amdsmi write it: 0000:03:00.0."""
        return self.device.resolve().name


def _sensors(root: Path) -> Iterator[_Sensor]:
    """One sensor of each discrete card, in the driver's order."""
    cards = [path for path in (root / "sys/class/drm").glob("card*") if re.fullmatch(r"card\d+", path.name)]
    for card in sorted(cards, key=lambda path: int(path.name[4:])):
        device = card / "device"
        vendor = _text(device / "vendor")
        paths = [hwmon / name for hwmon in sorted(device.glob("hwmon/hwmon*")) for name in SENSORS.get(vendor, ())]
        path = next((path for path in paths if path.exists()), None)
        # Only an APU has a north bridge voltage (amdgpu_pm.c): its power is the processor's, and counted there.
        if path is not None and _text(path.parent / "in1_label") != "vddnb":
            yield _Sensor(vendor, device, path)


def _library_loads(environ: Mapping[str, str]) -> bool:
    """Whether amdsmi will find its library: without it its import prints into whatever cell is running."""
    spec = importlib.util.find_spec("amdsmi")
    if spec is None:
        return False
    rocm = environ.get("ROCM_HOME") or environ.get("ROCM_PATH") or "/opt/rocm"
    folders = [f"{rocm}/lib", *(spec.submodule_search_locations or ())]
    for library in ("libamd_smi.so", *(f"{folder}/libamd_smi.so" for folder in folders)):
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return True
    return False


def _first_w(hwmon: Path, *names: str) -> float | None:
    """The first of these limits that is set."""
    for name in names:
        text = _text(hwmon / name)
        if text.isdecimal() and int(text) > 0:
            return int(text) * 1e-6
    return None


def _read(descriptor: int) -> float:
    """Watts or joules of an hwmon file of uW or uJ."""
    return float(os.pread(descriptor, 32, 0)) * 1e-6


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
