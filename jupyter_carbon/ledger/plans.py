"""Estimates kept beside what came of them, so that the next one can learn."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jupyter_carbon.model import Interval

if TYPE_CHECKING:
    from jupyter_carbon.ledger.sqlite import Store

NEWEST = 50
"""Settled estimates of one key that are read: older ones tell of another machine, or of other code."""


@dataclass(frozen=True, slots=True)
class Planned:
    """An estimate as it is kept: which run it was for (a hash of its source, or any key), and what it said.

    `actual_kwh` is there once the run has been metered; `made_at` is seconds since the epoch.
    """

    key: str
    made_at: float
    energy_kwh: Interval
    operational_kgco2e: Interval
    hours: float
    actual_kwh: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Planned:
        """The inverse of :meth:`to_dict`."""
        intervals = {name: Interval(**data[name]) for name in ("energy_kwh", "operational_kgco2e")}
        return cls(**{**data, **intervals})


class Plans:
    """The estimates of a ledger.  Raises `Busy` where another kernel writes just now, `LedgerError` where none may."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, planned: Planned) -> None:
        """Remember an estimate; one that is settled already is remembered so."""
        self._store.write(lambda db: db.execute(_KEEP, _row(planned)))

    def settle(self, key: str, actual_kwh: float) -> None:
        """Write what was metered beside the newest estimate of this key that has nothing beside it."""
        self._store.write(lambda db: db.execute(_SETTLE, (actual_kwh, key)))

    def settled(self, key: str | None = None) -> list[Planned]:
        """The newest estimates that have their measurements, of one key or of all, oldest first."""
        rows = self._store.read(lambda db: _settled(db, key)) or []
        return [_planned(row) for row in reversed(rows)]


_KEEP = f"INSERT INTO plan VALUES (NULL, {', '.join('?' * 10)})"  # noqa: S608  (our names)
_SETTLE = """
    UPDATE plan SET actual_kwh = ? WHERE number = (
        SELECT number FROM plan WHERE key = ? AND actual_kwh IS NULL ORDER BY made_at DESC, number DESC LIMIT 1)
"""


def _settled(db: sqlite3.Connection, key: str | None) -> list[tuple[Any, ...]]:
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'plan'").fetchone() is None:
        return []  # a ledger from before there were any, that nobody has written to since
    asked = "SELECT * FROM plan WHERE actual_kwh IS NOT NULL AND (?1 IS NULL OR key = ?1)"
    return db.execute(f"{asked} ORDER BY made_at DESC, number DESC LIMIT ?2", (key, NEWEST)).fetchall()


def _row(planned: Planned) -> tuple[object, ...]:
    energy, grams = planned.energy_kwh, planned.operational_kgco2e
    ends = (energy.low, energy.likely, energy.high, grams.low, grams.likely, grams.high)
    return planned.key, planned.made_at, planned.hours, *ends, planned.actual_kwh


def _planned(row: tuple[Any, ...]) -> Planned:
    _number, key, made_at, hours, *ends, actual_kwh = row
    return Planned(key, made_at, Interval(*ends[:3]), Interval(*ends[3:]), hours, actual_kwh)
