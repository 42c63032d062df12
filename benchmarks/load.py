"""What it costs a live kernel to load the extension, beside `import psutil` and the peers' import and first start.

Each figure is the median of many fresh processes, which take turns.  CPU of the main thread is what the user waits
for; that of the process holds our thread's part too: it imports what the first cell's end may need and looks for
GPUs.  Caches of compiled modules are used, as they are when a kernel is started for the second time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from contestants import POWERCAP
from overhead import Powercap
from shown import machine, table

QUICK = {
    "import psutil, bare interpreter": ("bare", "psutil"),
    "import psutil, over IPython": ("ipython", "psutil"),
    "ours: %load_ext, over a kernel": ("kernel", "ours"),
    "ours: import jupyter_carbon alone": ("kernel", "ours-import"),
}
SLOW = {
    "codecarbon: import, first task": ("kernel", "codecarbon"),
    "carbontracker: import, tracker": ("kernel", "carbontracker"),
    "pyJoules: import, meter": ("kernel", "pyjoules"),
    "zeus: import, monitor": ("kernel", "zeus"),
    "eco2ai: import, start": ("kernel", "eco2ai"),
}
MEASURE = "import psutil, over IPython"
PATIENCE_S = 60.0

Found = dict[str, float]


def probe(base: str, what: str, folder: Path, powercap: Powercap) -> Found:
    """One process; raises `CalledProcessError` or `TimeoutExpired`."""
    env = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    ledger = Path(tempfile.mkdtemp(dir=folder)) / "ledger.sqlite"  # no session of another probe beside it
    env |= {"HOME": str(folder), "IPYTHONDIR": str(folder), "JUPYTER_CARBON_LEDGER": str(ledger)}
    env[POWERCAP] = str(powercap.folder)
    command = [sys.executable, str(Path(__file__).with_name("load_probe.py")), base, what]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, timeout=PATIENCE_S, check=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def medians(rounds: list[Found]) -> Found:
    return {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--peers", type=int, default=3, help="rounds of the peers, which take seconds each")
    options = parser.parse_args()
    machine()
    found: dict[str, list[Found]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        powercap = Powercap(folder / "powercap")
        for case in QUICK.values():  # fills the caches
            probe(*case, folder, powercap)
        for number in range(max(options.rounds, options.peers)):
            for title, case in (QUICK if number < options.rounds else {}).items():
                found.setdefault(title, []).append(probe(*case, folder, powercap))
            for title, case in (SLOW if number < options.peers else {}).items():
                try:
                    found.setdefault(title, []).append(probe(*case, folder, powercap))
                except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as err:
                    print(f"left out: {title}: {err}")
                    options.peers = 0
    middle = {title: medians(rounds) for title, rounds in found.items() if rounds}
    least = {title: min(run["main_ms"] for run in rounds) for title, rounds in found.items() if rounds}
    of_main, of_process = middle[MEASURE]["main_ms"], middle[MEASURE]["process_ms"]
    table(
        "CPU of a load, ms: median, and the least of the main thread",
        ("", "runs", "main", "least", "process", "main / psutil", "process / psutil", "wall", "memory, MB", "modules"),
        (
            (
                title,
                len(found[title]),
                f"{ms['main_ms']:,.1f}",
                f"{least[title]:,.1f}",
                f"{ms['process_ms']:,.1f}",
                f"{ms['main_ms'] / of_main:,.2f}",
                f"{ms['process_ms'] / of_process:,.2f}",
                f"{ms['wall_ms']:,.0f}",
                f"{ms['rss_mb']:.1f}",
                f"{ms['modules']:.0f}",
            )
            for title, ms in middle.items()
        ),
    )
    print(f"\nTarget of ours: at most 1.00 of `{MEASURE}`; memory at most 10 MB.")


if __name__ == "__main__":
    main()
