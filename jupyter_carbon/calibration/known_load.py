"""A load whose size is known: so many CPUs busy for so many seconds, in processes of their own (one lock of Python's
would keep threads to a single CPU)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from jupyter_carbon.model import CarbonError

_SPIN = """
import sys, time
ends_s = time.monotonic() + float(sys.argv[1])
x = 1.0
while time.monotonic() < ends_s:
    for _ in range(20000):
        x = x * 1.0000001 + 1e-9
"""


def busy(cpus: int, seconds: float, wait: Callable[[], None], *, python: str = sys.executable) -> None:
    """Keep `cpus` CPUs busy for `seconds`, or until `wait` returns; they end with it."""
    spinning: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(cpus):
            spinning.append(_spin(python, seconds))
        wait()
    finally:
        for process in spinning:
            process.terminate()
        for process in spinning:
            process.wait()


def _spin(python: str, seconds: float) -> subprocess.Popen[bytes]:
    words = [python, "-I", "-S", "-c", _SPIN, f"{seconds:.3f}"]
    try:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL)
    except OSError as err:
        raise CarbonError(f"no load can be made: {python or 'Python'} cannot be started ({err.strerror})") from err
