"""The answer to a panel's question about the grid: what it carries now, and in the coming day."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from jupyter_carbon.estimate import outlook
from jupyter_carbon.estimate.advice import Advice
from jupyter_carbon.grid.hourly import WHICH
from jupyter_carbon.model import Basis, Context, Method
from jupyter_carbon.notebook.live import grid_of, intensity_of
from jupyter_carbon.notebook.protocol import LABEL_CHARS, VERSION, clip, digits, range_of

if TYPE_CHECKING:
    from jupyter_carbon.notebook.wire import Best, Day, OutlookAnswer


def outlook_answer(told: outlook.Outlook, context: Context) -> OutlookAnswer:
    """The wire form of an outlook of the context's place."""
    return {
        "v": VERSION,
        "answer": "outlook",
        "as_of": round(told.now_s, 3),
        "now": intensity_of(told.now, context),
        "day": None if told.day is None else _day(told.day),
        "marginal": None if told.marginal is None else grid_of(told.marginal),
        "asking": told.asking,
    }


def _day(day: outlook.Day) -> Day:
    signal = day.signal
    return {
        "start": day.points[0].start_s,
        "step_s": outlook.STEP_S,
        "low": [digits(point.low, 3) for point in day.points],
        "likely": [digits(point.likely, 3) for point in day.points],
        "high": [digits(point.high, 3) for point in day.points],
        "basis": cast("Basis", signal.basis),  # a grid's own: only a curve that somebody gives is "as given"
        "method": cast("Method", signal.method),
        "status": signal.status,
        "source": clip(signal.source.replace(f"{WHICH}, ", ""), LABEL_CHARS),  # a curve is of all hours
        "best": None if day.best is None else _best(day.best),
    }


def _best(advice: Advice) -> Best:
    return {
        "start": round(advice.start.timestamp(), 3),
        "end": round(advice.end.timestamp(), 3),
        "now_gco2e_per_kwh": digits(advice.now_gco2e_per_kwh),
        "gco2e_per_kwh": digits(advice.then_gco2e_per_kwh),
        "saving": range_of(advice.saving),
        "worth_waiting": advice.worth_waiting,
    }
