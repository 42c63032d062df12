"""Numbers as people read them: one table of cases, read here and by the front end's tests."""

import json
from pathlib import Path

import pytest

from jupyter_carbon import units
from jupyter_carbon.model import Interval

CASES = json.loads((Path(__file__).parent / "units_cases.json").read_text(encoding="utf-8"))


def told(case: dict) -> str:
    value, quality, resolution = case["value"], case.get("quality"), case.get("resolution", 0.0)
    if case["kind"] == "range":
        return units.range_text(value and Interval(**value), case["unit"])
    if case["kind"] == "duration":
        return units.duration_text(value)
    if case["kind"] == "energy":
        return units.energy_text(value, quality, resolution_kwh=resolution)
    if case["kind"] == "joules":
        return units.joules_text(value, quality, resolution_j=resolution)
    tell = {"mass": units.mass_text, "power": units.power_text, "volume": units.volume_text}[case["kind"]]
    return tell(value, quality)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_number_reads_as_the_table_says(case):
    assert told(case) == case["expected"]


def test_a_kilowatt_hour_is_three_point_six_megajoules():
    assert units.j_from_kwh(1.0) == 3_600_000.0
    assert units.kwh_from_j(1_800_000.0) == 0.5


@pytest.mark.parametrize("exponent", range(-7, 9))
@pytest.mark.parametrize("digits", ["1", "4.995", "9.994", "9.996", "99.95", "999.4", "999.6"])
def test_a_prefix_always_leaves_one_to_999(digits, exponent):
    number, _ = units.mass_text(float(f"{digits}e{exponent}"), "measured").split(" ")
    assert 1.0 <= float(number) < 1000.0 or exponent < -5
