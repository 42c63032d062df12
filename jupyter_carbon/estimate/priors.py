"""What devices draw before anything is measured: the rows of ``data/power_priors.csv``, each with its evidence.

A share of a rating is told in logits, so that it stays between nothing and all; it moves by a fixed step for each
doubling of the work in one step of the job, where that is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jupyter_carbon import tables
from jupyter_carbon.estimate.workload import WIDER, Workload
from jupyter_carbon.model import Interval, Quality

Key = tuple[str, str, str]  # quantity, device, workload ("" where it does not matter)


def logit(share: float) -> float:
    """Log odds of a share."""
    return math.log(share / (1.0 - share))


def share_of(log_odds: float) -> float:
    """The share with these log odds."""
    return 1.0 / (1.0 + math.exp(-log_odds))


@dataclass(frozen=True, slots=True)
class SizeLine:
    """How a share moves with the work in one step: `at_ref` at `ref`, `per_doubling` logits a doubling, flat outside
    `smallest` to `largest`.  `measure` says in what the work is told, `default_batch` what batch goes unsaid.
    """

    measure: str
    default_batch: float | None
    ref: float
    smallest: float
    largest: float
    at_ref: Interval
    per_doubling: float

    def share(self, size: float) -> Interval:
        """The share for this much work a step and device."""
        doublings = math.log2(min(max(size, self.smallest), self.largest) / self.ref)
        step = self.per_doubling * doublings
        return Interval(
            *(share_of(logit(end) + step) for end in (self.at_ref.low, self.at_ref.likely, self.at_ref.high))
        )


@dataclass(frozen=True, slots=True)
class Prior:
    """One row: a belief, what would sharpen it, and where it comes from."""

    quantity: str
    device: str
    workload: str
    unit: str
    belief: Interval
    line: SizeLine | None
    quality: Quality
    source: str

    def for_work(self, work: Workload | None, devices: float) -> Interval:
        """The belief for this work, sharpened by its size a step and device where that is known."""
        if work is None or self.line is None:
            return self.belief
        size = work.size(self.line.measure, self.line.default_batch)
        return self.belief if size is None else self.line.share(size / max(devices, 1.0))


@dataclass(frozen=True, slots=True)
class Priors:
    """All rows, asked from the most special device and word to the widest."""

    rows: Mapping[Key, Prior]

    @classmethod
    def of(cls, rows: Iterable[Prior]) -> Priors:
        """Keyed by quantity, device and workload; a later row replaces an earlier one."""
        return cls({(row.quantity, row.device, row.workload): row for row in rows})

    @classmethod
    def read(cls, data: Path | None = None) -> Priors:
        """The shipped table."""
        return cls.of(_prior(row) for row in tables.rows("power_priors", data=data))

    def with_rows(self, rows: Iterable[Prior]) -> Priors:
        """These rows instead of those with their keys: what a fit on part of the evidence is judged with."""
        return Priors({**self.rows, **Priors.of(rows).rows})

    def find(self, quantity: str, devices: Iterable[str], kind: str = "") -> Prior | None:
        """The row for the first of these devices that has one for the word, then for the wider word, then for any."""
        devices = tuple(devices)
        for word in dict.fromkeys((kind, WIDER.get(kind, ""), "")):
            for device in devices:
                if (row := self.rows.get((quantity, device, word))) is not None:
                    return row
        return None

    def __call__(self, quantity: str, devices: Iterable[str], kind: str = "") -> Prior:
        """As :meth:`find`, for what every table must hold."""
        row = self.find(quantity, devices, kind)
        if row is None:
            raise LookupError(f"power_priors.csv has no row {quantity!r} for {', '.join(devices)}")
        return row


@cache
def shipped() -> Priors:
    """The table in the package, read once."""
    return Priors.read()


def _prior(row: tables.Row) -> Prior:
    def number(column: str) -> float:
        return float(row[column])

    line = None
    if row["measure"]:
        line = SizeLine(
            measure=row["measure"],
            default_batch=tables.number(row, "default_batch"),
            ref=number("size_ref"),
            smallest=number("size_min"),
            largest=number("size_max"),
            at_ref=Interval(number("known_low"), number("known_likely"), number("known_high")),
            per_doubling=number("logit_per_doubling"),
        )
    return Prior(
        quantity=row["quantity"],
        device=row["device"],
        workload=row["workload"],
        unit=row["unit"],
        belief=Interval(number("low"), number("likely"), number("high")),
        line=line,
        quality=row["quality"],  # type: ignore[arg-type]  # a data check holds the word
        source=f"{row['publisher']} {row['year']}: {row['basis']}",
    )
