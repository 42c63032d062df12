"""Runs a case on every meter at the same time, and again where the bench itself was held up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from . import place
from .cases import LEAD_S, Case
from .drive import build, to_json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
METERS: Mapping[str, str] = {
    "jupyter_carbon": "ours.py",
    "codecarbon": "peer_codecarbon.py",
    "zeus": "peer_zeus.py",
    "carbontracker": "peer_carbontracker.py",
}
OURS = "jupyter_carbon"

SLOW_EDGE_S = 0.001
"""A meter of microseconds that takes longer than this at the edge of a cell has lost its core to somebody."""
TRIES = 3


@dataclass(frozen=True)
class Result:
    """What one meter said about one case.  Joules of the component that was asked for."""

    meter: str
    truth_j: float | None = None
    said_j: float | None = None
    low_j: float | None = None
    high_j: float | None = None
    flags: tuple[str, ...] = ()
    why_not: str | None = None
    tries: int = 1

    @property
    def error(self) -> float | None:
        """Per cent of the truth."""
        if self.said_j is None or not self.truth_j:
            return None
        return (self.said_j / self.truth_j - 1.0) * 100.0

    @property
    def inside(self) -> bool | None:
        """Whether the truth lies in the range, where one is given."""
        if self.low_j is None or self.high_j is None or self.truth_j is None:
            return None
        return self.low_j <= self.truth_j <= self.high_j


class Process:
    """A meter's process: a line in, a line out."""

    def __init__(self, words: list[str], environ: dict[str, str], log: IO[str]) -> None:
        self._process = subprocess.Popen(
            words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def send(self, value: dict[str, Any]) -> None:
        self._in.write(json.dumps(value) + "\n")
        self._in.flush()

    def answer(self) -> dict[str, Any]:
        """The next line that is one; CodeCarbon prints others when it is imported."""
        for line in self._out:
            if line.startswith("{"):
                value: dict[str, Any] = json.loads(line)
                return value
        raise EOFError

    def close(self) -> None:
        self._in.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass
class Bench:
    """The place, the library and the meters that could be started; `absent` says why others could not."""

    folder: Path
    library: Path
    processes: dict[str, Process] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def powercap(self) -> Path:
        return self.folder / "powercap"

    def run(self, case: Case) -> dict[str, Result]:
        """One case on all meters at once, or on one after the other where cells spin, which takes a core.  A meter that
        was held up, or was late, is asked again."""
        results: dict[str, Result] = {name: Result(name, why_not=why) for name, why in self.absent.items()} | {
            name: Result(name, why_not="no window for cells this short") for name in case.skip
        }
        waiting = [name for name in self.processes if name not in case.skip]
        for attempt in range(1, TRIES + 1):
            for names in [[name] for name in waiting] if case.spin else [tuple(waiting)]:
                told, late, t0_s = self._once(case, names)
                for name in names:
                    result, held_up = judge(case, name, told[name], late, t0_s, attempt)
                    results[name] = result
                    if not held_up:
                        waiting.remove(name)
            if not waiting:
                break
        return results

    def _once(self, case: Case, names: Iterable[str]) -> tuple[dict[str, Any], list[tuple[float, float]], float]:
        for item in list(self.powercap.iterdir()):
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
        build(self.powercap, case.zones)
        t0_s = time.monotonic() + 0.2
        spec = self.folder / "spec.json"
        spec.write_text(json.dumps({"folder": str(self.powercap), "t0_s": t0_s, "zones": to_json(case.zones)}))
        environ = {**self._gpus(case, t0_s), **case.environ}
        question = {
            "open_s": t0_s + 0.1,
            "start_s": t0_s + LEAD_S,
            "cells": case.cells,
            "spin": case.spin,
            "environ": environ,
        }
        driver = subprocess.Popen(
            [sys.executable, str(HERE / "drive.py"), str(spec)], stdout=subprocess.PIPE, text=True
        )
        try:
            for name in names:
                self.processes[name].send(question)
            told = {name: self.processes[name].answer() for name in names}
        finally:
            driver.terminate()
            out, _ = driver.communicate(timeout=20)
        late = [(a, b) for a, b in json.loads(out)]
        return told, late, t0_s

    def _gpus(self, case: Case, t0_s: float) -> dict[str, str]:
        environ = {"FAKE_NVML_DEVICES": str(len(case.gpus)), "FAKE_NVML_T0": repr(t0_s)}
        for index, gpu in enumerate(case.gpus):
            path = self.folder / f"profile-{index}"
            path.write_text(gpu.profile.text)
            environ[f"FAKE_NVML_PROFILE_{index}"] = str(path)
            environ |= {f"FAKE_NVML_{key}_{index}": value for key, value in gpu.options.items()}
        return environ


def judge(
    case: Case, name: str, told: Mapping[str, Any], late: list[tuple[float, float]], t0_s: float, attempt: int
) -> tuple[Result, bool]:
    """A meter's answer beside the truth, and whether the bench was held up at the edge of a cell.

    Of many short cells those are left out, of both sums, at whose edges the bench lost its core.
    """
    if "error" in told:
        return Result(name, why_not=told["error"], tries=attempt), bool(told.get("late"))
    cells = [cell for cell in told["cells"] if not _held_up(cell, late, ours=name == OURS)]
    if len(cells) < (0.5 * len(told["cells"]) if len(told["cells"]) > 1 else 1):
        if attempt < TRIES:
            return Result(name, why_not="the bench was held up", tries=attempt), True
        cells = told["cells"]
    truth_j = sum(case.truth_j(cell["from_s"] - t0_s, cell["to_s"] - t0_s) for cell in cells)
    parts = case.component.split("+")
    if len(parts) > 1:
        parts.append("ram")  # a meter that has only a model of the memory answers with that
    if not any(part in cell["energy_j"] for cell in cells for part in parts):
        return Result(name, truth_j=truth_j, why_not="no answer for this component", tries=attempt), False
    said_j = sum(cell["energy_j"].get(part, 0.0) for cell in cells for part in parts)
    if name != OURS:
        return Result(name, truth_j, said_j, tries=attempt), False
    ranges = [cell["machine"][part] for cell in cells for part in parts if part in cell["machine"]]
    flags = tuple(dict.fromkeys(flag for cell in cells for flag in cell["flags"]))
    low_j, high_j = sum(r[0] for r in ranges), sum(r[2] for r in ranges)  # as a session adds its cells up
    return Result(name, truth_j, said_j, low_j, high_j, flags, tries=attempt), False


def _held_up(cell: Mapping[str, Any], late: list[tuple[float, float]], *, ours: bool) -> bool:
    """Whether the registers were not written at the edge of a cell, or a meter that takes microseconds took much more.

    Other meters take milliseconds for themselves: that is their cost and no fault of the bench.
    """
    if ours and max(cell["from_s"] - cell["before_s"], cell["after_s"] - cell["to_s"]) > SLOW_EDGE_S:
        return True
    return any(
        begin_s - 1e-3 < edge_s < end_s + 1e-3 for edge_s in (cell["from_s"], cell["to_s"]) for begin_s, end_s in late
    )


@contextmanager
def opened(pythons: Mapping[str, Path | None]) -> Iterator[Bench]:
    """The bench with one process for each meter; `pythons` names the interpreter that has it installed, or None."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (folder / "powercap").mkdir()
        library = folder / "lib" / "libnvidia-ml.so.1"
        library.parent.mkdir()
        source = ROOT / "tests/fakes/nvml/fake_nvml.c"
        soname = "-Wl,-soname,libnvidia-ml.so.1"
        words = ["cc", "-shared", "-fPIC", "-O1", soname, "-o", str(library), str(source), "-lm"]
        subprocess.run(words, check=True, timeout=60)
        # CodeCarbon takes a machine for one with an NVIDIA card where this program is.
        smi = library.parent / "nvidia-smi"
        smi.write_text("#!/bin/sh\nexit 0\n")
        smi.chmod(0o755)
        bench = Bench(folder, library)
        refused = place.allowed()
        for name, script in METERS.items():
            python = pythons.get(name)
            if python is None:
                bench.absent[name] = "not installed here"
                continue
            if refused is not None and name != OURS:
                bench.absent[name] = f"needs a mount namespace: {refused}"
                continue
            home = folder / name
            home.mkdir()
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            started = [str(python), str(HERE / "meters" / script)]
            process = Process(
                place.command(started) if refused is None else started,
                place.environment(bench.powercap, library, home),
                log,
            )
            stack.callback(process.close)
            try:
                bench.versions[name] = process.answer()["version"]
            except EOFError:
                bench.absent[name] = (folder / f"{name}.log").read_text().strip().splitlines()[-1:][0]
                continue
            bench.processes[name] = process
        yield bench
