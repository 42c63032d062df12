"""Who is asked about a moment, in which order; and a run as the sum over its slots."""

import math
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from grid_parts import TEN_S, slot
from hypothesis import given
from hypothesis import strategies as st

from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.series import MixedIntensities, Series
from jupyter_carbon.grid.timeline import Timeline, surer, weighed
from jupyter_carbon.model import IntensityUnavailable

HALF_S = 1800.0
GB, FR = resolve("GB"), resolve("FR")


def timeline(*slots, place=GB):
    line = Timeline(place, static.intensity(place), profile(place))
    if slots:
        line.live = Series(slots)
    return line


# --- the order of sources ---------------------------------------------------------------------------------------


def test_a_live_slot_then_the_profile_then_the_year_then_the_world():
    line = timeline(slot(0, 123))
    assert line.at(TEN_S).gco2e_per_kwh.likely == 123
    assert "hour of the day" in line.at(TEN_S + HALF_S).source
    assert timeline(place=FR).at(TEN_S) == static.intensity(FR)
    world = resolve("WORLD")
    assert timeline(place=world).at(TEN_S).gco2e_per_kwh == static.intensity(world).gco2e_per_kwh


def test_stale_data_is_no_data():
    line = timeline(slot(0, 123), slot(1, 124))
    assert line.at(TEN_S + 3 * 3600).status == "yearly"


def test_a_hole_of_two_slots_falls_to_the_profile_and_comes_back():
    line = timeline(slot(0, 100), slot(3, 400))
    told = [(start_s - TEN_S, end_s - TEN_S, it.status) for start_s, end_s, it in line.pieces(TEN_S, TEN_S + 7200)]
    assert told == [
        (0, 1800, "actual"),
        (1800, 3600, "yearly"),
        (3600, 5400, "yearly"),
        (5400, 7200, "actual"),
    ]


def test_marginal_has_nothing_to_fall_back_on():
    line = Timeline(GB, None)
    with pytest.raises(IntensityUnavailable, match="marginal"):
        line.at(TEN_S)


def test_a_clock_that_is_an_hour_fast_is_seen_through():
    line = timeline(slot(0, 100), slot(1, 200))
    line.skew_s = -3600.0
    assert line.at(TEN_S + 3600).gco2e_per_kwh.likely == 100
    assert line.over(TEN_S + 3600, TEN_S + 3600 + 2 * HALF_S).gco2e_per_kwh.likely == pytest.approx(150)


# --- a run over several slots -----------------------------------------------------------------------------------


def test_a_run_in_one_slot_is_that_slot():
    line = timeline(slot(0, 100), slot(1, 200))
    assert line.over(TEN_S + 60, TEN_S + 120) is line.live.slots[0]
    assert line.over(TEN_S + 60, TEN_S + 60) is line.live.slots[0]


def test_an_even_run_is_weighed_by_time():
    line = timeline(slot(0, 100), slot(1, 200))
    assert line.over(TEN_S + 0.5 * HALF_S, TEN_S + 2 * HALF_S).gco2e_per_kwh.likely == pytest.approx(
        (0.5 * 100 + 1.0 * 200) / 1.5
    )


def test_an_uneven_run_is_weighed_by_its_energy():
    line = timeline(slot(0, 100), slot(1, 200))
    course = ((HALF_S, 0.9),)  # nine tenths of the energy in the first half-hour
    told = line.over(TEN_S, TEN_S + 2 * HALF_S, course)
    assert told.gco2e_per_kwh.likely == pytest.approx(0.9 * 100 + 0.1 * 200)
    assert (told.start, told.end) == ("2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z")


@given(
    st.lists(st.floats(1, 1000), min_size=2, max_size=12),
    st.lists(st.floats(0, 1), max_size=6),
    st.floats(0, 0.9),
    st.floats(0.1, 1.0),
)
def test_grams_are_the_sum_over_slots_of_energy_times_intensity(grams, shares, first, last):
    line = timeline(*(slot(i, g) for i, g in enumerate(grams)))
    start_s = TEN_S + first * HALF_S
    end_s = TEN_S + (len(grams) - 1 + last) * HALF_S
    length_s = end_s - start_s
    course = tuple((length_s * (i + 1) / (len(shares) + 1), share) for i, share in enumerate(sorted(shares)))
    points = [(0.0, 0.0), *course, (length_s, 1.0)]

    def spent(at_s):
        for (a_s, a), (b_s, b) in pairwise(points):
            if at_s <= b_s:
                return a + (b - a) * (at_s - a_s) / (b_s - a_s)
        return 1.0

    edges = [start_s, *(TEN_S + i * HALF_S for i in range(1, len(grams))), end_s]
    total = sum((spent(edges[i + 1] - start_s) - spent(edges[i] - start_s)) * grams[i] for i in range(len(grams)))
    assert line.over(start_s, end_s, course).gco2e_per_kwh.likely == pytest.approx(total, rel=1e-6)


def test_the_status_is_that_of_the_least_sure_slot():
    line = timeline(slot(0, 100), slot(1, 200, "forecast"))
    assert line.over(TEN_S, TEN_S + 2 * HALF_S).status == "forecast"


def test_slots_of_two_kinds_have_no_mean():
    line = timeline(slot(0, 100, basis="direct"))  # and the profile behind it is on the life cycle
    with pytest.raises(MixedIntensities):
        line.over(TEN_S, TEN_S + 2 * HALF_S)


@pytest.mark.parametrize(("year", "month", "day", "hours"), [(2026, 10, 25, 25), (2027, 3, 28, 23), (2027, 3, 29, 24)])
def test_a_day_has_the_hours_it_has(year, month, day, hours):
    london = ZoneInfo("Europe/London")
    midnight, next_one = datetime(year, month, day, tzinfo=london), datetime(year, month, day + 1, tzinfo=london)
    pieces = timeline().pieces(midnight.timestamp(), next_one.timestamp())
    assert len(pieces) == hours
    assert all(end_s - start_s == 3600 for start_s, end_s, _ in pieces)


# --- settling ---------------------------------------------------------------------------------------------------


def test_an_actual_is_surer_than_the_forecast_it_replaces_and_not_the_other_way():
    forecast, actual = slot(0, 150, "forecast"), slot(0, 143)
    assert surer(actual, forecast)
    assert not surer(forecast, actual)
    assert not surer(actual, actual)
    assert surer(forecast, static.intensity(GB))


def test_another_kind_or_place_is_never_surer():
    forecast = slot(0, 150, "forecast")
    assert not surer(slot(0, 143, basis="direct"), forecast)
    assert not surer(replace(slot(0, 143), region="FR"), forecast)


# --- several hosts, each at its own place ---------------------------------------------------------------------------


def of(region, grams, *, wide=1.0, **more):
    return replace(slot(0, grams, wide=wide, **more), region=region, name=region)


def test_a_cell_s_grams_are_the_sum_over_its_slots_and_its_hosts_places():
    here = Timeline(resolve("GB"), static.intensity(resolve("GB")))
    here.live = Series([slot(0, 100), slot(1, 200)])
    there = of("FR", 50)
    at_home = here.over(TEN_S, TEN_S + 3600, ((1800.0, 0.25),))  # a quarter of 4 kWh in the first half-hour
    both = weighed([(4.0, at_home), (6.0, there)], start=None, end=None)
    assert 10.0 * both.gco2e_per_kwh.likely == pytest.approx(1.0 * 100 + 3.0 * 200 + 6.0 * 50)
    assert (both.region, both.name) == ("GB+FR", "United Kingdom and FR")


def test_hosts_of_one_place_err_together_and_two_places_each_for_itself():
    same = weighed([(1.0, of("GB", 100, wide=1.2)), (1.0, of("GB", 100, wide=1.2))], start=None, end=None)
    apart = weighed([(1.0, of("GB", 100, wide=1.2)), (1.0, of("FR", 100, wide=1.2))], start=None, end=None)
    assert same.gco2e_per_kwh.high == pytest.approx(120)
    assert apart.gco2e_per_kwh.high == pytest.approx(100 + 20 / math.sqrt(2))


def test_hosts_told_by_two_kinds_of_number_have_no_sum():
    for other in (of("FR", 50, basis="direct"), of("FR", 50, method="marginal")):
        with pytest.raises(MixedIntensities):
            weighed([(1.0, of("GB", 100)), (1.0, other)], start=None, end=None)


def test_hosts_that_used_nothing_have_a_mean_all_the_same():
    both = weighed([(0.0, of("GB", 100)), (0.0, of("FR", 50))], start=None, end=None)
    assert both.gco2e_per_kwh.likely == 75
