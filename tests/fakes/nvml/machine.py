"""A machine with fake NVIDIA GPUs: builds the library, and reads it through the real nvidia-ml-py.

The reader is a process of its own (`reader.py`), so that no other test finds GPUs here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def build(folder: Path, *missing: str) -> Path:
    """Compile the fake into `folder`; put that on LD_LIBRARY_PATH.  Environment: see the head of fake_nvml.c.

    Functions that are `missing` are not in the library, as those of newer drivers are not in older ones.
    """
    library = folder / "libnvidia-ml.so.1"
    words = ["cc", "-shared", "-fPIC", "-O1", "-Wl,-soname,libnvidia-ml.so.1", "-o", str(library)]
    if missing:
        (folder / "exports").write_text(f"{{ local: {' '.join(f'{name};' for name in missing)} }};")
        words.append(f"-Wl,--version-script={folder / 'exports'}")
    subprocess.run([*words, str(HERE / "fake_nvml.c"), "-lm"], check=True, timeout=60)
    return library


def profile_j(profile: str, seconds: float) -> float:
    """What a profile has used after `seconds`: the truth that a counter is held against."""
    total_j, left_s = 0.0, seconds
    while left_s > 0:
        for line in profile.splitlines():
            line_s, watts, *end = map(float, line.split())
            used_s = min(left_s, line_s)
            slope = (end[0] - watts) / line_s if end else 0.0
            total_j += used_s * (watts + slope * used_s / 2)
            left_s -= used_s
            if left_s <= 0:
                break
    return total_j


class GpuReader:
    """`Nvml` in a process of its own, at the moment set by `at`, on a machine whose files lie under `root`."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.root = folder
        self._now = folder / "now"
        self.at(0.0)
        words = [sys.executable, str(HERE / "reader.py"), str(library), str(self._now)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def at(self, seconds: float) -> None:
        """Set the moment."""
        self._now.write_text(f"{seconds:.6f}".ljust(24))

    def open(
        self,
        fake: Mapping[str, object] | None = None,
        curves: Mapping[str, tuple[object, ...]] | None = None,
        **environ: str,
    ) -> dict[str, Any]:
        """`Nvml.open` on a machine that `fake` describes (FAKE_NVML_ is put before its keys) and whose cards were
        measured as `curves` say: the fields of a `GpuCurve`, by UUID."""
        described = {f"FAKE_NVML_{key}": str(value) for key, value in (fake or {}).items()}
        return self._ask("open", described, environ, str(self.root), dict(curves or {}))  # type: ignore[no-any-return]

    def energy_j(self) -> dict[str, float]:
        return self._ask("energy_j")  # type: ignore[no-any-return]

    def watched_until(self, seconds: float) -> None:
        """Set the moment; until then the ticker has looked."""
        self._ask("watched_until", seconds)

    def energy_at_j(self, seconds: float) -> dict[str, float]:
        return self._ask("energy_at_j", seconds)  # type: ignore[no-any-return]

    def busy_s(self, *pids: int) -> dict[str, list[float]]:
        return self._ask("busy_s", pids)  # type: ignore[no-any-return]

    def presence(self, *pids: int) -> dict[str, str]:
        return self._ask("presence", pids)  # type: ignore[no-any-return]

    def faults(self, start_s: float, end_s: float) -> list[str]:
        return self._ask("faults", start_s, end_s)  # type: ignore[no-any-return]

    def utilisation(self) -> dict[str, float]:
        return self._ask("utilisation")  # type: ignore[no-any-return]

    def calls(self) -> int:
        """NVML device functions called so far."""
        return self._ask("calls")  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=20)

    def _ask(self, what: str, *values: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, *values]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]
