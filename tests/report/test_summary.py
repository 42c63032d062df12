"""A record in words: how much, how sure, how it is known, whose it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import CPU, FRANCE, a_record

from jupyter_carbon.model import Domain, Interval
from jupyter_carbon.report.known import knowledge, place, quality_of
from jupyter_carbon.report.summary import FLAGS, beside, details, flag_text, line, of_machine

CARD = Domain("gpu", "gpu0", "nvml-energy", "measured", 0.001, 0.1)
ASSUMED = Domain("cpu", "package-0", "cpu-model", "assumed", 0.0)


def test_a_line_tells_energy_grams_their_range_and_how_each_part_is_known():
    assert line(a_record()) == "≈ 13 Wh · ≈ 1.3 g CO₂e (1.1 – 1.7 g) · CPU measured, memory modelled"


def test_a_sum_is_no_better_known_than_its_worst_part():
    shares = a_record(domains=(CPU, replace(ASSUMED, device="package-1"))).shares
    assert quality_of(shares) == "assumed"
    assert quality_of(shares[:1]) == "measured"
    assert quality_of(()) == "assumed"


def test_what_is_known_is_said_by_part():
    assert knowledge([CPU, CARD]) == "CPU and GPU measured"
    assert knowledge([CARD, ASSUMED]) == "GPU measured, CPU assumed"
    assert knowledge([]) == ""


def test_the_place_names_method_basis_and_period():
    assert place(FRANCE) == "100 g/kWh · France · average, life cycle · 2025"
    direct = replace(FRANCE, basis="direct", status="actual", year=None)
    assert place(direct) == "100 g/kWh · France · average, direct · actual"


def test_mine_stands_beside_the_machines():
    footprint = a_record(idle_share=0.5, idle_w={"package-0": 600.0, "ram-0": 0.0}).footprint
    # all 36 kJ of the package are idle, half of them ours, and 300 J of memory: 18.3 of 36.3 kJ
    assert of_machine(footprint, "modelled") == "yours ≈ 5.1 Wh of the machine's ≈ 10 Wh at the devices"


def test_making_and_water_stand_on_lines_of_their_own():
    # an hour of making is 2 g, a minute 33 mg; 3 l a kWh
    assert beside(a_record().footprint) == "embodied ≈ 33 mg · water ≈ 40 ml"
    unknown = a_record(embodied_gco2e_per_h=None, water_l_per_kwh=None).footprint
    assert beside(unknown) == "embodied – · water –"


def test_details_hold_every_doubt():
    told = details(a_record(flags=("frozen:package-0", "concurrent")))
    assert told[0].startswith("1 min · yours")
    assert told[1] == "100 g/kWh · France · average, life cycle · 2025 · PUE 1.2"
    assert told[-2:] == [flag_text("frozen:package-0"), flag_text("concurrent")]


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_a_sentence_with_its_device(flag):
    words = flag_text(f"{flag}:gpu3")
    assert words == f"gpu3: {FLAGS[flag]}"
    assert len(FLAGS[flag].split()) >= 3


def test_a_flag_of_another_version_is_shown_as_it_is():
    assert flag_text("solar-flare:gpu0") == "gpu0: solar flare"


def test_a_range_that_reaches_to_nothing_is_written_so():
    record = a_record(intensity=replace(FRANCE, gco2e_per_kwh=Interval(0.0, 100.0, 200.0)))
    assert "(0 – " in line(record)
