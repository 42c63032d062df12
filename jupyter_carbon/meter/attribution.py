"""Whose energy: one pure function from a machine's window to this kernel's part of it.

Per device, the machine's joules E over T seconds split into idle `I = min(E, idle_w * T)` and active `A = E - I`.
Idle goes by allotment, active by work: CPU seconds of the kernel's process tree over the machine's, SM-seconds on a
GPU.  The parts of all kernels never add up to more than the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

from jupyter_carbon.model import ONE, Context, Domain, Interval, Share, Window
from jupyter_carbon.value import replace

TICK_S = 0.01
"""/proc counts other processes' CPU time in ticks of 10 ms (USER_HZ, proc(5))."""

NINETY = 1.645
"""Standard deviations to either side that hold 90 % of a normal distribution."""

SWINGING = 0.1
"""A gauge whose looks leave more than this part of a cell open cannot follow what it shows."""

MOSTLY = 0.5
"""A counter that stood still for more than this part of a window is not believed in the rest of it either."""

COARSE_S = 0.2
"""Below this the machine's busy seconds are interpolated, not counted (`power/cpu_time.py`)."""

IDLE_LEARNED = Interval(0.7, 1.0, 1.1)
IDLE_FROM_TABLE = Interval(0.33, 1.0, 2.0)
"""Idle power over its likely value: a learned one moves with temperature, and the stretches it comes from may hold 5 %
of busy CPUs (`learned.IDLE_BUSY_SHARE`), some 4 % of TDP beside 8; the tables' 0.15 TDP lies in 0.05 to 0.30."""


def attribute(window: Window, context: Context) -> tuple[tuple[Share, ...], tuple[str, ...]]:
    """Every domain's part of the window that is ours, and the doubts as flags (``"kind:device"``)."""
    flags: list[str] = []
    shares = []
    for domain in context.domains:
        if domain not in window.energy_j:
            continue
        share = _share(domain, window, context, flags)
        shares.append(share if _after_j(domain, window) is None else _with_after(domain, share, window, context, flags))
    return tuple(shares), tuple(flags)


def _share(domain: Domain, window: Window, context: Context, flags: list[str]) -> Share:
    device = domain.device
    learned = device in window.idle_w
    idle_w = window.idle_w[device] if learned else context.idle_w.get(device, 0.0)
    counted_j, resolution_j, step_j = _counted(domain, window)
    doubt = _unresolved(domain, window)
    if doubt is not None:
        if doubt not in window.flags:
            flags.append(doubt)
        quality = "modelled" if domain.quality == "measured" else domain.quality
        domain = replace(domain, quality=quality)
        # What a counter said before it stuck is there at least; what one says within its step may be of before.
        least_j = counted_j if doubt.startswith("frozen") else 0.0
        energy_j = max(least_j, modelled_j(domain, window, context, idle_w))
        bound_j = _bound_j(domain, window, context, counted_j + resolution_j)
        machine = Interval(least_j, energy_j, max(energy_j, bound_j))
    else:
        energy_j = counted_j
        missed_j = NINETY * window.wander_j.get(device, 0.0)
        if missed_j > SWINGING * energy_j:
            flags.append(f"gauge-swings:{device}")
        doubts = [(step_j, step_j), (missed_j, missed_j), _filled(domain, window, context)]
        machine = _spread(energy_j, doubts, domain.spread)

    ratio = IDLE_LEARNED if learned else IDLE_FROM_TABLE
    idle_w_range = ratio.scaled(idle_w * window.duration_s)
    idle_j = min(energy_j, idle_w_range.likely)
    work = _work(domain, window, context, flags)
    allotted = _allotted(domain, window, context)

    def ours(idle: float, work_share: float) -> float:
        return idle * allotted + (energy_j - idle) * work_share

    likely = ours(idle_j, work.likely)
    by_idle = [ours(min(energy_j, end), work.likely) for end in (idle_w_range.low, idle_w_range.high)]
    doubts = [
        (likely - ours(idle_j, work.low), ours(idle_j, work.high) - likely),
        (likely - min(likely, *by_idle), max(likely, *by_idle) - likely),
    ]
    if energy_j > 0.0:
        part = likely / energy_j
        doubts.append(((energy_j - machine.low) * part, (machine.high - energy_j) * part))
    mine = _spread(likely, doubts, ONE)
    mine = Interval(mine.low, mine.likely, min(mine.high, machine.high))
    ours_idle = idle_j * allotted
    idle = Interval(
        min(mine.low, idle_w_range.low * allotted, ours_idle),
        ours_idle,
        max(ours_idle, min(mine.high, idle_w_range.high * allotted)),
    )
    return Share(domain, mine, idle, machine, resolution_j)


def _after_j(domain: Domain, window: Window) -> float | None:
    """Joules above idle in what the device did for the cell after its end; None where it did nothing."""
    return None if window.after is None else window.after.energy_j.get(domain)


def _with_after(domain: Domain, share: Share, window: Window, context: Context, flags: list[str]) -> Share:
    """The share of a cell, and what its device went on doing for it: work alone, idle belongs to the session.

    `domain` is the one that was counted: the share's own says how well that is known.
    """
    after = cast("Window", window.after)
    device, above_j = domain.device, after.energy_j[domain]
    learned = device in after.idle_w
    idle_w = after.idle_w[device] if learned else context.idle_w.get(device, 0.0)
    idle = (IDLE_LEARNED if learned else IDLE_FROM_TABLE).scaled(idle_w * after.duration_s)
    doubts = [(idle.high - idle.likely, idle.likely - idle.low), _filled(domain, after, context)]
    machine = _spread(above_j, doubts, domain.spread)
    work = _gpu_work(device, after, context, flags)
    likely = above_j * work.likely
    doubts = [
        (likely - above_j * work.low, above_j * work.high - likely),
        ((above_j - machine.low) * work.likely, (machine.high - above_j) * work.likely),
    ]
    energy_j = share.energy_j.plus_together(_spread(likely, doubts, ONE))  # one sensor says both
    machine_j = share.machine_energy_j.plus_together(machine)
    return replace(
        share,
        energy_j=replace(energy_j, high=min(energy_j.high, machine_j.high)),
        machine_energy_j=machine_j,
    )


def _counted(domain: Domain, window: Window) -> tuple[float, float, float]:
    """Joules counted, the counter's step in this window, and how far both edges can be off together."""
    counted_j = window.energy_j[domain]
    if domain.step_s <= 0.0:
        return counted_j, domain.resolution_j, 0.0
    power_w = counted_j / window.duration_s if window.duration_s > domain.step_s else 0.0
    power_w = max(power_w, window.recent_w.get(domain.device, 0.0))
    if window.after is not None:
        power_w = max(power_w, window.after.energy_j.get(domain, 0.0) / window.after.duration_s)
    resolution_j = max(domain.resolution_j, window.edge_s.get(domain.device, domain.step_s) * power_w)
    # Each edge is late by a uniform part of one step: their difference is triangular over +- one step, and 90 % of a
    # triangle lie within 0.684 of its half-width.
    return counted_j, resolution_j, 0.684 * resolution_j


def _filled(domain: Domain, window: Window, context: Context) -> tuple[float, float]:
    """How far off the expected power can be, down and up, that stands for seconds in which nothing was counted."""
    seconds = min(window.filled_s.get(domain.device, 0.0), window.duration_s)
    if seconds <= 0.0:
        return 0.0, 0.0
    energy_j = window.energy_j[domain]
    least_j = energy_j * (1.0 - seconds / window.duration_s)
    limit_w = context.power_limit_w.get(domain.device)
    most_j = 2.0 * energy_j if limit_w is None else least_j + limit_w * seconds
    return energy_j - least_j, max(0.0, most_j - energy_j)


def _unresolved(domain: Domain, window: Window) -> str | None:
    """The flag that says why the counter cannot tell this window, if it cannot: shorter than its step, not moved yet,
    or stuck, all along or from one tick to another.

    A GPU that is asleep counts nothing, and rightly; a CPU package or memory that works never does.
    """
    if domain.step_s <= 0.0:
        return None
    device = domain.device
    after_j = _after_j(domain, window) or 0.0
    still = window.energy_j[domain] + after_j <= 0.0
    seconds = window.duration_s if window.elapsed_s is None else window.elapsed_s  # cells that shared them saw them all
    if window.after is not None and after_j > 0.0:
        seconds += window.after.duration_s
    if seconds < max(domain.step_s, 2.0 * window.edge_s.get(device, 0.0)) or (still and seconds < 4.0 * domain.step_s):
        return f"below-resolution:{device}"
    frozen = f"frozen:{device}"
    worked = domain.component != "gpu" or window.gpu_busy_s.get(device, (0.0, 0.0))[1] > 0.0
    mostly = window.filled_s.get(device, 0.0) > MOSTLY * window.duration_s
    return frozen if (still and worked) or (mostly and frozen in window.flags) else None


def _bound_j(domain: Domain, window: Window, context: Context, counted_j: float) -> float:
    """The most that an unresolved window can hold: its seconds at the device's limit, if there is one to know."""
    limit_w = context.power_limit_w.get(domain.device)
    return counted_j if limit_w is None else limit_w * window.duration_s


def modelled_j(domain: Domain, window: Window, context: Context, idle_w: float) -> float:
    """What a domain's machine energy should be, from CPU seconds and the power seen lately: for windows its counter
    cannot resolve."""
    if domain.component == "cpu":
        per_cpu_s = window.j_per_cpu_s.get(domain.device)
        if per_cpu_s is None:
            per_cpu_s = max(0.0, context.power_limit_w.get(domain.device, idle_w) - idle_w) / context.n_cpu
        busy_s = max(window.tree_cpu_s, window.machine_busy_s)
        return idle_w * window.duration_s + per_cpu_s * busy_s
    return max(idle_w, window.recent_w.get(domain.device, 0.0)) * window.duration_s


def _allotted(domain: Domain, window: Window, context: Context) -> float:
    """The part of the idle energy that is ours."""
    if domain.component == "ram":
        return context.ram_share
    if domain.component != "gpu":
        return context.idle_share
    presence = window.gpu_presence.get(domain.device, "unknown")
    if presence == "alone":
        return 1.0
    allotted = domain.device in context.gpus_allotted
    if presence == "empty":  # where some cards are allotted to us, the others are not, empty or not
        return context.kernel_share if allotted or not context.gpus_allotted else 0.0
    own_s, all_s = window.gpu_busy_s.get(domain.device, (0.0, 0.0))
    if (presence == "unknown" and 0.0 < all_s <= own_s) or (presence in ("shared", "unknown") and allotted):
        return context.kernel_share
    # Only others compute there: it is ours just where nobody else of us could be meant by the allotment.
    return 1.0 if allotted and context.kernel_share == 1.0 else 0.0


def _work(domain: Domain, window: Window, context: Context, flags: list[str]) -> Interval:
    """The part of the active energy that is ours."""
    if domain.component == "ram":
        return Interval.exact(context.ram_share)
    if domain.component == "gpu":
        return _gpu_work(domain.device, window, context, flags)
    own_s = window.tree_cpu_s
    if own_s <= 0.0:
        return Interval.exact(0.0)
    busy_s = max(window.machine_busy_s, own_s)
    others_s = busy_s - own_s
    if window.duration_s < COARSE_S:
        least_s, most_s = 0.0, 2.0 * others_s + TICK_S
    else:
        least_s, most_s = max(0.0, others_s - 2.0 * TICK_S), others_s + 2.0 * TICK_S
    return Interval(own_s / (own_s + most_s), own_s / busy_s, own_s / (own_s + least_s))


def _gpu_work(device: str, window: Window, context: Context, flags: list[str]) -> Interval:
    presence = window.gpu_presence.get(device, "unknown")
    if presence == "alone":
        return ONE
    own_s, all_s = window.gpu_busy_s.get(device, (0.0, 0.0))
    if all_s > 0.0 and (own_s > 0.0 or presence == "shared"):
        # The driver's samples are per mille of a second apart and whole per cents: a twentieth of either side.
        part = min(1.0, own_s / all_s)
        return Interval(part * 0.95, part, min(1.0, part * 1.05))
    # On an empty card that worked all the same somebody came and went between two looks: perhaps a child of ours.
    if presence == "absent" or (presence == "empty" and all_s <= 0.0):
        return Interval.exact(0.0)
    flags.append(f"gpu-share-unknown:{device}")
    return Interval(0.0, min(0.5, context.kernel_share), 1.0)  # all kernels that cannot tell together: one card at most


def _spread(likely: float, doubts: Iterable[tuple[float, float]], factor: Interval) -> Interval:
    """`likely` with independent doubts (absolute, down and up) and a factor, added like the sides of a right angle."""
    downs, ups = [likely * (1.0 - factor.low)], [likely * (factor.high - 1.0)]
    for down, up in doubts:
        downs.append(down)
        ups.append(up)
    return Interval(max(0.0, likely - math.hypot(*downs)), likely, likely + math.hypot(*ups))
