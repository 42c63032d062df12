from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from ledger_parts import BRITAIN, GPU, a_context, a_run, a_window

from jupyter_carbon import footprint
from jupyter_carbon.ledger.history import COLUMNS, export, frame, row, sums
from jupyter_carbon.model import CellRecord, Interval

DAY_S = 86_400.0


def a_record(*, flags: tuple[str, ...] = (), **of_run: object) -> CellRecord:
    """22 J ours of 44, in 2 s: 22 / 3.6e6 kWh at 50 g (30 to 80)."""
    return footprint.record(a_run(**of_run), replace(a_window(), flags=flags), "ok", a_context())


def in_britain(record: CellRecord) -> CellRecord:
    return replace(record, intensity=BRITAIN)


# --- one row --------------------------------------------------------------------------------------------------


def test_a_row_has_the_columns_and_no_other():
    assert list(row(a_record())) == list(COLUMNS)


def test_an_interval_is_three_columns_with_the_likely_value_under_the_plain_name():
    flat = row(replace(a_record(), pue=Interval(1.1, 1.2, 1.4)))
    assert (flat["pue_low"], flat["pue"], flat["pue_high"]) == (1.1, 1.2, 1.4)
    assert (flat["gco2e_per_kwh_low"], flat["gco2e_per_kwh"], flat["gco2e_per_kwh_high"]) == (30, 50, 80)


def test_components_have_a_column_each_and_none_is_not_zero():
    flat = row(a_record())
    assert flat["cpu_energy_j"] == pytest.approx(20.0)
    assert flat["ram_energy_j"] == pytest.approx(2.0)
    assert flat["gpu_energy_j"] is None
    assert flat["embodied_gco2e"] is None


def test_two_devices_of_a_component_add_up():
    record = a_record()
    share = replace(record.shares[0], domain=GPU, energy_j=Interval(1, 2, 3))
    other = replace(share, domain=replace(GPU, device="gpu1"))
    assert row(replace(record, shares=(share, other)))["gpu_energy_j"] == 4


def test_the_least_certain_component_names_the_quality():
    record = a_record()
    assert row(record)["quality"] == "modelled"
    assert row(replace(record, shares=record.shares[:1]))["quality"] == "measured"
    assert row(replace(record, shares=()))["quality"] is None


# --- tables ---------------------------------------------------------------------------------------------------


def test_a_frame_has_a_row_for_each_run_and_times_in_utc():
    table = frame([a_record(started_at=1_750_000_000.25), a_record(started_at=1_750_000_001.0)])
    assert len(table) == 2
    assert table["started_at"][0] == pd.Timestamp("2025-06-15T15:06:40.250Z")
    assert str(table["started_at"].dt.tz) == "UTC"
    assert table["energy_j"].sum() == pytest.approx(44.0)
    assert table["execution_count"].tolist() == [7, 7]


def test_what_is_unknown_is_missing_in_a_frame():
    table = frame([a_record()])
    assert table["embodied_gco2e"].isna().all()
    assert table["gpu_energy_j"].isna().all()


def test_a_run_outside_a_notebook_keeps_the_others_counts_whole():
    """A missing execution count must not turn In[7] into 7.0."""
    record = a_record()
    outside = replace(record, run=replace(record.run, execution_count=None))
    table = frame([record, outside])
    assert table["execution_count"][0] == 7
    assert str(table["execution_count"].dtype) == "Int64"


def test_an_empty_frame_has_the_same_columns_and_kinds():
    empty, full = frame([]), frame([a_record()])
    assert list(empty.columns) == list(COLUMNS)
    assert empty["energy_j"].dtype == full["energy_j"].dtype
    assert isinstance(empty["started_at"].dtype, pd.DatetimeTZDtype)


def test_jsonl_is_one_public_record_a_line():
    made = [a_record(label="a\nb"), a_record()]
    out = io.StringIO()
    export(made, "jsonl", out)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert told == [record.to_dict() for record in made]
    assert [CellRecord.from_dict(line) for line in told] == made


def test_csv_holds_the_same_columns_and_leaves_unknown_cells_empty():
    out = io.StringIO()
    export([a_record(label='a "quoted", label', flags=("one", "two:gpu0"), started_at=0.5)], "csv", out)
    (told,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert list(told) == list(COLUMNS)
    assert told["label"] == 'a "quoted", label'
    assert told["flags"] == "one;two:gpu0"
    assert told["started_at"] == "1970-01-01T00:00:00.500000Z"
    assert float(told["energy_j"]) == pytest.approx(22.0)
    assert told["embodied_gco2e"] == told["gpu_energy_j"] == ""


# --- sums -----------------------------------------------------------------------------------------------------


def test_a_notebook_costs_the_sum_of_its_cells():
    (total,) = sums([a_record(), a_record(), a_record()], "notebook")
    assert (total.key, total.cells, total.duration_s) == ("home/analysis.ipynb", 3, 6.0)
    assert total.footprint.energy_j.likely == pytest.approx(66.0)
    assert total.footprint.operational_gco2e.likely == pytest.approx(3 * 22 / 3.6e6 * 50)


def test_runs_of_the_same_models_err_together():
    one = a_record()
    (total,) = sums([one, one], "notebook")
    assert total.footprint.energy_j == one.footprint.energy_j.scaled(2)


def test_a_day_is_a_day_in_utc():
    found = sums([a_record(started_at=moment) for moment in (0.0, DAY_S - 0.001, DAY_S)], "day")
    assert [(total.key, total.cells) for total in found] == [("1970-01-01", 2), ("1970-01-02", 1)]


def test_grams_of_different_kinds_of_intensity_never_meet():
    found = sums([a_record(), in_britain(a_record()), a_record()], "notebook")
    assert [(total.basis, total.cells) for total in found] == [("lifecycle", 2), ("direct", 1)]


def test_a_sum_over_something_unknown_is_unknown():
    known = a_record()
    known = replace(known, footprint=replace(known.footprint, water_l=Interval(1, 2, 3)))
    (both,) = sums([known, known], "notebook")
    assert both.footprint.water_l == Interval(2, 4, 6)
    (mixed,) = sums([known, a_record()], "notebook")
    assert mixed.footprint.water_l is None


def test_runs_outside_a_notebook_have_a_sum_of_their_own():
    found = sums([a_record(), a_record(notebook=None)], "notebook")
    assert [total.key for total in found] == ["home/analysis.ipynb", None]
