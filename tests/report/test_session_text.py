"""A session in words and as a table."""

from __future__ import annotations

from dataclasses import replace

from records import FRANCE, RUN, a_record

from jupyter_carbon.footprint import NOTHING, settled
from jupyter_carbon.model import Interval
from jupyter_carbon.report.session_text import SHOWN, SessionText


def text_of(*records, between=None) -> SessionText:
    totals = NOTHING
    for record in records:
        totals = totals.with_cell(record)
    if between is not None:
        totals = totals.with_between(30.0, between)
    return SessionText(totals, records, FRANCE)


def test_nothing_metered_yet_is_said():
    assert repr(text_of()) == "No cell has been metered yet."
    assert "<table>" not in text_of()._repr_html_()


def test_the_sum_its_share_of_the_machine_the_place_and_the_cells():
    told = repr(text_of(a_record(), a_record(cpu_j=3600.0))).splitlines()
    # 36.3 + 3.9 kJ at the devices, x 1.1 x 1.2: 14.7 Wh, at 100 g/kWh
    assert told[0] == "This session: ≈ 15 Wh · ≈ 1.5 g CO₂e (1.2 – 1.8 g)"
    assert told[1] == "2 cells, 2 min busy · yours ≈ 11 Wh of the machine's ≈ 11 Wh at the devices"
    assert told[2] == "100 g/kWh · France · average, life cycle · 2025"
    assert told[4].split()[:2] == ["[7]", "fit"]


def test_the_costliest_cells_come_first_and_ten_at_most():
    records = [a_record(cpu_j=1000.0 * n, run=replace(RUN, execution_count=n, label=None)) for n in range(1, 15)]
    rows = text_of(*records).rows()
    assert [row[0] for row in rows] == [f"[{n}]" for n in range(14, 14 - SHOWN, -1)]


def test_what_lies_between_the_cells_is_on_a_line_of_its_own():
    told = text_of(a_record(), between=a_record(cpu_j=360.0).footprint).lines()
    assert told[2].startswith("between cells, in no cell: ≈ ")
    assert told[2].endswith("over 30.0 s")


def test_a_block_without_a_number_has_a_dash():
    assert text_of(a_record(run=replace(RUN, execution_count=None, label="<b>"))).rows()[0][:2] == ("[-]", "<b>")


def test_the_table_is_html_without_scripts_and_labels_are_escaped():
    page = text_of(a_record(run=replace(RUN, label="<script>alert(1)</script>")))._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<tr>") == 2


def test_a_cell_told_with_another_place_is_named():
    sweden = replace(FRANCE, region="SE", name="Sweden")
    told = text_of(a_record(), a_record(intensity=sweden)).lines()
    assert told[0].startswith("This session: ≈ 27 Wh · ≈ 2.7 g")
    assert told[3] == "some cells were told with another: 100 g/kWh · Sweden · average, life cycle · 2025"


def half_hour(grams, status, start, end, *, share=1.0):
    used = replace(
        FRANCE, gco2e_per_kwh=Interval.exact(grams), status=status, year=None,
        start=f"2026-11-21T{start}:00Z", end=f"2026-11-21T{end}:00Z",
    )  # fmt: skip
    return settled(a_record(cpu_j=36000.0 * share), used)


def test_many_half_hours_of_one_place_are_one_mean_weighed_by_energy_and_its_year_beside():
    told = text_of(
        half_hour(40.0, "actual", "10:00", "10:30"),
        half_hour(40.0, "actual", "10:30", "11:00"),
        half_hour(70.0, "forecast", "11:00", "11:30"),
    ).lines()
    # 3 x 13.3 Wh, at 40, 40 and 70 g/kWh; at 100 g/kWh of the year
    assert told[0].startswith("This session: ≈ 40 Wh · ≈ 2.0 g CO₂e")
    assert told[2] == "50 g/kWh · France · average, life cycle · forecast, 10:00 – 11:30 UTC"
    assert told[3] == "by the yearly figure ≈ 4.0 g CO₂e"


def test_a_session_over_midnight_has_its_dates():
    late = half_hour(40.0, "actual", "23:30", "23:59")
    late = replace(late, intensity=replace(late.intensity, end="2026-11-22T00:00:00Z"))
    assert text_of(late).lines()[2].endswith("actual, 2026-11-21 23:30 – 2026-11-22 00:00 UTC")


def test_a_forecast_beside_a_year_is_still_one_sum():
    told = text_of(a_record(), half_hour(40.0, "forecast", "10:00", "10:30")).lines()
    assert "≈ 1.9 g CO₂e" in told[0]
    assert told[2] == "40 g/kWh · France · average, life cycle · forecast, 10:00 – 10:30 UTC"
    assert told[3:5] == [
        "some cells were told with another: 100 g/kWh · France · average, life cycle · 2025",
        "by the yearly figure ≈ 2.7 g CO₂e",
    ]


def test_grams_of_different_kinds_are_not_added_up():
    direct = replace(FRANCE, basis="direct")
    told = text_of(a_record(), a_record(intensity=direct)).lines()
    assert told[0] == "This session: ≈ 27 Wh · CO₂e not summed: these cells have intensities of different kinds"
