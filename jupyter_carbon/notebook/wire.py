"""The forms that kernel and panel exchange, for type checkers: at run time each is a plain dictionary.

`labextension/src/view/protocol.ts` mirrors this page.  Nothing imports it when a kernel runs: to define thirty
`TypedDict`s takes longer than all that a panel needs at its load.  Likely values stand for themselves; what is
believed rather than counted is a range of 5, 50 and 95 %.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from jupyter_carbon.model import Basis, IntensityStatus, Method, Quality, Status

Part = Literal["cpu", "gpu", "memory", "rest"]


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
    exact: bool
    """All grams are by measured slots of the runs' own time."""
    mixed: bool
    """The runs' intensities are of different kinds: `operational_gco2e` is no sum to be told."""
    settled_runs: int
    """Runs that were told anew, by a surer intensity than was known at their end: reason to ask for their rows."""


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


class Grid(TypedDict):
    """Grams per kWh of a place over one span of time."""

    gco2e_per_kwh: Range
    region: str
    name: str
    basis: Basis
    method: Method
    status: IntensityStatus
    source: str
    year: int | None
    start: float | None
    """Of the slot, or of the hour of a profile, in seconds since the epoch; None: the number is a year's."""
    end: float | None


class Intensity(Grid):
    """What the grid carries now, the year's mean beside it, and the building's factor."""

    yearly_gco2e_per_kwh: float
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


class News(TypedDict):
    """Rows that have changed while another cell runs on: sent beside the snapshots, as a kernel that is busy cannot be
    asked for them."""

    v: int
    session_id: str
    since_run: int
    """They are all the rows that runs after this one have changed: who knows of fewer has missed some."""
    news: list[Cell]
    """The oldest run first."""


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


class AskOutlook(TypedDict):
    """The grid now, and in the coming day."""

    v: int
    ask: Literal["outlook"]


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
    interruptible: bool
    """It may stop and go on."""


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
    end: float
    parts: int
    """More than one where it pauses in between."""
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


class Best(TypedDict):
    """The cleanest hour of the coming day, against the hour from now on."""

    start: float
    """Now, where no later hour is cleaner than the next."""
    end: float
    now_gco2e_per_kwh: float
    gco2e_per_kwh: float
    saving: Range
    """The part of the grams that waiting saves."""
    worth_waiting: bool


class Day(TypedDict):
    """The coming day of a grid: columns of equal length, a point each `step_s` from `start` on, g/kWh."""

    start: float
    step_s: float
    low: list[float]
    likely: list[float]
    high: list[float]
    basis: Basis
    method: Method
    status: IntensityStatus
    source: str
    best: Best | None
    """None: less than an hour is known."""


class OutlookAnswer(TypedDict):
    """The grid's clock."""

    v: int
    answer: Literal["outlook"]
    as_of: float
    now: Intensity
    day: Day | None
    """None: nothing tells one coming hour from another."""
    marginal: Grid | None
    """What one more kWh changes now: another quantity, in no sum; None where no source tells it."""
    asking: bool
    """A source is being asked just now: the same question in a while knows more."""


class ErrorAnswer(TypedDict):
    """A question that could not be answered, and why, in words."""

    v: int
    answer: Literal["error"]
    ask: str
    reason: str


Question = Look | AskHistory | SetMetering | AskEstimate | AskOutlook
Answer = LookAnswer | HistoryAnswer | EstimateAnswer | OutlookAnswer | ErrorAnswer
