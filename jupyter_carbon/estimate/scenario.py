"""The question: which hardware, how long, where.  Checked here, so that everything behind it may trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import Any, Literal

from jupyter_carbon.estimate.workload import Workload, workload
from jupyter_carbon.model import HardwareSpec

Boundary = Literal["devices", "wall"]
BOUNDARIES: tuple[Boundary, ...] = ("devices", "wall")

# Field, lowest and highest value that can be meant, and the range in words.
LIMITS: Mapping[str, tuple[float, float, str]] = {
    "n_gpu": (0.0, 1e7, "0 to 10,000,000"),
    "n_cpu": (0.0, 1e7, "0 to 10,000,000"),
    "ram_gb": (0.0, 1e9, "0 GB or more"),
    "hours": (0.0, 1e6, "0 to 1,000,000 h"),
    "utilisation": (0.0, 1.0, "0 to 1, where 1 is rated power"),
    "pue": (1.0, 5.0, "1 to 5"),
}
OPTIONAL = ("ram_gb", "utilisation", "pue")
NOTHING = "no device is left to estimate: name a gpu with n_gpu of 1 or more, or a cpu with n_cpu of 1 or more"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run that is planned.  `None` is "not said"; a number outside its range raises `ValueError` by name."""

    gpu: str | HardwareSpec | None = None
    n_gpu: float = 1
    cpu: str | HardwareSpec | None = None
    n_cpu: float = 1
    ram_gb: float | None = None
    hours: float = 1.0
    utilisation: float | None = None
    work: Workload | None = None
    region: str | None = None
    pue: float | None = None
    start: datetime | None = None
    boundary: Boundary = "wall"

    @classmethod
    def of(cls, **given: Any) -> Scenario:
        """From what a person writes: a word for the work, a time as text, `None` for whatever is not known."""
        work = workload(given.pop("workload", None))
        start = moment(given.pop("start", None))
        return cls(**given, work=work, start=start)

    def __post_init__(self) -> None:
        for name, (lowest, highest, _) in LIMITS.items():
            value = getattr(self, name)
            if value is None and name in OPTIONAL:
                continue
            if not _is_number(value) or not lowest <= value <= highest:
                raise ValueError(impossible(name, value))
        if self.boundary not in BOUNDARIES:
            raise ValueError(f"boundary={self.boundary!r} is not known; it must be 'devices' or 'wall'")
        if not (self.gpu and self.n_gpu) and not (self.cpu and self.n_cpu):
            raise ValueError(NOTHING)
        for name in ("gpu", "cpu", "region"):
            named: object = getattr(self, name)
            known = isinstance(named, HardwareSpec) and name != "region"
            if named is not None and not known and not (isinstance(named, str) and named.strip()):
                raise ValueError(f"{name}={named!r} is no name; write it as text, or None where there is none")


def impossible(name: str, value: object) -> str:
    """The sentence about a number that cannot be: field, value, and what is allowed."""
    return f"{name}={value!r} is not possible; it must be {LIMITS[name][2]}"


def moment(start: datetime | str | None) -> datetime | None:
    """A time with its zone; text is ISO 8601, and a time without a zone is the clock of this machine."""
    if start is None:
        return None
    if isinstance(start, str):
        try:
            start = datetime.fromisoformat(start.replace("Z", "+00:00"))
        except ValueError as err:
            raise ValueError(f"start={start!r} is no time; write ISO 8601, like 2026-11-21T22:00+01:00") from err
    if not isinstance(start, datetime):
        raise ValueError(f"start={start!r} is no time; give a datetime or ISO 8601 text")
    return start if start.tzinfo is not None else start.astimezone()


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return not math.isnan(value)
