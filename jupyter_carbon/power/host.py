"""What this machine is, and what of it is allotted to this kernel.

Everything is read once, from files: no process is started, and what is missing ends in a wider belief, never in an
exception.  It runs while the extension loads, so it opens few files and parses little of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jupyter_carbon import tables
from jupyter_carbon.model import ONE, Interval, Quality, WallModel
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.value import replace, value

if TYPE_CHECKING:
    from jupyter_carbon.power.cpu_curve import CpuCurve
    from jupyter_carbon.power.gpu_curve import GpuCurve

Chassis = Literal["laptop", "desktop", "server", "vm", "unknown"]

SERVER_VCPUS = Interval(48.0, 96.0, 192.0)
"""vCPUs that one server of a cloud carries, told by the largest general-purpose instance of a family, which fills one:
96 (AWS m5.24xlarge, Azure D96s v5), 192 on newer parts (AWS m7i.48xlarge), half of the usual on older ones (assumed).
That a guest's part of the server is its vCPUs over these is Cloud Carbon Footprint's method for embodied emissions."""

GB = float(2**30)
"""Bytes in a gigabyte as memory is sold and as cgroups and Slurm count it."""

# SMBIOS 3.7, table 17: the chassis types that say what kind of machine stands there (1 and 2 are "other", "unknown").
_CHASSIS: Mapping[str, Chassis] = {
    **dict.fromkeys(("8", "9", "10", "11", "14", "30", "31", "32"), "laptop"),
    **dict.fromkeys(("3", "4", "5", "6", "7", "13", "15", "16", "24", "34", "35", "36"), "desktop"),
    **dict.fromkeys(("17", "23", "25", "28", "29"), "server"),
}

# Makers' names in the DMI tables of guests, for CPUs without a hypervisor flag (ARM).  Amazon also owns metal.
_GUEST_DMI = (
    "Amazon EC2",
    "Bochs",
    "Google Compute Engine",
    "KVM",
    "OpenStack",
    "Parallels",
    "QEMU",
    "Virtual Machine",
    "VirtualBox",
    "VMware",
    "Xen",
)


@value
class Host:
    """This machine as its OS sees it, and this kernel's part of it.

    `tdp_w` is the rated power of all logical CPUs seen here: every socket of a real machine, the vCPUs' part of the
    host's CPU in a guest.  Where `tdp_known` is false it is a per-thread default, and the truth lies within
    `tdp_spread` times it.  `allotted_*` is what cgroups, CPU affinity and Slurm leave to this kernel; all processes of
    the cgroup `memory_group` share that memory (`None`: it is the machine's).  `is_slice` says
    that the CPUs seen here are a part of the processor's (a guest, lxcfs), and so is their busy time.  `curve` is what
    was measured here, if anything was, and `gpu_curves` of its cards, by UUID.
    """

    root: Path
    environ: Mapping[str, str] = field(repr=False)
    boot_id: str
    cpu_model: str | None
    logical_cpus: int
    sockets: int
    is_vm: bool
    chassis: Chassis
    ram_gb: float
    allotted_cpus: float
    allotted_ram_gb: float
    tdp_w: float
    tdp_source: str
    tdp_known: bool
    busy: MachineBusy = field(repr=False, compare=False)
    tdp_spread: Interval = ONE
    is_slice: bool = False
    memory_group: str | None = None
    curve: CpuCurve | None = None
    gpu_curves: Mapping[str, GpuCurve] = field(default_factory=dict)

    @property
    def cpu_share(self) -> float:
        """The part of the machine's CPUs that is this kernel's by allotment."""
        return min(1.0, self.allotted_cpus / self.logical_cpus)

    @classmethod
    def detect(
        cls,
        root: Path = Path("/"),
        environ: Mapping[str, str] = os.environ,
        *,
        affinity: int | None = None,
    ) -> Host:
        """Look at the machine whose /proc and /sys lie under `root`; `affinity` CPUs may be used (None: ask the OS)."""
        base = str(root).rstrip("/")
        busy = MachineBusy.open(root)
        cpu = _cpuinfo(base)
        threads_per_socket = _int(cpu.get("siblings", "")) or _count(
            _text(f"{base}/sys/devices/system/cpu/cpu0/topology/package_cpus_list")
        )
        is_vm = _is_vm(base, cpu)
        chassis = "vm" if is_vm else _chassis(base)
        ram_gb = _ram_gb(base)
        memberships = _text(f"{base}/proc/self/cgroup")
        cpus = [
            float(busy.cpus),
            *_slurm_cpus(environ),
            *_quota_cpus(_cgroup(base, memberships, "cpu")),
            *_cpuset_cpus(_cgroup(base, memberships, "cpuset")),
            _affinity() if affinity is None else affinity,
        ]
        memory_gb = [gb for gb in (ram_gb, *_slurm_ram_gb(environ)) if gb > 0]
        memory_folders = _cgroup(base, memberships, "memory")
        limits_gb = _limits_gb(memory_folders)
        allotted_ram_gb = min((*memory_gb, *limits_gb.values()))
        cpu_model = cpu.get("model name") or None
        sockets = 1 if is_vm or not threads_per_socket else max(1, round(busy.cpus / threads_per_socket))
        # lxcfs shows a container its own few CPUs of a real part; like a guest it answers for those alone.
        is_slice = is_vm or busy.cpus < threads_per_socket
        tdp_w, tdp_spread, tdp_source = _tdp(cpu_model, chassis, busy.cpus, sockets, threads_per_socket, is_slice)
        return cls(
            root=root,
            environ=environ,
            boot_id=_text(f"{base}/proc/sys/kernel/random/boot_id").strip() or _boot_time(),
            cpu_model=cpu_model,
            logical_cpus=busy.cpus,
            sockets=sockets,
            is_vm=is_vm,
            chassis=chassis,
            ram_gb=ram_gb,
            allotted_cpus=min(n for n in cpus if n > 0),
            allotted_ram_gb=allotted_ram_gb,
            memory_group=_group(memory_folders, limits_gb, allotted_ram_gb) if allotted_ram_gb < ram_gb else None,
            tdp_w=tdp_w,
            tdp_source=tdp_source,
            tdp_known=tdp_spread is ONE,
            tdp_spread=tdp_spread,
            is_slice=is_slice,
            busy=busy,
        )


def wall_model(host: Host) -> WallModel:
    """Supply losses, and what runs beside the counted devices, of this kind of machine (data/chassis.csv)."""
    rows = _rows(host.chassis)
    factor, base = rows["wall_factor"], rows["wall_base"]
    base_w = _interval(base)
    if base["unit"] == "W per vCPU":
        base_w = base_w.scaled(host.logical_cpus)
    elif host.is_slice:
        base_w = base_w * machine_share(host)
    quality: Quality = "assumed" if "assumed" in (factor["quality"], base["quality"]) else "modelled"
    return WallModel(
        kind=host.chassis,
        factor=_interval(factor),
        base_w=base_w,
        quality=quality,
        source="; ".join(dict.fromkeys(f"{row['publisher']} {row['year']}" for row in (factor, base))),
    )


def platform_wall_model(host: Host) -> WallModel:
    """The same where the platform itself is what is counted (RAPL's `psys`): board and memory are inside it, or not, as
    its maker has wired it."""
    wall = wall_model(host)
    return replace(wall, base_w=Interval(0.0, 0.0, wall.base_w.high), quality="assumed")


def machine_share(host: Host) -> Interval:
    """The part of the physical machine that this OS has: all of it, or a guest's vCPUs over those of a server."""
    if not host.is_slice:
        return ONE
    return Interval(
        *(min(1.0, host.logical_cpus / n) for n in (SERVER_VCPUS.high, SERVER_VCPUS.likely, SERVER_VCPUS.low))
    )


def has_pci_vendor(host: Host, vendor: str) -> bool:
    """Whether a device of this PCI vendor (``0x10de``) is on this machine's bus, as far as sysfs shows it."""
    return any(_text(str(path)).strip() == vendor for path in host.root.glob("sys/bus/pci/devices/*/vendor"))


# --- rated power -------------------------------------------------------------------------------------------


def _tdp(
    cpu_model: str | None, chassis: Chassis, cpus: int, sockets: int, threads_per_socket: int, is_slice: bool
) -> tuple[float, Interval, str]:
    """Watts of the CPUs seen here, the spread of that, and where it comes from; spread ONE when the part is known."""
    spec = tables.cpu(cpu_model) if cpu_model else None
    if spec is not None and not is_slice:
        return spec.tdp_w * sockets, ONE, f"{spec.model}, {spec.tdp_w:g} W x {sockets} ({spec.publisher})"
    if spec is not None:
        # A part listed with its cores alone has two threads to each: every server part of the last decade does.
        threads = spec.threads or 2 * (spec.cores or 0) or threads_per_socket
        if threads >= 1:
            part_w = spec.tdp_w * cpus / threads
            return part_w, ONE, f"{spec.model}, {spec.tdp_w:g} W x {cpus} of {threads} threads ({spec.publisher})"
    row = _rows(chassis)["cpu_tdp"]
    per_thread_w = _interval(row)
    spread = per_thread_w.scaled(1.0 / per_thread_w.likely)
    name = f"no figure for {cpu_model!r}" if cpu_model else "CPU unknown"
    source = f"assumed, {name}: {per_thread_w.likely:g} W per thread ({chassis}, {row['publisher']} {row['year']})"
    return per_thread_w.likely * cpus, spread, source


@cache
def _rows(chassis: Chassis) -> dict[str, dict[str, str]]:
    return {row["quantity"]: row for row in tables.lookup("chassis", chassis)}


def _interval(row: Mapping[str, str]) -> Interval:
    return Interval(float(row["low"]), float(row["likely"]), float(row["high"]))


# --- the machine -------------------------------------------------------------------------------------------


def _cpuinfo(base: str) -> dict[str, str]:
    """The first CPU's lines of /proc/cpuinfo; the others say the same."""
    first, _, _ = _text(f"{base}/proc/cpuinfo").partition("\n\n")
    fields = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in fields}


def _is_vm(base: str, cpu: Mapping[str, str]) -> bool:
    if "flags" in cpu:  # x86: CPUID leaf 1, ECX bit 31 is there for this
        return "hypervisor" in cpu["flags"].split()
    product = _text(f"{base}/sys/class/dmi/id/product_name")
    maker = _text(f"{base}/sys/class/dmi/id/sys_vendor")
    return "metal" not in product and any(name in f"{maker} {product}" for name in _GUEST_DMI)


def _chassis(base: str) -> Chassis:
    kind = _CHASSIS.get(_text(f"{base}/sys/class/dmi/id/chassis_type").strip())
    if kind is not None or os.path.isdir(f"{base}/proc"):
        return kind or "unknown"
    import psutil  # noqa: PLC0415  (only where there is no /proc; a live kernel holds it already)

    battery = getattr(psutil, "sensors_battery", lambda: None)()
    return "laptop" if battery is not None else "unknown"


def _ram_gb(base: str) -> float:
    for line in _text(f"{base}/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            total_kb = _int(line.removeprefix("MemTotal:").removesuffix("kB"))
            if total_kb:
                return total_kb * 1024 / GB
    import psutil  # noqa: PLC0415  (only where there is no /proc)

    return psutil.virtual_memory().total / GB


def _boot_time() -> str:
    import psutil  # noqa: PLC0415  (only where there is no /proc)

    return f"booted-{psutil.boot_time():.0f}"


# --- the allotment -----------------------------------------------------------------------------------------


def _affinity() -> int:
    """CPUs this process may run on; 0 where the system does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


def _slurm_cpus(environ: Mapping[str, str]) -> Iterator[float]:
    yield float(_int(environ.get("SLURM_CPUS_ON_NODE", "")))


def _slurm_ram_gb(environ: Mapping[str, str]) -> Iterator[float]:
    """sbatch(1): megabytes of 2^20 bytes, 0 for all of the node's memory."""
    per_cpu_mb = _int(environ.get("SLURM_MEM_PER_CPU", ""))
    yield _int(environ.get("SLURM_MEM_PER_NODE", "")) * 2**20 / GB
    yield per_cpu_mb * _int(environ.get("SLURM_CPUS_ON_NODE", "")) * 2**20 / GB


def _cgroup(base: str, memberships: str, controller: str) -> list[str]:
    """The directories that bind us for one controller, ours first, then its parents up to the mount.

    A controller lives in version 1 where /proc/self/cgroup lists it there, else in version 2; a hybrid host mounts
    the latter, without it, at `unified`.  In a container the listed path is often the host's and not under the mount:
    then the mount itself is our group.
    """
    mounts = f"{base}/sys/fs/cgroup"
    mount = path = ""
    for line in memberships.splitlines():
        number, _, rest = line.partition(":")
        names, _, member = rest.partition(":")
        if controller in names.split(","):
            mount, path = f"{mounts}/{controller}", member
            if not os.path.isdir(mount):  # "cpu,cpuacct" without the usual links
                mount = f"{mounts}/{names}"
            break
        if number == "0" and not names:
            unified = f"{mounts}/unified"
            mount, path = unified if os.path.isdir(unified) else mounts, member
    if not mount:
        return []
    parts = path.strip("/").split("/") if path.strip("/") else []
    if ".." in parts or not os.path.isdir("/".join((mount, *parts))):
        parts = []
    return ["/".join((mount, *parts[:depth])) for depth in range(len(parts), -1, -1)]


def _quota_cpus(folders: Iterable[str]) -> Iterator[float]:
    """CPUs of each CFS quota on the way up; the least of them binds."""
    for folder in folders:
        quota, _, period = _text(f"{folder}/cpu.max").partition(" ")
        if not quota:
            quota = _text(f"{folder}/cpu.cfs_quota_us")
            period = _text(f"{folder}/cpu.cfs_period_us") if quota else ""
        quota_us, period_us = _int(quota), _int(period)
        if quota_us > 0 and period_us > 0:
            yield quota_us / period_us


def _cpuset_cpus(folders: Iterable[str]) -> Iterator[float]:
    """CPUs of the nearest cpuset: what is effective there is already within its parents'."""
    for folder in folders:
        for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
            cpus = _count(_text(f"{folder}/{name}"))
            if cpus:
                yield float(cpus)
                return


def _limits_gb(folders: Iterable[str]) -> dict[str, float]:
    """Each memory limit on the way up.  "max" is none; version 1 says that with a number beyond any memory."""
    limits = {f: _text(f"{f}/memory.max") or _text(f"{f}/memory.limit_in_bytes") for f in folders}
    return {folder: _int(limit) / GB for folder, limit in limits.items() if _int(limit) > 0}


def _group(folders: Sequence[str], limits_gb: Mapping[str, float], allotted_gb: float) -> str:
    """The cgroup whose processes share an allotment: the limit's, or where Slurm told it the job's."""
    if not folders:
        return ""
    mount, own = folders[-1], folders[0]
    bound = [folder for folder in folders if limits_gb.get(folder) == allotted_gb]
    job = [folder for folder in folders if folder.rpartition("/")[2].startswith("job_")]
    return (*bound, *job, own)[0][len(mount) :]


def _count(cpu_list: str) -> int:
    """How many CPUs a kernel list names.

    >>> _count("0-3,8,10-11")
    7
    """
    count = 0
    for part in cpu_list.strip().split(","):
        first, dash, last = part.partition("-")
        if first.isdecimal():
            count += _int(last) - int(first) + 1 if dash else 1
    return max(0, count)


def _int(text: str) -> int:
    """A whole number, or 0 for anything else ("max", "-1", nothing)."""
    text = text.strip()
    return int(text) if text.isdecimal() else 0


def _text(path: str) -> str:
    """The first 8 KiB of a small file, or nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 8192).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
