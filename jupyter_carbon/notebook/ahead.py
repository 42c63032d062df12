"""The answer to the panel's "Before you run": what some minutes on some hardware would cost, there and elsewhere."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jupyter_carbon.estimate.advice import Job, advise
from jupyter_carbon.estimate.coming import slots_of
from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.estimate.here import here
from jupyter_carbon.estimate.own import measured_gpu
from jupyter_carbon.grid import region as regions
from jupyter_carbon.grid import static
from jupyter_carbon.grid.timeline import Timeline
from jupyter_carbon.model import CarbonError, CarbonIntensity, IntensityUnavailable, Interval
from jupyter_carbon.notebook.protocol import VERSION, BadQuestion, digits, range_of
from jupyter_carbon.session import Session
from jupyter_carbon.value import value

if TYPE_CHECKING:
    from jupyter_carbon.notebook.wire import AskEstimate, EstimateAnswer, Later

COMPARED = ("FR", "SE")
"""The first of these that is not the place asked for: two grids that a reader knows, of 20 to 50 g/kWh."""

WAIT_H = 24.0
"""A later start is looked for within a day; a run that takes longer is asked for with `%carbon when`."""

GRID_WAIT_S = 1.0
"""How long a live source is waited for."""


@value
class _Run:
    """One run, estimated: on what, what it takes, and what its range hangs on."""

    what: str
    basis: str
    energy_kwh: Interval
    operational_gco2e: Interval
    embodied_gco2e: Interval | None
    water_l: Interval | None
    dominant: str


def estimate_answer(question: AskEstimate, session: Session) -> EstimateAnswer:
    """What the run would cost; raises `BadQuestion` with a sentence for what cannot be."""
    try:
        return _answer(question, session)
    except (ValueError, CarbonError) as err:
        raise BadQuestion(str(err)) from err


def _answer(question: AskEstimate, session: Session) -> EstimateAnswer:
    hours = question["minutes"] / 60.0
    # Our own place stays what it is, a guess perhaps: only of a place that somebody named is a live source asked.
    where = session.place if question["region"] is None else regions.resolve(question["region"])
    place = where.code
    run = _run(question, session, hours, place)
    other = next(code for code in COMPARED if code != place)
    there = _run(question, session, hours, other)
    return {
        "v": VERSION,
        "answer": "estimate",
        "what": run.what,
        "basis": run.basis,
        "minutes": question["minutes"],
        "region": place,
        "name": where.name,
        "energy_kwh": range_of(run.energy_kwh),
        "operational_gco2e": range_of(run.operational_gco2e),
        "embodied_gco2e": None if run.embodied_gco2e is None else digits(run.embodied_gco2e.likely),
        "water_l": None if run.water_l is None else digits(run.water_l.likely),
        "dominant": run.dominant,
        "elsewhere": {
            "region": other,
            "name": regions.resolve(other).name,
            "operational_gco2e": digits(there.operational_gco2e.likely),
        },
        "later": _later(session, Job(hours, question["interruptible"]), where, run.operational_gco2e),
    }


def _run(question: AskEstimate, session: Session, hours: float, place: str) -> _Run:
    context = session.context()
    if question["gpu"] is not None:
        gpu = measured_gpu(question["gpu"], session.host.gpu_curves) or question["gpu"]
        one = estimate(gpu, question["n_gpu"], hours=hours, region=place, pue=session.settings.pue)
        device = next((each.text for each in one.assumptions if each.name == "GPU"), question["gpu"])
        return _Run(
            what=device,
            basis="estimated from the tables, kind of work not said",
            energy_kwh=one.energy_kwh,
            operational_gco2e=one.operational_kgco2e.scaled(1000.0),
            embodied_gco2e=one.embodied_kgco2e.scaled(1000.0),
            water_l=one.water_l,
            dominant=one.dominant,
        )
    machine = here(context, session.account().totals, session.host)
    energy_kwh = machine.energy_kwh(hours)
    grid = _grid(session, place)
    water = static.water_l_per_kwh(regions.resolve(place))
    return _Run(
        what="this machine",
        basis=machine.basis,
        energy_kwh=energy_kwh,
        operational_gco2e=energy_kwh * grid.gco2e_per_kwh,
        embodied_gco2e=context.embodied_gco2e_per_h and context.embodied_gco2e_per_h.scaled(hours),
        water_l=water and energy_kwh * water[0],
        dominant="power" if _width(machine.power_w) >= _width(grid.gco2e_per_kwh) else "grid intensity",
    )


def _grid(session: Session, place: str) -> CarbonIntensity:
    return (
        session.intensity() if place == session.context().intensity.region else static.intensity(regions.resolve(place))
    )


def _width(interval: Interval) -> float:
    return math.log(interval.high / interval.low) if interval.low > 0.0 else math.inf


def _later(session: Session, job: Job, where: regions.Region, now_gco2e: Interval) -> Later | None:
    live = session.hours.live
    timeline = live.timeline(where, "average")
    live.refresh_within(GRID_WAIT_S)
    return later_of(timeline, job, now_gco2e, time.time())


def later_of(timeline: Timeline, job: Job, now_gco2e: Interval, now_s: float) -> Later | None:
    """The best start within a day of a run that costs so much now, or its best parts where it may pause; None where the
    hours of the place are not known, and where the next ones are best."""
    if not 1 / 60 <= job.hours <= WAIT_H / 2:
        return None
    end_s = now_s + WAIT_H * 3600.0
    try:
        slots, signal = slots_of(timeline, now_s, end_s, job.hours)
    except IntensityUnavailable:
        return None
    advice = advise(slots, signal, job, now_s=now_s, end_s=end_s)
    if advice.start <= advice.computed_at and len(advice.runs) == 1:
        return None
    return {
        "start": advice.start.timestamp(),
        "end": advice.end.timestamp(),
        "parts": len(advice.runs),
        "operational_gco2e": digits(now_gco2e.likely * (1.0 - advice.saving.likely)),
        "saving": range_of(advice.saving),
        "worth_waiting": advice.worth_waiting,
        "status": advice.status,
    }
