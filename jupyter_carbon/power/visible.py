"""Which GPUs are ours, who else is on them, and whether they sleep: what all GPU drivers have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path

from jupyter_carbon.model import GpuPresence
from jupyter_carbon.value import value

IDLE_SHARE = 0.11
"""Idle power over the power limit until it is learned: an H100 of 700 W rests at 70 to 80 W (assumed for others)."""
LIMIT_UNKNOWN_W = 300.0
"""Where a driver tells no power limit: the most that a PCIe card with one plug may draw (PCI-SIG CEM)."""

INIT_PID_NAMESPACE = "pid:[4026531836]"
"""The namespace in which pids are the machine's own (PROC_PID_INIT_INO, include/linux/proc_ns.h)."""


@value
class Gpu:
    """A device as the variables of CUDA, ROCm and Slurm may name it: by index on the machine or by UUID.

    A MIG instance has the index of its card.  `model` is its marketing name.
    """

    device: str
    index: int
    uuid: str
    model: str


def allotted_nvidia(environ: Mapping[str, str], gpus: Sequence[Gpu]) -> tuple[tuple[str, ...], bool]:
    """The devices that are ours, and whether that is sure; none where nobody says.

    An index counts in CUDA's order, by default the fastest first, which is not the driver's order (the PCI bus).
    Between equal cards the two agree; between different ones an index alone does not tell which is meant.
    """
    if "CUDA_VISIBLE_DEVICES" not in environ:
        return _slurm(environ, gpus), True
    text = environ["CUDA_VISIBLE_DEVICES"]
    ours = named(text, gpus)
    by_pci_bus = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    by_index = any(entry.strip().isdigit() for entry in text.split(","))
    everything = {gpu.index for gpu in gpus} <= {gpu.index for gpu in ours}
    if by_index and not by_pci_bus and not everything and len({gpu.model for gpu in gpus}) > 1:
        return (), False
    return tuple(gpu.device for gpu in ours), True


def allotted_amd(environ: Mapping[str, str], gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """The devices that are ours: HIP's variable counts within what ROCr's leaves; none where nobody says."""
    ours = list(gpus)
    said = False
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if variable in environ:
            left = named(environ[variable], ours)
            ours = [Gpu(gpu.device, position, gpu.uuid, gpu.model) for position, gpu in enumerate(left)]
            said = True
    return tuple(gpu.device for gpu in ours) if said else _slurm(environ, gpus)


def named(text: str, gpus: Sequence[Gpu]) -> list[Gpu]:
    """The devices that a list of indexes and UUIDs names; as in CUDA it ends at the first entry that names none.

    A beginning of a UUID is enough where it fits one device only.  The index of a card that is parted by MIG means
    its first instance.
    """
    found: list[Gpu] = []
    for entry in (part.strip() for part in text.split(",")):
        if entry.isdigit():
            fitting = [gpu for gpu in gpus if gpu.index == int(entry)][:1]
        elif entry.startswith(("GPU-", "MIG-")):
            fitting = [gpu for gpu in gpus if gpu.uuid.startswith(entry)]
        else:
            fitting = []
        if len(fitting) != 1 or fitting[0] in found:
            break
        found += fitting
    return found


def _slurm(environ: Mapping[str, str], gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """Slurm numbers a job's GPUs as the node does, also where a cgroup shows the job its own ones only."""
    entries = environ.get("SLURM_JOB_GPUS", "").split(",")
    indexes = {int(entry) for entry in entries if entry.strip().isdigit()}
    if indexes and len({gpu.index for gpu in gpus}) <= len(indexes):
        return tuple(gpu.device for gpu in gpus)
    return tuple(gpu.device for gpu in gpus if gpu.index in indexes)


def presence(running: Set[int], ours: Set[int], *, hidden: bool) -> GpuPresence:
    """Who computes on a device, from the pids the driver lists; `hidden` when ours may be missing among them."""
    if running & ours:
        return "alone" if running <= ours else "shared"
    if hidden:
        return "unknown"
    return "absent" if running else "empty"


class HiddenPids:
    """Whether processes of ours may compute on a GPU without the driver telling their pids as we know them.

    In a container's pid namespace a driver may list the machine's pids, or none.  A process that computes has the
    vendor's user library mapped; one that has it once keeps it.
    """

    def __init__(self, proc: Path, library: bytes) -> None:
        self._proc, self._library = proc, library
        self._computing: set[int] = set()
        try:
            self._own_namespace = os.readlink(proc / "self/ns/pid") != INIT_PID_NAMESPACE
        except OSError:
            self._own_namespace = True

    def among(self, pids: Iterable[int]) -> bool:
        """True if one of these processes may be there unseen."""
        return self._own_namespace and self.computing(pids)

    def computing(self, pids: Iterable[int]) -> bool:
        """True if one of these processes may compute on a GPU at all."""
        return any(pid in self._computing or self._maps(pid) for pid in pids)

    def _maps(self, pid: int) -> bool:
        try:
            maps = (self._proc / str(pid) / "maps").read_bytes()
        except FileNotFoundError:
            return False  # it has ended
        except OSError:
            return True  # not ours to look into: it may be
        if self._library not in maps:
            return False
        self._computing.add(pid)
        return True


class RuntimePower:
    """Whether a PCI device sleeps, asked without waking it (Documentation/ABI/testing/sysfs-devices-power)."""

    def __init__(self, device: Path) -> None:
        self._status: int | None = None
        try:
            if (device / "power/control").read_text().strip() == "auto":  # "on": it never sleeps
                self._status = os.open(device / "power/runtime_status", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return

    def asleep(self) -> bool:
        """True while the kernel has suspended it."""
        if self._status is None:
            return False
        try:
            return os.pread(self._status, 16, 0).startswith(b"suspended")
        except OSError:
            return False

    def close(self) -> None:
        """Give the descriptor back."""
        if self._status is not None:
            os.close(self._status)
            self._status = None


def while_awake(power: RuntimePower, read_j: Callable[[], float]) -> Callable[[], float]:
    """A counter that keeps its last value while the device sleeps; it is read once now, which may wake it."""
    last_j = read_j()

    def awake_j() -> float:
        nonlocal last_j
        if not power.asleep():
            last_j = read_j()
        return last_j

    return awake_j
