"""Questions at the kernel's door, and the numbers on the wire."""

from __future__ import annotations

import pytest

from jupyter_carbon.notebook.protocol import VERSION, BadQuestion, digits, fitted, parse_question, worst

LOOK = {"v": VERSION, "ask": "look", "looking": True, "notebook": "a.ipynb", "session_id": None, "since_run": 0}
HISTORY = {"v": VERSION, "ask": "history", "period": "7d", "notebook": None, "utc_offset_s": -3600}
METERING = {"v": VERSION, "ask": "metering", "on": False}


@pytest.mark.parametrize("question", [LOOK, HISTORY, METERING], ids=["look", "history", "metering"])
def test_a_question_is_taken_as_it_is(question):
    assert parse_question(question | {"unknown": 1}) == question


@pytest.mark.parametrize(
    "question",
    [
        None,
        [],
        "look",
        {},
        LOOK | {"ask": "everything"},
        LOOK | {"looking": 1},
        LOOK | {"since_run": "0"},
        LOOK | {"since_run": True},
        LOOK | {"notebook": 7},
        LOOK | {"session_id": {}},
        HISTORY | {"period": "2y"},
        HISTORY | {"utc_offset_s": 10**9},
        METERING | {"on": "no"},
    ],
)
def test_anything_else_is_refused_in_words(question):
    with pytest.raises(BadQuestion):
        parse_question(question)


def test_another_version_is_named():
    with pytest.raises(BadQuestion, match=f"version 99, this kernel {VERSION}"):
        parse_question(LOOK | {"v": 99})


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.000123456, 0.0001235), (98765.4, 98770.0), (0.0, 0.0), (-1.23456, -1.235)]
)
def test_four_digits_go_over_the_wire(value, rounded):
    assert digits(value) == rounded


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_is_no_number_is_not_told_as_zero(value):
    with pytest.raises((ValueError, OverflowError)):
        digits(value)


def test_a_sum_is_known_no_better_than_its_weakest_part():
    assert worst(["measured", "assumed", "modelled"]) == "assumed"
    assert worst(["measured"]) == "measured"
    assert worst([]) is None


def test_a_snapshot_that_fits_is_left_alone():
    snapshot = {"tail": {"age_s": [1.0], "power_w": {"cpu": [1.0]}}}
    assert fitted(snapshot) is snapshot
