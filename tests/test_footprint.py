"""Joules to the wall, the facility and the planet: arithmetic a person can redo."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from jupyter_carbon.footprint import NOTHING, footprint, record, together
from jupyter_carbon.model import (
    CarbonIntensity,
    CellRecord,
    CellRun,
    Context,
    Domain,
    Interval,
    Share,
    WallModel,
    Window,
)

CPU = Domain("cpu", "package-0", "cpu-model", "modelled", 0.0)
INTENSITY = CarbonIntensity(Interval(80, 100, 125), "XX", "Nowhere", "lifecycle", "average", "yearly", "test", 2025)
CONTEXT = Context(
    domains=(CPU,),
    n_cpu=1,
    idle_share=0.5,
    ram_share=1.0,
    kernel_share=1.0,
    idle_w={"package-0": 0.0},
    power_limit_w={},
    gpus_allotted=(),
    wall=WallModel("desktop", Interval.exact(1.1), Interval.exact(50.0), "assumed", "test"),
    pue=Interval.exact(1.2),
    pue_source="test",
    intensity=INTENSITY,
    embodied_gco2e_per_h=Interval(1, 2, 4),
    water_l_per_kwh=Interval.exact(3.0),
    flags=("region-guessed",),
)
RUN = CellRun("id", "session", None, "a.ipynb", "fit", 7, 1_700_000_000.25, "da39a3ee")


def exactly(joules: float) -> Share:
    return Share(CPU, Interval.exact(joules), Interval.exact(0.0), Interval.exact(2 * joules), 0.0)


def test_devices_to_wall_to_facility_to_grams():
    # 3600 s, 3.6 MJ at the devices (1 kWh); wall 1.1 x 1 kWh + half of 50 W for an hour = 1.125 kWh; x 1.2 = 1.35 kWh
    cost = footprint([exactly(3.6e6)], 3600.0, CONTEXT)
    assert cost.wall_energy_j.likely == pytest.approx(1.125 * 3.6e6)
    assert cost.facility_energy_kwh.likely == pytest.approx(1.35)
    assert cost.operational_gco2e.likely == pytest.approx(135)
    assert cost.embodied_gco2e == Interval(1, 2, 4)
    assert cost.water_l is not None
    assert cost.water_l.likely == pytest.approx(4.05)


def test_the_intensitys_range_is_the_grams_range_where_all_else_is_exact():
    cost = footprint([exactly(3.6e6)], 3600.0, CONTEXT)
    assert cost.operational_gco2e.low == pytest.approx(135 * 0.8)
    assert cost.operational_gco2e.high == pytest.approx(135 * 1.25)


def test_what_is_unknown_stays_unknown():
    cost = footprint([exactly(1.0)], 1.0, replace(CONTEXT, embodied_gco2e_per_h=None, water_l_per_kwh=None))
    assert (cost.embodied_gco2e, cost.water_l) == (None, None)
    known = footprint([exactly(1.0)], 1.0, CONTEXT)
    assert together(known, cost).water_l is None


def test_nothing_counted_costs_the_base_and_no_more():
    cost = footprint([], 10.0, CONTEXT)
    assert cost.energy_j == Interval(0, 0, 0)
    assert cost.wall_energy_j.likely == pytest.approx(250)


def test_cells_of_one_machine_err_together():
    one = footprint([exactly(3.6e6)], 3600.0, CONTEXT)
    both = together(one, one)
    assert both.operational_gco2e.low == pytest.approx(2 * one.operational_gco2e.low)
    totals = NOTHING.with_cell(record(RUN, Window(10.0, {CPU: 36.0}, 1.0, 1.0), "ok", CONTEXT))
    assert (totals.cells, totals.busy_s) == (1, 10.0)


def test_a_record_tells_how_long_it_took_not_how_many_seconds_it_was_charged():
    told = record(RUN, Window(2.0, {CPU: 36.0}, 1.0, 1.0, elapsed_s=3.0, flags=("concurrent",)), "ok", CONTEXT)
    assert told.duration_s == 3.0
    assert told.flags == ("concurrent", "region-guessed")


def test_a_record_survives_its_public_form():
    told = record(RUN, Window(2.0, {CPU: 36.0}, 1.0, 1.0), "error", CONTEXT)
    data = told.to_dict()
    assert CellRecord.from_dict(data) == told
    assert data["started_at"] == "2023-11-14T22:13:20.250000Z"
    assert data["energy_j"]["likely"] == pytest.approx(36)
    assert set(data) == {
        *("id", "session_id", "cell_id", "notebook", "label", "execution_count", "started_at", "source_sha1"),
        *("duration_s", "status", "energy_j", "idle_energy_j", "machine_energy_j", "components", "wall_energy_j"),
        *("facility_energy_kwh", "pue", "intensity", "operational_gco2e", "embodied_gco2e", "water_l", "flags"),
    }


def test_a_context_survives_its_json_form():
    assert Context.from_dict(CONTEXT.to_dict()) == CONTEXT


# --- a wall that was fitted to a plug meter ------------------------------------------------------------------------

FITTED = WallModel(
    "desktop", Interval.exact(1.2), Interval.exact(50.0), "modelled", "calibrated", Interval(0.9, 1.0, 1.12)
)


def biased(joules: float, *, quality="measured", attribution_j: float = 0.0) -> Share:
    """A share whose counter is known to 15 % and whose part of the machine to so many joules."""
    domain = replace(CPU, quality=quality, spread=Interval(0.85, 1.0, 1.15))
    off_j = math.hypot(0.15 * joules, attribution_j)
    return Share(
        domain, Interval(joules - off_j, joules, joules + off_j), Interval.exact(0.0), Interval.exact(joules), 0.0
    )


def test_the_range_at_a_fitted_wall_is_that_of_the_fit_and_a_counters_bias_is_in_it():
    cost = footprint([biased(1000.0)], 10.0, replace(CONTEXT, wall=FITTED))
    # 1.2 x 1000 J + 50 W x 10 s x 0.5 = 1450 J
    wall_j = cost.wall_energy_j
    assert (wall_j.low, wall_j.likely, wall_j.high) == pytest.approx((0.9 * 1450, 1450, 1.12 * 1450))
    assert (cost.energy_j.low, cost.energy_j.high) == pytest.approx((850, 1150))  # at the devices it is still there


def test_what_is_not_the_counters_bias_stays_in_the_range_at_a_fitted_wall():
    cost = footprint([biased(1000.0, attribution_j=290.0)], 10.0, replace(CONTEXT, wall=FITTED))
    # 1.2 x 290 J of 1450 J are 24 %; with the fit's 12 % upwards, in logarithms: exp(hypot(ln 1.24, ln 1.12)) = 1.275
    assert cost.wall_energy_j.high == pytest.approx(1450 * 1.275, rel=1e-3)


def test_a_models_range_stays_as_it_is_off_by_another_factor_at_each_load():
    modelled, measured = (
        footprint([biased(1000.0, quality=quality)], 10.0, replace(CONTEXT, wall=FITTED)).wall_energy_j
        for quality in ("modelled", "measured")
    )
    assert modelled.high > measured.high
    assert modelled.low < measured.low


def test_a_context_with_a_fitted_wall_comes_back_from_plain_values():
    context = replace(CONTEXT, wall=FITTED)
    assert Context.from_dict(context.to_dict()) == context
