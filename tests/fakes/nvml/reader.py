"""The process in which `GpuReader` reads the fake: one JSON line in, one out.  Words: library, file of the moment."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.nvml import Nvml


@dataclass(frozen=True)
class Place:
    """The part of a host that a GPU source looks at."""

    root: Path
    environ: dict[str, str]
    gpu_curves: dict[str, GpuCurve] = field(default_factory=dict)


class Reader:
    def __init__(self, library: str, now_file: str) -> None:
        self._library = ctypes.CDLL(library)  # found by its soname from now on
        self._library.fake_nvml_calls.restype = ctypes.c_ulong
        self._now = Path(now_file)
        self._source: Nvml | None = None

    def open(
        self, fake: dict[str, str], environ: dict[str, str], root: str, curves: dict[str, list[Any]]
    ) -> dict[str, Any]:
        if self._source is not None:
            self._source.close()
            self._source = None
        for key in [key for key in os.environ if key.startswith("FAKE_NVML_")]:
            del os.environ[key]
        os.environ.update(fake, FAKE_NVML_NOW_FILE=str(self._now))
        try:
            place = Place(Path(root), environ, {uuid: GpuCurve(*curve) for uuid, curve in curves.items()})
            source = Nvml.open(place, clock=lambda: float(self._now.read_text()))
        except SourceUnavailable as err:
            return {"unavailable": str(err)}
        self._source = source
        return {
            "domains": {domain.device: asdict(domain) for domain in source.domains},
            "allotted": list(source.allotted),
            "idle_w": dict(source.idle_w),
            "power_limit_w": dict(source.power_limit_w),
            "refused": source.refused,
        }

    @property
    def source(self) -> Nvml:
        assert self._source is not None, "open first"
        return self._source

    def energy_j(self) -> dict[str, float]:
        return {domain.device: energy_j for domain, energy_j in self.source.energy_j().items()}

    def watched_until(self, moment_s: float) -> None:
        """Time passes while somebody looks whenever the source wants to be looked at."""
        while (now_s := float(self._now.read_text()) + max(self.source.watch(), 0.001)) < moment_s:
            self._now.write_text(f"{now_s:.6f}".ljust(24))
        self._now.write_text(f"{moment_s:.6f}".ljust(24))

    def energy_at_j(self, moment_s: float) -> dict[str, float]:
        return {domain.device: energy_j for domain, energy_j in self.source.at(moment_s).items()}

    def busy_s(self, pids: list[int]) -> dict[str, tuple[float, float]]:
        return dict(self.source.busy_s(frozenset(pids)))

    def presence(self, pids: list[int]) -> dict[str, str]:
        return dict(self.source.presence(frozenset(pids)))

    def faults(self, start_s: float, end_s: float) -> list[str]:
        return list(self.source.faults.during(start_s, end_s))

    def utilisation(self) -> dict[str, float]:
        return dict(self.source.utilisation())

    def calls(self) -> int:
        return int(self._library.fake_nvml_calls())


def main() -> None:
    reader = Reader(*sys.argv[1:])
    for line in sys.stdin:
        what, *values = json.loads(line)
        try:
            answer = {"value": getattr(reader, what)(*values)}
        except Exception:  # noqa: BLE001  (told to the test, which fails with it)
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


main()
