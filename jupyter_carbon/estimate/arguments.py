"""`estimate` and `plan` in words, as the command line and the magics take them: one grammar, one way to go wrong."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_carbon.estimate.coming import hours_of
from jupyter_carbon.estimate.result import Estimate, chance_above
from jupyter_carbon.estimate.scenario import BOUNDARIES
from jupyter_carbon.estimate.workload import DEVICES, KINDS
from jupyter_carbon.model import CarbonError
from jupyter_carbon.value import value

if TYPE_CHECKING:
    import pandas as pd

# Field of `estimate`, how its text is read, and its help; the option is the field with dashes.
_FIELDS: Sequence[tuple[str, type[Any], str]] = (
    ("gpu", str, "a GPU as people, NVML or a cloud write it (H100, 'RTX 4090'), or a class ('desktop GPU')"),
    ("n_gpu", float, "how many of it (default: 1)"),
    ("cpu", str, "a processor, or a class ('server CPU', 'laptop CPU')"),
    ("n_cpu", float, "how many of it; 0: none (default: 1)"),
    ("ram_gb", float, "reserved memory; 0: none"),
    ("hours", str, "how long: 72, 90m, 3h, 2d (default: 1)"),
    ("utilisation", float, "share of rated power, 0 to 1; 1 is all of it"),
    ("workload", str, f"the kind of work: {', '.join(KINDS)}"),
    ("region", str, "where: FR, US-CA, aws:eu-west-3 (default: the world)"),
    ("pue", float, "facility over machines, 1 to 5"),
    ("start", str, "when it begins, ISO 8601: the hours of that day and month"),
    ("boundary", str, f"where counting ends: {' or '.join(BOUNDARIES)} (default: wall)"),
)


# What sharpens the word for the work: field of a workload, how its text is read, and its help.
_WORK: Sequence[tuple[str, type[Any], str]] = (
    ("batch_size", float, "with --workload: samples in one step over all devices"),
    ("parameters", float, "with --workload: parameters that one sample passes through, like 8e9"),
    ("gflop_per_sample", float, "with --workload: forward pass of one sample in 1e9 operations"),
    ("power_limit_w", float, "with --workload: what the GPU's driver was told to hold it to"),
    ("runs_on", str, f"with --workload: which device computes, {' or '.join(DEVICES)} (default: gpu)"),
)


class Words(argparse.ArgumentParser):
    """A parser that raises `ValueError` in one sentence where argparse would end the process."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """What is wrong with the words."""
        raise ValueError(message)

    def parse(self, text: str) -> argparse.Namespace:
        """The options of a line, quoted as a shell's; an unknown one names its near matches."""
        asked, unknown = self.parse_known_args(shlex.split(text))
        if unknown:
            raise ValueError(unknown_option(unknown[0], self))
        return asked


def unknown_option(word: str, parser: argparse.ArgumentParser) -> str:
    """The sentence about a word that means nothing here."""
    known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    near = difflib.get_close_matches(word.partition("=")[0], known, 3)
    return f"{word} is not known; " + (f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(known)}")


def add_estimate(parser: argparse.ArgumentParser) -> None:
    """The words of an estimate."""
    for name, kind, text in (*_FIELDS, *_WORK):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    parser.add_argument("--budget", help="an amount that it should not pass: 5g, 2kWh, 300 kg")


def asked_of(options: argparse.Namespace) -> dict[str, Any]:
    """What was said, as arguments of :func:`~jupyter_carbon.estimate.estimator.estimate`."""
    given = {name: getattr(options, name) for name, _, _ in _FIELDS if getattr(options, name) is not None}
    work = {name: getattr(options, name) for name, _, _ in _WORK if getattr(options, name) is not None}
    if work:
        if "workload" not in given:
            raise ValueError(f"{next(iter(work))} sharpens a kind of work: say which with --workload")
        given["workload"] = {"kind": given["workload"], **work}
    if "hours" in given:
        hours = given["hours"]
        try:
            given["hours"] = float(hours)
        except ValueError:
            given["hours"] = hours_of("hours", hours)
    return given


# --- a budget -----------------------------------------------------------------------------------------------

_UNITS: Mapping[str, tuple[str, float]] = {
    **{unit: ("operational_kgco2e", kg) for unit, kg in (("mg", 1e-6), ("g", 1e-3), ("kg", 1.0), ("t", 1e3))},
    **{unit: ("energy_kwh", kwh) for unit, kwh in (("mwh!", 1e-6), ("wh", 1e-3), ("kwh", 1.0), ("mwh", 1e3))},
    "j": ("energy_kwh", 1.0 / 3.6e6),
}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]+)\s*")


@value
class Budget:
    """An amount of grams or of energy, as it was written, in the unit of the field of an estimate it limits."""

    text: str
    field: str
    limit: float

    @classmethod
    def of(cls, text: str) -> Budget:
        """From `5g`, `1.5 kg`, `300Wh`, `2kWh`; raises `ValueError`.

        >>> Budget.of("5g").limit, Budget.of("2 kWh").field, Budget.of("3 mWh").limit
        (0.005, 'energy_kwh', 3e-06)
        """
        found = _AMOUNT.fullmatch(text)
        unit = found[2] if found else ""
        # Only here a letter's case tells: a milliwatt-hour from a megawatt-hour.
        known = _UNITS.get("mwh!" if unit == "mWh" else unit.casefold())
        if found is None or known is None:
            raise ValueError(f"budget={text!r} is no amount; write grams or energy, like 5g, 1.5kg, 300Wh or 2kWh")
        return cls(f"{found[1]} {unit}", known[0], float(found[1]) * known[1])

    def chance(self, one: Estimate) -> float:
        """The probability of passing it."""
        return chance_above(getattr(one, self.field), self.limit)

    def verdict(self, one: Estimate) -> str:
        """What to expect, in a sentence."""
        return f"The budget of {self.text} is passed with a probability of {_percent(self.chance(one))}."


def _percent(chance: float) -> str:
    if 0.0 < chance < 0.01:
        return "less than 1 %"
    if chance > 0.99:
        return "more than 99 %"
    return f"{100.0 * chance:.0f} %"


# --- a plan's scenarios ---------------------------------------------------------------------------------------


def scenarios_in(path: Path) -> pd.DataFrame | dict[str, Any]:
    """The scenarios of a file: a CSV table, or JSON with a list of rows or with lists of values to combine.

    Raises `CarbonError` for what cannot be read.  "NA" is Namibia; what is not known is left empty.
    """
    import pandas as pd  # noqa: PLC0415  (half a second: when somebody asks)

    try:
        if path.suffix.casefold() == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
            if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
                raise CarbonError(f"{path}: a list of rows, or one object with lists of values, makes a plan")
            table: pd.DataFrame = pd.DataFrame(found)
        else:
            table = pd.read_csv(path, keep_default_na=False, na_values=[""], skipinitialspace=True)
        return table
    except OSError as err:
        raise CarbonError(f"{path} cannot be read ({err.strerror or err})") from err
    except ValueError as err:  # no JSON, no CSV, no text
        raise CarbonError(f"{path} is no table of scenarios: {err}") from err
