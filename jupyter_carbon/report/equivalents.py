"""What an amount is like, in things of every day: rows of ``data/equivalents.csv``, scaled until they read well.  Pure
but for that table, which is read once.
"""

from __future__ import annotations

from functools import lru_cache

from jupyter_carbon import tables
from jupyter_carbon.value import value

LEAST, MOST = 0.1, 1000.0
"""A comparison is told only where its number lies between these: nobody pictures 0.0003 flights."""

WORDS: dict[str, tuple[tuple[str, float], ...]] = {
    "km": (("m", 1e-3), ("km", 1.0)),
    "passenger-km": (("m", 1e-3), ("km", 1.0)),
    "hour": (("s", 1 / 3600), ("min", 1 / 60), ("h", 1.0), ("days", 24.0)),
    "litre": (("ml", 1e-3), ("l", 1.0)),
    "boil": (("", 1.0),),
    "charge": (("", 1.0),),
    "laptop": (("", 1.0),),
}
"""By the table's unit, the words that a value may be told in and how much of the unit each is, the smallest first.
A unit that is not here is told as it is; an empty word stands where the name says it already."""


@value
class Equivalent:
    """`value` `unit` `name`: 27 m in an average European car; with the publisher of its factor and its year."""

    value: float
    unit: str
    name: str
    source: str
    year: int | None


@value
class _Factor:
    name: str
    unit: str
    gco2e_per_unit: float | None
    kwh_per_unit: float | None
    source: str
    year: int | None


def equivalents(gco2e: float | None = None, energy_kwh: float | None = None) -> list[Equivalent]:
    """Comparisons that read between 0.1 and 1000: carbon with what emits, energy with what uses electricity.

    The two kinds are never mixed: what energy is like is the same everywhere, carbon depends on the grid.
    """
    found = []
    for factor in _factors():
        for amount, per_unit in ((gco2e, factor.gco2e_per_unit), (energy_kwh, factor.kwh_per_unit)):
            if amount is not None and per_unit is not None:
                told = _told(amount / per_unit, factor)
                found += [told] if told is not None else []
    return found


def _told(units: float, factor: _Factor) -> Equivalent | None:
    """In the largest word that gives two or more (80 minutes, not 1.3 hours), else in the smallest that reads."""
    words = [(word, units / size) for word, size in WORDS.get(factor.unit, ((factor.unit, 1.0),))]
    readable = [(word, number) for word, number in words if LEAST <= number <= MOST]
    if not readable:
        return None
    word, number = next(((w, n) for w, n in reversed(readable) if n >= 2.0), readable[0])
    return Equivalent(number, word, factor.name, factor.source, factor.year)


@lru_cache(maxsize=1)
def _factors() -> tuple[_Factor, ...]:
    return tuple(
        _Factor(
            row["activity"],
            row["unit"],
            _grams(tables.number(row, "kgco2e_per_unit")),
            tables.number(row, "kwh_per_unit"),
            row["publisher"],
            int(row["year"]) if row["year"] else None,
        )
        for row in tables.rows("equivalents")
    )


def _grams(kilograms: float | None) -> float | None:
    return None if kilograms is None else kilograms * 1000.0
