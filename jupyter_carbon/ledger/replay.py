"""A journal read back: the lines of a session told as records."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from jupyter_carbon import footprint
from jupyter_carbon.ledger.journal import CHECKPOINT_S, FORMAT
from jupyter_carbon.ledger.liveness import Writer, is_dead, lock
from jupyter_carbon.model import (
    CarbonIntensity,
    CellRecord,
    CellRun,
    Context,
    Domain,
    Interval,
    Share,
    Status,
    Window,
    intensity_from_dict,
)
from jupyter_carbon.turns import in_turns
from jupyter_carbon.value import value

log = logging.getLogger(__name__)


@value
class Counted:
    """A run as the journal tells it: what was counted, and the context to make a record of it."""

    run: CellRun
    window: Window | None
    status: Status
    context: Context
    intensity: CarbonIntensity | None = None
    course: tuple[tuple[float, float], ...] = ()
    has_ended: bool = False
    """Also one that will be told once more, because its devices may go on."""

    def record(self) -> CellRecord:
        """The row.  Of a run that was killed, the time after its last checkpoint is assumed."""
        if self.status == "crashed":
            return _crashed(self)
        window = self.window or Window(0.0, {}, 0.0, 0.0)
        return footprint.record(self.run, window, self.status, self.context, self.intensity, self.course)


class Replay:
    """Reads one journal, and what was appended to it since the last `read`.

    A torn line costs itself and no other; a whole one that cannot be understood is skipped too, and counted
    (`unreadable`).  A journal of a later format is left alone: `foreign`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.foreign = False
        self.last: Literal["moved", "closed"] | None = None
        self.unreadable = 0
        self._session_id = ""
        self._offset = 0
        self._contexts: dict[int, Context] = {}
        self._open: dict[str, Counted] = {}

    def read(self) -> list[Counted]:
        """The runs that have ended since the last call."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            lines, newline, _torn = file.read().rpartition(b"\n")
        self._offset += len(lines) + len(newline)
        return [ended for line in in_turns(lines.split(b"\n")) if line and (ended := self._take(line))]

    def running(self) -> list[Counted]:
        """The runs that began and did not end, with their last checkpoint."""
        return [run for run in self._open.values() if not run.has_ended]

    def crashed(self) -> list[Counted]:
        """The same, when nobody goes on with them."""
        return [] if self.last == "moved" else [replace(run, status="crashed") for run in self.running()]

    def unsettled(self) -> list[Counted]:
        """The runs that have ended and may be told once more, here or in the file that this one was left for."""
        return [] if self.last == "moved" else [run for run in self._open.values() if run.has_ended]

    def _take(self, line: bytes) -> Counted | None:
        if self.foreign:
            return None
        try:
            whole = json.loads(line)
        except ValueError:  # torn; what it should have said was written again, or is lost with its session
            return None
        try:
            kind, *fields = whole
            return self._understand(kind, fields)
        except (ValueError, TypeError, KeyError, IndexError):
            self.unreadable += 1
            log.debug("a line of %s is not readable", self.path, exc_info=True)
            return None

    def _understand(self, kind: str, fields: list[Any]) -> Counted | None:
        if kind == "begin":
            run_id, number, cell_id, notebook, label, execution_count, started_at, source_sha1 = fields
            run = CellRun(
                id=run_id,
                session_id=self._session_id,
                cell_id=_clean(cell_id),
                notebook=_clean(notebook),
                label=_clean(label),
                execution_count=execution_count,
                started_at=started_at,
                source_sha1=source_sha1,
            )
            self._open[run_id] = Counted(run, None, "ok", self._contexts[number])
        elif kind == "checkpoint":
            self._open[fields[0]] = self._with_window(fields)
        elif kind == "tail":
            self._open[fields[0]] = replace(self._with_window(fields), has_ended=True)
        elif kind == "end":
            ended = self._with_window(fields)
            del self._open[fields[0]]
            return ended
        elif kind == "context":
            self._contexts[fields[0]] = Context.from_dict(fields[1])
        elif kind == "journal":
            version, self._session_id, *_writer = fields
            self.foreign = version != FORMAT
        elif kind == "moved":
            self.last = "moved"
        elif kind == "closed":
            self.last = "closed"
        return None

    def _with_window(self, fields: list[Any]) -> Counted:
        run_id, status, numbers, learned, gpu_busy_s, elapsed_s, flags, after, *grid = fields
        begun = self._open[run_id]
        duration_s, tree_cpu_s, machine_busy_s, *energy_j = numbers
        idle_w, recent_w, j_per_cpu_s, gpu_presence, edge_s, filled_s, wander_j = learned
        domains = begun.context.domains
        window = Window(
            duration_s=duration_s,
            energy_j={domain: joules for domain, joules in zip(domains, energy_j, strict=True) if joules is not None},
            tree_cpu_s=tree_cpu_s,
            machine_busy_s=machine_busy_s,
            idle_w=idle_w,
            recent_w=recent_w,
            j_per_cpu_s=j_per_cpu_s,
            gpu_busy_s={device: (own_s, all_s) for device, (own_s, all_s) in gpu_busy_s.items()},
            gpu_presence=gpu_presence,
            flags=tuple(flags),
            elapsed_s=elapsed_s,
            edge_s=edge_s,
            filled_s=filled_s,
            wander_j=wander_j,
            after=after and _after(domains, *after),
        )
        counted = replace(begun, window=window, status=status or "ok")
        if grid:
            intensity, course = grid
            course = tuple((at_s, share) for at_s, share in course)
            counted = replace(counted, intensity=intensity_from_dict(intensity), course=course)
        return counted


def _after(domains: Iterable[Domain], duration_s: float, by_device: list[dict[str, Any]]) -> Window:
    above_j, idle_w, gpu_busy_s, gpu_presence, filled_s = by_device
    return Window(
        duration_s,
        {domain: above_j[domain.device] for domain in domains if domain.device in above_j},
        0.0,
        0.0,
        idle_w=idle_w,
        gpu_busy_s={device: (own_s, all_s) for device, (own_s, all_s) in gpu_busy_s.items()},
        gpu_presence=gpu_presence,
        filled_s=filled_s,
    )


@value
class Story:
    """All that one journal tells now; `over`: nobody will append to it again."""

    ended: list[Counted]
    crashed: list[Counted]
    running: list[Counted]
    over: bool
    unreadable: int


def tell(path: Path, *, far: bool) -> Story:
    """Read a journal to its end; `far` says that other hosts may write there.  Raises OSError."""
    over = is_over(path, far=far)  # first: when it is, nothing comes after what is read now
    reader = Replay(path)
    ended = reader.read()
    ended += reader.unsettled()
    if over:
        return Story(ended, reader.crashed(), [], over=True, unreadable=reader.unreadable)
    return Story(ended, [], reader.running(), over=False, unreadable=reader.unreadable)


def is_over(path: Path, *, far: bool) -> bool:
    """Whether nobody will append to this journal again: its last line says so, or its session is dead."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # a home that is read-only now
        descriptor = os.open(path, os.O_RDONLY)
    with open(descriptor, "rb") as file:
        header = file.readline()
        file.seek(max(0, os.fstat(descriptor).st_size - len(b'["closed"]\n')))
        if file.read().endswith((b'["moved"]\n', b'["closed"]\n')):
            return True
        try:
            _kind, version, _session, host, pid, born = json.loads(header)
        except (ValueError, TypeError):  # not written yet, or not by us
            return is_dead(None, descriptor, None, far=far)
        return version == FORMAT and is_dead(Writer(host, pid, born), descriptor, lock(descriptor), far=far)


def told(counted: Iterable[Counted]) -> Iterator[CellRecord]:
    """Their records.  A run whose counts make no number costs itself, and not the history of all others."""
    for run in in_turns(counted):
        try:
            yield run.record()
        except (ArithmeticError, ValueError):
            log.debug("run %s cannot be told", run.run.id, exc_info=True)


def replay(path: Path, *, far: bool = False, running: bool = False) -> Iterator[CellRecord]:
    """The records of one journal: of the runs that ended, then of those that a session which is gone left open.

    `running` adds what a living session has open, as it stands, with that flag.
    """
    story = tell(path, far=far)
    yield from told(story.ended)
    yield from told(story.crashed)
    if running:
        for record in told(story.running):
            yield replace(record, flags=(*record.flags, "running"))


def _clean(text: str | None) -> str | None:
    """A text that UTF-8 can hold: of a file name that was none, the odd bytes are written out."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


# --- the seconds nobody saw ---------------------------------------------------------------------------------


def _crashed(counted: Counted) -> CellRecord:
    """A killed run: its last checkpoint, and the time after it, which was less than the next one's distance.

    Half that time is likely, at idle; all of it at the device's limit is the high end.  A run without any checkpoint
    is that alone, and assumed.
    """
    context = counted.context
    seen = counted.window or Window(0.0, {}, 0.0, 0.0, flags=("no-checkpoint",))
    known = footprint.record(counted.run, seen, "crashed", context, counted.intensity, counted.course)
    by_device = {share.domain.device: share for share in known.shares}
    shares = []
    for domain in context.domains:
        unseen = _unseen(domain, seen, context)
        share = by_device.get(domain.device)
        shares.append(unseen if share is None else _together(share, unseen))
    unseen_s = CHECKPOINT_S / 2.0
    return replace(
        known,
        duration_s=known.duration_s + unseen_s,
        shares=tuple(shares),
        footprint=footprint.footprint(shares, seen.duration_s + unseen_s, replace(context, intensity=known.intensity)),
    )


def _unseen(domain: Domain, window: Window, context: Context) -> Share:
    """One device's joules after the last checkpoint."""
    device = domain.device
    idle_w = window.idle_w.get(device, context.idle_w.get(device, 0.0))
    most_j = CHECKPOINT_S * max(idle_w, window.recent_w.get(device, 0.0), context.power_limit_w.get(device, 0.0))
    if domain.component == "gpu":
        allotted = 1.0 if device in context.gpus_allotted else 0.0
    else:
        allotted = context.ram_share if domain.component == "ram" else context.idle_share
    idle_j = idle_w * CHECKPOINT_S
    return Share(
        domain=replace(domain, quality="assumed"),
        energy_j=Interval(0.0, idle_j * allotted / 2.0, most_j),
        idle_energy_j=Interval(0.0, idle_j * allotted / 2.0, idle_j * allotted),
        machine_energy_j=Interval(0.0, idle_j / 2.0, most_j),
        resolution_j=domain.resolution_j,
    )


def _together(share: Share, unseen: Share) -> Share:
    machine_j = share.machine_energy_j + unseen.machine_energy_j
    energy_j = share.energy_j + unseen.energy_j
    return replace(
        share,
        energy_j=replace(energy_j, high=min(energy_j.high, machine_j.high)),
        idle_energy_j=share.idle_energy_j + unseen.idle_energy_j,
        machine_energy_j=machine_j,
    )
