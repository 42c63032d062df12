"""Balancing areas of the United States: EIA form 930 (https://www.eia.gov/opendata/), with a free key.

Generation by fuel, hour by hour, some hours late; the life cycle is computed from it.  A `period` names the end of
its hour, in UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from jupyter_carbon.grid.lifecycle import of_mix
from jupyter_carbon.grid.providers import NoAnswer, Question, Request, answer, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonIntensity, Method

CREDIT = "US EIA, form 930, public domain; life cycle by fuel from IPCC"
METHOD: Method = "average"
BOUNDARY = "generation"
PERIOD_S = 3600.0
NEEDS_KEY = True

ROOT = "https://api.eia.gov/v2/electricity/rto/fuel-type-data/data/"
HOUR = timedelta(hours=1)
ROWS = 5000  # of an answer, at most
FUELS = {
    "COL": "coal",
    "NG": "gas",
    "NUC": "nuclear",
    "OIL": "oil",
    "SUN": "solar",
    "SNB": "solar",
    "WAT": "hydro",
    "WND": "wind",
    "WNB": "wind",
    "WIND": "wind",
    "GEO": "geothermal",
}
STORES = {"BAT", "PS", "UES"}  # give back what others made


def zone(place: Region, area: str) -> str | None:
    """The balancing area: the last part of a zone's code (US-CAL-CISO, US-TEX-ERCO, US-MIDA-PJM)."""
    country, _, rest = place.grids[0].partition("-")
    return rest.partition("-")[2] or None if country == "US" else None


def request(question: Question) -> tuple[Request, ...]:
    """All fuels of the area."""
    asked = {
        "api_key": question.key or "",
        "frequency": "hourly",
        "data[]": "value",
        "facets[respondent][]": question.zone,
        "start": f"{question.start:%Y-%m-%dT%H}",
        "length": ROWS,
    }
    return (Request(f"{ROOT}?{urlencode(asked)}"),)


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """Hours whose mix is told; a value may be text, a number or nothing."""
    by_hour: dict[datetime, dict[str, float]] = {}
    for row in answer(body)["response"]["data"]:
        if row["respondent"] != question.zone:
            raise NoAnswer("another area than asked")
        if row["value"] is None or row["fueltype"] in STORES:
            continue
        mix = by_hour.setdefault(utc(f"{row['period']}:00") - HOUR, {})
        fuel = FUELS.get(row["fueltype"], "unknown")
        mix[fuel] = mix.get(fuel, 0.0) + max(0.0, float(row["value"]))
    slots = []
    for start, mix in sorted(by_hour.items()):
        grams = of_mix(mix)
        if grams is not None:
            slots.append(slot(question, start, start + HOUR, grams, basis="lifecycle", status="actual", credit=CREDIT))
    return slots
