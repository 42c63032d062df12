"""Plug meters on the local network: what to ask each kind, and what its answer means.  Both pure.

A plug is named as ``shelly 192.168.1.20``, ``tasmota plug.local`` or ``home-assistant http://ha.local:8123
sensor.desk_power``.  Nothing is asked unless a person names one; the connection is `grid/providers/http`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.grid.providers import NoAnswer, Request, Response
from jupyter_carbon.value import value

KEY = "JUPYTER_CARBON_HOME_ASSISTANT_TOKEN"
"""Home Assistant's long-lived access token; never stored, never shown."""

Fetch = Callable[[Request], Response]


@value
class Plug:
    """One plug: its kind, and what to ask, the newer way of its maker first."""

    kind: str
    requests: tuple[Request, ...]

    def watts(self, fetch: Fetch) -> float:
        """The power it shows now."""
        whys = []
        for request in self.requests:
            try:
                return _PARSERS[self.kind](json.loads(fetch(request).body))
            except NoAnswer as err:
                whys.append(str(err))
            except (ValueError, KeyError, TypeError, IndexError):
                whys.append(f"an answer that is none of a {self.kind} plug with a power meter")
        raise CalibrationRefused(f"the {self.kind} plug gave no power: {'; '.join(dict.fromkeys(whys))}")


def named(words: list[str], environ: Mapping[str, str]) -> Plug:
    """The plug that these words name; refuses with what would do."""
    if not words or words[0] not in _PARSERS:
        raise CalibrationRefused(f"a plug is one of {', '.join(_PARSERS)}, followed by its address")
    kind, *rest = words
    if len(rest) < (2 if kind == "home-assistant" else 1):
        wanted = "its address and the name of a power sensor" if kind == "home-assistant" else "its address"
        raise CalibrationRefused(f"after {kind} comes {wanted}")
    origin = _origin(rest[0])
    if kind == "shelly":
        # Generation 2 and newer, then the first.
        paths = ("/rpc/Switch.GetStatus?id=0", "/meter/0")
        return Plug(kind, tuple(Request(origin + path) for path in paths))
    if kind == "tasmota":
        return Plug(kind, (Request(f"{origin}/cm?cmnd=Status%208"),))
    token = environ.get(KEY, "").strip()
    if not token:
        raise CalibrationRefused(f"Home Assistant asks for a token: put a long-lived access token into {KEY}")
    headers = {"Authorization": f"Bearer {token}"}
    return Plug(kind, (Request(f"{origin}/api/states/{quote(rest[1], safe='._')}", headers),))


def _origin(address: str) -> str:
    """Scheme, host and port of an address as people give it."""
    parts = urlsplit(address if "//" in address else f"http://{address}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CalibrationRefused(f"{address!r} is no address of a plug: give a host name or an IP address")
    return f"{parts.scheme}://{parts.netloc}"


def _shelly(answer: Any) -> float:
    return float(answer["apower"] if "apower" in answer else answer["power"])


def _tasmota(answer: Any) -> float:
    power = answer["StatusSNS"]["ENERGY"]["Power"]
    return float(power[0] if isinstance(power, list) else power)


def _home_assistant(answer: Any) -> float:
    unit = answer["attributes"]["unit_of_measurement"]
    factor = {"W": 1.0, "kW": 1000.0, "mW": 1e-3}.get(unit)
    if factor is None:
        raise CalibrationRefused(f"that sensor shows {unit}; one that shows power (W) is needed")
    return float(answer["state"]) * factor


_PARSERS: Mapping[str, Callable[[Any], float]] = {
    "shelly": _shelly,
    "tasmota": _tasmota,
    "home-assistant": _home_assistant,
}
