"""Some 350 zones: Electricity Maps (https://app.electricitymaps.com/docs), with the user's token.

Life-cycle, flow-traced consumption.  The free tier is for personal, non-commercial use and may lack the forecast; what
a token may not ask is not asked again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from jupyter_carbon.grid.providers import NoAnswer, Question, Request, answer, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonIntensity, IntensityStatus, Method

CREDIT = "Electricity Maps (www.electricitymaps.com), under the token's own terms"
METHOD: Method = "average"
BOUNDARY = "consumption"
PERIOD_S = 3600.0
NEEDS_KEY = True

ROOT = "https://api.electricitymaps.com/v3/carbon-intensity"
HOUR = timedelta(hours=1)


def zone(place: Region, area: str) -> str | None:
    """Its zone of the place: our codes of grids are its keys."""
    return None if place.code == "WORLD" else place.grids[0]


def request(question: Question) -> tuple[Request, ...]:
    """The last day, and as much of the coming ones as the token may see."""
    asked = {
        "zone": question.zone,
        "emissionFactorType": "lifecycle",
        "temporalGranularity": "hourly",
        # An unknown zone would else be answered with that of the caller's address.
        "disableCallerLookup": "true",
    }
    headers = {"auth-token": question.key or ""}
    hours = max(6, min(72, round((question.end - question.now) / HOUR)))
    return (
        Request(f"{ROOT}/history?{urlencode(asked)}", headers, "history"),
        Request(f"{ROOT}/forecast?{urlencode({**asked, 'horizonHours': hours})}", headers, "forecast"),
    )


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """The hours of the zone that was asked; another zone is refused."""
    told = answer(body)
    if told.get("zone") != question.zone:
        raise NoAnswer("another zone than asked")
    coming = "forecast" in told
    rows = told["forecast"] if coming else told.get("history", [told])
    told_s = [(utc(row["datetime"]), row) for row in rows if row.get("carbonIntensity") is not None]
    told_s.sort(key=lambda pair: pair[0])
    return [_slot(question, start, end, row, coming) for (start, row), end in zip(told_s, _ends(told_s), strict=True)]


def _ends(rows: list[tuple[datetime, Any]]) -> list[datetime]:
    """A slot ends where the next begins, if that is no more than an hour on."""
    starts = [start for start, _ in rows]
    step = min((b - a for a, b in pairwise(starts)), default=HOUR)
    return [start + min(step, HOUR) for start in starts]


def _slot(question: Question, start: datetime, end: datetime, row: Any, coming: bool) -> CarbonIntensity:
    status: IntensityStatus = "forecast" if coming else "estimated" if row.get("isEstimated") else "actual"
    if row.get("emissionFactorType", "lifecycle") != "lifecycle":
        raise NoAnswer("another basis than asked")
    grams = float(row["carbonIntensity"])
    return slot(question, start, end, grams, basis="lifecycle", status=status, credit=CREDIT)
