"""How many scenarios a second, with ranges and ranks, and how long one estimate takes.

taskset -c 0 python benchmarks/planner.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.estimate.planner import plan

GPUS = ["H100", "A100", "V100", "T4", "RTX 4090"]
REGIONS = ["FR", "DE", "PL", "aws:us-east-1", "US-CA", "CA-QC", "WORLD"]


def best_s(work: Callable[[], object], times: int) -> float:
    """Processor seconds of the fastest of so many: the others were disturbed."""
    taken = []
    for _ in range(times):
        began_s = time.process_time()
        work()
        taken.append(time.process_time() - began_s)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    chance = np.random.default_rng(1)
    product = {
        "gpu": GPUS,
        "region": REGIONS,
        "n_gpu": list(range(1, 9)),
        "hours": list(np.linspace(1, 500, rows // (len(GPUS) * len(REGIONS) * 8))),
    }
    table = pd.DataFrame(
        {
            "gpu": np.array(GPUS, dtype=object)[chance.integers(0, len(GPUS), rows)],
            "region": np.array(REGIONS, dtype=object)[chance.integers(0, len(REGIONS), rows)],
            "n_gpu": chance.integers(1, 9, rows),
            "hours": chance.random(rows) * 500,
        }
    )
    categories = table.astype({"gpu": "category", "region": "category"})
    own = categories.assign(utilisation=chance.random(rows))
    for name, scenarios in (
        ("every combination of four lists", product),
        ("a table with names as categories", categories),
        ("a table with names as text", table),
        ("a utilisation of its own in every row", own),
    ):
        taken_s = best_s(lambda scenarios=scenarios: plan(scenarios), 5)
        print(f"plan, {name:<40}{rows / taken_s / 1e6:6.1f} million scenarios a second")
    for name, one in (
        ("by kind of work", {"gpu": "H100", "n_gpu": 8, "hours": 72, "region": "FR", "workload": "training"}),
        (
            "by utilisation, CPU named",
            {"gpu": "H100", "cpu": "EPYC 7763", "hours": 72, "region": "FR", "utilisation": 0.5},
        ),
    ):
        estimate(**one)
        print(f"estimate, {name:<36}{best_s(lambda one=one: estimate(**one), 300) * 1e6:6.0f} µs, warm")


if __name__ == "__main__":
    main()
