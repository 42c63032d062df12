"""From a rating and a kind of work to a share of it, with a range: never "rated power is the draw".

Pure, for one device or a column of them; the numbers come from the priors table.
"""

from __future__ import annotations

from jupyter_carbon.estimate.belief import Belief, Number, propagate
from jupyter_carbon.model import Interval


def accelerator_share(utilisation: Number, idle: Belief) -> Belief:
    """Share of its rating that a GPU draws at `utilisation`, 1 being its rated power: a line from `idle` up.

    This utilisation is a share of power; NVML's GPU % only says that some kernel was running.
    """
    low, likely, high = (between(share, 1.0, utilisation) for share in (idle.low, idle.likely, idle.high))
    return Belief.between(low, likely, high)


def package_share(busy: Belief, idle: Belief, full: Belief, curve: Belief) -> Belief:
    """Share of its rating that a CPU package draws while the share `busy` of its logical CPUs works.

    ``idle + (full - idle) * (1 - (1 - busy) ** curve)``: the first busy threads cost most, as they wake the package
    and clock highest.  `curve` is 1 for load spread thinly over all cores, 2 and more for few full threads.
    """
    if not busy.is_exact:
        return propagate(between, idle, full, busy, curve)
    risen = propagate(
        lambda exponent: 1.0 - (1.0 - busy.likely) ** exponent, curve
    )  # so that a column takes few powers
    return propagate(lambda lowest, highest, much: lowest + (highest - lowest) * much, idle, full, risen)


def cpu_share(busy: Interval, idle: Interval, full: Interval, curve: Interval) -> Interval:
    """:func:`package_share` of one package."""
    return package_share(*(Belief.of(each) for each in (busy, idle, full, curve))).interval()


def between(idle_w: Number, full_w: Number, busy: Number, curve: Number = 1.0) -> Number:
    """Watts (or a share of a rating) of a device or server that draws `idle_w` idle and `full_w` at full load.

    >>> between(idle_w=50.0, full_w=250.0, busy=0.5)
    150.0
    """
    risen = busy if isinstance(curve, float) and curve == 1.0 else 1.0 - (1.0 - busy) ** curve
    return idle_w + (full_w - idle_w) * risen


def under_limit(free_w: Interval, limit_w: float, held: Interval) -> Interval:
    """What a card draws that is told to stay under `limit_w`, and would draw `free_w` if it were not.

    `held` is truth over the smaller of the two: near its limit a card is throttled by a few percent before it gets
    there, and a hungry one overshoots a low limit.
    """
    low, likely, high = (min(end, limit_w) for end in (free_w.low, free_w.likely, free_w.high))
    return Interval(low * held.low, likely * held.likely, high * held.high)
