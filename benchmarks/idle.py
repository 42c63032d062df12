"""What the meter's thread does while nothing runs, and while a long cell does.

While nothing runs no thread may wake up.  While a cell runs one thread ticks once a second; its share of a core is
counted over a cell that only waits, without and with child processes.  All contestants wait at the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from contestants import POWERCAP
from overhead import Powercap
from shown import machine, table

CASES = {
    "ours": ("terminal", 0),
    "ours, 20 child processes": ("terminal", 20),
    "ours in a kernel, which tells panels": ("kernel", 0),
    "a kernel's own threads": ("nobody", 0),
    "codecarbon task": ("codecarbon task", 0),
    "codecarbon task, 20 child processes": ("codecarbon task", 20),
    "carbontracker epoch": ("carbontracker epoch", 0),
}
START_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the cell; idle is a third of it")
    options = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as name:
        powercap = Powercap(Path(name) / "powercap")
        processes = {
            title: start(who, children, options.seconds, Path(name) / str(number), powercap)
            for number, (title, (who, children)) in enumerate(CASES.items())
        }
        rows = [row(title, process, options.seconds + START_S) for title, process in processes.items()]
    table(
        "Threads beside the main one: wake-ups and share of a core",
        (
            "",
            "wake-ups idle /s",
            "% of a core idle",
            "wake-ups running /s",
            "% of a core running",
            "threads at the end",
        ),
        rows,
    )
    print("\nTargets of ours: no wake-up while nothing runs; at most 0.1 % of a core while a cell runs.")


def start(who: str, children: int, seconds: float, folder: Path, powercap: Powercap) -> subprocess.Popen[str]:
    """One contestant in its own process and folder."""
    folder.mkdir()
    env = os.environ | {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder),
        "JUPYTER_CARBON_LEDGER": str(folder / "ledger.sqlite"),
        POWERCAP: str(powercap.folder),
    }
    command = [sys.executable, str(Path(__file__).with_name("idle_probe.py")), who, str(children), str(seconds)]
    return subprocess.Popen(
        command, env=env, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )  # fmt: skip


def row(title: str, process: subprocess.Popen[str], patience_s: float) -> tuple[str, ...]:
    """What it found, or that it did not."""
    try:
        answer, _ = process.communicate(timeout=patience_s)
        found = json.loads(answer.splitlines()[-1])
    except (subprocess.TimeoutExpired, json.JSONDecodeError, IndexError):
        process.kill()
        return (title, "failed", "", "", "", "")
    cells = [
        text
        for phase in (found["idle"], found["running"])
        for text in (f"{phase['wake_ups_per_s']:.1f}", f"{phase['share']:.3%}")
    ]
    return (title, *cells, str(found["threads"]))


if __name__ == "__main__":
    main()
