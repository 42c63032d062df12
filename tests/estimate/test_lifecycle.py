"""Training against use, new against old: sums on the back of an envelope."""

import pytest

from jupyter_carbon.estimate.lifecycle import (
    break_even_calls,
    calls_as_costly_as_training,
    development_kwh,
    hardware_break_even_h,
    rebound,
)


def test_development_is_more_than_the_last_training():
    assert development_kwh(100, experiments=3, retrainings=2, retraining_share=0.5) == 100 * (1 + 3 + 1)


def test_a_thriftier_model_pays_for_its_making_after_so_many_calls():
    assert break_even_calls(1287e3, 0.004, 0.003) == pytest.approx(1287e6)


@pytest.mark.parametrize("new", [0.004, 0.005])
def test_a_model_that_is_no_thriftier_never_does(new):
    assert break_even_calls(1000, 0.004, new) is None


def test_use_overtakes_training_after_so_many_calls():
    assert calls_as_costly_as_training(1000, 0.002) == 500_000


def test_a_new_card_pays_sooner_on_a_dirtier_grid():
    assert hardware_break_even_h(150, 300, 200, 500) == 3000
    assert hardware_break_even_h(150, 300, 200, 50) == 30_000
    assert hardware_break_even_h(150, 200, 300, 500) is None


def test_forty_percent_less_each_and_half_as_many_again_eats_three_quarters():
    assert rebound(1.0, 0.6, 100, 150) == pytest.approx(0.75)


def test_a_quarter_of_the_energy_and_six_times_the_runs_backfires():
    assert rebound(4.0, 1.0, 10, 60) == pytest.approx(5 / 3)


def test_growth_that_eats_all_is_the_ratio_of_the_energies():
    assert rebound(1.0, 0.6, 60, 100) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rebound(1, 1, 10, 20), "new_per_run=1 saves nothing"),
        (lambda: development_kwh(-1), "training_kwh=-1 is not possible; it must be 0 or more"),
        (lambda: calls_as_costly_as_training(1, 0), "kwh_per_call=0 is not possible"),
        (lambda: break_even_calls(float("nan"), 1, 0), "making_kwh=nan is not possible"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
