"""Denmark, west (DK1) and east (DK2): Energinet's Energi Data Service (https://www.energidataservice.dk), no key.

Direct emissions of consumption, the heat of combined plants counted at 125 % efficiency.  Five-minute slots, new ones
every fifteen minutes; a prognosis of nine hours and more.  Times are UTC without a Z; the Danish ones beside them are
not read, as an hour of them comes twice each October.
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from jupyter_carbon.grid.providers import NoAnswer, Question, Request, answer, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonIntensity, IntensityStatus, Method

CREDIT = "Energinet (www.energidataservice.dk), CC BY 4.0"
METHOD: Method = "average"
BOUNDARY = "consumption"
PERIOD_S = 900.0
NEEDS_KEY = False

ROOT = "https://api.energidataservice.dk/dataset"
STEP = timedelta(minutes=5)
STATUSES: dict[str, IntensityStatus] = {"CO2Emis": "actual", "CO2EmisProg": "forecast"}


def zone(place: Region, area: str) -> str | None:
    """`DK1` or `DK2`; the mean of both is nobody's electricity, so the country as a whole is not asked for."""
    return place.grids[0].removeprefix("DK-") if place.grids[0] in ("DK-DK1", "DK-DK2") else None


def request(question: Question) -> tuple[Request, ...]:
    """One call for what was, one for what is expected."""
    ends = {"CO2Emis": question.now + STEP * 6, "CO2EmisProg": question.end}
    asked = {
        "start": f"{question.start:%Y-%m-%dT%H:%M}",
        "filter": f'{{"PriceArea":["{question.zone}"]}}',
        "sort": "Minutes5UTC asc",
        "limit": "0",  # all
        "timezone": "utc",
    }
    return tuple(
        Request(f"{ROOT}/{name}?{urlencode({**asked, 'end': f'{end:%Y-%m-%dT%H:%M}'})}", part=name)
        for name, end in ends.items()
    )


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """Five-minute slots of the area that was asked."""
    told = answer(body)
    status = STATUSES.get(told["dataset"])
    if status is None:
        raise NoAnswer("another data set than asked")
    slots = []
    for row in told["records"]:
        if row["PriceArea"] != question.zone:
            raise NoAnswer("another area than asked")
        if row["CO2Emission"] is not None:
            start = utc(row["Minutes5UTC"])
            grams = float(row["CO2Emission"])
            slots.append(slot(question, start, start + STEP, grams, basis="direct", status=status, credit=CREDIT))
    return slots
