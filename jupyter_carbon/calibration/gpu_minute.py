"""The cards' part of rest and load: matrix products with pauses, and what counters and driver say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast, runtime_checkable

from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.calibration.gpu_fit import Look, fit_card
from jupyter_carbon.calibration.gpu_load import FAILS, PERIOD_S, GpuLoad
from jupyter_carbon.meter.faults import not_counted
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.model import Window
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.value import value

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the time in which the cards compute."""
SETTLE_S, HALF_S = 2.0, 3.0
"""For each part: until clocks and samples have followed, and then twice."""
LOOK_S = 0.25
"""Between two questions how busy a card is."""


@runtime_checkable
class CardSource(Protocol):
    """A source of cards that tell how busy they are: `cards` holds their models, `uuids` what each is known by."""

    cards: Mapping[str, tuple[str, float]]
    uuids: Mapping[str, str]

    def utilisation(self) -> Mapping[str, float]:
        """By device, from 0 to 1."""


@value
class Card:
    """One card with a counter: how the meter and how a stored curve name it."""

    device: str
    key: str
    model: str


def cards_of(meter: Meter) -> tuple[Card, ...]:
    """The whole cards that are measured and tell how busy they are."""
    return tuple(
        Card(domain.device, source.uuids[domain.device], source.cards[domain.device][0])
        for source in meter.sources
        if isinstance(source, CardSource)
        for domain in source.domains
        if domain.quality == "measured" and domain.device in source.utilisation()
    )


class GpuMinute:
    """Works the cards and looks at them; off any cell's path."""

    def __init__(
        self,
        meter: Meter,
        cards: Sequence[Card],
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        today: Callable[[], str],
    ) -> None:
        self._meter, self._cards, self._sleep, self._clock, self._today = meter, cards, sleep, clock, today
        self._sources = [cast("CardSource", source) for source in meter.sources if isinstance(source, CardSource)]

    def run(self, load: GpuLoad) -> tuple[dict[str, GpuCurve], dict[str, str]]:
        """The curves by the cards' keys, and by device why one was refused."""
        try:
            looks = [self._at(part, load) for part in PARTS]
        except FAILS as err:
            return {}, {card.device: f"{load.framework} could not compute on it ({err})" for card in self._cards}
        finally:
            load.close()
        curves: dict[str, GpuCurve] = {}
        refused: dict[str, str] = {}
        for card in self._cards:
            try:
                seen = [_look(card.device, *halves) for halves in looks]
                curves[card.key] = fit_card(seen, device=card.device, model=card.model, at=self._today())
            except CalibrationRefused as err:
                refused[card.device] = str(err)
        return curves, refused

    def _at(self, part: float, load: GpuLoad) -> tuple[Half, Half]:
        self._duty(part, SETTLE_S, load)
        return self._half(part, load), self._half(part, load)

    def _half(self, part: float, load: GpuLoad) -> Half:
        block = self._meter.mark()
        told = self._duty(part, HALF_S, load)
        return Half(self._meter.since(block), {d: sum(each) / len(each) for d, each in told.items()})

    def _duty(self, part: float, seconds: float, load: GpuLoad) -> Mapping[str, list[float]]:
        """Work for this part of so many seconds; how busy each card said it was."""
        told: dict[str, list[float]] = {}
        now_s = self._clock()
        ends_s, next_look_s = now_s + seconds, now_s + LOOK_S
        while now_s < ends_s:
            if part > 0.0:
                load.work(part * PERIOD_S)
            worked_s = self._clock() - now_s
            pause_s = worked_s * (1.0 - part) / part if part > 0.0 else PERIOD_S
            if pause_s > 0.0:
                self._sleep(pause_s)
            now_s = self._clock()
            if now_s >= next_look_s:
                next_look_s = now_s + LOOK_S
                self._meter.tick()  # who is on the cards, and what a gauge shows
                for source in self._sources:
                    for device, share in source.utilisation().items():
                        told.setdefault(device, []).append(share)
        return told


@value
class Half:
    """Half a look at all cards: the counters' window, and how busy each was."""

    window: Window
    utilisation: Mapping[str, float]


def _look(device: str, first: Half, second: Half) -> Look:
    """What both halves say of one card; refuses what is not of this kernel's work alone, or not counted."""
    for half in (first, second):
        window = half.window
        if window.gpu_presence.get(device) in ("shared", "absent"):
            raise CalibrationRefused("another process computes on it.  Try again when it is free")
        faults = not_counted(window.flags, device)
        if faults:
            raise CalibrationRefused(f"its counter could not be trusted meanwhile ({', '.join(faults)}).  Try again")
        if device not in half.utilisation:
            raise CalibrationRefused("its driver stopped telling how busy it is.  Try again")
    told = (first.utilisation[device] + second.utilisation[device]) / 2.0
    return Look(told, _power_w(device, first.window), _power_w(device, second.window))


def _power_w(device: str, window: Window) -> float:
    joules = sum(energy_j for domain, energy_j in window.energy_j.items() if domain.device == device)
    return joules / window.duration_s
