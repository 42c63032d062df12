"""Whether to wait: the best start of a job against starting now, with the doubt in it, and "not worth waiting".

Pure: the numbers come from `coming`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from jupyter_carbon.estimate.coming import Signal, Slot
from jupyter_carbon.estimate.schedule import Curve, Run, Window, one_run, with_pauses, with_restarts
from jupyter_carbon.grid.providers import FORECAST, PUBLISHED
from jupyter_carbon.grid.series import MixedIntensities
from jupyter_carbon.model import ZERO, Basis, IntensityStatus, Interval, Method
from jupyter_carbon.units import duration_text, mass_text, range_text
from jupyter_carbon.value import value

LEAST_SAVING = 0.05
"""A likely saving below this is not worth a wait."""

TOGETHER = math.sqrt(0.5)
"""Two windows of one forecast err half together (assumed): their ratio errs by the two errors' mean size."""

DURATIONS = (0.8, 1.25)
"""A job takes this much less or more than somebody says (assumed); the saving's range holds both."""


@value
class Job:
    """What is to run: `hours` at one power; `energy_kwh` makes grams of it.  `idle_w` is your share of what the machine
    draws while it waits, `restart_gco2e` what each start costs, the first too."""

    hours: float
    interruptible: bool = False
    energy_kwh: float | None = None
    restart_gco2e: float = 0.0
    idle_w: float = 0.0

    def check(self) -> None:
        """Raise `ValueError` that names the field, the value and what it may be."""
        _within("hours", self.hours, 1 / 60, 24 * 366)
        _within("restart_gco2e", self.restart_gco2e, 0.0, 1e9)
        _within("idle_w", self.idle_w, 0.0, 1e6)
        if self.energy_kwh is not None:
            _within("energy_kwh", self.energy_kwh, 1e-9, 1e9)
        elif self.restart_gco2e or self.idle_w:
            raise ValueError("restart_gco2e and idle_w are weighed against the job's own energy: give energy_kwh too")
        if self.restart_gco2e and not self.interruptible:
            raise ValueError("restart_gco2e counts for a job that may pause: give interruptible=True too")


@value
class Advice:
    """The best start of a job, and what it saves against starting now.

    `now_gco2e_per_kwh` and `then_gco2e_per_kwh` are the likely means over the run, `saving` the part of the grams that
    the wait saves (0.4 is 40 %), waiting itself and restarts counted; `now_gco2e` and `then_gco2e` are the grams, where
    the job's energy is known.  `runs` are the parts of the run, `horizon` how far the numbers reach.  `others` are the
    other regions that were compared, each against `now` in the first.
    """

    start: datetime
    end: datetime
    runs: tuple[tuple[datetime, datetime], ...]
    now_gco2e_per_kwh: float
    then_gco2e_per_kwh: float
    saving: Interval
    worth_waiting: bool
    now_gco2e: Interval | None
    then_gco2e: Interval | None
    region: str
    name: str
    basis: Basis | Literal["as given"]
    method: Method | Literal["as given"]
    status: IntensityStatus
    source: str
    horizon: datetime
    computed_at: datetime
    others: tuple[Advice, ...] = ()

    def __repr__(self) -> str:
        """In words, as a notebook shows it."""
        return "\n".join(lines(self))


# --- the answer -------------------------------------------------------------------------------------------------


def advise(
    slots: Sequence[Slot], signal: Signal, job: Job, *, now_s: float, end_s: float, zone: tzinfo | None = None
) -> Advice:
    """The best start of `job` between `now_s` and `end_s`, by which it must have ended; times in `zone` (local)."""
    job.check()
    curve, known = _curve(slots, now_s, end_s)
    reach_s, job_s = curve.edges[-1], job.hours * 3600.0
    if job_s > reach_s + 1e-6:
        raise ValueError(f"hours={job.hours:g} does not fit: the numbers and `within` reach {reach_s / 3600.0:.4g} h")
    job_s = min(job_s, reach_s)
    best = _best(curve, job, job_s)
    now: Window = Window(((0.0, job_s),), curve.mean(((0.0, job_s),)))
    saving = _saving(curve, known, job, now, best)
    computed_at = datetime.fromtimestamp(now_s, zone) if zone else datetime.fromtimestamp(now_s).astimezone()

    def moment(after_s: float) -> datetime:
        return computed_at + timedelta(seconds=round(after_s, 3))

    runs = tuple((moment(start_s), moment(until_s)) for start_s, until_s in best.runs)
    return Advice(
        start=runs[0][0],
        end=runs[-1][1],
        runs=runs,
        now_gco2e_per_kwh=now.gco2e_per_kwh,
        then_gco2e_per_kwh=best.gco2e_per_kwh,
        saving=saving,
        worth_waiting=saving.likely >= LEAST_SAVING and saving.low > 0.0,
        now_gco2e=_grams(curve, known, now, job.energy_kwh),
        then_gco2e=_grams(curve, known, best, job.energy_kwh),
        region=signal.region,
        name=signal.name,
        basis=signal.basis,
        method=signal.method,
        status=signal.status,
        source=signal.source,
        horizon=moment(reach_s),
        computed_at=computed_at,
    )


def best_of(advices: Sequence[Advice]) -> Advice:
    """The best region: each one's best start against starting now in the first.

    Raises `MixedIntensities` where their numbers are of different kinds.  Between two places the sources' own
    differences count too: they cancel only within one.
    """
    first = advices[0]
    kinds = {(advice.basis, advice.method) for advice in advices}
    if len(kinds) > 1:
        told = ", ".join(f"{advice.region} is {advice.basis} {advice.method}" for advice in advices)
        raise MixedIntensities(f"regions are compared by one kind of number only: {told}")
    compared = [first, *(_against(advice, first) for advice in advices[1:])]
    best = max(compared, key=lambda advice: advice.saving.likely)
    return replace(best, others=tuple(advice for advice in compared if advice is not best))


def _against(advice: Advice, first: Advice) -> Advice:
    """Elsewhere against here and now."""
    if first.now_gco2e_per_kwh <= 0.0:
        return replace(advice, saving=ZERO, worth_waiting=False)
    ratio = advice.then_gco2e_per_kwh / first.now_gco2e_per_kwh
    spread = Interval.exact(ratio) * PUBLISHED * PUBLISHED * FORECAST
    saving = Interval(1.0 - spread.high, 1.0 - ratio, 1.0 - spread.low)
    return replace(
        advice,
        now_gco2e_per_kwh=first.now_gco2e_per_kwh,
        now_gco2e=first.now_gco2e,
        saving=saving,
        worth_waiting=saving.likely >= LEAST_SAVING and saving.low > 0.0,
    )


def _curve(slots: Sequence[Slot], now_s: float, end_s: float) -> tuple[Curve, list[Slot]]:
    """The slots from now to the end as a curve that begins at 0, and the slots themselves."""
    known = [slot for slot in slots if slot.end_s > now_s and slot.start_s < end_s]
    if not known or known[0].start_s > now_s + 1e-6:
        raise ValueError("the numbers begin after the moment to start from")
    edges = [0.0, *(slot.start_s - now_s for slot in known[1:]), min(known[-1].end_s, end_s) - now_s]
    return Curve(edges, [slot.gco2e_per_kwh for slot in known]), known


def _best(curve: Curve, job: Job, job_s: float) -> Window:
    power_kw = None if job.energy_kwh is None else job.energy_kwh / job.hours
    if not job.interruptible:
        return one_run(curve, job_s, idle=0.0 if power_kw is None else job.idle_w / 1000.0 / power_kw)
    if job.restart_gco2e and power_kw is not None:
        return with_restarts(curve, job_s, job.restart_gco2e / power_kw)
    return with_pauses(curve, job_s)


def _saving(curve: Curve, known: Sequence[Slot], job: Job, now: Window, best: Window) -> Interval:
    """The part saved: its range holds a forecast that errs and a job that takes longer or less."""
    reach_s = curve.edges[-1]
    if best.runs == now.runs:
        return ZERO
    likely = _ratio(curve, job, now, best)
    if likely is None:
        return ZERO
    ratios = [likely]
    for factor in DURATIONS:
        job_s = job.hours * 3600.0 * factor
        if job_s <= reach_s:
            other = Window(((0.0, job_s),), curve.mean(((0.0, job_s),)))
            ratio = _ratio(curve, job, other, _stretched(curve, best, job, job_s))
            ratios += [] if ratio is None else [ratio]
    one, two = _doubt(curve, known, now.runs), _doubt(curve, known, best.runs)
    down = math.exp(-TOGETHER * math.hypot(math.log(one.high), math.log(two.low)))
    up = math.exp(TOGETHER * math.hypot(math.log(one.low), math.log(two.high)))
    return Interval(1.0 - max(ratios) * up, 1.0 - likely, 1.0 - min(ratios) * down)


def _ratio(curve: Curve, job: Job, now: Window, then: Window) -> float | None:
    """Grams then over grams now, the waiting and the restarts with them."""
    if now.gco2e_per_kwh <= 0.0:
        return None
    job_h = sum(end_s - start_s for start_s, end_s in now.runs) / 3600.0
    extra = 0.0
    if job.energy_kwh is not None:
        power_kw = job.energy_kwh / job.hours
        waited = curve.integral(then.runs[-1][1]) - sum(curve.integral(b) - curve.integral(a) for a, b in then.runs)
        extra = (job.idle_w / 1000.0 * waited / 3600.0 + job.restart_gco2e * (len(then.runs) - 1)) / (power_kw * job_h)
    return (then.gco2e_per_kwh + extra) / now.gco2e_per_kwh


def _stretched(curve: Curve, best: Window, job: Job, job_s: float) -> Window:
    """The same plan, when the job takes another time than was said."""
    if job.interruptible:
        return with_pauses(curve, job_s)
    start_s = min(best.runs[0][0], curve.edges[-1] - job_s)
    return Window(((start_s, start_s + job_s),), curve.mean(((start_s, start_s + job_s),)))


def _doubt(curve: Curve, known: Sequence[Slot], runs: Iterable[Run]) -> Interval:
    """The mean doubt of the slots of a run, in the logarithm: they err together."""
    down = up = length_s = 0.0
    for part_s, slot in _parts(curve, known, runs):
        down, up = down + part_s * math.log(slot.doubt.low), up + part_s * math.log(slot.doubt.high)
        length_s += part_s
    return Interval(math.exp(down / length_s), 1.0, math.exp(up / length_s))


def _grams(curve: Curve, known: Sequence[Slot], window: Window, energy_kwh: float | None) -> Interval | None:
    if energy_kwh is None:
        return None
    low = likely = high = length_s = 0.0
    for part_s, slot in _parts(curve, known, window.runs):
        grams, spread = part_s * slot.gco2e_per_kwh, slot.spread
        low, likely, high = low + grams * spread.low, likely + grams, high + grams * spread.high
        length_s += part_s
    return Interval(low, likely, high).scaled(energy_kwh / length_s)


def _parts(curve: Curve, known: Sequence[Slot], runs: Iterable[Run]) -> Iterator[tuple[float, Slot]]:
    """How long each slot is used."""
    for start_s, end_s in runs:
        index = bisect_right(curve.edges, start_s) - 1
        while index < len(known) and curve.edges[index] < end_s:
            yield min(end_s, curve.edges[index + 1]) - max(start_s, curve.edges[index]), known[index]
            index += 1


def _within(name: str, number: float, low: float, high: float) -> None:
    if not low <= number <= high:
        raise ValueError(f"{name}={number!r} is not possible; it must lie between {low:g} and {high:g}")


# --- in words ---------------------------------------------------------------------------------------------------


def lines(advice: Advice) -> list[str]:
    """What to do, why, and how it is known; the first line is the answer."""
    said = [_headline(advice)]
    if len(advice.runs) > 1:
        said.append("run " + ", ".join(f"{_clock(a)} – {_clock(b)}" for a, b in advice.runs))
    if advice.now_gco2e is not None and advice.then_gco2e is not None:
        now, then = advice.now_gco2e, advice.then_gco2e
        said.append(
            f"{mass_text(then.likely, 'modelled')} CO₂e ({range_text(then, 'g')}) instead of "
            f"{mass_text(now.likely, 'modelled')} now ({range_text(now, 'g')})"
        )
    known = {"yearly": "hour of the day in an average month, no forecast"}.get(advice.status, advice.status)
    basis = {"lifecycle": "life cycle"}.get(advice.basis, advice.basis)
    said.append(
        f"{known} · {advice.method}, {basis} · {advice.name} · {advice.source} · reaches to {_clock(advice.horizon)}, "
        f"computed {_clock(advice.computed_at)}"
    )
    if advice.method == "marginal":
        said.append("marginal: what one more kWh changes; never a part of a footprint")
    else:
        said.append("on average intensity a saving is an accounting statement; one job changes the marginal plant")
    said += [f"{other.name}: {_headline(other)}" for other in advice.others]
    return said


def _headline(advice: Advice) -> str:
    grams = f"{advice.then_gco2e_per_kwh:.0f} g/kWh instead of {advice.now_gco2e_per_kwh:.0f} now"
    percent = f"{advice.saving.likely:.0%} ({advice.saving.low:.0%} – {advice.saving.high:.0%})"
    if advice.worth_waiting:
        wait = duration_text((advice.start - advice.computed_at).total_seconds())
        return f"Start {_clock(advice.start)} (in {wait}): {grams}, saves {percent}"
    if advice.start <= advice.computed_at:
        return f"Start now: no later start within reach is cleaner than {advice.now_gco2e_per_kwh:.0f} g/kWh"
    return f"Not worth waiting: {_clock(advice.start)} would be best, {grams}, {percent}"


def _clock(moment: datetime) -> str:
    return f"{moment:%a %H:%M}"
