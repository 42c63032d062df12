"""Do the ranges hold, and what does a calibration buy?  On what others measured.

    python benchmarks/ranges.py --truth DIR

DIR holds the evidence files by their names.  Error = estimate / truth - 1: its mean size and mean in percent, and the
share of truths inside the 5 to 95 % range.  Calibrated rows leave out every run of the networks or models that the
calibration's points were taken from; the estimator's own sets are fitted anew without the group being estimated.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from random import Random

import estimator
import numpy as np
import pandas as pd

from jupyter_carbon.calibration.fit import CalibrationRefused, Point, WallFit, fit_wall
from jupyter_carbon.calibration.fit import wall_model as fitted
from jupyter_carbon.model import Interval, WallModel
from jupyter_carbon.power.cpu_curve import CURVE_SPREAD, CpuCurve
from jupyter_carbon.power.cpu_model import FULL_OF_TDP, IDLE_OF_TDP, SHAPE
from jupyter_carbon.power.gpu_curve import CURVE_SPREAD as CARD_SPREAD
from jupyter_carbon.power.gpu_curve import RATED_SPREAD, rated
from jupyter_carbon.power.ram import W_PER_GB
from jupyter_carbon.tables import lookup

J_PER_KWH = 3.6e6
DRAWS = 200
"""Pairs of runs, drawn with a seed, that somebody might have calibrated with."""


MEMORY_GB = 64
"""Of the other PC, whose publishers do not say: four channels of 16 GB, as such machines are sold (assumed)."""

AS_IT_IS = "CodeCarbon's sensors as they are"
"""Of the other PC: its packages' counters as they are."""


class Rows:
    """Estimates beside truths."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._truth: list[float] = []
        self._ours: list[Interval] = []
        self._peers: dict[str, list[float]] = {}

    def add(self, truth: float, ours: Interval, **peers: float) -> None:
        self._truth.append(truth)
        self._ours.append(ours)
        for peer, said in peers.items():
            self._peers.setdefault(peer, []).append(said)

    @property
    def mape(self) -> float:
        return 100 * float(np.mean(np.abs(np.array([ours.likely for ours in self._ours]) / self._truth - 1)))

    def lines(self) -> Iterator[str]:
        if not self._truth:
            return
        error = np.array([ours.likely for ours in self._ours]) / self._truth - 1
        pairs = zip(self._ours, self._truth, strict=True)
        inside = 100 * np.mean([ours.low <= truth <= ours.high for ours, truth in pairs])
        yield f"{self.name:<58}{len(self._truth):>7}{self.mape:>8.1f}{100 * error.mean():>+8.1f}{inside:>7.0f} %"
        for peer, said in self._peers.items():
            off = np.array(said) / self._truth - 1
            yield f"    {peer:<54}{len(said):>7}{100 * np.nanmean(np.abs(off)):>8.1f}{100 * np.nanmean(off):>+8.1f}"


# --- to the wall ---------------------------------------------------------------------------------------------------


def desktop() -> WallModel:
    """What is known of a desktop that nobody has calibrated: the shipped table."""
    rows = {row["quantity"]: row for row in lookup("chassis", "desktop")}
    factor, base_w = (
        Interval(*(float(rows[name][end]) for end in ("low", "likely", "high")))
        for name in ("wall_factor", "wall_base")
    )
    return WallModel("desktop", factor, base_w, "modelled", "the table")


def plugged(truth: Path) -> pd.DataFrame:
    """Mean watts of the devices as a peer's sensors saw them, and of the whole machine at its plug."""
    frame = pd.read_csv(truth / "wall_meter.csv")
    frame["devices_w"] = frame.codecarbon_total_kwh * J_PER_KWH / frame.duration_s
    frame["plug_w"] = frame.wall_kwh * J_PER_KWH / frame.duration_s
    return frame


def sampled(truth: Path) -> pd.DataFrame:
    """The same of another PC: its packages' mean watts, without memory or cards, and an instant of its plug."""
    frame = pd.read_csv(truth / "cpu_load_power.csv")
    frame = frame[(frame.usable_truth == 1) & frame.wall_plug_w_sample.notna()]
    return frame.assign(devices_w=frame.rapl_w, plug_w=frame.wall_plug_w_sample)


def by_table(truth: Path) -> Iterator[str]:
    first, second = plugged(truth), sampled(truth)
    nothing, memory_w = Interval.exact(0.0), W_PER_GB.scaled(MEMORY_GB)
    for name, parts in (
        ("one PC, all runs", [(first, nothing)]),
        ("one PC, runs of ten steps of its meter and more", [(first[first.quality == "good"], nothing)]),
        ("another PC, package alone counted, instants", [(second, nothing)]),
        (f"another PC, and {MEMORY_GB} GB as we count them", [(second, memory_w)]),
        ("both, all that we would count", [(first, nothing), (second, memory_w)]),
    ):
        rows = Rows(f"desktop: {name}")
        for frame, beside_w in parts:
            for row in frame.itertuples():
                ours = desktop().energy_j(Interval.exact(row.devices_w) + beside_w, 1.0)
                rows.add(row.plug_w, ours, **{AS_IT_IS: row.devices_w})
        yield from rows.lines()


def fit_of(pair: pd.DataFrame) -> WallFit | None:
    """What two runs make, or nothing where they are refused."""
    try:
        return fit_wall([Point(row.devices_w, row.plug_w) for row in pair.itertuples()], desktop())
    except CalibrationRefused:
        return None


def farthest(frame: pd.DataFrame) -> pd.DataFrame:
    """The two runs farthest apart that are not refused: the nearest there is to rest and full load."""
    watts = frame.devices_w.tolist()
    for low, high in sorted(combinations(range(len(frame)), 2), key=lambda ij: -abs(watts[ij[0]] - watts[ij[1]])):
        pair = frame.iloc[[low, high]]
        if fit_of(pair) is not None:
            return pair
    raise SystemExit("no two runs make a calibration")


def applied(rows: Rows, pair: pd.DataFrame, frame: pd.DataFrame) -> None:
    """The runs of `frame` by the fit to `pair`, but for those of the same networks."""
    fit = fit_of(pair)
    assert fit is not None
    wall = fitted(fit, kind="desktop", at="a day")
    for row in frame[~frame.model.isin(pair.model)].itertuples():
        ours = wall.energy_j(Interval.exact(row.devices_w), 1.0)
        rows.add(row.plug_w, ours, **{AS_IT_IS: row.devices_w, "CodeCarbon x 1.25": 1.25 * row.devices_w})


def calibrated(truth: Path) -> Iterator[str]:
    frame = plugged(truth)
    for points, fine_only in (("two points a device", False), ("two resolved points", True)):
        together, resolved = Rows(f"{points}: all runs"), Rows(f"{points}: runs of ten steps and more")
        for device, part in frame.groupby("device_used"):
            fine = part[part.quality == "good"]
            alone, pair = Rows(f"{points}: {device}"), farthest(fine if fine_only and len(fine) > 1 else part)
            for rows, some in ((alone, part), (together, part), (resolved, fine)):
                applied(rows, pair, some)
            yield from alone.lines()
        yield from together.lines()
        yield from resolved.lines()
    chance = Random(0)
    for name, source in (("any two runs of the same device", None), ("any two runs of the CPU, for all work", "cpu")):
        drawn, mapes = Rows(name), []
        for device, part in frame.groupby("device_used") if source is None else [(source, frame)]:
            some = part[part.device_used == device]
            pairs = list(combinations(range(len(some)), 2))
            chance.shuffle(pairs)
            kept = [pair for ij in pairs[: 4 * DRAWS] if fit_of(pair := some.iloc[list(ij)]) is not None][:DRAWS]
            for pair in kept:
                one = Rows("")
                applied(one, pair, part)
                applied(drawn, pair, part)
                mapes.append(one.mape)
        low, middle, high = np.quantile(mapes, [0.05, 0.5, 0.95])
        line, *_ = drawn.lines()
        yield f"{line}   of {len(mapes)} pairs: MAPE {middle:.1f} ({low:.1f} to {high:.1f})"


# --- the processor's load model ------------------------------------------------------------------------------------


def profiles(truth: Path) -> pd.DataFrame:
    frame = pd.read_csv(truth / "cpu_load_power.csv")
    return frame[frame.usable_truth == 1]


def minute(part: pd.DataFrame) -> CpuCurve:
    """The part's own idle and full power."""
    own = part.groupby("load_nominal_pct").rapl_w.mean()
    return CpuCurve(float(own[own.index.min()]), float(own[own.index.max()]), "a day")


def processor(truth: Path) -> Iterator[str]:
    frame = profiles(truth)
    table, middle, everything = (
        Rows(name)
        for name in ("CPU: rating alone, a line", "CPU: own minute, loads between", "CPU: own minute, all loads")
    )
    over: dict[str, list[float]] = {}
    for (model, lay), part in frame.groupby(["cpu_model", "load_type"]):
        curve = minute(part)
        for row in part.itertuples():
            load = row.load_nominal_pct / 100
            rated_w = row.tdp_w_total * (IDLE_OF_TDP + (FULL_OF_TDP - IDLE_OF_TDP) * load)
            cubic, half = row.m_d1_cc_cubic, row.m_b_half_tdp
            table.add(row.rapl_w, SHAPE.scaled(rated_w), **{"CodeCarbon's cubic": cubic, "half of the rating": half})
            watts = curve.power_w(load, 1.0 if lay == "some_cores" else 0.0)
            everything.add(row.rapl_w, CURVE_SPREAD.scaled(watts))
            if 0 < load < 1:
                line_w = curve.idle_w + (curve.full_w - curve.idle_w) * load
                middle.add(
                    row.rapl_w,
                    CURVE_SPREAD.scaled(watts),
                    **{"CodeCarbon's load function": row.m_d2_cc_loadfn, "a line through the same two": line_w},
                )
                over.setdefault(model, []).append(row.rapl_w / watts)
    for rows in (table, middle, everything):
        yield from rows.lines()
    for model, ratios in over.items():
        others = [ratio for other, some in over.items() if other != model for ratio in some]
        if others:
            low, high = np.quantile(others, [0.05, 0.95])
            inside = 100 * np.mean([low <= ratio <= high for ratio in ratios])
            yield f"    of {model}, inside a range made of the others alone ({low:.2f} to {high:.2f}): {inside:.0f} %"


def card(truth: Path) -> Iterator[str]:
    """NVIDIA cards that compute without a pause, as one is counted that tells how busy it is and not what it draws; the
    model's two numbers are taken from these rows."""
    asked = pd.read_csv(truth / "gpu_energy.csv")[["power_from_energy_w_per_gpu", "tdp_w_per_gpu"]].dropna()
    trained = pd.read_csv(truth / "gpu_training_power.csv").query("at_default_limit == 1")
    pairs = [
        *asked.itertuples(index=False, name=None),
        *trained[["average_power", "max_power_limit_in_file"]].itertuples(index=False, name=None),
    ]
    by_rating, by_curve = Rows("GPU: rating and utilisation"), Rows("GPU: own curve and utilisation")
    for watts, full_w in pairs:
        busy_w = rated("gpu0", "", full_w).likely_w(1.0)  # type: ignore[union-attr]  # it has a limit
        by_rating.add(watts, RATED_SPREAD.scaled(busy_w), **{"all of the rating": full_w})
        by_curve.add(watts, CARD_SPREAD.scaled(busy_w))
    for rows in (by_rating, by_curve):
        yield from rows.lines()


def estimates(truth: Path) -> Iterator[str]:
    """The estimator's sets, each group left out of what estimates it."""
    priors_for = estimator.without_group(truth)
    for make in estimator.SETS.values():
        for scored in make(truth, priors_for):
            rows = Rows(scored.name)
            for known, ours in zip(scored.truth, scored.ours, strict=True):
                rows.add(known, ours)
            yield from rows.lines()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, required=True)
    options = parser.parse_args(argv)
    print(f"{'':<58}{'rows':>7}{'MAPE':>8}{'bias':>8}{'inside':>9}")
    for title, lines in (
        ("At the plug, by the table of its kind", by_table),
        ("At the plug, calibrated", calibrated),
        ("A processor by its load", processor),
        ("A GPU by its utilisation", card),
        ("Estimates before a run", estimates),
    ):
        print(f"\n{title}")
        print(*lines(options.truth), sep="\n")


if __name__ == "__main__":
    main()
