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
    assert synchronise({}) == "none"


def test_this_process_is_left_as_it_is():
    before = set(sys.modules)
    assert synchronise(sys.modules) == "none"
    assert set(sys.modules) == before


@pytest.mark.parametrize("old", [False, True])
def test_each_device_that_torch_uses_is_waited_for_and_no_other(old):
    torch = Torch(used=(1, 3), old=old)
    assert synchronise({"torch": torch}) == "all"
    assert torch.waited == [1, 3]


def test_where_torch_has_not_begun_to_compute_no_driver_is_woken():
    torch = Torch(initialised=False)
    assert synchronise({"torch": torch}) == "none"
    assert torch.waited == []


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: device-side assert"), AssertionError("no CUDA")])
def test_a_failing_wait_is_a_doubt_and_not_the_cells_error(error):
    assert synchronise({"torch": Torch(error=error)}) == "unsure"


def test_a_torch_that_is_half_imported_is_a_doubt():
    assert synchronise({"torch": SimpleNamespace(cuda=SimpleNamespace())}) == "unsure"
    assert synchronise({"torch": SimpleNamespace()}) == "none"


def cupy(device, *, held: int, devices: int = 1) -> SimpleNamespace:
    pool = SimpleNamespace(total_bytes=lambda: held)
    cuda = SimpleNamespace(Device=device, runtime=SimpleNamespace(getDeviceCount=lambda: devices))
    return SimpleNamespace(cuda=cuda, get_default_memory_pool=lambda: pool)


@pytest.mark.parametrize(("devices", "told"), [(1, "all"), (2, "none")])
def test_cupy_is_waited_for_on_its_present_device(devices, told):
    waited = []
    device = SimpleNamespace(synchronize=lambda: waited.append("here"))
    assert synchronise({"cupy": cupy(lambda: device, held=512, devices=devices)}) == told
    assert waited == ["here"]


def none() -> None:
    raise RuntimeError("cudaErrorNoDevice")


def test_cupy_without_a_device_is_a_doubt():
    assert synchronise({"cupy": cupy(none, held=512)}) == "unsure"


def test_cupy_that_has_computed_nothing_is_left_alone():
    assert synchronise({"cupy": cupy(none, held=0)}) == "none"


def jax(*arrays: object, begun: bool, backend: str = "gpu") -> SimpleNamespace:
    def live_arrays() -> list[object]:
        assert begun, "this wakes the driver"
        return list(arrays)

    bridge = SimpleNamespace(backends_are_initialized=lambda: begun)
    return SimpleNamespace(
        _src=SimpleNamespace(xla_bridge=bridge), live_arrays=live_arrays, default_backend=lambda: backend
    )


@pytest.mark.parametrize(("backend", "told"), [("gpu", "all"), ("cpu", "none")])
def test_jax_is_waited_for_array_by_array(backend, told):
    waited = []
    arrays = [SimpleNamespace(block_until_ready=lambda n=n: waited.append(n)) for n in range(3)]
    assert synchronise({"jax": jax(*arrays, begun=True, backend=backend)}) == told
    assert waited == [0, 1, 2]


def test_jax_that_has_not_begun_is_left_alone():
    assert synchronise({"jax": jax(begun=False)}) == "none"


def test_an_array_whose_computation_failed_is_a_doubt():
    assert synchronise({"jax": jax(SimpleNamespace(block_until_ready=none), begun=True)}) == "unsure"


@pytest.mark.parametrize("name", ["jax", "tensorflow"])
def test_where_nobody_can_be_asked_it_is_in_doubt(name):
    assert synchronise({name: SimpleNamespace()}) == "unsure"


def test_what_one_could_not_wait_for_stays_in_doubt_though_another_was_waited_for():
    torch = Torch(used=(0,))
    assert synchronise({"torch": torch, "tensorflow": SimpleNamespace()}) == "unsure"
    assert torch.waited == [0]
