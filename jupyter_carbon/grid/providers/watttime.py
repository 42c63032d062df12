"""Marginal emissions: WattTime (https://docs.watttime.org), with the user's own `name:password`.

What one more kWh changes, direct: another quantity than the average, for advice and what-if alone, never a cell's
headline.  Free for `CAISO_NORTH`; other regions are named by the setting `area`.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from urllib.parse import urlencode

from jupyter_carbon.grid.providers import NoAnswer, Question, Request, answer, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonIntensity, Method

CREDIT = "WattTime (www.watttime.org), under the account's own terms"
METHOD: Method = "marginal"
BOUNDARY = "consumption"
PERIOD_S = 3600.0
NEEDS_KEY = True

ROOT = "https://api.watttime.org"
G_PER_LB = 453.59237
"""International avoirdupois pound; lb/MWh x 0.45359237 = g/kWh."""
REGIONS = {"US-CAL-CISO": "CAISO_NORTH"}


def zone(place: Region, area: str) -> str | None:
    """Its region of the place, or the one named by `area` in its own words (`PJM_CHICAGO`)."""
    return area.strip() or REGIONS.get(place.grids[0])


def login(key: str) -> Request:
    """A token for half an hour."""
    return Request(f"{ROOT}/login", {"Authorization": "Basic " + b64encode(key.encode()).decode()}, "login")


def token(body: bytes) -> str:
    """The token in the answer to `login`."""
    return str(answer(body)["token"])


def request(question: Question) -> tuple[Request, ...]:
    """What is expected from now on."""
    asked = {
        "region": question.zone,
        "signal_type": "co2_moer",
        "horizon_hours": max(1, min(72, round((question.end - question.now) / timedelta(hours=1)))),
    }
    headers = {"Authorization": f"Bearer {question.key}"}
    return (Request(f"{ROOT}/v3/forecast?{urlencode(asked)}", headers, "forecast"),)


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """Slots in grams, from pounds a megawatt-hour."""
    told = answer(body)
    meta = told["meta"]
    if meta["units"] != "lbs_co2_per_mwh" or meta["signal_type"] != "co2_moer":
        raise NoAnswer("another signal or unit than asked")
    if meta["region"] != question.zone:
        raise NoAnswer("another region than asked")
    step = timedelta(seconds=float(meta["data_point_period_seconds"]))
    return [
        slot(
            question,
            utc(row["point_time"]),
            utc(row["point_time"]) + step,
            float(row["value"]) * G_PER_LB / 1000.0,
            basis="direct",
            status="forecast",
            credit=CREDIT,
            method=METHOD,
        )
        for row in told["data"]
    ]
