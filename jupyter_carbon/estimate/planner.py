"""`jc.plan`: millions of scenarios at once, each with its ranges, ranked by the grams they would cost.

Every distinct machine, place and count is worked out once, by the formula that serves a single estimate; a row then
only multiplies by its hours.  Where nearly every row has a number of its own, the same formula is worked out a block of
rows at a time, but for what does not hang on that number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_carbon.estimate.belief import Array, Belief, Number, Sum, is_any, merged, number_rows, number_where
from jupyter_carbon.estimate.compose import ingredients, known_machine
from jupyter_carbon.estimate.outcome import OF_BESIDE, OF_CPUS, Beside, Ingredients, Outcome, beside, cpus, outcome
from jupyter_carbon.estimate.own import owned
from jupyter_carbon.estimate.place import place
from jupyter_carbon.estimate.scenario import Scenario
from jupyter_carbon.estimate.sheet import Cases, Codes, Sheet, cases, errors, product, table
from jupyter_carbon.estimate.when import RunHours, over
from jupyter_carbon.model import CarbonError
from jupyter_carbon.power.host import Host

Recipe = tuple[Ingredients, RunHours]
QUANTITIES = ("energy_kwh", "operational_kgco2e", "embodied_kgco2e", "water_l")
COLUMNS = tuple(f"{quantity}_{end}" for quantity in QUANTITIES for end in ("p5", "p50", "p95"))
GRAMS = COLUMNS.index("operational_kgco2e_p50")
ANY_HOUR, UNUSED = Belief(1.0), Belief(0.0)
BLOCK = 1 << 14
"""Rows whose numbers stay in the processor's cache while they are worked on."""


def plan(
    scenarios: pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]], *, here: Host | None = None
) -> pd.DataFrame:
    """The same rows with ``energy_kwh``, ``operational_kgco2e``, ``embodied_kgco2e`` and ``water_l``, each as ``_p5``,
    ``_p50`` and ``_p95``, and their ``rank`` by the likely operational grams, 1 being the least.

    `scenarios` is a table whose columns are arguments of :func:`estimate` (others pass through), or a mapping of
    arguments to values, of which every combination becomes a row.  A row that cannot be has no numbers and says in
    ``error`` which field, which value and what is allowed; the others are computed.  `here` is a machine whose parts
    were measured: where they are named, their own figures stand for the table's.
    """
    sheet = product(scenarios) if isinstance(scenarios, Mapping) else table(pd.DataFrame(scenarios))
    wrong, distinct = errors(sheet), cases(sheet)
    recipes, faults = _recipes(distinct, here)
    numbers = _by_row(sheet, distinct, recipes)
    texts = _texts(wrong, faults, distinct, sheet)
    numbers[:, texts.codes >= 0] = np.nan
    found = pd.DataFrame(numbers.T, columns=list(COLUMNS), index=sheet.frame.index, copy=False)
    found["rank"] = pd.arrays.IntegerArray(_rank(numbers[GRAMS]), np.isnan(numbers[GRAMS]))
    found["error"] = texts
    kept = sheet.frame.drop(columns=[name for name in found.columns if name in sheet.frame.columns])
    planned: pd.DataFrame = pd.concat([kept, found], axis=1)
    return planned


def shown(planned: pd.DataFrame) -> str:
    """A plan in lines, the least grams first: what was asked, the grams with their range, the likely energy."""
    asked = [name for name in planned.columns if name not in (*COLUMNS, "rank", "error")]
    numbers = [*(f"operational_kgco2e_{end}" for end in ("p5", "p50", "p95")), "energy_kwh_p50"]
    wrong = ["error"] if planned["error"].notna().any() else []
    lines = planned.sort_values("rank")[["rank", *asked, *numbers, *wrong]]
    return str(lines.to_string(index=False, float_format=lambda number: f"{number:.3g}", na_rep=""))


def _recipes(distinct: Cases, here: Host | None) -> tuple[list[Recipe], list[str | None]]:
    """For each combination of names its ingredients, or why there are none (then those of another stand in)."""
    found: list[Recipe | None] = []
    faults: list[str | None] = []
    for names in distinct.names:
        try:
            scenario = Scenario.of(**names)
            found.append(_recipe(scenario if here is None else owned(scenario, here)))
            faults.append(None)
        except (CarbonError, ValueError) as err:
            found.append(None)
            faults.append(str(err))
    stand_in = next((recipe for recipe in found if recipe is not None), None)
    return ([] if stand_in is None else [recipe or stand_in for recipe in found]), faults


def _recipe(scenario: Scenario) -> Recipe:
    box = known_machine(scenario.gpu, scenario.cpu, scenario.work, float(scenario.n_gpu))
    where = place(scenario.region, box.chassis, scenario.start)
    return ingredients(box, where, scenario), where.hours


class _Costs:
    """What rows cost: energy, grams, making and water, each by low end, likely, high end.

    A case is worked out once for an hour, and a row multiplies.  Of an hour's grams the ends are the squared
    logarithms of the spread of the year's figure: what the hours of a run add to it depends on how many they are.
    """

    def __init__(self, distinct: Cases, recipes: Sequence[Ingredients]) -> None:
        self._cases = distinct
        self._beliefs = {
            name: Belief.column([getattr(recipe, name) for recipe in recipes]) for name in recipes[0].beliefs()
        }
        self._numbers = {
            name: merged(np.array([getattr(recipe, name) for recipe in recipes]))
            for name in ("cpu_follows", "at_wall", "gpus_per_machine", "n_gpu")
        }
        self._per_hour = None if distinct.own else self._ahead()
        self._followed = "utilisation" in distinct.own and is_any(self._numbers["cpu_follows"])
        self._beside = self._beside_own() if distinct.own else None
        if self._beside is not None:
            self._beliefs |= dict.fromkeys(OF_BESIDE if self._followed else (*OF_BESIDE, *OF_CPUS), UNUSED)
            self._numbers["gpus_per_machine"] = math.nan
        if "utilisation" in distinct.own and not np.isnan(distinct.own["utilisation"]).any():
            self._beliefs["gpu_w"] = UNUSED

    def put(self, which: slice, hours: Array, seen: Belief, costs: Array) -> None:
        """Into `costs` those of these rows: so many hours of each, at the grid that they see."""
        case = self._cases.of_row[which]
        if self._per_hour is not None:
            _times(np.take(self._per_hour, case, axis=1), hours, seen, costs)
            return
        counts = {name: values[case] for name, values in self._cases.counts.items()}
        own = {name: values[which] for name, values in self._cases.own.items()}
        given = self._given(self._cases.of_names[case], {**counts, **own}, hours=hours, hour_of_year=seen)
        rest = None if self._beside is None else self._beside.rows(case)
        if rest is not None and self._followed:
            rest = replace(rest, cpus_w=cpus(given))
        found = outcome(given, rest)
        _spread(costs, found, found.operational_kgco2e.low, found.operational_kgco2e.high)

    def _ahead(self) -> Array:
        """An hour of every case."""
        per_hour = np.empty((len(COLUMNS), len(self._cases.of_names)))
        for which in _blocks(len(self._cases.of_names)):
            counts = {name: values[which] for name, values in self._cases.counts.items()}
            found = outcome(self._given(self._cases.of_names[which], counts))
            _spread(per_hour[:, which], found, found.operational_kgco2e.down2, found.operational_kgco2e.up2)
        return per_hour

    def _beside_own(self) -> Beside | None:
        """What hangs on no number that rows have of their own, where that is so and the cases are few; of CPUs that
        follow such a number, what they draw at none."""
        if "ram_gb" in self._cases.own or len(self._cases.of_names) > BLOCK:
            return None
        found = beside(self._given(self._cases.of_names, self._cases.counts))
        return found if self._followed else replace(found, cpus_w=Sum(), host_w=found.cpus_w + found.host_w)

    def _given(
        self,
        names: Codes,
        counts: Mapping[str, Array],
        *,
        hours: Number = 1.0,
        hour_of_year: Belief = ANY_HOUR,
    ) -> Ingredients:
        numbers = {name: number_rows(values, names) for name, values in self._numbers.items()}
        given: dict[str, Any] = {
            **{name: belief.rows(names) for name, belief in self._beliefs.items()},
            **numbers,
            "hours": hours,
            "hour_of_year": hour_of_year,
            "n_gpu": number_where(numbers["n_gpu"] > 0.0, counts.get("n_gpu", 1.0), 0.0),
            "n_cpu": counts.get("n_cpu", 1.0),
            "utilisation": counts.get("utilisation", math.nan),
            "ram_gb_given": counts.get("ram_gb", math.nan),
            "pue_given": counts.get("pue", math.nan),
        }
        return Ingredients(**given)


def _spread(into: Array, found: Outcome, grams_low: Number, grams_high: Number) -> None:
    """An outcome over the rows of an array."""
    energy, grams, made = found.energy_kwh, found.operational_kgco2e, found.embodied_kgco2e
    water = Sum.of(found.water_site_l, found.water_grid_l)
    numbers = (
        *(energy.low, energy.likely, energy.high, grams_low, grams.likely, grams_high),
        *(made.low, made.likely, made.high, *water.ends()),
    )
    for row, number in zip(into, numbers, strict=True):
        row[:] = number


def _times(per_hour: Array, hours: Array, seen: Belief, costs: Array) -> None:
    """What so many hours of each row cost, at the grid that those hours see."""
    np.multiply(per_hour, hours, out=costs)
    costs[GRAMS] *= seen.likely
    costs[GRAMS - 1] = costs[GRAMS] * np.exp(-np.sqrt(per_hour[GRAMS - 1] + seen.down2))
    costs[GRAMS + 1] = costs[GRAMS] * np.exp(np.sqrt(per_hour[GRAMS + 1] + seen.up2))


def _by_row(sheet: Sheet, distinct: Cases, recipes: Sequence[Recipe]) -> Array:
    """All columns of numbers, one a row of the array."""
    rows, hours = len(sheet.frame), sheet.numbers("hours")
    if not recipes or not rows:
        return np.full((len(COLUMNS), rows), np.nan)
    found = np.empty((len(COLUMNS), rows))
    costs = _Costs(distinct, [ingredients for ingredients, _ in recipes])
    profiles = list(dict.fromkeys(run_hours for _, run_hours in recipes))
    profile_of = np.array([profiles.index(run_hours) for _, run_hours in recipes])
    for block in _blocks(rows):
        which = profile_of[distinct.of_names[distinct.of_row[block]]] if len(profiles) > 1 else profile_of[:1]
        seen = over(profiles, which, hours[block])
        costs.put(block, hours[block], seen, found[:, block])
    return found


def _blocks(rows: int) -> list[slice]:
    return [slice(at, min(at + BLOCK, rows)) for at in range(0, rows, BLOCK)]


def _texts(wrong: Mapping[int, str], faults: Sequence[str | None], distinct: Cases, sheet: Sheet) -> pd.Categorical:
    """Why a row has no numbers; nothing for those that have."""
    words = list(dict.fromkeys([*wrong.values(), *(fault for fault in faults if fault is not None)]))
    number = {text: at for at, text in enumerate(words)}
    codes = np.full(len(sheet.frame), -1, dtype=np.int32)
    if any(faults):
        of_fault = np.array([-1 if fault is None else number[fault] for fault in faults], dtype=np.int32)
        codes = of_fault[distinct.of_names[distinct.of_row]]
    for row, text in wrong.items():
        codes[row] = number[text]
    return pd.Categorical.from_codes(codes, pd.Index(words, dtype=object))


def _rank(grams: Array) -> NDArray[np.int64]:
    """1 for the least; a row without a number has none.  Two rounds of counting sort on the bits of a 32-bit float,
    whose order is that of positive numbers: half the time of a comparison sort, and seven digits tell ranks apart."""
    bits = grams.astype(np.float32).view(np.uint32) & 0x7FFFFFFF  # no number is above every number, whatever its sign
    order = np.argsort((bits & 0xFFFF).astype(np.uint16), kind="stable")
    order = order[np.argsort((bits >> 16).astype(np.uint16)[order], kind="stable")]
    rank = np.empty(len(grams), dtype=np.int64)
    rank[order] = np.arange(1, len(grams) + 1)
    return rank


def elsewhere(scenario: Mapping[str, Any], regions: Sequence[str]) -> pd.DataFrame:
    """The same run in other places, the least grams first: `scenario` are arguments of :func:`estimate`."""
    same = {name: [value] for name, value in scenario.items() if name != "region" and value is not None}
    ranked: pd.DataFrame = plan({**same, "region": list(regions)}).sort_values("rank")
    return ranked
