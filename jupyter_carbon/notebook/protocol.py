"""What kernel and panel say to each other: snapshots one way, questions and answers the other.  Pure.

A snapshot is whole: the newest one alone is enough to draw everything, a lost one corrupts nothing, and it stays under
4 KB whatever the number of cells.  A field keeps one name, with its unit, in Python, JSON and TypeScript
(`labextension/src/view/protocol.ts` mirrors this page; a test compares the two).  Likely values stand for themselves;
what is believed rather than counted is a range of 5, 50 and 95 %.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypedDict, TypeGuard

from jupyter_carbon.model import Basis, Component, IntensityStatus, Interval, Method, Quality, Status

VERSION: Final = 1
"""Raised when a reader of the old form would draw something wrong; a panel ignores any other version and says so."""

TAIL_POINTS: Final = 60
FEWEST_POINTS: Final = 10
SNAPSHOT_BYTES: Final = 4000
LABEL_CHARS: Final = 60
REASON_CHARS: Final = 140
TOP_CELLS: Final = 3
MAX_EQUIVALENTS: Final = 4
MAX_FLAGS: Final = 6
HISTORY_ROWS: Final = 20
MOST_MINUTES: Final = 366 * 24 * 60

Part = Literal["cpu", "gpu", "memory", "rest"]
PARTS: Final[tuple[Part, ...]] = ("gpu", "cpu", "memory", "rest")
"""In the order of the legend; `rest` is supply losses, board, fans and the building's cooling."""

PART_OF: Final[Mapping[Component, Part]] = {"cpu": "cpu", "gpu": "gpu", "dram": "memory", "ram": "memory"}

_WORST_FIRST: Final[tuple[Quality, ...]] = ("assumed", "modelled", "measured")


class Range(TypedDict):
    """An `Interval`, rounded to four significant digits."""

    low: float
    likely: float
    high: float


class RunningCell(TypedDict):
    """The cell that runs now (the oldest one, where subshells run several)."""

    cell_id: str | None
    execution_count: int | None
    label: str | None
    started_at: float
    """Seconds since the epoch, by the kernel's clock."""
    duration_s: float
    facility_energy_kwh: float
    operational_gco2e: float
    quality: Quality
    client: str | None
    """`header.session` of the request: which page ran it."""
    others: int
    """Cells that run beside it."""


class LastRun(TypedDict):
    """The newest run of a cell."""

    duration_s: float
    facility_energy_kwh: float
    operational_gco2e: float
    quality: Quality
    status: Status
    source_sha1: str | None
    client: str | None


class Cell(TypedDict):
    """One cell of this session, all its runs together."""

    key: str
    cell_id: str | None
    label: str | None
    execution_count: int | None
    run: int
    """The session's number of its newest run: rows with a higher one than the reader has seen are news."""
    runs: int
    failed_runs: int
    repeat_runs: int
    """Runs of a source that had already run to its end in this session."""
    repeat_gco2e: float
    duration_s: float
    facility_energy_kwh: Range
    operational_gco2e: Range
    quality: Quality
    last: LastRun


class TopCell(TypedDict):
    """The short form of :class:`Cell`, for readers that cannot ask now."""

    key: str
    cell_id: str | None
    label: str | None
    execution_count: int | None
    runs: int
    facility_energy_kwh: float
    operational_gco2e: float
    quality: Quality


class Totals(TypedDict):
    """This session so far, all finished cells and the running one."""

    since: float
    runs: int
    cells: int
    busy_s: float
    quality: Quality | None
    facility_energy_kwh: Range
    operational_gco2e: Range
    energy_j: float
    """Ours at the devices, as is the machine's."""
    machine_energy_j: float
    idle_energy_kwh: float
    """Ours while no cell ran; in no cell and not in `facility_energy_kwh`."""
    embodied_gco2e: float | None
    water_l: float | None
    repeat_runs: int
    repeat_gco2e: float


class PartState(TypedDict):
    """How one part of the power is known."""

    part: Part
    quality: Quality
    source: str
    reason: str | None
    """Why it is not measured."""


class Tail(TypedDict):
    """The last minute of power, ours: columns of equal length, oldest first."""

    age_s: list[float]
    """Seconds before `sent_at`."""
    power_w: dict[Part, list[float]]


class Intensity(TypedDict):
    """The grams per kWh in use, and the building's factor."""

    gco2e_per_kwh: Range
    region: str
    name: str
    basis: Basis
    method: Method
    status: IntensityStatus
    source: str
    year: int | None
    pue: float
    pue_source: str


class EquivalentItem(TypedDict):
    """An everyday comparison for the session's total, its value between 0.1 and 1000."""

    value: float
    unit: str
    name: str
    source: str
    year: int | None


class Snapshot(TypedDict):
    """All that a panel needs to draw itself."""

    v: int
    session_id: str
    seq: int
    sent_at: float
    period_s: float
    """Until the next snapshot, while a cell runs."""
    metering: bool
    """False: paused, nothing is measured."""
    notebook: str | None
    running: RunningCell | None
    ended: Cell | None
    """The cell that ended last; only while none runs."""
    totals: Totals
    power_w: dict[Part, float]
    """Now, ours; empty while no cell runs."""
    tail: Tail
    parts: list[PartState]
    intensity: Intensity
    top: list[TopCell]
    equivalents: list[EquivalentItem]
    flags: list[str]


# --- questions and answers ---------------------------------------------------------------------------------

Period = Literal["today", "7d", "30d", "all"]


class Look(TypedDict):
    """A panel looks (or looks away): which notebook it shows, and the newest run it knows of this session."""

    v: int
    ask: Literal["look"]
    looking: bool
    notebook: str | None
    session_id: str | None
    since_run: int


class AskHistory(TypedDict):
    """The ledger, rolled up."""

    v: int
    ask: Literal["history"]
    period: Period
    notebook: str | None
    """The notebook in focus: its part of each bar is told apart."""
    utc_offset_s: int
    """Of the reader: where a day begins."""


class SetMetering(TypedDict):
    """Pause or go on."""

    v: int
    ask: Literal["metering"]
    on: bool


class AskEstimate(TypedDict):
    """What a run would cost, before it runs."""

    v: int
    ask: Literal["estimate"]
    gpu: str | None
    """As people write it; None: this machine."""
    n_gpu: float
    minutes: float
    region: str | None
    """None: where this kernel is."""


class FindingItem(TypedDict):
    """One thing that `doctor` has to say."""

    topic: str
    health: Literal["good", "note", "problem"]
    text: str
    remedy: str | None


class About(TypedDict):
    """The kernel's side: its version, and what it found on this machine."""

    version: str
    findings: list[FindingItem]
    flags: dict[str, str]
    """What each kind of flag means."""


class LookAnswer(TypedDict):
    """Everything a panel may have missed."""

    v: int
    answer: Literal["look"]
    snapshot: Snapshot
    cells: list[Cell]
    about: About


class Bar(TypedDict):
    """One day (or week, or month) of the ledger."""

    start: str
    """ISO date, the reader's own."""
    runs: int
    facility_energy_kwh: float
    operational_gco2e: float
    here_gco2e: float
    """The part of the notebook in focus."""


class NotebookRow(TypedDict):
    """One notebook's part of a period."""

    notebook: str | None
    here: bool
    """It is the notebook in focus."""
    runs: int
    facility_energy_kwh: float
    operational_gco2e: float


class OtherKind(TypedDict):
    """Runs told by another kind of intensity, whose grams are not added to the others."""

    basis: Basis
    method: Method
    status: IntensityStatus
    runs: int
    facility_energy_kwh: float
    operational_gco2e: float


class HistoryAnswer(TypedDict):
    """The ledger over a period."""

    v: int
    answer: Literal["history"]
    period: Period
    as_of: float
    runs: int
    notebooks: int
    facility_energy_kwh: Range
    operational_gco2e: Range
    bar: Literal["hour", "day", "week", "month"]
    bars: list[Bar]
    rows: list[NotebookRow]
    """The largest first, at most `HISTORY_ROWS`."""
    others: list[OtherKind]
    month_gco2e: float
    """Since the first of the reader's month: what a budget is held against."""


class Elsewhere(TypedDict):
    """The same run in another place."""

    region: str
    name: str
    operational_gco2e: float


class Later(TypedDict):
    """The same run at the best start within a day."""

    start: float
    """Seconds since the epoch."""
    operational_gco2e: float
    saving: Range
    """The part of the grams that waiting saves."""
    worth_waiting: bool
    status: IntensityStatus


class EstimateAnswer(TypedDict):
    """What a run would cost."""

    v: int
    answer: Literal["estimate"]
    what: str
    basis: str
    """How its power is known."""
    minutes: float
    region: str
    name: str
    energy_kwh: Range
    operational_gco2e: Range
    embodied_gco2e: float | None
    water_l: float | None
    dominant: str
    """What the range of the grams hangs on most."""
    elsewhere: Elsewhere
    later: Later | None
    """None: nothing tells a better hour, or it is now."""


class ErrorAnswer(TypedDict):
    """A question that could not be answered, and why, in words."""

    v: int
    answer: Literal["error"]
    ask: str
    reason: str


Question = Look | AskHistory | SetMetering | AskEstimate
Answer = LookAnswer | HistoryAnswer | EstimateAnswer | ErrorAnswer


class BadQuestion(ValueError):
    """A question that this version does not understand; the message says why."""


def parse_question(data: object) -> Question:
    """The question in a `comm_open`, checked; raises `BadQuestion`."""
    if not isinstance(data, dict):
        raise BadQuestion("a question is an object")
    if data.get("v") != VERSION:
        raise BadQuestion(f"the panel speaks version {data.get('v')!r}, this kernel {VERSION}")
    ask, notebook = data.get("ask"), data.get("notebook")
    if notebook is not None and not isinstance(notebook, str):
        raise BadQuestion("`notebook` is a path")
    if ask == "look":
        since, session_id, looking = data.get("since_run", 0), data.get("session_id"), data.get("looking")
        if _is_int(since) and isinstance(looking, bool) and (session_id is None or isinstance(session_id, str)):
            return Look(
                v=VERSION, ask="look", looking=looking, notebook=notebook, session_id=session_id, since_run=since
            )
    elif ask == "history":
        period, offset_s = data.get("period"), data.get("utc_offset_s", 0)
        if period in ("today", "7d", "30d", "all") and _is_int(offset_s) and abs(offset_s) <= 86_400:
            return AskHistory(v=VERSION, ask="history", period=period, notebook=notebook, utc_offset_s=offset_s)
    elif ask == "metering" and isinstance(data.get("on"), bool):
        return SetMetering(v=VERSION, ask="metering", on=data["on"])
    elif ask == "estimate":
        return _estimate_question(data)
    raise BadQuestion(f"not understood: {clip(json.dumps(data, default=str), LABEL_CHARS)}")


def _estimate_question(data: Mapping[str, Any]) -> AskEstimate:
    gpu, n_gpu, minutes, region = (data.get(name) for name in ("gpu", "n_gpu", "minutes", "region"))
    for name, word in (("gpu", gpu), ("region", region)):
        if word is not None and not (isinstance(word, str) and 0 < len(word.strip()) <= LABEL_CHARS):
            raise BadQuestion(f"`{name}` is a name")
    n_gpu = 1 if n_gpu is None else n_gpu
    if not _is_number(minutes) or not 0.0 < minutes <= MOST_MINUTES:
        raise BadQuestion(f"minutes={clip(repr(minutes), 20)} is not possible; it must be above 0 and at most a year")
    if not _is_number(n_gpu) or not 0.0 < n_gpu <= 1e6:
        raise BadQuestion(f"n_gpu={clip(repr(n_gpu), 20)} is not possible; it must be above 0 and at most 1,000,000")
    return AskEstimate(v=VERSION, ask="estimate", gpu=gpu, n_gpu=float(n_gpu), minutes=float(minutes), region=region)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# --- small pure helpers ------------------------------------------------------------------------------------

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def clip(text: str, chars: int) -> str:
    """`text` on one line, at most `chars` long and half as many bytes again; marks that cannot be seen become blanks.

    >>> clip("two\\nlines", 20), clip("abcdefgh", 5)
    ('two lines', 'abcd…')
    """
    line = _UNSEEN.sub(" ", text[: 4 * chars]).strip()
    if len(line) <= chars and _wire_bytes(line) <= chars + chars // 2:
        return line
    line = line[: chars - 1]
    while _wire_bytes(line) > chars + chars // 2 - 3:
        line = line[:-1]
    return line.rstrip() + "…"


def _wire_bytes(line: str) -> int:
    """Its length in a message, where quotes and backslashes are written as two."""
    return len(line.encode()) + line.count('"') + line.count("\\")


def digits(value: float, count: int = 4) -> float:
    """`value` to `count` significant digits, no more than a message should say; raises for what is no number.

    >>> digits(0.000123456), digits(98765.4), digits(0)
    (0.0001235, 98770.0, 0.0)
    """
    if value == 0.0:
        return 0.0
    return round(value, count - 1 - math.floor(math.log10(abs(value))))


def range_of(interval: Interval) -> Range:
    """The wire form of an interval."""
    return Range(low=digits(interval.low), likely=digits(interval.likely), high=digits(interval.high))


def worst(qualities: Iterable[Quality]) -> Quality | None:
    """The weakest of them; a sum is known no better than its weakest part."""
    seen = set(qualities)
    return next((quality for quality in _WORST_FIRST if quality in seen), None)


def encoded_bytes(message: Mapping[str, Any]) -> int:
    """Its length on the wire, as Jupyter packs it."""
    return len(json.dumps(message, ensure_ascii=False, allow_nan=False).encode())


def fitted(snapshot: Snapshot) -> Snapshot:
    """The same snapshot within `SNAPSHOT_BYTES`.  Where long names fill it, every second point of the tail goes, and
    where that is not enough, all but the first of each list."""
    while encoded_bytes(snapshot) > SNAPSHOT_BYTES and len(snapshot["tail"]["age_s"]) > FEWEST_POINTS:
        tail = snapshot["tail"]
        # From the newest backwards: the point that is drawn as "now" stays.
        thinner = Tail(
            age_s=tail["age_s"][::-1][::2][::-1],
            power_w={part: column[::-1][::2][::-1] for part, column in tail["power_w"].items()},
        )
        snapshot = Snapshot(**{**snapshot, "tail": thinner})
    if encoded_bytes(snapshot) <= SNAPSHOT_BYTES:
        return snapshot
    return Snapshot(
        **{
            **snapshot,
            "equivalents": snapshot["equivalents"][:1],
            "flags": snapshot["flags"][-1:],
            "top": snapshot["top"][:1],
        }
    )
