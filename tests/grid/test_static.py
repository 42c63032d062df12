"""Yearly figures: which row speaks, how wide its range is, what it says of itself."""

from dataclasses import replace
from math import exp, hypot, log

import pytest

from jupyter_carbon import tables
from jupyter_carbon.grid.region import resolve
from jupyter_carbon.grid.static import embodied_gco2e_per_h, gpus_gco2e_per_h, intensity, pue, water_l_per_kwh
from jupyter_carbon.model import ONE, IntensityUnavailable, Interval

FRANCE = 41.44  # Ember 2025


def test_a_country_takes_the_permissive_life_cycle_figure():
    found = intensity(resolve("FR"))
    assert found.gco2e_per_kwh.likely == FRANCE
    assert (found.region, found.name, found.basis, found.method) == ("FR", "France", "lifecycle", "average")
    assert (found.status, found.year, found.start, found.end) == ("yearly", 2025, None, None)
    assert found.source == "Ember 2025, generation, CC-BY-4.0"


def test_the_range_is_publishers_times_hours():
    found = intensity(resolve("FR")).gco2e_per_kwh
    assert found.low == pytest.approx(FRANCE * exp(-hypot(log(1.47), log(1 / 0.58))))
    assert found.high == pytest.approx(FRANCE * exp(hypot(log(1.47), log(1.38))))


def test_a_job_of_months_meets_every_hour():
    assert intensity(resolve("FR"), hours=ONE).gco2e_per_kwh.high == pytest.approx(FRANCE * 1.47)


def test_a_guess_from_the_time_zone_is_wider_and_says_so():
    given = intensity(resolve("FR"))
    guessed = intensity(resolve("FR", how="time zone"))
    assert guessed.gco2e_per_kwh.low < given.gco2e_per_kwh.low
    assert guessed.gco2e_per_kwh.high > given.gco2e_per_kwh.high
    assert guessed.gco2e_per_kwh.likely == given.gco2e_per_kwh.likely
    assert "guessed from the time zone" in guessed.source


def test_another_publisher_s_figure_lies_inside():
    slovakia = intensity(resolve("SK")).gco2e_per_kwh  # Ember 95, Electricity Maps 232
    assert (slovakia.likely, slovakia.high) == (94.85, 232.0)


def test_the_world_is_as_wide_as_its_countries():
    world = intensity(resolve("WORLD")).gco2e_per_kwh
    listed = [row for row in tables.rows("grid_countries") if row["publisher"] == "Ember" and not row["flags"]]
    values = [float(row["gco2e_per_kwh"]) for row in listed if row["code"] != "WORLD"]
    inside = sum(world.low <= value <= world.high for value in values) / len(values)
    assert world.likely == 458.29
    assert inside == pytest.approx(0.9, abs=0.01)


def test_nine_in_ten_second_opinions_lie_within_the_spread_between_publishers():
    others = {
        row["code"]: float(row["gco2e_per_kwh"])
        for row in tables.rows("grid_countries")
        if row["publisher"] == "Electricity Maps"
    }
    gaps = [
        abs(others[row["code"]] / float(row["gco2e_per_kwh"]) - 1)
        for row in tables.rows("grid_countries")
        if row["publisher"] == "Ember" and row["code"] in others and not row["flags"]
    ]
    assert len(gaps) > 190
    assert sum(gap <= 0.47 for gap in gaps) / len(gaps) == pytest.approx(0.9, abs=0.015)


def test_a_state_takes_the_life_cycle_figure_of_its_balancing_area():
    found = intensity(resolve("US-CA"))
    assert (found.gco2e_per_kwh.likely, found.basis, found.region) == (208.0, "lifecycle", "US-CA")
    assert found.source == "Electricity Maps 2025, CAISO, consumption, ODbL-1.0"


def test_without_the_share_alike_folder_a_state_has_a_direct_figure_and_says_so(permissive):
    found = intensity(resolve("US-CA", data=permissive), data=permissive)
    assert (found.gco2e_per_kwh.likely, found.basis, found.year) == (175.62, "direct", 2021)
    assert "US EPA eGRID" in found.source


def test_without_the_share_alike_folder_a_zone_is_its_country(permissive):
    found = intensity(resolve("DK-DK1", data=permissive), data=permissive)
    assert (found.basis, found.source) == ("lifecycle", "Ember 2025, Denmark, generation, CC-BY-4.0")


@pytest.mark.parametrize("folder", ["with", "without"])
def test_a_cloud_region_is_never_direct(folder, permissive):
    data = permissive if folder == "without" else None
    for row in tables.rows("cloud_regions", data=data):
        assert intensity(resolve(row["code"], data=data), data=data).basis == "lifecycle", row["code"]


def test_every_place_has_an_intensity(permissive):
    for data in (None, permissive):
        for row in tables.rows("places", data=data):
            found = intensity(resolve(row["code"], data=data), data=data).gco2e_per_kwh
            assert 0 < found.low < found.likely < found.high < 2500, row["code"]


def test_an_implausible_figure_steps_back_for_another_publisher_s():
    turkmenistan = intensity(resolve("TM"))
    assert turkmenistan.gco2e_per_kwh.likely == 490.0  # not 1,306, which no fuel explains
    assert turkmenistan.gco2e_per_kwh.high == 1306.27  # but inside the range


def test_no_tables_no_number(tmp_path):
    (tmp_path / "grid_countries.csv").write_text("code,gco2e_per_kwh\n", encoding="utf-8")
    with pytest.raises(IntensityUnavailable, match="not even the world's"):
        intensity(replace(resolve("WORLD")), data=tmp_path)


# --- buildings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chassis", ["laptop", "desktop"])
def test_an_own_computer_has_no_data_centre(chassis):
    assert pue(resolve("FR"), chassis)[0] == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize("chassis", ["server", "vm"])
def test_a_server_somewhere_is_in_an_average_data_centre(chassis):
    value, source = pue(resolve("FR"), chassis)
    assert value == Interval(1.1, 1.56, 1.8)
    assert source.startswith("Uptime Institute 2024")


def test_a_machine_of_unknown_kind_may_stand_on_a_desk():
    assert pue(resolve("FR"), "unknown")[0] == Interval(1.0, 1.56, 1.8)


def test_a_cloud_region_takes_its_owner_s_figure_for_it():
    value, source = pue(resolve("aws:us-east-1"), "vm")
    assert value.likely == 1.15
    assert (value.low, value.high) == (pytest.approx(1.105), pytest.approx(1.195))
    assert source == "Amazon 2024, aws:us-east-1"


def test_a_cloud_region_without_one_takes_the_fleet_s_mean_and_spread():
    value, source = pue(resolve("aws:eu-west-3"), "vm")
    assert (value.likely, source) == (1.15, "Amazon 2024, mean of its data centres")
    assert value.low < 1.1 < 1.4 < value.high


def test_a_design_figure_may_end_anywhere_in_the_fleet():
    value, source = pue(resolve("azure:spaincentral"), "vm")
    fleet, _ = pue(resolve("azure:francecentral"), "vm")
    assert value.likely == 1.12
    assert value.high == fleet.high
    assert "design figure" in source


# --- water and manufacture ---------------------------------------------------------------------------------


def test_water_is_the_country_s():
    value, source = water_l_per_kwh(resolve("aws:eu-west-3"))
    assert value == Interval(1.837, 3.674, 7.347)
    assert source == "World Resources Institute 2020, off-site water of electricity, France"


def test_water_that_nobody_published_is_unknown():
    assert water_l_per_kwh(resolve("TM")) is None


def test_a_laptop_s_manufacture_by_the_hour():
    value, source = embodied_gco2e_per_h("laptop")
    assert value.likely == pytest.approx(181_000 / (4 * 8760) / 0.4)
    assert value.low < value.likely / 2 < value.likely * 2 < value.high
    assert source == "ADEME 2021, 181 kg for a laptop, over 4 years, 40% of them at work (assumed)"


def test_a_given_life_and_use_leave_only_the_doubt_of_the_kilograms(permissive):
    value, _ = embodied_gco2e_per_h(
        "desktop", life_years=Interval.exact(5.0), utilisation=Interval.exact(0.5), data=permissive
    )
    grams_per_h = 277_000 / (5 * 8760) / 0.5
    assert value.likely == pytest.approx(grams_per_h)
    assert (value.low, value.high) == (pytest.approx(grams_per_h / 1.5), pytest.approx(grams_per_h * 1.5))


def test_gpus_carry_their_own():
    one = ONE.scaled(1.0)
    eight = gpus_gco2e_per_h([("NVIDIA H100 80GB HBM3", 1.0)] * 8, life_years=one.scaled(4), utilisation=one)
    kg = [grams_per_h * 4 * 8760 / 1000 for grams_per_h in (eight.low, eight.likely, eight.high)]
    assert kg == [pytest.approx(8 * 164), pytest.approx(8 * 307), pytest.approx(8 * 575.2)]


def test_a_mig_instance_carries_its_part_of_the_board():
    whole, part = (gpus_gco2e_per_h([("NVIDIA H100 80GB HBM3", share)]) for share in (1.0, 3 / 7))
    assert part.likely == pytest.approx(whole.likely * 3 / 7)


def test_a_gpu_of_no_table_counts_as_a_generic_card():
    one = ONE.scaled(1.0)
    card = gpus_gco2e_per_h([("Voodoo 2", 1.0)], life_years=one, utilisation=one)
    assert card.likely * 8760 / 1000 == pytest.approx(150)


def test_a_guest_carries_the_server_under_it():
    assert embodied_gco2e_per_h("vm")[0] == embodied_gco2e_per_h("server")[0]


def test_a_machine_of_unknown_kind_has_no_figure():
    assert embodied_gco2e_per_h("unknown") is None


def test_the_yearly_figures_do_not_need_the_share_alike_folder(permissive):
    region = resolve("aws:us-east-1", data=permissive)
    assert intensity(region, data=permissive).gco2e_per_kwh.likely == 384.4  # the United States by Ember
    assert pue(region, "vm", data=permissive)[0].likely == 1.15
    assert water_l_per_kwh(region, data=permissive) is not None
    assert embodied_gco2e_per_h("laptop", data=permissive)[0].likely == pytest.approx(12.91, abs=0.01)
