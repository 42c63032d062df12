"""Matrix products on the GPUs of a framework that this kernel has loaded already; none is ever imported for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType, TracebackType
from typing import Any, Protocol, cast

from jupyter_carbon.calibration.fit import CalibrationRefused

SIDE = 4096
"""Rows and columns: three matrices of 32 MB, which fill the units of any card, and 0.14 TFLOP a product."""
TENSOR_UNITS = 7
"""From this compute capability on a product of half precision is the quick one, and the one that draws most (CUDA C++
Programming Guide); before it most cards do those at a small part of their speed."""

PERIOD_S = 0.05
"""Work and pause together: several in each of the driver's samples, which cover 1/6 s and more."""
FAILS = (RuntimeError, MemoryError)
"""What computing ends in where a device fails or has no memory left; CuPy's is the second."""

FRAMEWORKS = ("torch", "cupy", "jax", "tensorflow")


class GpuLoad(Protocol):
    """Work of a known size on all GPUs of this kernel."""

    framework: str

    def work(self, seconds: float) -> None:
        """Compute for about so long; returns when the devices have ended.  Raises one of `FAILS` where one cannot."""

    def close(self) -> None:
        """Give the memory back."""


Product = Callable[[], object]
Wait = Callable[[], object]


class Products:
    """Matrix products, launched for so many seconds and waited for.  `launch` begins one on every device, `wait` is
    over when all have ended."""

    def __init__(self, framework: str, launch: Product, wait: Wait, *, clock: Callable[[], float]) -> None:
        self.framework, self._launch, self._wait = framework, launch, wait
        self._one_s = self._timed(clock, 1)  # this one also chooses the kernels, or compiles them
        self._one_s = self._timed(clock, 4)

    def work(self, seconds: float) -> None:
        """As many products as take so long, one at least."""
        for _ in range(max(1, round(seconds / self._one_s))):
            self._launch()
        self._wait()

    def close(self) -> None:
        """The matrices go with the two that hold them."""
        self._launch = self._wait = lambda: None

    def _timed(self, clock: Callable[[], float], count: int) -> float:
        began_s = clock()
        for _ in range(count):
            self._launch()
        self._wait()
        return max((clock() - began_s) / count, 1e-6)


class KeptBusy:
    """Cards at work for a part of the time, on a thread of their own, while a `with` lasts; nothing where `load` is
    `None`.  Refuses at its end where they could not be."""

    def __init__(self, load: GpuLoad | None, part: float) -> None:
        self._load, self._part = load, part
        self._over, self._failed = threading.Event(), ""
        self._thread = threading.Thread(target=self._work, name="jupyter_carbon calibrates", daemon=True)

    def __enter__(self) -> None:
        if self._load is not None:
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._load is None:
            return
        self._over.set()
        self._thread.join()
        self._load.close()
        if self._failed and error is None:
            raise CalibrationRefused(f"{self._load.framework} could not compute on the GPU ({self._failed})")

    def _work(self) -> None:
        load = cast("GpuLoad", self._load)
        try:
            while not self._over.is_set():
                began_s = time.monotonic()
                load.work(self._part * PERIOD_S)
                if self._part < 1.0:
                    self._over.wait((time.monotonic() - began_s) * (1.0 - self._part) / self._part)
        except FAILS as err:
            self._failed = str(err)


def loaded(modules: Mapping[str, ModuleType], clock: Callable[[], float] = time.monotonic) -> GpuLoad | None:
    """The load of the first framework that is loaded and has a GPU, or `None`; `modules` is `sys.modules`."""
    for name in FRAMEWORKS:
        framework = modules.get(name)
        if framework is None:
            continue
        try:
            found = _WAYS[name](framework)
            if found is not None:
                return Products(name, *found, clock=clock)
        except (*FAILS, AssertionError, AttributeError):  # no driver, no memory, built without CUDA, half imported
            continue
    return None


def _torch(torch: Any) -> tuple[Product, Wait] | None:
    cuda = torch.cuda
    if not cuda.is_available():
        return None
    devices = range(cuda.device_count())
    matrices = []
    for device in devices:
        half = torch.version.cuda is None or cuda.get_device_capability(device)[0] >= TENSOR_UNITS
        kind = torch.float16 if half else torch.float32
        one = torch.randn(SIDE, SIDE, device=f"cuda:{device}", dtype=kind)
        matrices.append((one, torch.empty_like(one)))

    def launch() -> None:
        with torch.no_grad():
            for one, out in matrices:
                torch.matmul(one, one, out=out)

    def wait() -> None:
        for device in devices:
            cuda.synchronize(device)

    return launch, wait


def _cupy(cupy: Any) -> tuple[Product, Wait] | None:
    cuda = cupy.cuda
    devices = [cuda.Device(index) for index in range(cuda.runtime.getDeviceCount())]
    matrices = []
    for device in devices:
        with device:
            half = int(device.compute_capability[:-1]) >= TENSOR_UNITS
            one = cupy.random.standard_normal((SIDE, SIDE), dtype=cupy.float32)
            one = one.astype(cupy.float16) if half else one
            matrices.append((device, one, cupy.empty_like(one)))

    def launch() -> None:
        for device, one, out in matrices:
            with device:
                cupy.matmul(one, one, out=out)

    def wait() -> None:
        for device in devices:
            device.synchronize()

    return (launch, wait) if devices else None


def _jax(jax: Any) -> tuple[Product, Wait] | None:
    devices = jax.local_devices(backend="gpu")
    product = jax.jit(lambda one: one @ one)
    matrices = []
    for device in devices:
        capability = str(getattr(device, "compute_capability", TENSOR_UNITS))
        half = not capability[:1].isdigit() or float(capability) >= TENSOR_UNITS
        kind = jax.numpy.float16 if half else jax.numpy.float32
        drawn = jax.random.normal(jax.random.PRNGKey(0), (SIDE, SIDE), dtype=kind)
        matrices.append(jax.device_put(drawn, device))
    last: list[Any] = []

    def launch() -> None:
        last[:] = [product(one) for one in matrices]

    def wait() -> None:
        for each in last:
            each.block_until_ready()

    return (launch, wait) if devices else None


def _tensorflow(tensorflow: Any) -> tuple[Product, Wait] | None:
    names = [device.name for device in tensorflow.config.list_logical_devices("GPU")]
    matrices = []
    last: list[Any] = []

    def draw(name: str) -> None:
        with tensorflow.device(name):
            matrices.append(tensorflow.random.normal((SIDE, SIDE), dtype=tensorflow.float16))

    def checked(do: Callable[[], object]) -> None:
        try:
            do()
        except tensorflow.errors.OpError as err:  # a tree of its own
            raise RuntimeError(str(err)) from err

    def launch() -> None:
        checked(lambda: last.__setitem__(slice(None), [tensorflow.matmul(one, one) for one in matrices]))

    def wait() -> None:
        # A copy to the host waits for what it copies, and this one is two bytes.
        checked(lambda: [each[:1, :1].numpy() for each in last])

    for name in names:
        checked(lambda name=name: draw(name))  # type: ignore[misc]

    return (launch, wait) if names else None


_WAYS: Mapping[str, Callable[[Any], tuple[Product, Wait] | None]] = {
    "torch": _torch,
    "cupy": _cupy,
    "jax": _jax,
    "tensorflow": _tensorflow,
}
