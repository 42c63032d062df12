"""A whole machine in a folder, and sessions that meter it: real files, a real clock, real CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from power.host_tree import HostTree
from power.powercap import Powercap, Zone

from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon

CPU = "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"


class Machine:
    """Four CPUs of a desktop, 16 GB, and one package whose joules the test writes.

    Its power limit is 5 kW, so that a test may write many joules in little time.
    """

    def __init__(self, root: Path, *, cpus: int = 4, guest: bool = False, chassis: int = 3) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.tree = HostTree(root).ram(16)
        self.tree.cpus(cpus, CPU, guest=guest).dmi(chassis_type=chassis)
        self.tree.file("proc/sys/kernel/random/boot_id", "boot")
        self.powercap = Powercap(root)

    def package(self, number: int = 0) -> Zone:
        zone = self.powercap.zone(f"intel-rapl:{number}", f"package-{number}")
        for constraint in (0, 1):  # below the 1 kW that nobody believes
            (zone.folder / f"constraint_{constraint}_power_limit_uw").write_text("990000000\n")
        return zone

    def busy(self, cpu_s: float, cpus: int = 4) -> None:
        """CPU seconds of everybody since boot."""
        self.tree.stat(cpus, round(cpu_s * 100))

    def session(self, environ: Mapping[str, str] | None = None, *, recording: bool = True, **settings: Any) -> Session:
        """One more session that meters this machine; close it."""
        chosen = {"region": "FR", "ledger": str(self.ledger), **settings}
        return Session(Carbon(**chosen), root=self.root, environ=environ or {"TZ": "UTC"}, recording=recording)

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"
