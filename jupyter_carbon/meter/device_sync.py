"""GPU work outlives the cell that launched it: wait for it before the last reading, where that is safe.

Only a framework that is already loaded, and only on devices where it has a context: nothing is imported, no driver is
woken (a child that is forked after that could not use CUDA), and no context made, which would cost hundreds of
megabytes on each card.  A failing wait changes nothing for the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

UNSYNCED = ("tensorflow",)
"""Frameworks without a barrier that could be called without touching a device."""

ERRORS = (RuntimeError, AssertionError, AttributeError)
"""What a wait ends in: a sticky CUDA error, which is the user's to see in their cell; a build without CUDA; a module
that is half imported."""


def synchronise(modules: Mapping[str, ModuleType]) -> tuple[str, ...]:
    """Wait until the loaded frameworks' devices are idle; the flag ``may-still-run`` where that could not be told.

    `modules` is `sys.modules`.
    """
    unsure = any(name in modules for name in UNSYNCED)
    for name, wait in (("torch", _torch), ("cupy", _cupy), ("jax", _jax)):
        framework = modules.get(name)
        if framework is not None:
            try:
                wait(framework)
            except ERRORS:
                unsure = True
    return ("may-still-run",) if unsure else ()


def _torch(torch: Any) -> None:
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():  # asked first: `is_available` may wake the driver
        return
    in_use = getattr(torch._C, "_cuda_hasPrimaryContext", None) or (lambda device: cuda.memory_reserved(device) > 0)
    for device in range(cuda.device_count()):
        if in_use(device):
            cuda.synchronize(device)


def _cupy(cupy: Any) -> None:
    if cupy.get_default_memory_pool().total_bytes() > 0:  # else it has computed nothing on the present device
        cupy.cuda.Device().synchronize()


def _jax(jax: Any) -> None:
    if not jax._src.xla_bridge.backends_are_initialized():  # `live_arrays` would begin with them
        return
    for array in jax.live_arrays():  # what still runs ends in one of these, unless nobody holds it any more
        array.block_until_ready()
