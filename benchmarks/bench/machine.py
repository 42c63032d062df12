"""What a simulated machine is made of, as plain values: they travel as JSON to the process that drives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .profile import Profile, constant

INTEL_MAX_UJ = 262_143_328_850
"""What the kernel shows for a register unit of 61.035 µJ: (2^32 - 1) x 61035 nJ."""
DRAM_MAX_UJ = 65_532_610_987
"""The same for 15.258 µJ."""

Fault = Literal["fail", "freeze", "jump", "reset", "lost"]
"""The file is empty; the number stands; it jumps up; it starts again from 0; permission is taken away."""


@dataclass(frozen=True)
class Trouble:
    """A fault of one zone's counter, in seconds since the machine began; `j` is how far it jumps."""

    kind: Fault
    from_s: float
    to_s: float = 1e9
    j: float = 0.0


@dataclass(frozen=True)
class Zone:
    """One RAPL zone.  `start_uj` is what its register holds when the machine begins, `max_uj` None hides the range."""

    id: str
    name: str
    profile: Profile
    max_uj: int | None = INTEL_MAX_UJ
    start_uj: int = 1_000_000
    step_s: float = 1e-3
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Gpu:
    """One card; `options` are those at the head of ``fake_nvml.c`` without their prefix."""

    profile: Profile
    options: dict[str, str] = field(default_factory=dict)


def package(profile: Profile, **more: object) -> tuple[Zone, ...]:
    """A client part: the package, and core and uncore inside it."""
    return (
        Zone("intel-rapl:0", "package-0", profile, **more),  # type: ignore[arg-type]
        Zone("intel-rapl:0:0", "core", Profile(tuple((s, 0.7 * a, 0.7 * b) for s, a, b in profile.lines))),
        Zone("intel-rapl:0:1", "uncore", constant(1.0)),
    )


QUIET = package(constant(12.0))
"""The processor of a machine whose GPU is looked at."""
