"""The fitted rows of ``data/power_priors.csv``: what they are made of, and how to make them again.

    python benchmarks/priors_fit.py --truth DIR

A fit is small on purpose: for each device class and kind of work a level and a range, and where the work in one step
is known a slope in logits a doubling.  Groups (models, networks) weigh by the root of their rows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from jupyter_carbon import tables
from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.priors import Prior, SizeLine, logit, share_of, shipped
from jupyter_carbon.model import Interval

# What ran, in the words of the package.
TASKS = {
    "lm-arena-chat": "llm-inference",
    "gpqa": "llm-inference",
    "image-chat": "llm-inference",
    "video-chat": "llm-inference",
    "sourcegraph-fim": "llm-inference",
    "text-to-image": "image-generation",
    "text-to-video": "video-generation",
}
NETWORKS = {
    "shufflenetv2": "vision-training",
    "resnet50": "vision-training",
    "bert_base_uncased": "nlp-training",
    "deepspeech2": "speech-training",
    "ncf": "recommender-training",
}
# Forward pass of one sample, in 1e9 operations: 2 x 4.1e9 multiply-adds at 224 pixels (He et al. 2015); about 0.05e9 at
# 32 pixels (Ma et al. 2018, scaled); 2 x 85e6 weights x 128 or 384 tokens.
GFLOP = {("cifar100", "shufflenetv2"): 0.1, ("imagenet", "resnet50"): 8.2}
GFLOP |= {("sentiment140", "bert_base_uncased"): 22.0, ("squad", "bert_base_uncased"): 65.0}

# What a server's supply and converters take; and, of what it draws idle behind them, the packages' part: assumed, the
# rest is board, fans, memory and disks.
SUPPLY, IDLE_PART = 1.1, 0.35

# The PC of wall_meter.csv as the package would describe it, to read a GPU's or a CPU's share off the plug.
PC_FACTOR, PC_BASE_W, PC_RAM_W, PC_IDLE_GPU_W = 1.15, 50.0, 10.0, 22.0
CPU_RATED_W, CPU_IDLE, CPU_FULL, CPU_CURVE = 125.0, 0.08, 1.75, 2.5
HOST_BUSY = {"llm-inference": 0.05, "vision-inference": 0.2}
GPU_RATED_W = 450.0


@dataclass(frozen=True)
class Samples:
    """Shares of a rating that were seen, each with its group and, where known, the work in one step and device."""

    quantity: str
    device: str
    workload: str
    share: np.ndarray
    group: np.ndarray
    size: np.ndarray
    measure: str = ""
    default_batch: float | None = None
    smallest: float = 0.0
    largest: float = math.inf
    scatter_kept: float = 1.0  # the rest of the scatter is that of board and supply, which have ranges of their own

    def without(self, group: str) -> Samples:
        """All other groups."""
        return self.only(self.group != group)

    def with_more(self, other: Samples) -> Samples:
        """These and those of another source, where no sizes count."""
        joined = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("share", "group", "size")
        }
        return replace(self, **joined)

    def only(self, keep: np.ndarray) -> Samples:
        return replace(self, share=self.share[keep], group=self.group[keep], size=self.size[keep])


def collect(truth: Path) -> list[Samples]:
    """What each set says about a device's share of its rating."""
    tpus, gpus = _published(truth)
    inference, (*by_word, zeus), plug = _inference(truth), _training(truth), _plug(truth)
    return [*inference, *by_word, zeus.with_more(gpus), tpus, *plug]


def _inference(truth: Path) -> list[Samples]:
    frame = pd.read_csv(truth / "gpu_energy.csv")
    frame["word"] = frame.task.map(TASKS)
    size = frame.batch_size * frame.model_active_params_b * 1e9 / frame.num_gpus
    return [
        Samples(
            "draw",
            "gpu",
            word,
            part.frac_tdp.to_numpy(),
            part.model.to_numpy(),
            size[part.index].to_numpy(),
            "batch x parameters",
            64.0 if word == "llm-inference" else 1.0,
            *_reach(size[part.index]),
        )
        for word, part in frame.groupby("word")
    ]


def _reach(size: pd.Series) -> tuple[float, float]:
    """Where the evidence lies: 2 to 98 %, in two digits."""
    low, high = np.quantile(size, [0.02, 0.98])
    return float(f"{low:.1e}"), float(f"{high:.1e}")


def _training(truth: Path) -> list[Samples]:
    frame = pd.read_csv(truth / "gpu_training_power.csv")
    frame = frame[frame.at_default_limit == 1].reset_index(drop=True)
    old = (frame.gpu == "NVIDIA P100").to_numpy()
    frame["share"] = frame.average_power / frame.tdp_w_remembered / np.where(old, PASCAL, 1.0)
    frame["word"] = frame.network.map(NETWORKS)
    frame["run"] = frame.gpu + " " + frame.network
    each = [GFLOP.get(pair, np.nan) for pair in zip(frame.dataset, frame.network, strict=True)]
    size = frame.batch_size * np.array(each)
    found = []
    for word, part in frame.groupby("word"):
        known = word in ("vision-training", "nlp-training")
        found.append(
            Samples(
                "draw",
                "gpu",
                word,
                part.share.to_numpy(),
                part.run.to_numpy(),
                size[part.index].to_numpy(),
                "batch x GFLOP" if known else "",
                None,
                1.5,
                100.0,
            )
        )
    found.append(
        Samples("draw", "gpu", "training", frame.share.to_numpy(), frame.run.to_numpy(), np.full(len(frame), np.nan))
    )
    return found


# A TPU host and its supply as the package describes them, to read a TPU's share off the whole system.
TPU_HOST, TPU_BASE_W = 0.27, 30.0 / 8


def _published(truth: Path) -> tuple[Samples, Samples]:
    """TPUs from the whole system's watts, less the host; GPUs whose own power was sampled all through the run."""
    frame = pd.read_csv(truth / "published_training.csv")
    frame = frame[(frame.evidence_class == "measured") & frame.device_hours.notna() & frame.reported_mwh.notna()]
    mean_w = frame.reported_mwh * 1e6 / frame.device_hours / frame.pue.fillna(1.1)
    tpu, alone = frame.hardware.str.startswith("TPU"), frame.includes.str.startswith("GPU only")
    whole = ((mean_w - TPU_BASE_W) / SUPPLY / frame.tdp_w_per_device - TPU_HOST)[tpu]
    own = (frame.reported_mwh * 1e6 / frame.device_hours / frame.tdp_w_per_device)[alone]

    def samples(device: str, share: pd.Series) -> Samples:
        group = frame.id[share.index].to_numpy()
        return Samples("draw", device, "training", share.to_numpy(), group, np.full(len(share), np.nan))

    return samples("tpu", whole), samples("gpu", own)


PASCAL = (
    0.75  # a P100 against the other cards, in share of its rating: 0.69 / 0.89, 0.49 / 0.68, 0.64 / 0.85, 0.42 / 0.61
)


def _plug(truth: Path) -> list[Samples]:
    frame = pd.read_csv(truth / "wall_meter.csv")
    frame["devices_w"] = (frame.wall_kwh * 3.6e6 / frame.duration_s - PC_BASE_W) / PC_FACTOR - PC_RAM_W
    frame["word"] = frame.experiment.map({"imagenet": "vision-inference", "ollama": "llm-inference"})
    found = []
    for (word, device), part in frame.groupby(["word", "device_used"]):
        if device == "gpu":
            found.append(_plug_gpu(part, word, 1.0 if word == "llm-inference" else None, scatter_kept=0.65))
        else:
            full = (part.devices_w.to_numpy() - PC_IDLE_GPU_W) / CPU_RATED_W
            active = np.clip((full - CPU_IDLE) / (CPU_FULL - CPU_IDLE), 0.005, 0.9995)
            busy = 1 - (1 - active) ** (1 / CPU_CURVE)
            group, size = part.model.to_numpy(), _work(part)
            found += [
                Samples("busy", "cpu", name, busy, group, size, "batch x parameters", None, 3e7, 1.2e8)
                for name in (word, "inference")
            ]
    return [*found, _plug_gpu(frame[frame.device_used == "gpu"], "inference", 1.0, scatter_kept=1.0)]


def _work(part: pd.DataFrame) -> np.ndarray:
    return np.asarray(part.batch_size.fillna(1.0) * part.n_parameters)


def _plug_gpu(part: pd.DataFrame, word: str, default_batch: float | None, *, scatter_kept: float) -> Samples:
    host = 1 - (1 - part.word.map(HOST_BUSY).to_numpy()) ** CPU_CURVE
    cpu_w = CPU_RATED_W * (CPU_IDLE + (CPU_FULL - CPU_IDLE) * host)
    return Samples(
        "draw",
        "geforce",
        word,
        (part.devices_w.to_numpy() - cpu_w) / GPU_RATED_W,
        part.model.to_numpy(),
        _work(part),
        "batch x parameters",
        default_batch,
        *_reach(pd.Series(_work(part))),
        scatter_kept=scatter_kept,
    )


def cpu_levels(truth: Path, *, small: bool) -> tuple[Interval, Interval]:
    """Idle and full share of the rating of CPUs in servers at the plug: of up to eight cores in boxes with one socket
    since 2011 (kin of desktop parts), or of more cores since 2017."""
    frame = pd.read_csv(truth / "specpower.csv")
    few = (frame.cores / frame.chips) <= hardware.MANY_CORES
    part = frame[few & (frame.chips == 1) & (frame.year >= 2011)] if small else frame[~few & (frame.year >= 2017)]
    rated_w = np.array([getattr(tables.cpu(name), "tdp_w", np.nan) for name in part.cpu]) * part.chips
    idle = IDLE_PART * part.w_idle / SUPPLY / rated_w
    full = (part.w_100 - part.w_idle) / SUPPLY / rated_w + idle
    ends = (idle.dropna().quantile([0.05, 0.5, 0.95]), full.dropna().quantile([0.05, 0.5, 0.95]))
    return Interval(*ends[0]), Interval(*ends[1])


def cpu_without(truth: Path, model: str) -> list[Prior]:
    """The rows of a CPU that nobody metered: its levels are those of servers at the plug, spread load rises as their
    graduated load does, and packed load as on the other parts whose packages were metered."""
    frame = pd.read_csv(truth / "cpu_load_power.csv")
    frame = frame[frame.usable_truth == 1]
    own = frame[frame.cpu_model == model].iloc[0]
    idle, full = cpu_levels(truth, small=own.cores_total / own.sockets <= hardware.MANY_CORES)
    packed = [
        _exponent(part.load_nominal_pct / 100, part.rapl_w)
        for _, part in frame[(frame.cpu_model != model) & (frame.load_type == "some_cores")].groupby("cpu_model")
    ]
    spread = [
        _exponent(part.load_pct / 100, part.watts)
        for _, part in pd.read_csv(truth / "specpower_levels.csv").groupby("system")
    ]
    curves = {
        which: shipped()("curve", (which,)).belief.scaled(np.median(found) / shipped()("curve", (which,)).belief.likely)
        for which, found in (("packed", packed), ("spread", spread))
    }
    beliefs = {("idle", "cpu"): idle, ("full", "cpu"): full, **{("curve", which): at for which, at in curves.items()}}
    return [
        Prior(quantity, device, "", "", belief, None, "modelled", "fit")
        for (quantity, device), belief in beliefs.items()
    ]


def _exponent(load: pd.Series, watts: pd.Series) -> float:
    """The curve through a part's own ends that is nearest to what it drew."""
    idle_w, full_w = watts[load == 0].mean(), watts[load == 1].mean()
    tried = np.geomspace(0.2, 6.0, 200)
    errors = [np.abs(idle_w + (full_w - idle_w) * (1 - (1 - load) ** each) - watts).mean() for each in tried]
    return float(tried[int(np.argmin(errors))])


def weighted_quantile(values: np.ndarray, weights: np.ndarray, at: float) -> float:
    """The value below which the share `at` of the weight lies."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(np.searchsorted(reached, at), len(values) - 1)])


def fit(samples: Samples, *, stiffness: float = 2.0) -> Prior:
    """Level, range and slope.  The range is the 5 to 95 % of what is left over, widened where few groups speak."""
    z = np.array([logit(min(max(share, 0.01), 0.99)) for share in samples.share])
    names, index, counts = np.unique(samples.group, return_inverse=True, return_counts=True)
    weight = counts[index] ** -0.5
    plain = _belief(z, weight, len(names), samples.scatter_kept)
    line = None
    if samples.measure and np.isfinite(samples.size).all():
        x = np.log2(np.clip(samples.size, samples.smallest, samples.largest))
        ref = weighted_quantile(x, weight, 0.5)
        centred, left = x - np.average(x, weights=weight), z - np.average(z, weights=weight)
        slope = float((weight * centred * left).sum() / ((weight * centred**2).sum() + stiffness))
        line = SizeLine(
            samples.measure,
            samples.default_batch,
            2.0**ref,
            samples.smallest,
            samples.largest,
            _belief(z - slope * (x - ref), weight, len(names), samples.scatter_kept),
            slope,
        )
    return Prior(
        samples.quantity, samples.device, samples.workload, "share of rated power", plain, line, "modelled", "fit"
    )


def _belief(z: np.ndarray, weight: np.ndarray, groups: int, kept: float) -> Interval:
    level = weighted_quantile(z, weight, 0.5)
    widen = (1.0 + 1.0 / groups) * kept
    down = max(level - weighted_quantile(z, weight, 0.05), 0.25) * widen
    up = max(weighted_quantile(z, weight, 0.95) - level, 0.25) * widen
    return Interval(share_of(level - down), share_of(level), share_of(level + up))


def show(interval: Interval) -> str:
    return f"{interval.low:.3f},{interval.likely:.3f},{interval.high:.3f}"


def main(argv: Sequence[str] | None = None, *, write: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, required=True)
    for samples in collect(parser.parse_args(argv).truth):
        prior = fit(samples)
        line, groups = prior.line, len(set(samples.group))
        row = [prior.quantity, prior.device, prior.workload, show(prior.belief), f"rows={len(samples.share)}"]
        if line is not None:
            row += [line.measure, f"{line.ref:.2g}", f"{line.smallest:.2g}", f"{line.largest:.2g}"]
            row += [show(line.at_ref), f"{line.per_doubling:.2f}"]
        write(",".join([*row, f"groups={groups}"]))


if __name__ == "__main__":
    main()
