"""Records as tables: a data frame, CSV, JSON lines, and sums by notebook or day."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, TextIO

from jupyter_carbon.model import Basis, CellRecord, Footprint, IntensityStatus, Interval, Method
from jupyter_carbon.value import value

if TYPE_CHECKING:
    import pandas as pd

INTERVALS = (*(field.name for field in fields(Footprint)), "pue", "gco2e_per_kwh")
COMPONENTS = ("cpu", "dram", "ram", "gpu")
QUALITIES = ("measured", "modelled", "assumed")

COLUMNS: tuple[str, ...] = (
    "id", "session_id", "cell_id", "notebook", "label", "execution_count", "started_at", "duration_s", "status",
    *(f"{name}{end}" for name in INTERVALS[:-2] for end in ("", "_low", "_high")),
    *(f"{component}_energy_j" for component in COMPONENTS),
    "quality", "pue", "pue_low", "pue_high", "gco2e_per_kwh", "gco2e_per_kwh_low", "gco2e_per_kwh_high",
    "yearly_gco2e", "yearly_gco2e_low", "yearly_gco2e_high", "first_gco2e", "first_gco2e_low", "first_gco2e_high",
    "region", "intensity_basis", "intensity_method", "intensity_status", "intensity_source", "intensity_year",
    "source_sha1", "flags",
)  # fmt: skip
"""One cell run is one row: an interval is three columns, its likely value under the plain name."""


def row(record: CellRecord) -> dict[str, Any]:
    """A record as flat columns; what is not known is None.

    `quality` is that of the least certain component; `<component>_energy_j` is ours, and None where none is metered.
    """
    told = record.to_dict()
    intensity = record.intensity
    flat = {name: told.get(name) for name in COLUMNS}
    intervals = (*(getattr(record.footprint, name) for name in INTERVALS[:-2]), record.pue, intensity.gco2e_per_kwh)
    for name, interval in zip(INTERVALS, intervals, strict=True):
        if interval is not None:
            flat |= {name: interval.likely, f"{name}_low": interval.low, f"{name}_high": interval.high}
    for name, interval in (("yearly_gco2e", record.yearly_gco2e), ("first_gco2e", record.first_gco2e)):
        flat[name] = None
        if interval is not None:
            flat |= {name: interval.likely, f"{name}_low": interval.low, f"{name}_high": interval.high}
    for component in COMPONENTS:
        parts = [share.energy_j.likely for share in record.shares if share.domain.component == component]
        flat[f"{component}_energy_j"] = sum(parts) if parts else None
    return flat | {
        "quality": max((share.domain.quality for share in record.shares), key=QUALITIES.index, default=None),
        "region": intensity.region,
        "intensity_basis": intensity.basis,
        "intensity_method": intensity.method,
        "intensity_status": intensity.status,
        "intensity_source": intensity.source,
        "intensity_year": intensity.year,
        "flags": ";".join(record.flags),
    }


def frame(records: Iterable[CellRecord]) -> pd.DataFrame:
    """A row per cell run, times in UTC; a missing value is unknown, not zero."""
    import pandas as pd  # noqa: PLC0415  (0.7 s, and only whoever asks for a frame needs it)

    table: pd.DataFrame = pd.DataFrame([row(record) for record in records], columns=list(COLUMNS))
    beside = ("yearly_gco2e", "first_gco2e")
    numbers = [n for n in COLUMNS if n.startswith((*INTERVALS, *beside)) or n.endswith(("_energy_j", "_s"))]
    kinds: dict[str, Any] = {**dict.fromkeys(numbers, "float64"), "execution_count": "Int64", "intensity_year": "Int64"}
    table = table.astype(kinds).assign(started_at=pd.to_datetime(table["started_at"], utc=True))
    return table


def export(records: Iterable[CellRecord], format: Literal["csv", "jsonl"], out: TextIO) -> None:
    """Write the records: ``jsonl`` one `CellRecord.to_dict()` a line, ``csv`` the columns of `frame`."""
    if format == "jsonl":
        for record in records:
            out.write(json.dumps(record.to_dict()) + "\n")
        return
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(row(record) for record in records)


# --- sums ---------------------------------------------------------------------------------------------------


@value
class Sum:
    """What some cell runs cost together.

    Grams of one kind of intensity only: basis, method and status never meet in a sum.  The runs share their sources
    and models, so their ranges err together: ends are added.  `None`: not known for every one of them.
    """

    key: str | None
    basis: Basis
    method: Method
    intensity_status: IntensityStatus
    cells: int
    duration_s: float
    footprint: Footprint


def sums(records: Iterable[CellRecord], by: Literal["notebook", "day"]) -> list[Sum]:
    """Sums by notebook or by day (UTC, ``2026-07-31``), in the order of their first run."""
    key_of: Callable[[CellRecord], str | None] = _notebook if by == "notebook" else _day
    found: dict[tuple[object, ...], Sum] = {}
    for record in records:
        it = record.intensity
        key = (key_of(record), it.basis, it.method, it.status)
        one = Sum(key_of(record), it.basis, it.method, it.status, 1, record.duration_s, record.footprint)
        found[key] = _plus(found[key], one) if key in found else one
    return list(found.values())


def _notebook(record: CellRecord) -> str | None:
    return record.run.notebook


def _day(record: CellRecord) -> str:
    return datetime.fromtimestamp(record.run.started_at, timezone.utc).date().isoformat()


def _plus(one: Sum, other: Sum) -> Sum:
    a, b = one.footprint, other.footprint
    return replace(
        one,
        cells=one.cells + other.cells,
        duration_s=one.duration_s + other.duration_s,
        footprint=Footprint(
            energy_j=a.energy_j.plus_together(b.energy_j),
            idle_energy_j=a.idle_energy_j.plus_together(b.idle_energy_j),
            machine_energy_j=a.machine_energy_j.plus_together(b.machine_energy_j),
            wall_energy_j=a.wall_energy_j.plus_together(b.wall_energy_j),
            facility_energy_kwh=a.facility_energy_kwh.plus_together(b.facility_energy_kwh),
            operational_gco2e=a.operational_gco2e.plus_together(b.operational_gco2e),
            embodied_gco2e=_both(a.embodied_gco2e, b.embodied_gco2e),
            water_l=_both(a.water_l, b.water_l),
        ),
    )


def _both(one: Interval | None, other: Interval | None) -> Interval | None:
    return None if one is None or other is None else one.plus_together(other)
