"""France: RTE's eco2mix through ODRE (https://odre.opendatasoft.com, data set eco2mix-national-tr), no key.

Quarter-hours of the past day; no forecast.  `taux_co2` is direct and of production; with it comes the generation mix,
from which the life cycle is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Any
from urllib.parse import urlencode

from jupyter_carbon.grid.lifecycle import of_mix
from jupyter_carbon.grid.providers import Question, Request, answer, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import Basis, CarbonIntensity, Interval, Method

CREDIT = "RTE eco2mix through ODRE, Licence Ouverte"
METHOD: Method = "average"
BOUNDARY = "generation"
PERIOD_S = 900.0
NEEDS_KEY = False

ROOT = "https://odre.opendatasoft.com/api/explore/v2.1/catalog/datasets/eco2mix-national-tr/records"
STEP = timedelta(minutes=15)
LATEST = timedelta(minutes=30)  # the moment of asking is told to the half-hour before
PAGE = 100  # rows of an answer, at most
PAGES = 8
FUELS = {
    "nucleaire": "nuclear",
    "gaz": "gas",
    "charbon": "coal",
    "fioul": "oil",
    "hydraulique": "hydro",
    "eolien": "wind",
    "solaire": "solar",
    "bioenergies": "biomass",
}


def zone(place: Region, area: str) -> str | None:
    """The mainland as a whole."""
    return "FR" if place.grids[0] == "FR" else None


def request(question: Question) -> tuple[Request, ...]:
    """The newest rows first, a hundred a page."""
    start, end = (f"date'{moment:%Y-%m-%dT%H:%M:%SZ}'" for moment in (question.start, question.now + LATEST))
    pages = min(PAGES, ceil((question.now + LATEST - question.start) / STEP / PAGE))
    where = f"date_heure >= {start} and date_heure < {end} and taux_co2 is not null"
    asked = {"where": where, "order_by": "date_heure desc", "limit": PAGE}
    return tuple(
        Request(f"{ROOT}?{urlencode({**asked, 'offset': page * PAGE})}", part=f"page {page}") for page in range(pages)
    )


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """The quarter-hours that are filled in; on the life cycle where every one of them has its whole mix."""
    rows = [row for row in answer(body)["results"] if row["taux_co2"] is not None]
    mixes = [_mix(row) for row in rows]
    whole = all(mix is not None for mix in mixes)
    slots = []
    for row, mix in zip(rows, mixes, strict=True):
        start = utc(row["date_heure"])
        number: float | Interval = mix if whole and mix is not None else float(row["taux_co2"])
        basis: Basis = "lifecycle" if whole else "direct"
        slots.append(slot(question, start, start + STEP, number, basis=basis, status="actual", credit=CREDIT))
    return slots


def _mix(row: Mapping[str, Any]) -> Interval | None:
    if any(row.get(name) is None for name in FUELS):
        return None
    return of_mix({fuel: float(row[name]) for name, fuel in FUELS.items()})
