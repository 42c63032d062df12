"""Generated fault schedules on a simulated clock: is there a number that is wrong and does not say so?

``schedules.py COUNT [FIRST]`` runs `COUNT` of them, each from its own seed, and prints one JSON line.  A schedule is a
machine (sockets with or without memory, dies, cards with a counter or a gauge), a power profile for each of its
devices, a few cells, and faults that strike counters, clock and ticker at any moment.  Registers are real files, the
card is ``tests/fakes/nvml`` behind the real nvidia-ml-py; only time is not real.

A number is *silently wrong* when the true joules of a cell lie outside its range from 5 to 95 %, by more than the
device can draw in one step of its counter, and no flag of that device stands beside it.  (Of the others nine in ten
should lie inside their range: `inside` counts them.)

What nobody can tell from work is not generated: a counter that jumps, forth or back, by less than the device can draw
from one look to the next; one that is about to start again, or does so every minute, and jumps (it looks like a lap);
one that stops where nobody can look, or in the last half second of a cell.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.drive import Register, build
from bench.machine import DRAM_MAX_UJ, INTEL_MAX_UJ, Gpu, Trouble, Zone
from bench.profile import Profile, bursts, constant, ramp, square
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter, Running
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.model import ONE, CarbonIntensity, Context, Interval, WallModel, Window
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.nvml import Nvml
from jupyter_carbon.power.rapl import Rapl

ROOT = Path(__file__).resolve().parents[2]
CPUS = 8
TDP_W = 180.0
CARD_LIMIT_W = 300.0
STEP_S = 0.00101
"""A register moves each millisecond; `drive.Register` takes exactly that for no steps at all."""
SMALL_UJ = 6_000_000_000
"""A register that starts again after 6 kJ: 22 s at the most that the guard believes."""
LAST_LOOK_S = 0.11
"""A register is looked at every tenth of a second."""
FOUND_S = 0.5
"""So long it takes until a card's counter that has stopped is sure to be found: five of its longest steps."""
LEAST_JUMP_J = 30_000.0
"""More than the guard believes of a minute in which nobody looks."""


@dataclass(frozen=True)
class Schedule:
    """A machine, what it does, and what goes wrong.  Seconds since the machine began."""

    seed: int
    zones: tuple[Zone, ...]
    cards: tuple[Gpu, ...]
    cells: tuple[tuple[float, float], ...]
    stalls: tuple[tuple[float, float], ...]
    """Nobody looks in these seconds: a cell that holds the interpreter's lock, a stopped process."""
    sleeps: tuple[tuple[float, float], ...]
    """When the machine is suspended, and for how long; the monotonic clock stands still meanwhile."""
    faults: tuple[str, ...]
    """What was generated, in words."""

    @property
    def end_s(self) -> float:
        return self.cells[-1][1]


@dataclass
class Outcome:
    """What came of some schedules."""

    schedules: int = 0
    cells: int = 0
    numbers: int = 0
    """Of one device in one cell each."""
    flagged: int = 0
    inside: int = 0
    silent: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        self.schedules += other.schedules
        self.cells += other.cells
        self.numbers += other.numbers
        self.flagged += other.flagged
        self.inside += other.inside
        self.silent += other.silent
        for fault, count in other.faults.items():
            self.faults[fault] = self.faults.get(fault, 0) + count


# --- what goes wrong ----------------------------------------------------------------------------------------


def generate(seed: int) -> Schedule:
    """A schedule, always the same one for a seed."""
    dice = random.Random(seed)
    cells = _cells(dice)
    end_s = cells[-1][1]
    faults: list[str] = []

    def moment() -> float:
        while True:
            at_s = dice.uniform(0.3, end_s)
            if not any(to_s - LAST_LOOK_S < at_s < to_s for _, to_s in cells):
                return at_s

    def looked_at() -> float:
        """A moment in a cell, or before the first, when somebody looks, then and for some time after."""
        spans = [(0.3, 0.5), *((from_s, to_s - FOUND_S) for from_s, to_s in cells if to_s - from_s > 2 * FOUND_S)]
        return dice.uniform(*dice.choice(spans))

    zones = []
    for zone in _zones(dice):
        kinds = SAFE_KINDS if _laps(zone) else KINDS
        troubles = [
            _trouble(dice, dice.choice(kinds), moment, looked_at, faults) for _ in range(dice.choice((0, 1, 1, 2)))
        ]
        zones.append(replace(zone, troubles=tuple(troubles)))
    cards = tuple(_card(dice, moment, looked_at, faults) for _ in range(dice.choice((0, 0, 1, 1, 1, 2))))
    stalls, sleeps = [], []
    if dice.random() < 0.4 and not any("freeze" in fault for fault in faults):
        begin_s = moment()
        stalls.append((begin_s, begin_s + dice.choice((1.5, 4.0, 8.0, 40.0))))
        faults.append("nobody looks")
    if dice.random() < 0.25:
        at_s = moment()
        sleeps.append((at_s, dice.choice((20.0, 3600.0))))
        faults.append("suspend")
        if dice.random() < 0.6:  # which clears the registers
            zones = [
                zone if _laps(zone) else replace(zone, troubles=(*zone.troubles, Trouble("reset", at_s)))
                for zone in zones
            ]
    return Schedule(seed, tuple(zones), cards, cells, tuple(stalls), tuple(sleeps), tuple(faults or ("none",)))


def _laps(zone: Zone) -> bool:
    """Whether a register starts again, or may, while it is looked at."""
    return zone.max_uj is not None and zone.max_uj - zone.start_uj < SMALL_UJ


def _cells(dice: random.Random) -> tuple[tuple[float, float], ...]:
    cells, now_s = [], 1.043
    for _ in range(dice.randint(1, 4)):
        seconds = 10.0 ** dice.uniform(-2.5, 0.9)
        cells.append((now_s, now_s + seconds))
        now_s += seconds + dice.choice((0.002, 0.3, 1.7, 12.0))
    return tuple(cells)


def _profile(dice: random.Random, most_w: float) -> Profile:
    low_w, high_w = dice.uniform(0.06, 0.3) * most_w, dice.uniform(0.3, 0.95) * most_w
    kind = dice.randrange(4)
    if kind == 0:
        return constant(dice.uniform(0.06, 0.95) * most_w)
    if kind == 1:
        return square(low_w, high_w, dice.uniform(0.05, 3.0))
    if kind == 2:
        return ramp(low_w, high_w, dice.uniform(0.5, 5.0))
    return bursts(low_w, high_w, high_s=0.005, low_s=0.015)


def _zones(dice: random.Random) -> list[Zone]:
    register = dice.choice((INTEL_MAX_UJ, DRAM_MAX_UJ, SMALL_UJ, None))

    def zone(number: str, name: str, most_w: float, max_uj: int | None) -> Zone:
        start_uj = dice.randrange(1_000_000 if max_uj == SMALL_UJ else 20_000_000_000, max_uj or 10**12)
        if max_uj is not None and dice.random() < 0.4:  # about to start again
            start_uj = max_uj - dice.randrange(1_000_000, 500_000_000)
        return Zone(f"intel-rapl:{number}", name, _profile(dice, most_w), max_uj, start_uj, STEP_S)

    kind = dice.randrange(4)
    if kind == 0:
        return [zone("0", "package-0", TDP_W, register)]
    if kind == 1:
        return [zone("0", "package-0", TDP_W, register), zone("0:0", "dram", 20.0, DRAM_MAX_UJ)]
    if kind == 2:
        return [
            zone("0", "package-0", TDP_W / 2, register),
            zone("0:0", "dram", 20.0, DRAM_MAX_UJ),
            zone("1", "package-1", TDP_W / 2, register),
            zone("1:0", "dram", 20.0, DRAM_MAX_UJ),
        ]
    return [zone("0", "package-0-die-0", TDP_W / 2, register), zone("1", "package-0-die-1", TDP_W / 2, register)]


SAFE_KINDS = ("fail", "fail for good", "freeze", "freeze for good", "lost")
KINDS = (*SAFE_KINDS, "jump", "glitch", "back", "reset")


def _trouble(
    dice: random.Random,
    kind: str,
    moment: Callable[[], float],
    looked_at: Callable[[], float],
    faults: list[str],
) -> Trouble:
    faults.append(f"register: {kind}")
    at_s, seconds = (looked_at if "freeze" in kind else moment)(), 10.0 ** dice.uniform(-2.0, 1.0)
    jump_j = LEAST_JUMP_J * dice.uniform(1.0, 2.0)
    return {
        "fail": Trouble("fail", at_s, at_s + seconds),
        "fail for good": Trouble("fail", at_s),
        "freeze": Trouble("freeze", at_s, at_s + seconds),
        "freeze for good": Trouble("freeze", at_s),
        "jump": Trouble("jump", at_s, j=jump_j),
        "glitch": Trouble("jump", at_s, at_s + seconds / 10.0, j=jump_j),
        "back": Trouble("jump", at_s, j=-LEAST_JUMP_J / 2),
        "reset": Trouble("reset", at_s),
        "lost": Trouble("lost", at_s),
    }[kind]


COUNTER_KINDS = ("fail", "gauge fails", "both fail", "vanish", "freeze", "freeze for good", "jump", "back", "reset")


def _card(dice: random.Random, moment: Callable[[], float], looked_at: Callable[[], float], faults: list[str]) -> Gpu:
    options = {"LIMIT_W": str(CARD_LIMIT_W), "BASE_J": "1e6", "STEP_S": dice.choice(("0.1", "0.1", "0.05", "0.02"))}
    at_s, seconds = moment(), 10.0 ** dice.uniform(-1.5, 1.0)
    if dice.random() < 0.3:
        options |= {"NO_COUNTER": "1"} | dice.choice(({"CAPABILITY": "6.1"}, {"GAUGE_MEAN_S": "1"}))
        kind = dice.choice(("none", "fail", "vanish"))
        call = "power"
    else:
        kind = dice.choice(("none", *COUNTER_KINDS))
        call = "energy"
    if kind != "none":
        faults.append(f"card: {kind}")
    if "freeze" in kind:
        at_s = looked_at()
    options |= {
        "none": {},
        "fail": {"FAIL": f"{call}:999:{at_s}:{at_s + seconds}"},
        "gauge fails": {"FAIL": f"power:999:{at_s}:{at_s + seconds}"},
        "both fail": {"FAIL": ";".join(f"{each}:999:{at_s}:{at_s + seconds}" for each in ("energy", "power"))},
        "vanish": {"FAIL": f"{call}:15:{at_s}:1e9"},
        "freeze": {"FREEZE": f"{at_s}:{at_s + seconds}"},
        "freeze for good": {"FREEZE": f"{at_s}:1e9"},
        "jump": {"JUMP": f"{at_s}:{LEAST_JUMP_J * 10.0 ** dice.uniform(0.0, 3.0)}"},
        "back": {"JUMP": f"{at_s}:{-LEAST_JUMP_J * dice.uniform(1.0, 2.0)}"},
        "reset": {"RESET_AT_S": str(at_s)},
    }[kind]
    return Gpu(_profile(dice, CARD_LIMIT_W), options)


# --- the machine --------------------------------------------------------------------------------------------


class World:
    """The machine's files and clock, at the moment that was set last."""

    def __init__(self, folder: Path, schedule: Schedule) -> None:
        self.folder, self.schedule = folder, schedule
        self.now_s, self.busy_s = 0.0, 0.0
        powercap = folder / "sys/class/powercap"
        powercap.mkdir(parents=True)
        build(powercap, schedule.zones)
        self._registers = [
            Register(
                zone, (powercap / zone.id / "energy_uj").resolve(), os.open(powercap / zone.id / "energy_uj", os.O_RDWR)
            )
            for zone in schedule.zones
        ]
        self._now = os.open(folder / "now", os.O_RDWR | os.O_CREAT)
        self.at(0.0)

    def at(self, now_s: float) -> None:
        """Time has come to `now_s`; half of the CPUs worked."""
        self.busy_s += CPUS / 2 * max(0.0, now_s - self.now_s)
        self.now_s = now_s
        os.pwrite(self._now, f"{now_s:.6f}".ljust(24).encode(), 0)
        for register in self._registers:
            register.write(now_s)

    def clock(self) -> float:
        return self.now_s

    def suspended_s(self) -> float:
        return sum(seconds for at_s, seconds in self.schedule.sleeps if at_s <= self.now_s)

    def truth_j(self, device: str, from_s: float, to_s: float) -> float:
        """Joules of a device between two moments."""
        kind, _, number = device.partition("-")
        if device.startswith("gpu"):
            profiles = [self.schedule.cards[int(device[3:])].profile]
        elif kind == "dram":
            profiles = [z.profile for z in self.schedule.zones if z.name == "dram" and z.id.split(":")[1] == number]
        else:
            profiles = [z.profile for z in self.schedule.zones if z.name.startswith(device)]
        return sum(profile.energy_j(to_s) - profile.energy_j(from_s) for profile in profiles)

    def close(self) -> None:
        for register in self._registers:
            os.close(register.descriptor)
        os.close(self._now)


def _open(world: World, schedule: Schedule) -> Meter:
    host = replace(
        Host.detect(world.folder, {}, affinity=CPUS),
        cpu_model="Intel(R) Xeon(R)",
        logical_cpus=CPUS,
        is_vm=False,
        sockets=2 if any(zone.name == "package-1" for zone in schedule.zones) else 1,
        tdp_w=TDP_W,
        tdp_known=True,
        tdp_spread=ONE,
        ram_gb=32.0,
    )
    sources: list[Rapl | Nvml] = [Rapl.open(host, clock=world.clock, suspended_s=world.suspended_s)]
    if schedule.cards:
        for key in [key for key in os.environ if key.startswith("FAKE_NVML_")]:
            del os.environ[key]
        own = f"{os.getpid()}:0:1e9:60"
        told = {"DEVICES": str(len(schedule.cards)), "PROCESSES": own, "NOW_FILE": str(world.folder / "now")}
        for index, card in enumerate(schedule.cards):
            profile = world.folder / f"profile-{index}"
            profile.write_text(card.profile.text)
            told |= {f"{key}_{index}": value for key, value in {"PROFILE": str(profile), **card.options}.items()}
        os.environ.update({f"FAKE_NVML_{key}": value for key, value in told.items()})
        sources.append(Nvml.open(host, clock=world.clock, suspended_s=world.suspended_s))

    def own_s() -> float:
        return world.busy_s / 2

    tree = ProcessTree(world.folder, own_cpu_s=own_s, reaped_s=lambda: 0.0, since_boot_s=lambda: 0.0)
    busy = MachineBusy(lambda: world.busy_s, cpus=CPUS, clock=world.clock, own_cpu=own_s)
    return Meter(sources, tree, busy, n_cpu=CPUS, clock=world.clock)


def run(schedule: Schedule, folder: Path) -> Outcome:
    """What the meter says of each cell, held against what was drawn."""
    world = World(folder, schedule)
    world.at(0.05)
    meter = _open(world, schedule)
    outcome = Outcome(schedules=1, cells=len(schedule.cells), faults=dict.fromkeys(schedule.faults, 1))
    try:
        for from_s, to_s, window in _metered(world, meter, schedule):
            _judge(world, meter, window, from_s, to_s, outcome)
    finally:
        meter.close()
        world.close()
    return outcome


def _metered(world: World, meter: Meter, schedule: Schedule) -> list[tuple[float, float, Window]]:
    """The cells' windows.  Between the edges ticks a ticker that is parked where nothing runs."""
    sources = [source for source in meter.sources if isinstance(source, (Rapl, Nvml))]
    windows = []

    def look(until_s: float) -> None:
        """The ticker's second, again and again."""
        tick_s = world.now_s + 1.0
        while True:
            next_s = world.now_s + max(min(source.watch() for source in sources), 0.001)
            for begin_s, end_s in schedule.stalls:
                if begin_s <= next_s < end_s:
                    next_s, tick_s = end_s, max(tick_s, end_s)
            if min(next_s, tick_s) >= until_s:
                return
            world.at(min(next_s, tick_s))
            if world.now_s >= tick_s:
                meter.tick()
                meter.learned.from_cells()
                tick_s = world.now_s + 1.0

    look(1.0)  # it looks once when it starts
    for from_s, to_s in schedule.cells:
        world.at(from_s)
        running: Running = meter.begin()
        look(to_s)
        world.at(to_s)
        windows.append((from_s, to_s, meter.end(running)))
    return windows


def _judge(world: World, meter: Meter, window: Window, from_s: float, to_s: float, outcome: Outcome) -> None:
    context = context_of(meter)
    shares, doubts = attribute(window, context)
    flags = [*window.flags, *doubts]
    for share in shares:
        device, told = share.domain.device, share.machine_energy_j
        truth_j = world.truth_j(device, from_s, to_s)
        flagged = [flag for flag in flags if flag.endswith(f":{device}")]
        outcome.numbers += 1
        outcome.flagged += bool(flagged)
        outcome.inside += not flagged and told.low <= truth_j <= told.high
        beyond_j = max(told.low - truth_j, truth_j - told.high)
        if beyond_j > share.domain.step_s * context.power_limit_w[device] and not flagged:
            options = world.schedule.cards[int(device[3:])].options if device.startswith("gpu") else ""
            outcome.silent.append(
                f"seed {world.schedule.seed}, {device}, {from_s:.3f} to {to_s:.3f} s: {truth_j:.4f} J, "
                f"told {told.low:.4f} .. {told.likely:.4f} .. {told.high:.4f} ({', '.join(world.schedule.faults)}) "
                f"{share.domain.source} {options}"
            )


def context_of(meter: Meter) -> Context:
    idle_w: dict[str, float] = {}
    limit_w: dict[str, float] = {}
    for source in meter.sources:
        idle_w.update(source.idle_w)
        limit_w.update(source.power_limit_w)
    return Context(
        domains=meter.domains,
        n_cpu=CPUS,
        idle_share=1.0,
        ram_share=1.0,
        kernel_share=1.0,
        idle_w=idle_w,
        power_limit_w=limit_w,
        gpus_allotted=tuple(device for source in meter.sources for device in getattr(source, "allotted", ())),
        wall=WallModel("server", ONE, Interval.exact(0.0), "assumed", "bench"),
        pue=ONE,
        pue_source="bench",
        intensity=CarbonIntensity(ONE, "XX", "Nowhere", "lifecycle", "average", "yearly", "bench", 2025),
    )


def library(folder: Path) -> None:
    """Build the fake driver and have it found by its name from now on."""
    path, source = folder / "libnvidia-ml.so.1", ROOT / "tests/fakes/nvml/fake_nvml.c"
    soname = "-Wl,-soname,libnvidia-ml.so.1"
    words = ["cc", "-shared", "-fPIC", "-O1", soname, "-o", str(path), str(source), "-lm"]
    subprocess.run(words, check=True, timeout=60)
    ctypes.CDLL(str(path))


def main(count: int, first: int = 0) -> Outcome:
    total = Outcome()
    with tempfile.TemporaryDirectory(prefix="schedules-") as name:
        library(Path(name))
        for seed in range(first, first + count):
            folder = Path(name) / str(seed)
            folder.mkdir()
            total.add(run(generate(seed), folder))
    return total


if __name__ == "__main__":
    print(json.dumps(asdict(main(*map(int, sys.argv[1:])))))
