"""After k of n steps: what the whole loop will cost, with a range that shrinks as it goes."""

from __future__ import annotations

import math

from jupyter_carbon.model import Interval

SPREAD = 0.15
"""Relative spread of steps before any two were seen: first epochs compile, fill caches and warm up.  Assumed."""
WEIGHT = 2.0
"""How many steps' worth of evidence that assumption counts for."""
Z95 = 1.645


class Projection:
    """The total of a loop from the steps it has made; joules, seconds or grams alike.

    Steps are taken as alike but for a spread that is learned.  What is done is certain, what is to come errs by the
    spread of its own steps and by how well their mean is known.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps={steps!r} is not possible; it must be 1 or more")
        self.steps = steps
        self.done_steps = 0
        self.done = 0.0
        self._looks = 0
        self._mean = 0.0
        self._scatter = 0.0  # sum over looks of steps x (mean of the look - mean) squared

    def add(self, steps: int, amount: float) -> None:
        """`steps` more were made, and cost `amount` together."""
        if steps < 1 or self.done_steps + steps > self.steps:
            left = self.steps - self.done_steps
            raise ValueError(f"steps={steps!r} is not possible; it must be 1 to {left}, what is left of {self.steps}")
        each = amount / steps
        self.done_steps += steps
        self._looks += 1
        step_from_mean = each - self._mean
        self._mean += step_from_mean * steps / self.done_steps
        self._scatter += steps * step_from_mean * (each - self._mean)
        self.done += amount

    def total(self) -> Interval | None:
        """The whole loop: 5, 50 and 95 %; `None` before the first step, exact after the last."""
        if not self.done_steps:
            return None
        left = self.steps - self.done_steps
        # Looks are means over their steps, so their scatter, weighted by steps, is that of single steps.
        variance = (WEIGHT * (SPREAD * self._mean) ** 2 + self._scatter) / (WEIGHT + self._looks - 1)
        doubt = Z95 * math.sqrt(variance * (left + left**2 / self.done_steps))
        likely = self.done + left * self._mean
        return Interval(max(self.done, likely - doubt), likely, likely + doubt)
