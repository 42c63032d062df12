"""Plug meters on the local network: what to ask each kind, and what its answer means.  Both pure.

A plug is named as ``shelly 192.168.1.20``, ``tasmota plug.local`` or ``home-assistant http://ha.local:8123
sensor.desk_power``.  Nothing is asked unless a person names one; the connection is `grid/providers/http`'s.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from jupyter_carbon.calibration.fit import UNITS, CalibrationRefused
from jupyter_carbon.grid.providers import NoAnswer, Request, Response, key_of
from jupyter_carbon.value import value

Fetch = Callable[[Request], Response]

TOKEN = "JUPYTER_CARBON_HOME_ASSISTANT_KEY"  # noqa: S105  (a name, not a secret)


PLUG_DEADLINE_S = 3.0
"""For one answer: a plug in the same house takes a tenth of a second, and who waits for it is a person."""


@value
class Plug:
    """One plug: its kind, and what to ask, the newer way of its maker first."""

    kind: str
    requests: tuple[Request, ...]

    def watts(self, fetch: Fetch) -> float:
        """The power it shows now; refuses with every reason there is."""
        whys = []
        for request in self.requests:
            try:
                watts = _PARSERS[self.kind](json.loads(fetch(request).body))
            except NoAnswer as err:
                whys.append(_why_not(self.kind, err))
            except (ValueError, LookupError, TypeError, AttributeError):
                whys.append("an answer without a power in it")
            else:
                if math.isfinite(watts):
                    return watts
                whys.append("a power that is no number")
        raise CalibrationRefused(f"the {self.kind} plug gave no power: {'; '.join(dict.fromkeys(whys))}")


def named(words: list[str], environ: Mapping[str, str]) -> Plug:
    """The plug that these words name; refuses with what would do."""
    kind, *rest = words or [""]
    if kind not in _PARSERS:
        raise CalibrationRefused(
            "name the plug: shelly ADDRESS, tasmota ADDRESS, or home-assistant http://ADDRESS:8123 SENSOR"
        )
    if len(rest) != (2 if kind == "home-assistant" else 1):
        example = "http://ha.local:8123 sensor.desk_power" if kind == "home-assistant" else "192.168.1.20"
        raise CalibrationRefused(f"say it like this: %carbon calibrate plug {kind} {example}")
    origin = _origin(rest[0])
    if kind == "shelly":
        # Generation 2 and newer, then the first (shelly-api-docs.shelly.cloud).
        return Plug(kind, tuple(Request(origin + path) for path in ("/rpc/Switch.GetStatus?id=0", "/status")))
    if kind == "tasmota":
        return Plug(kind, (Request(f"{origin}/cm?cmnd=Status%208"),))
    token = key_of("home_assistant", environ, keyring=True)
    if token is None:
        raise CalibrationRefused(
            f"Home Assistant asks for a long-lived access token (Profile, Security): put it into {TOKEN}, or into the "
            "keyring as jupyter_carbon / home_assistant"
        )
    headers = {"Authorization": f"Bearer {token}"}
    return Plug(kind, (Request(f"{origin}/api/states/{quote(rest[1], safe='._')}", headers),))


def _why_not(kind: str, err: NoAnswer) -> str:
    if err.denied:
        return "it asks for a password, or for another token"
    if kind == "home-assistant" and "status 404" in str(err):
        return "it knows no sensor of that name"
    return str(err)


def _origin(address: str) -> str:
    """Scheme, host and port of an address as people give it."""
    parts = urlsplit(address if "//" in address else f"http://{address}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CalibrationRefused(f"{address} is no address.  Give a host name or an IP address: 192.168.1.20")
    return f"{parts.scheme}://{parts.netloc}"


def _shelly(answer: Any) -> float:
    if "apower" in answer:
        return float(answer["apower"])
    meter = (answer.get("meters") or answer["emeters"])[0]
    if not meter.get("is_valid", True):
        raise ValueError("its meter says that it does not count")
    return float(meter["power"])


def _tasmota(answer: Any) -> float:
    power = answer["StatusSNS"]["ENERGY"]["Power"]
    return float(power[0] if isinstance(power, list) else power)  # a list where there are several outlets


def _home_assistant(answer: Any) -> float:
    unit = str(answer["attributes"].get("unit_of_measurement"))
    factor = UNITS.get(unit.lower())
    if factor is None:
        raise CalibrationRefused(f"that sensor shows {unit}.  Name one that shows power (W)")
    return float(answer["state"]) * factor


_PARSERS: Mapping[str, Callable[[Any], float]] = {
    "shelly": _shelly,
    "tasmota": _tasmota,
    "home-assistant": _home_assistant,
}
