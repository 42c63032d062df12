"""The live sources, one file each: what to ask (`request`) and what an answer means (`parse`).  Both pure.

Nothing here opens a connection but `http`, and that on the thread `carbon-grid` alone.  A new source is one file with
the names of :class:`Provider`, one line in `grid.PROVIDERS` and one recorded answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timezone
from importlib import import_module
from typing import Any, Protocol, cast

from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import (
    Basis,
    CarbonIntensity,
    IntensityStatus,
    IntensityUnavailable,
    Interval,
    Method,
)
from jupyter_carbon.value import value

PUBLISHED = Interval(1 / 1.2, 1.0, 1.2)
"""A source's own figure for a slot against another source's.  Assumed, between the median (12 %) and the 90th
percentile (47 %) by which two publishers' years differ (`static.PUBLISHERS`): the hour and the place are the same."""

FORECAST = Interval(1 / 1.2, 1.0, 1.2)
"""A forecast against what came: a mean absolute error of 9.6 % over 13 grids (CarbonX, 2025), which is 5 to 95 % at
2.06 times that for a normal error; the tracker of NESO's own forecast finds 10 % for Great Britain."""


@value
class Question:
    """What is asked: `zone` in the source's own words, from `start` over `now` to `end` (aware, UTC).  Never shown."""

    place: Region
    zone: str = field(repr=False)  # may be finer than the region
    start: datetime
    now: datetime
    end: datetime
    key: str | None = field(default=None, repr=False)


@value
class Request:
    """A GET.  `part` names the question among those of one source.  Never shown: it may hold a key."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    part: str = ""


@value
class Response:
    """A whole answer, and what the server's own clock said then (seconds since the epoch)."""

    body: bytes = field(repr=False)
    server_s: float | None = None


class NoAnswer(IntensityUnavailable):
    """A source did not answer, or not with what was asked.  The text never holds an address, a key or a zone.

    `retry_after_s` is what the source itself asks for; `denied`: it will not answer this key.
    """

    def __init__(self, why: str, *, retry_after_s: float | None = None, denied: bool = False) -> None:
        super().__init__(why)
        self.retry_after_s, self.denied = retry_after_s, denied


class Provider(Protocol):
    """The names that a source's file has.

    `CREDIT` is publisher and licence, `BOUNDARY` what of the electricity is counted; `PERIOD_S` is how often new
    numbers are worth asking for, `NEEDS_KEY` whether it answers to nobody without one,
    `ROOT` where all its addresses begin.
    """

    CREDIT: str
    METHOD: Method
    BOUNDARY: str
    PERIOD_S: float
    NEEDS_KEY: bool
    ROOT: str

    def zone(self, place: Region, area: str) -> str | None:
        """The place in the source's own words; None where it does not serve it.  `area` is a part of the place."""

    def request(self, question: Question) -> tuple[Request, ...]:
        """What to ask, in one or several requests."""

    def parse(self, body: bytes, question: Question) -> list[CarbonIntensity]:
        """What the answer to one of them says, in any order."""


class Login(Protocol):
    """A source that gives a token for a key."""

    def login(self, key: str) -> Request:
        """What to ask first."""

    def token(self, body: bytes) -> str:
        """What to ask the rest with."""


@value
class Chosen:
    """A source for a place."""

    name: str
    provider: Provider
    zone: str = field(repr=False)
    key: str | None = field(repr=False)


def choose(
    place: Region, *, wanted: str, area: str, method: Method, environ: Mapping[str, str], names: tuple[str, ...]
) -> Chosen | None:
    """The source to ask about this place: the one that was `wanted`, else the first that serves it and can be asked."""
    for name in (wanted,) if wanted else names:
        provider = cast("Provider", import_module(f"{__name__}.{name}"))
        zone = provider.zone(place, area)
        if zone is None or method != provider.METHOD:
            continue
        key = key_of(name, environ, keyring=bool(wanted)) if provider.NEEDS_KEY else None
        if key or not provider.NEEDS_KEY:
            return Chosen(name, provider, zone, key)
    return None


def key_of(name: str, environ: Mapping[str, str], *, keyring: bool) -> str | None:
    """The user's key for a source: `JUPYTER_CARBON_<NAME>_KEY`, else the system's keyring (service `jupyter_carbon`).

    The keyring may open a window, so it is asked only for a source that was named.
    """
    key = environ.get(f"JUPYTER_CARBON_{name.upper()}_KEY", "").strip()
    if key or not keyring:
        return key or None
    try:
        ring = import_module("keyring")  # an optional extra
    except ImportError:
        return None
    try:
        found = ring.get_password("jupyter_carbon", name)
    except ring.errors.KeyringError:
        return None
    return str(found).strip() or None if found else None


# --- what the sources' files share ------------------------------------------------------------------------------


def slot(
    question: Question,
    start: datetime,
    end: datetime,
    gco2e_per_kwh: float | Interval,
    *,
    basis: Basis,
    status: IntensityStatus,
    credit: str,
    method: Method = "average",
) -> CarbonIntensity:
    """One slot as a source tells it, with the doubt that its status carries; raises `NoAnswer` for no number."""
    known = gco2e_per_kwh if isinstance(gco2e_per_kwh, Interval) else Interval.exact(float(gco2e_per_kwh))
    if not (0.0 <= known.likely < 5000.0 and start < end):
        raise NoAnswer("an intensity that is none")
    spread = PUBLISHED * FORECAST if status == "forecast" else PUBLISHED
    return CarbonIntensity(
        gco2e_per_kwh=known * spread,
        region=question.place.code,
        name=question.place.name,
        basis=basis,
        method=method,
        status=status,
        source=credit,
        year=None,
        start=iso(start),
        end=iso(end),
    )


def answer(body: bytes) -> Any:
    """A JSON answer; an empty body, a page of HTML and a cut text are `NoAnswer`."""
    try:
        return json.loads(body)
    except ValueError as err:
        what = "an empty answer" if not body.strip() else "an answer that is no JSON"
        raise NoAnswer(what) from err


def utc(text: str) -> datetime:
    """A moment of an answer, in UTC; one without a zone is meant in UTC by every source here."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, as `CarbonIntensity` writes it.

    >>> iso(datetime(2026, 11, 21, 10, tzinfo=timezone.utc))
    '2026-11-21T10:00:00Z'
    """
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
