"""What the meters are asked: one row of the table each.

Times are seconds since the machine began; a cell begins `LEAD_S` later, so that every meter has opened by then.
`limit` is the error to reach, in per cent of the truth; None where only a flag or a range can be asked for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from .machine import DRAM_MAX_UJ, INTEL_MAX_UJ, QUIET, Gpu, Trouble, Zone, package
from .profile import Profile, bursts, constant, ramp, square, work

LEAD_S = 3.043
"""No whole number of counter steps: a cell begins anywhere in one."""
SHORT = 1000


@dataclass(frozen=True)
class Case:
    """A machine, what runs on it, and what is asked about it."""

    name: str
    says: str
    component: Literal["cpu", "cpu+dram", "gpu"]
    zones: tuple[Zone, ...] = QUIET
    truth_zones: tuple[str, ...] = ("intel-rapl:0",)
    gpus: tuple[Gpu, ...] = ()
    cells: tuple[tuple[float, float], ...] = ((3.0, 0.0),)
    spin: bool = False
    limit: float | None = 0.5
    must_flag: bool = False
    skip: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)

    def truth_j(self, from_s: float, to_s: float) -> float:
        """Joules of what is asked about between two moments."""
        profiles = (
            [gpu.profile for gpu in self.gpus]
            if self.component == "gpu"
            else [zone.profile for zone in self.zones if zone.id in self.truth_zones]
        )
        return sum(profile.energy_j(to_s) - profile.energy_j(from_s) for profile in profiles)


def _with(zones: tuple[Zone, ...], **changes: object) -> tuple[Zone, ...]:
    return (replace(zones[0], **changes), *zones[1:])  # type: ignore[arg-type]


def _processors() -> Iterator[Case]:
    flat = package(constant(60.0))
    yield Case("constant", "one package, 60 W", "cpu", flat)
    yield Case("square", "20 and 120 W, 0.35 s each", "cpu", package(square(20, 120, 0.35)))
    yield Case("ramp", "10 to 150 W and back in 3 s", "cpu", package(ramp(10, 150, 1.5)))
    yield Case("bursts", "150 W for 5 ms in every 20", "cpu", package(bursts(20, 150, high_s=0.005, low_s=0.015)))
    yield Case("one second", "a cell of 1 s at its own 140 W", "cpu", package(_cell(15, 140, 1.0)), cells=((1.0, 0.0),))
    twins = Zone("intel-rapl-mmio:0", "package-0", constant(60.0))
    yield Case(
        "twins",
        "psys around it, the package again as MMIO",
        "cpu",
        (
            *flat,
            Zone("intel-rapl:1", "psys", constant(85.0)),
            twins,
        ),
    )
    sockets = (
        Zone("intel-rapl:0", "package-0", constant(90.0)),
        Zone("intel-rapl:0:0", "dram", constant(8.0), DRAM_MAX_UJ),
        Zone("intel-rapl:1", "package-1", square(40, 160, 0.25)),
        Zone("intel-rapl:1:0", "dram", constant(11.0), DRAM_MAX_UJ),
    )
    ids = tuple(zone.id for zone in sockets)
    yield Case("two sockets", "each with its memory", "cpu+dram", sockets, ids)
    bare = (Zone("intel-rapl:0", "package-0", constant(50.0)), Zone("intel-rapl:1", "package-1", constant(80.0)))
    yield Case("two sockets, no dram", "memory has no counter", "cpu", bare, ("intel-rapl:0", "intel-rapl:1"))
    copies = tuple(Zone(f"intel-rapl:{i}", f"package-0-die-{i}", constant(70.0), DRAM_MAX_UJ) for i in range(2))
    yield Case("mirrored dies", "two zones, one register", "cpu", copies)
    dies = tuple(Zone(f"intel-rapl:{i}", f"package-0-die-{i}", constant(30.0 + 25.0 * i)) for i in range(2))
    yield Case("true dies", "two zones, two registers", "cpu", dies, ("intel-rapl:0", "intel-rapl:1"))
    near = INTEL_MAX_UJ - 260_000_000
    yield Case("wrap", "the register starts again in the cell", "cpu", _with(flat, start_uj=near))
    small = _with(package(constant(250.0)), max_uj=600_000_000, start_uj=40_000_000)
    yield Case("wraps", "a register of 600 J at 250 W", "cpu", small, cells=((6.0, 0.0),))
    for step_ms in (10, 100):
        slow = _with(package(constant(60.0)), step_s=step_ms / 1000)
        yield Case(f"{step_ms} ms steps", "a package counter that moves seldom", "cpu", slow, limit=None)


def _cell(idle_w: float, busy_w: float, seconds: float) -> Profile:
    """Work that fills a cell but for 10 ms at either end."""
    return work(idle_w, busy_w, from_s=LEAD_S + 0.01, to_s=LEAD_S + seconds - 0.01)


def _short() -> Iterator[Case]:
    """Energy is what the cells drew together; the profile knows nothing of them."""
    profile = package(square(30, 110, 0.037))
    dice = random.Random(6)
    for name, seconds in (("1 ms", [0.001] * SHORT), ("5 ms", [0.005] * SHORT)):
        cells = tuple((s, 0.0005 + 0.002 * dice.random()) for s in seconds)
        yield Case(
            f"1,000 cells of {name}",
            "and 0.5 to 2.5 ms between them",
            "cpu",
            profile,
            cells=cells,
            spin=True,
            limit=2.0,
            skip=("carbontracker",),
        )
    cells = tuple((0.001 * 50 ** dice.random(), 0.001) for _ in range(SHORT))
    yield Case(
        "1,000 cells of 1 to 50 ms",
        "and 1 ms between them",
        "cpu",
        profile,
        cells=cells,
        spin=True,
        limit=2.0,
        skip=("carbontracker",),
    )


def _troubled() -> Iterator[Case]:
    """A counter that lies or is silent from the middle of the cell on.  Its joules are what really was drawn."""

    def case(name: str, says: str, *troubles: Trouble, **more: object) -> Case:
        zones = _with(package(constant(60.0)), troubles=troubles)
        return Case(name, says, "cpu", zones, must_flag=True, limit=None, **more)  # type: ignore[arg-type]

    middle = LEAD_S + 1.3
    yield case("reads fail", "no number for 0.6 s in the middle", Trouble("fail", middle, middle + 0.6))
    yield case("last read fails", "no number from the middle on", Trouble("fail", middle))
    yield case("freezes", "the number stands from the middle on", Trouble("freeze", middle))
    yield case("frozen", "the number never moves", Trouble("freeze", LEAD_S - 1.0))
    yield case("jumps", "10 kJ more from one read to the next", Trouble("jump", middle, j=10_000.0))
    yield case("goes back", "starts again from 0, far from its range", Trouble("reset", middle))
    unknown = _with(package(constant(60.0)), max_uj=None, troubles=(Trouble("reset", middle),))
    yield Case(
        "goes back, range unknown", "the same where no range is told", "cpu", unknown, must_flag=True, limit=None
    )
    lost = _with(package(constant(60.0)), troubles=(Trouble("lost", middle),))
    yield Case("permission lost", "closed to users in the middle", "cpu", lost, limit=None)


def _cards() -> Iterator[Case]:
    def case(
        name: str,
        says: str,
        profile: Profile,
        *,
        limit: float | None = 1.0,
        cells: tuple[tuple[float, float], ...] = ((3.0, 0.0),),
        **options: str,
    ) -> Case:
        return Case(name, says, "gpu", gpus=(Gpu(profile, options),), cells=cells, limit=limit)

    flat = constant(250.0)
    yield case("GPU constant", "250 W, counter steps of 100 ms", flat)
    yield case("GPU work", "30 W, and 300 W in the cell", _cell(30, 300, 3.0))
    yield case("GPU work, 20 ms", "the same, steps of 20 ms", _cell(30, 300, 3.0), STEP_S="0.02")
    odd = ((3.047, 0.0),)
    yield case("GPU work, 3.05 s", "steps of 100 ms, edges anywhere", _cell(30, 300, 3.047), cells=odd)
    yield case("GPU square", "60 and 280 W, 0.43 s each", square(60, 280, 0.43))
    yield case("GPU bursts", "300 W for 5 ms in every 20", bursts(40, 300, high_s=0.005, low_s=0.015))
    yield case("GPU one second", "30 W, and 300 W in 1 s", _cell(30, 300, 1.0), cells=((1.0, 0.0),), limit=None)
    two = (Gpu(_cell(30, 300, 3.0)), Gpu(constant(55.0)))
    yield Case("two GPUs", "one works, one rests", "gpu", gpus=two, limit=1.0)
    gauge = {"NO_COUNTER": "1"}
    yield case("gauge, constant", "no counter; 250 W", flat, limit=3.0, **gauge)
    yield case(
        "gauge, work", "no counter; power of the moment", _cell(30, 300, 3.0), limit=3.0, CAPABILITY="6.1", **gauge
    )
    yield case(
        "gauge, square",
        "no counter; 60 and 280 W, 0.43 s each",
        square(60, 280, 0.43),
        limit=3.0,
        CAPABILITY="6.1",
        **gauge,
    )
    mean = {**gauge, "GAUGE_MEAN_S": "1"}
    yield case("mean gauge, work", "no counter; mean power of 1 s", _cell(30, 300, 3.0), limit=3.0, **mean)
    yield case("mean gauge, square", "no counter; mean power of 1 s", square(60, 280, 0.43), limit=3.0, **mean)
    yield case("MIG", "instances of 3 and 4 slices", _cell(60, 300, 3.0), MIG="3,4")
    reset = case("GPU reset", "its counter starts again in the cell", flat, limit=None, RESET_AT_S=str(LEAD_S + 1.3))
    yield replace(reset, must_flag=True)
    middle = LEAD_S + 1.3
    failing = case(
        "GPU reads fail", "for 0.6 s in the middle", flat, limit=None, FAIL=f"energy:15:{middle}:{middle + 0.6}"
    )
    yield replace(failing, must_flag=True)
    dice = random.Random(7)
    cells = tuple((0.01, 0.001 + 0.004 * dice.random()) for _ in range(SHORT))
    short = case("GPU, 1,000 cells of 10 ms", "250 W", flat, limit=2.0, cells=cells)
    yield replace(short, spin=True, skip=("carbontracker",))


CASES: tuple[Case, ...] = (*_processors(), *_short(), *_troubled(), *_cards())
