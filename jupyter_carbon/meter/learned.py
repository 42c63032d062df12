"""What a meter has learned of its devices: idle power between cells, recent power and joules per CPU second in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from jupyter_carbon.meter.faults import not_counted
from jupyter_carbon.model import Domain, Window
from jupyter_carbon.turns import in_turns

IDLE_FROM_S = 0.5
IDLE_BUSY_SHARE = 0.05
"""Idle power is learned from stretches between cells at least this long in which the machine did next to nothing."""

STEPS = 10.0
"""A mean power is worth learning over so many steps of its counter."""

BUSY_FROM_S = 0.2
"""CPU seconds from which joules per CPU second are worth learning: twenty ticks of `/proc/stat`."""

KEPT_WINDOWS = 1024


class Learned:
    """Its mappings, by device, are replaced whole and never changed: a window holds what was known when it closed."""

    def __init__(self, n_cpu: int, idle_w: Mapping[str, float]) -> None:
        """`idle_w` is an earlier session's, until this one has seen better."""
        self._n_cpu = n_cpu
        self.idle_w: Mapping[str, float] = dict(idle_w)
        self.recent_w: Mapping[str, float] = {}
        self.j_per_cpu_s: Mapping[str, float] = {}
        self._idle_seen: dict[str, tuple[float, float]] = {}  # joules and seconds
        self._cells: deque[Window] = deque(maxlen=KEPT_WINDOWS)

    def keep(self, cell: Window) -> None:
        """A cell has ended; what it teaches is learned off its path."""
        self._cells.append(cell)

    def from_cells(self) -> None:
        """What the cells since the last call have taught."""
        for _ in in_turns(range(len(self._cells))):
            self._from_cell(self._cells.popleft())

    def _from_cell(self, window: Window) -> None:
        watts, seconds = _watts(window), window.duration_s
        self.recent_w = {**self.recent_w, **{d.device: w for d, w in watts.items() if seconds >= STEPS * d.step_s}}
        if window.machine_busy_s >= BUSY_FROM_S:
            per_cpu_s = {
                d.device: max(0.0, w - self.idle_w.get(d.device, 0.0)) * seconds / window.machine_busy_s
                for d, w in watts.items()
                if d.component == "cpu" and d.device in self.idle_w
            }
            self.j_per_cpu_s = {**self.j_per_cpu_s, **per_cpu_s}

    def from_pause(self, window: Window) -> None:
        """What a stretch between cells has taught."""
        seconds = window.duration_s
        quiet = window.machine_busy_s <= IDLE_BUSY_SHARE * self._n_cpu * seconds
        for domain, power_w in _watts(window).items():
            device = domain.device
            if seconds < STEPS * domain.step_s:
                continue
            if domain.component == "gpu":
                if window.gpu_busy_s.get(device, (0.0, 0.0))[1] > IDLE_BUSY_SHARE * seconds:
                    continue
                # Drivers seldom say that a device rests: the least mean power seen is the nearest to it.
                self.idle_w = {**self.idle_w, device: min(power_w, self.idle_w.get(device, power_w))}
            elif quiet:
                seen_j, seen_s = self._idle_seen.get(device, (0.0, 0.0))
                seen_j, seen_s = seen_j + power_w * seconds, seen_s + seconds
                self._idle_seen[device] = (seen_j, seen_s)
                self.idle_w = {**self.idle_w, device: seen_j / seen_s}

    def forget(self, devices: Collection[str]) -> None:
        """They are counted in another way from now on."""
        self.idle_w, self.recent_w, self.j_per_cpu_s = (
            {device: known for device, known in learned.items() if device not in devices}
            for learned in (self.idle_w, self.recent_w, self.j_per_cpu_s)
        )
        self._idle_seen = {device: seen for device, seen in self._idle_seen.items() if device not in devices}


def _watts(window: Window) -> dict[Domain, float]:
    """Mean power of each device that was counted without a doubt; none of a window that is in doubt, or too short."""
    if window.duration_s < IDLE_FROM_S or any(":" not in flag for flag in window.flags):
        return {}
    doubted = {flag.partition(":")[2] for flag in not_counted(window.flags)}
    return {
        domain: energy_j / window.duration_s
        for domain, energy_j in window.energy_j.items()
        if domain.component != "ram" and domain.device not in doubted
    }
