"""From direct numbers and from mixes to the life cycle, with the doubt of the step."""

import math
from dataclasses import replace

import pytest

from jupyter_carbon.grid import static
from jupyter_carbon.grid.lifecycle import converted, of_mix
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.model import CarbonIntensity, Interval

GB = resolve("GB")
YEARLY = static.intensity(GB)


def direct(grams, status="actual", spread=1.0):
    return CarbonIntensity(
        gco2e_per_kwh=Interval(grams / spread, grams, grams * spread),
        region="GB",
        name="United Kingdom",
        basis="direct",
        method="average",
        status=status,
        source="NESO",
        year=None,
        start="2026-11-21T10:00:00Z",
        end="2026-11-21T10:30:00Z",
    )


AR5 = {
    "coal": (740, 820, 910),
    "gas": (410, 490, 650),
    "biomass": (130, 230, 420),
    "geothermal": (6, 38, 79),
    "hydro": (1, 24, 147),  # the highest is UNECE's: single reservoirs reach 2,200 in AR5
    "nuclear": (3.7, 12, 110),
    "solar": (18, 48, 180),
    "wind": (7, 11, 56),
}
"""Table A.III.2: lowest, median and highest, gCO2e/kWh."""


@pytest.mark.parametrize(("fuel", "grams"), AR5.items())
def test_a_fuel_alone_is_its_row_of_the_table(fuel, grams):
    mix = of_mix({fuel: 1.0})
    assert (mix.low, mix.likely, mix.high) == pytest.approx(grams)


def test_oil_has_another_source_and_a_range_as_wide_up_as_down():
    mix = of_mix({"oil": 1.0})
    assert (mix.low, mix.likely) == (650, 840)  # UK POST 2011, IPCC SRREN 2011
    assert mix.high / mix.likely == pytest.approx(mix.likely / mix.low, rel=1e-3)


def test_half_wind_and_half_gas():
    mix = of_mix({"wind": 50.0, "gas": 50.0})
    assert mix.likely == (11 + 490) / 2
    assert mix.high == pytest.approx(mix.likely + 0.5 * math.hypot(650 - 490, 56 - 11))


def test_what_is_below_zero_or_zero_made_nothing():
    assert of_mix({"nuclear": 10.0, "solar": 0.0, "gas": -3.0}).likely == 12


def test_imports_of_unknown_origin_stretch_the_range_from_the_cleanest_to_the_dirtiest():
    known, partly = of_mix({"gas": 80.0}), of_mix({"gas": 80.0, "imports": 20.0})
    assert partly.likely == known.likely == 490
    assert partly.low == pytest.approx(490 - math.hypot(0.8 * (490 - 410), 0.2 * (490 - 1)))
    assert partly.high == pytest.approx(490 + math.hypot(0.8 * (650 - 490), 0.2 * (1085 - 490)))


def test_a_mix_that_is_mostly_unknown_tells_nothing():
    assert of_mix({"gas": 40.0, "other": 60.0}) is None
    assert of_mix({"gas": 0.0}) is None


def test_a_direct_number_gets_what_the_year_s_life_cycle_adds():
    (slot,) = converted([direct(150.0)], GB, YEARLY)
    assert slot.gco2e_per_kwh.likely == pytest.approx(150 + (163.1 - 106.1))
    assert (slot.basis, slot.status) == ("lifecycle", "estimated")
    assert "direct 150" in slot.source  # the published number stands beside it


@pytest.mark.parametrize("grams", [20.0, 150.0])
def test_the_range_holds_the_other_rule_too(grams):
    (slot,) = converted([direct(grams)], GB, YEARLY)
    ratio = grams * 163.1 / 106.1
    assert slot.gco2e_per_kwh.low <= ratio + 1e-9
    assert ratio - 1e-9 <= slot.gco2e_per_kwh.high


def test_a_forecast_stays_one_and_a_life_cycle_number_as_it_is():
    already = replace(direct(200.0), basis="lifecycle")
    slots = converted([direct(100.0, "forecast"), already], GB, YEARLY)
    assert [slot.status for slot in slots] == ["forecast", "actual"]
    assert slots[1] is already


def test_a_place_without_a_pair_takes_the_usual_share_with_its_whole_range():
    germany = resolve("DE")
    yearly = static.intensity(germany)
    (slot,) = converted([direct(300.0)], germany, yearly)
    year = yearly.gco2e_per_kwh.likely
    assert slot.gco2e_per_kwh.likely == pytest.approx(300 + 0.25 * year)
    assert slot.gco2e_per_kwh.high == pytest.approx(max(300 + 0.8 * year, 300 / 0.2))


def test_it_works_without_the_share_alike_tables(permissive):
    (slot,) = converted([direct(150.0)], GB, YEARLY, data=permissive)
    assert slot.gco2e_per_kwh.likely == pytest.approx(150 + 0.25 * YEARLY.gco2e_per_kwh.likely)


def test_where_the_year_itself_is_direct_nothing_is_converted():
    year = replace(YEARLY, basis="direct")
    assert converted([direct(150.0)], GB, year)[0].basis == "direct"
