"""Waiting for the device at a cell's end: only for frameworks that are loaded and have a context, and never harmfully.

The frameworks are stand-ins with the functions that are called: a module is what `sys.modules` holds.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from jupyter_carbon.meter.device_sync import synchronise


class Torch:
    """torch, as far as its devices go: each in `used` has a context, and making one is an error."""

    def __init__(
        self, *, initialised: bool = True, used: tuple[int, ...] = (0, 1), old: bool = False, error=None
    ) -> None:
        self.waited: list[int] = []
        self.used, self.error = used, error
        self.cuda = SimpleNamespace(
            is_available=self.wake,
            is_initialized=lambda: initialised,
            device_count=lambda: 4,
            synchronize=self.synchronize,
            memory_reserved=lambda device: 1024 * (device in used),
        )
        self._C = SimpleNamespace() if old else SimpleNamespace(_cuda_hasPrimaryContext=lambda device: device in used)

    def wake(self) -> bool:
        raise AssertionError("this wakes the driver")

    def synchronize(self, device: int) -> None:
        if self.error is not None:
            raise self.error
        assert device in self.used, "this makes a context"
        self.waited.append(device)


def test_nothing_loaded_nothing_asked():
    assert synchronise({}) == ()


def test_this_process_is_left_as_it_is():
    before = set(sys.modules)
    assert synchronise(sys.modules) == ()
    assert set(sys.modules) == before


@pytest.mark.parametrize("old", [False, True])
def test_each_device_that_torch_uses_is_waited_for_and_no_other(old):
    torch = Torch(used=(1, 3), old=old)
    assert synchronise({"torch": torch}) == ()
    assert torch.waited == [1, 3]


def test_where_torch_has_not_begun_to_compute_no_driver_is_woken():
    torch = Torch(initialised=False)
    assert synchronise({"torch": torch}) == ()
    assert torch.waited == []


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: device-side assert"), AssertionError("no CUDA")])
def test_a_failing_wait_is_a_flag_and_not_the_cells_error(error):
    assert synchronise({"torch": Torch(error=error)}) == ("may-still-run",)


def test_a_torch_that_is_half_imported_is_a_doubt():
    assert synchronise({"torch": SimpleNamespace(cuda=SimpleNamespace())}) == ("may-still-run",)
    assert synchronise({"torch": SimpleNamespace()}) == ()


def cupy(device, *, held: int) -> SimpleNamespace:
    pool = SimpleNamespace(total_bytes=lambda: held)
    return SimpleNamespace(cuda=SimpleNamespace(Device=device), get_default_memory_pool=lambda: pool)


def test_cupy_is_waited_for():
    waited = []
    device = SimpleNamespace(synchronize=lambda: waited.append("here"))
    assert synchronise({"cupy": cupy(lambda: device, held=512)}) == ()
    assert waited == ["here"]


def none() -> None:
    raise RuntimeError("cudaErrorNoDevice")


def test_cupy_without_a_device_is_a_doubt():
    assert synchronise({"cupy": cupy(none, held=512)}) == ("may-still-run",)


def test_cupy_that_has_computed_nothing_is_left_alone():
    assert synchronise({"cupy": cupy(none, held=0)}) == ()


def jax(*arrays: object, begun: bool) -> SimpleNamespace:
    def live_arrays() -> list[object]:
        assert begun, "this wakes the driver"
        return list(arrays)

    bridge = SimpleNamespace(backends_are_initialized=lambda: begun)
    return SimpleNamespace(_src=SimpleNamespace(xla_bridge=bridge), live_arrays=live_arrays)


def test_jax_is_waited_for_array_by_array():
    waited = []
    arrays = [SimpleNamespace(block_until_ready=lambda n=n: waited.append(n)) for n in range(3)]
    assert synchronise({"jax": jax(*arrays, begun=True)}) == ()
    assert waited == [0, 1, 2]


def test_jax_that_has_not_begun_is_left_alone():
    assert synchronise({"jax": jax(begun=False)}) == ()


def test_an_array_whose_computation_failed_is_a_doubt():
    assert synchronise({"jax": jax(SimpleNamespace(block_until_ready=none), begun=True)}) == ("may-still-run",)


@pytest.mark.parametrize("name", ["jax", "tensorflow"])
def test_where_nobody_can_be_asked_it_may_still_run(name):
    assert synchronise({name: SimpleNamespace()}) == ("may-still-run",)
