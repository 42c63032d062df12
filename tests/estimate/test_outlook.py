"""The coming day as a panel shows it: JSON, small, and silent where nothing is known."""

import json

from grid_parts import TEN_S, slot

from jupyter_carbon.estimate.outlook import outlook
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.series import Series
from jupyter_carbon.grid.timeline import Timeline


def timeline(region, *slots):
    place = resolve(region)
    line = Timeline(place, static.intensity(place), profile(place))
    line.live = Series(slots) if slots else None
    return line


def test_a_live_day_has_its_curve_and_its_greener_hour():
    grams = [300] * 10 + [100] * 4 + [300] * 34
    told = outlook(timeline("GB", *(slot(i, g, "forecast", wide=1.2) for i, g in enumerate(grams))), TEN_S)
    assert told["now"]["gco2e_per_kwh"]["likely"] == 300
    assert told["curve"][0] == ["2026-11-21T10:00:00Z", 300.0, 250.0, 360.0]
    assert len(told["curve"]) == 48
    assert told["curve_status"] == "forecast"
    assert told["greener"]["start"] == "2026-11-21T15:00:00Z"
    assert told["greener"]["end"] == "2026-11-21T16:00:00Z"
    assert told["greener"]["gco2e_per_kwh"] == 100.0


def test_five_minute_slots_make_the_same_points():
    told = outlook(timeline("GB", *(slot(i, i % 6, "forecast", minutes=5) for i in range(288))), TEN_S)
    assert len(told["curve"]) == 48
    assert {point[1] for point in told["curve"]} == {2.5}
    assert len(json.dumps(told)) < 4096


def test_no_greener_hour_is_told_that_is_not_worth_a_wait():
    assert outlook(timeline("GB", *(slot(i, 300 - i, "forecast") for i in range(48))), TEN_S)["greener"] is None


def test_offline_the_average_day():
    told = outlook(timeline("US-CA"), TEN_S + 600)
    assert told["curve_status"] == "yearly"
    assert len(told["curve"]) in (48, 49)
    assert told["greener"] is not None


def test_where_nothing_is_known_of_the_hours_there_is_no_curve():
    told = outlook(timeline("FR"), TEN_S)
    assert (told["curve"], told["greener"], told["now"]["status"]) == ([], None, "yearly")
