"""Numbers and words of the front end, called as they are shipped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_carbon.notebook import connection, protocol

CASES = json.loads((Path(__file__).parents[1] / "units_cases.json").read_text(encoding="utf-8"))
UNITS = {"energy": "kWh", "joules": "J", "mass": "g", "power": "W", "volume": "l"}


@pytest.fixture
def call(show):
    page = show([])

    def call(code: str, *args: Any) -> Any:
        """What it is worth; the blanks that hold a number and its unit together are blanks."""
        value = page.evaluate(code, list(args))
        return value.replace("\xa0", " ") if isinstance(value, str) else value

    return call


def told(call: Any, case: dict[str, Any], locale: str = "en") -> str:
    if case["kind"] == "duration":
        return call("([locale, s]) => jc.createFormat(locale).duration(s)", locale, case["value"])
    if case["kind"] == "range":
        return call(
            "([locale, r, unit]) => jc.createFormat(locale).range(r, unit)", locale, case["value"], case["unit"]
        )
    return call(
        "([locale, v, unit, quality, step]) => jc.createFormat(locale).quantity(v, unit, quality, step)",
        locale,
        case["value"],
        UNITS[case["kind"]],
        case["quality"],
        case.get("resolution", 0),
    )


def test_a_number_reads_as_in_the_kernel(call):
    assert {case["name"]: told(call, case) for case in CASES} == {case["name"]: case["expected"] for case in CASES}


@pytest.mark.parametrize(("locale", "number"), [("de", "≈ 1,2 Wh"), ("fr", "≈ 1,2 Wh"), ("en-GB", "≈ 1.2 Wh")])
def test_numbers_follow_the_language(call, locale, number):
    assert told(call, {"kind": "energy", "value": 0.00124, "quality": "modelled"}, locale) == number


@pytest.mark.parametrize(
    ("grams", "given"), [(50, "50 g"), (1500, "1.5 kg"), (0.25, "250 mg"), (999.96, "1 kg"), (12.345, "12.3 g")]
)
def test_a_number_that_somebody_set_has_no_zeros_for_show(call, grams, given):
    assert call("([g]) => jc.createFormat('en').given(g, 'g')", grams) == given


@pytest.mark.parametrize(("seconds", "clock"), [(0.4, "00:00"), (41.9, "00:41"), (3599.9, "59:59"), (3723, "1:02:03")])
def test_a_running_cell_has_a_clock(call, seconds, clock):
    assert call("([s]) => jc.createFormat('en').clock(s)", seconds) == clock


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("model.fit(X, y)", "model.fit(X, y)"),
        ("# a remark\n\nimport numpy\nx = numpy.zeros(3)", "x = numpy.zeros(3)"),
        ("%%carbon train\nfit()", "fit()"),
        ("import numpy", "import numpy"),
        ("# nothing else", "# nothing else"),
        ("", None),
        ("x" * 9999, "x" * 2000),
    ],
)
def test_a_cell_is_called_by_its_first_line_that_does_something(call, source, name):
    assert call("([s]) => jc.firstLine(s)", source) == name


@pytest.mark.parametrize("text", ["", "abc", "ü" * 60, "𝕏\n" * 500, "a" * 55, "a" * 56, "a" * 64, "a" * 119])
def test_code_has_the_same_hash_here_and_in_the_kernel(call, text):
    assert call("([s]) => jc.sha1(s)", text) == hashlib.sha1(text.encode()).hexdigest()


# --- the line under a cell ----------------------------------------------------------------------------------------

BADGE = {"energy_kwh": 0.00012, "gco2e": 0.0464, "quality": "measured", "source_sha1": "ab" * 20}
WORDS = "({ t: jc.english, f: jc.createFormat('en') })"


def test_a_badge_in_one_line(call):
    assert call(f"([b]) => jc.badgeText({WORDS}, b, false)", BADGE) == "120 mWh · ≈ 46 mg CO₂e · measured"


def test_a_badge_of_edited_code_says_so(call):
    assert call(f"([b]) => jc.badgeText({WORDS}, b, true)", BADGE).endswith("· edited since")


def test_a_badge_for_the_ears(call):
    said = "120 milliwatt hours, about 46 milligrams of CO2 equivalent, measured"
    assert call(f"([b]) => jc.badgeSpoken({WORDS}, b)", BADGE) == said


def test_a_notebook_keeps_two_digits_and_no_time(call):
    assert call("([b]) => jc.savedOf(b, 'DE')", BADGE) == {
        "v": 1,
        "energy_wh": 0.12,
        "gco2e": 0.046,
        "quality": "measured",
        "region": "DE",
        "source_sha1": "ab" * 20,
    }


def test_a_rerun_that_used_about_the_same_changes_nothing_in_the_notebook(call):
    again = BADGE | {"energy_kwh": 0.0001204, "gco2e": 0.04635}
    assert call("([a, b]) => JSON.stringify(jc.savedOf(a, 'DE')) === JSON.stringify(jc.savedOf(b, 'DE'))", BADGE, again)


def test_what_was_kept_is_read_again(call):
    kept = call("([b]) => jc.savedOf(b, 'DE')", BADGE)
    read = call("([s]) => jc.parseSaved(s)", kept)
    assert read.pop("energy_kwh") == pytest.approx(0.00012)
    assert read == {"gco2e": 0.046, "quality": "measured", "source_sha1": "ab" * 20}


@pytest.mark.parametrize(
    "kept",
    [
        None,
        "text",
        {},
        {"v": 2, "energy_wh": 1, "gco2e": 1, "quality": "measured"},
        {"v": 1, "energy_wh": "<b>1</b>", "gco2e": 1, "quality": "measured"},
        {"v": 1, "energy_wh": -1, "gco2e": 1, "quality": "measured"},
        {"v": 1, "energy_wh": 1, "gco2e": 1, "quality": "<script>"},
    ],
)
def test_metadata_from_anywhere_is_checked(call, kept):
    assert call("([s]) => jc.parseSaved(s)", kept) is None


# --- both sides of the wire ---------------------------------------------------------------------------------------


def test_both_sides_speak_of_the_same(call):
    assert call("() => [jc.COMM_ID, jc.TARGET]") == [connection.COMM_ID, connection.TARGET]
    assert call("v => jc.otherVersion({ v: v[0] })", protocol.VERSION) is None
    assert call("v => jc.otherVersion({ v: v[0] })", protocol.VERSION + 1) == protocol.VERSION + 1
