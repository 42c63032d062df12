"""When to run: the cheapest window of a curve of grams, in one go or with pauses.  Pure.

A job draws the same power all the time, so the mean over its run is all that counts.  Of equal windows the earliest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from jupyter_carbon.value import value

SAME = 1e-9
"""Two sums that differ by less than this part are one: what adding in another order leaves behind."""

Run = tuple[float, float]


class Curve:
    """`edges` are n + 1 rising moments in seconds, `grams` n numbers in g/kWh, each holding between two edges."""

    def __init__(self, edges: Sequence[float], grams: Sequence[float]) -> None:
        if len(edges) != len(grams) + 1 or not grams or any(b <= a for a, b in pairwise(edges)):
            raise ValueError("a curve has one more edge than grams, and its edges rise")
        self.edges, self.grams = edges, grams
        self._ranked: list[int] | None = None
        widths = (b - a for a, b in pairwise(edges))
        # The integral from the first edge to each, in g/kWh x s.
        self.sums = list(accumulate((g * width for g, width in zip(grams, widths, strict=True)), initial=0.0))

    @property
    def cleanest_first(self) -> list[int]:
        """The slots by their grams, of equal ones the earlier first; sorted once."""
        if self._ranked is None:
            self._ranked = sorted(range(len(self.grams)), key=self.grams.__getitem__)
        return self._ranked

    def integral(self, to_s: float) -> float:
        """From the first edge to a moment, in g/kWh x s."""
        index = min(max(bisect_right(self.edges, to_s) - 1, 0), len(self.grams) - 1)
        return self.sums[index] + self.grams[index] * (to_s - self.edges[index])

    def mean(self, runs: Iterable[Run]) -> float:
        """The mean over some runs, in g/kWh."""
        total = length_s = 0.0
        for start_s, end_s in runs:
            total += self.integral(end_s) - self.integral(start_s)
            length_s += end_s - start_s
        return total / length_s


@value
class Window:
    """When a job runs, from and to in seconds, and the mean intensity over it, in g/kWh."""

    runs: tuple[Run, ...]
    gco2e_per_kwh: float


def one_run(curve: Curve, length_s: float, *, idle: float = 0.0) -> Window:
    """The best single run of `length_s`.

    The sum over a run changes evenly until its start or its end crosses an edge: the best one has one of both on an
    edge.  Two hands go over these 2n candidates once.  `idle` is what waiting draws, as a part of the job's power; it
    counts in the choice, not in the mean.
    """
    edges, grams, sums = curve.edges, curve.grams, curve.sums
    last = len(grams) - 1
    latest_s = edges[-1] - length_s
    best_s, best = edges[0], None
    # Start on an edge; the hand is on the slot in which the run ends.
    hand = 0
    for index in range(len(grams)):
        start_s = edges[index]
        if start_s > latest_s + 1e-6:
            break
        end_s = start_s + length_s
        while hand < last and edges[hand + 1] < end_s:
            hand += 1
        cost = sums[hand] + grams[hand] * (end_s - edges[hand]) - sums[index] * (1.0 - idle)
        if best is None or cost < best - SAME * abs(best):
            best, best_s = cost, start_s
    # End on an edge; the hand is on the slot in which the run starts.
    hand = 0
    for index in range(1, len(edges)):
        start_s = edges[index] - length_s
        if start_s < edges[0]:
            continue
        while hand < last and edges[hand + 1] <= start_s:
            hand += 1
        cost = sums[index] - (sums[hand] + grams[hand] * (start_s - edges[hand])) * (1.0 - idle)
        if best is None or cost < best - SAME * abs(best) or (start_s < best_s and cost <= best + SAME * abs(best)):
            best, best_s = cost, start_s
    run = best_s, best_s + length_s
    return Window((run,), curve.mean((run,)))


def with_pauses(curve: Curve, length_s: float) -> Window:
    """The best run that may stop and go on at no cost: the cleanest slots, the last of them in part."""
    edges = curve.edges
    left_s = length_s
    chosen: dict[int, Run] = {}
    for index in curve.cleanest_first:
        start_s, end_s = edges[index], edges[index + 1]
        if end_s - start_s >= left_s:
            chosen[index] = _part(start_s, end_s, left_s, after=index - 1 in chosen, before=index + 1 in chosen)
            break
        chosen[index] = start_s, end_s
        left_s -= end_s - start_s
    runs = _joined(chosen[index] for index in sorted(chosen))
    return Window(runs, curve.mean(runs))


def with_restarts(curve: Curve, length_s: float, restart: float) -> Window:
    """The best run that may stop and go on, when each start, the first too, costs as much as `restart` g/kWh over an
    hour of the job.

    Over slots of one width from the first edge on.  Dynamic programming over slots, hours done and whether the job
    runs; of the slots one may be used in part, at the edge of a run.
    """
    import numpy as np  # noqa: PLC0415  (0.2 s, and only this question needs it)

    first_s, last_s = curve.edges[0], curve.edges[-1]
    width_s = min(b - a for a, b in pairwise(curve.edges))
    steps = int((last_s - first_s) / width_s + SAME)
    cuts = [curve.integral(first_s + step * width_s) for step in range(steps + 1)]
    costs = [(b - a) / 3600.0 for a, b in pairwise(cuts)]
    whole = int(length_s / width_s + SAME)
    part = max(0.0, length_s / width_s - whole)
    partial = part > 1e-6

    # on, off: least cost with so many whole slots done (column), and the part not yet or already done (row).
    on = np.full((2, whole + 1), np.inf)
    off = np.full((2, whole + 1), np.inf)
    off[0, 0] = 0.0
    came: list[tuple[Any, Any]] = []
    for cost in costs:
        new_on = np.full_like(on, np.inf)
        stayed = on[:, :-1] <= off[:, :-1] + restart
        new_on[:, 1:] = np.where(stayed, on[:, :-1], off[:, :-1] + restart) + cost
        how_on = np.zeros(on.shape, dtype=np.int8)
        how_on[:, 1:] = np.where(stayed, 1, 2)  # 1: went on, 2: started
        new_off = np.minimum(on, off)
        how_off = np.where(on < off, 1, 0).astype(np.int8)  # 0: was off, 1: stops before this slot
        if partial:
            begun = off[0] + restart + part * cost  # the slot's last part, and on
            better = begun < new_on[1]
            new_on[1] = np.where(better, begun, new_on[1])
            how_on[1] = np.where(better, 3, how_on[1])
            ending, alone = on[0] + part * cost, off[0] + restart + part * cost  # the slot's first part, and off
            for how, tail in ((2, ending), (3, alone)):
                better = tail < new_off[1]
                new_off[1] = np.where(better, tail, new_off[1])
                how_off[1] = np.where(better, how, how_off[1])
        came.append((how_on, how_off))
        on, off = new_on, new_off
    row = int(partial)
    runs = _walked_back(came, running=bool(on[row, whole] < off[row, whole]), row=row, done=whole, part=part)
    placed = _joined((first_s + a * width_s, first_s + b * width_s) for a, b in runs)
    return Window(placed, curve.mean(placed))


def _walked_back(came: Sequence[tuple[Any, Any]], *, running: bool, row: int, done: int, part: float) -> list[Run]:
    """The slots of the best way, from its end to its beginning; in slots since the first edge."""
    used: list[Run] = []
    for step in range(len(came) - 1, -1, -1):
        how_on, how_off = came[step]
        how = int((how_on if running else how_off)[row, done])
        if running and how == 3:
            used.append((step + 1 - part, step + 1.0))
            running, row = False, 0
        elif running:
            used.append((float(step), step + 1.0))
            running, done = how == 1, done - 1
        elif how in (2, 3):
            used.append((float(step), step + part))
            running, row = how == 2, 0
        else:
            running = how == 1
    return used[::-1]


def _part(start_s: float, end_s: float, length_s: float, *, after: bool, before: bool) -> Run:
    """The part of a slot that leaves the fewest pauses: beside a neighbour that is used whole."""
    return (end_s - length_s, end_s) if before and not after else (start_s, start_s + length_s)


def _joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Runs that touch are one."""
    joined: list[Run] = []
    for start_s, end_s in runs:
        if joined and start_s - joined[-1][1] < 1e-6:
            joined[-1] = joined[-1][0], end_s
        else:
            joined.append((start_s, end_s))
    return tuple(joined)
