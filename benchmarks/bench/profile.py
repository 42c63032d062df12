"""Power over time as text, and its exact integral: what the counters are made of, and the truth they are held to."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Lines ``seconds watts [watts_at_end]`` that repeat for ever, as ``tests/fakes/nvml/fake_nvml.c`` reads them.

    >>> Profile.parse("1 100\\n1 0 50").energy_j(3.5)
    275.0
    """

    lines: tuple[tuple[float, float, float], ...]

    @classmethod
    def parse(cls, text: str) -> Profile:
        lines = []
        for line in text.splitlines():
            seconds, watts, *end = map(float, line.split())
            lines.append((seconds, watts, end[0] if end else watts))
        return cls(tuple(lines))

    @property
    def text(self) -> str:
        return "\n".join(f"{s!r} {a!r} {b!r}" for s, a, b in self.lines) + "\n"

    def energy_j(self, t_s: float) -> float:
        """Joules from 0 to `t_s`; nothing before."""
        if t_s <= 0.0:
            return 0.0
        period_s = sum(s for s, _, _ in self.lines)
        whole = math.floor(t_s / period_s)
        total_j = whole * sum(s * (a + b) / 2 for s, a, b in self.lines)
        left_s = t_s - whole * period_s
        for seconds, a, b in self.lines:
            used_s = min(left_s, seconds)
            total_j += used_s * (a + (b - a) * used_s / seconds / 2)
            left_s -= used_s
            if left_s <= 0.0:
                break
        return total_j

    def mean_w(self, start_s: float, end_s: float) -> float:
        return (self.energy_j(end_s) - self.energy_j(start_s)) / (end_s - start_s)


def constant(watts: float) -> Profile:
    return Profile(((1.0, watts, watts),))


def square(low_w: float, high_w: float, half_s: float) -> Profile:
    return Profile(((half_s, low_w, low_w), (half_s, high_w, high_w)))


def ramp(low_w: float, high_w: float, seconds: float) -> Profile:
    return Profile(((seconds, low_w, high_w), (seconds, high_w, low_w)))


def bursts(low_w: float, high_w: float, *, high_s: float, low_s: float) -> Profile:
    return Profile(((high_s, high_w, high_w), (low_s, low_w, low_w)))


def work(idle_w: float, busy_w: float, *, from_s: float, to_s: float) -> Profile:
    """Idle, but for one stretch of work: what a cell does to a device."""
    return Profile(((from_s, idle_w, idle_w), (to_s - from_s, busy_w, busy_w), (1000.0, idle_w, idle_w)))
