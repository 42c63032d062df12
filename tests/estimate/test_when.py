"""Which hours of the grid a run sees, against the table itself."""

import csv
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from jupyter_carbon import tables
from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.estimate.planner import COLUMNS, plan
from jupyter_carbon.estimate.when import ANY, averaging, hours_from
from jupyter_carbon.grid import static
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.region import resolve

DATA = tables.folder() / "sharealike/grid_hourly.csv"
ROWS = {
    (row["code"], int(row["month"]), row["statistic"]): [float(row[f"h{hour}"]) for hour in range(24)]
    for row in csv.DictReader(DATA.open(encoding="utf-8"))
}
CALIFORNIA = "US-CAL-CISO"
YEAR = float(np.mean([ROWS[CALIFORNIA, month, "mean"] for month in range(1, 13)]))
NOON = datetime(2026, 6, 15, 12, tzinfo=ZoneInfo("America/Los_Angeles"))


def likely(start, hours):
    return hours_from(start, resolve("US-CA")).over(hours).likely


def test_an_hour_is_that_hour_of_the_month_over_the_year():
    assert likely(NOON, 1) == pytest.approx(ROWS[CALIFORNIA, 6, "mean"][12] / YEAR)


def test_an_hour_and_a_half_is_one_hour_and_half_of_the_next():
    june = ROWS[CALIFORNIA, 6, "mean"]
    assert likely(NOON, 1.5) == pytest.approx((june[12] + june[13] / 2) / 1.5 / YEAR)


def test_a_day_is_the_day_s_mean_whenever_it_begins():
    assert likely(NOON, 24) == pytest.approx(np.mean(ROWS[CALIFORNIA, 6, "mean"]) / YEAR)


def test_the_clock_is_that_of_the_place():
    same = NOON.astimezone(timezone.utc)
    assert likely(same, 3) == likely(NOON, 3)


def test_beyond_its_month_a_run_sees_the_year():
    assert likely(NOON, 8760) == pytest.approx(1.0, abs=0.05)


def test_no_start_is_any_hour_of_the_year_and_weeks_average_out():
    day, year = ANY.over(24), ANY.over(8760)
    assert (day.low, day.likely, day.high) == pytest.approx((static.HOURS.low, 1.0, static.HOURS.high))
    assert year.high < 1.1
    assert averaging(24) == averaging(168) == 1.0
    assert averaging(4 * 168) == 0.25  # of the square: half of the spread


def test_a_grid_without_hours_says_so():
    found = hours_from(NOON, resolve("FR"))
    assert found.summed is None
    assert found.source == "no hourly profile of FR is in the tables: any hours of the year"


def test_a_run_and_a_cell_read_one_profile():
    known = profile(resolve("US-CA"))
    grams, days = known.grams(NOON.timestamp())
    hour = hours_from(NOON, resolve("US-CA")).over(1)
    assert hour.likely * known.year_gco2e_per_kwh == pytest.approx(grams)
    assert (hour.low / hour.likely, hour.high / hour.likely) == pytest.approx((days.low, days.high))


def test_a_part_of_a_country_does_not_take_the_country_s_hours():
    assert hours_from(NOON, resolve("NO")).summed is not None
    assert hours_from(NOON, resolve("NO-NO4")).summed is None


def test_noon_in_california_is_cheaper_than_the_evening():
    noon, evening = (
        estimate("H100", hours=2, region="US-CA", utilisation=1, start=start)
        for start in ("2026-06-15T12:00-07:00", "2026-06-15T20:00-07:00")
    )
    assert noon.operational_kgco2e.likely < 0.5 * evening.operational_kgco2e.likely
    assert noon.energy_kwh == evening.energy_kwh
    assert {a.name: a.given for a in noon.assumptions}["start"]


def test_a_plan_over_starts_says_what_single_estimates_say():
    starts = ["2026-06-15T12:00-07:00", "2026-12-15T20:00-08:00", None]
    planned = plan({"gpu": ["H100"], "region": ["US-CA", "FR"], "start": starts, "hours": [2.5, 400.0, 3000.0]})
    for row in planned.to_dict("records"):
        start = row["start"] if isinstance(row["start"], str) else None
        run = estimate("H100", region=row["region"], start=start, hours=row["hours"]).operational_kgco2e
        ends = [row[column] for column in COLUMNS if column.startswith("operational")]
        assert ends == pytest.approx([run.low, run.likely, run.high])
