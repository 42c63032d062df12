"""What devices go on doing for a cell after its end: work that it launched, and that nobody could be made to wait for.

While no cell runs the ticker looks at the devices where our processes are.  What they draw above idle from the cell's
end until they rest, or until the next cell begins, is the cell's; the idle in it stays the session's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jupyter_carbon.model import Domain, GpuPresence, Reading, Window
from jupyter_carbon.value import replace, value

LOOK_S = 0.5
"""How often devices are looked at that may go on."""
LEAST_LOOK_S = 0.2
"""Two readings closer than this say nothing about what a device did between them: counters move every 100 ms."""
QUIET_S = 1.5
"""A device that did nothing for us for so long has ended: samples of utilisation come every second or more often."""
WORKING = 0.1
"""A device works that draws more than this part of what it can above its idle power: one that rests with a context on
it may keep its clocks up (assumed)."""
LONGEST_S = 60.0
"""What goes on for longer runs by itself, in a thread or as a server, and is no cell's: a launch waits where about a
thousand are queued before it, and those are done in a minute if each takes 60 ms (assumed)."""

OURS: tuple[GpuPresence, ...] = ("alone", "shared", "unknown")
"""Where we are, or may be."""


@value
class Card:
    """A device, the most that it can draw, and what the tables have it draw at rest."""

    domain: Domain
    limit_w: float
    table_w: float

    def works(
        self, a: Reading, b: Reading, who: GpuPresence | None, idle_w: float, *, level_w: float, after_work: bool
    ) -> bool:
        """Whether it worked for us between two readings, `who` being there: by what it drew above `level_w`, and by the
        utilisation of our processes where the driver tells that.  `after_work`: it may have worked until the first of
        them, and a step of the counter show that late."""
        device, seconds = self.domain.device, b.t_s - a.t_s
        if who not in OURS or self.domain not in a.energy_j:  # it joined since then
            return False
        looked = b.gpu_busy_s is not a.gpu_busy_s
        if looked and device in b.gpu_busy_s and device in a.gpu_busy_s:
            if b.gpu_busy_s[device][0] <= a.gpu_busy_s[device][0]:
                return False
        elif who != "alone":
            return False  # nobody tells whose work it is
        above_j = b.energy_j[self.domain] - a.energy_j[self.domain] - max(idle_w, level_w) * seconds
        late_s = self.domain.step_s if after_work else 0.0
        return above_j > (self.limit_w - idle_w) * max(WORKING * seconds, late_s)


class Tail:
    """The time after a cell's end in which its devices may go on.  Read and changed under the meter's lock."""

    __slots__ = (
        "_before",
        "_cards",
        "_level_w",
        "_quiet_s",
        "_seen",
        "_working",
        "began",
        "devices",
        "end",
        "is_cut",
        "over",
    )

    def __init__(self, before: Reading, began: Reading, cards: Sequence[Card], level_w: Mapping[str, float]) -> None:
        """`began` is the cell's end, `before` the last reading ahead of it; `level_w` is what devices drew that were at
        work for us before the cell began: as much as that was launched by somebody else."""
        self.began = self.end = self._seen = began
        self._before, self._cards, self._level_w = before, cards, level_w
        self._quiet_s = began.t_s
        self._working: tuple[str, ...] | None = None  # nobody has looked yet
        self.devices: tuple[str, ...] = ()
        """Those that did go on, until `end`."""
        self.over = False
        """Nothing comes after `end` any more."""
        self.is_cut = False
        """A device still worked when it was over."""

    @property
    def rest(self) -> Reading:
        """The last look: the devices have rested from `end` to here, unless it `is_cut`."""
        return self._seen

    def look(self, now: Reading, presence: Mapping[str, GpuPresence], idle_w: Mapping[str, float]) -> None:
        """One more look, while no cell runs."""
        if self.over or now.t_s - self._seen.t_s < LEAST_LOOK_S:
            return
        working = self._at_work(self._seen, now, presence, idle_w)
        if working:
            self._quiet_s = now.t_s
        self._goes_on(working, now)
        self._seen = now
        if now.t_s - self._quiet_s >= QUIET_S or not any(who in OURS for who in presence.values()):
            self.over = True
        elif now.t_s - self.began.t_s >= LONGEST_S:
            self.over, self.is_cut = True, bool(working)

    def cut(self, now: Reading, presence: Mapping[str, GpuPresence], idle_w: Mapping[str, float]) -> tuple[str, ...]:
        """A cell begins, or nobody looks any more: it is over, and these devices still worked."""
        if self.over:
            return ()
        if now.t_s - self._seen.t_s >= LEAST_LOOK_S:
            working = self._at_work(self._seen, now, presence, idle_w)
            self._goes_on(working, now)
        else:
            if self._working is None and self.began.t_s - self._before.t_s >= LEAST_LOOK_S:
                working = self._at_work(self._before, self.began, presence, idle_w)
            else:
                working = self._working or ()
            self._goes_on((), now)
        self.over, self.is_cut = True, bool(working)
        return working

    def _at_work(
        self, a: Reading, b: Reading, presence: Mapping[str, GpuPresence], idle_w: Mapping[str, float]
    ) -> tuple[str, ...]:
        first = self._working is None
        return tuple(
            device
            for device, card in ((card.domain.device, card) for card in self._cards)
            if card.works(
                a,
                b,
                presence.get(device),
                idle_w.get(device, card.table_w),
                level_w=self._level_w.get(device, 0.0),
                after_work=first,
            )
        )

    def _goes_on(self, working: tuple[str, ...], now: Reading) -> None:
        """Up to now: also to the look after the last at work, since counters are late."""
        if working or self._working:
            self.end = now
            self.devices = tuple(dict.fromkeys((*self.devices, *working)))
        self._working = working

    def window(self, whole: Window, rested: Window, idle_w: Mapping[str, float]) -> Window | None:
        """What the devices did for the cell above idle; None where they did nothing.

        `whole` is the machine's window from `began` to `end`, `rested` the one from there to `rest`.
        """
        known_w: dict[str, float] = {}
        above_j: dict[Domain, float] = {}
        for domain, card in ((card.domain, card) for card in self._cards if card.domain.device in self.devices):
            if domain.device in idle_w:
                known_w[domain.device] = idle_w[domain.device]
            elif rested.duration_s >= LEAST_LOOK_S and not self.is_cut:
                known_w[domain.device] = rested.energy_j[domain] / rested.duration_s
            rest_w = max(known_w.get(domain.device, card.table_w), self._level_w.get(domain.device, 0.0))
            above_j[domain] = max(0.0, whole.energy_j[domain] - rest_w * whole.duration_s)
        if not above_j:
            return None
        return Window(
            whole.duration_s,
            above_j,
            0.0,
            0.0,
            idle_w=known_w,
            gpu_busy_s={d: busy_s for d, busy_s in whole.gpu_busy_s.items() if d in self.devices},
            gpu_presence={d: who for d, who in whole.gpu_presence.items() if d in self.devices},
            flags=tuple(flag for flag in whole.flags if flag.partition(":")[2] in self.devices),
            filled_s={d: seconds for d, seconds in whole.filled_s.items() if d in self.devices},
        )


def without(window: Window, after: Window) -> Window:
    """The window of a stretch between cells without what is the cell's before it."""
    energy_j = {domain: joules - after.energy_j.get(domain, 0.0) for domain, joules in window.energy_j.items()}
    busy_s = dict(window.gpu_busy_s)
    for device, (own_s, all_s) in after.gpu_busy_s.items():
        was_own_s, was_all_s = busy_s[device]
        busy_s[device] = (max(0.0, was_own_s - own_s), max(0.0, was_all_s - all_s))
    return replace(window, energy_j=energy_j, gpu_busy_s=busy_s)
