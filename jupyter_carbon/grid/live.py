"""The refresher: asks live sources for new slots on a thread of its own, that nobody ever waits for.

One daemon thread `carbon-grid`, started by the ticker when something is due and gone after its round; at most one is
alive, whatever a resolver or a server does to it.  It exists only for places that a person named and that a source
serves.  Failures are waited out longer and longer, and shared with the other kernels through the cache.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jupyter_carbon.grid import MARGINAL, PROVIDERS, static
from jupyter_carbon.grid.cache import KEPT_S, Cache, Stored, merged
from jupyter_carbon.grid.hourly import profile
from jupyter_carbon.grid.lifecycle import converted
from jupyter_carbon.grid.providers import FORECAST, Chosen, NoAnswer, Question, Request, Response, choose, key_of
from jupyter_carbon.grid.region import Region
from jupyter_carbon.grid.series import Series
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.model import CarbonIntensity, Interval, Method
from jupyter_carbon.value import value

log = logging.getLogger(__name__)

Fetch = Callable[[Request], Response]

PAST = timedelta(hours=24)
COMING = timedelta(hours=48)
OVERLAP_S = 7200.0  # what was the newest then may have been a forecast

LATE_S = 60.0
"""A random delay of up to this, so that the kernels of a Hub do not all ask at :00 and :30."""

FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, 3600.0
"""After the first failure, and after many: doubled each time."""

LONGEST_RETRY_S = 86_400.0
"""What a source itself may ask for at most."""

BESIDE_S = 20.0
"""How soon to look again when another process is asking just now."""

ENOUGH_PAIRS = 48
"""Forecasts with their actuals, to tell how good a source's forecasts are: a day of half-hours."""

WRONG_CLOCK_S = 300.0
"""A machine's clock that differs by more from a source's is wrong: a slot may be as short as this."""


@value
class State:
    """How a live source is doing: whose numbers, of which place, how far they reach, what went wrong last."""

    credit: str
    name: str
    reaches: str | None
    trouble: str
    skew_s: float


class Feed:
    """One source for one place: when to ask it, what to do with its answer.  Its round runs on one thread at a time."""

    def __init__(
        self, chosen: Chosen, timeline: Timeline, cache: Cache, *, environ: Mapping[str, str], keyring: bool
    ) -> None:
        self.chosen, self.timeline, self.trouble = chosen, timeline, ""
        self._cache, self._environ, self._keyring = cache, environ, keyring
        self._stored = Stored()
        self._next_s = 0.0
        self._late_s = random.uniform(0.0, LATE_S)  # noqa: S311  (spreads load, keeps no secret)
        self._denied: set[str] = set()
        self._denied_key: str | None = None

    @property
    def state(self) -> State:
        """For a person who asks."""
        line = self.timeline
        reaches = line.live.slots[-1].end if line.live is not None and line.live.slots else None
        return State(self.chosen.provider.CREDIT, line.place.name, reaches, self.trouble, line.skew_s)

    def warm_up(self) -> None:
        """Begin with what is on disk."""
        stored = self._cache.read()
        if stored is not None:
            self._adopt(stored)

    def is_due(self, now_s: float) -> bool:
        """Whether to look for news.  A key that was refused and is another now may be tried at once; a moment farther
        off than any wait was set by a clock that was wrong."""
        if self._denied and self._named_key() != self._denied_key:
            return True
        return not 0.0 < self._next_s - now_s < 2.0 * LONGEST_RETRY_S

    def _named_key(self) -> str | None:
        return key_of(self.chosen.name, self._environ, keyring=False)

    def round(self, fetch: Fetch, clock: Callable[[], float]) -> bool:
        """Look on disk, then ask; whether there is anything new."""
        with self._cache.locked() as ours:
            stored = self._cache.read()
            if stored is not None:
                self._adopt(stored)
            if not self.is_due(clock()):
                return stored is not None
            if not ours:
                self._next_s = clock() + BESIDE_S
                return stored is not None
            return self._ask(fetch, clock) or stored is not None

    def _ask(self, fetch: Fetch, clock: Callable[[], float]) -> bool:
        key = key_of(self.chosen.name, self._environ, keyring=self._keyring) if self.chosen.provider.NEEDS_KEY else None
        if self._named_key() != self._denied_key:
            self._denied.clear()
        question = self._question(clock(), key)
        slots: list[CarbonIntensity] = []
        refused: list[NoAnswer] = []
        for request in self._requests(question, fetch, refused):
            try:
                response = fetch(request)
                self._look_at_clock(response, clock())
                slots += self._parsed(response.body, question)
            except NoAnswer as err:
                refused.append(err)
                if err.denied:
                    self._denied.add(request.part)
                    self._denied_key = self._named_key()
        if not slots and not refused:
            refused.append(NoAnswer("an answer without slots"))
        self.trouble = "; ".join(dict.fromkeys(str(err) for err in refused))
        if not slots:
            self._failed(refused, clock())
            return False
        stored = Stored(merged(self._stored.slots, slots, clock()), clock())
        self._cache.write(stored)
        self._adopt(stored)
        return True

    def _question(self, now_s: float, key: str | None) -> Question:
        """From where the last answer ended, if that is long ago: what lies between may settle old rows."""
        since_s = self._stored.retrieved_s - OVERLAP_S
        oldest_s = max(now_s - KEPT_S, min(since_s, now_s - PAST.total_seconds()))
        if not self._stored.slots:
            oldest_s = now_s - PAST.total_seconds()
        start, now = (datetime.fromtimestamp(at_s // 1800.0 * 1800.0, timezone.utc) for at_s in (oldest_s, now_s))
        return Question(self.timeline.place, self.chosen.zone, start, now, now + COMING, key)

    def _requests(self, question: Question, fetch: Fetch, refused: list[NoAnswer]) -> list[Request]:
        provider = self.chosen.provider
        login = getattr(provider, "login", None)
        if login is not None and question.key is not None:
            try:
                token = provider.token(fetch(login(question.key)).body)  # type: ignore[attr-defined]
            except NoAnswer as err:
                refused.append(err)
                return []
            question = replace(question, key=token)
        return [request for request in provider.request(question) if request.part not in self._denied]

    def _parsed(self, body: bytes, question: Question) -> list[CarbonIntensity]:
        try:
            return self.chosen.provider.parse(body, question)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as err:
            # From None: the text of the cause may quote what was asked.
            raise NoAnswer(f"an answer of another shape ({type(err).__name__})") from None

    def _look_at_clock(self, response: Response, now_s: float) -> None:
        if response.server_s is not None:
            skew_s = response.server_s - now_s
            self.timeline.skew_s = skew_s if abs(skew_s) > WRONG_CLOCK_S else 0.0

    def _failed(self, refused: list[NoAnswer], now_s: float) -> None:
        failures = self._stored.failures + 1
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
        if self._denied:
            wait_s = LONGEST_WAIT_S  # this process asks no more until the key changes, the others now and then
        asked_s = max((err.retry_after_s or 0.0 for err in refused), default=0.0)
        wait_s = max(wait_s, min(asked_s, LONGEST_RETRY_S))
        stored = Stored(self._stored.slots, self._stored.retrieved_s, now_s + wait_s, failures)
        log.debug("%s: %s", self.chosen.name, self.trouble or "not asked: the key was refused")
        self._cache.write(stored)
        self._stored, self._next_s = stored, now_s + wait_s

    def _adopt(self, stored: Stored) -> None:
        if stored.slots != self._stored.slots:
            place, yearly = self.timeline.place, self.timeline.yearly
            slots = converted(stored.slots, place, yearly) if yearly is not None else list(stored.slots)
            self.timeline.live = Series(slots)
            self.timeline.forecast_doubt = doubt_of_forecasts(slots)
        self._stored = stored
        due_s = stored.retrieved_s + self.chosen.provider.PERIOD_S + self._late_s if stored.retrieved_s else 0.0
        self._next_s = max(due_s, stored.not_before_s)


def doubt_of_forecasts(slots: Sequence[CarbonIntensity]) -> Interval:
    """What came, over what had been forecast, at 5 and 95 % of the slots that have both; never narrower than others'
    forecasts, as a past slot's forecast is its last one."""
    forecast = {slot.start: slot.gco2e_per_kwh.likely for slot in slots if slot.status == "forecast"}
    ratios = sorted(
        slot.gco2e_per_kwh.likely / forecast[slot.start]
        for slot in slots
        if slot.status != "forecast" and forecast.get(slot.start, 0.0) > 0.0
    )
    if len(ratios) < ENOUGH_PAIRS:
        return FORECAST
    low, high = ratios[len(ratios) // 20], ratios[-1 - len(ratios) // 20]
    return Interval(max(1e-3, min(FORECAST.low, low)), 1.0, max(FORECAST.high, high))


class Live:
    """The timelines of the places that are asked about, and the thread that keeps them fresh.

    Making a timeline reads tables and the cache: off the cell's path.  Reading one is memory only.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        *,
        enabled: bool = True,
        provider: str = "",
        area: str = "",
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
        on_news: Callable[[], None] = lambda: None,
        guard: Callable[[Callable[[], None]], object] = lambda work: work(),
        whole: AbstractContextManager[object] | None = None,
    ) -> None:
        """`on_news` is called on the thread after a round that brought something; `guard` runs a round, and keeps a
        fault of ours from being printed into a cell; within `whole` no fork of the user's cuts an import in half."""
        self._folder, self._environ = folder, environ
        self._enabled, self._provider, self._area = enabled, provider, area
        self._fetch, self._clock, self._on_news, self._guard = fetch, clock, on_news, guard
        self._whole: AbstractContextManager[object] = nullcontext() if whole is None else whole
        self._timelines: dict[tuple[str, str, Method], Timeline] = {}
        self.feeds: list[Feed] = []
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._lock = threading.Lock()

    def timeline(self, place: Region, method: Method = "average") -> Timeline:
        """The timeline of a place; the same one each time."""
        key = (place.code, place.how, method)
        with self._lock:  # a place has one source, whoever asks first
            if key not in self._timelines:
                # A keyring that opens a window, for a source that was named, does it once and at the first question.
                others: tuple[Method, ...] = ("average", "marginal") if self._provider else (method,)
                for each in others:
                    self._timelines[place.code, place.how, each] = self._made(place, each)
            return self._timelines[key]

    def _made(self, place: Region, method: Method) -> Timeline:
        average = method == "average"
        timeline = Timeline(place, static.intensity(place) if average else None, profile(place) if average else None)
        # A place that nobody named is nobody's business: no live source hears of it.
        if self._enabled and place.how == "given":
            self._feed(timeline, method)
        return timeline

    def _feed(self, timeline: Timeline, method: Method) -> None:
        place = timeline.place
        names = PROVIDERS if method == "average" else MARGINAL
        chosen = choose(
            place, wanted=self._provider, area=self._area, method=method, environ=self._environ, names=names
        )
        if chosen is None:
            return
        provider = chosen.provider
        part = chosen.zone if self._area else ""
        cache = Cache(self._folder, chosen.name, place, method, provider.CREDIT, part=part)
        feed = Feed(chosen, timeline, cache, environ=self._environ, keyring=bool(self._provider))
        feed.warm_up()
        timeline.is_fed = True
        self.feeds.append(feed)

    @property
    def is_asking(self) -> bool:
        """Whether a round is under way."""
        return self._thread is not None and self._thread.is_alive()

    def refresh_soon(self) -> bool:
        """Start a round if something is due and none is under way; returns at once."""
        if not self.feeds or self.is_asking:
            return False
        now_s = self._clock()
        due = [feed for feed in self.feeds if feed.is_due(now_s)]
        if not due:
            return False
        self._over.clear()
        self._thread = threading.Thread(target=self._run, args=(due,), name="carbon-grid", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no threads here (Pyodide), or the interpreter is ending
            self._thread = None
            self._over.set()
            return False
        return True

    def refresh_within(self, wait_s: float) -> None:
        """Start a round if one is due, and give it this long: for a person who asks, never on the cell's path."""
        if self.refresh_soon() or self.is_asking:
            self._over.wait(wait_s)

    def _run(self, feeds: list[Feed]) -> None:
        try:
            self._guard(lambda: self._round(feeds))
        finally:
            self._over.set()

    def _round(self, feeds: list[Feed]) -> None:
        if self._fetch is None:
            with self._whole:
                # Some 30 ms, on this thread alone.
                from jupyter_carbon.grid.providers.http import fetch  # noqa: PLC0415

            self._fetch = fetch
        news = False
        for feed in feeds:
            news = feed.round(self._fetch, self._clock) or news
        self._over.set()
        if news:
            self._on_news()
