"""The coming day of a grid: a curve, its cleanest hour, and silence where nothing is known."""

import pytest
from grid_parts import TEN_S, slot

from jupyter_carbon.estimate.outlook import outlook
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.series import Series, iso
from jupyter_carbon.grid.timeline import Timeline


def timeline(region, *slots):
    place = resolve(region)
    line = Timeline(place, static.intensity(place), profile(place))
    line.live = Series(slots) if slots else None
    return line


def day_of(region, *slots, now_s=TEN_S):
    return outlook(timeline(region, *slots), now_s).day


def test_a_live_day_has_its_curve_and_its_cleanest_hour():
    grams = [300] * 10 + [100] * 4 + [300] * 34
    told = outlook(timeline("GB", *(slot(i, g, "forecast", wide=1.2) for i, g in enumerate(grams))), TEN_S)
    assert told.now.gco2e_per_kwh.likely == 300
    assert told.day.points[0] == pytest.approx((TEN_S, 250.0, 300.0, 360.0))
    assert len(told.day.points) == 48
    assert told.day.signal.status == "forecast"
    best = told.day.best
    assert (iso(best.start.timestamp()), iso(best.end.timestamp())) == ("2026-11-21T15:00:00Z", "2026-11-21T16:00:00Z")
    assert (best.now_gco2e_per_kwh, best.then_gco2e_per_kwh, best.worth_waiting) == (300.0, 100.0, True)


def test_five_minute_slots_make_the_same_points():
    day = day_of("GB", *(slot(i, i % 6, "forecast", minutes=5) for i in range(288)))
    assert len(day.points) == 48
    assert {point.likely for point in day.points} == {2.5}


def test_an_hour_that_is_hardly_cleaner_is_not_worth_a_wait():
    best = day_of("GB", *(slot(i, 300 - i / 10, "forecast") for i in range(48))).best
    assert best.start > best.computed_at
    assert not best.worth_waiting


def test_when_now_is_the_cleanest_hour_it_starts_now():
    best = day_of("GB", *(slot(i, 100 + i, "forecast") for i in range(48))).best
    assert best.start == best.computed_at


def test_less_than_an_hour_has_a_curve_and_no_best_hour():
    line = Timeline(resolve("FR"), static.intensity(resolve("FR")))
    line.live = Series([slot(0, 50), slot(1, 60), slot(2, 70)])
    day = outlook(line, TEN_S + 1200).day
    assert [round(point.likely) for point in day.points] == [50, 60, 70]
    line.live = Series([slot(0, 50)])
    assert outlook(line, TEN_S).day is None


def test_offline_the_average_day():
    day = day_of("US-CA", now_s=TEN_S + 600)
    assert day.signal.status == "yearly"
    assert len(day.points) == 49
    assert day.points[0].start_s == TEN_S
    assert day.best is not None


def test_where_nothing_is_known_of_the_hours_there_is_no_day():
    told = outlook(timeline("FR"), TEN_S)
    assert (told.day, told.now.status, told.marginal, told.asking) == (None, "yearly", None, False)
