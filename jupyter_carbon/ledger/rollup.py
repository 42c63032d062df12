"""The ledger rolled up: what was used altogether, by slot of time and by notebook.

SQLite adds up: a hundred thousand runs are not read one by one for a picture with thirty bars.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Final

from jupyter_carbon.model import ZERO, Basis, CellRecord, Interval, Method
from jupyter_carbon.value import value

Kind = tuple[Basis, Method]
"""Of an intensity; grams of two kinds are never added."""

KINDS: Final[tuple[Kind, ...]] = (
    ("lifecycle", "average"),
    ("lifecycle", "marginal"),
    ("direct", "average"),
    ("direct", "marginal"),
)
"""By the number that a query gives them."""


@value
class Used:
    """What some runs used together, likely values."""

    runs: int = 0
    facility_energy_kwh: float = 0.0
    operational_gco2e: float = 0.0

    def plus(self, other: Used) -> Used:
        """Both."""
        return Used(
            self.runs + other.runs,
            self.facility_energy_kwh + other.facility_energy_kwh,
            self.operational_gco2e + other.operational_gco2e,
        )


NOTHING = Used()


@value
class RollUp:
    """The runs of one kind of intensity.  They share sources and models, so their ranges err together: ends add."""

    facility_energy_kwh: Interval = ZERO
    operational_gco2e: Interval = ZERO
    by_notebook: dict[str | None, Used] = field(default_factory=dict)
    by_slot: dict[int, Used] = field(default_factory=dict)
    here_by_slot: dict[int, Used] = field(default_factory=dict)
    """The same for the notebook asked for."""

    @property
    def runs(self) -> int:
        """All of them."""
        return sum(used.runs for used in self.by_notebook.values())

    def plus(self, energy_kwh: Interval, gco2e: Interval) -> RollUp:
        """With more in the total."""
        return RollUp(
            self.facility_energy_kwh.plus_together(energy_kwh),
            self.operational_gco2e.plus_together(gco2e),
            self.by_notebook,
            self.by_slot,
            self.here_by_slot,
        )


Found = dict[Kind, RollUp]


def roll_up_stored(db: sqlite3.Connection, edges_s: Sequence[float], here: str | None) -> Found:
    """Every stored run since the first edge; slot `n` begins at edge `n`, the last one has no end."""
    since_s = edges_s[0]
    (first_s,) = db.execute("SELECT min(started_at) FROM run").fetchone()
    # Most of the table: read in its own order, which is several times quicker than row by row through the index.
    rows = f"FROM run WHERE {'+' if first_s is None or since_s <= first_s else ''}started_at >= :edge_0"
    # One pass brings kinds, notebooks and slots, and the few groups are added up here.  SQLite sorts to group: by one
    # integer in place of three columns it takes half the time.
    kind_number = "(SELECT (basis = 'direct') * 2 + (method = 'marginal') FROM intensity WHERE id = run.intensity)"
    together = f"({kind_number} << 48) | (coalesce(notebook, 0) << 16) | {_slot(range(len(edges_s)))}"
    sums = ", ".join(
        f"total({name}{end})" for name in ("facility_energy_kwh", "operational_gco2e") for end in ("_low", "", "_high")
    )
    grouped = f"SELECT {together} AS together, count(*), {sums} {rows} GROUP BY together"
    found: Found = {}
    names: dict[int, str | None] = {0: None}
    for key, runs, *ends in db.execute(grouped, {f"edge_{number}": edge_s for number, edge_s in enumerate(edges_s)}):
        kind, notebook, slot = KINDS[key >> 48], key >> 16 & 0xFFFFFFFF, key & 0xFFFF
        if notebook not in names:
            (names[notebook],) = db.execute("SELECT text FROM word WHERE id = ?", (notebook,)).fetchone()
        energy_kwh, gco2e = Interval(*ends[:3]), Interval(*ends[3:])
        found[kind] = found.get(kind, RollUp()).plus(energy_kwh, gco2e)
        _count(found[kind], names[notebook], slot, here, Used(runs, energy_kwh.likely, gco2e.likely))
    return found


def _slot(slots: range) -> str:
    """In which of these slots a run began, by halves: most runs are new, and would be compared with every edge."""
    if len(slots) == 1:
        return str(slots[0])
    half = len(slots) // 2
    return f"CASE WHEN started_at < :edge_{slots[half]} THEN {_slot(slots[:half])} ELSE {_slot(slots[half:])} END"


def with_records(found: Found, records: Iterable[CellRecord], edges_s: Sequence[float], here: str | None) -> Found:
    """The same, with runs that are not stored yet."""
    for record in records:
        slot = bisect_right(edges_s, record.run.started_at) - 1
        if slot < 0:
            continue
        kwh, gco2e = record.footprint.facility_energy_kwh, record.footprint.operational_gco2e
        kind = (record.intensity.basis, record.intensity.method)
        roll = found[kind] = found.get(kind, RollUp()).plus(kwh, gco2e)
        _count(roll, record.run.notebook, slot, here, Used(1, kwh.likely, gco2e.likely))
    return found


def _count(roll: RollUp, notebook: str | None, slot: int, here: str | None, used: Used) -> None:
    roll.by_notebook[notebook] = roll.by_notebook.get(notebook, NOTHING).plus(used)
    roll.by_slot[slot] = roll.by_slot.get(slot, NOTHING).plus(used)
    if here is not None and notebook == here:
        roll.here_by_slot[slot] = roll.here_by_slot.get(slot, NOTHING).plus(used)
