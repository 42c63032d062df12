"""Who computes on the GPUs, by every look at them.  Used under the meter's lock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import cast

from jupyter_carbon.meter.tail import LEAST_LOOK_S, OURS, Card
from jupyter_carbon.model import Domain, GpuPresence, Reading
from jupyter_carbon.power import GaugedSource, GpuSource

KEPT_LOOKS = 64
NOTHING: Mapping[str, float] = {}


class Gpus:
    """The sources that count GPUs, and what they told at the last look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sources: tuple[GpuSource, ...] = ()
        self.cards: tuple[Card, ...] = ()
        self.busy_s: Mapping[str, tuple[float, float]] = {}
        """SM-seconds of our processes and of everybody, by device, where the driver tells them."""
        self.presence: Mapping[str, GpuPresence] = {}
        self._looks: deque[tuple[float, Mapping[str, GpuPresence]]] = deque(maxlen=KEPT_LOOKS)

    def __bool__(self) -> bool:
        return bool(self._sources)

    def add(
        self,
        source: GpuSource,
        presence: Mapping[str, GpuPresence] | None = None,
        busy_s: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """One more source, and what it told when it was asked."""
        self._sources = (*self._sources, source)
        idle_w, limit_w = source.idle_w, source.power_limit_w
        gpus = (domain for domain in source.domains if domain.component == "gpu")
        self.cards += tuple(Card(domain, limit_w[domain.device], idle_w[domain.device]) for domain in gpus)
        self.busy_s = {**self.busy_s, **(busy_s or {})}
        self._saw({**self.presence, **(presence or {})})

    def look(self, pids: frozenset[int]) -> None:
        """Ask the drivers about `pids`, which are ours."""
        if not self._sources:
            return
        busy_s: dict[str, tuple[float, float]] = {}
        presence: dict[str, GpuPresence] = {}
        for source in self._sources:
            busy_s.update(source.busy_s(pids))
            presence.update(source.presence(pids))
        self.busy_s = busy_s
        self._saw(presence)

    def _saw(self, presence: Mapping[str, GpuPresence]) -> None:
        if presence != self.presence:
            self.presence = presence
            self._looks.append((self._clock(), presence))

    @property
    def may_be_ours(self) -> bool:
        """Whether we compute on one, as far as drivers tell, or may."""
        return any(who in OURS for who in self.presence.values())

    @property
    def is_blind(self) -> bool:
        """Whether we may compute on one and nobody tells: the driver neither lists us nor counts our utilisation."""
        return any(
            who == "unknown" and self.busy_s.get(device, (0.0, 0.0))[0] == 0.0 for device, who in self.presence.items()
        )

    def presence_during(self, start_s: float, end_s: float) -> Mapping[str, GpuPresence]:
        """Who computed on each GPU, by every look in these seconds: a child that trained and ended was there too."""
        looks = self._looks
        if not looks or looks[-1][0] <= start_s:
            return self.presence
        during = [presence for seen_s, presence in looks if start_s < seen_s <= end_s]
        before = [presence for seen_s, presence in looks if seen_s <= start_s][-1:]
        seen = (before + during) or [looks[0][1]]
        return {device: _together(look[device] for look in seen if device in look) for device in seen[-1]}

    def wander_j2(self) -> Mapping[str, float]:
        """By device, the variance of what the looks at gauges have missed so far, in J²."""
        gauged = (cast("GaugedSource", source) for source in self._sources if hasattr(source, "wander_j2"))
        return {device: j2 for source in gauged for device, j2 in source.wander_j2().items()}

    def missed_j(self, since_j2: Mapping[str, float]) -> Mapping[str, float]:
        """By device, one standard deviation of what they have missed since the variance was this."""
        return {device: math.sqrt(max(0.0, j2 - since_j2.get(device, 0.0))) for device, j2 in self.wander_j2().items()}

    def level_w(self, a: Reading, b: Reading, busy: Collection[str]) -> Mapping[str, float]:
        """What devices drew between two readings that worked for us then, or are known to be `busy`: what goes on like
        that, a cell that begins now did not launch."""
        seconds = b.t_s - a.t_s
        if seconds < LEAST_LOOK_S:
            return NOTHING
        return {
            domain.device: (b.energy_j[domain] - a.energy_j[domain]) / seconds
            for domain in (card.domain for card in self.cards)
            if domain in a.energy_j and (domain.device in busy or _own_s(b, domain) > _own_s(a, domain))
        }

    def close(self) -> None:
        """They are asked no more."""
        self._sources = ()


def _own_s(reading: Reading, domain: Domain) -> float:
    """SM-seconds of ours on a device."""
    return reading.gpu_busy_s.get(domain.device, (0.0, 0.0))[0]


def _together(looks: Iterable[GpuPresence]) -> GpuPresence:
    """Who was on a device, from several looks at it."""
    seen = set(looks)
    if "unknown" in seen:
        return "unknown"
    ours = bool(seen & {"alone", "shared"})
    others = bool(seen & {"absent", "shared"})
    if ours:
        return "shared" if others else "alone"
    return "absent" if others else "empty"
