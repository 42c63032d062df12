"""`jc.estimate`: arithmetic that a person can check, the assumptions behind it, and what it refuses."""

import json
import math
import re
import time
from datetime import datetime

import pytest

from jupyter_carbon.estimate.estimator import estimate, estimate_of_work, repeated
from jupyter_carbon.estimate.hardware import own_cpu, own_gpu
from jupyter_carbon.estimate.priors import shipped
from jupyter_carbon.estimate.result import chance_above
from jupyter_carbon.estimate.scenario import BOUNDARIES
from jupyter_carbon.estimate.workload import KINDS, Workload
from jupyter_carbon.model import Interval, UnknownHardware, UnknownRegion

BARE = {"n_cpu": 0, "ram_gb": 0, "boundary": "devices"}


def given(found):
    return {each.name for each in found.assumptions if each.given}


def assumed(found, name):
    return next(each for each in found.assumptions if each.name == name)


# --- arithmetic --------------------------------------------------------------------------------------------


def test_full_utilisation_is_rated_power_times_hours():
    run = estimate("V100", hours=100, utilisation=1, **BARE)
    assert run.energy_kwh.likely == pytest.approx(100 * 300 / 1000)


def test_a_utilisation_lies_on_the_line_from_idle_to_rated():
    idle = shipped()("idle", ("gpu",)).belief.likely
    run = estimate("V100", hours=1, utilisation=0.5, **BARE)
    assert run.energy_kwh.likely == pytest.approx((idle + 0.5 * (1 - idle)) * 0.3)


def test_a_cpu_at_full_utilisation_draws_its_rated_power():
    run = estimate(cpu="EPYC 7763", n_cpu=2, hours=10, utilisation=1, ram_gb=0, boundary="devices")
    assert run.energy_kwh.likely == pytest.approx(2 * 280 * 10 / 1000)


def test_memory_is_counted_by_the_gigabyte():
    without = estimate(cpu="EPYC 7763", utilisation=1, ram_gb=0, boundary="devices")
    with_it = estimate(cpu="EPYC 7763", utilisation=1, ram_gb=100, boundary="devices")
    w_per_gb = shipped()("memory", ("server",)).belief.likely
    assert with_it.power_w.likely - without.power_w.likely == pytest.approx(100 * w_per_gb)


def test_energy_goes_with_hours_and_devices():
    one = estimate("H100", 1, hours=1, **BARE).energy_kwh.likely
    assert estimate("H100", 8, hours=72, **BARE).energy_kwh.likely == pytest.approx(8 * 72 * one)


def test_the_wall_adds_the_supply_and_the_box():
    at_devices = estimate(cpu="i9-13900K", utilisation=1, ram_gb=0, boundary="devices")
    at_wall = estimate(cpu="i9-13900K", utilisation=1, ram_gb=0)
    factor, base_w = (assumed(at_wall, name).value.likely for name in ("wall factor", "wall base"))
    assert at_wall.power_w.likely == pytest.approx(factor * at_devices.power_w.likely + base_w)


def test_grams_are_the_facility_s_energy_times_the_grid():
    run = estimate("H100", hours=10, region="FR", pue=1.2, utilisation=1)
    grid = assumed(run, "grid intensity").value.likely
    assert run.operational_kgco2e.likely == pytest.approx(run.energy_kwh.likely * grid / 1000)
    assert run.energy_kwh.likely == pytest.approx(run.power_w.likely * 10 / 1000 * 1.2)


def test_a_published_example_with_its_own_numbers():
    """8 H100 at 90 % of 700 W for 10 h, PUE 1.15; a host of 1.2 kW is 1.2 x 10 x 1.15 = 13.8 kWh more."""
    run = estimate("H100", 8, hours=10, utilisation=0.9, pue=1.15, **BARE)
    idle = shipped()("idle", ("gpu",)).belief.likely
    assert run.energy_kwh.likely == pytest.approx(8 * 0.7 * (idle + 0.9 * (1 - idle)) * 10 * 1.15)
    assert run.energy_kwh.likely + 13.8 == pytest.approx(71.8, rel=0.02)


def test_making_is_shared_out_over_the_hours_of_use():
    run = estimate("H100", 8, hours=10, **BARE)
    life, use = assumed(run, "life").value.likely, assumed(run, "use in its life").value.likely
    assert run.embodied_kgco2e.likely == pytest.approx(8 * 307 * 10 / (life * 8760 * use))


def test_both_waters_stand_apart_and_add_up():
    run = estimate("H100", hours=10, region="aws:us-east-1", pue=1.2, utilisation=1)
    site, grid = (assumed(run, name).value.likely for name in ("water on site", "water of electricity"))
    machines_kwh = run.power_w.likely * 10 / 1000
    assert run.water_site_l.likely == pytest.approx(machines_kwh * site)
    assert run.water_grid_l.likely == pytest.approx(machines_kwh * 1.2 * grid)
    assert run.water_l.likely == pytest.approx(run.water_site_l.likely + run.water_grid_l.likely)


def test_a_computer_at_home_has_no_building_and_evaporates_no_water():
    run = estimate("RTX 4090", cpu="i9-13900K", hours=1, region="DE", workload="llm-inference")
    assert assumed(run, "PUE").value == Interval(1.0, 1.0, 1.0)
    assert run.water_site_l.likely == 0.0


def test_an_unnamed_server_host_is_counted_and_nothing_is_counted_twice():
    alone = estimate("H100", 8, hours=1, n_cpu=0, ram_gb=0, boundary="devices", utilisation=1)
    hosted = estimate("H100", 8, hours=1, boundary="devices", utilisation=1)
    host_w = assumed(hosted, "host").value.likely
    assert hosted.power_w.likely == pytest.approx(alone.power_w.likely + 8 * host_w)
    assert estimate("H100", 8, boundary="devices", utilisation=1, ram_gb=512).power_w == hosted.power_w


# --- kinds of work -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_work_gives_a_range_below_the_rated_power(kind):
    run = estimate("A100", hours=1, workload=kind, **BARE)
    assert 0 < run.power_w.low < run.power_w.likely < 400


def test_a_known_batch_narrows_the_range():
    word = estimate("H100", hours=1, workload="image-generation", **BARE).power_w
    work = Workload("image-generation", batch_size=1, parameters=2.5e9)
    known = estimate("H100", hours=1, workload=work, **BARE).power_w
    assert known.high / known.low < word.high / word.low


def test_more_work_a_step_draws_more():
    watts = [
        estimate("H100", workload=Workload("image-generation", batch, 2e9), **BARE).power_w.likely
        for batch in (1, 4, 16)
    ]
    assert watts == sorted(watts)
    assert watts[0] < watts[-1]


def test_a_power_limit_holds_the_card():
    free = estimate("H100", workload="nlp-training", **BARE).power_w.likely
    held = estimate("H100", workload=Workload("nlp-training", power_limit_w=300.0), **BARE).power_w
    assert held.likely < 300 < free


def test_work_on_the_cpu_leaves_the_gpu_idle():
    work = Workload("vision-inference", runs_on="cpu")
    on_cpu = estimate("RTX 4090", cpu="i9-13900K", workload=work, boundary="devices")
    assert assumed(on_cpu, "GPU draw").value.likely == pytest.approx(
        450 * shipped()("idle", ("geforce",)).belief.likely
    )
    assert assumed(on_cpu, "CPU draw").value.likely > 125


def test_an_old_card_draws_a_smaller_share_of_its_rating():
    shares = [estimate(name, workload="nlp-training", **BARE).power_w.likely for name in ("P100", "A40")]
    assert shares[0] / 250 == pytest.approx(0.75 * shares[1] / 300)


# --- what it says of itself --------------------------------------------------------------------------------


def test_every_assumption_has_a_source_and_says_whose_it_is():
    run = estimate("H100", 8, hours=72, region="FR", workload="training")
    assert all(each.source for each in run.assumptions)
    assert given(run) == {"runtime", "kind of work", "GPU", "region"}
    assert {"GPU draw", "host", "wall factor", "PUE", "grid intensity", "life"} <= {
        each.name for each in run.assumptions
    }


def test_what_is_given_is_said_to_be_given():
    run = estimate(
        "H100", cpu="EPYC 7763", ram_gb=64, hours=1, utilisation=0.5, pue=1.1, region="FR", boundary="devices"
    )
    assert given(run) == {"boundary", "runtime", "utilisation", "GPU", "CPU", "memory", "PUE", "region"}


def test_the_range_hangs_on_what_is_least_known():
    assert estimate("H100", hours=72, region="aws:us-east-1").dominant == "GPU draw"
    assert estimate("H100", hours=9000, utilisation=1, pue=1, **BARE).dominant == "grid intensity"


def test_no_region_is_the_world_and_wide():
    nowhere, france = estimate("H100", hours=1), estimate("H100", hours=1, region="FR")
    assert "WORLD" in assumed(nowhere, "region").value
    wide, narrow = (run.operational_kgco2e.high / run.operational_kgco2e.low for run in (nowhere, france))
    assert wide > 2 * narrow


def test_a_long_run_sees_the_mean_of_the_grid():
    short, long = (estimate("H100", hours=h, region="FR", utilisation=1).operational_kgco2e for h in (100, 5000))
    assert long.high / long.low < short.high / short.low


def test_it_tells_itself_as_text_table_and_json():
    run = estimate("H100", 8, hours=72, region="FR", workload="training")
    text, page, plain = str(run), run._repr_html_(), json.loads(json.dumps(run.to_dict()))
    assert "operational CO₂e" in text
    assert "The range hangs most on" in text
    assert page.count("<table") == 2
    assert "<script" not in page
    assert plain["energy_kwh"]["likely"] == run.energy_kwh.likely
    assert len(plain["assumptions"]) == len(run.assumptions)


def test_a_name_is_escaped_in_the_table():
    run = estimate("H100", hours=1, region="aws:us-east-1")
    assert "aws:us-east-1 (AWS us-east-1 (US East (N. Virginia)))" in run._repr_html_()


# --- work, sweeps ------------------------------------------------------------------------------------------


def test_work_becomes_hours_with_a_doubt():
    known = estimate_of_work(3.6e21, "A100", 8, mfu=0.4, region="FR")
    assert known.hours == pytest.approx(3.6e21 / (312e12 * 0.4 * 8) / 3600)
    wide = estimate_of_work(3.6e21, "A100", 8, region="FR")
    assert wide.energy_kwh.high / wide.energy_kwh.low > known.energy_kwh.high / known.energy_kwh.low


def test_ninety_runs_cost_ninety_times_one():
    one = estimate("H100", hours=2, region="FR")
    many = repeated(one, Interval.exact(90.0), "a grid of 18 over 5 folds")
    assert many.energy_kwh.likely == pytest.approx(90 * one.energy_kwh.likely)
    assert many.hours == 180
    assert assumed(many, "runs").source == "a grid of 18 over 5 folds"


# --- what it refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("hours", -1, "0 to 1,000,000 h"),
        ("hours", math.nan, "0 to 1,000,000 h"),
        ("utilisation", 1.2, "0 to 1, where 1 is rated power"),
        ("pue", 0.9, "1 to 5"),
        ("ram_gb", -8, "0 GB or more"),
        ("n_gpu", -1, "0 to 10,000,000"),
        ("n_cpu", True, "0 to 10,000,000"),
        ("hours", "ten", "0 to 1,000,000 h"),
    ],
)
def test_a_number_that_cannot_be_is_named_with_its_range(field, value, allowed):
    with pytest.raises(ValueError, match="is not possible") as refused:
        estimate("H100", **{field: value})
    assert str(refused.value) == f"{field}={value!r} is not possible; it must be {allowed}"


def test_an_unknown_word_for_the_work_names_the_known_ones():
    with pytest.raises(ValueError, match="workload='sleeping'") as refused:
        estimate("H100", workload="sleeping")
    assert all(kind in str(refused.value) for kind in KINDS)


def test_a_boundary_is_one_of_two():
    with pytest.raises(ValueError, match="boundary='moon' is not known; it must be 'devices' or 'wall'"):
        estimate("H100", boundary="moon")
    assert BOUNDARIES == ("devices", "wall")


def test_two_regions_are_not_one():
    with pytest.raises(UnknownRegion, match=r"region: .*2 regions"):
        estimate("H100", region="FR and DE")


def test_an_unknown_device_is_an_error_not_a_guess():
    with pytest.raises(UnknownHardware, match="H1000"):
        estimate("H1000", hours=1)


@pytest.mark.parametrize("nothing", [{}, {"gpu": "H100", "n_gpu": 0}, {"cpu": "EPYC 7763", "n_cpu": 0}])
def test_an_estimate_of_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="no device is left to estimate"):
        estimate(**nothing)


def test_a_start_that_is_no_time_is_refused():
    with pytest.raises(ValueError, match=r"start='soon' is no time; write ISO 8601"):
        estimate("H100", start="soon")
    assert (
        estimate("H100", start="2026-11-21T10:00Z").energy_kwh
        == estimate("H100", start=datetime(2026, 11, 21)).energy_kwh
    )


def test_a_warm_estimate_takes_less_than_a_millisecond():
    estimate("H100", 8, hours=72, region="FR", workload="training")
    best_s = math.inf
    for _ in range(50):
        began_s = time.perf_counter()
        estimate("H100", 8, hours=72, region="FR", workload="training")
        best_s = min(best_s, time.perf_counter() - began_s)
    assert best_s < 1e-3


# --- own devices, and budgets ------------------------------------------------------------------------------


def test_a_minute_of_metering_narrows_the_range_of_a_cpu():
    by_name = estimate(cpu="E3-1240 V2", ram_gb=0, workload="interactive", boundary="devices").power_w
    metered = estimate(cpu=own_cpu(5.5, 49.5), ram_gb=0, workload="interactive", boundary="devices").power_w
    assert metered.high / metered.low < by_name.high / by_name.low


def test_a_metered_cpu_at_full_load_draws_what_was_metered():
    run = estimate(cpu=own_cpu(5.5, 49.5), ram_gb=0, utilisation=1, boundary="devices")
    assert run.power_w.likely == pytest.approx(49.5)


def test_an_accelerator_of_no_table_goes_by_its_rating():
    run = estimate(own_gpu(850.0, name="prototype"), 4, hours=1, utilisation=1, **BARE)
    assert run.energy_kwh.likely == pytest.approx(3.4)
    assert assumed(run, "GPU").value == "4 x prototype"


@pytest.mark.parametrize("make", [lambda: own_cpu(50, 5), lambda: own_gpu(0), lambda: own_cpu(0, 5)])
def test_devices_that_cannot_be_are_refused(make):
    with pytest.raises(ValueError, match="not possible"):
        make()


def test_the_chance_to_pass_a_budget_follows_the_range():
    belief = Interval(1.0, 2.0, 4.0)
    chances = [chance_above(belief, limit) for limit in (0.0, 1.0, 2.0, 4.0)]
    assert chances == pytest.approx([1.0, 0.95, 0.5, 0.05], abs=1e-6)
    assert (chance_above(Interval.exact(3.0), 2.0), chance_above(Interval.exact(3.0), 3.0)) == (1.0, 0.0)


def test_a_workload_may_be_told_as_a_mapping_of_its_fields():
    told = {"kind": "vision-inference", "batch_size": 4, "parameters": 8e6, "runs_on": "cpu"}
    ours = estimate("RTX 4090", cpu="i9-13900K", workload=told)
    assert ours.energy_kwh == estimate("RTX 4090", cpu="i9-13900K", workload=Workload(**told)).energy_kwh
    by_word = estimate("RTX 4090", cpu="i9-13900K", workload="vision-inference")
    assert ours.power_w.likely < 0.6 * by_word.power_w.likely


@pytest.mark.parametrize(
    ("workload", "sentence"),
    [
        ({"batch_size": 4}, "is no kind of work; a word, or a mapping of: kind, batch_size"),
        ({"kind": "training", "batch": 4}, "is no kind of work"),
        (7, "workload=7 is no kind of work"),
        ({"kind": "training", "batch_size": 0}, "workload batch_size=0 is not possible; it must be greater than 0"),
        ({"kind": "training", "parameters": "8B"}, "workload parameters='8B' is not possible"),
        ({"kind": "training", "runs_on": "tpu"}, "workload runs_on='tpu' is not known; one of: gpu, cpu"),
    ],
)
def test_a_workload_that_cannot_be_is_said(workload, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        estimate("A100", workload=workload)
