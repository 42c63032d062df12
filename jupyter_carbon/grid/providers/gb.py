"""Great Britain: NESO's Carbon Intensity API (https://carbon-intensity.github.io/api-definitions/), no key.

Direct emissions of consumption, imports and grid losses counted; wind, sun, water and the atom count as zero.  Only
the whole country has an `actual`; a part of it has forecasts with their generation mix, so that its life cycle can be
computed.  At most 14 days a call; one call a half-hour, as the limit is not published.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_carbon.grid.lifecycle import of_mix
from jupyter_carbon.grid.providers import NoAnswer, Question, Request, answer, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import Basis, CarbonIntensity, IntensityStatus, Interval, Method

CREDIT = "NESO Carbon Intensity API, CC BY 4.0"
METHOD: Method = "average"
BOUNDARY = "consumption"
PERIOD_S = 1800.0
NEEDS_KEY = False

ROOT = "https://api.carbonintensity.org.uk"
STATUSES: tuple[IntensityStatus, ...] = ("actual", "forecast")
REGIONS = range(1, 18)  # 14 of the grid's operators, then England, Scotland and Wales


def zone(place: Region, area: str) -> str | None:
    """`national`; or, for an `area` of Great Britain, a region's number (1 to 17) or the first half of a postcode."""
    if place.grids[0] != "GB":  # Northern Ireland is on the Irish grid
        return None
    word = area.strip().upper()
    if word.isdecimal() and int(word) in REGIONS:
        return f"regionid/{int(word)}"
    # A whole postcode is outward half and three characters; a wrong whole one is answered with nothing.
    outward = re.fullmatch(r"([A-Z]{1,2}[0-9][0-9A-Z]?)(?:\s*[0-9][A-Z]{2})?", word)
    return f"postcode/{outward[1]}" if outward else "national"


def request(question: Question) -> tuple[Request, ...]:
    """Past and coming half-hours in one call."""
    span = f"{question.start:%Y-%m-%dT%H:%MZ}/{question.end:%Y-%m-%dT%H:%MZ}"
    if question.zone == "national":
        return (Request(f"{ROOT}/intensity/{span}"),)
    return (Request(f"{ROOT}/regional/intensity/{span}/{question.zone}"),)


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """Every half-hour, its actual and its forecast as two; a part of the country on the life cycle, by its mix."""
    found = list(_slots(answer(body)))
    mixes = [_mix(part) for part in found]
    whole = bool(found) and all(mix is not None for mix in mixes)  # one list has one basis
    told = []
    for part, mix in zip(found, mixes, strict=True):
        start, end = utc(part["from"]), utc(part["to"])
        for status in STATUSES:
            direct = part["intensity"].get(status)
            if direct is None:  # a running or coming half-hour has no actual
                continue
            number: float | Interval = mix if whole and mix is not None else float(direct)
            basis: Basis = "lifecycle" if whole else "direct"
            told.append(slot(question, start, end, number, basis=basis, status=status, credit=CREDIT))
    return told


def _slots(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every half-hour of an answer: `data` is a list, a list with one region in it, or one region's object."""
    if isinstance(node, list):
        for item in node:
            yield from _slots(item)
    elif isinstance(node, dict) and "intensity" in node:
        yield node
    elif isinstance(node, dict) and "data" in node:
        yield from _slots(node["data"])
    else:
        raise NoAnswer("an error instead of half-hours")


def _mix(part: Mapping[str, Any]) -> Interval | None:
    """Its names of the fuels are ours, "imports" and "other" are of unknown origin."""
    shares = part.get("generationmix")
    return of_mix({share["fuel"]: float(share["perc"]) for share in shares}) if shares else None
