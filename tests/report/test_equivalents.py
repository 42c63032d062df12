"""Comparisons that a person can check: one test a row, and every number between 0.1 and 1000."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon import tables
from jupyter_carbon.report.equivalents import LADDERS, equivalents

ROWS = {row["code"]: row for row in tables.rows("equivalents")}
SIZES = {unit: size for ladder in LADDERS.values() for unit, size in ladder}


def found(code, **amount):
    activity = ROWS[code]["activity"]
    return next(each for each in equivalents(**amount) if each.name == activity)


@pytest.mark.parametrize(
    ("code", "amount", "value", "unit"),
    [
        ("led", {"energy_kwh": 0.009}, 1.0, "hours"),
        ("led", {"energy_kwh": 1e-6}, 0.4, "seconds"),
        ("phone", {"energy_kwh": 0.12}, 10.0, ""),
        ("kettle", {"energy_kwh": 0.0105}, 0.1, "l"),
        ("laptop", {"energy_kwh": 30.0}, 41.6667, "days"),
        ("streaming", {"energy_kwh": 0.77}, 10.0, "hours"),
        ("car-eu", {"gco2e": 1000.0}, 5.714286, "km"),
        ("car-eu", {"gco2e": 0.0175}, 0.1, "m"),
        ("train", {"gco2e": 41.0}, 1.0, "km"),
        ("petrol", {"gco2e": 2.348}, 1.0, "ml"),
    ],
)
def test_a_comparison_by_hand(code, amount, value, unit):
    told = found(code, **amount)
    if told.unit != unit:  # the same amount in the unit that was asked for
        value *= SIZES[unit] / SIZES[told.unit]
    assert told.value == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("code", ROWS)
def test_each_row_has_a_unit_that_can_be_made_smaller_and_larger(code):
    row = ROWS[code]
    column = "kwh_per_unit" if row["kwh_per_unit"] else "kgco2e_per_unit"
    amount = 5.0 * float(row[column])
    told = found(code, **({"energy_kwh": amount} if column == "kwh_per_unit" else {"gco2e": 1000 * amount}))
    assert told.value == pytest.approx(5.0)
    assert (told.source, told.year) == (row["publisher"], int(row["year"]))


@settings(deadline=None)  # a busy machine is no failure
@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_every_comparison_reads_between_a_tenth_and_a_thousand(gco2e, energy_kwh):
    assert all(0.1 <= each.value <= 1000 for each in equivalents(gco2e=gco2e, energy_kwh=energy_kwh))


@pytest.mark.parametrize("energy_kwh", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_from_a_cell_to_a_cluster_there_is_something_to_compare(energy_kwh):
    assert len(equivalents(energy_kwh=energy_kwh)) >= 2


def test_grams_are_compared_with_fuel_and_energy_with_current():
    fuel = {each.name for each in equivalents(gco2e=1000.0)}
    current = {each.name for each in equivalents(energy_kwh=1.0)}
    assert not fuel & current
    assert ROWS["car-eu"]["activity"] in fuel
    assert ROWS["led"]["activity"] in current


def test_of_nothing_there_is_nothing_to_compare():
    assert equivalents(gco2e=0.0, energy_kwh=0.0) == []


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="gco2e=-1 is not possible; it must be 0 or more"):
        equivalents(gco2e=-1)
    with pytest.raises(ValueError, match="give one of them"):
        equivalents()
