"""Records as rows, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from itertools import chain
from math import nan
from typing import Any

from jupyter_carbon.ledger.schema import INTERVALS
from jupyter_carbon.model import CarbonIntensity, CellRecord, CellRun, Domain, Footprint, Interval, Share

_RUN_COLUMNS = (
    "id, session, cell, notebook, label, execution_count, started_at, source_sha1, duration_s, status, flags, "
    + "intensity, "
    + ", ".join(f"{name}_low, {name}, {name}_high" for name in INTERVALS)
    + ", yearly, first, course"
)
_ADD_RUN = (
    f"INSERT INTO run ({_RUN_COLUMNS}) VALUES ({', '.join('?' * (15 + 3 * len(INTERVALS)))}) "  # noqa: S608  (our names)
    "ON CONFLICT (id) DO NOTHING"
)
_ADD_SHARE = f"INSERT INTO share VALUES ({', '.join('?' * 13)})"  # noqa: S608  (our names)

_INTENSITY_COLUMNS = (
    "gco2e_per_kwh_low", "gco2e_per_kwh", "gco2e_per_kwh_high",
    "region", "name", "basis", "method", "status", "source", "year", "start", '"end"',
)  # fmt: skip
_DOMAIN_COLUMNS = ("component", "device", "source", "quality")

_RECORDS = f"""
    SELECT run.number, run.id, session.text, cell.text, notebook.text, label.text, execution_count, started_at,
        source_sha1, duration_s, status, flags.text, intensity,
        {", ".join(f"{name}_low, {name}, {name}_high" for name in INTERVALS)}, yearly, first, course
    FROM run JOIN word AS session ON session.id = run.session LEFT JOIN word AS cell ON cell.id = run.cell
        LEFT JOIN word AS notebook ON notebook.id = run.notebook LEFT JOIN word AS label ON label.id = run.label
        JOIN word AS flags ON flags.id = run.flags
"""  # noqa: S608  (our names)
_PAGE = f"""
    {_RECORDS}
    WHERE (run.started_at, run.number) > (:started_at, :number)
        AND (:notebook IS NULL OR notebook.text = :notebook
            OR substr(notebook.text, -length(:notebook) - 1) = '/' || :notebook)
    ORDER BY run.started_at, run.number LIMIT :size
"""
_OF_SOURCE = f"{_RECORDS} WHERE run.source_sha1 = ? ORDER BY run.started_at DESC, run.number DESC LIMIT ?"

Course = tuple[tuple[float, float], ...]

Surer = Callable[[CarbonIntensity, float, float, Course], "CarbonIntensity | None"]
"""What is known better by now of a run: asked with its intensity, begin and end (seconds since the epoch) and course;
`None`: nothing."""

_UNSETTLED = f"""
    SELECT run.number, started_at, duration_s, yearly, course,
        facility_energy_kwh_low, facility_energy_kwh, facility_energy_kwh_high, intensity,
        {", ".join(f"intensity.{column}" for column in _INTENSITY_COLUMNS)}
    FROM run JOIN intensity ON intensity.id = run.intensity JOIN word AS flags ON flags.id = run.flags
    WHERE run.number > ? AND started_at >= ? AND intensity.region = ? AND intensity.status <> 'actual'
        AND flags.text NOT LIKE '%"clock-wrong"%'
    ORDER BY run.number LIMIT ?
"""  # noqa: S608  (our names)
_SETTLE = """
    UPDATE run SET operational_gco2e_low = ?, operational_gco2e = ?, operational_gco2e_high = ?, intensity = ?,
        yearly = ?, first = coalesce(first, ?) WHERE number = ?
"""
_SHARES = "SELECT * FROM share WHERE run = ? ORDER BY position"


class RowWriter:
    """Writes records within one transaction, and remembers the numbers of what repeats."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[object, int] = {}

    def add(self, record: CellRecord) -> bool:
        """Whether it was new: a run that is there already stays as it is."""
        run = record.run
        intervals = (*(getattr(record.footprint, name) for name in INTERVALS[:-1]), record.pue)
        added = self._db.execute(
            _ADD_RUN,
            (
                run.id,
                *map(self._word, (run.session_id, run.cell_id, run.notebook, run.label)),
                run.execution_count,
                run.started_at,
                run.source_sha1,
                record.duration_s,
                record.status,
                self._word(json.dumps(record.flags)),
                self.intensity(record.intensity),
                *chain.from_iterable(map(_ends, intervals)),
                record.yearly and self.intensity(record.yearly),
                record.first and self.intensity(record.first),
                json.dumps(record.course) if record.course else None,
            ),
        )
        if not added.rowcount:
            return False
        number = added.lastrowid
        for position, share in enumerate(record.shares):
            ends = map(_ends, (share.energy_j, share.idle_energy_j, share.machine_energy_j))
            row = (number, position, self._domain(share.domain), *chain.from_iterable(ends), share.resolution_j)
            self._db.execute(_ADD_SHARE, row)
        return True

    def _word(self, text: str | None) -> int | None:
        return None if text is None else self._number("word", ("text",), (text,))

    def _domain(self, domain: Domain) -> int:
        values = (domain.component, domain.device, domain.source, domain.quality)
        return self._number("domain", _DOMAIN_COLUMNS, values)

    def intensity(self, it: CarbonIntensity) -> int:
        """The number of an intensity, which is stored once."""
        named = (it.region, it.name, it.basis, it.method, it.status, it.source, it.year, it.start, it.end)
        return self._number("intensity", _INTENSITY_COLUMNS, (*_ends(it.gco2e_per_kwh), *named))

    def _number(self, table: str, columns: tuple[str, ...], values: tuple[object, ...]) -> int:
        key = (table, values)
        number = self._numbers.get(key)
        if number is None:
            # IS, not =: an unknown year is the same unknown year.  Nobody else writes meanwhile.
            where = " AND ".join(f"{column} IS ?" for column in columns)
            row = self._db.execute(f"SELECT id FROM {table} WHERE {where}", values).fetchone()  # noqa: S608  (our names)
            number = row[0] if row else self._insert(table, columns, values)
            self._numbers[key] = number
        return number

    def _insert(self, table: str, columns: tuple[str, ...], values: tuple[object, ...]) -> int:
        marks = ", ".join("?" * len(values))
        added = self._db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)  # noqa: S608
        return int(added.lastrowid or 0)


class RowReader:
    """Reads records within one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._intensities: dict[int, CarbonIntensity] = {}
        self._domains: dict[int, tuple[Any, ...]] = {}

    def page(self, after: tuple[float, int], notebook: str | None, size: int) -> dict[int, CellRecord]:
        """Up to `size` records behind the moment and number `after`, in order, by their number."""
        started_at, number = after
        asked = {"started_at": started_at, "number": number, "notebook": notebook, "size": size}
        return {row[0]: self._record(row) for row in self._db.execute(_PAGE, asked).fetchall()}

    def of_source(self, sha1: str, limit: int) -> list[CellRecord]:
        """The newest `limit` runs of a source."""
        return [self._record(row) for row in self._db.execute(_OF_SOURCE, (sha1, limit)).fetchall()]

    def _record(self, row: tuple[Any, ...]) -> CellRecord:
        number, run_id, session_id, cell_id, notebook, label, execution_count, started_at, source_sha1 = row[:9]
        duration_s, status, flags, intensity, *ends, yearly, first, course = row[9:]
        *footprint, pue = _intervals(ends)
        return CellRecord(
            run=CellRun(run_id, session_id, cell_id, notebook, label, execution_count, started_at, source_sha1),
            duration_s=duration_s,
            status=status,
            shares=tuple(self._share(share) for share in self._db.execute(_SHARES, (number,))),
            footprint=Footprint(*map(_known, footprint[:6]), *footprint[6:]),
            pue=_known(pue),
            intensity=self.intensity(intensity),
            flags=tuple(json.loads(flags)),
            yearly=yearly and self.intensity(yearly),
            first=first and self.intensity(first),
            course=_course(course),
        )

    def _share(self, row: tuple[Any, ...]) -> Share:
        _run, _position, domain, *ends, resolution_j = row
        if domain not in self._domains:
            asked = f"SELECT {', '.join(_DOMAIN_COLUMNS)} FROM domain WHERE id = ?"  # noqa: S608  (our names)
            self._domains[domain] = self._db.execute(asked, (domain,)).fetchone()
        energy_j, idle_energy_j, machine_energy_j = map(_known, _intervals(ends))
        component, device, source, quality = self._domains[domain]
        known = Domain(component, device, source, quality, resolution_j)
        return Share(known, energy_j, idle_energy_j, machine_energy_j, resolution_j)

    def intensity(self, number: int) -> CarbonIntensity:
        """The intensity of this number."""
        if number not in self._intensities:
            asked = f"SELECT {', '.join(_INTENSITY_COLUMNS)} FROM intensity WHERE id = ?"  # noqa: S608  (our names)
            low, likely, high, *named = self._db.execute(asked, (number,)).fetchone()
            self._intensities[number] = CarbonIntensity(Interval(low, likely, high), *named)
        return self._intensities[number]


class RowSettler:
    """Tells stored runs with surer intensities; what they were first told with is kept."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db, self._writer = db, RowWriter(db)

    def page(self, after: int, since_s: float, region: str, surer: Surer, size: int) -> tuple[int, int, int]:
        """Within one transaction: of up to `size` runs behind the number `after`, how many there were, the last one's
        number, and how many were settled."""
        rows = self._db.execute(_UNSETTLED, (after, since_s, region, size)).fetchall()
        changes = []
        for number, started_at, duration_s, yearly, course, low, likely, high, known, *told in rows:
            before = CarbonIntensity(Interval(*told[:3]), *told[3:])
            intensity = surer(before, started_at, started_at + duration_s, _course(course))
            if intensity is not None:
                grams = Interval(_or_nan(low), _or_nan(likely), _or_nan(high)) * intensity.gco2e_per_kwh
                year = known if before.start is None else yearly
                changes.append((*_ends(grams), self._writer.intensity(intensity), year, known, number))
        self._db.executemany(_SETTLE, changes)
        return len(rows), rows[-1][0] if rows else after, len(changes)


def _course(text: str | None) -> Course:
    return tuple((at_s, share) for at_s, share in json.loads(text)) if text else ()


def _ends(interval: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if interval is None else (interval.low, interval.likely, interval.high)


def _intervals(ends: list[float | None]) -> Iterator[Interval | None]:
    for low, likely, high in zip(ends[::3], ends[1::3], ends[2::3], strict=True):
        yield None if likely is None else Interval(_or_nan(low), likely, _or_nan(high))


def _known(interval: Interval | None) -> Interval:
    """An interval that a record must have: what SQLite keeps as NULL was not a number."""
    return Interval(nan, nan, nan) if interval is None else interval


def _or_nan(end: float | None) -> float:
    return nan if end is None else end
