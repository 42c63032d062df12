"""From a plug's readings to base watts and supply loss.  Pure; what cannot be believed is refused with the reason."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from jupyter_carbon.model import ONE, CarbonError, Interval, WallModel
from jupyter_carbon.value import value

READING = 0.03
"""One reading beside the devices' mean of the same seconds: a plug meter of class 1 or 2, and a machine that is not
quite steady (assumed)."""
OTHER_WORK = Interval(0.88, 1.0, 1.13)
"""Truth over a fit by two points, 5 to 95 %, on work that the points were not taken from: 94 % of the runs of
arXiv 2509.22092 where points and run use the same device, 87 % where they need not (`benchmarks/ranges.py`)."""

LEAST_APART = 0.1
"""Two points tell a slope only if their devices' powers differ by this part of the greater."""
STEEPEST = 2.0
"""The most that the plug may rise for a watt of the devices: a supply that loses half of what it takes is broken.  The
least is one: nothing comes out of it that did not go in."""
LEAST_AT_PLUG = 0.95
"""The least that a plug may show for a watt of the devices: all of it, but for the two meters' own errors."""
MOST_AT_PLUG, MOST_BESIDE_W = 5.0, 500.0
"""The most: five times the devices and half a kilowatt, more than any one machine's supply, fans and disks take."""
KIND_DOUBT = 1.5
"""How much wider than the table says a kind's factor and base are taken to lie: two PCs are behind it, and a machine
like neither must not be bent towards them (a factor of 1.4 at full load is still met within 4 %)."""
FARTHEST = 0.15
"""Points farther off their line than this part of their mean are not of one machine: more than other work is."""
SIGMAS = 1.645
"""Standard deviations from the middle of a normal belief to its 5 and 95 %."""

AGAIN = "Nothing was stored.  Start again: %carbon calibrate rest"


class CalibrationRefused(CarbonError):
    """These readings cannot be a calibration of this machine; nothing was stored."""


@value
class Point:
    """What the devices drew and what the plug showed, both as means over the same seconds."""

    devices_w: float
    wall_w: float


@value
class WallFit:
    """`wall = factor * devices + base_w`, and how far the points lie off it: root mean square, in watts and as a part
    of the mean."""

    factor: float
    base_w: float
    residual_w: float
    residual: float
    points: tuple[Point, ...]


UNITS = {"": 1.0, "w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1000.0, "mw": 1e-3}
ENERGIES = frozenset({"wh", "kwh", "mwh", "j", "kj", "mj"})


def watts_of(text: str) -> float:
    """A plug's reading as a person writes it.  Refuses energies, apparent power and nonsense.

    >>> watts_of("61.5 W"), watts_of("0.0615kW"), watts_of("61,5")
    (61.5, 61.5, 61.5)
    """
    reading = text.strip()
    parts = re.fullmatch(r"(\d+(?:[.,]\d+)?|[.,]\d+)\s*([A-Za-z]*)", reading)
    number, unit = parts.groups() if parts else ("0", "")
    if unit.lower() in ENERGIES:
        raise CalibrationRefused(f"{reading} is an energy.  Give the power that the plug shows now, in watts: 61.5 W")
    if unit.lower() == "va":
        raise CalibrationRefused(f"{reading} is apparent power.  Give the real power in watts: 61.5 W")
    watts = float(number.replace(",", ".")) * UNITS.get(unit.lower(), 0.0)
    if watts <= 0.0:
        raise CalibrationRefused(f"{reading} is no reading of a plug.  Give watts: 61.5 W")
    return watts


def check_point(point: Point, devices: Interval = ONE) -> None:
    """Refuse what no plug of this machine can show; `devices` is truth over `devices_w` where that is modelled."""
    shows = f"the plug shows {_text(point.wall_w)} W, the devices behind it draw {_text(point.devices_w)} W"
    if point.wall_w < LEAST_AT_PLUG * devices.low * point.devices_w:
        raise CalibrationRefused(
            f"{shows}.  A plug cannot show less than they draw: is it in kW, or another machine's plug?"
        )
    if point.wall_w > MOST_AT_PLUG * devices.high * point.devices_w + MOST_BESIDE_W:
        raise CalibrationRefused(
            f"{shows}.  That is too much for one machine: is it in mW or an energy, or does the plug feed more?"
        )


def fit_wall(points: Sequence[Point], before: WallModel, devices: Interval = ONE) -> WallFit:
    """Base watts and loss from two points or more, by least squares that lean on what is known of this kind of chassis
    (`before`): two close points tell the level well and the slope hardly.

    Where the devices are modelled, `devices` is truth over model: it makes the slope one of rating and loss together.
    Refuses what cannot be one machine's.
    """
    for point in points:
        check_point(point, devices)
    if len(points) < 2:
        raise CalibrationRefused("one reading tells no slope: one at rest and one under load are needed")
    low, high = (end(points, key=lambda point: point.devices_w) for end in (min, max))
    if high.devices_w - low.devices_w < LEAST_APART * high.devices_w:
        raise CalibrationRefused(
            f"the points are equal: the devices drew {_text(low.devices_w)} and {_text(high.devices_w)} W.  One "
            "reading at rest and one under load are needed"
        )
    _check_slope(low, high, devices)
    factor, base_w = _least_squares(points, before.factor * devices, before.base_w)
    offs_w = [point.wall_w - factor * point.devices_w - base_w for point in points]
    residual_w = math.sqrt(sum(off * off for off in offs_w) / len(offs_w))
    mean_w = sum(point.wall_w for point in points) / len(points)
    if len(points) > 2 and residual_w > FARTHEST * devices.high * mean_w:
        raise CalibrationRefused(
            f"the readings do not lie on one line, but {residual_w:.3g} W off it.  One of them is of another moment or "
            "another machine"
        )
    return WallFit(factor, base_w, residual_w, residual_w / mean_w, tuple(points))


def refused(err: CalibrationRefused, then: str) -> CalibrationRefused:
    """The same refusal with a sentence after it."""
    text = str(err)
    return CalibrationRefused(f"{text if text.endswith(('?', '.')) else f'{text}.'}  {then}")


def _text(watts: float) -> str:
    return f"{watts:.0f}" if watts >= 1000.0 else f"{watts:.4g}"


def _check_slope(low: Point, high: Point, devices: Interval) -> None:
    """The plug must follow the devices: at least as much as they change, and at most twice that."""
    rise_w, slack_w = high.devices_w - low.devices_w, READING * (high.wall_w + low.wall_w)
    wall_rise_w = high.wall_w - low.wall_w
    if wall_rise_w + slack_w < devices.low * rise_w or wall_rise_w - slack_w > STEEPEST * devices.high * rise_w:
        raise CalibrationRefused(
            f"the devices went from {_text(low.devices_w)} to {_text(high.devices_w)} W, the plug from "
            f"{_text(low.wall_w)} to {_text(high.wall_w)} W.  It does not follow this machine: another machine's plug, "
            "a reading of another moment, or another unit"
        )


def _least_squares(points: Sequence[Point], factor: Interval, base_w: Interval) -> tuple[float, float]:
    """The two that fit readings and prior belief best, each weighed by how well it is known."""
    factor_weight, base_weight = 1.0 / _sigma(factor) ** 2, 1.0 / _sigma(base_w) ** 2
    dd, d, n = factor_weight, 0.0, base_weight
    dw, w = factor_weight * factor.likely, base_weight * base_w.likely
    for point in points:
        weight = 1.0 / (READING * point.wall_w) ** 2
        dd += weight * point.devices_w**2
        d += weight * point.devices_w
        n += weight
        dw += weight * point.devices_w * point.wall_w
        w += weight * point.wall_w
    if dd * w < d * dw:  # a base below none: then none, and the best slope without one
        return dw / dd, 0.0
    determinant = dd * n - d * d
    return (dw * n - d * w) / determinant, (dd * w - d * dw) / determinant


def _sigma(belief: Interval) -> float:
    return max(KIND_DOUBT * (belief.high - belief.low) / (2.0 * SIGMAS), 1e-3)


def wall_model(fit: WallFit, *, kind: str, at: str) -> WallModel:
    """The fit as what a footprint is made with; its range is that of other work, or of the points if they are worse."""
    worse = SIGMAS * fit.residual
    return WallModel(
        kind=kind,
        factor=Interval.exact(fit.factor),
        base_w=Interval.exact(fit.base_w),
        quality="modelled",
        source=f"calibrated on {at} with {len(fit.points)} readings, off by {fit.residual:.1%}",
        spread=Interval(min(OTHER_WORK.low, 1.0 / (1.0 + worse)), 1.0, max(OTHER_WORK.high, 1.0 + worse)),
    )
