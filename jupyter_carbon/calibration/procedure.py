"""How a machine is calibrated: rest and load in turn, the devices' counters beside the plug.  Off any cell's path."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import cast

from jupyter_carbon.calibration.fit import (
    AGAIN,
    CalibrationRefused,
    Point,
    WallFit,
    check_point,
    fit_wall,
    refused,
)
from jupyter_carbon.calibration.gpu_load import FRAMEWORKS, GpuLoad, KeptBusy, loaded
from jupyter_carbon.calibration.gpu_minute import Card, GpuMinute, cards_of
from jupyter_carbon.calibration.known_load import busy
from jupyter_carbon.calibration.plugs import Fetch, Plug
from jupyter_carbon.calibration.store import Calibration, Store, counted_by
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.faults import not_counted
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.model import ONE, Context, Interval, Share, WallModel, Window
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.value import value

REST_S, LOAD_S = 10.0, 20.0
"""A stretch of rest, and of load, for a person who looks at the plug meanwhile."""
SETTLE_S = 3.0
"""Clocks and fans need some seconds to follow a load."""
PLUG_SETTLE_S, PLUG_S = 8.0, 12.0
"""A plug that is read over the network shows the power of some seconds ago."""
PLUG_EVERY_S = 1.0
PLUG_ANSWERS = 0.5
"""The part of the looks at a plug that must be answered: radio loses some."""
MINUTE_REST_S, MINUTE_LOAD_S = 20.0, 40.0
QUIET_SHARE, FULL_SHARE = 0.1, 0.9
"""A machine rests while so little of its CPUs is busy, and is loaded while so much is."""
GPU_QUIET_SHARE = 0.01
"""A GPU rests while somebody computes on it for so little of the time."""
LEAST_RISE = 1.1
"""Full over idle power of any processor that is awake."""
FRESH_S = 900.0
"""A plug's reading belongs to a stretch no older than this."""

Load = Callable[[int, float, Callable[[], None]], None]


@value
class Stretch:
    """Some seconds of rest or load: the devices' mean power, and how busy the processor was.  `devices` is truth over
    `devices_w` where a model counts the processor.  `cpu_w` is the processor's part where it is measured, `idle_w` that
    of each measured device, by its name, but for GPUs that somebody computed on.  `framework` is what kept the cards
    busy."""

    kind: str
    devices_w: float
    devices: Interval
    cpu_w: float | None
    idle_w: Mapping[str, float]
    busy_share: float
    ended_s: float
    framework: str = ""


class Calibrator:
    """Calibrates one machine; keeps points until there are enough.  `before` is what is known of its kind."""

    def __init__(
        self,
        meter: Meter,
        context: Callable[[], Context],
        host: Host,
        store: Store,
        *,
        before: Callable[[], WallModel],
        on_new: Callable[[Calibration], None] = lambda _: None,
        load: Load = busy,
        gpu_load: Callable[[], GpuLoad | None] = lambda: loaded(sys.modules),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], str] = lambda: datetime.now(timezone.utc).date().isoformat(),
    ) -> None:
        self._meter, self._context, self._host, self._store, self._before = meter, context, host, store, before
        self._gpu_load = gpu_load
        self._on_new, self._load, self._sleep, self._clock, self._today = on_new, load, sleep, clock, today
        self._last: Stretch | None = None
        self._read_of_last = False
        self.points: tuple[Point, ...] = ()

    @property
    def stored(self) -> Calibration:
        """What is in use."""
        return self._store.load()

    # --- stretches ----------------------------------------------------------------------------------------

    def check(self, word: str) -> None:
        """Refuse what cannot be done on this machine, before anybody is asked to look at a plug: processor and supply
        are a guest's host's, but its cards are its own."""
        if self._host.is_slice and not (word == "devices" and cards_of(self._meter)):
            raise CalibrationRefused(
                "this is a virtual machine, or shows only a part of one: plug and processor are its host's"
            )

    def rest(self) -> Stretch:
        """See what the machine draws as it rests."""
        return self._stretch("rest", REST_S, self._rest)

    def work(self) -> Stretch:
        """See what it draws with all CPUs busy, and its cards, where a framework is loaded that can compute on them."""
        return self._loaded(LOAD_S, self._rest, settle_s=SETTLE_S, gpu_load=self._load_of_cards())

    def _loaded(
        self,
        seconds: float,
        look: Callable[[float], None],
        *,
        settle_s: float,
        part: float = 1.0,
        gpu_load: GpuLoad | None = None,
    ) -> Stretch:
        self.check("load")
        found: list[Stretch] = []

        def meanwhile() -> None:
            self._sleep(settle_s)
            found.append(self._stretch("load", seconds, look))

        with KeptBusy(gpu_load, part):
            self._load(max(1, round(part * self._host.logical_cpus)), settle_s + seconds + 30.0, meanwhile)
        return replace(found[0], framework=gpu_load.framework if gpu_load else "")

    def _load_of_cards(self) -> GpuLoad | None:
        """Of cards that are all measured: what a model says of them is no point of a line."""
        cards = [domain for domain in self._meter.domains if domain.component == "gpu"]
        return self._gpu_load() if cards and all(card.quality == "measured" for card in cards) else None

    def _stretch(self, kind: str, seconds: float, look: Callable[[float], None]) -> Stretch:
        self.check(kind)
        return self._look(kind, seconds, look)

    def _look(self, kind: str, seconds: float, look: Callable[[float], None]) -> Stretch:
        block = self._meter.mark()
        look(seconds)
        window = self._meter.since(block)
        self._last = _stretch(kind, window, self._context(), self._host, self._clock())
        self._read_of_last = False
        return self._last

    def _rest(self, seconds: float) -> None:
        """Sleep, and look meanwhile at what moves between ticks, as gauges do: no cell may be metered now."""
        self._meter.watch(seconds, self._doze)

    def _doze(self, seconds: float) -> bool:
        self._sleep(seconds)
        return False

    # --- to the wall --------------------------------------------------------------------------------------

    def reading(self, watts: float) -> str:
        """The plug showed so much in the last stretch, told once or again.  What came of it, in a sentence."""
        last = self._last
        if last is None or self._clock() - last.ended_s > FRESH_S:
            raise CalibrationRefused(
                "which moment is this reading of?  First %carbon calibrate rest, or %carbon calibrate load"
            )
        point = Point(last.devices_w, watts)
        check_point(point, last.devices)
        earlier = self.points[:-1] if self._read_of_last else self.points
        points = (*earlier, point)
        if earlier:
            try:
                fit = self._take(points, last.devices)
            except CalibrationRefused as err:
                # Of two points nobody knows which is wrong; of more, the new one is the stranger.
                self.points, self._read_of_last = earlier if len(earlier) > 1 else (), False
                raise refused(err, AGAIN) from err
            said = _fit_text(fit)
        else:
            said = f"devices {point.devices_w:.4g} W, plug {watts:.4g} W.  Now the other: %carbon calibrate " + (
                "load" if last.kind == "rest" else "rest"
            )
        self.points, self._read_of_last = points, True
        return said

    def by_plug(self, plug: Plug, fetch: Fetch) -> str:
        """Rest, half load and full load, each beside the plug's own readings."""
        self.check("plug")
        plug.watts(fetch)  # one that does not answer costs nobody a minute
        points: list[Point] = []
        stretch: Stretch
        try:
            for part in (0.0, 0.5, 1.0):
                seen: list[float] = []
                look = partial(self._look_at, plug, fetch, seen)
                if part:
                    cards = self._load_of_cards()
                    stretch = self._loaded(PLUG_S, look, settle_s=PLUG_SETTLE_S, part=part, gpu_load=cards)
                else:
                    stretch = self._stretch("rest", PLUG_S, look)
                points.append(Point(stretch.devices_w, sum(seen) / len(seen)))
                check_point(points[-1], stretch.devices)  # another machine's plug costs nobody a minute either
            fit = self._take(points, stretch.devices)
        except CalibrationRefused as err:
            raise refused(err, "Nothing was stored") from err
        self.points, self._last = tuple(points), None
        return _fit_text(fit)

    def _look_at(self, plug: Plug, fetch: Fetch, seen: list[float], seconds: float) -> None:
        ends_s, looks, why = self._clock() + seconds, 0, ""
        while self._clock() < ends_s:
            looks += 1
            try:
                seen.append(plug.watts(fetch))
            except CalibrationRefused as err:
                why = str(err)
            self._sleep(PLUG_EVERY_S)
        if len(seen) < PLUG_ANSWERS * looks:
            raise CalibrationRefused(f"{why}, at {looks - len(seen)} of {looks} looks")

    def _take(self, points: Sequence[Point], devices: Interval) -> WallFit:
        fit, context = fit_wall(points, self._before(), devices), self._context()
        source = counted_by(context.domains, context.idle_w)
        self._save(replace(self._store.load(), wall=fit, wall_at=self._today(), source=source))
        return fit

    # --- the devices alone --------------------------------------------------------------------------------

    def devices(self) -> str:
        """A minute: what every device with a counter draws at rest, for the first cell of a session that has not seen
        it rest; the processor at full load, for a session that cannot read its counter; and the cards' curves, for
        estimates and for a session that cannot read theirs.  A card is its guest's where the processor is not."""
        self.check("devices")
        guest, cards = self._host.is_slice, cards_of(self._meter)
        rest = self._look("rest", MINUTE_REST_S, self._rest)
        idle_w = {d: watts for d, watts in rest.idle_w.items() if not guest or d in {card.device for card in cards}}
        if not idle_w and not cards:
            raise CalibrationRefused(
                "no device here has a counter that can be read, so there is nothing to learn from.  %carbon doctor "
                "says how to open them"
            )
        if rest.busy_share > QUIET_SHARE and not guest:  # a card rests beside the busiest of processors
            raise CalibrationRefused(
                f"{rest.busy_share:.0%} of the CPUs were busy while the machine should have rested.  Try again when "
                "nothing else runs"
            )
        stored = self._store.load()
        counted = rest.cpu_w is not None and not guest
        cpu = self._curve(cast("float", rest.cpu_w)) if counted else stored.cpu
        gpus, left_out = self._gpu_curves(cards)
        if not idle_w and not gpus:
            raise CalibrationRefused("; ".join(left_out))
        self._save(
            replace(stored, cpu=cpu, gpus={**stored.gpus, **gpus}, idle_w=idle_w, idle_at=self._today())
            if idle_w
            else replace(stored, gpus={**stored.gpus, **gpus})
        )
        told = [
            f"At rest: {watts_text(idle_w)}" if idle_w else "",
            f"the processor at full load: {cpu.full_w:.3g} W" if counted and cpu else "",
            *(gpu_text(curve) for curve in gpus.values()),
        ]
        said = f"{'; '.join(filter(None, told))}.  Stored, and used in sessions that begin from now on."
        return "\n".join([said, *(f"Left out: {why}" for why in left_out)])

    def _gpu_curves(self, cards: Sequence[Card]) -> tuple[dict[str, GpuCurve], list[str]]:
        """The cards' curves by their keys, and what is left out and why."""
        if not cards:
            return {}, []
        load = self._gpu_load()
        if load is None:
            first, *others = FRAMEWORKS
            return {}, [
                f"the GPU's power under load, for no framework that is loaded here can compute on it.  import {first} "
                f"(or {', '.join(others)}), then %carbon calibrate devices"
            ]
        minute = GpuMinute(self._meter, cards, sleep=self._sleep, clock=self._clock, today=self._today)
        curves, reasons = minute.run(load)
        return curves, [f"{device}, as {why}" for device, why in reasons.items()]

    def _curve(self, idle_w: float) -> CpuCurve:
        work = self._loaded(MINUTE_LOAD_S, self._rest, settle_s=SETTLE_S)
        if work.busy_share < FULL_SHARE:
            raise CalibrationRefused(
                f"only {work.busy_share:.0%} of the CPUs could be loaded: this kernel may not use all of them"
            )
        if work.cpu_w is None or work.cpu_w < LEAST_RISE * idle_w:
            raise CalibrationRefused(
                f"the counter shows {idle_w:.3g} W at rest and {work.cpu_w or 0.0:.3g} W at full load: it does not "
                "follow the load"
            )
        return CpuCurve(idle_w, work.cpu_w, self._today())

    def forget(self) -> str:
        """Back to the tables."""
        self.points, self._last = (), None
        had = self._store.forget()
        self._on_new(self._store.load())
        return "Forgotten: the tables' figures are in use again." if had else "There was no calibration to forget."

    def _save(self, calibration: Calibration) -> None:
        self._store.save(calibration)
        self._on_new(calibration)


def _stretch(kind: str, window: Window, context: Context, host: Host, now_s: float) -> Stretch:
    shares, doubts = attribute(window, context)
    seconds = window.duration_s
    faults = not_counted((*window.flags, *doubts))
    if faults:
        raise CalibrationRefused(f"a counter could not be trusted meanwhile ({', '.join(faults)}).  Try again")

    def power_w(shares: Sequence[Share]) -> float:
        return sum(share.machine_energy_j.likely for share in shares) / seconds

    def at_work(device: str) -> bool:
        return window.gpu_busy_s.get(device, (0.0, 0.0))[1] > GPU_QUIET_SHARE * seconds

    cpu = [share for share in shares if share.domain.component == "cpu"]
    modelled = next((share.domain.spread for share in cpu if share.domain.quality != "measured"), None)
    measured = [share for share in shares if share.domain.quality == "measured"]
    return Stretch(
        kind=kind,
        devices_w=power_w(shares),
        devices=modelled or ONE,
        cpu_w=None if modelled or not cpu else power_w(cpu),
        idle_w={share.domain.device: power_w([share]) for share in measured if not at_work(share.domain.device)},
        busy_share=window.machine_busy_s / (host.logical_cpus * seconds),
        ended_s=now_s,
    )


def watts_text(idle_w: Mapping[str, float]) -> str:
    """Devices with their watts."""
    return ", ".join(f"{device} {watts:.3g} W" for device, watts in sorted(idle_w.items()))


def gpu_text(curve: GpuCurve) -> str:
    """A card's curve."""
    return (
        f"{curve.device} {curve.idle_w:.3g} W at rest to {curve.full_w:.3g} W at full load, off by {curve.residual:.1%}"
    )


def stretch_text(stretch: Stretch) -> str:
    """What to do now."""
    state = "At rest" if stretch.kind == "rest" else "Under load"
    cards = f" and the GPU at work by {stretch.framework}" if stretch.framework else ""
    return (
        f"{state} the devices drew {stretch.devices_w:.4g} W, with {stretch.busy_share:.0%} of the CPUs busy{cards}.\n"
        "Now say what the plug showed: %carbon calibrate 61.5 W"
    )


def _fit_text(fit: WallFit) -> str:
    return (
        f"wall = {fit.factor:.3f} x devices + {fit.base_w:.1f} W from {len(fit.points)} readings, off by "
        f"{fit.residual_w:.1f} W ({fit.residual:.1%}).  Stored, and used from the next cell on."
    )
