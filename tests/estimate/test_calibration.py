"""From metered runs to the same again, to other hardware, and to what the next estimate learns."""

import math

import pytest

from jupyter_carbon.estimate.calibration import Planned, again, corrected, expected, on_gpu
from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.model import (
    ONE,
    CarbonIntensity,
    CellRecord,
    CellRun,
    Domain,
    Footprint,
    Interval,
    Share,
)

FRANCE = CarbonIntensity(
    Interval(28.0, 41.0, 61.0), "FR", "France", "lifecycle", "average", "yearly", "Ember 2025", 2025
)


def record(*, gpu_j=900_000.0, wall_j=1_500_000.0, duration_s=3600.0, status="ok"):
    """An hour on one GPU at 250 W in a box that takes 417 W at the plug."""
    gpu = Domain("gpu", "gpu0", "nvml", "measured", 0.001)
    known = Interval.exact
    shares = () if gpu_j is None else (Share(gpu, known(gpu_j), known(0.0), known(gpu_j), 0.001),)
    facility_kwh = wall_j / 3.6e6
    return CellRecord(
        run=CellRun("r", "s", "c", None, None, 1, 0.0, "sha"),
        duration_s=duration_s,
        status=status,
        shares=shares,
        footprint=Footprint(
            energy_j=known(gpu_j or 0.0),
            idle_energy_j=known(0.0),
            machine_energy_j=known(gpu_j or 0.0),
            wall_energy_j=known(wall_j),
            facility_energy_kwh=known(facility_kwh),
            operational_gco2e=known(facility_kwh * 41.0),
            embodied_gco2e=known(10.0),
            water_l=None,
        ),
        pue=ONE,
        intensity=FRANCE,
        flags=(),
    )


# --- the same again ----------------------------------------------------------------------------------------


def test_the_next_run_should_cost_the_median_of_the_earlier_ones():
    runs = [record(wall_j=joules) for joules in (3.5e6, 3.6e6, 3.7e6)]
    told = expected(runs)
    assert told.energy_kwh.likely == pytest.approx(1.0)
    assert told.energy_kwh.low < 3.5 / 3.6
    assert "from 3 earlier runs" in told.text


def test_runs_that_did_not_end_tell_nothing():
    assert expected([record(status="interrupted")]) is None
    with pytest.raises(ValueError, match="none of these runs came to its end"):
        again([record(status="error")], 90)


def test_runs_that_agree_leave_a_narrower_range_than_one_run():
    one, many = expected([record()]), expected([record()] * 8)
    assert many.energy_kwh.high / many.energy_kwh.low < one.energy_kwh.high / one.energy_kwh.low


def test_ninety_times_this_cell_costs_ninety_times_as_much():
    told = again([record()], 90)
    assert told.energy_kwh.likely == pytest.approx(90 * 1.5e6 / 3.6e6)
    assert told.embodied_kgco2e.likely == pytest.approx(90 * 0.010)
    assert told.hours == pytest.approx(90)


def test_elsewhere_it_costs_the_grid_of_there():
    here, quebec = again([record()], 90), again([record()], 90, region="CA-QC")
    assert quebec.energy_kwh.likely == pytest.approx(here.energy_kwh.likely)
    assert quebec.operational_kgco2e.likely != pytest.approx(here.operational_kgco2e.likely)
    assert next(a for a in quebec.assumptions if a.name == "region").given


def test_a_given_overhead_is_put_on_what_the_plug_said():
    assert again([record()], 1, pue=1.5).energy_kwh.likely == pytest.approx(1.5 * 1.5e6 / 3.6e6)


# --- on other hardware -------------------------------------------------------------------------------------


def test_this_cell_ninety_times_on_eight_h100_in_quebec():
    told = on_gpu([record()], 90, metered_on="A100", gpu="H100", n_gpu=8, region="CA-QC", n_cpu=0, boundary="devices")
    hours = 90 * 312 / (989.4 * 8)
    share = 250 / 400
    assert told.hours == pytest.approx(hours)
    assert told.energy_kwh.likely == pytest.approx(8 * share * 0.7 * hours)
    assert {"metered runs", "share of rating"} <= {each.name for each in told.assumptions}


def test_on_the_same_card_the_time_is_the_metered_one():
    told = on_gpu([record()], 1, metered_on="A100", gpu="A100", n_gpu=1, n_cpu=0, boundary="devices")
    assert told.hours == pytest.approx(1.0)
    assert told.energy_kwh.likely == pytest.approx(0.25)


def test_a_cell_without_a_gpu_tells_nothing_about_one():
    with pytest.raises(ValueError, match="the metered runs used no GPU"):
        on_gpu([record(gpu_j=None)], 90, metered_on="A100", gpu="H100", n_gpu=8)


# --- what earlier estimates taught -------------------------------------------------------------------------


def planned(likely, actual):
    return Planned("key", 0.0, Interval(likely / 2, likely, likely * 2), Interval(1, 2, 3), 1.0, actual)


ONE_RUN = {"gpu": "A100", "hours": 10, "region": "FR", "workload": "training", "n_cpu": 0, "boundary": "devices"}


def test_an_estimate_that_was_always_half_is_doubled_by_and_by():
    before = estimate(**ONE_RUN)
    after_one, after_many = (corrected(before, [planned(1.0, 2.0)] * n) for n in (1, 50))
    assert before.energy_kwh.likely < after_one.energy_kwh.likely < after_many.energy_kwh.likely
    assert after_many.energy_kwh.likely == pytest.approx(2 * before.energy_kwh.likely, rel=0.02)


def test_what_was_learned_narrows_the_range_down_to_the_scatter_of_runs():
    before = estimate(**ONE_RUN)
    after = corrected(before, [planned(1.0, 1.0)] * 50)
    assert after.energy_kwh.high / after.energy_kwh.low < before.energy_kwh.high / before.energy_kwh.low
    assert math.log(after.energy_kwh.high / after.energy_kwh.low) == pytest.approx(2 * 1.645 * 0.15, rel=0.05)


def test_earlier_runs_that_disagree_teach_less():
    agree = corrected(estimate(**ONE_RUN), [planned(1.0, 2.0), planned(1.0, 2.0)])
    disagree = corrected(estimate(**ONE_RUN), [planned(1.0, 1.0), planned(1.0, 4.0)])
    assert disagree.energy_kwh.likely < agree.energy_kwh.likely


def test_grams_follow_the_energy_and_the_making_does_not():
    before, after = estimate(**ONE_RUN), corrected(estimate(**ONE_RUN), [planned(1.0, 2.0)] * 50)
    ratio = after.energy_kwh.likely / before.energy_kwh.likely
    assert after.operational_kgco2e.likely == pytest.approx(ratio * before.operational_kgco2e.likely)
    assert after.embodied_kgco2e.likely == pytest.approx(before.embodied_kgco2e.likely)


def test_estimates_without_a_measurement_teach_nothing():
    before = estimate(**ONE_RUN)
    assert corrected(before, [planned(1.0, None)]) is before


def test_a_planned_run_comes_back_from_json_as_it_was():
    kept = planned(1.5, 2.0)
    assert Planned.from_dict(kept.to_dict()) == kept
