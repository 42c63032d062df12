"""An estimate: four ranges, every assumption behind them, and the one that the range hangs on most."""

from __future__ import annotations

import html
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from jupyter_carbon.estimate.belief import Belief, total
from jupyter_carbon.estimate.outcome import Ingredients, outcome
from jupyter_carbon.model import Interval
from jupyter_carbon.units import energy_text, mass_text, range_text, volume_text


@dataclass(frozen=True, slots=True)
class Assumption:
    """One thing the estimate stands on: `value` in `unit`, whose it is, and whether the user gave it."""

    name: str
    value: Interval | str
    unit: str
    source: str
    given: bool

    @property
    def text(self) -> str:
        """The value in words, with its range."""
        if isinstance(self.value, str):
            return self.value
        low, likely, high = (f"{end:.3g}" for end in (self.value.low, self.value.likely, self.value.high))
        number = likely if low == high else f"{likely} ({low} – {high})"
        return f"{number} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to cost: energy at the facility's meter, grams, making and water, 5, 50 and 95 %.

    `water_site_l` evaporates at the building, `water_grid_l` at the power plants; `water_l` is both.  `power_w` is the
    draw at the chosen boundary, before the building's overhead.
    """

    energy_kwh: Interval
    operational_kgco2e: Interval
    embodied_kgco2e: Interval
    water_l: Interval
    water_site_l: Interval
    water_grid_l: Interval
    power_w: Interval
    hours: float
    assumptions: tuple[Assumption, ...]
    ingredients: Ingredients = field(repr=False, compare=False)

    @property
    def dominant(self) -> str:
        """The name of the assumption whose range, if it were known exactly, would narrow the grams' range most."""
        gains = spread_gains(self.ingredients)
        field_name = max(gains, key=lambda name: gains[name], default="")
        return NAMES.get(field_name, "none: every number was given")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, intervals as ``{"low", "likely", "high"}``."""
        numbers = {name: asdict(getattr(self, name)) for name in _NUMBERS}
        assumptions = [
            {**{key: getattr(each, key) for key in ("name", "unit", "source", "given")}, "value": _plain(each.value)}
            for each in self.assumptions
        ]
        return {**numbers, "hours": self.hours, "dominant": self.dominant, "assumptions": assumptions}

    def __str__(self) -> str:
        return estimate_text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(estimate_text(self))

    def _repr_html_(self) -> str:
        return estimate_html(self)


Z95 = 1.6448536
"""Standard deviations from 50 to 95 %."""
_NUMBERS = (
    "energy_kwh",
    "operational_kgco2e",
    "embodied_kgco2e",
    "water_l",
    "water_site_l",
    "water_grid_l",
    "power_w",
)

# What an ingredient is called in the list of assumptions.
NAMES = {
    "gpu_w": "GPU draw",
    "gpu_idle": "GPU idle",
    "gpu_rated_w": "GPU rating",
    "cpu_w": "CPU draw",
    "cpu_idle": "CPU idle",
    "cpu_rated_w": "CPU rating",
    "cpu_full": "CPU at full utilisation",
    "cpu_curve": "CPU load curve",
    "host_w": "host",
    "ram_w_per_gb": "memory draw",
    "ram_gb": "memory",
    "wall_factor": "wall factor",
    "wall_base_w": "wall base",
    "pue": "PUE",
    "intensity_g_per_kwh": "grid intensity",
    "hour_of_year": "hours of the run",
    "runtime": "runtime",
    "learned": "earlier runs",
}


def told(given: Ingredients, assumptions: tuple[Assumption, ...]) -> Estimate:
    """The estimate that these ingredients make."""
    found = outcome(given)
    return Estimate(
        energy_kwh=found.energy_kwh.interval(),
        operational_kgco2e=found.operational_kgco2e.interval(),
        embodied_kgco2e=found.embodied_kgco2e.interval(),
        water_l=total(found.water_site_l, found.water_grid_l).interval(),
        water_site_l=found.water_site_l.interval(),
        water_grid_l=found.water_grid_l.interval(),
        power_w=found.wall_w.interval(),
        hours=float(given.hours),
        assumptions=assumptions,
        ingredients=given,
    )


def spread_gains(given: Ingredients) -> dict[str, float]:
    """By ingredient, how much narrower (in logarithm) the range of the grams were if it alone were known exactly."""
    whole = _width(outcome(given).operational_kgco2e)
    gains = {
        name: whole - _width(outcome(given.with_beliefs(**{name: Belief(belief.likely)})).operational_kgco2e)
        for name, belief in given.beliefs().items()
        if not belief.is_exact
    }
    return {name: gain for name, gain in gains.items() if gain > 0.0}


def _width(belief: Belief) -> float:
    """From the low to the high end, in logarithms."""
    return math.sqrt(belief.down2) + math.sqrt(belief.up2)


def chance_above(interval: Interval, limit: float) -> float:
    """The probability that a number passes `limit`, as its 5, 50 and 95 % say.

    >>> round(chance_above(Interval(1.0, 2.0, 4.0), 4.0), 3), chance_above(Interval(1.0, 2.0, 4.0), 2.0)
    (0.05, 0.5)
    """
    if interval.low == interval.high:
        return float(interval.likely > limit)
    if limit <= 0.0:
        return 1.0
    side = interval.high / interval.likely if limit > interval.likely else interval.likely / max(interval.low, 1e-300)
    if side <= 1.0:
        return float(interval.likely > limit)
    return 0.5 * math.erfc(Z95 * math.log(limit / interval.likely) / math.log(side) / math.sqrt(2.0))


def _plain(value: Interval | str) -> Any:
    return value if isinstance(value, str) else asdict(value)


def headline(estimate: Estimate) -> list[tuple[str, str, str]]:
    """What, how much, and the range, in this order: energy, grams, making, water."""
    rows = [
        ("energy", energy_text(estimate.energy_kwh.likely, "assumed"), range_text(estimate.energy_kwh, "kWh")),
        ("operational CO₂e", *_mass(estimate.operational_kgco2e)),
        ("making the hardware", *_mass(estimate.embodied_kgco2e)),
        ("water", volume_text(estimate.water_l.likely, "assumed"), range_text(estimate.water_l, "l")),
    ]
    site, grid = (volume_text(each.likely, "assumed") for each in (estimate.water_site_l, estimate.water_grid_l))
    return [*rows, ("  of it on site / at power plants", f"{site} / {grid}", "")]


def _mass(mass_kg: Interval) -> tuple[str, str]:
    return mass_text(mass_kg.likely * 1000.0, "assumed"), range_text(mass_kg, "kg")


def estimate_text(estimate: Estimate) -> str:
    """The estimate in lines: numbers, what the range hangs on, and every assumption with its source."""
    lines = [f"{what:<34}{much:>22}   {span}".rstrip() for what, much, span in headline(estimate)]
    lines.append(f"The range hangs most on: {estimate.dominant}")
    lines.append("Assumptions (* given by you):")
    lines += [
        f" {'*' if each.given else ' '} {each.name:<22} {each.text:<34} {each.source}".rstrip()
        for each in estimate.assumptions
    ]
    return "\n".join(lines)


def estimate_html(estimate: Estimate) -> str:
    """The same as tables that need no script."""
    numbers = "".join(
        f"<tr><th style='text-align:left'>{_safe(what)}</th><td>{_safe(much)}</td><td>{_safe(span)}</td></tr>"
        for what, much, span in headline(estimate)
    )
    assumptions = "".join(
        f"<tr><td style='text-align:left'>{_safe(each.name)}</td><td style='text-align:left'>{_safe(each.text)}</td>"
        f"<td>{'you' if each.given else 'assumed'}</td><td style='text-align:left'>{_safe(each.source)}</td></tr>"
        for each in estimate.assumptions
    )
    return (
        f"<table><thead><tr><th></th><th>likely</th><th>5 – 95 %</th></tr></thead><tbody>{numbers}</tbody></table>"
        f"<p>The range hangs most on: <b>{_safe(estimate.dominant)}</b></p>"
        f"<details><summary>{len(estimate.assumptions)} assumptions</summary><table><thead><tr><th>what</th>"
        f"<th>value</th><th>by</th><th>source</th></tr></thead><tbody>{assumptions}</tbody></table></details>"
    )


def _safe(text: str) -> str:
    return html.escape(text)
