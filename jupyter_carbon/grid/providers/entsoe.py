"""Europe: the ENTSO-E Transparency Platform (https://transparency.entsoe.eu), with a free token.

Actual generation by type (document A75, process A16); the life cycle is computed from it.  400 requests a minute, then
a ban of ten minutes; one year a call.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree

from jupyter_carbon.grid.lifecycle import of_mix
from jupyter_carbon.grid.providers import NoAnswer, Question, Request, slot, utc
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonIntensity, Method

CREDIT = "ENTSO-E Transparency Platform; life cycle by fuel from IPCC"
METHOD: Method = "average"
BOUNDARY = "generation"
PERIOD_S = 3600.0
NEEDS_KEY = True

ROOT = "https://web-api.tp.entsoe.eu/api"
QUARTER = timedelta(minutes=15)
LARGEST_BYTES = 16 << 20  # of an unpacked answer

FUELS = {
    "B01": "biomass",
    "B02": "coal",
    "B03": "gas",
    "B04": "gas",
    "B05": "coal",
    "B06": "oil",
    "B07": "coal",
    "B08": "coal",
    "B09": "geothermal",
    "B11": "hydro",
    "B12": "hydro",
    "B14": "nuclear",
    "B16": "solar",
    "B18": "wind",
    "B19": "wind",
}
STORE = "B10"  # pumped water gives back what others made

DOMAINS = {
    "AT": "10YAT-APG------L",
    "BA": "10YBA-JPCC-----D",
    "BE": "10YBE----------2",
    "BG": "10YCA-BULGARIA-R",
    "CH": "10YCH-SWISSGRIDZ",
    "CZ": "10YCZ-CEPS-----N",
    "DE": "10Y1001A1001A83F",
    "DK": "10Y1001A1001A65H",
    "DK-DK1": "10YDK-1--------W",
    "DK-DK2": "10YDK-2--------M",
    "EE": "10Y1001A1001A39I",
    "ES": "10YES-REE------0",
    "FI": "10YFI-1--------U",
    "FR": "10YFR-RTE------C",
    "GR": "10YGR-HTSO-----Y",
    "HR": "10YHR-HEP------M",
    "HU": "10YHU-MAVIR----U",
    "IE": "10YIE-1001A00010",
    "IT": "10YIT-GRTN-----B",
    "LT": "10YLT-1001A0008Q",
    "LU": "10YLU-CEGEDEL-NQ",
    "LV": "10YLV-1001A00074",
    "ME": "10YCS-CG-TSO---S",
    "MK": "10YMK-MEPSO----8",
    "NL": "10YNL----------L",
    "NO": "10YNO-0--------C",
    "NO-NO1": "10YNO-1--------2",
    "NO-NO2": "10YNO-2--------T",
    "NO-NO3": "10YNO-3--------J",
    "NO-NO4": "10YNO-4--------9",
    "NO-NO5": "10Y1001A1001A48H",
    "PL": "10YPL-AREA-----S",
    "PT": "10YPT-REN------W",
    "RO": "10YRO-TEL------P",
    "RS": "10YCS-SERBIATSOV",
    "SE": "10YSE-1--------K",
    "SE-SE1": "10Y1001A1001A44P",
    "SE-SE2": "10Y1001A1001A45N",
    "SE-SE3": "10Y1001A1001A46L",
    "SE-SE4": "10Y1001A1001A47J",
    "SI": "10YSI-ELES-----O",
    "SK": "10YSK-SEPS-----K",
}
"""The platform's codes of areas (EIC, published by ENTSO-E)."""


def zone(place: Region, area: str) -> str | None:
    """The area's code."""
    return DOMAINS.get(place.grids[0])


def request(question: Question) -> tuple[Request, ...]:
    """All types of generation."""
    asked = {
        "securityToken": question.key or "",
        "documentType": "A75",
        "processType": "A16",
        "in_Domain": question.zone,
        "periodStart": f"{question.start:%Y%m%d%H00}",
        "periodEnd": f"{question.now + timedelta(hours=1):%Y%m%d%H00}",
    }
    return (Request(f"{ROOT}?{urlencode(asked)}"),)


def parse(body: bytes, question: Question) -> list[CarbonIntensity]:
    """Quarter-hours whose mix is told.  "No data" is an answer too: none."""
    by_quarter: dict[datetime, dict[str, float]] = {}
    for document in _documents(body):
        kind = _name(document)
        if kind == "Acknowledgement_MarketDocument":
            continue
        if kind != "GL_MarketDocument":
            raise NoAnswer("another document than asked")
        for series in _all(document, "TimeSeries"):
            _take(series, question.zone, by_quarter)
    slots = []
    for start, mix in sorted(by_quarter.items()):
        grams = of_mix(mix)
        if grams is not None:
            slots.append(
                slot(question, start, start + QUARTER, grams, basis="lifecycle", status="actual", credit=CREDIT)
            )
    return slots


def _take(series: ElementTree.Element, zone: str, by_quarter: dict[datetime, dict[str, float]]) -> None:
    """Add one type's power to each quarter-hour of its series; what flows out (pumps, own use) is left out."""
    if _text(series, "outBiddingZone_Domain.mRID"):
        return
    if _text(series, "inBiddingZone_Domain.mRID") not in (zone, ""):
        raise NoAnswer("another area than asked")
    kind = _text(series, "psrType")
    if kind == STORE:
        return
    fuel = FUELS.get(kind, "unknown")
    for start, power_mw in _quarters(series):
        mix = by_quarter.setdefault(start, {})
        mix[fuel] = mix.get(fuel, 0.0) + power_mw


def _quarters(series: ElementTree.Element) -> Iterator[tuple[datetime, float]]:
    for period in _all(series, "Period"):
        start, end = utc(_text(period, "start")), utc(_text(period, "end"))
        minutes = re.fullmatch(r"PT(\d+)M", _text(period, "resolution"))
        if minutes is None or int(minutes[1]) % 15 or not int(minutes[1]):
            raise NoAnswer("slots of a length that is not understood")
        step = timedelta(minutes=int(minutes[1]))
        points = {int(_text(p, "position")): float(_text(p, "quantity")) for p in _all(period, "Point")}
        power_mw = None
        for position in range(1, round((end - start) / step) + 1):
            power_mw = points.get(position, power_mw)  # an omitted position repeats the one before (curve type A03)
            if power_mw is not None:
                for part in range(int(minutes[1]) // 15):
                    yield start + (position - 1) * step + part * QUARTER, power_mw


def _documents(body: bytes) -> Iterator[ElementTree.Element]:
    """The answer, or each of the answers in an archive."""
    if body[:2] != b"PK":
        yield _parsed(body)
        return
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_BYTES:
                raise NoAnswer("an answer that is too large")
            for member in archive.namelist():
                yield _parsed(archive.read(member))
    except zipfile.BadZipFile as err:
        raise NoAnswer("an archive that is cut") from err


def _parsed(text: bytes) -> ElementTree.Element:
    try:
        # Expat itself stops entities that grow without end (2.4.1), and the text is at most a few MiB.
        return ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as err:
        raise NoAnswer("an answer that is no XML") from err


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]  # the namespace names the schema's version


def _all(element: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return (child for child in element.iter() if _name(child) == name)


def _text(element: ElementTree.Element, name: str) -> str:
    return next(((child.text or "").strip() for child in _all(element, name)), "")
