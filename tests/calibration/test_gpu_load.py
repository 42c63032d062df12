"""Matrix products by whatever is loaded; the frameworks are stand-ins with the functions that are called."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from jupyter_carbon.calibration.gpu_load import FRAMEWORKS, SIDE, Products, loaded


class Clock:
    """A product takes 2 ms of it."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


class Torch:
    """torch with so many devices: launching costs nothing, waiting for one takes 2 ms for each product begun there."""

    float16, float32 = "half", "single"

    def __init__(self, clock: Clock, *, capabilities=((8, 0),), error: Exception | None = None, cuda="12.4") -> None:
        self.clock, self.capabilities, self.error = clock, capabilities, error
        self.made: list[tuple[str, str, int]] = []
        self.begun = [0] * len(capabilities)
        self.done = 0
        self.version = SimpleNamespace(cuda=cuda)
        self.cuda = SimpleNamespace(
            is_available=lambda: bool(capabilities),
            device_count=lambda: len(capabilities),
            get_device_capability=lambda device: capabilities[device],
            synchronize=self.synchronize,
        )

    def randn(self, rows, columns, *, device, dtype):
        if self.error is not None:
            raise self.error
        self.made.append((device, dtype, rows * columns))
        return SimpleNamespace(device=int(device.partition(":")[2]))

    def empty_like(self, one):
        return one

    def no_grad(self):
        return SimpleNamespace(__enter__=lambda: None) and _Nothing()

    def matmul(self, one, other, *, out):
        self.begun[one.device] += 1

    def synchronize(self, device):
        self.clock.s += 0.002 * self.begun[device] if device == 0 else 0.0  # they compute at the same time
        self.done += self.begun[device]
        self.begun[device] = 0


class _Nothing:
    def __enter__(self):
        return None

    def __exit__(self, *error):
        return None


def test_nothing_is_imported_and_nothing_loaded_is_no_load():
    before = set(sys.modules)
    assert loaded({}) is None
    assert set(sys.modules) == before


def test_torch_computes_for_as_long_as_it_is_told_to_on_all_its_devices():
    clock = Clock()
    torch = Torch(clock, capabilities=((8, 0), (6, 1)))
    load = loaded({"torch": torch}, clock)
    assert load is not None
    assert load.framework == "torch"
    assert torch.made == [("cuda:0", "half", SIDE**2), ("cuda:1", "single", SIDE**2)]  # Pascal's halves are slow
    began_s, done = clock.s, torch.done
    load.work(0.025)
    assert clock.s - began_s == pytest.approx(0.024)  # 12 products of 2 ms
    assert torch.done - done == 2 * 12


def test_amd_s_build_of_torch_is_asked_for_halves():
    clock = Clock()
    torch = Torch(clock, capabilities=((9, 4),), cuda=None)
    loaded({"torch": torch}, clock)
    assert [kind for _, kind, _ in torch.made] == ["half"]


def test_a_product_at_least_is_computed_however_long_it_takes():
    clock = Clock()
    torch = Torch(clock)
    load = loaded({"torch": torch}, clock)
    began_s = clock.s
    load.work(1e-6)
    assert clock.s - began_s == pytest.approx(0.002)


@pytest.mark.parametrize(
    "torch",
    [
        Torch(Clock(), capabilities=()),
        Torch(Clock(), error=RuntimeError("CUDA out of memory")),
        Torch(Clock(), error=AssertionError("Torch not compiled with CUDA enabled")),
        SimpleNamespace(),
    ],
    ids=["no device", "no memory", "built without", "half imported"],
)
def test_a_framework_without_a_device_that_computes_is_no_load(torch):
    assert loaded({"torch": torch}, Clock()) is None


def test_the_next_framework_is_asked_where_the_first_has_no_device():
    clock, begun = Clock(), []

    class Array:
        def astype(self, kind):
            return self

    class Device:
        compute_capability = "90"

        def __init__(self, index):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def synchronize(self):
            clock.s += 0.001 * len(begun)
            begun.clear()

    cupy = SimpleNamespace(
        float16="half",
        float32="single",
        cuda=SimpleNamespace(Device=Device, runtime=SimpleNamespace(getDeviceCount=lambda: 1)),
        random=SimpleNamespace(standard_normal=lambda shape, dtype: Array()),
        empty_like=lambda one: one,
        matmul=lambda one, other, out: begun.append(one),
    )
    load = loaded({"torch": Torch(clock, capabilities=()), "cupy": cupy}, clock)
    assert load is not None
    assert load.framework == "cupy"
    began_s = clock.s
    load.work(0.010)
    assert clock.s - began_s == pytest.approx(0.010)


def test_memory_is_given_back():
    held = [object()]
    load = Products("torch", lambda: held[0], lambda: None, clock=iter(range(100)).__next__)
    load.close()
    load.work(1.0)  # harmless
    assert sys.getrefcount(held) == 2  # ours, and the argument


def test_each_framework_has_its_way():
    assert set(FRAMEWORKS) == {"torch", "cupy", "jax", "tensorflow"}
