"""Hours from work, checked on runs whose device hours were published."""

import pytest

from jupyter_carbon.estimate.runtime import flop_of, runtime_h
from jupyter_carbon.model import UnknownHardware

# Parameters, tokens, card and device hours as their model cards and papers print them.
PUBLISHED = [
    ("Llama 2 70B", 70e9, 2.0e12, "A100-80GB", 1_720_320),
    ("Llama 3.1 405B", 405e9, 15.6e12, "H100-80GB", 30_840_000),
    ("BLOOM 176B", 176e9, 366e9, "A100-80GB", 1_082_990),
    ("GPT-3 175B", 175e9, 300e9, "V100", 3_552_000),
]


def test_training_takes_six_operations_a_parameter_and_token_and_use_takes_two():
    assert flop_of(1e9, 1e9) == 6e18
    assert flop_of(1e9, 1e9, kind="inference") == 2e18


@pytest.mark.parametrize(("name", "parameters", "tokens", "gpu", "device_hours"), PUBLISHED, ids=lambda v: str(v))
def test_published_device_hours_lie_in_the_range(name, parameters, tokens, gpu, device_hours):
    hours = runtime_h(flop_of(parameters, tokens), gpu)
    assert hours.low < device_hours < hours.high


def test_twice_the_cards_half_the_hours():
    work = flop_of(7e9, 1e12)
    assert runtime_h(work, "H100", 16).likely == pytest.approx(runtime_h(work, "H100", 8).likely / 2)


def test_a_given_utilisation_leaves_no_range():
    hours = runtime_h(312e12 * 3600, "A100", 1, mfu=0.5)
    assert (hours.low, hours.likely, hours.high) == pytest.approx((2.0, 2.0, 2.0))


def test_a_card_without_a_peak_is_said_to_have_none():
    with pytest.raises(UnknownHardware, match="no table knows the peak of any TPU"):
        runtime_h(1e20, "TPU")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: runtime_h(0, "H100"), "flop=0 is not possible"),
        (lambda: runtime_h(1e20, "H100", mfu=1.5), "mfu=1.5 is not possible; it must be above 0 and at most 1"),
        (lambda: runtime_h(1e20, "H100", 0), "n_gpu=0 is not possible"),
        (lambda: flop_of(-1, 1), "parameters=-1 is not possible"),
    ],
)
def test_what_cannot_be_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
