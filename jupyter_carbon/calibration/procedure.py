"""How a machine is calibrated: rest and load in turn, the devices' counters beside the plug.  Off any cell's path."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from jupyter_carbon.calibration.fit import CalibrationRefused, Point, WallFit, check_point, fit_wall
from jupyter_carbon.calibration.known_load import busy
from jupyter_carbon.calibration.plugs import Fetch, Plug
from jupyter_carbon.calibration.store import Calibration, Store, counted_by
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.model import Context, Share, Window
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.host import Host, wall_model
from jupyter_carbon.value import value

REST_S, LOAD_S = 10.0, 20.0
"""A stretch of rest, and of load: clocks and fans need some seconds to settle."""
CPU_REST_S, CPU_LOAD_S = 20.0, 40.0
SETTLE_S = 3.0
QUIET_SHARE, FULL_SHARE = 0.1, 0.9
"""A machine rests while so little of its CPUs is busy, and is loaded while so much is."""
FRESH_S = 900.0
"""A plug's reading belongs to a stretch no older than this."""
PLUG_EVERY_S = 1.0

Load = Callable[[int, float, Callable[[], None]], None]


@value
class Stretch:
    """Some seconds of rest or load: the devices' mean power, the processor's alone, and how busy it was."""

    kind: str
    devices_w: float
    cpu_w: float
    cpu_measured: bool
    busy_share: float
    ended_s: float


class Calibrator:
    """Calibrates one machine; keeps points until there are enough."""

    def __init__(
        self,
        meter: Meter,
        context: Callable[[], Context],
        host: Host,
        store: Store,
        *,
        on_new: Callable[[Calibration], None] = lambda _: None,
        load: Load = busy,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], str] = lambda: datetime.now(timezone.utc).date().isoformat(),
    ) -> None:
        self._meter, self._context, self._host, self._store = meter, context, host, store
        self._on_new, self._load, self._sleep, self._clock, self._today = on_new, load, sleep, clock, today
        self._last: Stretch | None = None
        self.points: list[Point] = []

    @property
    def stored(self) -> Calibration:
        """What is in use."""
        return self._store.load()

    # --- stretches ----------------------------------------------------------------------------------------

    def rest(self, seconds: float = REST_S, look: Callable[[float], None] | None = None) -> Stretch:
        """See what the machine draws as it rests; `look` is what is done for so many seconds meanwhile."""
        return self._stretch("rest", seconds, look or self._sleep)

    def work(
        self, seconds: float = LOAD_S, look: Callable[[float], None] | None = None, *, part: float = 1.0
    ) -> Stretch:
        """The same while `part` of its CPUs is kept busy."""
        found: list[Stretch] = []

        def meanwhile() -> None:
            self._sleep(SETTLE_S)
            found.append(self._stretch("load", seconds, look or self._sleep))

        self._require_own_machine()
        self._load(max(1, round(part * self._host.logical_cpus)), SETTLE_S + seconds + 30.0, meanwhile)
        return found[0]

    def _stretch(self, kind: str, seconds: float, meanwhile: Callable[[float], None]) -> Stretch:
        self._require_own_machine()
        block = self._meter.mark()
        meanwhile(seconds)
        window = self._meter.since(block)
        self._last = _stretch(kind, window, self._context(), self._host, self._clock())
        return self._last

    def _require_own_machine(self) -> None:
        if self._host.is_slice:
            raise CalibrationRefused(
                "this is a virtual machine, or shows only a part of one: plug and processor are its host's"
            )

    # --- to the wall --------------------------------------------------------------------------------------

    def reading(self, watts: float) -> str:
        """The plug showed so much in the last stretch.  What came of it, in a sentence."""
        last = self._last
        if last is None or self._clock() - last.ended_s > FRESH_S:
            raise CalibrationRefused(
                "there is no stretch that this reading could belong to: first %carbon calibrate rest, or load"
            )
        point = Point(last.devices_w, watts)
        check_point(point)
        points = [*self.points, point]
        if len(points) == 1:
            self.points = points
            return f"{_point_text(point)}; one more, under another load, and the two make a calibration"
        fit = self._take(points)
        self.points = points
        return _fit_text(fit)

    def by_plug(self, plug: Plug, fetch: Fetch) -> str:
        """Rest, half load and full load, each beside the plug's own readings."""
        points = []
        for part in (0.0, 0.5, 1.0):
            seen: list[float] = []
            look = partial(self._look_at, plug, fetch, seen)
            stretch = self.work(LOAD_S, look, part=part) if part else self.rest(REST_S, look)
            points.append(Point(stretch.devices_w, sum(seen) / len(seen)))
        fit = self._take(points)
        self.points = points
        return _fit_text(fit)

    def _look_at(self, plug: Plug, fetch: Fetch, seen: list[float], seconds: float) -> None:
        ends_s = self._clock() + seconds
        while not seen or self._clock() < ends_s:
            seen.append(plug.watts(fetch))
            self._sleep(PLUG_EVERY_S)

    def _take(self, points: Sequence[Point]) -> WallFit:
        fit = fit_wall(points, wall_model(self._host))
        self._save(
            replace(self._store.load(), wall=fit, wall_at=self._today(), source=counted_by(self._context().domains))
        )
        return fit

    # --- the processor ------------------------------------------------------------------------------------

    def processor(self) -> str:
        """A minute: idle and full power from the processor's own counter, for whenever it cannot be read."""
        rest, work = self.rest(CPU_REST_S), self.work(CPU_LOAD_S)
        if not (rest.cpu_measured and work.cpu_measured):
            raise CalibrationRefused(
                "the processor's counter cannot be read here, so there is nothing to learn its power from: open it "
                "once (%carbon doctor says how)"
            )
        if rest.busy_share > QUIET_SHARE:
            raise CalibrationRefused(
                f"something else kept {rest.busy_share:.0%} of the CPUs busy while the machine should have rested"
            )
        if work.busy_share < FULL_SHARE:
            raise CalibrationRefused(
                f"only {work.busy_share:.0%} of the CPUs could be loaded: this kernel has not all of them"
            )
        if work.cpu_w < 1.1 * rest.cpu_w:
            raise CalibrationRefused(
                f"the counter shows {rest.cpu_w:.3g} W at rest and {work.cpu_w:.3g} W at full load: it does not follow"
            )
        curve = CpuCurve(rest.cpu_w, work.cpu_w, self._today())
        self._save(replace(self._store.load(), cpu=curve))
        return f"processor: {curve.idle_w:.3g} W at rest, {curve.full_w:.3g} W at full load; stored"

    def forget(self) -> str:
        """Back to the tables."""
        self.points = []
        had = self._store.forget()
        self._on_new(self._store.load())
        return "Forgotten." if had else "There was no calibration of this machine."

    def _save(self, calibration: Calibration) -> None:
        self._store.save(calibration)
        self._on_new(calibration)


def _stretch(kind: str, window: Window, context: Context, host: Host, now_s: float) -> Stretch:
    shares, _ = attribute(window, context)
    seconds = window.duration_s

    def power_w(shares: Sequence[Share]) -> float:
        return sum(share.machine_energy_j.likely for share in shares) / seconds

    cpu = [share for share in shares if share.domain.component == "cpu"]
    doubted = {flag.partition(":")[2] for flag in window.flags}
    return Stretch(
        kind=kind,
        devices_w=power_w(shares),
        cpu_w=power_w(cpu),
        cpu_measured=bool(cpu) and all(s.domain.quality == "measured" and s.domain.device not in doubted for s in cpu),
        busy_share=window.machine_busy_s / (host.logical_cpus * seconds),
        ended_s=now_s,
    )


def stretch_text(stretch: Stretch) -> str:
    """What to do now."""
    state = "at rest" if stretch.kind == "rest" else "under load"
    return (
        f"{state}: the devices drew {stretch.devices_w:.4g} W, {stretch.busy_share:.0%} of the CPUs were busy.  Now "
        "tell what the plug showed meanwhile: %carbon calibrate 61.5 W"
    )


def _point_text(point: Point) -> str:
    return f"devices {point.devices_w:.4g} W, plug {point.wall_w:.4g} W"


def _fit_text(fit: WallFit) -> str:
    return (
        f"wall = {fit.factor:.3f} x devices + {fit.base_w:.1f} W from {len(fit.points)} readings, off by "
        f"{fit.residual_w:.1f} W ({fit.residual:.1%}); stored, and used from the next cell on"
    )
