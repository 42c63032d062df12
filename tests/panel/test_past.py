"""The ledger as a panel shows it: where bars begin, and what stands in them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from jupyter_carbon.ledger.rollup import RollUp, Used
from jupyter_carbon.model import Interval
from jupyter_carbon.notebook.past import MONTHS, edges, history_answer, month_start, seconds

NOON = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc).timestamp()
KIND = ("lifecycle", "average")
OTHER = ("direct", "average")


def begins(period: str, offset_s: int = 0) -> list[str]:
    return [start.strftime("%m-%d %H:%M") for start in edges(period, NOON, offset_s)[1]]


def test_today_has_a_bar_for_each_hour_so_far():
    assert begins("today") == [f"03-01 {hour:02d}:00" for hour in range(13)]


def test_seven_days_end_with_today():
    assert begins("7d") == [f"{day} 00:00" for day in ("02-23", "02-24", "02-25", "02-26", "02-27", "02-28", "03-01")]


def test_thirty_days_are_thirty_bars():
    assert len(begins("30d")) == 30
    assert begins("30d")[0] == "01-31 00:00"


def test_a_day_begins_where_the_reader_is():
    unit, starts = edges("7d", NOON, 14 * 3600)  # Kiritimati: already tomorrow
    assert unit == "day"
    assert starts[-1].isoformat() == "2026-03-02T00:00:00+14:00"


def test_all_is_months_and_its_first_bar_holds_what_was_before():
    unit, starts = edges("all", NOON, 0)
    assert unit == "month"
    assert len(starts) == MONTHS
    assert starts[-1].isoformat() == "2026-03-01T00:00:00+00:00"
    assert seconds(starts, "all")[0] == 0.0
    assert seconds(starts, "7d")[0] > 0.0


def test_the_month_begins_on_its_first():
    assert month_start(NOON, 0) == datetime(2026, 3, 1, tzinfo=timezone.utc).timestamp()


def roll(**notebooks: float) -> RollUp:
    """One run of each notebook, with so many grams; a kWh is 100 g; all in slot 2."""
    used = {name: Used(1, grams / 100, grams) for name, grams in notebooks.items()}
    total = sum(notebooks.values())
    return RollUp(
        Interval.exact(total / 100),
        Interval(total / 2, total, total * 2),
        by_notebook=dict(used),
        by_slot={2: Used(len(notebooks), total / 100, total)},
        here_by_slot={2: used["a"]} if "a" in used else {},
    )


def answer(found, month=None, **more):
    facts = {"period": "7d", "now_s": NOON, "utc_offset_s": 0, "here": "a"} | more
    return history_answer(found, {} if month is None else month, **facts)


def test_the_largest_notebook_comes_first_and_ours_is_marked():
    told = answer({KIND: roll(a=1.0, b=3.0)})
    assert [(row["notebook"], row["here"], row["operational_gco2e"]) for row in told["rows"]] == [
        ("b", False, 3.0),
        ("a", True, 1.0),
    ]
    assert (told["runs"], told["notebooks"]) == (2, 2)
    assert told["operational_gco2e"] == {"low": 2.0, "likely": 4.0, "high": 8.0}


def test_bars_hold_all_and_the_part_of_this_notebook():
    bars = answer({KIND: roll(a=1.0, b=3.0)})["bars"]
    assert len(bars) == 7
    assert (bars[2]["start"], bars[2]["operational_gco2e"], bars[2]["here_gco2e"]) == ("2026-02-25", 4.0, 1.0)
    assert bars[0]["operational_gco2e"] == 0.0


def test_empty_months_at_the_beginning_are_left_out():
    bars = answer({KIND: roll(a=1.0)}, period="all")["bars"]
    assert bars[0]["operational_gco2e"] == 1.0
    assert len(bars) == MONTHS - 2


def test_runs_by_another_kind_of_intensity_stand_beside():
    told = answer({KIND: roll(a=5.0), OTHER: roll(a=2.0, b=1.0)})
    assert told["runs"] == 1
    assert told["others"] == [
        {
            "basis": "direct",
            "method": "average",
            "runs": 2,
            "facility_energy_kwh": 0.03,
            "operational_gco2e": 3.0,
        }
    ]


def test_the_month_is_of_the_same_kind():
    assert answer({KIND: roll(a=5.0)}, {KIND: roll(a=7.0), OTHER: roll(a=99.0)})["month_gco2e"] == 7.0


def test_an_empty_ledger_has_bars_of_nothing():
    told = answer({})
    assert (told["runs"], told["rows"], told["others"], told["month_gco2e"]) == (0, [], [], 0.0)
    assert len(told["bars"]) == 7


def test_a_thousand_notebooks_are_twenty_rows():
    many = roll(**{f"n{i}": float(i) for i in range(1, 1001)})
    told = answer({KIND: many})
    assert len(told["rows"]) == 20
    assert told["notebooks"] == 1000
    assert told["rows"][0]["notebook"] == "n1000"


@pytest.mark.parametrize("period", ["today", "7d", "30d", "all"])
def test_edges_rise(period):
    starts = seconds(edges(period, NOON, 0)[1], period)
    assert starts == sorted(starts)
    assert starts[-1] <= NOON
