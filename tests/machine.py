"""A whole machine in a folder, and sessions that meter it: real files, a real clock, real CPU time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from power.host_tree import HostTree
from power.powercap import Powercap, Zone

from jupyter_carbon.grid.live import Fetch
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon

CPU = "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"


class Machine:
    """Four CPUs of a desktop, 16 GB, and one package whose joules the test writes.

    Its power limit is nearly 1 kW, so that a test may write many joules in little time.
    """

    def __init__(self, root: Path, *, cpus: int = 4, guest: bool = False, chassis: int = 3) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.tree = HostTree(root).ram(16)
        self.tree.cpus(cpus, CPU, guest=guest).dmi(chassis_type=chassis)
        self.tree.file("proc/sys/kernel/random/boot_id", "boot")
        self.powercap = Powercap(root)
        self._cpus = cpus
        self.busy(0.0)

    def package(self, number: int = 0) -> Zone:
        zone = self.powercap.zone(f"intel-rapl:{number}", f"package-{number}")
        for constraint in (0, 1):  # below the 1 kW that nobody believes
            (zone.folder / f"constraint_{constraint}_power_limit_uw").write_text("990000000\n")
        return zone

    def busy(self, cpu_s: float) -> None:
        """CPU seconds of everybody since boot: one write of always as many bytes, never half a file."""
        each = "".join(f"cpu{n} 0 0 0 0 0 0 0 0 0 0\n" for n in range(self._cpus))
        text = f"cpu  {round(cpu_s * 100):010d} 0 0 0 0 0 0 0 0 0\n{each}intr 0\nctxt 0\n"
        descriptor = os.open(self.root / "proc/stat", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, text.encode(), 0)
        finally:
            os.close(descriptor)

    def session(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        recording: bool = True,
        fetch: Fetch | None = None,
        **settings: Any,
    ) -> Session:
        """One more session that meters this machine; close it.  It asks no live grid source but through `fetch`."""
        chosen = {"region": "FR", "ledger": str(self.ledger), "live": fetch is not None, **settings}
        environ = environ or {"TZ": "UTC"}
        return Session(Carbon(**chosen), root=self.root, environ=environ, recording=recording, fetch=fetch)

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"


@contextmanager
def sessions(machine: Machine, **usual: Any) -> Iterator[Callable[..., Session]]:
    """Opens warm sessions that meter a machine, with the `usual` settings unless told; closes them in the end."""
    with ExitStack() as opened:

        def open_one(**settings: Any) -> Session:
            session = machine.session(**{**usual, **settings})
            opened.callback(session.close)
            assert session.wait_until_warm(30)
            return session

        yield open_one
