"""The words of the house: frozen dataclasses and the error tree.  Imports nothing of ours but how they are made.

Joules and grams inside, a unit in every name.  A number that is believed rather than counted is an
:class:`Interval`: the 5 %, 50 % and 95 % of our belief.  Nothing here reads a clock, a file or a device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from jupyter_carbon.value import asdict, value

Component = Literal["cpu", "dram", "ram", "gpu"]
Quality = Literal["measured", "modelled", "assumed"]
Status = Literal["ok", "error", "interrupted", "crashed"]
Basis = Literal["lifecycle", "direct"]
Method = Literal["average", "marginal"]
IntensityStatus = Literal["actual", "estimated", "forecast", "yearly"]


# --- errors ------------------------------------------------------------------------------------------------


class CarbonError(Exception):
    """Anything that jupyter_carbon raises on purpose."""


class SourceUnavailable(CarbonError):
    """A power source is not here or may not be read; the message says the cause, `remedy` what mends it for good."""

    def __init__(self, cause: str, remedy: str | None = None) -> None:
        super().__init__(cause)
        self.remedy = remedy


class IntensityUnavailable(CarbonError):
    """No carbon intensity is known for this place and time."""


class UnknownRegion(CarbonError):
    """No such region; the message names near matches."""


class UnknownHardware(CarbonError):
    """No such device; the message names near matches."""


class LedgerError(CarbonError):
    """The ledger cannot be read or written; the message says why and what still works."""


# --- numbers with a range ----------------------------------------------------------------------------------


@value
class Interval:
    """Where a number lies: 5 %, 50 % and 95 % of our belief.

    >>> Interval(8, 10, 12).scaled(2)
    Interval(low=16, likely=20, high=24)
    """

    low: float
    likely: float
    high: float

    def __init__(self, low: float, likely: float, high: float) -> None:
        # A record takes some fifty of them, a tick that is shown a hundred: without the loop it is half the time.
        _set_low(self, low)
        _set_likely(self, likely)
        _set_high(self, high)

    @classmethod
    def exact(cls, value: float) -> Interval:
        """A number that is known, or whose doubt is carried elsewhere."""
        return cls(value, value, value)

    def scaled(self, factor: float) -> Interval:
        """The same belief in another unit; `factor` is exact and not negative."""
        return Interval(self.low * factor, self.likely * factor, self.high * factor)

    def __mul__(self, other: Interval) -> Interval:
        """Product of two independent factors, neither negative: their relative spreads add like the sides of a
        right angle (log-normal factors).  A low end of zero stays zero."""
        likely = self.likely * other.likely
        if likely <= 0.0:
            return Interval(0.0, likely, self.high * other.high)
        low, high = 0.0, self.high * other.high
        if self.low > 0.0 and other.low > 0.0:
            low = likely * math.exp(-math.hypot(math.log(self.likely / self.low), math.log(other.likely / other.low)))
        if self.high > 0.0 and other.high > 0.0:
            high = likely * math.exp(math.hypot(math.log(self.high / self.likely), math.log(other.high / other.likely)))
        return Interval(low, likely, high)

    def __add__(self, other: Interval) -> Interval:
        """Sum of two independent numbers: their absolute spreads add like the sides of a right angle."""
        likely = self.likely + other.likely
        return Interval(
            likely - math.hypot(self.likely - self.low, other.likely - other.low),
            likely,
            likely + math.hypot(self.high - self.likely, other.high - other.likely),
        )

    def plus_together(self, other: Interval) -> Interval:
        """Sum of two numbers that err in the same direction (the same source, the same model): ends add."""
        return Interval(self.low + other.low, self.likely + other.likely, self.high + other.high)


_set_low, _set_likely, _set_high = (vars(Interval)[end].__set__ for end in ("low", "likely", "high"))

ZERO = Interval(0.0, 0.0, 0.0)
ONE = Interval(1.0, 1.0, 1.0)


# --- power: what is counted --------------------------------------------------------------------------------


@value
class Domain:
    """One thing whose joules are counted: a CPU package, the memory, a GPU.

    `device` is unique on the machine and ends in the index (``package-0``, ``gpu1``).  `resolution_j` is the
    counter's own step in joules, `step_s` how often it moves (0: at every look).  `spread` is the factor between
    what the source says and the truth, as far as the source's bias is known.
    """

    component: Component
    device: str
    source: str
    quality: Quality
    resolution_j: float
    step_s: float = 0.0
    spread: Interval = ONE

    def __hash__(self) -> int:
        """By device alone: domains are dictionary keys on the cell's path."""
        return hash(self.device)


@value
class Reading:
    """All counters at one moment; every number is cumulative and never falls.

    `t_s` is the monotonic clock.  `tree_cpu_s` are the CPU seconds of the kernel's process tree, `machine_busy_s`
    those of the whole machine (steal and iowait left out).  `gpu_busy_s` holds, by device, the SM-seconds of our
    processes and of everybody, where the driver tells them.
    """

    t_s: float
    energy_j: Mapping[Domain, float]
    tree_cpu_s: float
    machine_busy_s: float
    gpu_busy_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)


GpuPresence = Literal["alone", "shared", "absent", "empty", "unknown"]
"""Who computes on a device: only we; we and others; only others; nobody; the driver does not say."""


@value
class Window:
    """The difference of two readings: what the whole machine did, and how much of its CPU time was ours.

    `duration_s` are the seconds charged; `elapsed_s` how long the cell took, which is more where several cells ran
    at the same time and shared the seconds (`None`: the same).
    `idle_w` is the machine's idle power by device, as far as it was learned (missing: ask the tables).
    `recent_w` is the power of a device over its last well-resolved interval (in a cell shorter than the counter's step:
    its likely power in that cell) and `j_per_cpu_s` its active joules per
    busy CPU second, both for windows below the counter's step.
    `gpu_presence` says who computed on a device.  `flags` tell every fault of these seconds.
    `edge_s` is how well the moments are known at which a counter moved last before both edges, where that was watched
    (missing: its whole step), `filled_s` the seconds that no counter vouches for, and `wander_j` one standard deviation
    of what a gauge's looks may have missed; all by device.
    `after` is what devices went on doing for the cell once it had ended, where nobody waited for them: the joules above
    idle of everybody there, in a window of its own.
    """

    duration_s: float
    energy_j: Mapping[Domain, float]
    tree_cpu_s: float
    machine_busy_s: float
    idle_w: Mapping[str, float] = field(default_factory=dict)
    recent_w: Mapping[str, float] = field(default_factory=dict)
    j_per_cpu_s: Mapping[str, float] = field(default_factory=dict)
    gpu_busy_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gpu_presence: Mapping[str, GpuPresence] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    elapsed_s: float | None = None
    edge_s: Mapping[str, float] = field(default_factory=dict)
    filled_s: Mapping[str, float] = field(default_factory=dict)
    wander_j: Mapping[str, float] = field(default_factory=dict)
    after: Window | None = None


@value
class Share:
    """One domain's part of a window: ours, the idle in it, and the machine's.  Joules at the device."""

    domain: Domain
    energy_j: Interval
    idle_energy_j: Interval
    machine_energy_j: Interval
    resolution_j: float


# --- from joules to the planet -----------------------------------------------------------------------------


@value
class CarbonIntensity:
    """Grams of CO2-equivalent per kWh of electricity, in one place over one span of time.

    `start` and `end` are ISO 8601 in UTC (`None` for a yearly figure); two of `basis` or of `method` are never mixed in
    a sum.
    """

    gco2e_per_kwh: Interval
    region: str
    name: str
    basis: Basis
    method: Method
    status: IntensityStatus
    source: str
    year: int | None
    start: str | None = None
    end: str | None = None


@value
class WallModel:
    """`wall = factor * devices + base_w * seconds`: supply losses, and board, fans and disks, for one chassis kind.

    Where both were fitted to a plug meter, `spread` is truth over their sum: it holds what the devices' counters are
    biased by too, since the fit was made with what they say.
    """

    kind: str
    factor: Interval
    base_w: Interval
    quality: Quality
    source: str
    spread: Interval | None = None

    def energy_j(self, devices_j: Interval, seconds: float) -> Interval:
        """Joules at the plug of `devices_j`, and of so many seconds of the rest."""
        wall_j = devices_j * self.factor + self.base_w.scaled(seconds)
        return wall_j if self.spread is None else wall_j * self.spread


@value
class Context:
    """What turns counted joules into a footprint, and stays the same over many cells.

    `idle_share` is the part of the machine's idle power (CPU, board) that is this kernel's by allotment, `ram_share`
    the part of the memory counted, `kernel_share` one of all kernels metered here (of a GPU that any of them may use),
    `idle_w` the tables' idle power by device (used until it is learned),
    `gpus_allotted` the devices whose idle is ours, `power_limit_w` the most a device can draw.
    `embodied_gco2e_per_h` is already our share.
    """

    domains: tuple[Domain, ...]
    n_cpu: int
    idle_share: float
    ram_share: float
    kernel_share: float
    idle_w: Mapping[str, float]
    power_limit_w: Mapping[str, float]
    gpus_allotted: tuple[str, ...]
    wall: WallModel
    pue: Interval
    pue_source: str
    intensity: CarbonIntensity
    embodied_gco2e_per_h: Interval | None = None
    embodied_source: str | None = None
    water_l_per_kwh: Interval | None = None
    water_source: str | None = None
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Context:
        """The inverse of :meth:`to_dict`."""
        wall = data["wall"]
        return cls(
            **{
                **data,
                "domains": tuple(Domain(**{**d, "spread": Interval(**d["spread"])}) for d in data["domains"]),
                "gpus_allotted": tuple(data["gpus_allotted"]),
                "wall": WallModel(
                    **{
                        **wall,
                        "factor": Interval(**wall["factor"]),
                        "base_w": Interval(**wall["base_w"]),
                        "spread": _interval(wall.get("spread")),
                    }
                ),
                "pue": Interval(**data["pue"]),
                "intensity": intensity_from_dict(data["intensity"]),
                "embodied_gco2e_per_h": _interval(data["embodied_gco2e_per_h"]),
                "water_l_per_kwh": _interval(data["water_l_per_kwh"]),
                "flags": tuple(data["flags"]),
            }
        )


def intensity_from_dict(data: Mapping[str, Any]) -> CarbonIntensity:
    """The inverse of `asdict` for a :class:`CarbonIntensity`."""
    return CarbonIntensity(**{**data, "gco2e_per_kwh": Interval(**data["gco2e_per_kwh"])})


def _intensity(data: Mapping[str, Any] | None) -> CarbonIntensity | None:
    return None if data is None else intensity_from_dict(data)


def _interval(data: Mapping[str, float] | None) -> Interval | None:
    return None if data is None else Interval(**data)


@value
class Footprint:
    """What a window costs, ours: wall joules, facility kWh, grams and litres.  `None` is unknown, never zero."""

    energy_j: Interval
    idle_energy_j: Interval
    machine_energy_j: Interval
    wall_energy_j: Interval
    facility_energy_kwh: Interval
    operational_gco2e: Interval
    embodied_gco2e: Interval | None
    water_l: Interval | None


# --- a cell run --------------------------------------------------------------------------------------------


@value
class CellRun:
    """Which run this is.  `started_at` is seconds since the epoch (UTC).  The code is a hash, never text."""

    id: str
    session_id: str
    cell_id: str | None
    notebook: str | None
    label: str | None
    execution_count: int | None
    started_at: float
    source_sha1: str | None


@value
class CellRecord:
    """One row of the ledger: a run, how it ended, its joules by component and its footprint.

    `shares` and `footprint` are ours and the machine's, as their own names say; `flags` hold every doubt.
    `intensity` is the mean over the run's slots, each weighed by the energy spent in it.  `yearly` stands beside it
    where it is of the hour; `first` is what it was before a surer one settled it.  `course` tells how the energy grew:
    seconds since the begin, and the part of it spent by then (empty: evenly).
    """

    run: CellRun
    duration_s: float
    status: Status
    shares: tuple[Share, ...]
    footprint: Footprint
    pue: Interval
    intensity: CarbonIntensity
    flags: tuple[str, ...]
    yearly: CarbonIntensity | None = None
    first: CarbonIntensity | None = None
    course: tuple[tuple[float, float], ...] = ()

    @property
    def yearly_gco2e(self) -> Interval | None:
        """Operational grams by the place's yearly figure, where another stands in the headline."""
        return None if self.yearly is None else self.footprint.facility_energy_kwh * self.yearly.gco2e_per_kwh

    @property
    def first_gco2e(self) -> Interval | None:
        """Operational grams as they were first told, where a surer number has settled them since."""
        return None if self.first is None else self.footprint.facility_energy_kwh * self.first.gco2e_per_kwh

    def to_dict(self) -> dict[str, Any]:
        """The public form: flat names with units, intervals as ``{"low", "likely", "high"}``, times in ISO 8601."""
        return {
            **asdict(self.run),
            "started_at": _iso(self.run.started_at),
            "duration_s": self.duration_s,
            "status": self.status,
            **asdict(self.footprint),
            "components": [
                {
                    "component": s.domain.component,
                    "device": s.domain.device,
                    "source": s.domain.source,
                    "quality": s.domain.quality,
                    "energy_j": asdict(s.energy_j),
                    "idle_energy_j": asdict(s.idle_energy_j),
                    "machine_energy_j": asdict(s.machine_energy_j),
                    "resolution_j": s.resolution_j,
                }
                for s in self.shares
            ],
            "pue": asdict(self.pue),
            "intensity": asdict(self.intensity),
            "flags": list(self.flags),
            **self._of_its_hour(),
        }

    def _of_its_hour(self) -> dict[str, Any]:
        """What there is to say beside the headline where that is of the run's own time; else nothing."""
        told: dict[str, Any] = {}
        if self.yearly is not None and self.yearly_gco2e is not None:
            told |= {"yearly_intensity": asdict(self.yearly), "yearly_gco2e": asdict(self.yearly_gco2e)}
        if self.first is not None and self.first_gco2e is not None:
            told |= {"first_intensity": asdict(self.first), "first_gco2e": asdict(self.first_gco2e)}
        if self.course:
            told["course"] = [list(point) for point in self.course]
        return told

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellRecord:
        """The inverse of :meth:`to_dict` (a domain's `step_s` and `spread` are not part of a record)."""
        return cls(
            run=CellRun(
                **{
                    **{k: data[k] for k in CellRun.__annotations__},
                    "started_at": _epoch(data["started_at"]),
                }
            ),
            duration_s=data["duration_s"],
            status=data["status"],
            shares=tuple(
                Share(
                    Domain(c["component"], c["device"], c["source"], c["quality"], c["resolution_j"]),
                    Interval(**c["energy_j"]),
                    Interval(**c["idle_energy_j"]),
                    Interval(**c["machine_energy_j"]),
                    c["resolution_j"],
                )
                for c in data["components"]
            ),
            footprint=Footprint(
                **{
                    name: Interval(**data[name]) if isinstance(data[name], Mapping) else data[name]
                    for name in Footprint.__annotations__
                }
            ),
            pue=Interval(**data["pue"]),
            intensity=intensity_from_dict(data["intensity"]),
            flags=tuple(data["flags"]),
            yearly=_intensity(data.get("yearly_intensity")),
            first=_intensity(data.get("first_intensity")),
            course=tuple((at_s, share) for at_s, share in data.get("course", ())),
        )


def _iso(epoch_s: float) -> str:
    from datetime import datetime, timezone  # noqa: PLC0415  (a record is told far from the cell's path)

    return datetime.fromtimestamp(epoch_s, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _epoch(iso: str) -> float:
    from datetime import datetime  # noqa: PLC0415

    return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()


# --- before a run, and beside it -----------------------------------------------------------------------------


@value
class HardwareSpec:
    """A CPU or an accelerator as its maker rates it.

    `classes` runs from the most special to the widest, as the priors are asked.  `idle_w`, `memory_gb`, the peaks
    (dense, in TFLOPS), `cores` and `embodied_kgco2e` are `None` where nobody says.
    """

    component: Literal["cpu", "gpu"]
    name: str
    classes: tuple[str, ...]
    chassis: Literal["laptop", "desktop", "server"]
    rated_w: Interval
    idle_w: Interval | None
    cores: int | None
    memory_gb: float | None
    fp32_tflops: float | None
    tensor_tflops: float | None
    embodied_kgco2e: Interval | None
    source: str


@value
class Equivalent:
    """So much of something known to all; `year` is that of the factor, `source` who stands behind it."""

    value: float
    unit: str
    name: str
    source: str
    year: int
