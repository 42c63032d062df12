"""One number for each slot, the surest; a gap of one is filled, of two is not; kinds are never mixed."""

import pytest
from grid_parts import TEN_S, slot

from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.series import MixedIntensities, Series, rank
from jupyter_carbon.grid.static import intensity

HALF_S = 1800.0


def likely(series):
    return [s.gco2e_per_kwh.likely for s in series.slots]


@pytest.mark.parametrize("order", [1, -1])
def test_a_measured_slot_before_an_estimate_before_a_forecast(order):
    known = [slot(0, 3, "forecast"), slot(0, 2, "estimated"), slot(0, 1, "actual"), slot(1, 5, "forecast")]
    assert likely(Series(known[::order])) == [1, 5]


def test_the_newest_of_two_forecasts():
    assert likely(Series([slot(0, 300, "forecast"), slot(0, 200, "forecast")])) == [200]


def test_a_slot_covers_its_begin_and_not_its_end():
    series = Series([slot(0, 100), slot(1, 200)])
    assert series.index(TEN_S) == 0
    assert series.index(TEN_S + HALF_S) == 1
    assert series.index(TEN_S + 2 * HALF_S) is None
    assert series.index(TEN_S - 1) is None


def test_a_gap_of_one_slot_is_filled_from_its_neighbours():
    series = Series([slot(0, 100, wide=1.1), slot(2, 200, wide=1.1)])
    assert likely(series) == [100, 150, 200]
    between = series.slots[1]
    assert between.status == "estimated"
    assert (between.gco2e_per_kwh.low, between.gco2e_per_kwh.high) == (pytest.approx(100 / 1.1), pytest.approx(220))


def test_a_gap_in_a_forecast_is_filled_as_a_forecast():
    assert Series([slot(0, 100, "forecast"), slot(2, 200, "forecast")]).slots[1].status == "forecast"


def test_a_gap_of_two_slots_stays():
    series = Series([slot(0, 100), slot(3, 200)])
    assert likely(series) == [100, 200]
    assert series.index(TEN_S + 1.5 * HALF_S) is None
    assert series.next_s(TEN_S + 1.5 * HALF_S) == TEN_S + 3 * HALF_S


def test_nothing_is_extrapolated():
    series = Series([slot(0, 100)])
    assert series.index(TEN_S + 24 * 3600) is None


@pytest.mark.parametrize("other", [{"basis": "direct"}, {"method": "marginal"}])
def test_two_kinds_of_number_raise(other):
    with pytest.raises(MixedIntensities, match="different quantities"):
        Series([slot(0, 100), slot(1, 200, **other)])


def test_an_hour_of_the_profile_is_surer_than_the_year():
    britain = resolve("GB")
    ranks = [rank(slot(0, 1, status)) for status in ("actual", "estimated", "forecast")]
    assert [*ranks, rank(profile(britain).at(TEN_S)), rank(intensity(britain))] == [0, 1, 2, 3, 4]
