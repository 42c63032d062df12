"""Comparisons of every day: the table's factors, in words that read well."""

import pytest

from jupyter_carbon import tables
from jupyter_carbon.report.equivalents import LEAST, MOST, equivalents


def told(**amounts):
    return {e.name: (e.value, e.unit) for e in equivalents(**amounts)}


def test_metres_in_a_car():
    value, unit = told(gco2e=4.7)["in an average European car"]
    assert (value, unit) == (pytest.approx(4.7 / 0.175), "m")  # 175 g a km


def test_minutes_of_a_bulb():
    value, unit = told(energy_kwh=0.012)["a 9 W LED bulb lit"]
    assert (value, unit) == (pytest.approx(80.0), "min")  # 12 Wh at 9 W


def test_phone_charges_have_no_unit_of_their_own():
    assert told(energy_kwh=0.036)["smartphone charges"] == (pytest.approx(3.0), "")


def test_carbon_is_like_what_emits_and_energy_like_what_uses_electricity():
    assert not set(told(gco2e=5.0)) & set(told(energy_kwh=0.012))


def test_a_milligram_is_not_told_as_a_flight():
    assert "laptops made" not in told(gco2e=0.001)


@pytest.mark.parametrize("grams", [10.0**n for n in range(-4, 10)])
def test_every_number_reads_between_a_tenth_and_a_thousand(grams):
    found = equivalents(gco2e=grams, energy_kwh=grams / 385)
    assert all(LEAST <= e.value <= MOST for e in found)


def test_nothing_is_like_nothing():
    assert equivalents(gco2e=0.0, energy_kwh=0.0) == []
    assert equivalents() == []


def test_every_row_of_the_table_is_told_at_some_amount_with_its_publisher_and_year():
    amounts = [10.0**n for n in range(-6, 9)]
    found = {e.name: e for amount in amounts for e in equivalents(gco2e=amount, energy_kwh=amount)}
    for row in tables.rows("equivalents"):
        assert found[row["activity"]].source == row["publisher"]
        assert found[row["activity"]].year == int(row["year"])
