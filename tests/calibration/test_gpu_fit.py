"""Known watts in, the known curve out; what is no card at its work is refused with the reason."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.calibration.gpu_fit import FARTHEST, Look, fit_card
from jupyter_carbon.power.gpu_curve import GpuCurve

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def looks(idle_w: float = 60.0, full_w: float = 660.0, exponent: float = 0.5) -> list[Look]:
    """A card of 60 W at rest and 660 W at full load: 360 W at a quarter of the time if it rises like the root."""
    watts = [idle_w + (full_w - idle_w) * part**exponent for part in PARTS]
    return [Look(part, w, w) for part, w in zip(PARTS, watts, strict=True)]


def fitted(points: list[Look]) -> GpuCurve:
    return fit_card(points, device="gpu0", model="A card", at="2026-11-22")


def refusal(points: list[Look]) -> str:
    with pytest.raises(CalibrationRefused) as refused:
        fitted(points)
    return str(refused.value)


@pytest.mark.parametrize(
    ("idle_w", "full_w", "exponent"), [(60.0, 660.0, 0.5), (10.0, 110.0, 1.0), (25.0, 75.0, 1.7), (3.0, 30.0, 0.31)]
)
def test_points_on_a_curve_tell_that_curve(idle_w, full_w, exponent):
    curve = fitted(looks(idle_w, full_w, exponent))
    assert (curve.idle_w, curve.full_w, curve.exponent) == pytest.approx((idle_w, full_w, exponent), rel=1e-5)
    assert curve.residual == pytest.approx(0.0, abs=1e-6)
    assert (curve.device, curve.model, curve.at) == ("gpu0", "A card", "2026-11-22")


def test_watts_between_the_points_and_for_other_work():
    curve = fitted(looks())
    assert curve.power_w(0.25) == pytest.approx(360.0, rel=1e-5)
    assert curve.likely_w(0.0) == pytest.approx(60.0, rel=1e-5)
    assert curve.likely_w(1.0) == pytest.approx(0.7 * 660.0, rel=1e-5)


def test_the_driver_s_own_utilisation_is_what_watts_are_held_against():
    # A load meant to fill 25, 50, 75 % of the time filled more; points on the curve all the same.
    points = [Look(u, 60 + 600 * math.sqrt(u), 60 + 600 * math.sqrt(u)) for u in (0.02, 0.36, 0.64, 0.81, 0.98)]
    curve = fitted(points)
    assert (curve.idle_w, curve.full_w, curve.exponent) == pytest.approx((60, 660, 0.5), rel=1e-4)


def test_points_beside_the_curve_leave_a_residual():
    points = looks(10.0, 110.0, 1.0)
    points[2] = Look(0.5, 65.0, 65.0)
    # The mean of the five is 61 W; the nearest curve leaves the middle one some 3 W above it.
    assert 0.02 < fitted(points).residual < 0.05


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([replace(look, second_w=1.2 * look.first_w) for look in looks()], "not steady: 60 W, then 72 W"),
        (
            [replace(look, utilisation=0.3 + 0.7 * look.utilisation) for look in looks()],
            "busy for 30% of the time while",
        ),
        ([replace(look, utilisation=0.4 * look.utilisation) for look in looks()], "the points are equal"),
        (looks(60.0, 62.0), "does not follow the load"),
        ([*looks()[:4], Look(1.0, 400.0, 400.0)], "more work drew less: 580 W at 75%, 400 W at 100%"),
        (
            [Look(0.0, 60, 60), Look(0.3, 62, 62), Look(0.6, 600, 600), Look(0.62, 605, 605), Look(1, 606, 606)],
            "off any",
        ),
    ],
    ids=["unsteady", "not at rest", "equal", "does not follow", "throttled", "no curve"],
)
def test_what_is_no_card_at_its_work_is_refused(points, why):
    assert why in refusal(points)


def test_no_curve_means_farther_off_than_it_may_be():
    points = [Look(0.0, 60, 60), Look(0.3, 62, 62), Look(0.6, 600, 600), Look(0.62, 605, 605), Look(1, 606, 606)]
    off = int(refusal(points).partition("lie ")[2].partition("%")[0]) / 100
    assert off > FARTHEST
