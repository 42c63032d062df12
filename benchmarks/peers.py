"""What the peers would say: their formulas, written down by us from ESTIMATING's list of them, for comparison only.

Where a peer's case is plain arithmetic (watts, hours, PUE, grams), it goes through this package's own chain with the
peer's inputs as exact numbers: so the chain itself is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from jupyter_carbon.estimate.belief import Belief
from jupyter_carbon.estimate.outcome import Ingredients, Outcome, outcome
from jupyter_carbon.power.counter import FaultLog, WrappingCounter

NAN = math.nan


def codecarbon_cubic(load: float, tdp_w: float) -> float:
    """Machine mode: a tenth idle, the rest with the cube of the load."""
    return tdp_w * (0.1 + 0.9 * load**3)


def codecarbon_load(load: float, tdp_w: float) -> float:
    """The curve made for one Threadripper."""
    if load < 0.1:
        return tdp_w * 0.5 * load
    if load <= 0.3:
        return tdp_w * (0.05 + 1.8 * (load - 0.1))
    if load <= 0.5:
        return tdp_w * (0.45 + 0.5 * ((load - 0.3) / 0.2) ** 1.8)
    return tdp_w * (0.85 + 0.15 * (1 - math.exp(-5 * (load - 0.5))))


def teads(load: float, full_w: float) -> float:
    """Straight lines through 12, 32, 75 and 102 % of the rating at 0, 10, 50 and 100 % load."""
    points = [(0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02)]
    for (x0, y0), (x1, y1) in pairwise(points):
        if load <= x1:
            return full_w * (y0 + (y1 - y0) * (load - x0) / (x1 - x0))
    return full_w * points[-1][1]


def codecarbon_by_load(load: float, tdp_w: float, cpu: str) -> float:
    """The Threadripper's curve for Threadrippers, a line with a floor of a tenth for all others."""
    return codecarbon_load(load, tdp_w) if "Threadripper" in cpu else max(load, 0.1) * tdp_w


CPU_MODELS: Mapping[str, Callable[[float, float, str], float]] = {
    "CodeCarbon load function": codecarbon_by_load,
    "CodeCarbon cubic": lambda load, tdp_w, _cpu: codecarbon_cubic(load, tdp_w),
    "Teads points": lambda load, tdp_w, _cpu: teads(load, tdp_w),
    "half the rated power": lambda _load, tdp_w, _cpu: 0.5 * tdp_w,
    "rated power": lambda _load, tdp_w, _cpu: tdp_w,
}


def codecarbon_ram_w(gb: float, arch: str, slot_w: float) -> float:
    """Watts of guessed memory modules; four at full power, more at less and less."""
    if arch == "arm":
        size = next(size for limit, size in ((4, 4), (8, 4), (1e9, 16)) if gb <= limit)
        return max(3.0, slot_w * math.ceil(gb / size))
    tiers = ((4, 1.0), (4, 0.9), (8, 0.8), (1e9, 0.7))
    size = next(
        size for limit, size in ((2, 1), (4, 2), (16, 8), (64, 8), (512, 16), (1024, 128), (1e9, 128)) if gb <= limit
    )
    left, watts = max(2, math.ceil(gb / size)), 0.0
    for count, share in tiers:
        watts += min(left, count) * share * slot_w
        left -= min(left, count)
    return watts


def ecologits(i: Mapping[str, Any]) -> dict[str, float]:
    """One request to a language model on H100 hosts, 64 requests at a time."""
    batch, server_w, host_gpus, life_s = 64, 1200.0, 8, 3 * 365 * 24 * 3600.0
    active, total, tokens = i["active_b"], i["total_b"], i["output_tokens"]
    gpu_wh = 1.1665273170451914e-06 * math.exp(-0.011205921025579175 * batch) * active + 4.052928146734005e-05
    seconds = min(
        i["request_latency_s"],
        tokens * (6.785088094353663e-04 * active + 3.119310311688259e-04 * batch + 0.019473717579473387),
    )
    gpus = 2 ** math.ceil(math.log2(math.ceil(1.2 * total * 2 / 80)))
    server_kwh = seconds / 3600 * server_w / 1000 * gpus / host_gpus / batch + gpus * tokens * gpu_wh / 1000
    energy = i["pue"] * server_kwh
    embodied = seconds / (batch * life_s) * (gpus / host_gpus * 5700 + gpus * 164)
    usage = energy * i["mix_gwp"]
    return {
        "energy": energy,
        "usage-gwp": usage,
        "embodied-gwp": embodied,
        "gwp": usage + embodied,
        "wcf": energy * (i["wue"] + i["pue"] * i["mix_wue"]),  # PUE stands twice, as theirs does
    }


# CodeCarbon's own yearly factors, as its cases print them: a case is scored with the factor it was written for.
def reproduce(peer: str, case: str, formula: str, unit: str, i: Mapping[str, Any], expected: float) -> float | None:
    """Our number for a peer's worked example, or `None` for a kind that is not known here."""
    if peer == "ecologits":
        return _ecologits(case, i)
    if peer == "carbonifer":
        return _carbonifer(unit, i)
    if peer == "codecarbon":
        return _codecarbon(formula, i, expected)
    if peer == "mlco2/impact":
        watts = i.get("tdp_w", i.get("w"))
        return chain(watts, i["hours"], 1.0, i["g_per_kwh"]).operational_kgco2e.likely
    if peer == "green-algorithms":
        return _green_algorithms(unit, i)
    if peer == "patterson2021":
        return _patterson(i)
    return None


def chain(gpu_w: float, hours: float, pue: float, g_per_kwh: float, **more: Any) -> Outcome:
    """Our chain with everything exact: no wall factor, no base, no host."""
    names = set(Ingredients.__annotations__) - {"hours", "n_gpu", "n_cpu", "utilisation", "ram_gb_given", "pue_given"}
    exactly = dict.fromkeys(names - {"cpu_follows", "at_wall", "gpus_per_machine"}, Belief(0.0))
    ones = ("runtime", "learned", "wall_factor", "pue", "hour_of_year", "life_years", "fleet_use")
    numbers = {"hours": hours, "n_gpu": 1.0, "n_cpu": 0.0, "utilisation": NAN, "ram_gb_given": 0.0, "pue_given": pue}
    numbers |= {"cpu_follows": 0.0, "at_wall": 0.0, "gpus_per_machine": 8.0}
    beliefs = {**dict.fromkeys(ones, Belief(1.0)), "gpu_w": Belief(gpu_w), "intensity_g_per_kwh": Belief(g_per_kwh)}
    return outcome(Ingredients(**{**exactly, **numbers, **beliefs, **more}))


def _green_algorithms(unit: str, i: Mapping[str, Any]) -> float | None:
    if "n_cores" not in i:
        per = i.get("tree_month_g") or i.get("g_per_km")
        return None if per is None else i["g"] / per
    run = chain(
        i["w_per_gpu"] * i["usage"],
        i["hours"] * i["psf"],
        i["pue"],
        i["g_per_kwh"],
        n_gpu=float(i["n_gpus"]),
        n_cpu=float(i["n_cores"]),
        cpu_w=Belief(i["w_per_core"] * i["usage"]),
        ram_gb_given=float(i["memory_gb"]),
        ram_w_per_gb=Belief(0.3725),
    )
    return run.energy_kwh.likely if unit == "kWh" else run.operational_kgco2e.likely * 1000


def _carbonifer(unit: str, i: Mapping[str, Any]) -> float | None:
    if "power_w" in i:
        return chain(i["power_w"], 1.0, 1.0, i["grid_g_per_kwh"]).operational_kgco2e.likely * 1000
    low, high = i.get("min_w", i.get("cpu_min_w")), i.get("max_w", i.get("cpu_max_w"))
    if low is None or high is None or unit != "W":
        return None
    disks_w = (i.get("ssd_gb", 0) * i.get("ssd_wh_tb", 0) + i.get("hdd_gb", 0) * i.get("hdd_wh_tb", 0)) / 1024
    gpu_w = i.get("gpus", 0) * (
        i.get("gpu_min_w", 0) + i["avg_cpu_use"] * (i.get("gpu_max_w", 0) - i.get("gpu_min_w", 0))
    )
    run = chain(
        disks_w * i.get("replicas", 1) + gpu_w,
        1.0,
        i["pue"],
        0.0,
        n_cpu=float(i["vcpus"]),
        cpu_w=Belief(low + i["avg_cpu_use"] * (high - low)),
        ram_gb_given=i["memory_mb"] / 1024,
        ram_w_per_gb=Belief(i["mem_w_per_gb"]),
    )
    return run.energy_kwh.likely * 1000


def _codecarbon(formula: str, i: Mapping[str, Any], expected: float) -> float | None:
    if "kwh" in i:
        g_per_kwh = i.get("force_g", 1000 * expected / i["kwh"])  # their factor of that year, as the case implies it
        return chain(1000.0, i["kwh"], 1.0, g_per_kwh).operational_kgco2e.likely
    if "max_uj" in i:
        readings = iter(
            [i["before_uj"], i["after_uj"]]
        )  # a counter does not care whether it counts joules or microjoules
        counter = WrappingCounter(
            lambda: float(next(readings)),
            range_j=i["max_uj"],
            max_w=1e9,
            expected_w=0.0,
            clock=lambda: 0.0,
            device="package-0",
            faults=FaultLog(),
        )
        return counter.energy_j()
    if "slot_w" in i:
        return codecarbon_ram_w(i["gb"], i["arch"], i["slot_w"])
    if "load" in i:
        load = i["load"] / 100
        if "max(" in formula:
            return max(load, 0.1) * i["tdp"]
        return (codecarbon_cubic if "load^3" in formula else codecarbon_load)(load, i["tdp"])
    return None


def _ecologits(case: str, i: Mapping[str, Any]) -> float | None:
    return next(
        (value for name, value in ecologits(i).items() if case.endswith("-" + name) and _last(case, name)), None
    )


def _last(case: str, name: str) -> bool:
    """Whether the case asks for this very figure: "usage-gwp" also ends in "gwp"."""
    return not (name == "gwp" and case.endswith(("usage-gwp", "embodied-gwp")))


def _patterson(i: Mapping[str, Any]) -> float | None:
    if "lb_per_chip_h" in i:
        return float(i["chips"] * i["steps"] * i["h_per_step"] * i["lb_per_chip_h"])
    if "days" in i:
        run = chain(i["w"], i["days"] * 24, i["pue"], i["kg_per_kwh"] * 1000, n_gpu=float(i["chips"]))
        return run.operational_kgco2e.likely / 1000
    return None
