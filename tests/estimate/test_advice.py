"""`jc.best_start`: what it says, how sure it is, and when it says not to wait."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from grid_parts import TEN_S, slot

import jupyter_carbon as jc
from jupyter_carbon.estimate.advice import Job, advise, best_of, lines
from jupyter_carbon.estimate.coming import hours_of, slots_of
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.series import MixedIntensities, Series
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.model import IntensityUnavailable

MIDNIGHT = datetime(2026, 11, 21, tzinfo=timezone.utc)
HOURLY = (300, 300, 100, 100, 300, 50)


def forecast(grams=HOURLY, start=MIDNIGHT, minutes=60):
    return [(start + i * timedelta(minutes=minutes), g) for i, g in enumerate(grams)]


# --- the public surface -----------------------------------------------------------------------------------------


def test_the_oracle():
    advice = jc.best_start(2, "GB", forecast=forecast())
    assert advice.start == MIDNIGHT + timedelta(hours=2)
    assert (advice.now_gco2e_per_kwh, advice.then_gco2e_per_kwh) == (300, 100)
    assert advice.saving.likely == pytest.approx(2 / 3)
    assert advice.worth_waiting


def test_the_oracle_with_pauses():
    advice = jc.best_start(2, "GB", interruptible=True, forecast=forecast())
    assert [(a.hour, b.hour) for a, b in advice.runs] == [(2, 3), (5, 6)]
    assert advice.then_gco2e_per_kwh == 75


def test_within_is_when_it_must_have_ended():
    assert jc.best_start(1, "GB", forecast=forecast()).start.hour == 5
    assert jc.best_start(1, "GB", within="5h", forecast=forecast()).start.hour == 2
    assert jc.best_start(1, "GB", within=timedelta(hours=2), forecast=forecast()).start.hour == 0


def test_a_forecast_may_come_in_any_order_and_slots_of_any_width():
    widths = [(MIDNIGHT, 300), (MIDNIGHT + timedelta(minutes=90), 100), (MIDNIGHT + timedelta(minutes=120), 200)]
    advice = jc.best_start("30m", "GB", forecast=widths[::-1])
    assert advice.start == MIDNIGHT + timedelta(minutes=90)


def test_now_may_lie_within_the_first_slot():
    advice = jc.best_start(1, "GB", forecast=forecast(), now=MIDNIGHT + timedelta(minutes=30), within="3h")
    assert advice.computed_at == MIDNIGHT + timedelta(minutes=30)
    assert advice.start == MIDNIGHT + timedelta(hours=2)


def test_grams_where_the_job_s_energy_is_known():
    advice = jc.best_start(2, "GB", forecast=forecast(), energy_kwh=3.0)
    assert (advice.now_gco2e.likely, advice.then_gco2e.likely) == (pytest.approx(900), pytest.approx(300))
    assert advice.then_gco2e.low < 300 < advice.then_gco2e.high
    assert jc.best_start(2, "GB", forecast=forecast()).now_gco2e is None


def test_an_hour_is_an_hour_on_the_day_the_clocks_go_back():
    grams = [100] * 25
    grams[3] = 10
    advice = jc.best_start(1, "DK-DK1", forecast=forecast(grams, datetime(2026, 10, 24, 22, tzinfo=timezone.utc)))
    assert advice.start == datetime(2026, 10, 25, 1, tzinfo=timezone.utc)  # the second 02:00 in Copenhagen


# --- whether to wait --------------------------------------------------------------------------------------------


def test_a_saving_below_five_per_cent_is_not_worth_a_wait():
    advice = jc.best_start(1, "GB", forecast=forecast([100, 96, 100]))
    assert advice.saving.likely == pytest.approx(0.04)
    assert not advice.worth_waiting
    assert repr(advice).startswith("Not worth waiting")


def test_a_saving_that_the_forecast_s_own_error_may_eat_is_not_worth_a_wait():
    advice = jc.best_start(1, "GB", forecast=forecast([100, 90, 100]))
    assert advice.saving.low < 0 < advice.saving.high
    assert not advice.worth_waiting


def test_the_range_of_a_saving_is_one_forecast_s_error():
    advice = jc.best_start(1, "GB", forecast=forecast([300] * 4 + [100] * 4))
    assert advice.saving.low == pytest.approx(1 - 1.2 / 3)
    assert advice.saving.high == pytest.approx(1 - 1 / 1.2 / 3)


def test_a_job_that_takes_longer_than_was_said_is_in_the_range():
    sure = jc.best_start(2, "GB", forecast=forecast([300, 300, 100, 100, 100]))
    unsure = jc.best_start(2, "GB", forecast=forecast([300, 300, 100, 100, 900]))
    assert sure.start == unsure.start
    assert unsure.saving.low < sure.saving.low


def test_the_best_time_is_now():
    advice = jc.best_start(1, "GB", forecast=forecast([50, 100, 100]))
    assert advice.start == MIDNIGHT
    assert (advice.saving.low, advice.saving.likely, advice.saving.high) == (0, 0, 0)
    assert repr(advice).startswith("Start now")


def test_waiting_takes_back_what_it_draws():
    """0.3 kWh moved from 300 to 200 g saves 30 g; 10 W of yours, idle for 8 h at 300 g, take 24 of them back."""
    grams = [300] * 8 + [200]
    free = jc.best_start(1, "GB", forecast=forecast(grams), energy_kwh=0.3)
    held = jc.best_start(1, "GB", forecast=forecast(grams), energy_kwh=0.3, idle_w=10)
    assert free.saving.likely * 0.3 * 300 == pytest.approx(30)
    assert held.start == free.start
    assert held.saving.likely * 0.3 * 300 == pytest.approx(6)


def test_a_restart_that_costs_makes_one_run_of_two():
    grams = [300, 100, 300, 100, 100, 300]
    cheap = jc.best_start(3, "GB", interruptible=True, forecast=forecast(grams), energy_kwh=3.0, restart_gco2e=50)
    dear = jc.best_start(3, "GB", interruptible=True, forecast=forecast(grams), energy_kwh=3.0, restart_gco2e=250)
    assert (len(cheap.runs), len(dear.runs)) == (2, 1)
    assert cheap.saving.likely == pytest.approx(1 - (300 + 50) / 700)  # the first start costs now and then


# --- what is known ----------------------------------------------------------------------------------------------


def timeline(*slots, region="GB"):
    place = resolve(region)
    line = Timeline(place, static.intensity(place), profile(place))
    if slots:
        line.live = Series(slots)
    return line


def told(line, hours=1.0, within_h=24.0):
    end_s = TEN_S + within_h * 3600
    slots, signal = slots_of(line, TEN_S, end_s, hours)
    return advise(slots, signal, Job(hours), now_s=TEN_S, end_s=end_s)


def test_offline_the_hours_of_an_average_day_give_the_advice():
    advice = told(timeline(region="US-CA"))
    assert advice.status == "yearly"
    assert "hour of the day" in advice.source
    local = profile(resolve("US-CA"))
    best = min(local.grams(TEN_S + i * 3600)[0] for i in range(24))
    assert advice.then_gco2e_per_kwh == pytest.approx(best)


def test_a_live_forecast_goes_before_the_profile_as_far_as_it_reaches():
    advice = told(timeline(*(slot(i, 300 - 10 * i, "forecast") for i in range(20))))
    assert advice.status == "forecast"
    assert advice.horizon.timestamp() == TEN_S + 20 * 1800
    assert advice.start.timestamp() == TEN_S + 18 * 1800


def test_a_forecast_that_leaves_no_choice_gives_way_to_the_profile():
    assert told(timeline(slot(0, 100, "forecast"), slot(1, 90, "forecast"), slot(2, 80, "forecast"))).status == "yearly"


def test_nothing_beyond_a_hole_is_reached():
    slots = [slot(i, 300, "forecast") for i in range(8)] + [slot(i, 10, "forecast") for i in range(12, 20)]
    assert told(timeline(*slots)).horizon.timestamp() == TEN_S + 8 * 1800


def test_where_nothing_tells_one_hour_from_another_there_is_no_advice():
    with pytest.raises(IntensityUnavailable, match="nothing tells"):
        told(timeline(region="FR"))
    with pytest.raises(IntensityUnavailable, match="forecast="):
        jc.best_start(3, "FR")


def test_the_words_say_horizon_source_status_and_basis():
    text = "\n".join(lines(told(timeline(*(slot(i, 300 - 10 * i, "forecast") for i in range(20))))))
    for word in ("forecast", "average, life cycle", "United Kingdom", "a source", "reaches to", "computed", "marginal"):
        assert word in text


# --- several regions --------------------------------------------------------------------------------------------


def test_the_best_of_several_regions_against_here_and_now():
    here = told(timeline(*(slot(i, 300, "forecast") for i in range(8))))
    there = replace(here, region="FR", name="France", now_gco2e_per_kwh=50.0, then_gco2e_per_kwh=30.0)
    best = best_of([here, there])
    assert best.region == "FR"
    assert best.saving.likely == pytest.approx(0.9)
    assert best.saving.low < told(timeline(slot(0, 300, "forecast"))).saving.high + 0.9
    assert [other.region for other in best.others] == ["GB"]


def test_regions_whose_numbers_are_of_two_kinds_are_not_compared():
    here = told(timeline(*(slot(i, 300, "forecast") for i in range(8))))
    for other in ({"method": "marginal"}, {"basis": "direct"}):
        with pytest.raises(MixedIntensities, match="one kind"):
            best_of([here, replace(here, region="US-CA", **other)])


def test_offline_regions_are_compared_by_their_profiles():
    advice = jc.best_start(4, ["ZA", "NO"], now=datetime(2026, 7, 1, tzinfo=timezone.utc))
    assert advice.region == "NO"
    assert advice.worth_waiting


# --- what cannot be meant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"hours": 0}, "hours=0"),
        ({"hours": -2}, "hours=-2"),
        ({"hours": "soon"}, "hours='soon'"),
        ({"within": "1h"}, "within='1h'"),
        ({"within": "9999d"}, "within='9999d'"),
        ({"energy_kwh": 0}, "energy_kwh=0"),
        ({"idle_w": -1, "energy_kwh": 1}, "idle_w=-1"),
        ({"idle_w": 5}, "energy_kwh"),
        ({"restart_gco2e": 5, "energy_kwh": 1}, "interruptible"),
        ({"forecast": []}, "forecast"),
        ({"forecast": forecast()[:1]}, "two pairs"),
        ({"forecast": [(datetime(2026, 11, 21), 1), (datetime(2026, 11, 22), 2)]}, "time zone"),
        ({"forecast": forecast([100, -1, 100])}, "-1 g/kWh"),
        ({"forecast": forecast([100, float("nan"), 100])}, "nan"),
        ({"forecast": forecast() + forecast()}, "one moment"),
        ({"hours": 7}, "does not fit"),
        ({"region": []}, "region"),
        ({"region": ["GB", "FR"]}, "one place"),
        ({"now": MIDNIGHT - timedelta(days=1)}, "begin after"),
    ],
)
def test_what_cannot_be_meant_names_the_field(wrong, words):
    with pytest.raises(ValueError, match=words):
        jc.best_start(**{"hours": 2, "region": "GB", "forecast": forecast(), **wrong})


def test_an_unknown_region_names_near_ones():
    with pytest.raises(jc.UnknownRegion, match="perhaps"):
        jc.best_start(2, "Frnace", forecast=forecast())


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("90 min", 1.5), ("3h", 3), ("2d", 48), ("1.5", 1.5), (4, 4)]
)
def test_spans_as_people_write_them(text, hours):
    assert hours_of("within", text) == hours
