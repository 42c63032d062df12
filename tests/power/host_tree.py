"""A machine's /proc and /sys in a folder, as the kernel writes them: only what a test names is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jupyter_carbon.power.host import Host

NO_LIMIT_V1 = 9223372036854771712
"""What memory.limit_in_bytes of cgroup v1 shows where there is none."""


class HostTree:
    """Builds the tree; each method adds one thing and gives the tree back."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc").mkdir()

    def file(self, path: str, text: object) -> HostTree:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{text}\n")
        return self

    def cpus(self, count: int, model: str, *, siblings: int | None = None, guest: bool = False) -> HostTree:
        """`count` logical x86 CPUs, `siblings` of them in each socket."""
        flags = "fpu vme de sse2 ht syscall nx lm avx2" + " hypervisor" * guest
        block = (
            "processor\t: {n}\nvendor_id\t: GenuineIntel\nmodel name\t: {model}\nphysical id\t: {socket}\n"
            "siblings\t: {siblings}\nflags\t\t: {flags}\nbugs\t\t: spectre_v1\n"
        )
        per_socket = siblings or count
        self.file(
            "proc/cpuinfo",
            "\n".join(
                block.format(n=n, model=model, socket=n // per_socket, siblings=per_socket, flags=flags)
                for n in range(count)
            ),
        )
        return self.stat(count)

    def stat(self, count: int, busy_ticks: int = 0) -> HostTree:
        each = "".join(f"cpu{n} 0 0 0 0 0 0 0 0 0 0\n" for n in range(count))
        return self.file("proc/stat", f"cpu  {busy_ticks} 0 0 0 0 0 0 0 0 0\n{each}intr 0\nctxt 0")

    def ram(self, gb: float) -> HostTree:
        return self.file("proc/meminfo", f"MemTotal:       {round(gb * 2**20)} kB\nMemFree:        1024 kB")

    def dmi(self, **fields: object) -> HostTree:
        for name, value in fields.items():
            self.file(f"sys/class/dmi/id/{name}", value)
        return self

    def member(self, *lines: str) -> HostTree:
        """This process's cgroups, as /proc/self/cgroup lists them."""
        return self.file("proc/self/cgroup", "\n".join(lines))

    def cgroup(self, folder: str, **files: object) -> HostTree:
        """Files of one cgroup below the mount; ``cpu_max`` is ``cpu.max``, two underscores are one."""
        (self.root / "sys/fs/cgroup" / folder).mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            self.file(f"sys/fs/cgroup/{folder}/{name.replace('__', '%').replace('_', '.').replace('%', '_')}", value)
        return self

    def detect(self, environ: Mapping[str, str] | None = None, *, affinity: int = 1024) -> Host:
        return Host.detect(self.root, environ or {}, affinity=affinity)
