"""What so many grams or kilowatt-hours are like: things known to all, in numbers between 0.1 and 1000.

A thing that burns fuel is compared by its grams, a thing that takes electricity by its kilowatt-hours, so that no
comparison hides somebody else's grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jupyter_carbon import tables
from jupyter_carbon.model import Equivalent

LEAST, MOST = 0.1, 1000.0

# The unit of a row of the table, in smaller and larger ones that a reader knows.
LADDERS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "km": (("km", 1.0), ("m", 1e-3), ("mm", 1e-6), ("µm", 1e-9), ("thousand km", 1e3), ("million km", 1e6)),
    "hour": (
        ("hours", 1.0),
        ("minutes", 1 / 60),
        ("seconds", 1 / 3600),
        ("milliseconds", 1 / 3.6e6),
        ("days", 24.0),
        ("years", 8766.0),
        ("thousand years", 8.766e6),
    ),
    "litre": (("l", 1.0), ("ml", 1e-3), ("µl", 1e-6), ("m³", 1e3), ("thousand m³", 1e6)),
    "count": (("", 1.0), ("thousand", 1e3), ("million", 1e6), ("billion", 1e9)),
}
_LADDER_OF = {"km": "km", "passenger-km": "km", "hour": "hour", "litre": "litre", "boil": "litre"}


def equivalents(
    gco2e: float | None = None, energy_kwh: float | None = None, *, data: Path | None = None
) -> list[Equivalent]:
    """What this is like, each reading between 0.1 and 1000; of nothing there is nothing to compare.

    Grams are compared with what burns fuel, kilowatt-hours with what takes electricity; give either or both.
    """
    if gco2e is None and energy_kwh is None:
        raise ValueError("gco2e=None and energy_kwh=None: give one of them, or both")
    amounts = {"kgco2e_per_unit": gco2e and gco2e / 1000.0, "kwh_per_unit": energy_kwh}
    for name, value in (("gco2e", gco2e), ("energy_kwh", energy_kwh)):
        if value is not None and not 0.0 <= value < float("inf"):
            raise ValueError(f"{name}={value!r} is not possible; it must be 0 or more, and finite")
    found = []
    for row in _rows(data):
        column = "kwh_per_unit" if row["kwh_per_unit"] else "kgco2e_per_unit"
        amount = amounts[column]
        if amount:
            found += _readable(amount / float(row[column]), row)
    return found


def _readable(count: float, row: tables.Row) -> list[Equivalent]:
    """The count in the first unit that makes it a number of everyday; none if even the largest does not."""
    for unit, size in LADDERS[_LADDER_OF.get(row["unit"], "count")]:
        if LEAST <= count / size <= MOST:
            return [Equivalent(count / size, unit, row["activity"], row["publisher"], int(row["year"]))]
    return []


@cache
def _rows(data: Path | None) -> tuple[tables.Row, ...]:
    return tuple(tables.rows("equivalents", data=data))
