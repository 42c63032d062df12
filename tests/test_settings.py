"""Settings: every bad value is refused, and told what would do; none keeps a cell from running."""

from __future__ import annotations

import pytest
from traitlets import TraitError
from traitlets.config import Config, Configurable

from jupyter_carbon.settings import Carbon


class Shell(Configurable):
    """What holds the configuration in a notebook."""


BAD = [
    ("pue", 0.5, "a number from 1 to 5"),
    ("pue", 9, "a number from 1 to 5"),
    ("pue", "much", "a number from 1 to 5"),
    ("pue", float("nan"), "a number from 1 to 5"),
    ("tdp_w", 0, "a number from 1 to 2000"),
    ("tdp_w", 1e9, "a number from 1 to 2000"),
    ("tdp_w", True, "a number from 1 to 2000"),
    ("badge", "sometimes", "['auto', 'always', 'never']"),
    ("metering", 3, "a boolean"),
    ("region", "FX", "FR"),
    ("region", "aws:eu-wst-3", "aws:eu-west-3"),
    ("region", 33, "string"),
    ("ledger", "postgresql://db/carbon", "postgresql URL is not supported"),
    ("ledger", "~nobody-of-that-name/ledger.sqlite", "home directory"),
    ("ledger", "x" * 5000, "too long"),
]
IDS = [f"{name}={str(value)[:12]}" for name, value, _ in BAD]


@pytest.mark.parametrize(("name", "value", "told"), BAD, ids=IDS)
def test_a_bad_value_is_refused_with_what_would_do(name, value, told):
    settings = Carbon()
    before = getattr(settings, name)
    with pytest.raises(TraitError) as refused:
        setattr(settings, name, value)
    assert told in str(refused.value)
    assert getattr(settings, name) == before


@pytest.mark.parametrize(("name", "value", "told"), BAD, ids=IDS)
def test_a_bad_value_in_a_configuration_file_is_a_sentence_and_the_others_hold(name, value, told):
    other = {"region": "SE"} if name != "region" else {"pue": 1.25}
    shell = Shell(config=Config(Carbon={name: value, **other}))
    settings, (sentence,) = Carbon.of(shell)
    assert sentence.startswith(f"c.Carbon.{name} = ")
    assert told in sentence
    assert len(sentence) < 400
    assert getattr(settings, name) == getattr(Carbon(), name)
    assert {key: getattr(settings, key) for key in other} == other


def test_a_good_configuration_is_taken_without_a_word():
    shell = Shell(config=Config(Carbon={"region": "DK-DK1", "pue": 1.2, "tdp_w": 65}))
    settings, refused = Carbon.of(shell)
    assert (settings.region, settings.pue, settings.tdp_w, refused) == ("DK-DK1", 1.2, 65.0, ())


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PUE", "0.5", "a number from 1 to 5"),
        ("PUE", "abc", "a number from 1 to 5"),
        ("PUE", "nan", "a number from 1 to 5"),
        ("TDP_W", "1e9", "a number from 1 to 2000"),
        ("METERING", "perhaps", "true, or false"),
        ("BADGE", "sometimes", "['auto', 'always', 'never']"),
        ("REGION", "FX", "FR"),
        ("LEDGER", "postgresql://db/carbon", "give the path of a .sqlite file"),
        ("LEDGER", "x" * 5000, "too long"),
    ],
)
def test_a_bad_variable_is_a_sentence_and_the_default_holds(variable, value, told):
    settings = Carbon()
    (sentence,) = settings.fill_from({f"JUPYTER_CARBON_{variable}": value})
    assert sentence.startswith(f"JUPYTER_CARBON_{variable}=")
    assert told in sentence
    assert len(sentence) < 400
    assert getattr(settings, variable.lower()) == getattr(Carbon(), variable.lower())


def test_the_environment_fills_what_nobody_has_set():
    settings = Carbon(region="SE")
    environ = {
        "REGION": "FR",
        "PUE": " 1.4 ",
        "TDP_W": "65",
        "METERING": "0",
        "BADGE": "always",
        "LEDGER": "/x/y.sqlite",
    }
    assert settings.fill_from({f"JUPYTER_CARBON_{name}": value for name, value in environ.items()}) == ()
    assert (settings.region, settings.pue, settings.tdp_w) == ("SE", 1.4, 65.0)
    assert (settings.metering, settings.badge, settings.ledger) == (False, "always", "/x/y.sqlite")


def test_an_empty_variable_says_nothing():
    settings = Carbon()
    assert settings.fill_from({"JUPYTER_CARBON_PUE": "", "JUPYTER_CARBON_REGION": "  "}) == ()
    assert (settings.pue, settings.region) == (None, "")
