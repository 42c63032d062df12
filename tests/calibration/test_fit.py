"""Readings of a plug to base watts and loss: arithmetic, and what is refused."""

from __future__ import annotations

import math

import pytest

from jupyter_carbon.calibration.fit import (
    OTHER_WORK,
    SIGMAS,
    CalibrationRefused,
    Point,
    WallFit,
    check_point,
    fit_wall,
    wall_model,
    watts_of,
)
from jupyter_carbon.model import Interval, WallModel

DESKTOP = WallModel("desktop", Interval(1.05, 1.15, 1.25), Interval(20, 50, 90), "modelled", "a table")
NOTHING_KNOWN = WallModel("unknown", Interval(-1e6, 1.0, 1e6), Interval(-1e6, 50.0, 1e6), "assumed", "nobody")
MODELLED = Interval(0.55, 1.0, 1.85)


def on_a_line(factor: float, base_w: float, *devices_w: float) -> list[Point]:
    return [Point(w, factor * w + base_w) for w in devices_w]


def test_two_points_give_their_line_where_nothing_is_known_before():
    fit = fit_wall(on_a_line(1.2, 43.0, 20.0, 220.0), NOTHING_KNOWN)
    assert (fit.factor, fit.base_w) == pytest.approx((1.2, 43.0), rel=1e-6)
    assert fit.residual_w == pytest.approx(0.0, abs=1e-6)


def test_two_points_far_apart_give_nearly_their_line_whatever_the_table_says():
    fit = fit_wall(on_a_line(1.22, 80.0, 15.0, 250.0), DESKTOP)
    for devices_w in (15.0, 100.0, 250.0):
        assert fit.factor * devices_w + fit.base_w == pytest.approx(1.22 * devices_w + 80.0, rel=0.02)


@pytest.mark.parametrize(("factor", "base_w"), [(1.4, 50.0), (1.2, 150.0), (1.02, 15.0)])
def test_a_machine_unlike_the_table_is_met_within_four_per_cent(factor, base_w):
    points = on_a_line(factor, base_w, 12.0, 250.0)
    fit = fit_wall(points, DESKTOP)
    for point in points:
        assert fit.factor * point.devices_w + fit.base_w == pytest.approx(point.wall_w, rel=0.04)


def test_a_supply_as_bad_as_can_be_is_taken_and_its_residual_tells():
    fit = fit_wall(on_a_line(1.9, 50.0, 12.0, 250.0), DESKTOP)
    assert 1.5 < fit.factor < 1.9
    assert fit.residual > 0.05
    assert wall_model(fit, kind="desktop", at="a day").spread.high > OTHER_WORK.high


def test_two_close_points_tell_the_level_and_leave_the_slope_to_the_table():
    # 100 and 112 W, the second read 3 % high: a line through both would have a slope of 1.58.
    fit = fit_wall([Point(100.0, 165.0), Point(112.0, 1.03 * 178.8)], DESKTOP)
    assert 1.05 < fit.factor < 1.25
    assert fit.factor * 106 + fit.base_w == pytest.approx((165.0 + 1.03 * 178.8) / 2, rel=0.02)


def test_a_third_point_off_the_line_is_the_residual():
    points = [*on_a_line(1.2, 40.0, 10.0, 110.0), Point(60.0, 121.0)]  # 9 W above 112
    fit = fit_wall(points, NOTHING_KNOWN)
    offs_w = [p.wall_w - fit.factor * p.devices_w - fit.base_w for p in points]
    assert fit.residual_w == pytest.approx(math.sqrt(sum(off**2 for off in offs_w) / 3))
    assert fit.residual == pytest.approx(fit.residual_w / ((52.0 + 172.0 + 121.0) / 3))


def test_a_line_that_would_begin_below_nothing_begins_at_nothing():
    fit = fit_wall(on_a_line(1.3, -12.0, 100.0, 400.0), DESKTOP)
    assert fit.base_w == 0.0
    assert 1.2 < fit.factor < 1.3


# --- what is refused -----------------------------------------------------------------------------------------------


def refusal(call, *args) -> str:
    with pytest.raises(CalibrationRefused) as refused:
        call(*args)
    return str(refused.value)


def test_one_point_is_no_slope():
    assert "one at rest and one under load" in refusal(fit_wall, on_a_line(1.2, 40.0, 50.0), DESKTOP)


@pytest.mark.parametrize("other_w", [100.0, 91.0])
def test_two_equal_points_are_refused_and_nearly_equal_ones_too(other_w):
    assert refusal(fit_wall, on_a_line(1.2, 40.0, 100.0, other_w), DESKTOP).startswith("the points are equal")


def test_points_a_tenth_apart_are_enough():
    fit_wall(on_a_line(1.2, 40.0, 100.0, 89.9), DESKTOP)


@pytest.mark.parametrize(("rest_w", "load_w"), [(300.0, 301.0), (300.0, 260.0), (60.0, 480.0)])
def test_a_plug_that_does_not_follow_the_devices_is_another_machines(rest_w, load_w):
    # The devices went from 10 to 110 W, so the plug must rise by 100 to 200 W.
    assert "does not follow this machine" in refusal(fit_wall, [Point(10.0, rest_w), Point(110.0, load_w)], DESKTOP)


def test_readings_that_lie_on_no_line_are_not_of_one_machine():
    points = [*on_a_line(1.2, 40.0, 10.0, 110.0), Point(11.0, 300.0)]
    assert "do not lie on one line" in refusal(fit_wall, points, DESKTOP)


def test_kilowatts_for_watts_are_less_than_the_devices_draw():
    assert "is it in kW" in refusal(check_point, Point(100.0, 0.16))


def test_milliwatts_and_energies_for_watts_are_more_than_one_machine():
    assert "is it in mW or an energy" in refusal(check_point, Point(100.0, 160_000.0))
    assert "is it in mW or an energy" in refusal(check_point, Point(10.0, 52.0 * 20))  # joules of 20 s


@pytest.mark.parametrize("wall_w", [95.0, 1000.0])
def test_what_a_plug_can_show_is_taken(wall_w):
    check_point(Point(100.0, wall_w))


def test_a_model_may_be_off_by_its_own_range_and_a_counter_may_not():
    points = on_a_line(2.5, 40.0, 20.0, 100.0)  # a part that draws more than twice what its rating says
    assert "does not follow" in refusal(fit_wall, points, DESKTOP)
    fit = fit_wall(points, DESKTOP, MODELLED)
    assert fit.factor * 100 + fit.base_w == pytest.approx(290.0, rel=0.03)


# --- what a person types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "watts"),
    [("61.5", 61.5), ("61.5 W", 61.5), ("61,5W", 61.5), (" 0.0615 kW ", 61.5), ("61500 mW", 61.5), (".5 kW", 500.0)],
)
def test_a_reading_is_watts_in_any_of_its_writings(text, watts):
    assert watts_of(text) == pytest.approx(watts)


@pytest.mark.parametrize("text", ["12 Wh", "0.2kWh", "615 J", "3 kJ"])
def test_an_energy_is_no_power(text):
    assert refusal(watts_of, text) == f"{text} is an energy.  Give the power that the plug shows now, in watts: 61.5 W"


@pytest.mark.parametrize("text", ["0", "-5 W", "61.5 A", "6 1 W", "1e3", "nan", "inf W", "61.5 W now", "1.2.3"])
def test_nonsense_is_no_reading(text):
    assert refusal(watts_of, text) == f"{text} is no reading of a plug.  Give watts: 61.5 W"


def test_apparent_power_is_not_real_power():
    assert "apparent power" in refusal(watts_of, "75 VA")


# --- as a footprint's wall ------------------------------------------------------------------------------------------


def fitted(residual: float) -> WallFit:
    return WallFit(1.2, 40.0, residual * 100.0, residual, tuple(on_a_line(1.2, 40.0, 10.0, 110.0)))


def test_a_good_fit_has_the_range_of_other_work():
    wall = wall_model(fitted(0.01), kind="desktop", at="2026-11-22")
    assert (wall.spread, wall.factor, wall.base_w) == (OTHER_WORK, Interval.exact(1.2), Interval.exact(40.0))
    assert wall.source == "calibrated on 2026-11-22 with 2 readings, off by 1.0%"


def test_a_bad_fit_has_the_range_of_its_points():
    wall = wall_model(fitted(0.2), kind="desktop", at="2026-11-22")
    assert (wall.spread.low, wall.spread.high) == pytest.approx((1 / (1 + SIGMAS * 0.2), 1 + SIGMAS * 0.2))
