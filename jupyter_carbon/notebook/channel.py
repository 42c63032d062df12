"""Between a session and the panels that look at it: what a snapshot holds, and what a question is answered with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

from jupyter_carbon.footprint import facility_j
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.model import LedgerError
from jupyter_carbon.notebook.live import Live, Now
from jupyter_carbon.notebook.protocol import MAX_EQUIVALENTS, VERSION, BadQuestion, digits, parse_question

if TYPE_CHECKING:
    from jupyter_carbon.cell import Cell
    from jupyter_carbon.model import CellRecord, Component, Footprint, Reading
    from jupyter_carbon.notebook.wire import Answer, EquivalentItem, FindingItem, News, Question, Snapshot
    from jupyter_carbon.session import Session

PERIOD_S = 1.0
LOOKED_AT_S = 0.5
"""How often a running cell is told of: by default, and while a panel looks."""

CPU_COUNTERS = ("apple", "rapl")


class Channel:
    """One session, as the panels of all pages see it.  Thread-safe: it is told by the ticker and asked by the shell."""

    def __init__(
        self,
        session: Session,
        publish: Callable[[Snapshot, bytes], None],
        spread: Callable[[News], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`publish` takes each snapshot, and what it is on the wire, on the ticker's thread; `spread` the rows that
        change while a cell runs."""
        self._period_s = PERIOD_S
        self._session, self._publish, self._spread, self._clock = session, publish, spread, clock
        self._lock = threading.RLock()
        self._live = Live(session.id, clock())
        for record in session.account().records:
            self._live.ended(record)
        self.looked_at = False
        """Whether a panel or a widget has ever asked for this session."""
        self._edge: Reading | None = None
        self._folder: str | None = None

    # --- the ticker's part --------------------------------------------------------------------------------

    def settled(self, ended: Sequence[tuple[Cell, CellRecord]], between: Sequence[Footprint]) -> None:
        """Cells have ended; this was used while none ran."""
        with self._lock:
            for cell, record in ended:
                self._live.ended(record, client=cell.client)
            for cost in between:
                self._live.idled(cost)

    def resettled(self, changes: Sequence[tuple[CellRecord, CellRecord]]) -> None:
        """These cells are told anew, by surer intensities."""
        with self._lock:
            for before, after in changes:
                self._live.settled(before, after)

    def ticked(self, reading: Reading, running: Sequence[Cell]) -> None:
        """Draw the stretch since the last tick, and tell every page.

        Who looks at a cell that blocks the kernel cannot say so, and a page that was just opened has never asked.  But
        a cell without an id comes from no page (nbclient, papermill, a script): while it runs and nobody has ever
        looked, nothing is told.
        """
        if running and not self.looked_at and all(cell.run.cell_id is None for cell in running):
            return
        with self._lock:
            self._draw(reading, running)
            news = self._live.news()
        # A single row is in the snapshot once nothing runs; of a kernel that is busy nobody can ask for the others.
        if running or sum(len(some["news"]) for some in news) > 1:
            for some in news:
                self._spread(some)
        self.publish(running)

    def publish(self, running: Sequence[Cell] = ()) -> None:
        """Send a snapshot."""
        self._publish(*self._packed(running))

    def snapshot(self, running: Sequence[Cell] = ()) -> Snapshot:
        """The session as it is now."""
        return self._packed(running)[0]

    def _packed(self, running: Sequence[Cell]) -> tuple[Snapshot, bytes]:
        oldest = min(running, key=lambda cell: cell.run.started_at, default=None)
        session = self._session
        with self._lock:
            now = Now(
                at=self._clock(),
                period_s=self._period_s,
                metering=session.settings.metering,
                context=session.context() if oldest is None else oldest.told or session.context(),
                intensity=session.intensity(None if oldest is None else oldest.region),
                notebook=session.notebook,
                running=None if oldest is None else session.record_of(oldest),
                client=None if oldest is None else oldest.client,
                others=max(0, len(running) - 1),
                reasons=_reasons(session),
                equivalents=_equivalents,
            )
            return self._live.packed(now)

    def _draw(self, reading: Reading, running: Sequence[Cell]) -> None:
        edge, self._edge = self._edge, reading
        # What lay before the oldest cell that runs was idle: two stretches, not one mean of both.
        starts = [cell.running.began for cell in running if cell.running.began is not None]
        first = min(starts, key=lambda began: began.t_s, default=None)
        edges = [edge] if edge is not None else []
        if first is not None and (edge is None or edge.t_s < first.t_s < reading.t_s):
            edges.append(first)
        edges.append(reading)
        at, context = self._clock(), self._session.context()
        for a, b in pairwise(edges):
            window = self._session.meter.between(a, b)
            shares, _ = attribute(window, context)
            seconds = window.duration_s
            self._live.drew(at - (reading.t_s - b.t_s), seconds, shares, facility_j(shares, seconds, context))

    # --- questions ----------------------------------------------------------------------------------------

    def answer(self, data: object, running: Sequence[Cell] = ()) -> Answer:
        """The answer to a question, or why there is none."""
        asked = str(data.get("ask")) if isinstance(data, dict) else ""
        try:
            return self._answer(parse_question(data), running)
        except (BadQuestion, LedgerError) as err:
            return {"v": VERSION, "answer": "error", "ask": asked[:20], "reason": str(err)}

    def _answer(self, question: Question, running: Sequence[Cell]) -> Answer:
        if question["ask"] == "history":
            return self._history(question["period"], question["utc_offset_s"], self._path(question["notebook"]))
        if question["ask"] == "estimate":
            from jupyter_carbon.notebook.ahead import estimate_answer  # noqa: PLC0415  (when somebody asks)

            return estimate_answer(question, self._session)
        if question["ask"] == "outlook":
            from jupyter_carbon.notebook.clock import outlook_answer  # noqa: PLC0415  (when somebody asks)

            return outlook_answer(self._session.outlook(), self._session.context())
        since_run = 0
        if question["ask"] == "metering":
            self._session.settings.metering = question["on"]
        else:
            self.looked_at = True
            self._period_s = LOOKED_AT_S if question["looking"] else PERIOD_S
            self._session.tick_every(self._period_s)
            self._session.notebook = self._path(question["notebook"])
            if question["session_id"] == self._session.id:
                since_run = question["since_run"]
        return self._look(since_run, running)

    def _look(self, since_run: int, running: Sequence[Cell]) -> Answer:
        from jupyter_carbon import __version__  # noqa: PLC0415  (when somebody asks)
        from jupyter_carbon.report.summary import FLAGS  # noqa: PLC0415

        self._session.account()  # what has ended since the last tick is told, and so is in the snapshot
        findings: list[FindingItem] = [
            {"topic": f.topic, "health": f.health, "text": f.text, "remedy": f.remedy}
            for f in self._session.upkeep.findings()
        ]
        with self._lock:
            return {
                "v": VERSION,
                "answer": "look",
                "snapshot": self.snapshot(running),
                "cells": self._live.cells_since(since_run),
                "about": {"version": __version__, "findings": findings, "flags": dict(FLAGS)},
            }

    def _history(self, period: Any, utc_offset_s: int, here: str | None) -> Answer:
        from jupyter_carbon.ledger.book import Ledger  # noqa: PLC0415  (when somebody asks)
        from jupyter_carbon.notebook.past import edges, history_answer, month_start, seconds  # noqa: PLC0415

        now_s = self._clock()
        ledger = Ledger.open(self._session.ledger_path)
        _, starts = edges(period, now_s, utc_offset_s)
        return history_answer(
            ledger.roll_up(seconds(starts, period), here),
            ledger.roll_up([month_start(now_s, utc_offset_s)]),
            period=period,
            now_s=now_s,
            utc_offset_s=utc_offset_s,
            here=here,
        )

    def _path(self, said: str | None) -> str | None:
        """The notebook's path as the ledger knows it; what a panel says is under its server's root, ours may be whole.

        A rename reaches the kernel only this way.
        """
        known = self._session.notebook
        if said is None:
            return known
        if known is not None and self._folder is None and (known == said or known.endswith("/" + said)):
            self._folder = known[: len(known) - len(said)]
        return (self._folder or "") + said


def _equivalents(gco2e: float, energy_kwh: float) -> list[EquivalentItem]:
    """Carbon and energy by turns, as the reader asks for another."""
    from jupyter_carbon.report.equivalents import equivalents  # noqa: PLC0415  (when something has been used)

    kinds = equivalents(gco2e=gco2e), equivalents(energy_kwh=energy_kwh)
    by_turns = [told for pair in zip_longest(*kinds) for told in pair if told is not None]
    return [
        {"value": digits(e.value, 3), "unit": e.unit, "name": e.name, "source": e.source, "year": e.year}
        for e in by_turns[:MAX_EQUIVALENTS]
    ]


def _reasons(session: Session) -> dict[Component, str]:
    """Why the CPU's counter is not in use; memory without a counter is the rule and needs no reason."""
    counters = [refusal for refusal in session.refusals if refusal.source in CPU_COUNTERS]
    worst = max(counters, key=lambda refusal: refusal.remedy is not None, default=None)
    return {} if worst is None else {"cpu": worst.reason}
