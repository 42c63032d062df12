"""What a session has to show, gathered from records as they come: totals, cells, and the last minute of power.

No clock, no thread, no kernel in here; times come in, snapshots go out.  Its owner holds one lock around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Final

from jupyter_carbon.footprint import together
from jupyter_carbon.model import (
    ZERO,
    CellRecord,
    Component,
    Context,
    Footprint,
    Interval,
    Quality,
    Share,
)
from jupyter_carbon.notebook.protocol import (
    LABEL_CHARS,
    MAX_FLAGS,
    PART_OF,
    PARTS,
    REASON_CHARS,
    TAIL_POINTS,
    TOP_CELLS,
    VERSION,
    Cell,
    EquivalentItem,
    Intensity,
    LastRun,
    Part,
    PartState,
    RunningCell,
    Snapshot,
    Tail,
    TopCell,
    Totals,
    clip,
    digits,
    fitted,
    range_of,
    worst,
)
from jupyter_carbon.report.summary import quality_of
from jupyter_carbon.units import j_from_kwh
from jupyter_carbon.value import value

TAIL_S: Final = 60.0
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

    def plus(self, record: CellRecord) -> _Sum:
        """One more run; a sum is known no better than its weakest part."""
        return _Sum(
            self.busy_s + record.duration_s,
            together(self.footprint, record.footprint),
            worst(quality for quality in (self.quality, quality_of(record.shares)) if quality is not None),
        )


@value
class _Point:
    """A stretch of time and the joules of its parts."""

    end_at: float
    duration_s: float
    energy_j: Mapping[Part, float]


@value
class _Row:
    """One cell of the session, with the exact sums behind its rounded wire form."""

    cell: Cell
    facility_energy_kwh: Interval
    operational_gco2e: Interval


class Live:
    """The session as a panel sees it."""

    def __init__(self, session_id: str, since: float) -> None:
        self._session_id, self._since = session_id, since
        self._seq = 0
        self._runs = 0
        self._sum = _Sum()
        self._idle_kwh = 0.0
        self._repeat_runs, self._repeat_gco2e = 0, 0.0
        self._rows: dict[str, _Row] = {}
        self._finished_sources: set[str] = set()
        self._last_key: str | None = None
        self._top_keys: list[str] = []
        self._flags: dict[str, None] = {}
        self._points: deque[_Point] = deque(maxlen=4 * TAIL_POINTS)

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
            self._repeat_runs += 1
            self._repeat_gco2e += gco2e
        key = _key(record)
        self._rows[key] = _with_run(self._rows.get(key), key, record, self._runs, repeat=repeat, client=client)
        self._last_key = key
        # A cell's sum only grows, so the largest three are among the old three and this one: no walk over all rows.
        largest = sorted({*self._top_keys, key}, key=lambda k: self._rows[k].facility_energy_kwh.likely, reverse=True)
        self._top_keys = largest[:TOP_CELLS]
        for flag in record.flags:
            self._flags.pop(flag, None)  # the newest doubt stands last
            self._flags[flag] = None

    def idled(self, cost: Footprint) -> None:
        """What a stretch took in which no cell ran, ours."""
        self._idle_kwh += cost.facility_energy_kwh.likely

    def drew(self, at: float, duration_s: float, shares: Sequence[Share], cost: Footprint) -> None:
        """Our joules of the last `duration_s` seconds up to `at`: the newest part of the curve."""
        if duration_s <= 0.0:
            return
        energy_j: dict[Part, float] = {}
        for share in shares:
            part = PART_OF[share.domain.component]
            energy_j[part] = energy_j.get(part, 0.0) + share.energy_j.likely
        facility_j = j_from_kwh(cost.facility_energy_kwh.likely)
        energy_j["rest"] = max(0.0, facility_j - sum(energy_j.values()))
        point = _Point(at, duration_s, energy_j)
        if self._points and self._points[-1].duration_s + duration_s <= POINT_S:
            point = _joined(self._points.pop(), point)
        self._points.append(point)

    # --- what it looks like -----------------------------------------------------------------------------

    @property
    def runs(self) -> int:
        """Finished runs so far."""
        return self._runs

    def cells_since(self, run: int) -> list[Cell]:
        """The rows that runs after number `run` have changed, oldest change first."""
        return sorted((r.cell for r in self._rows.values() if r.cell["run"] > run), key=lambda cell: cell["run"])

    def snapshot(self, now: Now) -> Snapshot:
        """The next whole snapshot, within `SNAPSHOT_BYTES`."""
        self._seq += 1
        total = self._sum if now.running is None else self._sum.plus(now.running)
        last = None if self._last_key is None or now.running is not None else self._rows[self._last_key].cell
        cost = total.footprint
        flags = [*self._flags, *(now.running.flags if now.running is not None else ())]
        tail, power_w = self._tail(now.at)
        return fitted(
            Snapshot(
                v=VERSION,
                session_id=self._session_id,
                seq=self._seq,
                sent_at=round(now.at, 3),
                period_s=now.period_s,
                metering=now.metering,
                notebook=None if now.notebook is None else clip(now.notebook, 2 * LABEL_CHARS),
                running=None if now.running is None else _running(now.running, now),
                ended=last,
                totals=self._totals(total),
                power_w=power_w if now.running is not None else {},
                tail=tail,
                parts=_parts(now),
                intensity=_intensity(now.context),
                top=self._top(),
                equivalents=[] if cost is None else _like(now, cost),
                flags=[clip(flag, LABEL_CHARS) for flag in dict.fromkeys(flags[-MAX_FLAGS:])],
            )
        )

    def _totals(self, total: _Sum) -> Totals:
        cost = total.footprint
        return Totals(
            since=round(self._since, 3),
            runs=self._runs,
            cells=len(self._rows),
            busy_s=round(total.busy_s, 3),
            quality=total.quality,
            facility_energy_kwh=range_of(cost.facility_energy_kwh if cost else ZERO),
            operational_gco2e=range_of(cost.operational_gco2e if cost else ZERO),
            energy_j=digits(cost.energy_j.likely if cost else 0.0),
            machine_energy_j=digits(cost.machine_energy_j.likely if cost else 0.0),
            idle_energy_kwh=digits(self._idle_kwh),
            embodied_gco2e=_likely(cost.embodied_gco2e if cost else None),
            water_l=_likely(cost.water_l if cost else None),
            repeat_runs=self._repeat_runs,
            repeat_gco2e=digits(self._repeat_gco2e),
        )

    def _tail(self, at: float) -> tuple[Tail, dict[Part, float]]:
        points = [point for point in self._points if at - point.end_at <= TAIL_S][-TAIL_POINTS:]
        columns: dict[Part, list[float]] = {
            part: [digits(point.energy_j.get(part, 0.0) / point.duration_s, 3) for point in points]
            for part in PARTS
            if any(point.energy_j.get(part, 0.0) > 0.0 for point in points)
        }
        tail = Tail(age_s=[round(max(0.0, at - point.end_at), 1) for point in points], power_w=columns)
        return tail, {part: column[-1] for part, column in columns.items()}

    def _top(self) -> list[TopCell]:
        return [
            TopCell(
                key=row.cell["key"],
                cell_id=row.cell["cell_id"],
                label=row.cell["label"],
                execution_count=row.cell["execution_count"],
                runs=row.cell["runs"],
                facility_energy_kwh=row.cell["facility_energy_kwh"]["likely"],
                operational_gco2e=row.cell["operational_gco2e"]["likely"],
                quality=row.cell["quality"],
            )
            for row in (self._rows[key] for key in self._top_keys)
        ]


def _key(record: CellRecord) -> str:
    run = record.run
    if run.cell_id is not None:
        return clip(run.cell_id, LABEL_CHARS)
    return f"src:{run.source_sha1[:8]}" if run.source_sha1 else f"run:{run.id[:16]}"


def _with_run(row: _Row | None, key: str, record: CellRecord, number: int, *, repeat: bool, client: str | None) -> _Row:
    footprint, run = record.footprint, record.run
    quality = quality_of(record.shares)
    kwh = footprint.facility_energy_kwh
    gco2e = footprint.operational_gco2e
    if row is not None:
        kwh = row.facility_energy_kwh.plus_together(kwh)
        gco2e = row.operational_gco2e.plus_together(gco2e)
    old = None if row is None else row.cell
    cell = Cell(
        key=key,
        cell_id=None if run.cell_id is None else clip(run.cell_id, LABEL_CHARS),
        label=None if run.label is None else clip(run.label, LABEL_CHARS),
        execution_count=run.execution_count,
        run=number,
        runs=1 + (old["runs"] if old else 0),
        failed_runs=int(record.status != "ok") + (old["failed_runs"] if old else 0),
        repeat_runs=int(repeat) + (old["repeat_runs"] if old else 0),
        repeat_gco2e=digits(footprint.operational_gco2e.likely * repeat + (old["repeat_gco2e"] if old else 0.0)),
        duration_s=round(record.duration_s + (old["duration_s"] if old else 0.0), 3),
        facility_energy_kwh=range_of(kwh),
        operational_gco2e=range_of(gco2e),
        quality=worst((quality, old["quality"])) or quality if old else quality,
        last=LastRun(
            duration_s=round(record.duration_s, 3),
            facility_energy_kwh=digits(footprint.facility_energy_kwh.likely),
            operational_gco2e=digits(footprint.operational_gco2e.likely),
            quality=quality,
            status=record.status,
            source_sha1=run.source_sha1,
            client=None if client is None else clip(client, LABEL_CHARS),
        ),
    )
    return _Row(cell, kwh, gco2e)


def _running(record: CellRecord, now: Now) -> RunningCell:
    run = record.run
    return RunningCell(
        cell_id=None if run.cell_id is None else clip(run.cell_id, LABEL_CHARS),
        execution_count=run.execution_count,
        label=None if run.label is None else clip(run.label, LABEL_CHARS),
        started_at=round(run.started_at, 3),
        duration_s=round(record.duration_s, 2),
        facility_energy_kwh=digits(record.footprint.facility_energy_kwh.likely),
        operational_gco2e=digits(record.footprint.operational_gco2e.likely),
        quality=quality_of(record.shares),
        client=None if now.client is None else clip(now.client, LABEL_CHARS),
        others=now.others,
    )


def _parts(now: Now) -> list[PartState]:
    """One line for each part: its weakest device says how it is known, and why."""
    states = []
    for part in PARTS[:-1]:
        domains = [domain for domain in now.context.domains if PART_OF[domain.component] == part]
        quality = worst(domain.quality for domain in domains)
        if quality is None:
            continue
        weakest = next(domain for domain in domains if domain.quality == quality)
        reason = None if quality == "measured" else now.reasons.get(weakest.component)
        states.append(
            PartState(
                part=part,
                quality=quality,
                source=clip(weakest.source, LABEL_CHARS),
                reason=None if reason is None else clip(reason, REASON_CHARS),
            )
        )
    wall = now.context.wall
    states.append(PartState(part="rest", quality=wall.quality, source=clip(wall.source, LABEL_CHARS), reason=None))
    return states


def _intensity(context: Context) -> Intensity:
    intensity = context.intensity
    return Intensity(
        gco2e_per_kwh=range_of(intensity.gco2e_per_kwh),
        region=clip(intensity.region, LABEL_CHARS),
        name=clip(intensity.name, LABEL_CHARS),
        basis=intensity.basis,
        method=intensity.method,
        status=intensity.status,
        source=clip(intensity.source, LABEL_CHARS),
        year=intensity.year,
        pue=digits(context.pue.likely),
        pue_source=clip(context.pue_source, LABEL_CHARS),
    )


def _like(now: Now, cost: Footprint) -> list[EquivalentItem]:
    """Comparisons for a total."""
    found = now.equivalents(cost.operational_gco2e.likely, cost.facility_energy_kwh.likely)
    return [
        EquivalentItem(**{**item, "name": clip(item["name"], LABEL_CHARS), "source": clip(item["source"], LABEL_CHARS)})
        for item in found
    ]


def _likely(interval: Interval | None) -> float | None:
    """Unknown is `None`, never 0."""
    return None if interval is None else digits(interval.likely)


def _joined(a: _Point, b: _Point) -> _Point:
    energy_j = {part: a.energy_j.get(part, 0.0) + b.energy_j.get(part, 0.0) for part in {**a.energy_j, **b.energy_j}}
    return replace(b, duration_s=a.duration_s + b.duration_s, energy_j=energy_j)
