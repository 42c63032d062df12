"""The readings at a cell's edges, moved to where they tell the cell's own joules; what is taken from it, the stretch
beside it gets.
"""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_carbon.model import Domain, Reading
from jupyter_carbon.value import replace

TRIM_FROM_S, TRIM_TO_S = 0.5e-3, 0.02
"""Of cells between these the microseconds are taken off that pass between their own work and the readings at their
edges: of longer ones a hundred are half a hundredth, shorter ones are half a step of the quickest counter."""

SETTLED_S = 0.5
"""So long after a cell's beginning every counter that moves seldom was seen to move, or stands still."""

Moment = tuple[float, float]
"""A time, and the CPU seconds of this process then."""


def own_part(
    began: Reading, now: Reading, released: Moment, arrived: Moment, *, began_cpu_s: float, now_cpu_s: float
) -> tuple[Reading, Reading]:
    """The readings at both edges of a cell, moved to when its own work could begin and when it was over."""
    arrived_s, arrived_cpu_s = max(arrived, released)
    ours_s = now.tree_cpu_s - began.tree_cpu_s
    return (
        _moved(began, now, released[0], released[1] - began_cpu_s),
        _moved(began, now, arrived_s, ours_s - (now_cpu_s - arrived_cpu_s)),
    )


def _moved(a: Reading, b: Reading, t_s: float, tree_cpu_s: float) -> Reading:
    """The reading at a moment between `a` and `b`, where our CPU had worked so long since `a`; joules and others' CPU
    seconds on a straight line."""
    part = (t_s - a.t_s) / (b.t_s - a.t_s)
    before_j = a.energy_j
    energy_j = {d: (was_j := before_j[d]) + (j - was_j) * part for d, j in b.energy_j.items()}
    ours_s = b.tree_cpu_s - a.tree_cpu_s
    tree_cpu_s = min(max(0.0, tree_cpu_s), ours_s)
    others_s = max(0.0, b.machine_busy_s - a.machine_busy_s - ours_s)
    busy_s = min(a.machine_busy_s + tree_cpu_s + others_s * part, b.machine_busy_s)
    return Reading(t_s, energy_j, a.tree_cpu_s + tree_cpu_s, busy_s, b.gpu_busy_s)


def settled(began: Reading, before: Reading, better_j: Mapping[Domain, float]) -> Reading:
    """The reading where a cell began, with what counters tell of that moment now; no less than they told `before`."""
    was_j = before.energy_j
    known_j = {d: max(j, was_j.get(d, j)) for d, j in better_j.items() if d in began.energy_j}
    return with_joules(began, known_j)


def both(begin_s: Mapping[str, float], end_s: Mapping[str, float]) -> Mapping[str, float]:
    """How well both edges are known together; to the millisecond, so that it seldom changes."""
    return {device: round((begin_s.get(device, edge_s) + edge_s) / 2, 3) for device, edge_s in end_s.items()}


def with_joules(reading: Reading, energy_j: Mapping[Domain, float]) -> Reading:
    """The reading with these joules in place of its own."""
    return replace(reading, energy_j={**reading.energy_j, **energy_j})
