"""From what leaves the chimney to the life cycle: some sources publish the first, the headline is the second.

Where a source tells its generation mix, each fuel is weighed by its own life-cycle figure (`of_mix`).  Where it tells
a bare direct number, what the place's life cycle adds over a year is added (`converted`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from jupyter_carbon import tables
from jupyter_carbon.grid.region import Region
from jupyter_carbon.model import CarbonIntensity, Interval

DIRECT_SHARE = Interval(0.2, 0.75, 0.92)
"""Direct over life-cycle emissions where a place has no pair of its own: Norway's and Sweden's share, the median and
India's, over the 107 countries for which Electricity Maps' mixes give both."""

UNTOLD = 0.5
"""A mix of which more than this is of unknown origin tells nothing."""


@cache
def _fuels(data: Path | None) -> Mapping[str, Interval]:
    return {
        row["code"]: Interval(float(row["low"]), float(row["gco2e_per_kwh"]), float(row["high"]))
        for row in tables.rows("fuels", data=data)
    }


def of_mix(parts: Mapping[str, float], *, data: Path | None = None) -> Interval | None:
    """Life-cycle grams per kWh of a generation mix: `parts` by fuel in any one unit, those above zero counted.

    A part that is no fuel of the table (imports, storage, "other") is of unknown origin: it takes the mean of the
    others as likely and stretches the range from the cleanest fuel to the dirtiest.  `None` where most is unknown.

    >>> of_mix({"wind": 50.0, "gas": 50.0}).likely
    250.5
    """
    fuels = _fuels(data)
    known = {fuel: part for fuel, part in parts.items() if part > 0.0 and fuel in fuels}
    told = sum(known.values())
    total = sum(part for part in parts.values() if part > 0.0)
    if total <= 0.0 or told < (1.0 - UNTOLD) * total:
        return None
    likely = sum(part * fuels[fuel].likely for fuel, part in known.items()) / told
    unknown = (total - told) / total
    down = [part / total * (fuels[fuel].likely - fuels[fuel].low) for fuel, part in known.items()]
    up = [part / total * (fuels[fuel].high - fuels[fuel].likely) for fuel, part in known.items()]
    down.append(unknown * max(0.0, likely - min(fuel.low for fuel in fuels.values())))
    up.append(unknown * max(0.0, max(fuel.high for fuel in fuels.values()) - likely))
    return Interval(likely - math.hypot(*down), likely, likely + math.hypot(*up))


def converted(
    slots: Iterable[CarbonIntensity], place: Region, yearly: CarbonIntensity, *, data: Path | None = None
) -> list[CarbonIntensity]:
    """Direct numbers of one place as life-cycle ones: `direct(t) + (yearly life cycle - yearly direct)`.

    What was measured is `estimated` from here on.  The range holds the other rule too, `direct(t)` times the ratio of
    the two years, as nobody has checked either against a year of paired hours.  Numbers that are on the life cycle
    already, and those of a place whose yearly figure is direct itself, stay as they are.
    """
    if yearly.basis != "lifecycle":
        return list(slots)
    added, ratio = _added(place, yearly, data)
    return [slot if slot.basis == "lifecycle" else _lifted(slot, added, ratio) for slot in slots]


def _added(place: Region, yearly: CarbonIntensity, data: Path | None) -> tuple[Interval, Interval]:
    """What the life cycle adds to a kWh, in grams, and what it multiplies it by."""
    for code in place.grids:
        try:
            found = tables.lookup("grid_direct", code, data=data)
        except FileNotFoundError:  # the share-alike folder was deleted
            break
        if found:
            direct = float(found[0]["direct_gco2e_per_kwh"])
            whole = float(found[0]["lifecycle_gco2e_per_kwh"])
            return Interval.exact(whole - direct), Interval.exact(whole / direct)
    whole = yearly.gco2e_per_kwh.likely
    share = DIRECT_SHARE
    return (
        Interval(whole * (1.0 - share.high), whole * (1.0 - share.likely), whole * (1.0 - share.low)),
        Interval(1.0 / share.high, 1.0 / share.likely, 1.0 / share.low),
    )


def _lifted(slot: CarbonIntensity, added: Interval, ratio: Interval) -> CarbonIntensity:
    direct = slot.gco2e_per_kwh
    return replace(
        slot,
        gco2e_per_kwh=Interval(
            min(direct.low + added.low, direct.low * ratio.low),
            direct.likely + added.likely,
            max(direct.high + added.high, direct.high * ratio.high),
        ),
        basis="lifecycle",
        status="estimated" if slot.status == "actual" else slot.status,
        source=f"{slot.source}, direct {direct.likely:.4g} g/kWh + {added.likely:.3g} of the life cycle",
    )
