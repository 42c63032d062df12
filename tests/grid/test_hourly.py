"""The bundled profile: month by local hour, on the days of 23 and 25 hours too."""

from datetime import datetime, timezone

import pytest

from jupyter_carbon import tables
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import TO_95, profile
from jupyter_carbon.grid.region import guess, resolve


def at(*moment):
    return datetime(*moment, tzinfo=timezone.utc).timestamp()


def cell(code, month, statistic, hour):
    rows = tables.lookup("grid_hourly", code)
    return next(float(r[f"h{hour}"]) for r in rows if (r["month"], r["statistic"]) == (str(month), statistic))


def test_a_summer_noon_in_california_is_the_table_s_local_hour():
    grams, days = profile(resolve("US-CA")).grams(at(2026, 7, 15, 19, 30))  # 12:30 in Los Angeles
    mean = cell("US-CAL-CISO", 7, "mean", 12)
    assert grams == mean
    assert days.low == pytest.approx((cell("US-CAL-CISO", 7, "p10", 12) / mean) ** TO_95)
    assert days.high == pytest.approx((cell("US-CAL-CISO", 7, "p90", 12) / mean) ** TO_95)


def test_it_says_what_it_is():
    noon = profile(resolve("US-CA")).at(at(2026, 7, 15, 19, 30))
    assert (noon.start, noon.end) == ("2026-07-15T19:00:00Z", "2026-07-15T20:00:00Z")
    assert (noon.status, noon.basis, noon.method, noon.year) == ("yearly", "lifecycle", "average", 2024)
    assert "hour of the day" in noon.source
    assert "ODbL" in noon.source


def test_an_hour_is_made_once():
    britain = profile(resolve("GB"))
    hours = [britain.at(at(2026, 7, 15, 19) + 0.1 * i) for i in range(36_000)]
    assert all(hour is hours[0] for hour in hours)


def test_its_range_holds_the_days_and_what_publishers_differ_by():
    californian = profile(resolve("US-CA"))
    moment_s = at(2026, 7, 15, 19)
    grams, days = californian.grams(moment_s)
    told = californian.at(moment_s).gco2e_per_kwh
    assert told.likely == grams
    assert told.high > grams * days.high
    assert told.high > grams * static.PUBLISHERS.high


def test_the_hour_that_comes_twice_each_autumn_is_the_same_hour_twice():
    britain = profile(resolve("GB"))
    first, second = britain.at(at(2026, 10, 25, 0, 30)), britain.at(at(2026, 10, 25, 1, 30))  # 01:30 BST, 01:30 GMT
    assert first.gco2e_per_kwh == second.gco2e_per_kwh
    assert (first.start, second.start) == ("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z")


def test_the_hour_that_is_missing_each_spring_is_skipped():
    britain = profile(resolve("GB"))
    before, after = britain.grams(at(2027, 3, 28, 0, 59))[0], britain.grams(at(2027, 3, 28, 1, 0))[0]
    assert before == cell("GB", 3, "mean", 0)
    assert after == cell("GB", 3, "mean", 2)  # 01:00 UTC is 02:00 BST: there was no 01:00


def test_a_part_of_a_country_does_not_take_the_country_s_hours():
    assert profile(resolve("NO-NO1")) is None
    assert profile(resolve("NO")) is not None
    assert profile(resolve("FR")) is None


def test_a_guessed_place_has_no_hours(machine):
    place = guess(machine({"etc/timezone": "Europe/London"}), {})
    assert place.code == "GB"
    assert profile(place) is None


def test_without_the_share_alike_tables_there_is_none(permissive):
    assert profile(resolve("GB"), data=permissive) is None
