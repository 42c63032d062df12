"""What a session has to show, gathered from records as they come: totals, cells, and the last minute of power.

No clock, no thread, no kernel in here; times come in, snapshots go out.  Its owner holds one lock around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from jupyter_carbon.footprint import exchanged, retold, together
from jupyter_carbon.grid.series import seconds
from jupyter_carbon.model import (
    ZERO,
    Basis,
    CarbonIntensity,
    CellRecord,
    Component,
    Context,
    Footprint,
    Interval,
    Method,
    Quality,
    Share,
)
from jupyter_carbon.notebook.protocol import (
    LABEL_CHARS,
    MAX_FLAGS,
    MOST_NEWS,
    PART_OF,
    PARTS,
    REASON_CHARS,
    SNAPSHOT_BYTES,
    TAIL_POINTS,
    TOP_CELLS,
    VERSION,
    Packer,
    clip,
    digits,
    encoded_bytes,
    fitted,
    range_of,
    worst,
)
from jupyter_carbon.report.known import quality_of
from jupyter_carbon.value import value

if TYPE_CHECKING:
    from jupyter_carbon.notebook.wire import (
        Cell,
        EquivalentItem,
        Grid,
        Intensity,
        News,
        Part,
        PartState,
        RunningCell,
        Snapshot,
        Tail,
        TopCell,
        Totals,
    )

TAIL_S: Final = 60.0
LIKE_S: Final = 5.0
"""Comparisons are for a reader, and change no quicker."""

POINT_S: Final = 0.95
"""Two ticks closer than this become one point: a minute fits into sixty at any rate of ticks."""


@value
class Now:
    """What a snapshot needs beside what was gathered: the moment, and what holds at it."""

    at: float
    """Seconds since the epoch."""
    period_s: float
    metering: bool
    context: Context
    intensity: CarbonIntensity
    """Of the grid at this moment; the context has the year's."""
    notebook: str | None = None
    running: CellRecord | None = None
    """The cell that runs, up to now."""
    client: str | None = None
    others: int = 0
    reasons: Mapping[Component, str] = field(default_factory=dict)
    """Why a component is not measured: the cause and the remedy, in words."""
    equivalents: Callable[[float, float], Sequence[EquivalentItem]] = lambda gco2e, energy_kwh: ()
    """What so many grams and so many kWh are like."""


@value
class _Sum:
    """Runs added up."""

    busy_s: float = 0.0
    footprint: Footprint | None = None
    quality: Quality | None = None
    inexact: int = 0
    """Runs whose grams are not by measured slots of their own time."""
    kinds: frozenset[tuple[Basis, Method]] = frozenset()
    """Of their intensities; grams of several are not to be told as one sum."""

    def plus(self, record: CellRecord) -> _Sum:
        """One more run; a sum is known no better than its weakest part."""
        return _Sum(
            self.busy_s + record.duration_s,
            together(self.footprint, record.footprint),
            worst(quality for quality in (self.quality, quality_of(record.shares)) if quality is not None),
            self.inexact + _is_inexact(record),
            self.kinds | {(record.intensity.basis, record.intensity.method)},
        )

    def settled(self, before: CellRecord, after: CellRecord) -> _Sum:
        """One of the runs is told anew."""
        total = retold(self.footprint or before.footprint, before.footprint, after.footprint)
        return replace(self, footprint=total, inexact=self.inexact - _is_inexact(before) + _is_inexact(after))


class _Curve:
    """Power over the last minute: when each stretch ended, and the watts of its parts as they are told."""

    def __init__(self) -> None:
        self._ends_at: deque[float] = deque(maxlen=4 * TAIL_POINTS)
        self._power_w: dict[Part, deque[float]] = {part: deque(maxlen=4 * TAIL_POINTS) for part in PARTS}
        self._newest: tuple[float, tuple[float, ...]] = (0.0, ())
        """Seconds and joules of the newest stretch, which the next may join."""

    def add(self, end_at: float, duration_s: float, energy_j: tuple[float, ...]) -> None:
        """A stretch and the joules of its parts, in the order of `PARTS`."""
        before_s, before_j = self._newest
        if before_j and before_s + duration_s <= POINT_S:
            duration_s += before_s
            energy_j = tuple(a + b for a, b in zip(before_j, energy_j, strict=True))
            self._ends_at.pop()
            for column in self._power_w.values():
                column.pop()
        self._newest = duration_s, energy_j
        self._ends_at.append(end_at)
        for column, joules in zip(self._power_w.values(), energy_j, strict=True):
            column.append(digits(joules / duration_s, 3))

    def tail(self, at: float) -> Tail:
        """The last minute before `at`; of parts that drew nothing there is nothing."""
        while self._ends_at and at - self._ends_at[0] > TAIL_S:
            self._ends_at.popleft()
            for column in self._power_w.values():
                column.popleft()
        if not self._ends_at:
            self._newest = 0.0, ()
        power_w = {part: list(column)[-TAIL_POINTS:] for part, column in self._power_w.items() if any(column)}
        ages_s = [round(at - end_at, 1) if end_at < at else 0.0 for end_at in self._ends_at]
        return {"age_s": ages_s[-TAIL_POINTS:], "power_w": power_w}


@value
class _Row:
    """One cell of the session, with the exact sums behind its rounded wire form."""

    cell: Cell
    facility_energy_kwh: Interval
    operational_gco2e: Interval
    last_run: str


class Live:
    """The session as a panel sees it."""

    def __init__(self, session_id: str, since: float) -> None:
        self._session_id, self._since = session_id, since
        self._seq = 0
        self._runs = 0
        self._sum = _Sum()
        self._idle_kwh = 0.0
        self._repeats: set[str] = set()
        self._repeat_gco2e = 0.0
        self._settled_runs = 0
        self._settled_keys: set[str] = set()
        self._rows: dict[str, _Row] = {}
        self._finished_sources: set[str] = set()
        self._untold: dict[str, None] = {}
        """Rows that have changed since :meth:`news` was last asked, and the runs that had ended by then."""
        self._told_run = 0
        self._last_key: str | None = None
        self._top_keys: list[str] = []
        self._top: list[TopCell] = []
        self._flags: dict[str, None] = {}
        self._curve = _Curve()
        # What stays the same over many snapshots is kept as one object, which is packed once (`Packer`).
        self._packer = Packer()
        self._told_flags: list[str] = []
        self._known: tuple[Context, Mapping[Component, str], list[PartState]] | None = None
        self._grid: tuple[Context, CarbonIntensity, Intensity] | None = None
        self._like: list[EquivalentItem] = []
        self._like_of, self._like_at = (0.0, 0.0), since

    # --- what happened ----------------------------------------------------------------------------------

    def ended(self, record: CellRecord, *, client: str | None = None) -> None:
        """A cell has ended; `client` is the `header.session` of the request that ran it."""
        self._runs += 1
        self._sum = self._sum.plus(record)
        source = record.run.source_sha1
        repeat = source is not None and source in self._finished_sources
        if source is not None and record.status == "ok":
            self._finished_sources.add(source)
        gco2e = record.footprint.operational_gco2e.likely
        if repeat:
            self._repeats.add(record.run.id)
            self._repeat_gco2e += gco2e
        key = _key(record)
        self._rows[key] = _with_run(self._rows.get(key), key, record, self._runs, repeat=repeat, client=client)
        self._last_key = key
        self._untold[key] = None
        self._rank(key)
        self._doubt(record.flags)

    def settled(self, before: CellRecord, after: CellRecord) -> None:
        """A cell that has ended is told anew: by a surer intensity, or because its device had gone on."""
        key, repeat = _key(after), after.run.id in self._repeats
        if key not in self._rows:  # it ended before anybody watched, and is in no sum here
            return
        self._sum = self._sum.settled(before, after)
        if repeat:
            self._repeat_gco2e += after.footprint.operational_gco2e.likely - before.footprint.operational_gco2e.likely
        self._rows[key] = _retold(self._rows[key], before, after, repeat=repeat)
        self._rank(key)
        self._doubt(flag for flag in after.flags if flag not in before.flags)
        self._settled_runs += 1
        self._settled_keys.add(key)
        self._untold[key] = None

    def _rank(self, key: str) -> None:
        """A cell's sum only grows, so the largest three are among the old three and this one: no walk over all rows."""
        largest = sorted({*self._top_keys, key}, key=lambda k: self._rows[k].facility_energy_kwh.likely, reverse=True)
        self._top_keys = largest[:TOP_CELLS]
        self._top = [_top_cell(self._rows[key].cell) for key in self._top_keys]

    def _doubt(self, flags: Iterable[str]) -> None:
        for flag in flags:
            self._flags.pop(flag, None)  # the newest doubt stands last
            self._flags[flag] = None

    def idled(self, cost: Footprint) -> None:
        """What a stretch took in which no cell ran, ours."""
        self._idle_kwh += cost.facility_energy_kwh.likely

    def drew(self, at: float, duration_s: float, shares: Sequence[Share], facility_j: float) -> None:
        """Our joules of the last `duration_s` seconds up to `at`, and at the facility: the newest part of the curve."""
        if duration_s <= 0.0:
            return
        by_part = dict.fromkeys(PARTS, 0.0)
        for share in shares:
            by_part[PART_OF[share.domain.component]] += share.energy_j.likely
        by_part["rest"] = max(0.0, facility_j - sum(by_part.values()))
        self._curve.add(at, duration_s, tuple(by_part.values()))

    # --- what it looks like -----------------------------------------------------------------------------

    @property
    def runs(self) -> int:
        """Finished runs so far."""
        return self._runs

    def cells_since(self, run: int) -> list[Cell]:
        """The rows that runs after number `run` have changed, or that were told anew; the oldest run first."""
        news = (row.cell for key, row in self._rows.items() if row.cell["run"] > run or key in self._settled_keys)
        return sorted(news, key=lambda cell: cell["run"])

    def news(self) -> list[News]:
        """The rows that have changed since the last call, each message within `SNAPSHOT_BYTES`: of very many the newest
        in `MOST_NEWS` messages."""
        told: list[News] = []
        room = 0
        for cell in sorted((self._rows[key].cell for key in self._untold), key=lambda cell: cell["run"]):
            size = encoded_bytes(cell) + len(", ")
            if size > room:
                since_run = max(self._told_run, told[-1]["news"][-1]["run"]) if told else self._told_run
                told.append({"v": VERSION, "session_id": self._session_id, "since_run": since_run, "news": []})
                room = SNAPSHOT_BYTES - encoded_bytes(told[-1])
            told[-1]["news"].append(cell)
            room -= size
        self._untold.clear()
        self._told_run = self._runs
        return told[-MOST_NEWS:]

    def snapshot(self, now: Now) -> Snapshot:
        """The next whole snapshot, within `SNAPSHOT_BYTES`."""
        return self.packed(now)[0]

    def packed(self, now: Now) -> tuple[Snapshot, bytes]:
        """The same, and as it goes over the wire."""
        self._seq += 1
        total = self._sum if now.running is None else self._sum.plus(now.running)
        last = None if self._last_key is None or now.running is not None else self._rows[self._last_key].cell
        tail = self._curve.tail(now.at)
        snapshot: Snapshot = {
            "v": VERSION,
            "session_id": self._session_id,
            "seq": self._seq,
            "sent_at": round(now.at, 3),
            "period_s": now.period_s,
            "metering": now.metering,
            "notebook": None if now.notebook is None else clip(now.notebook, 2 * LABEL_CHARS),
            "running": None if now.running is None else _running(now.running, now),
            "ended": last,
            "totals": self._totals(total),
            "power_w": {} if now.running is None else {part: told[-1] for part, told in tail["power_w"].items()},
            "tail": tail,
            "parts": self._known_how(now),
            "intensity": self._where(now),
            "top": self._top,
            "equivalents": self._likened(now, total),
            "flags": self._doubts(now),
        }
        packed = self._packer.pack(snapshot)
        if len(packed) > SNAPSHOT_BYTES:
            snapshot = fitted(snapshot)
            packed = self._packer.pack(snapshot)
        return snapshot, packed

    def _totals(self, total: _Sum) -> Totals:
        cost = total.footprint
        return {
            "since": round(self._since, 3),
            "runs": self._runs,
            "cells": len(self._rows),
            "busy_s": round(total.busy_s, 3),
            "quality": total.quality,
            "facility_energy_kwh": range_of(cost.facility_energy_kwh if cost else ZERO),
            "operational_gco2e": range_of(cost.operational_gco2e if cost else ZERO),
            "energy_j": digits(cost.energy_j.likely if cost else 0.0),
            "machine_energy_j": digits(cost.machine_energy_j.likely if cost else 0.0),
            "idle_energy_kwh": digits(self._idle_kwh),
            "embodied_gco2e": _likely(cost.embodied_gco2e if cost else None),
            "water_l": _likely(cost.water_l if cost else None),
            "repeat_runs": len(self._repeats),
            "repeat_gco2e": digits(self._repeat_gco2e),
            "exact": total.inexact == 0,
            "mixed": len(total.kinds) > 1,
            "settled_runs": self._settled_runs,
        }

    def _known_how(self, now: Now) -> list[PartState]:
        """How each part is known: made anew only for another context or for other reasons."""
        known = self._known
        if known is None or known[0] is not now.context or known[1] != now.reasons:
            known = self._known = now.context, dict(now.reasons), _parts(now)
        return known[2]

    def _where(self, now: Now) -> Intensity:
        """The grid: made anew only for another context or another intensity."""
        known = self._grid
        if known is None or known[0] is not now.context or known[1] != now.intensity:
            known = self._grid = now.context, now.intensity, intensity_of(now.intensity, now.context)
        return known[2]

    def _likened(self, now: Now, total: _Sum) -> list[EquivalentItem]:
        """Comparisons for a total; while a cell runs they follow it in steps of some seconds."""
        cost, amounts = total.footprint, (0.0, 0.0)
        if cost is not None:
            grams = 0.0 if len(total.kinds) > 1 else cost.operational_gco2e.likely  # no sum, so like nothing
            amounts = grams, cost.facility_energy_kwh.likely
        follows = now.running is not None and self._like and abs(now.at - self._like_at) < LIKE_S
        if amounts != self._like_of and not follows:
            self._like = [_clipped(item) for item in now.equivalents(*amounts)]
            self._like_of, self._like_at = amounts, now.at
        return self._like

    def _doubts(self, now: Now) -> list[str]:
        flags = [*self._flags, *(now.running.flags if now.running is not None else ())]
        told = [clip(flag, LABEL_CHARS) for flag in dict.fromkeys(flags[-MAX_FLAGS:])]
        if told != self._told_flags:
            self._told_flags = told
        return self._told_flags


def _top_cell(cell: Cell) -> TopCell:
    return {
        "key": cell["key"],
        "cell_id": cell["cell_id"],
        "label": cell["label"],
        "execution_count": cell["execution_count"],
        "runs": cell["runs"],
        "facility_energy_kwh": cell["facility_energy_kwh"]["likely"],
        "operational_gco2e": cell["operational_gco2e"]["likely"],
        "quality": cell["quality"],
    }


def _key(record: CellRecord) -> str:
    """A row's name; a cell that was told with intensities of two kinds has two rows, as they have no sum."""
    run, used = record.run, record.intensity
    kind = "" if (used.basis, used.method) == ("lifecycle", "average") else f" {used.basis} {used.method}"
    if run.cell_id is not None:
        return clip(run.cell_id, LABEL_CHARS) + kind
    return (f"src:{run.source_sha1[:8]}" if run.source_sha1 else f"run:{run.id[:16]}") + kind


def _with_run(row: _Row | None, key: str, record: CellRecord, number: int, *, repeat: bool, client: str | None) -> _Row:
    footprint, run = record.footprint, record.run
    quality = quality_of(record.shares)
    kwh = footprint.facility_energy_kwh
    gco2e = footprint.operational_gco2e
    if row is not None:
        kwh = row.facility_energy_kwh.plus_together(kwh)
        gco2e = row.operational_gco2e.plus_together(gco2e)
    old = None if row is None else row.cell
    cell: Cell = {
        "key": key,
        "cell_id": None if run.cell_id is None else clip(run.cell_id, LABEL_CHARS),
        "label": None if run.label is None else clip(run.label, LABEL_CHARS),
        "execution_count": run.execution_count,
        "run": number,
        "runs": 1 + (old["runs"] if old else 0),
        "failed_runs": int(record.status != "ok") + (old["failed_runs"] if old else 0),
        "repeat_runs": int(repeat) + (old["repeat_runs"] if old else 0),
        "repeat_gco2e": digits(footprint.operational_gco2e.likely * repeat + (old["repeat_gco2e"] if old else 0.0)),
        "duration_s": round(record.duration_s + (old["duration_s"] if old else 0.0), 3),
        "facility_energy_kwh": range_of(kwh),
        "operational_gco2e": range_of(gco2e),
        "quality": worst((quality, old["quality"])) or quality if old else quality,
        "last": {
            "duration_s": round(record.duration_s, 3),
            "facility_energy_kwh": digits(footprint.facility_energy_kwh.likely),
            "operational_gco2e": digits(footprint.operational_gco2e.likely),
            "quality": quality,
            "status": record.status,
            "source_sha1": run.source_sha1,
            "client": None if client is None else clip(client, LABEL_CHARS),
        },
    }
    return _Row(cell, kwh, gco2e, run.id)


def _retold(row: _Row, before: CellRecord, after: CellRecord, *, repeat: bool) -> _Row:
    """The same row, one of whose runs is told anew."""
    was, now = before.footprint, after.footprint
    kwh = exchanged(row.facility_energy_kwh, was.facility_energy_kwh, now.facility_energy_kwh)
    gco2e = exchanged(row.operational_gco2e, was.operational_gco2e, now.operational_gco2e)
    cell: Cell = {**row.cell, "facility_energy_kwh": range_of(kwh), "operational_gco2e": range_of(gco2e)}
    if repeat:
        more_g = now.operational_gco2e.likely - was.operational_gco2e.likely
        cell["repeat_gco2e"] = digits(cell["repeat_gco2e"] + more_g)
    if row.last_run == after.run.id:
        cell["last"] = {
            **cell["last"],
            "facility_energy_kwh": digits(now.facility_energy_kwh.likely),
            "operational_gco2e": digits(now.operational_gco2e.likely),
            "quality": quality_of(after.shares),
        }
    return replace(row, cell=cell, facility_energy_kwh=kwh, operational_gco2e=gco2e)


def _is_inexact(record: CellRecord) -> bool:
    return record.intensity.status != "actual"


def _running(record: CellRecord, now: Now) -> RunningCell:
    run = record.run
    return {
        "cell_id": None if run.cell_id is None else clip(run.cell_id, LABEL_CHARS),
        "execution_count": run.execution_count,
        "label": None if run.label is None else clip(run.label, LABEL_CHARS),
        "started_at": round(run.started_at, 3),
        "duration_s": round(record.duration_s, 2),
        "facility_energy_kwh": digits(record.footprint.facility_energy_kwh.likely),
        "operational_gco2e": digits(record.footprint.operational_gco2e.likely),
        "quality": quality_of(record.shares),
        "client": None if now.client is None else clip(now.client, LABEL_CHARS),
        "others": now.others,
    }


def _parts(now: Now) -> list[PartState]:
    """One line for each part: its weakest device says how it is known, and why."""
    states: list[PartState] = []
    for part in PARTS[:-1]:
        domains = [domain for domain in now.context.domains if PART_OF[domain.component] == part]
        quality = worst(domain.quality for domain in domains)
        if quality is None:
            continue
        weakest = next(domain for domain in domains if domain.quality == quality)
        reason = None if quality == "measured" else now.reasons.get(weakest.component)
        states.append(
            {
                "part": part,
                "quality": quality,
                "source": clip(weakest.source, LABEL_CHARS),
                "reason": None if reason is None else clip(reason, REASON_CHARS),
            }
        )
    wall = now.context.wall
    states.append({"part": "rest", "quality": wall.quality, "source": clip(wall.source, LABEL_CHARS), "reason": None})
    return states


def intensity_of(intensity: CarbonIntensity, context: Context) -> Intensity:
    """The wire form of what the grid carries, with the year's mean and the building of its context."""
    return {
        **grid_of(intensity),
        "yearly_gco2e_per_kwh": digits(context.intensity.gco2e_per_kwh.likely),
        "pue": digits(context.pue.likely),
        "pue_source": clip(context.pue_source, LABEL_CHARS),
    }


def grid_of(intensity: CarbonIntensity) -> Grid:
    """The wire form of an intensity."""
    return {
        "gco2e_per_kwh": range_of(intensity.gco2e_per_kwh),
        "region": clip(intensity.region, LABEL_CHARS),
        "name": clip(intensity.name, LABEL_CHARS),
        "basis": intensity.basis,
        "method": intensity.method,
        "status": intensity.status,
        "source": clip(intensity.source, LABEL_CHARS),
        "year": intensity.year,
        "start": None if intensity.start is None else seconds(intensity.start),
        "end": None if intensity.end is None else seconds(intensity.end),
    }


def _clipped(item: EquivalentItem) -> EquivalentItem:
    return {**item, "name": clip(item["name"], LABEL_CHARS), "source": clip(item["source"], LABEL_CHARS)}


def _likely(interval: Interval | None) -> float | None:
    """Unknown is `None`, never 0."""
    return None if interval is None else digits(interval.likely)
