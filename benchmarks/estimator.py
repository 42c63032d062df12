"""How good are the estimates, beside the peers' formulas, on runs that others measured?

    python benchmarks/estimator.py --truth DIR [--leave-one-out] [--only gpu_energy,..]

DIR holds the evidence files by their names.  For each set: error = (estimate / truth - 1), its mean size, median size
and bias in percent; the share of truths inside the 5 to 95 % range, and the range's mean width over the estimate.
`--leave-one-out` fits the rows of the priors table anew without the group (model, card and network) that is being
estimated, as an honest look at data the shipped table was fitted on.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import peers
import priors_fit

from jupyter_carbon import tables
from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.compose import ingredients
from jupyter_carbon.estimate.draw import between, cpu_share
from jupyter_carbon.estimate.machine import Machine, assemble
from jupyter_carbon.estimate.outcome import Outcome, outcome
from jupyter_carbon.estimate.priors import Priors, shipped
from jupyter_carbon.estimate.scenario import Scenario
from jupyter_carbon.estimate.workload import Workload
from jupyter_carbon.model import HardwareSpec, Interval
from jupyter_carbon.report.efficiency import pepr

PriorsFor = Callable[[str], Priors]  # the priors with which a group may be estimated


@dataclass
class Scored:
    """One set, or one question put to it: truths, our intervals, and what peers say."""

    name: str
    truth: list[float] = field(default_factory=list)
    ours: list[Interval] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)

    def add(self, truth: float, ours: Interval, **others: float) -> None:
        self.truth.append(truth)
        self.ours.append(ours)
        for peer, value in others.items():
            self.peers.setdefault(peer, []).append(value)

    def lines(self) -> Iterator[str]:
        truth = np.array(self.truth)
        low, likely, high = np.array([(i.low, i.likely, i.high) for i in self.ours]).T
        inside = 100 * np.mean((truth >= low) & (truth <= high))
        width = np.mean((high - low) / likely)
        yield _line(
            f"{self.name} ({len(truth)})", "jupyter_carbon", likely / truth - 1, f"{inside:5.0f} %  {width:5.2f}"
        )
        for peer, values in self.peers.items():
            yield _line("", peer.replace("_", " "), np.array(values) / truth - 1, "     -      -")


def _line(name: str, model: str, error: np.ndarray, rest: str) -> str:
    size = np.abs(error[np.isfinite(error)]) * 100
    return f"{name:<44}{model:<34}{size.mean():8.1f}{np.median(size):8.1f}{100 * np.nanmean(error):+8.1f}   {rest}"


def gpu_energy(truth: Path, priors_for: PriorsFor) -> list[Scored]:
    """Watts per GPU of models on known GPUs: once with all that is known of the work, once with its kind alone."""
    known, word_only = Scored("gpu_energy: work known"), Scored("gpu_energy: kind of work only")
    for row in pd.read_csv(truth / "gpu_energy.csv").itertuples():
        spec = _rated(hardware.gpu(row.gpu), row.tdp_w_per_gpu)
        kind = priors_fit.TASKS[row.task]
        priors = priors_for(row.model)
        detailed = Workload(kind, batch_size=row.batch_size, parameters=row.model_active_params_b * 1e9)
        peers_w = {"rated power": row.tdp_w_per_gpu, "0.8_rated": 0.8 * row.tdp_w_per_gpu}
        known.add(row.avg_power_w_per_gpu, assemble(spec, None, detailed, row.num_gpus, priors).gpu_w, **peers_w)
        word_only.add(row.avg_power_w_per_gpu, assemble(spec, None, Workload(kind), row.num_gpus, priors).gpu_w)
    return [known, word_only]


def gpu_training(truth: Path, priors_for: PriorsFor) -> list[Scored]:
    """Watts per GPU while training, untouched and under lower power limits (a limited card draws no more than it)."""
    names = ("default limit, work known", "default limit, kind of work only", "lower limits, work known")
    full, word_only, limited = (Scored(f"gpu_training: {name}") for name in names)
    for row in pd.read_csv(truth / "gpu_training_power.csv").itertuples():
        spec = _rated(hardware.gpu(row.gpu), row.tdp_w_remembered)
        kind = priors_fit.NETWORKS[row.network]
        gflop = priors_fit.GFLOP.get((row.dataset, row.network))
        priors = priors_for(f"{row.gpu} {row.network}")
        limit_w = None if row.at_default_limit else float(row.power_limit)
        work = Workload(kind, row.batch_size, gflop_per_sample=gflop, power_limit_w=limit_w)
        drawn = assemble(spec, None, work, 1, priors).gpu_w
        if row.at_default_limit:
            peers_w = {"rated power": row.tdp_w_remembered, "half of it": 0.5 * row.tdp_w_remembered}
            full.add(row.average_power, drawn, **peers_w)
            word_only.add(row.average_power, assemble(spec, None, Workload(kind), 1, priors).gpu_w)
        else:
            limited.add(row.average_power, drawn, **{"the limit itself": row.power_limit})
    return [full, word_only, limited]


def cpu_load(truth: Path, priors_for: PriorsFor) -> list[Scored]:
    """Package watts from the CPU's name and its load alone, and with its own idle and full-load minute."""
    frame = pd.read_csv(truth / "cpu_load_power.csv")
    frame = frame[frame.usable_truth == 1]
    plain, calibrated = Scored("cpu_load: type and load"), Scored("cpu_load: with one idle and one full minute")
    for (model, lay), part in frame.groupby(["cpu_model", "load_type"]):
        first = part.iloc[0]
        spec = hardware.cpu_spec(
            model,
            rated_w=first.tdp_w_total / first.sockets,
            cores=int(first.cores_total / first.sockets),
            source="given",
        )
        priors = priors_for(model)
        # Without the rows that it was metered for, a part is one like any other
        classes = spec.classes if priors is shipped() else ("cpu",)
        rows = {what: priors(what, classes).belief for what in ("idle", "full")}
        curve = priors("curve", ("packed" if lay == "some_cores" else "spread",)).belief
        own = part.set_index("load_nominal_pct").rapl_w
        for row in part.itertuples():
            load, tdp_w = row.load_nominal_pct / 100, row.tdp_w_total
            shares = cpu_share(Interval.exact(load), rows["idle"], rows["full"], curve)
            others = {name: peer(load, tdp_w, model) for name, peer in peers.CPU_MODELS.items()}
            plain.add(row.rapl_w, shares.scaled(tdp_w), **others)
            if 0 < load < 1:
                minute = shipped()("metered", ("cpu",)).belief
                idle_w, full_w = (minute.scaled(float(own[at])) for at in (own.index.min(), own.index.max()))
                calibrated.add(row.rapl_w, cpu_share(Interval.exact(load), idle_w, full_w, curve))
    return [plain, calibrated]


def wall_meter(truth: Path, priors_for: PriorsFor) -> list[Scored]:
    """Energy of a whole PC at its plug meter: from hardware, time and as much of what runs as is said; and from a
    sensor's sum.  Beside what is asked with a word or less stands the best that any constant could do, in hindsight."""
    frame = pd.read_csv(truth / "wall_meter.csv")
    names = ("all rows", "good rows", "cpu", "gpu", "llm")
    parts = {name: Scored(f"wall_meter: work known, {name}") for name in names}
    ways = ("work known, called 'inference'", "kind of work only", "'inference' only", "hardware and time alone")
    asked_ways = [Scored(f"wall_meter: {way}") for way in ways]
    sensors = Scored("wall_meter: from a sensor's sum")
    watts = frame.wall_kwh * 3.6e6 / frame.duration_s
    by_kind = watts.groupby([frame.experiment, frame.device_used]).transform(_best_constant)
    by_device = watts.groupby(frame.device_used).transform(_best_constant)
    for row in frame.itertuples():
        kind = "llm-inference" if row.experiment == "ollama" else "vision-inference"
        batch = None if math.isnan(row.batch_size) else row.batch_size
        work = Workload(kind, batch, row.n_parameters, runs_on=row.device_used)
        asked = (
            replace(work, kind="inference"),
            Workload(kind, runs_on=row.device_used),
            Workload("inference", runs_on=row.device_used),
            None,
        )
        hour = row.duration_s / 3.6e6
        hindsight_w = (None, by_kind[row.Index], by_device[row.Index], by_device[row.Index])
        for scored, said, best_w in zip(asked_ways, asked, hindsight_w, strict=True):
            others = {} if best_w is None else {"best constants in hindsight": best_w * hour}
            scored.add(row.wall_kwh, _plug_kwh(row, said, priors_for(row.model)), **others)
        ours = _plug_kwh(row, work, priors_for(row.model))
        others = {
            "CodeCarbon with sensors": row.codecarbon_total_kwh,
            "fixed 300 / 125 W": (300.0 if row.device_used == "gpu" else 125.0) * hour,
        }
        part = "llm" if row.experiment == "ollama" else row.device_used
        for name in ("all rows", part, *(["good rows"] if row.quality == "good" else [])):
            parts[name].add(row.wall_kwh, ours, **others)
        desktop = assemble(None, hardware.cpu(row.cpu_model), None, 0, shipped())
        from_sensors = Interval.exact(row.codecarbon_total_kwh) * desktop.wall_factor
        sensors.add(row.wall_kwh, from_sensors + desktop.wall_base_w.scaled(hour))
    return [*parts.values(), *asked_ways, sensors]


def _best_constant(watts: pd.Series) -> float:
    """The one figure for all rows whose mean relative error is least."""
    tried = np.arange(50.0, 700.0, 5.0)
    return float(tried[np.argmin([np.mean(np.abs(each / watts - 1)) for each in tried])])


def _plug_kwh(row: object, work: Workload | None, priors: Priors) -> Interval:
    """The whole PC; where nothing is said of the work, the device that computes is all that is named."""
    gpu = None if work is None and row.device_used == "cpu" else row.gpu_model
    box = assemble(None if gpu is None else hardware.gpu(gpu), hardware.cpu(row.cpu_model), work, 1, priors)
    return _run(box, Scenario(gpu=gpu, cpu=row.cpu_model, hours=row.duration_s / 3600)).energy_kwh.interval()


def published(truth: Path, priors_for: PriorsFor) -> list[Scored]:
    """Published training runs whose energy was measured: from device, hours and PUE."""
    frame = pd.read_csv(truth / "published_training.csv")
    scored = Scored("published: measured energy")
    measured = frame.evidence_class.isin(["measured", "measured_power_x_derived_hours"])
    for row in frame[measured & frame.device_hours.notna() & frame.reported_mwh.notna()].itertuples():
        name = row.hardware.removesuffix("x8")
        spec = _rated(hardware.gpu(name), row.tdp_w_per_device)
        whole = "whole system" in row.includes
        count = 1.0 if math.isnan(row.n_devices) else row.n_devices
        scenario = Scenario(
            gpu=name,
            n_gpu=count,
            n_cpu=1 if whole else 0,
            ram_gb=None if whole else 0,
            hours=row.device_hours / count,
            pue=None if math.isnan(row.pue) or not whole else row.pue,
            boundary="wall" if whole else "devices",
        )
        box = assemble(spec, None, Workload("training"), count, priors_for(row.id))
        mwh = _run(box, scenario).energy_kwh.interval().scaled(1e-3)
        factor = 1.0 if math.isnan(row.pue) else row.pue
        scored.add(
            row.reported_mwh,
            mwh,
            **{"rated power x hours x PUE": row.tdp_w_per_device * row.device_hours * factor / 1e6},
        )
    return [scored]


def specpower(truth: Path, _: PriorsFor) -> list[Scored]:
    """Servers at the plug, at full load and idle, from CPU name, sockets and memory; and between their own ends."""
    frame = pd.read_csv(truth / "specpower.csv")
    full, idle = Scored("specpower: full load, since 2017"), Scored("specpower: idle, since 2017")
    old = Scored("specpower: full load, before 2017")
    between_ends = Scored("specpower_levels: line from own idle to full")
    for row in frame.itertuples():
        found = tables.cpu(row.cpu)
        if found is None:
            continue
        spec = hardware.cpu(row.cpu)
        gb = row.memory_gb if row.memory_gb / row.chips >= 4 else 4.0 * row.cores  # "1" stands for a terabyte in places
        for load, truth_w in ((1.0, row.w_100), (0.0, row.w_idle)):
            shares = cpu_share(
                Interval.exact(load),
                shipped()("idle", spec.classes).belief,
                shipped()("full", spec.classes).belief,
                shipped()("curve", ("spread",)).belief,
            )
            box = replace(
                assemble(None, replace(spec, chassis="server"), None, 0, shipped()), cpu_w=shares * spec.rated_w
            )
            watts = _run(box, Scenario(cpu=row.cpu, n_cpu=row.chips, ram_gb=gb, hours=1.0)).wall_w.interval()
            scored = (full if row.year >= 2017 else old) if load else idle
            if load or row.year >= 2017:
                scored.add(truth_w, watts, **({"rated power": found.tdp_w * row.chips} if load else {}))
    for _name, part in pd.read_csv(truth / "specpower_levels.csv").groupby("system"):
        watts = part.set_index("load_pct").watts
        for load, truth_w in watts.items():
            middle = between(watts[0], watts[100], load / 100)
            curves = [between(watts[0], watts[100], load / 100, curve) for curve in (0.75, 1.35)]
            between_ends.add(
                truth_w, Interval(min(curves), middle, max(curves)), Teads_shape=peers.teads(load / 100, watts[100])
            )
    return [full, idle, old, between_ends]


def exact_cases(truth: Path) -> Iterator[str]:
    """Worked examples of the peers through our own chain, and published PePR scores: exact or not."""
    frame = pd.read_csv(truth / "formula_cases.csv")
    wrong = []
    for row in frame.itertuples():
        ours = peers.reproduce(row.peer, row.case_id, row.formula, row.unit, json.loads(row.inputs), row.expected)
        if ours is None or abs(ours - row.expected) > max(row.tolerance, 1e-9 * abs(row.expected)):
            wrong.append(f"{row.case_id} (ours {ours}, expected {row.expected})")
    yield f"formula_cases: {len(frame) - len(wrong)} of {len(frame)} reproduced" + "".join(
        f"\n  not: {w}" for w in wrong
    )
    cases = pd.read_csv(truth / "pepr_cases.csv")
    worst = 0.0
    for _name, part in cases.groupby("dataset"):
        for cost, score in (("energy", "pepr_e"), ("co2", "pepr_c"), ("train_time", "pepr_t"), ("memR", "pepr_m")):
            worst = max(worst, float(np.abs(np.array(pepr(part.test_09, part[cost])) - part[score]).max()))
    yield f"pepr_cases: {len(cases)} rows x 4 scores, largest difference {worst:.1e}"


def _run(box: Machine, scenario: Scenario) -> Outcome:
    return outcome(ingredients(box, None, scenario))


def _rated(spec: HardwareSpec, rated_w: float) -> HardwareSpec:
    """The card as the file rates it: one name covers several power limits."""
    return replace(spec, rated_w=Interval.exact(rated_w))


SETS = {
    "gpu_energy": gpu_energy,
    "gpu_training": gpu_training,
    "cpu_load": cpu_load,
    "wall_meter": wall_meter,
    "published": published,
    "specpower": specpower,
}


def without_group(truth: Path) -> PriorsFor:
    """Priors fitted anew on all groups but one."""
    samples = priors_fit.collect(truth)
    processors = set(pd.read_csv(truth / "cpu_load_power.csv").cpu_model)
    known: dict[str, Priors] = {}

    def priors_for(group: str) -> Priors:
        if group in processors:
            known[group] = shipped().with_rows(priors_fit.cpu_without(truth, group))
        if group not in known:
            touched = [each for each in samples if group in each.group and len(set(each.group)) > 1]
            known[group] = shipped().with_rows([priors_fit.fit(each.without(group)) for each in touched])
        return known[group]

    return priors_for


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--leave-one-out", action="store_true")
    parser.add_argument("--only", help="names of sets, comma separated", default=",".join(SETS))
    options = parser.parse_args(argv)
    priors_for = without_group(options.truth) if options.leave_one_out else lambda _: shipped()
    print(f"{'set (rows)':<44}{'model':<34}{'MAPE':>8}{'median':>8}{'bias':>8}   inside   width")
    for name in options.only.split(","):
        for scored in SETS[name](options.truth, priors_for):
            if scored.truth:
                print(*scored.lines(), sep="\n")
    if options.only == ",".join(SETS):
        print(*exact_cases(options.truth), sep="\n")


if __name__ == "__main__":
    main()
