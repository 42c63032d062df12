"""What a row costs: begin and end on the cell's path, moving and reading off it.

Run it: ``python benchmarks/ledger.py [folder]`` (a folder on the disk to be measured).
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_carbon.ledger import run_id
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.model import CarbonIntensity, CellRun, Context, Domain, Interval, WallModel, Window

ROWS = 5_000
DOMAINS = (
    Domain("cpu", "package-0", "rapl", "measured", 6.1e-5, 0.001),
    Domain("dram", "dram-0", "rapl", "measured", 6.1e-5, 0.001),
    Domain("gpu", "gpu0", "nvml-energy", "measured", 0.001, 0.1),
)
ONE = Interval(0.9, 1.0, 1.2)
CONTEXT = Context(
    domains=DOMAINS,
    n_cpu=4,
    idle_share=0.5,
    ram_share=0.5,
    kernel_share=0.5,
    idle_w={"package-0": 10.0},
    power_limit_w={"package-0": 100.0},
    gpus_allotted=(),
    wall=WallModel("desktop", ONE, ONE, "assumed", "a source"),
    pue=ONE,
    pue_source="a source",
    intensity=CarbonIntensity(Interval(30, 50, 80), "FR", "France", "lifecycle", "average", "yearly", "a source", 2024),
)


def main(folder: Path) -> None:
    journal = Journal(folder / "ledger.journals", "session", largest_bytes=1 << 40)
    ledger = Ledger.open(folder)
    journal.flush()
    begin_us, end_us = [], []
    for row in range(ROWS):
        run = CellRun(
            run_id(), "session", "0190c3f0-aaaa-7bbb-8ccc-1234567890ab", "a.ipynb", None, row, time.time(), "ab" * 20
        )
        window = Window(
            2.0312345678912,
            dict.fromkeys(DOMAINS, 28.268356662646887 + row),
            1.012345678,
            1.9123456789,
            {"package-0": 10.123456789},
            {"package-0": 33.12345678},
        )
        t0 = time.perf_counter_ns()
        journal.context(CONTEXT)
        journal.begin(run)
        t1 = time.perf_counter_ns()
        journal.end(run.id, window, "ok")
        end_us.append((time.perf_counter_ns() - t1) / 1e3)
        begin_us.append((t1 - t0) / 1e3)
    for name, took_us in (("journal begin", begin_us), ("journal end", end_us)):
        cuts_us = statistics.quantiles(took_us, n=100)
        print(f"{name:18} p50 {cuts_us[49]:7.1f} µs   p99 {cuts_us[98]:7.1f} µs")
    timed("move to SQLite", lambda: ledger.drain(journal), ROWS)
    timed("read", lambda: sum(1 for _ in Ledger.open(folder).records()), ROWS)
    timed("move nothing", lambda: ledger.drain(journal), 1)
    assert journal.path is not None
    sqlite_b, journal_b = ledger.path.stat().st_size / ROWS, journal.path.stat().st_size / ROWS
    print(f"{'a row takes':18} {sqlite_b:.0f} bytes in SQLite, {journal_b:.0f} in the journal")


def timed(name: str, work: Callable[[], int], per: int) -> None:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    rows = work()
    cpu_us, wall_us = (time.process_time() - cpu_s) / per * 1e6, (time.perf_counter() - wall_s) / per * 1e6
    print(f"{name:18} {cpu_us:7.0f} µs CPU, {wall_us:7.0f} µs wall a row ({rows} rows)")


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(dir=sys.argv[1] if sys.argv[1:] else None))
    try:
        main(place)
    finally:
        shutil.rmtree(place)
