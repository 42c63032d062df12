"""From what was metered to what will be: the same cell again, the same work on other hardware, and the bias of earlier
estimates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.belief import Belief
from jupyter_carbon.estimate.compose import ingredients
from jupyter_carbon.estimate.estimator import of_machine
from jupyter_carbon.estimate.machine import assemble
from jupyter_carbon.estimate.outcome import HOURS_PER_YEAR
from jupyter_carbon.estimate.place import place
from jupyter_carbon.estimate.priors import shipped
from jupyter_carbon.estimate.result import Assumption, Estimate, told
from jupyter_carbon.estimate.runtime import peak_flop_per_s
from jupyter_carbon.estimate.scenario import Scenario
from jupyter_carbon.ledger.plans import Planned
from jupyter_carbon.model import ZERO, CellRecord, Component, Interval
from jupyter_carbon.units import duration_text, energy_text, mass_text, range_text

REPEAT = Interval(1 / 1.12, 1.0, 1.12)
"""One run against another of the same code: of 92 configurations metered twice the median pair differs by 4 %, one in
ten by more than 12 % (R. Fischer 2025, arXiv 2509.22092)."""
TRANSFER = Interval(0.5, 1.0, 2.2)
"""Speed on another GPU against the ratio of the peaks: memory, interconnect and input decide as often.  Assumed."""
SHARE_TRANSFER = Interval(0.7, 1.0, 1.3)
"""Share of its rating that the same work draws on another GPU: 0.55 to 0.9 for one network on four cards (Zeus)."""
NOISE = 0.15
"""Spread of the logarithm of truth over estimate between runs of one kind, once their bias is known.  Assumed."""
Z95 = 1.645


@dataclass(frozen=True, slots=True)
class Expected:
    """What one more run of a cell should cost, by its earlier runs: energy and grams of the facility, and how long."""

    runs: int
    energy_kwh: Interval
    operational_gco2e: Interval
    duration_s: Interval
    settled: int = 0
    """Earlier expectations beside what was metered, whose bias is in these numbers."""

    def at(self, gco2e_per_kwh: Interval) -> Expected:
        """The same run with the electricity of another place or hour."""
        return replace(self, operational_gco2e=self.energy_kwh * gco2e_per_kwh)

    def after(self, past: Iterable[Planned]) -> Expected:
        """The expectation after what earlier ones of this cell missed."""
        settled = [each for each in past if each.actual_kwh]
        factor = learned(self.energy_kwh, settled)
        if factor is None:
            return self
        return replace(
            self,
            energy_kwh=factor.scaled(self.energy_kwh.likely),
            operational_gco2e=self.operational_gco2e.scaled(factor.likely),
            settled=len(settled),
        )

    def planned(self, key: str, made_at: float) -> Planned:
        """As it is kept: said by the runs alone, since a bias is not to be learned from what it corrected."""
        return Planned(
            key, made_at, self.energy_kwh, self.operational_gco2e.scaled(1e-3), self.duration_s.likely / 3600.0
        )

    @property
    def text(self) -> str:
        """One line for before the run."""
        energy, grams = (
            energy_text(self.energy_kwh.likely, "modelled"),
            mass_text(self.operational_gco2e.likely, "modelled"),
        )
        of = f"from {self.runs} earlier run{'s' * (self.runs != 1)}"
        if self.settled:
            of += f" and what {self.settled} earlier expectation{'s' * (self.settled != 1)} missed"
        return (
            f"Expected: {energy} ({range_text(self.energy_kwh, 'kWh')}) · {grams} CO₂e "
            f"({range_text(self.operational_gco2e, 'g')}) · {duration_text(self.duration_s.likely)}, {of}"
        )


def expected(records: Iterable[CellRecord]) -> Expected | None:
    """What the next run should cost, from the finished ones of the same cell; `None` where there are none."""
    ended = [record for record in records if record.status == "ok"]
    if not ended:
        return None
    prints = [record.footprint for record in ended]
    return Expected(
        runs=len(ended),
        energy_kwh=_next([each.facility_energy_kwh for each in prints]),
        operational_gco2e=_next([each.operational_gco2e for each in prints]),
        duration_s=_next([Interval.exact(record.duration_s) for record in ended]),
    )


def again(
    records: Sequence[CellRecord], times: float, *, region: str | None = None, pue: float | None = None
) -> Estimate:
    """The cell of these runs so many times more on the same machine, perhaps in another place."""
    ended, hours = _ended(records)
    last = ended[-1]
    wall_w = _next([record.footprint.wall_energy_j.scaled(1.0 / record.duration_s) for record in ended])
    made = [record.footprint.embodied_gco2e for record in ended if record.footprint.embodied_gco2e is not None]
    where = place(region or last.intensity.region, "server")
    scenario = Scenario(gpu="this machine", hours=hours.likely * times, region=region, pue=pue, boundary="devices")
    bare = assemble(None, hardware.cpu("server CPU"), None, 0, shipped())
    # Metered watts at the plug stand where a device's would: nothing is added to them but the building's overhead.
    box = replace(bare, gpu=bare.cpu, gpu_w=wall_w, gpu_kgco2e=ZERO)
    given = replace(
        ingredients(box, where, replace(scenario, n_cpu=0, ram_gb=0.0), hours.scaled(1.0 / hours.likely)),
        pue=Belief.of(last.pue),
        life_years=Belief(1.0),
        fleet_use=Belief(1.0),
        gpu_kgco2e=Belief.of(_next(made).scaled(HOURS_PER_YEAR / 1000.0 / hours.likely) if made else ZERO),
    )
    return told(
        given,
        (
            Assumption("metered runs", f"{len(ended)} of this cell", "", "the ledger", True),
            Assumption("runs", f"{times:g}", "", "given", True),
            Assumption("runtime", hours.scaled(times), "h", "the metered runs", False),
            Assumption("power at the plug", wall_w, "W", "the metered runs", False),
            Assumption("PUE", last.pue if pue is None else Interval.exact(pue), "", "as metered", pue is not None),
            Assumption("region", where.code, "", "given" if region else "as metered", region is not None),
            Assumption("grid intensity", where.intensity.gco2e_per_kwh, "gCO2e/kWh", where.intensity.source, False),
        ),
    )


def on_gpu(
    records: Sequence[CellRecord],
    times: float,
    *,
    metered_on: str,
    n_metered: float = 1,
    gpu: str,
    n_gpu: float,
    **more: Any,
) -> Estimate:
    """The cell of these runs so many times, on `n_gpu` of another GPU; `more` is what `estimate` takes besides.

    The metered runs say how hard the work drives a card, and how long it takes on `n_metered` of `metered_on`; the
    ratio of the cards' peaks says how long it will take, within a wide range.
    """
    ended, hours = _ended(records)
    old, new = hardware.gpu(metered_on), hardware.gpu(gpu)
    rated_w = old.rated_w.likely * n_metered
    shares = [(_component_j(record, "gpu"), record.duration_s) for record in ended]
    if not any(joules.likely for joules, _ in shares):
        raise ValueError("records: the metered runs used no GPU, so they tell nothing about one; estimate with hours=")
    share = _next([joules.scaled(1.0 / (seconds * rated_w)) for joules, seconds in shares]) * SHARE_TRANSFER
    speed = peak_flop_per_s(old) * n_metered / (peak_flop_per_s(new) * n_gpu)
    took = hours.scaled(speed * times) * TRANSFER
    scenario = Scenario.of(gpu=gpu, n_gpu=n_gpu, hours=took.likely, **more)
    box = assemble(new, None if scenario.cpu is None else hardware.cpu(scenario.cpu), scenario.work, n_gpu, shipped())
    drawn = Interval(*(min(end, 1.0) for end in (share.low, share.likely, share.high))) * new.rated_w
    metered = Assumption("metered runs", f"{len(ended)} on {n_metered:g} x {old.name}", "", "the ledger", True)
    return of_machine(
        replace(box, gpu_w=drawn),
        place(scenario.region, box.chassis),
        scenario,
        runtime=took.scaled(1.0 / took.likely),
        runtime_source=f"{times:g} x the metered time, by the ratio of the peaks ({speed:.3g})",
        also=(metered, Assumption("share of rating", share, "of rated power", "the metered runs", False)),
    )


# --- estimates kept beside what came of them -------------------------------------------------------------


class PlanBook(Protocol):
    """Where estimates are kept; the ledger is one."""

    def keep(self, planned: Planned) -> None:
        """Remember an estimate."""

    def settle(self, key: str, actual_kwh: float) -> None:
        """Write what was metered beside the newest estimate of this key that has nothing beside it."""

    def settled(self) -> Iterable[Planned]:
        """The estimates with their measurements, oldest first."""


def planned(one: Estimate, key: str, made_at: float) -> Planned:
    """An estimate as it is kept, under a key of your own; `made_at` is seconds since the epoch."""
    return Planned(key, made_at, one.energy_kwh, one.operational_kgco2e, one.hours)


def learned(energy_kwh: Interval, past: Iterable[Planned]) -> Interval | None:
    """The factor on the likely energy that earlier estimates beside their measurements teach; `None`: there are none.

    The estimate's own range is what is believed before any of them is looked at; each settled one counts by how far
    runs of one kind scatter.  The factor is no wider than that range.
    """
    errors = [math.log(each.actual_kwh / each.energy_kwh.likely) for each in past if each.actual_kwh]
    if not errors:
        return None
    before = max(math.log(energy_kwh.high / energy_kwh.low) / (2.0 * Z95), 1e-9)
    mean = sum(errors) / len(errors)
    scatter = sum((error - mean) ** 2 for error in errors) / max(len(errors) - 1, 1)
    noise = max(NOISE**2, scatter)
    weight = len(errors) / noise / (len(errors) / noise + before**-2)
    doubt = Z95 * math.sqrt(1.0 / (len(errors) / noise + before**-2) + noise)
    factor = math.exp(weight * mean)
    own = math.log(energy_kwh.likely / energy_kwh.low), math.log(energy_kwh.high / energy_kwh.likely)
    down, up = (min(doubt, side) for side in own)
    return Interval(factor * math.exp(-down), factor, factor * math.exp(up))


def corrected(one: Estimate, past: Iterable[Planned]) -> Estimate:
    """The estimate after what earlier ones taught: moved by their bias, and no wider than they were wrong."""
    settled = [each for each in past if each.actual_kwh]
    factor = learned(one.energy_kwh, settled)
    if factor is None:
        return one
    known = {name: Belief(belief.likely) for name, belief in one.ingredients.beliefs().items() if name in _ENERGY}
    source = f"{len(settled)} earlier estimate{'s' * (len(settled) != 1)} beside what was metered"
    return told(
        one.ingredients.with_beliefs(learned=Belief.of(factor), **known),
        (*one.assumptions, Assumption("earlier runs", factor, "x the estimate", source, False)),
    )


_ENERGY = (
    *(
        "runtime",
        "gpu_w",
        "gpu_idle",
        "gpu_rated_w",
        "cpu_w",
        "cpu_idle",
        "cpu_rated_w",
        "cpu_full",
        "cpu_curve",
        "host_w",
    ),
    *("ram_w_per_gb", "ram_gb", "wall_factor", "wall_base_w", "pue"),
)


def _ended(records: Sequence[CellRecord]) -> tuple[list[CellRecord], Interval]:
    """The runs that came to their end, and the hours of one more."""
    ended = [record for record in records if record.status == "ok" and record.duration_s > 0.0]
    if not ended:
        raise ValueError("records: none of these runs came to its end; meter the cell once before estimating from it")
    return ended, _next([Interval.exact(record.duration_s / 3600.0) for record in ended])


def _component_j(record: CellRecord, component: Component) -> Interval:
    joules = ZERO
    for share in record.shares:
        if share.domain.component == component:
            joules = joules.plus_together(share.energy_j)
    return joules


def _next(seen: Sequence[Interval]) -> Interval:
    """One more of what was seen: the median, its meter's doubt, and the scatter of the runs.

    A few runs scatter less than many would: what repeats of other work showed counts for two of them.
    """
    ordered = sorted(seen, key=lambda each: each.likely)
    middle = ordered[len(ordered) // 2]
    if middle.likely <= 0.0:
        return middle
    logs = [math.log(each.likely / middle.likely) for each in seen if each.likely > 0.0]
    usual = math.log(REPEAT.high) / Z95
    variance = (2.0 * usual**2 + sum(x * x for x in logs)) / (2.0 + len(logs) - 1.0)
    scatter = math.exp(Z95 * math.sqrt(variance * (1.0 + 1.0 / len(logs))))
    return middle * Interval(1.0 / scatter, 1.0, scatter)
