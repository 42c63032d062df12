"""docs/method.md and docs/flags.md say what the code does: constants, chassis and flags are the code's."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from jupyter_carbon import tables
from jupyter_carbon.model import Interval
from jupyter_carbon.report.summary import FLAGS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "method.md").read_text(encoding="utf-8")
NUMBER = r"[\d.]+"
CONSTANT = rf"`([a-z_.]+)\.([A-Z_]+)`(?: \| | = )({NUMBER}(?: / {NUMBER} / {NUMBER})?)"
STATED = re.findall(CONSTANT, PAGE)


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(" / ")]


def of_code(value: object) -> list[float]:
    return [value.low, value.likely, value.high] if isinstance(value, Interval) else [float(value)]  # type: ignore[arg-type]


def test_the_page_states_constants_of_every_step():
    modules = {module.partition(".")[0] for module, _, _ in STATED}
    assert modules == {"power", "meter", "grid", "surroundings", "calibration"}
    assert len(STATED) > 30


def test_every_constant_that_is_named_is_stated():
    named = {*re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)\.([A-Z_]{3,})`", PAGE)}
    assert named == {(module, name) for module, name, _ in STATED}


@pytest.mark.parametrize(("module", "name", "stated"), STATED, ids=[name for _, name, _ in STATED])
def test_a_constant_is_the_codes(module, name, stated):
    value = getattr(import_module(f"jupyter_carbon.{module}"), name)
    assert numbers(stated) == pytest.approx(of_code(value), rel=0.006)  # two digits


@pytest.mark.parametrize("chassis", ["desktop", "laptop", "server", "vm", "unknown"])
def test_a_chassis_is_the_tables(chassis):
    [(factor, base)] = re.findall(rf"^\| {chassis} \| ([\d. /]+) \| ([\d. /]+) \|", PAGE, re.MULTILINE)
    rows = {row["quantity"]: row for row in tables.lookup("chassis", chassis)}
    for stated, quantity in ((factor, "wall_factor"), (base, "wall_base")):
        assert numbers(stated) == [float(rows[quantity][end]) for end in ("low", "likely", "high")]


def test_an_unknown_buildings_pue_is_the_tables():
    [stated] = re.findall(r"`data/pue.csv: unknown` \| ([\d. /]+)", PAGE)
    [row] = tables.lookup("pue", "unknown")
    assert numbers(stated) == [float(row[column]) for column in ("low", "pue", "high")]


def test_the_flags_are_those_that_a_record_may_carry():
    page = (DOCS / "flags.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert stated == dict(FLAGS)


def test_every_command_that_is_named_is_there():
    root = Path(__file__).parents[1]
    for path in {*re.findall(r"`?(?:python )?((?:benchmarks|tests)/[a-z_]+\.py)", PAGE)}:
        assert (root / path).is_file(), path
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)`", PAGE):
        assert f"\n{target}:" in makefile
    for link in re.findall(r"\]\(([a-z]+\.md)\)", PAGE):
        assert (root / "docs" / link).is_file(), link
