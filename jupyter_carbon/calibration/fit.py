"""From a plug's readings to base watts and supply loss.  Pure; what cannot be believed is refused with the reason."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jupyter_carbon.model import CarbonError, Interval, WallModel
from jupyter_carbon.value import value

READING = 0.03
"""One reading beside the devices' mean of the same seconds: a plug of class 1 or 2, and a machine that is not quite
steady (assumed)."""
OTHER_WORK = Interval(0.90, 1.0, 1.12)
"""Truth over a fit by two points, on work that the points were not taken from: 5 to 95 % over the runs of
arXiv 2509.22092 whose plug meter resolves them (`benchmarks/ranges.py`)."""

LEAST_APART = 0.1
"""Two points tell a slope only if their devices' powers differ by this part of the greater."""
STEEPEST = 2.0
"""A supply that loses half of what it takes is broken; the least loss is none."""
FULL = 1.645
"""Standard deviations from the middle of a normal belief to its 5 and 95 %."""


class CalibrationRefused(CarbonError):
    """These readings cannot be a calibration of this machine; nothing was stored."""


@value
class Point:
    """What the devices drew and what the plug showed, both as means over the same seconds."""

    devices_w: float
    wall_w: float


@value
class WallFit:
    """`wall = factor * devices + base_w`, and how far off the points it lies: root mean square, in watts and as a part
    of the mean."""

    factor: float
    base_w: float
    residual_w: float
    residual: float
    points: tuple[Point, ...]


def watts_of(text: str) -> float:
    """A plug's reading as a person writes it: ``61.5``, ``61.5 W``, ``0.0615 kW``.  Refuses energies and nonsense.

    >>> watts_of("61.5 W"), watts_of("0.0615kW")
    (61.5, 61.5)
    """
    words = text.strip().replace(",", ".").lower()
    number = words.rstrip("abcdefghijklmnopqrstuvwxyzµ ")
    unit = words[len(number) :].strip()
    if unit.endswith("h") or unit == "j":
        raise CalibrationRefused(
            f"{text.strip()!r} is an energy; power is needed: the watts (W) that the plug shows at the moment"
        )
    factor = {"": 1.0, "w": 1.0, "kw": 1000.0, "mw": 1e-3}.get(unit)
    try:
        watts = float(number) * (factor if factor is not None else math.nan)
    except ValueError:
        watts = math.nan
    if not math.isfinite(watts) or watts <= 0.0:
        raise CalibrationRefused(f"{text.strip()!r} is no reading of a plug: give watts, such as 61.5 or 61.5 W")
    return watts


def check_point(point: Point) -> None:
    """Refuse what no plug of this machine can show."""
    if point.wall_w < 0.95 * point.devices_w:
        raise CalibrationRefused(
            f"the plug shows {point.wall_w:.4g} W while the devices behind it alone draw {point.devices_w:.4g} W: it "
            "is another machine's plug, or the reading is in another unit (kW?)"
        )
    if point.wall_w > 20.0 * point.devices_w + 2000.0:
        raise CalibrationRefused(
            f"the plug shows {point.wall_w:.4g} W while the devices behind it draw {point.devices_w:.4g} W: the "
            "reading is in another unit (mW?), or the plug feeds much more than this machine"
        )


def fit_wall(points: Sequence[Point], before: WallModel) -> WallFit:
    """Base watts and loss from two points or more, by least squares that lean on what is known of this kind of chassis
    (`before`): two close points tell the level well and the slope hardly.  Refuses what cannot be one machine's.
    """
    for point in points:
        check_point(point)
    if len(points) < 2:
        raise CalibrationRefused("one point tells no slope: a reading at rest and one under load are needed")
    least_w, most_w = (end(point.devices_w for point in points) for end in (min, max))
    if most_w - least_w < LEAST_APART * most_w:
        raise CalibrationRefused(
            f"the points are equal: the devices drew {least_w:.4g} and {most_w:.4g} W; one at rest and one under load "
            "are needed"
        )
    _check_slope(points)
    factor, base_w = _least_squares(points, before)
    offs_w = [point.wall_w - factor * point.devices_w - base_w for point in points]
    residual_w = math.sqrt(sum(off * off for off in offs_w) / len(offs_w))
    mean_w = sum(point.wall_w for point in points) / len(points)
    return WallFit(factor, base_w, residual_w, residual_w / mean_w, tuple(points))


def _check_slope(points: Sequence[Point]) -> None:
    """The plug must follow the devices, at least as much as they change and at most twice that."""
    low, high = (end(points, key=lambda point: point.devices_w) for end in (min, max))
    rise_w, slack_w = high.devices_w - low.devices_w, READING * (high.wall_w + low.wall_w)
    wall_rise_w = high.wall_w - low.wall_w
    if wall_rise_w + slack_w < rise_w or wall_rise_w - slack_w > STEEPEST * rise_w:
        raise CalibrationRefused(
            f"the devices went from {low.devices_w:.4g} to {high.devices_w:.4g} W, the plug from {low.wall_w:.4g} to "
            f"{high.wall_w:.4g} W: it does not follow this machine, so it is another machine's, or a unit changed"
        )


def _least_squares(points: Sequence[Point], before: WallModel) -> tuple[float, float]:
    """The two that fit readings and prior belief best, each weighed by how well it is known."""
    factor_w, base_w = (1.0 / _sigma(belief) ** 2 for belief in (before.factor, before.base_w))
    dd, d, n = factor_w, 0.0, base_w
    dw, w = factor_w * before.factor.likely, base_w * before.base_w.likely
    for point in points:
        weight = 1.0 / (READING * point.wall_w) ** 2
        dd += weight * point.devices_w**2
        d += weight * point.devices_w
        n += weight
        dw += weight * point.devices_w * point.wall_w
        w += weight * point.wall_w
    determinant = dd * n - d * d
    factor, base = (dw * n - d * w) / determinant, (dd * w - d * dw) / determinant
    return factor, max(0.0, base)


def _sigma(belief: Interval) -> float:
    return max((belief.high - belief.low) / (2.0 * FULL), 1e-3)


def wall_model(fit: WallFit, *, kind: str, at: str) -> WallModel:
    """The fit as what a footprint is made with; its range is that of other work, or of the points if they are worse."""
    worse = FULL * fit.residual
    spread = Interval(min(OTHER_WORK.low, 1.0 / (1.0 + worse)), 1.0, max(OTHER_WORK.high, 1.0 + worse))
    return WallModel(
        kind=kind,
        factor=spread.scaled(fit.factor),
        base_w=spread.scaled(fit.base_w),
        quality="modelled",
        source=f"calibrated on {at} with {len(fit.points)} readings, off by {fit.residual:.1%}",
    )
