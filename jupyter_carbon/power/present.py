"""Whether a source can find anything here: asked before its module is imported.

Most machines lack some of them, and an import costs five times as much as the question.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power.host import Host

POWERCAP_SETTING = "JUPYTER_CARBON_POWERCAP"
"""Names another powercap directory: container runtimes mask the one in /sys."""

INSTALL_DRIVER = (
    "where there is an NVIDIA GPU, install its driver; in a container start it with the NVIDIA runtime and "
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
)
NO_CARD = "no AMD or Intel GPU with a power sensor under /sys/class/drm"


def powercap(host: Host) -> Path:
    """Where the zones of RAPL lie."""
    return Path(host.environ.get(POWERCAP_SETTING) or host.root / "sys/class/powercap")


def nvidia_library() -> None:
    """Raise where the driver's library is not installed: 0.5 ms, where importing its binding first would cost 70."""
    if sys.platform == "win32":
        return  # not on the search path there; the binding knows where to look
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as err:
        raise SourceUnavailable("no NVIDIA driver: libnvidia-ml.so.1 is not found", INSTALL_DRIVER) from err


def _rapl(host: Host) -> None:
    folder = powercap(host)
    if not folder.is_dir() and host.environ.get(POWERCAP_SETTING):
        raise SourceUnavailable(
            f"{POWERCAP_SETTING} names {folder}, which is no directory",
            "Name the directory that holds intel-rapl:0, or unset it.",
        )
    if not folder.is_dir():
        raise SourceUnavailable(f"no {folder}: this machine, or its hypervisor, shows no RAPL energy counter")


def _drm(host: Host) -> None:
    if not os.path.isdir(f"{host.root}/sys/class/drm"):
        raise SourceUnavailable(NO_CARD)


PROBES: Mapping[str, Callable[[Host], None]] = {
    "rapl": _rapl,
    "nvml": lambda _: nvidia_library(),
    "amd_gpu": _drm,
}
"""By module; each raises `SourceUnavailable` with the cause and the remedy."""
