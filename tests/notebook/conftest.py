"""Kernels for the tests: one that a module shares, and fresh ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernels import KERNELS, NEWEST, Kernel


@pytest.fixture(scope="module", params=KERNELS)
def spec(request: pytest.FixtureRequest) -> str:
    """Each ipykernel in turn; a module uses up one before it turns to the next."""
    return str(request.param)


@pytest.fixture(scope="module")
def kernel(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension loaded, shared by a module's tests."""
    kernel = Kernel(spec, tmp_path_factory.mktemp(spec), JUPYTER_CARBON_REGION="FR")
    try:
        assert kernel.run("%load_ext jupyter_carbon").status == "ok"
        yield kernel
    finally:
        kernel.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Start a kernel of one's own, extension not loaded: `start(spec, JUPYTER_CARBON_REGION="FR")`."""
    started: list[Kernel] = []

    def start(spec: str = NEWEST, **env: str) -> Kernel:
        folder = tmp_path / f"kernel-{len(started)}"
        folder.mkdir()
        started.append(Kernel(spec, folder, **env))
        return started[-1]

    yield start
    for kernel in started:
        kernel.stop()
