"""The hours of a session's cells: what their electricity carried then, and what is known of that better by now.

`of` is on the cell's path and memory only.  Timelines are made, refreshed and settled with on the ticker's thread, and
only for places that a person named or a cloud's own files tell: a guessed place has no hours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonError, CarbonIntensity, CellRecord, Context, Window

if TYPE_CHECKING:
    from jupyter_carbon.account import Account
    from jupyter_carbon.grid.live import Live, State
    from jupyter_carbon.grid.timeline import Timeline
    from jupyter_carbon.ledger.book import Ledger

STEP_S = 300.0
"""A run's energy is noted at this pace: the shortest slot of any source; the slots of all others are made of it."""

SETTLED_S = 8 * 86_400.0
"""How far back rows are settled: as long as sources' slots are kept."""

Course = tuple[tuple[float, float], ...]


class Growth:
    """How the energy of a run grew: a point at each step of the clock that it lives to see."""

    __slots__ = ("_points", "_started_s")

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._points: list[tuple[float, float]] = []

    def tick(self, window: Window, context: Context) -> None:
        """The run so far; nothing is noted but once a step.  On the ticker's thread."""
        elapsed_s = window.duration_s if window.elapsed_s is None else window.elapsed_s
        last_s = self._points[-1][0] if self._points else 0.0
        if (self._started_s + elapsed_s) // STEP_S > (self._started_s + last_s) // STEP_S:
            self._points.append((elapsed_s, _energy_j(window, context)))

    def course(self, window: Window, context: Context) -> Course:
        """Each point as a part of the run's whole energy; empty for a run that saw no step."""
        if not self._points:
            return ()
        total_j = _energy_j(window, context)
        course, least = [], 0.0
        for at_s, energy_j in self._points:
            least = max(least, min(1.0, energy_j / total_j)) if total_j > 0.0 else least
            course.append((round(at_s, 3), round(least, 6)))
        return tuple(course)


def _energy_j(window: Window, context: Context) -> float:
    from jupyter_carbon.footprint import energy_j  # noqa: PLC0415  (the ticker's thread has imported it)

    return energy_j(window, context)


class Hours:
    """What is known of the hours of the places that the session's cells run in."""

    def __init__(self, make: Callable[[], Live], place_of: Callable[[str | None], Region]) -> None:
        self._make, self._place_of = make, place_of
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._timelines: dict[str | None, Timeline | None] = {}
        self._unsettled = False

    # --- on the cell's path ---------------------------------------------------------------------------------

    def of(self, region: str | None, start_s: float, elapsed_s: float, course: Course = ()) -> CarbonIntensity | None:
        """The intensity of a run's own time; None where no more than the year is known, or not yet."""
        timeline = self._timelines.get(region)
        if timeline is None:
            return None
        try:
            intensity = timeline.over(start_s, start_s + elapsed_s, course)
        except CarbonError:  # two kinds of number over one run have no mean
            return None
        return None if intensity is timeline.yearly else intensity

    def knows(self, region: str | None) -> bool:
        """Whether more than the year is known of a place, or may come to be."""
        return self._timelines.get(region) is not None

    def clock_is_wrong(self, region: str | None) -> bool:
        """Whether the source says that this machine's clock is off by a slot or more; the slots are found all the
        same, as by how much is known."""
        timeline = self._timelines.get(region)
        return timeline is not None and timeline.skew_s != 0.0

    # --- off the path ---------------------------------------------------------------------------------------

    @property
    def live(self) -> Live:
        """The timelines' maker; made when first asked."""
        with self._lock:
            if self._live is None:
                self._live = self._make()
            return self._live

    @property
    def states(self) -> tuple[State, ...]:
        """How the live sources in use are doing."""
        return () if self._live is None else tuple(feed.state for feed in self._live.feeds)

    def timeline(self, region: str | None = None) -> Timeline:
        """The timeline of a place, whatever is known of it."""
        return self.live.timeline(self._place_of(region))

    def look(self, regions: Iterable[str | None]) -> None:
        """Know the hours of these places from now on, and ask for news where it is time to."""
        for region in regions:
            if region not in self._timelines:
                place = self._place_of(region)
                known = None
                if place.how not in ("time zone", "default"):
                    known = self.live.timeline(place)
                    self._unsettled = True
                self._timelines[region] = known if known is not None and _has_hours(known) else None
        if self._live is not None:
            self._live.refresh_soon()

    def forget(self) -> None:
        """The settings have changed: other places, sources or keys."""
        with self._lock:
            self._live = None
            self._timelines = {}

    def has_news(self) -> None:
        """A source has told something: what was told before may be settled."""
        self._unsettled = True

    @property
    def has_unsettled(self) -> bool:
        """Whether a source has told something since cells were settled."""
        return self._unsettled

    def settle(self, account: Account) -> list[tuple[CellRecord, CellRecord]]:
        """Tell the session's cells with what is known better by now: each that changes, before and after."""
        by_place = self._by_place()

        def better(record: CellRecord) -> CarbonIntensity | None:
            timeline = by_place.get(record.intensity.region)
            start_s = record.run.started_at
            if timeline is None or {"clock-wrong", "region-guessed"} & {*record.flags}:
                return None
            return _surer(timeline, record.intensity, start_s, start_s + record.duration_s, record.course)

        return account.resettle(better)

    def settle_rows(self, ledger: Ledger) -> None:
        """The same for every row of the ledger; raises `LedgerError`."""
        self._unsettled = False
        for code, timeline in self._by_place().items():
            ledger.settle(time.time() - SETTLED_S, code, partial(_surer, timeline))

    def _by_place(self) -> dict[str, Timeline]:
        return {known.place.code: known for known in self._timelines.values() if known is not None}


def _has_hours(timeline: Timeline) -> bool:
    """Whether anything but the year is known of it, or may come to be."""
    return timeline.live is not None or timeline.profile is not None or timeline.is_fed


def _surer(
    timeline: Timeline, before: CarbonIntensity, start_s: float, end_s: float, course: Course
) -> CarbonIntensity | None:
    from jupyter_carbon.grid.timeline import surer  # noqa: PLC0415  (a timeline is here, so is its module)

    if timeline.skew_s:  # by the machine's clock of then, which may have been right
        return None
    try:
        intensity = timeline.over(start_s, end_s, course)
    except CarbonError:
        return None
    return intensity if surer(intensity, before) else None
