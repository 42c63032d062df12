"""Readings at the edges of a cell, and the windows between them.

A window is a subtraction.  Where cells run at the same time (subshells) each stretch between two edges is split among
those alive in it; where none runs, the stretch belongs to the session.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from jupyter_carbon.meter.edges import SETTLED_S, TRIM_FROM_S, TRIM_TO_S, Moment, both, own_part, settled, with_joules
from jupyter_carbon.meter.frozen import note_frozen
from jupyter_carbon.meter.gpus import Gpus
from jupyter_carbon.meter.learned import Learned
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.meter.short_cells import Bursts
from jupyter_carbon.meter.tail import LEAST_LOOK_S, LOOK_S, Tail
from jupyter_carbon.model import Domain, Reading, Window
from jupyter_carbon.power import GpuSource, PowerSource, SteppedSource, WatchedSource
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.value import replace

SEARCH_FROM_S = 0.05
"""Cells longer than this have their child processes looked for once more at their end."""

SLOW_LOOK_S, SLOW_RATION = 1e-3, 1000.0
"""A driver that takes longer than this to answer is let rest for so many times as long between two looks."""
LEAST_REST_S = 0.001
KEPT_TIMES = 3
GIVEN_UP_S = 1e-4
"""Whoever gives Python's lock up for less may have it back before a waiting thread has woken."""

Stretch = tuple[Reading, Reading]
NOTHING: Mapping[str, float] = {}


class Running:
    """A cell that is being metered, or a block inside one: the stretches it has lived through, each with the number of
    cells alive in it."""

    __slots__ = (
        "__weakref__", "arrived", "began", "began_cpu_s", "behind", "closed", "edge_s", "level_w", "released", "since",
        "tail", "wander_j2",
    )  # fmt: skip

    def __init__(self) -> None:
        self.began: Reading | None = None
        self.since: Reading | None = None  # where its present stretch begins
        self.closed: list[tuple[Reading, Reading, int]] = []
        self.edge_s: Mapping[str, float] = {}  # how well its beginning is known, by device
        self.wander_j2: Mapping[str, float] = {}  # of gauges, at its beginning
        self.began_cpu_s = 0.0  # this process's CPU seconds at the reading where it began
        self.released: tuple[float, float] | None = None  # when its own work could begin, and the CPU seconds then
        self.arrived: tuple[float, float] | None = None  # and when it was over
        self.behind: tuple[str, ...] = ()  # devices that were busy with earlier work when it began
        self.level_w: Mapping[str, float] = {}  # what devices drew that were at work for us before it began
        self.tail: Tail | None = None  # the time after its end, where its devices may go on


class Meter:
    """Reads all counters under one lock and hands out windows."""

    def __init__(
        self,
        sources: Iterable[PowerSource],
        tree: ProcessTree,
        busy: MachineBusy,
        *,
        n_cpu: int,
        idle_w: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock, self._tree, self._busy = clock, tree, busy
        self._sources: tuple[PowerSource, ...] = tuple(sources)
        self._gpus = Gpus(clock)
        for source in self._sources:
            if hasattr(source, "presence"):
                self._gpus.add(cast("GpuSource", source))
        self._watched = tuple(cast("WatchedSource", source) for source in self._sources if hasattr(source, "watch"))
        self._stepped = tuple(cast("SteppedSource", source) for source in self._sources if hasattr(source, "at"))
        self._tail: Tail | None = None  # of the cell that ended last, until the next begins
        self._open: list[Running] = []
        self._unsettled: Running | None = None  # a cell whose beginning is to be known better
        self._blocks: list[weakref.ref[Running]] = []  # a block that nobody ends is forgotten
        self._learned = Learned(n_cpu, idle_w or {})
        self._between: deque[Stretch] = deque()  # not bounded: what is dropped here would be joules of nobody
        self._tails: deque[Tail] = deque()  # of stretches that are to be taken
        self._short = Bursts()
        self._joined_s: dict[str, float] = {}
        self._looks_s: deque[float] = deque(maxlen=KEPT_TIMES)
        self._gpus.look(tree.pids)
        self._last = self._last_tick = self._before_tick = self._read()

    @property
    def domains(self) -> tuple[Domain, ...]:
        """What is counted, in the order of the sources."""
        return tuple(domain for source in self._sources for domain in source.domains)

    @property
    def sources(self) -> tuple[PowerSource, ...]:
        """The open sources."""
        return self._sources

    @property
    def learned(self) -> Learned:
        """What it has learned of its devices."""
        return self._learned

    @property
    def gpus(self) -> Gpus:
        """The GPUs, and who computes on them."""
        return self._gpus

    def add_gpus(self, source: GpuSource) -> None:
        """Count one more source from now on (a driver that took its time to open)."""
        with self._lock:
            pids = self._tree.pids
        presence, busy_s = source.presence(pids), source.busy_s(pids)
        with self._lock:
            self._sources = (*self._sources, source)
            self._gpus.add(source, presence, busy_s)
            if hasattr(source, "watch"):
                self._watched = (*self._watched, cast("WatchedSource", source))
            if hasattr(source, "at"):
                self._stepped = (*self._stepped, cast("SteppedSource", source))
            # Whoever runs now counts this source from here: their present stretch gets its first value.
            first_j = source.energy_j()
            self._last = with_joules(self._last, first_j)
            for running in (*self._open, *self._blocks_now()):
                running.since = running.since and with_joules(running.since, first_j)
            self._joined_s.update(dict.fromkeys((d.device for d in source.domains), self._clock()))
            if not self._open:
                self._close_stretch(self._read())  # from here on its idle power can be learned

    def swap(self, old: PowerSource, new: PowerSource) -> None:
        """Count `new` in place of `old`, while nothing runs: what was learned of its devices is forgotten."""
        with self._lock:
            now = self._read()
            self._cut_tail(now)
            self._close_stretch(now)
            self._sources = tuple(new if source is old else source for source in self._sources)
            self._learned.forget({domain.device for domain in old.domains})
            self._last = self._last_tick = self._read()
        old.close()

    # --- the edges --------------------------------------------------------------------------------------

    def begin(self, running: Running | None = None) -> Running:
        """A cell begins now.  Whoever brings `running` can end it also when this call was interrupted."""
        running = running or Running()
        with self._lock:
            if self._gpus and "shared" in self._gpus.presence.values():
                self._gpus.look(self._tree.pids)
            now = self._read_late()
            self._unsettled = None
            if self._gpus and not self._open:
                running.behind = self._cut_tail(now)
                running.level_w = self._gpus.level_w(self._last, now, running.behind)
                if self._tail is None or not self._tail.devices:
                    counted = now
                    now = self._short.without_burst(self._last, now, self._learned.idle_w, self._gpus.presence)
                    if self._stepped and now is counted:
                        self._unsettled = running
            self._close_stretch(now)
            running.began, running.since, running.began_cpu_s = now, now, self._tree.own_s
            if self._watched:
                running.edge_s = self._edge_s()
            if self._gpus:
                running.wander_j2 = self._gpus.wander_j2()
            self._open.append(running)
        return running

    def release(self, running: Running) -> None:
        """The cell's own work begins now: what passed since its first reading was ours."""
        cpu_s = self._tree.own_cpu_s()
        running.released = self._clock(), cpu_s

    def arrive(self, running: Running) -> None:
        """The cell's own work is over; :meth:`end` follows at once."""
        running.arrived = self._clock(), self._tree.own_cpu_s()

    def end(self, running: Running, *, waited: bool = False) -> Window:
        """The cell ends now; its window.  If its devices were not `waited` for they may go on (`running.tail`)."""
        arrived = running.arrived or (self._clock(), self._tree.own_cpu_s())
        if running.began is None:  # an interrupt came before its first reading
            self.begin(running)
        elapsed_s = arrived[0] - cast("Reading", running.began).t_s
        if elapsed_s > SEARCH_FROM_S:
            found = self._tree.discover(at_once=True)
            with self._lock:
                self._tree.adopt(found)
                self._gpus.look(self._tree.pids)
        with self._lock:
            now = self._read()
            self._settle()
            self._unsettled = None
            if TRIM_FROM_S <= elapsed_s <= TRIM_TO_S and not self._blocks:
                now = self._trimmed(running, arrived, now)
            before = self._look_before(now, cast("Reading", running.began)) if self._gpus else now
            self._close_stretch(now)
            if running in self._open:
                self._open.remove(running)
            edge_s = both(running.edge_s, self._edge_s()) if self._watched else {}
            window = self._difference(running.closed, cast("Reading", running.began), now, edge_s)
            if self._gpus:
                window = self._short.with_likely_w(window)
                window = replace(window, wander_j=self._gpus.missed_j(running.wander_j2))
                if running.behind:
                    behind = (f"began-busy:{device}" for device in running.behind)
                    window = replace(window, flags=(*window.flags, *behind))
                if not waited and not self._open and self._gpus.may_be_ours:
                    self._tail = running.tail = Tail(before, now, self._gpus.cards, running.level_w)
        self._learned.keep(window)
        return window

    def mark(self) -> Running:
        """A block inside a cell begins now; it takes nothing away from that cell."""
        block = Running()
        with self._lock:
            block.began = block.since = self._read()
            self._blocks = [*(ref for ref in self._blocks if ref() is not None), weakref.ref(block)]
        return block

    def since(self, block: Running) -> Window:
        """The window of a block: the part of its cell's since :meth:`mark`."""
        with self._lock:
            self._blocks = [ref for ref in self._blocks if ref() not in (None, block)]
            now, since = self._read(), cast("Reading", block.since)
            return self._difference([*block.closed, (since, now, self._alive)], cast("Reading", block.began), now)

    def so_far(self, running: Running) -> Window:
        """The window of a cell that still runs, up to the last tick."""
        with self._lock:
            began = running.began or self._last
            now = self._last_tick
            if now.t_s <= self._last.t_s:
                return self._difference(running.closed, began, self._last)
            return self._difference([*running.closed, (self._last, now, self._alive)], began, now)

    def between(self, a: Reading, b: Reading) -> Window:
        """The window from one reading to a later one."""
        return self._difference([(a, b, 1)], a, b)

    # --- the ticker's part ------------------------------------------------------------------------------

    def tick(self) -> Reading:
        """Keep counters unwrapped and gauges integrated, and look for new children; off the cell's path."""
        found = self._tree.discover()
        with self._lock:
            self._tree.adopt(found)
            self._gpus.look(self._tree.pids)
            self._before_tick = max(self._last, self._last_tick, key=lambda r: r.t_s)
            self._last_tick = self._read()
            if self._open:  # a counter that was told ahead of its moves stands still where power falls, as it does then
                note_frozen(self._sources, self._before_tick, self._last_tick)
            if self._tail is not None:
                self._tail.look(self._last_tick, self._gpus.presence, self._learned.idle_w)
            return self._last_tick

    def after(self, tail: Tail) -> Window | None:
        """What devices did for a cell after its end, as far as it is known; None where they did nothing."""
        if not tail.devices:
            return None
        return tail.window(self.between(tail.began, tail.end), self.between(tail.end, tail.rest), self._learned.idle_w)

    def leave(self) -> None:
        """Nobody looks any more at what devices go on doing."""
        with self._lock:
            self._cut_tail(self._read())

    def watch(self, seconds: float, rest: Callable[[float], bool]) -> None:
        """Rest for so long, or until `rest` says that the end has come; look meanwhile at what moves between ticks."""
        follows = self._tail is not None and not self._tail.over
        until_s = self._clock() + (min(seconds, LOOK_S) if follows else seconds)
        while (left_s := until_s - self._clock()) > 0.0:
            wait_s = left_s
            if self._watched:
                began_s = self._clock()
                with self._lock:
                    next_s = min((source.watch() for source in self._watched), default=left_s)
                    self._settle()
                self._looks_s.append(self._clock() - began_s)
                took_s = min(self._looks_s)  # one may have waited for a core, all of them for a driver
                known = len(self._looks_s) == KEPT_TIMES
                slow = known and took_s > SLOW_LOOK_S and took_s > self._lock_s() * (1 + len(self.domains))
                wait_s = min(left_s, max(next_s, took_s * SLOW_RATION if slow else 0.0))
            if rest(max(wait_s, LEAST_REST_S)):
                return

    def _lock_s(self) -> float:
        """How long Python's lock is waited for now, beside a cell that computes in Python: each read gives it up once,
        and no driver is to blame for that."""
        began_s = self._clock()
        time.sleep(GIVEN_UP_S)
        return self._clock() - began_s

    def take_stretches(self) -> Iterator[Stretch]:
        """The stretches between cells since the last call, from reading to reading, each once.  The last one is kept
        back for a moment, while its end may still be known better."""
        with self._lock:
            self._settle()
            count = len(self._between) - (0 if self._unsettled is None else 1)
        for _ in range(count):
            with self._lock:  # one by one: a cell's edge would wait for all of them
                stretch = self._between.popleft()
            yield stretch

    def take_tail(self, began: Reading) -> Tail | None:
        """What devices went on doing in the stretch that began there, if they did; given once, stretch by stretch."""
        while self._tails and self._tails[0].began.t_s < began.t_s:
            self._tails.popleft()
        return self._tails.popleft() if self._tails and self._tails[0].began.t_s == began.t_s else None

    def close(self) -> None:
        """Close all sources."""
        with self._lock:
            sources = self._sources
            self._sources = self._watched = self._stepped = ()
            self._gpus.close()
        for source in sources:
            source.close()
        self._tree.close()

    # --- inside the lock --------------------------------------------------------------------------------

    def _read(self) -> Reading:
        energy_j: dict[Domain, float] = {}
        busy_s = self._busy.hold()
        try:
            for source in self._sources:
                energy_j.update(source.energy_j())
        finally:
            self._busy.release()
        return Reading(self._clock(), energy_j, self._tree.cpu_s(), busy_s, self._gpus.busy_s)

    def _read_late(self) -> Reading:
        """The same in another order, for a beginning: joules and clock last, so that little of our own is counted."""
        tree_cpu_s, machine_busy_s = self._tree.cpu_s(), self._busy.hold()
        energy_j: dict[Domain, float] = {}
        try:
            for source in self._sources:
                energy_j.update(source.energy_j())
        finally:
            self._busy.release()
        return Reading(self._clock(), energy_j, tree_cpu_s, machine_busy_s, self._gpus.busy_s)

    def _trimmed(self, running: Running, arrived: Moment, now: Reading) -> Reading:
        """The reading at the end of a cell of one stretch, with both its edges where its own work began and ended."""
        began = cast("Reading", running.began)
        if now.t_s <= began.t_s or not self._is_first_stretch_of(running):
            return now
        released = running.released or (began.t_s, running.began_cpu_s)
        moved, now = own_part(
            began, now, released, arrived, began_cpu_s=running.began_cpu_s, now_cpu_s=self._tree.own_s
        )
        self._begin_at(running, moved)
        return now

    def _settle(self) -> None:
        """Where the cell that runs alone began, by counters that have moved on since."""
        running = self._unsettled
        if running is None:
            return
        if not self._is_first_stretch_of(running):
            self._unsettled = None
            return
        began = cast("Reading", running.began)
        better_j = {domain: j for source in self._stepped for domain, j in source.at(began.t_s).items()}
        every = sum(len(source.domains) for source in self._stepped)
        if len(better_j) == every or self._clock() - began.t_s > SETTLED_S:
            self._unsettled = None
            self._begin_at(running, settled(began, self._between[-1][0], better_j))
            self._last_tick = self._last

    def _is_first_stretch_of(self, running: Running) -> bool:
        """Whether a cell runs alone, since its beginning, and the stretch before it may still be changed."""
        began = running.began
        return (
            not running.closed
            and running.since is began  # else a card joined
            and self._open == [running]
            and bool(self._between)
            and self._between[-1][1] is began
        )

    def _begin_at(self, running: Running, reading: Reading) -> None:
        running.began = running.since = self._last = reading
        self._between[-1] = (self._between[-1][0], reading)

    def _edge_s(self) -> Mapping[str, float]:
        return {device: edge_s for source in self._watched for device, edge_s in source.edge_s().items()}

    @property
    def _alive(self) -> int:
        """Cells among which the present stretch is shared."""
        return len(self._open) or 1

    def _blocks_now(self) -> list[Running]:
        blocks = [block for ref in self._blocks if (block := ref()) is not None]
        self._blocks = [weakref.ref(block) for block in blocks]
        return blocks

    def _look_before(self, now: Reading, began: Reading) -> Reading:
        """The last reading in a cell that lies far enough back to tell what its devices did since."""
        if now.t_s - self._last_tick.t_s < LEAST_LOOK_S and self._before_tick.t_s >= began.t_s:
            return self._before_tick
        return self._last_tick

    def _cut_tail(self, now: Reading) -> tuple[str, ...]:
        """The devices that still work for the cell before, now that it can be followed no longer."""
        tail = self._tail
        if tail is None:
            return ()
        working = tail.cut(now, self._gpus.presence, self._learned.idle_w)
        if tail.devices:  # what a short cell owed is in its number now
            self._short.forget(tail.devices)
        return working

    def _close_stretch(self, now: Reading) -> None:
        last, self._last, self._last_tick = self._last, now, now
        running_now = [*self._open, *self._blocks_now()] if self._blocks else self._open
        alive = len(self._open) or 1
        for running in running_now:
            running.closed.append((running.since or last, now, alive))
            running.since = now
        if not self._open:
            if self._tail is not None:
                if self._tail.devices:
                    self._tails.append(self._tail)
                self._tail = None
            self._between.append((last, now))

    def _difference(
        self,
        stretches: Sequence[tuple[Reading, Reading, int]],
        began: Reading,
        now: Reading,
        edge_s: Mapping[str, float] = NOTHING,
    ) -> Window:
        duration_s = cpu_s = busy_s = 0.0
        energy_j: dict[Domain, float] = {}
        flags: dict[str, None] = {}
        gpu_busy_s: dict[str, tuple[float, float]] = {}
        for a, b, alive in stretches:
            part = 1.0 / alive
            duration_s += (b.t_s - a.t_s) * part
            cpu_s += (b.tree_cpu_s - a.tree_cpu_s) * part
            busy_s += (b.machine_busy_s - a.machine_busy_s) * part
            before_j = a.energy_j.get
            gained_j = {d: (j - was_j) * part for d, j in b.energy_j.items() if (was_j := before_j(d)) is not None}
            if energy_j:
                for domain, more_j in gained_j.items():
                    energy_j[domain] = energy_j.get(domain, 0.0) + more_j
            else:  # nearly always: a cell of one stretch
                energy_j = gained_j
            if b.gpu_busy_s is not a.gpu_busy_s:
                for device, (own_s, all_s) in b.gpu_busy_s.items():
                    was_own_s, was_all_s = a.gpu_busy_s.get(device, (own_s, all_s))
                    sum_own_s, sum_all_s = gpu_busy_s.get(device, (0.0, 0.0))
                    gpu_busy_s[device] = (
                        sum_own_s + (own_s - was_own_s) * part,
                        sum_all_s + (all_s - was_all_s) * part,
                    )
            if alive > 1:
                flags["concurrent"] = None
        filled_s: dict[str, float] = {}
        for source in self._sources:
            if source.faults:
                for a, b, alive in stretches:
                    flags.update(dict.fromkeys(source.faults.during(a.t_s, b.t_s)))
                    for device, seconds in source.faults.filled_s(a.t_s, b.t_s).items():
                        filled_s[device] = filled_s.get(device, 0.0) + seconds / alive
        for device, joined_s in self._joined_s.items():
            if any(a.t_s < joined_s <= b.t_s for a, b, _ in stretches):
                flags[f"joined:{device}"] = None
        return Window(
            duration_s,
            energy_j,
            cpu_s,
            busy_s,
            self._learned.idle_w,
            self._learned.recent_w,
            self._learned.j_per_cpu_s,
            gpu_busy_s,
            self._gpus.presence_during(began.t_s, now.t_s),
            tuple(flags),
            now.t_s - began.t_s,
            edge_s,
            filled_s,
            {},
            None,
        )
