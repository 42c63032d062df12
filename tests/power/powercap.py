"""A real powercap tree in a folder, laid out as the kernel does it, and a clock that tests turn.

``<root>/sys/class/powercap/<zone>`` links to ``<root>/sys/devices/virtual/powercap/<control>/<zone>``, a child zone
lies inside its parent; `energy_uj` is rewritten in place, so a kept descriptor sees it, and wraps as the register does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

INTEL_MAX_UJ = 262_143_328_850
"""What the kernel shows for a unit of 61.035 µJ: (2^32 - 1) x 61035 nJ."""
AMD_MAX_UJ = 65_532_610_987
"""The same for 15.258 µJ (AMD, and the memory of Intel servers)."""

CLASS = "sys/class/powercap"
DEVICES = "sys/devices/virtual/powercap"


class Clock:
    """Seconds that pass when a test says so, awake or suspended."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.suspended_s = 0.0

    def __call__(self) -> float:
        return self.s

    def suspended(self) -> float:
        return self.suspended_s


class Device:
    """A register or a gauge that shows what a test says, or fails as it says."""

    def __init__(self, shown: float = 0.0, clock: Clock | None = None) -> None:
        self.shown = shown
        self.error: Exception | None = None
        self.clock = clock or Clock()
        self.before_s = self.after_s = 0.0

    def __call__(self) -> float:
        self.clock.s += self.before_s
        if self.error is not None:
            raise self.error
        self.clock.s += self.after_s
        return self.shown


class Zone:
    """One zone and its counter."""

    def __init__(self, folder: Path, max_uj: int | None) -> None:
        self.folder = folder
        self.max_uj = max_uj
        self.uj = 0
        self._lock, self._empty = threading.Lock(), False

    @property
    def energy_uj(self) -> Path:
        return self.folder / "energy_uj"

    def set(self, uj: int) -> None:
        """Write the register: 24 bytes, always as many, so a reader never sees half of two numbers."""
        self.uj, self._empty = uj, False
        self.write(str(uj).encode())

    def add_j(self, joules: float) -> None:
        """Count on, past the end of the range if need be: it starts again one register unit after its maximum."""
        with self._lock:
            uj = self.uj + round(joules * 1e6)
            if self.max_uj is not None:
                uj %= self.max_uj + round(self.max_uj / 2**32)
            self.set(uj)

    def draw(self, joules: float, *, seconds: float = 0.06, steps: int = 30) -> None:
        """Count on as a register does that is drawn on evenly; by default longer than a cell that is trimmed."""
        uj = round(joules * 1e6)
        for step in range(steps):
            time.sleep(seconds / steps)
            self.add_j((uj * (step + 1) // steps - uj * step // steps) / 1e6)

    @contextmanager
    def restless(self) -> Iterator[None]:
        """Within it the register never stands still, as none does: a microjoule every 5 ms."""
        over = threading.Event()

        def move() -> None:
            while not over.wait(0.005):
                if not self._empty:
                    self.add_j(1e-6)

        mover = threading.Thread(target=move)
        mover.start()
        try:
            yield
        finally:
            over.set()
            mover.join()

    def write(self, text: bytes) -> None:
        """Any bytes in place of a number."""
        descriptor = os.open(self.energy_uj, os.O_WRONLY | os.O_CREAT, 0o400)
        try:
            os.pwrite(descriptor, text.ljust(24, b"\n"), 0)
        finally:
            os.close(descriptor)

    def empty(self) -> None:
        """The file without a byte in it, until a number is written."""
        with self._lock:
            self._empty = True
            os.truncate(self.energy_uj, 0)

    def deny(self) -> None:
        """As the kernel has it since 5.10: root's alone."""
        self.energy_uj.chmod(0o400)

    def limits_w(self, *, long_w: float, short_w: float) -> None:
        """The power limits that firmware has set."""
        (self.folder / "constraint_0_power_limit_uw").write_text(f"{round(long_w * 1e6)}\n")
        (self.folder / "constraint_1_power_limit_uw").write_text(f"{round(short_w * 1e6)}\n")


class Powercap:
    """The tree below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / CLASS).mkdir(parents=True)
        (root / DEVICES).mkdir(parents=True)

    def zone(self, zone_id: str, name: str, *, uj: int = 1_000_000, max_uj: int | None = INTEL_MAX_UJ) -> Zone:
        """Add ``intel-rapl:0`` (or its child ``intel-rapl:0:1``: the parent first); `max_uj` None hides the range."""
        control, *numbers = zone_id.split(":")
        home = self.root / DEVICES / control
        if not home.is_dir():
            home.mkdir()
            (home / "subsystem").symlink_to("../../../../class/powercap")
            (self.root / CLASS / control).symlink_to(f"../../devices/virtual/powercap/{control}")
        ids = [":".join([control, *numbers[:depth]]) for depth in range(1, len(numbers) + 1)]
        folder = home.joinpath(*ids)
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "enabled").write_text("1\n")
        (folder / "subsystem").symlink_to(os.path.relpath(self.root / CLASS, folder))
        (folder / "device").symlink_to("..")
        if max_uj is not None:
            (folder / "max_energy_range_uj").write_text(f"{max_uj}\n")
        (self.root / CLASS / zone_id).symlink_to(os.path.relpath(folder, self.root / CLASS))
        zone = Zone(folder, max_uj)
        zone.set(uj)
        return zone


@contextmanager
def restless(zones: Iterable[Zone]) -> Iterator[None]:
    """Within it none of these registers stands still."""
    with ExitStack() as moving:
        for zone in zones:
            moving.enter_context(zone.restless())
        yield


def one_socket(tree: Powercap) -> dict[str, Zone]:
    """A client part: the package, and core and uncore inside it."""
    return {
        "package": tree.zone("intel-rapl:0", "package-0"),
        "core": tree.zone("intel-rapl:0:0", "core"),
        "uncore": tree.zone("intel-rapl:0:1", "uncore"),
    }


def two_sockets(tree: Powercap) -> dict[str, Zone]:
    """A server: two packages, each with memory outside it, whose counter has the finer unit."""
    return {
        "package-0": tree.zone("intel-rapl:0", "package-0"),
        "dram-0": tree.zone("intel-rapl:0:0", "dram", max_uj=AMD_MAX_UJ),
        "package-1": tree.zone("intel-rapl:1", "package-1"),
        "dram-1": tree.zone("intel-rapl:1:0", "dram", max_uj=AMD_MAX_UJ),
    }


def laptop(tree: Powercap) -> dict[str, Zone]:
    """The package with its parts and memory, the platform around it, and the package once more through MMIO."""
    return {
        **one_socket(tree),
        "dram": tree.zone("intel-rapl:0:2", "dram"),
        "psys": tree.zone("intel-rapl:1", "psys"),
        "mmio": tree.zone("intel-rapl-mmio:0", "package-0"),
    }


def dies(tree: Powercap, count: int = 2, *, max_uj: int = AMD_MAX_UJ) -> list[Zone]:
    """One socket shown as several dies."""
    return [tree.zone(f"intel-rapl:{i}", f"package-0-die-{i}", max_uj=max_uj) for i in range(count)]
