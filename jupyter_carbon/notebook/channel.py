"""Between a session and the panels that look at it: snapshots go out, questions come in.

Snapshots are raw `comm_msg`s on one id that nobody opens: they reach every page and survive a reload, and the kernel's
busy indicator stays right (an opened comm on a subshell makes JupyterLab show an idle kernel).  Nothing here runs on a
cell's path, and the modules that know what a snapshot looks like are imported on the ticker's thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipykernel.ipkernel import IPythonKernel

    from jupyter_carbon.model import CellRecord, Component, Footprint, Reading
    from jupyter_carbon.notebook.protocol import Answer, EquivalentItem, Question, Snapshot
    from jupyter_carbon.session import Cell, Session

log = logging.getLogger("jupyter_carbon")

Look = Callable[["Snapshot"], None]
"""Takes a snapshot, on the ticker's thread."""

COMM_ID = "jupyter-carbon-live"
"""Snapshots are `comm_msg`s on this id.  Nobody opens it: front ends that do not know us drop them without a word."""

TARGET = "jupyter_carbon"
"""Questions are `comm_open`s on this target."""

PERIOD_S = 1.0
LOOKED_AT_S = 0.5
"""How often a running cell is told of: by default, and while a panel looks."""

PATIENCE_S = 5.0
"""How long a question waits for a session that is still opening its drivers."""

CPU_COUNTERS = ("apple", "rapl")


class Channel:
    """One session, as the panels of all pages see it.  Thread-safe: it is told by the ticker and asked by the shell."""

    def __init__(self, session: Session, publish: Look, *, clock: Callable[[], float] = time.time) -> None:
        from jupyter_carbon.notebook.live import Live  # noqa: PLC0415  (on the ticker's thread)

        self._period_s = PERIOD_S
        self._session, self._publish, self._clock = session, publish, clock
        self._lock = threading.RLock()
        self._live = Live(session.id, clock())
        for record in session.account().records:
            self._live.ended(record)
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

    def ticked(self, reading: Reading, running: Sequence[Cell]) -> None:
        """Draw the stretch since the last tick, and tell every page."""
        with self._lock:
            self._draw(reading, running)
        self.publish(running)

    def publish(self, running: Sequence[Cell] = ()) -> None:
        """Send a snapshot."""
        self._publish(self.snapshot(running))

    def snapshot(self, running: Sequence[Cell] = ()) -> Snapshot:
        """The session as it is now."""
        from jupyter_carbon.notebook.live import Now  # noqa: PLC0415  (imported by now)

        oldest = min(running, key=lambda cell: cell.run.started_at, default=None)
        session = self._session
        with self._lock:
            now = Now(
                at=self._clock(),
                period_s=self._period_s,
                metering=session.settings.metering,
                context=session.context() if oldest is None else oldest.told or session.context(),
                notebook=session.notebook,
                running=None if oldest is None else session.record_of(oldest),
                client=None if oldest is None else oldest.client,
                others=max(0, len(running) - 1),
                reasons=_reasons(session),
                equivalents=_equivalents,
            )
            return self._live.snapshot(now)

    def _draw(self, reading: Reading, running: Sequence[Cell]) -> None:
        from jupyter_carbon.footprint import footprint  # noqa: PLC0415  (imported by now)
        from jupyter_carbon.meter.attribution import attribute  # noqa: PLC0415

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
            cost = footprint(shares, window.duration_s, context)
            self._live.drew(at - (reading.t_s - b.t_s), window.duration_s, shares, cost)

    # --- questions ----------------------------------------------------------------------------------------

    def answer(self, data: object, running: Sequence[Cell] = ()) -> Answer:
        """The answer to a question, or why there is none."""
        from jupyter_carbon.model import LedgerError  # noqa: PLC0415  (long imported)
        from jupyter_carbon.notebook.protocol import (  # noqa: PLC0415  (when somebody asks)
            VERSION,
            BadQuestion,
            ErrorAnswer,
            parse_question,
        )

        asked = str(data.get("ask")) if isinstance(data, dict) else ""
        try:
            return self._answer(parse_question(data), running)
        except (BadQuestion, LedgerError) as err:
            return ErrorAnswer(v=VERSION, answer="error", ask=asked[:20], reason=str(err))

    def _answer(self, question: Question, running: Sequence[Cell]) -> Answer:
        if question["ask"] == "history":
            return self._history(question["period"], question["utc_offset_s"], self._path(question["notebook"]))
        if question["ask"] == "estimate":
            from jupyter_carbon.notebook.ahead import estimate_answer  # noqa: PLC0415  (when somebody asks)

            return estimate_answer(question, self._session)
        since_run = 0
        if question["ask"] == "metering":
            self._session.settings.metering = question["on"]
        else:
            self._period_s = LOOKED_AT_S if question["looking"] else PERIOD_S
            self._session.tick_every(self._period_s)
            self._session.notebook = self._path(question["notebook"])
            if question["session_id"] == self._session.id:
                since_run = question["since_run"]
        return self._look(since_run, running)

    def _look(self, since_run: int, running: Sequence[Cell]) -> Answer:
        from jupyter_carbon import __version__  # noqa: PLC0415
        from jupyter_carbon.notebook.protocol import VERSION, About, FindingItem, LookAnswer  # noqa: PLC0415
        from jupyter_carbon.report.summary import FLAGS  # noqa: PLC0415

        self._session.account()  # what has ended since the last tick is told, and so is in the snapshot
        findings = [
            FindingItem(topic=f.topic, health=f.health, text=f.text, remedy=f.remedy) for f in self._session.findings()
        ]
        with self._lock:
            return LookAnswer(
                v=VERSION,
                answer="look",
                snapshot=self.snapshot(running),
                cells=self._live.cells_since(since_run),
                about=About(version=__version__, findings=findings, flags=dict(FLAGS)),
            )

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
    from jupyter_carbon.notebook.protocol import MAX_EQUIVALENTS, EquivalentItem, digits  # noqa: PLC0415  (imported)
    from jupyter_carbon.report.equivalents import equivalents  # noqa: PLC0415

    kinds = equivalents(gco2e=gco2e), equivalents(energy_kwh=energy_kwh)
    by_turns = [told for pair in zip_longest(*kinds) for told in pair if told is not None]
    return [
        EquivalentItem(value=digits(e.value, 3), unit=e.unit, name=e.name, source=e.source, year=e.year)
        for e in by_turns[:MAX_EQUIVALENTS]
    ]


def _reasons(session: Session) -> dict[Component, str]:
    """Why the CPU's counter is not in use; memory without a counter is the rule and needs no reason."""
    counters = [refusal for refusal in session.refusals if refusal.source in CPU_COUNTERS]
    worst = max(counters, key=lambda refusal: refusal.remedy is not None, default=None)
    return {} if worst is None else {"cpu": worst.reason}


class Connection:
    """A kernel whose session panels may look at, from here until `close`."""

    def __init__(self, kernel: IPythonKernel, session: Session) -> None:
        self.session = session
        self.looks: list[Look] = []
        """Who else wants each snapshot: the widgets of this kernel."""
        self.kernel = kernel
        self._channel: Channel | None = None
        self._ready = threading.Event()
        kernel.comm_manager.register_target(TARGET, self._asked)
        session.settings.observe(self._switched, names=["metering"])
        session.watch(self._comes)

    def close(self) -> None:
        """From now on questions find nobody."""
        self.kernel.comm_manager.unregister_target(TARGET, self._asked)

    def channel(self) -> Channel | None:
        """The channel, as soon as the session's drivers have answered; None when they take too long."""
        return self._channel if self._ready.wait(PATIENCE_S) else None

    def send(self, comm_id: str, data: Mapping[str, Any]) -> None:
        """Put a message on a comm, from any thread and in nobody's name."""
        from zmq import ZMQError  # noqa: PLC0415  (a kernel holds it)

        wire = self.kernel.session
        if wire is None or not self.session.is_of_this_process:  # a forked child's words would land in the cell
            return
        try:
            wire.send(
                self.kernel.iopub_socket,
                "comm_msg",
                {"comm_id": comm_id, "data": data},
                parent={},
                ident=f"comm-{comm_id}".encode(),
            )
        except ZMQError as err:
            log.debug("nobody hears: the kernel goes down", exc_info=err)

    def _publish(self, snapshot: Snapshot) -> None:
        self.send(COMM_ID, snapshot)
        for look in self.looks:
            look(snapshot)

    def _comes(self) -> Channel:
        self._channel = channel = Channel(self.session, self._publish)
        self._ready.set()
        return channel

    def _asked(self, comm: Any, message: Mapping[str, Any]) -> None:
        # A ledger may hold many years: the shell, where the next cell waits, is not kept.
        ask = partial(self._tell, comm.comm_id, message["content"].get("data"))
        threading.Thread(target=self.session.boundary.run, args=(ask,), name="carbon-answer", daemon=True).start()

    def _tell(self, comm_id: str, question: object) -> None:
        channel = self.channel()
        if channel is not None:
            self.send(comm_id, channel.answer(question, self.session.open_cells))

    def _switched(self, _: object) -> None:
        if self._channel is not None:
            self.session.boundary.run(partial(self._channel.publish, self.session.open_cells))
