"""GPU work outlives the cell that launched it: wait for it before the last reading, where that is safe.

Only a framework that is already loaded, and only where it has a device context; nothing is imported, no context made.
A failing wait changes nothing for the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

UNSYNCED = ("jax", "tensorflow")
"""Frameworks without a barrier that could be called without touching a device."""


def synchronise(modules: Mapping[str, ModuleType]) -> tuple[str, ...]:
    """Wait until the loaded frameworks' devices are idle; the flag ``may-still-run`` where that could not be told.

    `modules` is `sys.modules`.
    """
    unsure = any(name in modules for name in UNSYNCED)
    torch = modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is not None:
        try:
            if cuda.is_available() and cuda.is_initialized():
                for device in range(cuda.device_count()):
                    cuda.synchronize(device)
        except (
            RuntimeError,
            AssertionError,
            AttributeError,
        ):  # a sticky CUDA error is the user's to see, in their cell
            unsure = True
    cupy = modules.get("cupy")
    if cupy is not None:
        try:
            cupy.cuda.Device().synchronize()
        except (RuntimeError, AttributeError):
            unsure = True
    return ("may-still-run",) if unsure else ()
