"""The question of a plan, column by column: what was asked, what of it cannot be, which distinct cases there are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_carbon.estimate.belief import Array
from jupyter_carbon.estimate.scenario import LIMITS, NOTHING, OPTIONAL, impossible
from jupyter_carbon.estimate.workload import Workload, workload

Codes = NDArray[np.int64]
NAMES = ("gpu", "cpu", "workload", "region", "start", "boundary")
COUNTS = ("n_gpu", "n_cpu", "ram_gb", "utilisation", "pue")
FIELDS = (*NAMES, *COUNTS, "hours")
OWN = (*OPTIONAL, "hours")
"""Fields of which nearly every row may have a number of its own."""
SAMPLE, MANY = 4096, 1024
"""Such a column of numbers with more than `MANY` different ones among the first `SAMPLE` is not sorted into values."""
TABLE = 1 << 22
"""Cases that are told apart by a table of flags; more are told apart by hashing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field by its different values: row `i` has ``values[codes[i]]``.  Of a long one every row has its own."""

    values: list[Any] | Array
    codes: Codes | None

    @property
    def is_long(self) -> bool:
        """Whether nearly every row has a number of its own."""
        return self.codes is None

    def numbers(self) -> Array:
        """The values as numbers; what is no number is NaN."""
        if isinstance(self.values, np.ndarray):
            return self.values
        return np.array([math.nan if isinstance(value, str) else value for value in self.values], dtype=float)

    def words(self) -> NDArray[np.bool_]:
        """Which of the values are no number at all."""
        if isinstance(self.values, np.ndarray):
            return np.zeros(len(self.values), dtype=bool)
        return np.array([isinstance(value, str) for value in self.values])


@dataclass(frozen=True, slots=True)
class Sheet:
    """All scenarios: the table they came in or make, and every field that was given."""

    frame: pd.DataFrame
    fields: Mapping[str, Column]

    def numbers(self, name: str) -> Array:
        """A field of numbers, row by row; one, where it was not given."""
        if name not in self.fields:
            return np.ones(len(self.frame))
        column = self.fields[name]
        return column.numbers() if column.codes is None else column.numbers()[column.codes]


@dataclass(frozen=True, slots=True)
class Cases:
    """The distinct scenarios but for their hours: `names` once for each combination that occurs, which of them a case
    has, its counts, and the case of each row.  `own` are the counts of which nearly every row has one of its own."""

    names: list[dict[str, Any]]
    of_names: Codes
    counts: dict[str, Array]
    of_row: Codes
    own: dict[str, Array]


def product(given: Mapping[str, Any]) -> Sheet:
    """Every combination of the values, the last field changing fastest."""
    unknown = [name for name in given if name not in FIELDS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no field of a plan; it has: {', '.join(FIELDS)}")
    lists = {name: _listed(value) for name, value in given.items()}
    rows, outer = math.prod(len(values) for values in lists.values()), 1
    fields: dict[str, Column] = {}
    shown: dict[str, Any] = {}
    for name, values in lists.items():
        codes = np.tile(np.repeat(np.arange(len(values)), rows // max(outer * len(values), 1)), outer)
        outer *= len(values)
        if name == "workload":
            values = [_hashable(value) for value in values]
        fields[name] = Column(values if name in NAMES else [_number(value) for value in values], codes)
        shown[name] = _labelled(values, codes) if name in NAMES else np.array(values)[codes]
    return Sheet(pd.DataFrame(shown, index=pd.RangeIndex(rows)), fields)


def _labelled(values: list[Any], codes: Codes) -> pd.Categorical:
    """A column of names that is stored once each; `None` is a missing one."""
    labels = [value for value in dict.fromkeys(values) if value is not None]
    label_of = np.array([-1 if value is None else labels.index(value) for value in values], dtype=np.int64)
    return pd.Categorical.from_codes(label_of[codes], pd.Index(labels, dtype=object))


def table(frame: pd.DataFrame) -> Sheet:
    """The rows of a table; columns that are no field are only kept."""
    return Sheet(frame, {name: _column(name, frame[name]) for name in FIELDS if name in frame.columns})


def errors(sheet: Sheet) -> dict[int, str]:
    """By row, the first number that cannot be, in words."""
    found: dict[int, str] = {}
    for name, column in sheet.fields.items():
        if name in NAMES:
            continue
        lowest, highest, _ = LIMITS[name]
        numbers = column.numbers()
        if len(numbers) and lowest <= numbers.min() and numbers.max() <= highest:
            continue
        wrong = ~((numbers >= lowest) & (numbers <= highest))
        if name in OPTIONAL:  # an empty cell is "not said"
            wrong &= ~np.isnan(numbers) | column.words()
        if wrong.any():
            of_row = np.arange(len(sheet.frame)) if column.codes is None else column.codes
            for row in np.flatnonzero(wrong[of_row]).tolist():
                value = column.values[of_row[row]]
                found.setdefault(row, impossible(name, value if isinstance(value, str) else float(value)))
    for row in np.flatnonzero(_absent(sheet, "gpu", "n_gpu") & _absent(sheet, "cpu", "n_cpu")).tolist():
        found.setdefault(row, NOTHING)
    return found


def _absent(sheet: Sheet, name: str, count: str) -> NDArray[np.bool_]:
    """Rows without such a device: none is named, or none is counted."""
    rows = len(sheet.frame)
    column, number = sheet.fields.get(name), sheet.fields.get(count)
    if column is None or column.codes is None:
        return np.ones(rows, dtype=bool)
    absent: NDArray[np.bool_] = np.array([value is None for value in column.values], dtype=bool)[column.codes]
    if number is not None and 0.0 in number.values:
        absent |= sheet.numbers(count) == 0.0
    return absent


def cases(sheet: Sheet) -> Cases:
    """The distinct scenarios of a sheet, hours left out."""
    rows = len(sheet.frame)
    given = {name: sheet.fields[name] for name in NAMES if name in sheet.fields}
    n_gpu = sheet.fields.get("n_gpu")
    if n_gpu is not None:
        if any(isinstance(work, Workload) for work in sheet.fields.get("workload", Column([], None)).values):
            given["n_gpu"] = n_gpu  # work a step is shared out over the GPUs
        if "gpu" in given and 0.0 in n_gpu.values:
            given["gpu"] = _without_gpu(given["gpu"], n_gpu)
    counts = {name: sheet.fields[name] for name in COUNTS if name in sheet.fields}
    own = {name: column.numbers() for name, column in counts.items() if column.is_long}
    few = {name: column for name, column in counts.items() if name not in own}
    of_row, picks = _distinct([(column.codes, len(column.values)) for column in (*given.values(), *few.values())], rows)
    combinations = np.array(picks[: len(given)], dtype=np.int64).reshape(len(given), len(picks[0]) if picks else 1)
    distinct, of_names = np.unique(combinations, axis=1, return_inverse=True)
    names = [
        {name: column.values[at] for (name, column), at in zip(given.items(), pick, strict=True)}
        for pick in distinct.T.tolist()
    ]
    at = picks[len(given) :]
    numbers = {name: column.numbers()[where] for (name, column), where in zip(few.items(), at, strict=True)}
    return Cases(names, of_names.ravel(), numbers, of_row, own)


def _without_gpu(gpu: Column, n_gpu: Column) -> Column:
    """None of a GPU is no GPU."""
    assert gpu.codes is not None  # a column of names is never long
    none = n_gpu.numbers()[n_gpu.codes] == 0.0
    return Column([*gpu.values, None], np.where(none, len(gpu.values), gpu.codes))


def _distinct(keys: Sequence[tuple[Codes | None, int]], rows: int) -> tuple[Codes, tuple[Codes, ...]]:
    """Which distinct combination each row has, and the codes of each combination, column by column."""
    sizes = [size for _, size in keys]
    key: Codes | None = None
    for codes, size in keys:
        if size > 1 and codes is not None:
            key = codes.astype(np.int64) if key is None else key * size + codes
    if key is None:
        key = np.zeros(rows, dtype=np.int64)
    total = math.prod(sizes)
    if total <= TABLE:
        seen = np.zeros(total, dtype=bool)
        seen[key] = True
        present = np.flatnonzero(seen)
        place = np.zeros(total, dtype=np.int64)
        place[present] = np.arange(len(present))
        of_row = place[key]
    else:
        of_row, present = pd.factorize(key)
    return of_row, np.unravel_index(present, sizes) if sizes else ()


def _column(name: str, series: pd.Series[Any]) -> Column:
    if name in OWN and series.dtype.kind in "iuf" and len(series.iloc[:SAMPLE].unique()) > MANY:
        return Column(series.to_numpy(dtype=float), None)
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy(), [*series.cat.categories, None]
    else:
        plain = series.to_numpy()
        if name == "workload" and plain.dtype == object and any(isinstance(value, Mapping) for value in plain):
            plain = np.array([_hashable(value) for value in plain], dtype=object)
        codes, uniques = pd.factorize(plain)
        values = [*uniques, None]
    codes = np.where(codes < 0, len(values) - 1, codes) if (codes < 0).any() else codes
    return Column(values if name in NAMES else [_number(value) for value in values], codes)


def _listed(value: Any) -> list[Any]:
    """One value is a list of one; a range, an array or a column is its values."""
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else [value]


def _hashable(work: Any) -> Any:
    """A workload told by its fields, made one; a field that cannot be is left in words, for the row's error."""
    if not isinstance(work, Mapping):
        return work
    try:
        return workload(work)
    except ValueError:
        return str(work)


def _number(value: Any) -> float | str:
    """A number; NaN where nothing was said; what is no number stays as it was written."""
    if value is None or value is pd.NA:
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
