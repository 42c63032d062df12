"""GPU work outlives the cell that launched it: wait for it before the last reading, where that is safe.

Only a framework that is already loaded, and only on devices where it has a context: nothing is imported, no driver is
woken (a child that is forked after that could not use CUDA), and no context made, which would cost hundreds of
megabytes on each card.  A failing wait changes nothing for the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Literal

UNSYNCED = ("tensorflow",)
"""Frameworks without a barrier that could be called without touching a device."""

ERRORS = (RuntimeError, AssertionError, AttributeError)
"""What a wait ends in: a sticky CUDA error, which is the user's to see in their cell; a build without CUDA; a module
that is half imported."""

Waited = Literal["all", "none", "unsure"]
"""For all devices that this process computes on; for none, as no framework is known to compute; for some, perhaps."""


def synchronise(modules: Mapping[str, ModuleType]) -> Waited:
    """Wait until the loaded frameworks' devices are idle, and tell which those were.  `modules` is `sys.modules`."""
    waited: Waited = "none"
    unsure = any(name in modules for name in UNSYNCED)
    for name, wait in (("torch", _torch), ("cupy", _cupy), ("jax", _jax)):
        framework = modules.get(name)
        if framework is not None:
            try:
                if wait(framework):
                    waited = "all"
            except ERRORS:
                unsure = True
    return "unsure" if unsure else waited


def _torch(torch: Any) -> bool:
    """A context belongs to a process, not to torch: what others have launched there is waited for too."""
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():  # asked first: `is_available` may wake the driver
        return False
    in_use = getattr(torch._C, "_cuda_hasPrimaryContext", None) or (lambda device: cuda.memory_reserved(device) > 0)
    used = [device for device in range(cuda.device_count()) if in_use(device)]
    for device in used:
        cuda.synchronize(device)
    return bool(used)


def _cupy(cupy: Any) -> bool:
    if cupy.get_default_memory_pool().total_bytes() == 0:  # it has computed nothing on the present device
        return False
    cupy.cuda.Device().synchronize()
    return bool(cupy.cuda.runtime.getDeviceCount() == 1)  # to ask the others would make a context on each


def _jax(jax: Any) -> bool:
    if not jax._src.xla_bridge.backends_are_initialized():  # `live_arrays` would begin with them
        return False
    for array in jax.live_arrays():  # what still runs ends in one of these, unless nobody holds it any more
        array.block_until_ready()
    return bool(jax.default_backend() != "cpu")
