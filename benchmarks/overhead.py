"""What it costs to meter a block: both edges together, the row in the journal included, beside the peers.

Each contestant lives in a process of its own, so that nobody's threads disturb another, and they take turns, so that
the noise of the machine meets all.  Where this machine shows no RAPL counter those who read nothing else get a
directory of files like it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS, POWERCAP
from shown import machine, quantile, table

PATIENCE_S = 60.0
RIVAL = "codecarbon task"
SMALL_TURN = ("eco2ai start/stop",)  # seconds a block: one of them is a turn


class Worker:
    """One contestant, in its own process and folder; `inside` is a command that runs a command somewhere else."""

    def __init__(self, name: str, folder: Path, powercap: Powercap, inside: Sequence[str] = ()) -> None:
        self.name, self._powercap = name, powercap
        self.times_ns: list[int] = []
        self.cpu_s, self.lines = 0.0, 0
        folder.mkdir()
        env = os.environ | {
            "HOME": str(folder),
            "IPYTHONDIR": str(folder),
            "JUPYTER_CARBON_LEDGER": str(folder / "ledger.sqlite"),
            POWERCAP: str(powercap.folder),
        }
        script = str(Path(__file__).with_name("contestants.py"))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the worker)
        self._process = subprocess.Popen(
            [*inside, sys.executable, script, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=env, cwd=folder, text=True,
        )  # fmt: skip
        self.first_ms = self._answer()["times_ns"][0] / 1e6

    def turn(self, seconds: float) -> None:
        """Let it run blocks for so long."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        answer = self._answer()
        self.times_ns += answer["times_ns"]
        self.cpu_s += answer["cpu_s"]
        self.lines = answer["lines"]

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        deadline_s = time.monotonic() + PATIENCE_S
        while not select.select([self._process.stdout], [], [], 0.02)[0]:
            self._powercap.count_on()
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{self.name} does not answer")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise ChildProcessError(f"{self.name} ended:\n{self._errors.read().decode()[-2000:]}")
        return json.loads(line)

    def end(self) -> None:
        """End the process: it reads no more lines."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Powercap:
    """A powercap directory that can be read: this machine's, or files like it that count on while they are read."""

    def __init__(self, folder: Path) -> None:
        zone = Path("/sys/class/powercap/intel-rapl")
        self._descriptor = -1
        self.folder = zone
        if os.access(zone / "intel-rapl:0/energy_uj", os.R_OK):
            return
        self.folder = folder
        package = folder / "intel-rapl:0"
        package.mkdir(parents=True)
        (package / "name").write_text("package-0\n")
        (package / "max_energy_range_uj").write_text("262143328850\n")
        self._descriptor = os.open(package / "energy_uj", os.O_CREAT | os.O_WRONLY, 0o600)
        self.count_on()

    def count_on(self) -> None:
        """20 W since the machine started, in as many digits as ever: one write, never half read."""
        if self._descriptor >= 0:
            os.pwrite(self._descriptor, b"%012d\n" % int(time.monotonic() * 20e6), 0)


def turns(workers: list[Worker], *, rounds: int, seconds: float) -> None:
    """Round by round, each time in the other direction."""
    for number in range(rounds):
        for worker in workers if number % 2 else reversed(workers):
            worker.turn(0.0 if worker.name in SMALL_TURN else seconds)


@contextlib.contextmanager
def started(names: list[str]) -> Iterator[list[Worker]]:
    """Workers of these names; one that cannot start is left out, and said so."""
    workers: list[Worker] = []
    with tempfile.TemporaryDirectory() as folder:
        powercap = Powercap(Path(folder) / "powercap")
        try:
            for number, name in enumerate(names):
                try:
                    workers.append(Worker(name, Path(folder) / str(number), powercap))
                except (TimeoutError, ChildProcessError) as err:
                    print(f"left out: {err}".strip())
            yield workers
        finally:
            for worker in workers:
                worker.end()


def report(workers: list[Worker]) -> None:
    """The table, and our figures against their targets."""
    p50_us = {worker.name: quantile(sorted(worker.times_ns), 0.5) / 1e3 for worker in workers}
    rows = []
    for worker in workers:
        times_us = [ns / 1e3 for ns in sorted(worker.times_ns)]
        rows.append(
            (
                worker.name,
                len(times_us),
                *(f"{quantile(times_us, share):,.1f}" for share in (0.05, 0.5, 0.99)),
                f"{worker.cpu_s / len(times_us) * 1e6:,.1f}",
                f"{p50_us[worker.name] / p50_us[RIVAL]:,.3f}" if RIVAL in p50_us else "-",
                f"{worker.first_ms:,.1f}",
                worker.lines,
            )
        )
    table(
        "Begin + end of a metered block, µs of wall time; CPU is that of all the process's threads",
        ("", "blocks", "p5", "p50", "p99", "CPU", f"p50 / {RIVAL}", "first block, ms", "lines printed"),
        rows,
    )
    print("\nTargets of ours: p50 <= 50 µs and p99 <= 500 µs where a codecarbon task takes 550; at most 0.100 of it.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.25, help="a turn of each contestant")
    parser.add_argument("--only", default="", help="contestants with this in their name")
    options = parser.parse_args()
    machine()
    with started([name for name in CONTESTANTS if options.only in name]) as workers:
        turns(workers, rounds=options.rounds, seconds=options.seconds)
        report(workers)


if __name__ == "__main__":
    main()
