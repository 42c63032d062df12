"""NVIDIA GPUs through NVML, by the energy counter, and by the power gauge where a card has none.

Facts are from NVIDIA's NVML API reference unless another source is named.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, ClassVar

from jupyter_carbon.model import ONE, Component, Domain, GpuPresence, Interval, Quality, SourceUnavailable
from jupyter_carbon.power.counter import FaultLog, Seconds, WrappingCounter, suspended_s
from jupyter_carbon.power.gauge import LOOK_S, GaugeIntegrator, Glances, MeanGauge
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.present import nvidia_library
from jupyter_carbon.power.steps import SteppedCounter
from jupyter_carbon.power.visible import (
    IDLE_SHARE,
    LIMIT_UNKNOWN_W,
    Gpu,
    HiddenPids,
    RuntimePower,
    allotted_nvidia,
    presence,
    while_awake,
)
from jupyter_carbon.value import value

COUNTER_STEP_S = 0.1
"""The energy counter moves every 20 to 100 ms (Zeus, NSDI 2023, assumes 100)."""
GAUGE_MEAN_S = 1.0
"""`nvmlDeviceGetPowerUsage` is a mean over one second on Ampere and newer; GA100 (compute capability 8.0) and older
cards show the power of the moment."""
INSTANT_UP_TO = (8, 0)
POWER_INSTANT = 186
"""NVML_FI_DEV_POWER_INSTANT: the power of the moment on any card, where the driver is new enough to tell it."""

SENSOR = Interval(0.95, 1.0, 1.05)
"""+-5 % of the reading against a power meter in series (Yang, Adamek and Armour, SC 2024, arXiv 2312.02741)."""
SAMPLED = Interval(0.95, 1.0, 1.05)
"""A gauge of the moment is looked at ten to forty times a second, its trapezoids miss what lies between (assumed)."""

SM_SAMPLE_S = 1.0
"""A utilisation sample covers the last 1/6 to 1 s."""

COUNTER = "nvml-energy"
NO_POWER = "neither an energy counter nor a power gauge, and nothing to model it by"
CHECK_DRIVER = "run nvidia-smi: it names what is wrong with the driver"

Sample = tuple[int, int, int]
"""Of one process: pid, time stamp in µs, SM %."""

NEVER, FOR_EVER = -math.inf, math.inf


class Nvml:
    """The NVIDIA GPUs of this machine.

    A card that is parted by MIG counts as its instances, each with the card's energy times its compute slices over
    the card's: modelled, since only the whole card is metered.  A card that sleeps is woken by `open` once and never
    by a reading: it counts 0 W until the kernel says that it is awake.
    """

    name: ClassVar[str] = "nvml"
    components: ClassVar[tuple[Component, ...]] = ("gpu",)

    def __init__(self, nvml: ModuleType, host: Host, clock: Seconds, suspended_s: Seconds) -> None:
        self._nvml, self._clock, self._suspended_s = nvml, clock, suspended_s
        self.faults = FaultLog()
        self.refused: dict[str, str] = {}
        """Devices that cannot be metered, and why."""
        self._cards: list[_Card] = []
        self._curves = host.gpu_curves
        self._hidden = HiddenPids(host.root / "proc", b"libcuda.so")
        for index in range(nvml.nvmlDeviceGetCount()):
            self._add(index, host)

        parts = [part for card in self._cards for part in card.parts]
        self.domains = tuple(part.domain for part in parts)
        self.power_limit_w: Mapping[str, float] = {
            part.domain.device: card.limit_w * part.share for card in self._cards for part in card.parts
        }
        self.cards: Mapping[str, tuple[str, float]] = {
            part.domain.device: (part.gpu.model, part.share) for part in parts
        }
        """The model of each device, and how much of the board it is."""
        self.uuids: Mapping[str, str] = {part.domain.device: part.gpu.uuid for part in parts}
        self.idle_w: Mapping[str, float] = {
            part.domain.device: card.idle_w * part.share for card in self._cards for part in card.parts
        }
        self.allotted, sure = allotted_nvidia(host.environ, [part.gpu for part in parts])
        self._kept_from_us = sure and not self.allotted and "CUDA_VISIBLE_DEVICES" in host.environ
        if not sure:
            for domain in self.domains:
                self.faults.note(domain.device, "device-order", NEVER, FOR_EVER)

    @classmethod
    def open(cls, host: Host, *, clock: Seconds = time.monotonic, suspended_s: Seconds = suspended_s) -> Nvml:
        """Start NVML and look at every device once."""
        nvidia_library()
        try:
            # Imported here: 70 ms of CPU time that a machine without the driver does not pay.
            import pynvml  # noqa: PLC0415
        except ImportError as err:
            raise SourceUnavailable("nvidia-ml-py is not installed", "pip install nvidia-ml-py") from err
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as err:
            raise SourceUnavailable(f"NVML does not start: {err}", CHECK_DRIVER) from err
        try:
            source = cls(pynvml, host, clock, suspended_s)
        except pynvml.NVMLError as err:
            pynvml.nvmlShutdown()
            raise SourceUnavailable(f"NVML does not list its devices: {err}", CHECK_DRIVER) from err
        if not source.domains and not source.refused:
            source.close()
            raise SourceUnavailable("the NVIDIA driver is loaded but shows no GPU to this process")
        return source  # also where no card can be metered: then it is there to say so

    def energy_j(self) -> Mapping[Domain, float]:
        """Joules since `open`, by device: one call of the driver for each card that is awake."""
        energy_j: dict[Domain, float] = {}
        for card in self._cards:
            card_j = card.meter.energy_j()
            for part in card.parts:
                energy_j[part.domain] = card_j * part.share
        return energy_j

    def busy_s(self, pids: frozenset[int]) -> Mapping[str, tuple[float, float]]:
        """SM-seconds of `pids` and of everybody, by device; a MIG instance has none (the driver tells nothing)."""
        busy_s: dict[str, tuple[float, float]] = {}
        for card in self._cards:
            if card.sm_seconds is None:
                continue
            if not card.power.asleep():
                self._sample(card, card.sm_seconds, pids)
            busy_s[card.parts[0].domain.device] = (card.sm_seconds.own_s, card.sm_seconds.all_s)
        return busy_s

    def presence(self, pids: frozenset[int]) -> Mapping[str, GpuPresence]:
        """Who has a compute context on each device now."""
        running = {
            part.domain.device: frozenset() if card.power.asleep() else self._running(part.handle)
            for card in self._cards
            for part in card.parts
        }
        # Once one pid of ours is listed, all of ours would be.
        listed = any(on_it & pids for on_it in running.values() if on_it)
        hidden = not listed and self._hidden.among(pids)
        seen = {
            device: "unknown" if on_it is None else presence(on_it, pids, hidden=hidden)
            for device, on_it in running.items()
        }
        if self._kept_from_us:  # who may see no card rests on none, also where nobody else does
            return {device: "absent" if who == "empty" else who for device, who in seen.items()}
        return seen

    def utilisation(self) -> Mapping[str, float]:
        """By device, the part of the last moments in which somebody computed, from 0 to 1; a device that does not tell,
        as one that is parted by MIG, is absent."""
        told: dict[str, float] = {}
        for card in self._cards:
            try:
                told[card.parts[0].domain.device] = self._utilisation(card.handle)
            except self._nvml.NVMLError:
                continue
        return told

    def gauge_w(self) -> Mapping[str, float]:
        """By device, what the power gauge of a card shows now that is counted by its counter, in watts."""
        shown_w: dict[str, float] = {}
        for card in self._cards:
            if card.meter.source == COUNTER and len(card.parts) == 1 and not card.power.asleep():
                try:
                    shown_w[card.parts[0].domain.device] = self._nvml.nvmlDeviceGetPowerUsage(card.handle) * 1e-3
                except self._nvml.NVMLError:
                    continue
        return shown_w

    def watch(self) -> float:
        """Look at the cards whose counter is about to move, or whose power is a gauge's; the seconds until it wants to
        be called again."""
        return min((card.meter.watch() for card in self._cards), default=math.inf)

    def edge_s(self) -> Mapping[str, float]:
        """By device, how well the moment is known at which its counter moved last; at the worst its step."""
        return {part.domain.device: card.meter.edge_s() for card in self._cards for part in card.parts}

    def at(self, t_s: float) -> Mapping[Domain, float]:
        """Joules at a moment that has passed, where the counter has moved on since."""
        told = ((card, card.meter.at and card.meter.at(t_s)) for card in self._cards)
        return {part.domain: card_j * part.share for card, card_j in told if card_j is not None for part in card.parts}

    def wander_j2(self) -> Mapping[str, float]:
        """By device, the variance of what the looks at a gauge have missed so far, in J²; counters miss nothing."""
        return {
            part.domain.device: card.meter.wander_j2() * part.share**2
            for card in self._cards
            if card.meter.wander_j2 is not None
            for part in card.parts
        }

    def close(self) -> None:
        """Let NVML go."""
        for card in self._cards:
            card.power.close()
        self._cards = []
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            return  # the driver has gone before us

    # --- open -------------------------------------------------------------------------------------------

    def _add(self, index: int, host: Host) -> None:
        nvml, device = self._nvml, f"gpu{index}"
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            model, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
            told_w = self._limit_w(handle)
        except nvml.NVMLError as err:
            self._refuse(device, f"the driver does not answer for it: {err}")
            return
        power = RuntimePower(host.root / "sys/bus/pci/devices" / self._pci_address(handle))
        gpu, limit_w = Gpu(device, index, uuid, model), told_w or LIMIT_UNKNOWN_W
        own = self._curves.get(uuid)
        idle_w = limit_w * IDLE_SHARE if own is None else own.idle_w
        try:
            meter = self._counter(handle, device, idle_w, limit_w, power)
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
            try:
                meter = self._gauge(handle, device, limit_w, power)
            except (nvml.NVMLError, ValueError) as err:
                modelled = self._modelled(handle, gpu, told_w, power)
                if modelled is None:
                    power.close()
                    self._refuse(device, f"{NO_POWER} ({err}), as in many virtual GPUs")
                    return
                meter, idle_w, limit_w = modelled
        except nvml.NVMLError as err:
            power.close()
            self._refuse(device, f"its energy counter does not answer: {err}")
            return
        whole = _Part(
            Domain(
                "gpu",
                device,
                meter.source,
                meter.quality,
                resolution_j=meter.step_s * idle_w,  # one step at the least power it can have
                step_s=meter.step_s,
                spread=meter.spread,
            ),
            gpu,
            1.0,
            handle,
        )
        parts = self._instances(handle, whole)
        sm_seconds = None if parts else self._sm_seconds(handle)
        self._cards.append(_Card(handle, idle_w, limit_w, meter, power, parts or (whole,), sm_seconds))

    def _limit_w(self, handle: Any) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetEnforcedPowerLimit(handle)) * 1e-3 or None
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_FunctionNotFound):
            return None

    def _pci_address(self, handle: Any) -> str:
        """As sysfs writes it: 0000:01:00.0, where the driver tells it.  The function of a GPU is always 0."""
        try:
            pci = self._nvml.nvmlDeviceGetPciInfo(handle)
        except self._nvml.NVMLError:
            return "untold"  # nothing lies there, so this card counts as awake
        return f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"

    def _counter(self, handle: Any, device: str, idle_w: float, limit_w: float, power: RuntimePower) -> _Meter:
        """Millijoules of the whole board since the driver was loaded; Volta and newer."""
        read_mj = self._nvml.nvmlDeviceGetTotalEnergyConsumption
        counter = WrappingCounter(
            while_awake(power, lambda: read_mj(handle) * 1e-3),
            range_j=None,
            max_w=limit_w,
            expected_w=idle_w,
            device=device,
            faults=self.faults,
            step_s=COUNTER_STEP_S,
            rests=power.asleep,
            errors=(self._nvml.NVMLError,),
            clock=self._clock,
            suspended_s=self._suspended_s,
        )
        glances = self._glances(handle, limit_w, power)
        steps = SteppedCounter(counter, step_s=COUNTER_STEP_S, glances=glances, clock=self._clock)
        return _Meter(steps.energy_j, steps.watch, steps.edge_s, COUNTER, COUNTER_STEP_S, SENSOR, at=steps.at)

    def _glances(self, handle: Any, limit_w: float, power: RuntimePower) -> Glances | None:
        """At the power of the moment; None where the driver has only a mean."""
        nvml = self._nvml

        def instant_w() -> float:
            (answer,) = nvml.nvmlDeviceGetFieldValues(handle, [POWER_INSTANT])
            if answer.nvmlReturn != nvml.NVML_SUCCESS:
                raise nvml.NVMLError(answer.nvmlReturn)
            return float(answer.value.uiVal) * 1e-3

        def usage_w() -> float:
            return float(nvml.nvmlDeviceGetPowerUsage(handle)) * 1e-3

        read_w = usage_w if self._shows_moment(handle) else instant_w
        try:
            read_w()
        except nvml.NVMLError:
            return None
        return Glances(
            lambda: 0.0 if power.asleep() else read_w(), max_w=limit_w, errors=(nvml.NVMLError,), clock=self._clock
        )

    def _shows_moment(self, handle: Any) -> bool:
        """Whether the gauge of this card shows the power of the moment, and not a mean."""
        try:
            return tuple(self._nvml.nvmlDeviceGetCudaComputeCapability(handle)) <= INSTANT_UP_TO
        except self._nvml.NVMLError_FunctionNotFound:
            return True  # a driver that is older than the cards whose gauge shows a mean
        except self._nvml.NVMLError:
            return False

    def _gauge(self, handle: Any, device: str, limit_w: float, power: RuntimePower) -> _Meter:
        read_mw = self._nvml.nvmlDeviceGetPowerUsage
        instant = self._shows_moment(handle)
        opened = GaugeIntegrator if instant else partial(MeanGauge, mean_s=GAUGE_MEAN_S)
        gauge = opened(
            lambda: 0.0 if power.asleep() else read_mw(handle) * 1e-3,
            max_w=limit_w,
            device=device,
            faults=self.faults,
            errors=(self._nvml.NVMLError,),
            clock=self._clock,
            suspended_s=self._suspended_s,
        )
        spread = SENSOR * SAMPLED if instant else SENSOR
        return _Meter(
            gauge.energy_j, gauge.watch, lambda: LOOK_S, "nvml-power", LOOK_S, spread, lambda: gauge.wander_j2
        )

    def _modelled(
        self, handle: Any, gpu: Gpu, told_w: float | None, power: RuntimePower
    ) -> tuple[_Meter, float, float] | None:
        """How a card without power is counted, by how busy it is, and the least and the most it draws; None where the
        driver does not tell that either, or where nobody knows what such a card draws."""
        from jupyter_carbon.power.gpu_curve import CURVE_SPREAD, RATED_SPREAD, curve_of, rated  # noqa: PLC0415  (few)
        from jupyter_carbon.power.gpu_model import UTILISATION_STEP_S, modelled_card  # noqa: PLC0415

        measured = curve_of(self._curves, gpu.uuid, gpu.model)
        curve = measured or rated(gpu.device, gpu.model, told_w)
        if curve is None:
            return None
        try:
            gauge = modelled_card(
                lambda: self._utilisation(handle),
                curve,
                device=gpu.device,
                faults=self.faults,
                errors=(self._nvml.NVMLError,),
                rests=power.asleep,
                clock=self._clock,
                suspended_s=self._suspended_s,
            )
        except self._nvml.NVMLError:
            return None
        if measured is None:
            self.faults.note(gpu.device, "power-unknown", NEVER, FOR_EVER)
        meter = _Meter(
            gauge.energy_j,
            gauge.watch,
            lambda: UTILISATION_STEP_S,
            "nvml-utilisation",
            UTILISATION_STEP_S,
            RATED_SPREAD if measured is None else CURVE_SPREAD,
            lambda: gauge.wander_j2,
            "assumed" if measured is None else "modelled",
        )
        return meter, curve.idle_w, max(curve.full_w, told_w or 0.0)

    def _utilisation(self, handle: Any) -> float:
        """The part of the last moments in which somebody computed, from 0 to 1."""
        return float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100.0

    def _instances(self, handle: Any, card: _Part) -> tuple[_Part, ...]:
        """The MIG instances of a card that this process may see; none where MIG is off."""
        nvml = self._nvml
        try:
            if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
                return ()
            slices = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)  # 7, on an A30 4
        except nvml.NVMLError:
            return ()
        parts = []
        for position in range(slices):
            try:
                instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, position)
                share = nvml.nvmlDeviceGetAttributes(instance).computeInstanceSliceCount / slices
                uuid = nvml.nvmlDeviceGetUUID(instance)
            except nvml.NVMLError:
                continue  # no instance here, or not ours to see
            device = f"{card.gpu.device}-mig{position}"
            whole = card.domain
            # From the others at full load while this one rests, to this one alone at work on the whole board.
            guess = Interval(0.3, 1.0, min(3.0, 1.0 / share)) if share < 1.0 else ONE
            domain = Domain(
                "gpu",
                device,
                whole.source,
                "modelled",
                resolution_j=whole.resolution_j * share,
                step_s=whole.step_s,
                spread=whole.spread * guess,
            )
            parts.append(_Part(domain, Gpu(device, card.gpu.index, uuid, card.gpu.model), share, instance))
        return tuple(parts)

    def _sm_seconds(self, handle: Any) -> SmSeconds | None:
        try:
            return SmSeconds(self._samples(handle, 0), self._clock())
        except self._nvml.NVMLError:
            return None  # the driver does not tell

    def _refuse(self, device: str, cause: str) -> None:
        self.refused[device] = cause
        self.faults.note(device, "not-metered", NEVER, FOR_EVER)

    # --- who computes -----------------------------------------------------------------------------------

    def _sample(self, card: _Card, sm_seconds: SmSeconds, pids: frozenset[int]) -> None:
        now_s = self._clock()
        try:
            samples = self._samples(card.handle, sm_seconds.seen_us)
        except self._nvml.NVMLError:
            self.faults.note(card.parts[0].domain.device, "utilisation-failed", sm_seconds.asked_s, now_s)
            samples = []
        sm_seconds.add(samples, pids, now_s)

    def _samples(self, handle: Any, since_us: int) -> list[Sample]:
        nvml = self._nvml
        try:
            samples = nvml.nvmlDeviceGetProcessUtilization(handle, since_us)
        except nvml.NVMLError as err:
            if err.value in (nvml.NVML_ERROR_NOT_FOUND, nvml.NVML_SUCCESS):
                return []  # nothing ran; where the driver answers so with success, the binding raises that
            raise
        return [(sample.pid, sample.timeStamp, sample.smUtil) for sample in samples]

    def _running(self, handle: Any) -> frozenset[int] | None:
        nvml = self._nvml
        try:
            try:
                processes = nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
            except nvml.NVMLError_FunctionNotFound:  # a driver older than 510
                processes = nvml.nvmlDeviceGetComputeRunningProcesses_v2(handle)
        except nvml.NVMLError:
            return None
        return frozenset(process.pid for process in processes)


class SmSeconds:
    """The SM-seconds of our processes and of everybody on one device, from the driver's samples.

    A sample holds from its process' sample before, or the end of the samples before, until its own time stamp; but
    not from further back than the last look and one sampling period, for while nothing runs there is no sample.
    """

    def __init__(self, samples: Iterable[Sample], now_s: float) -> None:
        self.own_s = self.all_s = 0.0
        self.asked_s = now_s
        self.seen_us = max((stamp_us for _, stamp_us, _ in samples), default=0)

    def add(self, samples: Iterable[Sample], pids: frozenset[int], now_s: float) -> None:
        """Count samples newer than the last ones; stale ones and impossible ones (above 100 %) are left out."""
        asked_s, self.asked_s = self.asked_s, now_s
        fresh = sorted(
            (stamp_us, pid, sm_percent)
            for pid, stamp_us, sm_percent in samples
            if stamp_us > self.seen_us and sm_percent <= 100
        )
        if not fresh:
            return
        newest_us = fresh[-1][0]
        begin_us = max(self.seen_us, newest_us - int((now_s - asked_s + SM_SAMPLE_S) * 1e6))
        counted_us: dict[int, int] = {}
        for stamp_us, pid, sm_percent in fresh:
            sm_s = max(0, stamp_us - counted_us.get(pid, begin_us)) * 1e-6 * sm_percent / 100
            counted_us[pid] = stamp_us
            self.all_s += sm_s
            if pid in pids:
                self.own_s += sm_s
        self.seen_us = newest_us


@value
class _Meter:
    """How the joules of a card are counted."""

    energy_j: Callable[[], float]
    watch: Callable[[], float]
    edge_s: Callable[[], float]
    source: str
    step_s: float
    spread: Interval
    wander_j2: Callable[[], float] | None = None
    quality: Quality = "measured"
    at: Callable[[float], float | None] | None = None


@value
class _Part:
    """What is told as one device: a whole card, or a MIG instance with its share of one."""

    domain: Domain
    gpu: Gpu
    share: float
    handle: Any


@value
class _Card:
    """One board."""

    handle: Any
    idle_w: float
    limit_w: float
    meter: _Meter
    power: RuntimePower
    parts: tuple[_Part, ...]
    sm_seconds: SmSeconds | None
