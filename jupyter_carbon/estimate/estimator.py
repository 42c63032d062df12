"""`jc.estimate`: what a run would cost, before it runs, with every assumption in sight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from jupyter_carbon.estimate.belief import Belief
from jupyter_carbon.estimate.compose import ingredients, known_machine
from jupyter_carbon.estimate.machine import Machine
from jupyter_carbon.estimate.outcome import Ingredients
from jupyter_carbon.estimate.place import Place, place
from jupyter_carbon.estimate.priors import Prior
from jupyter_carbon.estimate.result import Assumption, Estimate, told
from jupyter_carbon.estimate.runtime import runtime_h
from jupyter_carbon.estimate.scenario import Boundary, Scenario
from jupyter_carbon.estimate.workload import Workload
from jupyter_carbon.grid import static
from jupyter_carbon.model import ONE, HardwareSpec, Interval

YOU = "given"


def estimate(
    gpu: str | HardwareSpec | None = None,
    n_gpu: float = 1,
    *,
    cpu: str | HardwareSpec | None = None,
    n_cpu: float = 1,
    ram_gb: float | None = None,
    hours: float = 1.0,
    utilisation: float | None = None,
    workload: str | Mapping[str, Any] | Workload | None = None,
    region: str | None = None,
    pue: float | None = None,
    start: datetime | str | None = None,
    boundary: Boundary = "wall",
) -> Estimate:
    """What a run would cost, as 5, 50 and 95 % ranges, offline.

    `gpu` and `cpu` are names as people, `lscpu` or NVML write them (or specs of your own devices), of `n_gpu` and
    `n_cpu` devices (0: none of it); `ram_gb` is reserved memory.  `utilisation` is the share of rated power, 1 being
    all of it; else `workload` says the kind of work: in a word, or (much sharper) with its batch, its parameters and
    which device computes, as a :class:`Workload` or a mapping of its fields.
    `region` is FR, US-CA, aws:us-east-1 and the like, the world if not given; `start` says which hours of its day.
    `boundary` is the plug, with the building's overhead (``"wall"``), or ends at the ``"devices"``.

    Raises `ValueError` for a number that cannot be (it names field, value and range), `UnknownHardware` and
    `UnknownRegion` with near matches.
    """
    return of_scenario(
        Scenario.of(
            gpu=gpu,
            n_gpu=n_gpu,
            cpu=cpu,
            n_cpu=n_cpu,
            ram_gb=ram_gb,
            hours=hours,
            utilisation=utilisation,
            workload=workload,
            region=region,
            pue=pue,
            start=start,
            boundary=boundary,
        )
    )


def of_scenario(scenario: Scenario) -> Estimate:
    """The estimate of one scenario."""
    gpu = scenario.gpu if scenario.n_gpu else None
    box = known_machine(gpu, scenario.cpu, scenario.work, float(scenario.n_gpu))
    return of_machine(box, place(scenario.region, box.chassis, scenario.start), scenario)


def of_machine(
    box: Machine,
    where: Place,
    scenario: Scenario,
    *,
    runtime: Interval = ONE,
    runtime_source: str = YOU,
    also: tuple[Assumption, ...] = (),
) -> Estimate:
    """The estimate of a machine that is known in more ways than by its names.

    `runtime` is the doubt about the scenario's hours, as a factor; `also` are assumptions that went into the machine.
    """
    given = ingredients(box, where, scenario, runtime)
    return told(given, (*assumptions(scenario, box, where, given, runtime_source), *also))


def estimate_of_work(
    flop: float, gpu: str, n_gpu: float = 1, *, kind: Literal["training", "inference"] = "training", **more: Any
) -> Estimate:
    """The estimate of so many floating-point operations: `mfu` and what else :func:`estimate` takes, but hours."""
    hours = runtime_h(flop, gpu, n_gpu, kind=kind, mfu=more.pop("mfu", None))
    scenario = Scenario.of(gpu=gpu, n_gpu=n_gpu, hours=hours.likely, workload=more.pop("workload", kind), **more)
    box = known_machine(gpu, scenario.cpu, scenario.work, float(n_gpu))
    source = f"{flop:.3g} operations at a share of the dense peak; a range where mfu is not given"
    doubt = hours.scaled(1.0 / hours.likely)
    return of_machine(
        box, place(scenario.region, box.chassis, scenario.start), scenario, runtime=doubt, runtime_source=source
    )


def repeated(one: Estimate, times: Interval, why: str) -> Estimate:
    """So many of the same run, as a :class:`~jupyter_carbon.estimate.sweep.Sweep` counts them."""
    doubt = times.scaled(1.0 / times.likely)
    before = one.ingredients
    given = replace(before, hours=before.hours * times.likely, runtime=before.runtime * Belief.of(doubt))
    return told(given, (*one.assumptions, Assumption("runs", times, "", why, True)))


def assumptions(
    scenario: Scenario, box: Machine, where: Place, given: Ingredients, runtime_source: str
) -> Iterator[Assumption]:
    """Everything the estimate stands on, in the order of the chain."""
    yield Assumption(
        "boundary",
        scenario.boundary,
        "",
        YOU if scenario.boundary != "wall" else "default",
        scenario.boundary != "wall",
    )
    hours = given.runtime.scaled(scenario.hours).interval()
    yield Assumption("runtime", hours, "h", runtime_source, runtime_source == YOU)
    word = "not said" if scenario.work is None else scenario.work.kind
    yield Assumption("kind of work", word, "", YOU if scenario.work else "", scenario.work is not None)
    if scenario.utilisation is not None:
        yield Assumption("utilisation", Interval.exact(scenario.utilisation), "of rated power", YOU, True)
    if box.gpu is not None:
        yield from _gpu(scenario, box, box.gpu)
    yield from _cpu(scenario, box)
    if box.host_w.likely == 0.0:
        yield from _memory(scenario, box)
    if scenario.boundary == "wall":
        chassis = f"table of chassis, {box.chassis}"
        yield Assumption("wall factor", box.wall_factor, "x devices", chassis, False)
        yield Assumption("wall base", box.wall_base_w, "W per machine", chassis, False)
    if scenario.pue is not None:
        yield Assumption("PUE", Interval.exact(scenario.pue), "", YOU, True)
    else:
        source = where.pue_source if scenario.boundary == "wall" else "the boundary ends before the building"
        yield Assumption("PUE", given.pue.interval(), "", source, False)
    yield from _grid(scenario, where, given)
    yield from _making(box, given)


def _gpu(scenario: Scenario, box: Machine, gpu: HardwareSpec) -> Iterator[Assumption]:
    yield Assumption("GPU", f"{scenario.n_gpu:g} x {gpu.name}", "", gpu.source, True)
    yield Assumption("GPU rating", box.gpu_rated_w, "W each", gpu.source, False)
    if scenario.utilisation is None:
        prior = box.priors.get("gpu draw") or box.priors["gpu idle"]
        yield Assumption("GPU draw", box.gpu_w, "W each", prior.source, False)
    else:
        yield Assumption(
            "GPU idle",
            box.gpu_idle,
            "of rated power",
            gpu.source if gpu.idle_w else box.priors["gpu idle"].source,
            False,
        )


def _cpu(scenario: Scenario, box: Machine) -> Iterator[Assumption]:
    if box.cpu is not None:
        many = f"{scenario.n_cpu:g} x {box.cpu.name}"
        yield Assumption("CPU", many, "", box.cpu.source, box.cpu_named)
        yield Assumption("CPU rating", box.cpu_rated_w, "W each", box.cpu.source, False)
        if scenario.utilisation is None or not box.cpu_named:
            yield Assumption("CPU draw", box.cpu_w, "W each", box.priors["cpu load"].source, False)
        else:
            idle = box.cpu.source if box.cpu.idle_w else box.priors["cpu idle"].source
            yield Assumption("CPU idle", box.cpu_idle, "of rated power", idle, False)
            full = box.priors["cpu at full utilisation"].source
            yield Assumption("CPU at full utilisation", box.cpu_full, "of rated power", full, False)
            yield Assumption("CPU load curve", box.cpu_curve, "exponent", box.priors["cpu curve"].source, False)
    elif scenario.n_cpu:
        yield Assumption("host", box.host_w, "W per GPU: CPU, memory, fans", box.priors["host"].source, False)
    else:
        yield Assumption("CPU", "none", "", YOU, True)


def _memory(scenario: Scenario, box: Machine) -> Iterator[Assumption]:
    if scenario.ram_gb is None:
        gb, row = box.ram_gb.scaled(scenario.n_cpu), box.priors.get("ram")
        yield Assumption("memory", gb, "GB", row.source if row else "no CPU, no memory", False)
    else:
        yield Assumption("memory", Interval.exact(scenario.ram_gb), "GB", YOU, True)
    yield Assumption("memory draw", box.ram_w_per_gb, "W/GB", box.priors["memory"].source, False)


def _grid(scenario: Scenario, where: Place, given: Ingredients) -> Iterator[Assumption]:
    grid = where.intensity
    how = f"{grid.basis}, {grid.method}, {grid.source}"
    seen = given.hour_of_year.interval()
    if scenario.start is not None:
        yield Assumption("start", scenario.start.isoformat(timespec="minutes"), "", YOU, True)
    given_place = scenario.region is not None
    yield Assumption(
        "region", f"{where.code} ({where.name})", "", YOU if given_place else "no region given", given_place
    )
    yield Assumption("grid intensity", grid.gco2e_per_kwh, "gCO2e/kWh", how, False)
    yield Assumption("hours of the run", seen, "x the year's mean", where.hours.source, False)
    yield Assumption("water on site", where.water_site_l_per_kwh, "l/kWh of machines", where.water_site_source, False)
    yield Assumption("water of electricity", where.water_grid_l_per_kwh, "l/kWh", where.water_grid_source, False)


def _making(box: Machine, given: Ingredients) -> Iterator[Assumption]:
    named: tuple[tuple[str, Interval, str, Prior | None], ...] = (
        ("making a GPU", box.gpu_kgco2e, "kgCO2e", box.priors.get("gpu making")),
        ("making a CPU", box.cpu_kgco2e, "kgCO2e", box.priors.get("cpu making")),
        ("making memory", box.ram_kgco2e_per_gb, "kgCO2e per GB", box.priors.get("memory making")),
        ("making the host", box.host_kgco2e, "kgCO2e per GPU", box.priors.get("host making")),
    )
    counted = (given.n_gpu, given.n_cpu, 1.0, given.n_cpu * given.at_wall)
    for (name, belief, unit, row), count in zip(named, counted, strict=True):
        if belief.likely and count:
            yield Assumption(name, belief, unit, row.source if row else "table of GPUs, embodied", False)
    if box.machine_kgco2e.likely and given.n_cpu and given.at_wall:
        yield Assumption("making the machine", box.machine_kgco2e, "kgCO2e", f"table of embodied, {box.chassis}", False)
    yield Assumption("life", static.LIFE_YEARS, "years", "Boavizta 3, Cloud Carbon Footprint 4, ADEME 4 to 6", False)
    yield Assumption(
        "use in its life", static.UTILISATION, "share of the hours", "assumed: no fleet publishes it", False
    )
