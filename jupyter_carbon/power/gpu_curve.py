"""A card's power by how busy its driver says it is: as `%carbon calibrate devices` measured it, or by its rating."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_carbon import tables
from jupyter_carbon.model import Interval
from jupyter_carbon.power.visible import IDLE_SHARE
from jupyter_carbon.value import value

WORK = 0.7
"""What work draws while kernels run all the time, as a part of what a matrix product draws, which is the rating or
little less: the median of 54 kinds of training and inference on NVIDIA cards (1,074 published means: 0.73)."""
CURVE_SPREAD = Interval(0.45, 1.0, 1.4)
"""Truth over a measured curve: utilisation says that some kernel ran, not how many units it kept busy.  Those means lie
from 0.35 to 0.96 of the rating, 5 to 95 % (Zeus, NSDI 2023, and ML.ENERGY: `benchmarks/ranges.py`)."""
RATED_SPREAD = Interval(0.35, 1.0, 1.8)
"""Truth where only the rating is known: idle power is 0.04 to 0.2 of it beside `IDLE_SHARE`."""


@value
class GpuCurve:
    """A card's idle watts, its watts under matrix products without a pause, and the power of utilisation by which it
    rises in between; `residual` is how far the points lay off, as a part of their mean, `at` their day.

    `device` and `model` are the card's names then.
    """

    device: str
    model: str
    idle_w: float
    full_w: float
    exponent: float
    residual: float
    at: str

    def power_w(self, utilisation: float) -> float:
        """Under matrix products.

        >>> card = GpuCurve("gpu0", "A card", 50.0, 250.0, 0.5, 0.0, "2026-11-22")
        >>> card.power_w(0.0), card.power_w(0.25), card.power_w(1.0)
        (50.0, 150.0, 250.0)
        """
        return self.idle_w + (self.full_w - self.idle_w) * self._rise(utilisation)

    def likely_w(self, utilisation: float) -> float:
        """Under work that nobody knows."""
        return self.idle_w + max(0.0, WORK * self.full_w - self.idle_w) * self._rise(utilisation)

    def _rise(self, utilisation: float) -> float:
        rise: float = min(max(utilisation, 0.0), 1.0) ** self.exponent
        return rise


def curve_of(curves: Mapping[str, GpuCurve], key: str, model: str) -> GpuCurve | None:
    """What was measured of this very card, or of another of its model in this machine."""
    return curves.get(key) or next((curve for curve in curves.values() if curve.model == model), None)


def rated(device: str, model: str, limit_w: float | None) -> GpuCurve | None:
    """A straight line from the table's idle watts to the driver's limit, or to the table's rating where the driver
    tells none; `None` where the table does not know the card either."""
    known = tables.gpu(model)
    full_w = limit_w or (known and known.tdp_w)
    if not full_w:
        return None
    idle_w = known.idle_w if known and known.idle_w and known.idle_w < full_w else IDLE_SHARE * full_w
    return GpuCurve(device, model, idle_w, full_w, 1.0, 0.0, "")
