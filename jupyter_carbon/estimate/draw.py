"""From a rating and a kind of work to watts, with a range: never "rated power is the draw".

Pure, for one device or arrays of them; the numbers come from the priors table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jupyter_carbon.estimate.belief import Belief, Number
from jupyter_carbon.model import Interval


def spread_of(function: Callable[..., Number], *inputs: Belief) -> Belief:
    """`function` of independent, positive inputs: each one alone is moved to its ends, and what that does to the
    logarithm of the result adds like the sides of a right angle (first order)."""
    likely = [belief.likely for belief in inputs]
    centre = function(*likely)
    down: Number = 0.0
    up: Number = 0.0
    for at, belief in enumerate(inputs):
        ends = [function(*likely[:at], end, *likely[at + 1 :]) for end in (belief.low, belief.high)]
        steps = [np.log(np.maximum(end, 1e-300) / np.maximum(centre, 1e-300)) for end in ends]
        down = down + np.minimum(np.minimum(steps[0], steps[1]), 0.0) ** 2
        up = up + np.maximum(np.maximum(steps[0], steps[1]), 0.0) ** 2
    return Belief(centre * np.exp(-np.sqrt(down)), centre, centre * np.exp(np.sqrt(up)))


def accelerator_share(utilisation: Number, idle: Belief, rated: Belief) -> Belief:
    """Share of the rating that a GPU draws at `utilisation`, 1 being its rated power: a line from `idle` up.

    This utilisation is a share of power; NVML's GPU % only says that some kernel was running.
    """
    used = Belief.exact(utilisation)
    return spread_of(lambda u, i, top: (i + u * (1.0 - i)) * top, used, idle, rated)


def package_share(busy: Belief, idle: Belief, full: Belief, curve: Belief) -> Belief:
    """Share of its rating that a CPU package draws while the share `busy` of its logical CPUs works.

    ``idle + (full - idle) * (1 - (1 - busy) ** curve)``: the first busy threads cost most, as they wake the package
    and clock highest.  `curve` is 1 for load spread thinly over all cores, 2 and more for few full threads.
    """
    return spread_of(
        lambda u, i, f, p: i + (np.maximum(f, i) - i) * (1.0 - (1.0 - np.minimum(u, 1.0)) ** p), busy, idle, full, curve
    )


def between(idle_w: float, full_w: float, busy_share: float, curve: float = 1.0) -> float:
    """Watts of a device or a server whose own idle and full-load watts were metered; `curve` as above.

    >>> between(idle_w=50.0, full_w=250.0, busy_share=0.5)
    150.0
    """
    return idle_w + (full_w - idle_w) * (1.0 - (1.0 - busy_share) ** curve)


def device_w(rated_w: float, share: Interval) -> Interval:
    """A share of a rating in watts."""
    return share.scaled(rated_w)
