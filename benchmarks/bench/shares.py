"""Whose joules: machines that several kernels and strangers work on, and what each kernel is told.

A machine draws its idle power, so much for each busy CPU, and on a card so much for each busy SM: what a kernel has
used is known.  Its idle part is what is allotted to it.  Every kernel has a meter of its own that sees the same files;
the clock is simulated.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.machine import Zone
from bench.profile import Profile
from bench.schedules import STEP_S, Schedule, World, context_of, library
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.model import ONE, Share
from jupyter_carbon.power.cpu_model import CpuModel
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.nvml import Nvml
from jupyter_carbon.power.rapl import Rapl

CPUS = 8
IDLE_W, CPU_W = 24.0, 14.0
CARD_IDLE_W, CARD_WORK_W = 40.0, 220.0
REST_S, CELL_S = 6.0, 10.0
STRANGER = 4000
MODEL = "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz"
"""20 cores, 40 threads, 150 W (Intel ARK)."""


OUR_CARD = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@dataclass(frozen=True)
class Machine:
    """Who works on it while every kernel runs one cell of ten seconds: busy CPUs and SM per cent, kernel by kernel."""

    name: str
    says: str
    cpus: tuple[float, ...]
    strangers_cpus: float = 0.0
    sms: tuple[float, ...] = ()
    strangers_sm: float = 0.0
    files: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    affinity: int = CPUS
    allotted: float = 1.0
    """The part of the machine's CPUs that is left to a kernel, whatever else meters here."""


def _member(line: str, **limits: str) -> dict[str, str]:
    return {"proc/self/cgroup": line + "\n", **limits}


MACHINES: tuple[Machine, ...] = (
    Machine("two kernels at 3:1", "3 and 1 busy CPUs", (3.0, 1.0)),
    Machine("a neighbour's load", "1 CPU of ours beside 5 of a stranger", (1.0,), strangers_cpus=5.0),
    Machine("a sleeping cell", "beside 6 CPUs of a stranger", (0.0,), strangers_cpus=6.0),
    Machine("a sleeping cell, alone", "the whole idle power is its own", (0.0,)),
    Machine("two on one GPU", "SM at 60 and 20 %", (0.5, 0.5), sms=(60.0, 20.0), environ=OUR_CARD),
    Machine("a stranger on our GPU", "SM at 30 % beside 60", (0.5,), sms=(30.0,), strangers_sm=60.0, environ=OUR_CARD),
    Machine("a stranger alone on the GPU", "nothing of it is ours", (0.5,), sms=(0.0,), strangers_sm=80.0),
    Machine("affinity", "2 of 8 CPUs", (0.0,), strangers_cpus=2.0, affinity=2, allotted=0.25),
    Machine(
        "cgroup v2",
        "cpu.max of 2 CPUs",
        (0.0,),
        strangers_cpus=2.0,
        files=_member("0::/box", **{"sys/fs/cgroup/box/cpu.max": "200000 100000\n"}),
        allotted=0.25,
    ),
    Machine(
        "cgroup v1",
        "cfs quota of 2 CPUs",
        (0.0,),
        strangers_cpus=2.0,
        files=_member(
            "4:cpu,cpuacct:/box",
            **{
                "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            },
        ),
        allotted=0.25,
    ),
    Machine(
        "Kubernetes",
        "a pod's limit of 4 CPUs above its container",
        (1.0,),
        strangers_cpus=2.0,
        files=_member(
            "0::/kubepods/pod7/c1",
            **{
                "sys/fs/cgroup/kubepods/pod7/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/kubepods/pod7/c1/cpu.max": "max 100000\n",
            },
        ),
        allotted=0.5,
    ),
    Machine(
        "Slurm", "4 CPUs on the node", (1.0,), strangers_cpus=3.0, environ={"SLURM_CPUS_ON_NODE": "4"}, allotted=0.5
    ),
)


@dataclass(frozen=True)
class Told:
    """What one kernel was told of one component."""

    machine: str
    says: str
    component: str
    kernel: int
    truth_j: float
    said_j: float
    low_j: float
    high_j: float

    @property
    def error(self) -> float:
        """Per cent of the truth; of the machine's joules where the truth is none of them."""
        return 100.0 * (self.said_j - self.truth_j) / self.truth_j if self.truth_j else 100.0 * self.said_j

    @property
    def inside(self) -> bool:
        return self.low_j - 1e-6 <= self.truth_j <= self.high_j + 1e-6


def _profile(idle_w: float, work_w: float) -> Profile:
    return Profile(((REST_S, idle_w, idle_w), (CELL_S, idle_w + work_w, idle_w + work_w), (1000.0, idle_w, idle_w)))


class Kernels:
    """The kernels of one machine, each with its meter."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world, self._machine = world, machine
        self._busy_s = 0.0
        self._own_s = [0.0] * len(machine.cpus)
        self.hosts, self.meters = [], []
        for number in range(len(machine.cpus)):
            host = self._host()
            sources: list[Rapl | Nvml] = [Rapl.open(host, clock=world.clock, suspended_s=world.suspended_s)]
            if machine.sms:
                sources.append(Nvml.open(host, clock=world.clock, suspended_s=world.suspended_s))
            own_s = self._clock_of(number)
            busy = MachineBusy(lambda: self._busy_s, cpus=CPUS, clock=world.clock, own_cpu=own_s)
            tree = ProcessTree(
                world.folder, pid=1000 + number, own_cpu_s=own_s, reaped_s=lambda: 0.0, since_boot_s=lambda: 0.0
            )
            self.hosts.append(host)
            self.meters.append(Meter(sources, tree, busy, n_cpu=CPUS, clock=world.clock))

    def _clock_of(self, number: int) -> Callable[[], float]:
        return lambda: self._own_s[number]

    def _host(self) -> Host:
        machine = self._machine
        found = Host.detect(self._world.folder, machine.environ, affinity=machine.affinity)
        return replace(found, cpu_model=MODEL, is_vm=False, sockets=1, tdp_w=150.0, tdp_known=True, tdp_spread=ONE)

    def at(self, now_s: float, *, working: bool) -> None:
        seconds = now_s - self._world.now_s
        if working:
            for number, cpus in enumerate(self._machine.cpus):
                self._own_s[number] += cpus * seconds
            self._busy_s += (sum(self._machine.cpus) + self._machine.strangers_cpus) * seconds
        self._world.at(now_s)

    def look(self, until_s: float, *, working: bool) -> None:
        """Seconds in which every ticker ticks, and looks between."""
        tick_s = self._world.now_s + 1.0
        while (now_s := min(self._world.now_s + 0.02, until_s)) < until_s:
            self.at(now_s, working=working)
            for meter in self.meters:
                for source in meter.sources:
                    source.watch()  # type: ignore[attr-defined]
                if now_s >= tick_s:
                    meter.tick()
            tick_s += now_s >= tick_s
        self.at(until_s, working=working)


def told(machine: Machine, folder: Path) -> Iterator[Told]:
    """What each kernel is told of its cell."""
    work_w = CPU_W * (sum(machine.cpus) + machine.strangers_cpus)
    sm_w = CARD_WORK_W * (sum(machine.sms) + machine.strangers_sm) / 100.0
    zones = (Zone("intel-rapl:0", "package-0", _profile(IDLE_W, work_w), step_s=STEP_S),)
    schedule = Schedule(0, zones, (), ((REST_S, REST_S + CELL_S),), (), (), ("none",))
    _write(folder, {"proc/stat": _stat(), "proc/meminfo": "MemTotal: 33554432 kB\n", **machine.files})
    world = World(folder, schedule)
    if machine.sms:
        _card(world, machine, _profile(CARD_IDLE_W, sm_w))
    world.at(0.05)
    kernels = Kernels(world, machine)
    kernels.look(REST_S - 0.5, working=False)
    for meter in kernels.meters:  # what a session does between cells: idle power is learned
        meter.end(meter.begin())
        for a, b in meter.take_stretches():
            meter.learned.from_pause(meter.between(a, b))
    kernels.at(REST_S, working=False)
    cells = [meter.begin() for meter in kernels.meters]
    kernels.look(REST_S + CELL_S, working=True)
    of = len(kernels.meters)
    for number, (meter, cell, host) in enumerate(zip(kernels.meters, cells, kernels.hosts, strict=True)):
        idle_share = min(host.cpu_share, 1.0 / of)
        context = replace(context_of(meter), idle_share=idle_share, ram_share=1.0 / of, kernel_share=1.0 / of)
        shares, _ = attribute(meter.end(cell), context)
        truths = {"cpu": CELL_S * (IDLE_W * min(machine.allotted, 1.0 / of) + CPU_W * machine.cpus[number])}
        if machine.sms:
            present = [sm for sm in machine.sms if sm > 0.0]
            idle_w = CARD_IDLE_W / of if machine.sms[number] > 0.0 and len(present) == of else 0.0
            truths["gpu"] = CELL_S * (idle_w + CARD_WORK_W * machine.sms[number] / 100.0)
        for share in shares:
            yield _told(machine, number, share, truths[share.domain.component])
    for meter in kernels.meters:
        meter.close()
    world.close()


def _told(machine: Machine, number: int, share: Share, truth_j: float) -> Told:
    mine = share.energy_j
    return Told(machine.name, machine.says, share.domain.component, number, truth_j, mine.likely, mine.low, mine.high)


def _card(world: World, machine: Machine, profile: Profile) -> None:
    path = world.folder / "card"
    path.write_text(profile.text)
    for key in [key for key in os.environ if key.startswith("FAKE_NVML_")]:
        del os.environ[key]
    end_s = REST_S + CELL_S
    who = [(1000 + number, sm) for number, sm in enumerate(machine.sms) if sm > 0.0]
    who += [(STRANGER, machine.strangers_sm)] if machine.strangers_sm else []
    processes = ";".join(f"{pid}:{REST_S}:{end_s + 1}:{sm}" for pid, sm in who)
    options = {"PROFILE": str(path), "PROCESSES": processes, "NOW_FILE": str(world.folder / "now")}
    os.environ.update({f"FAKE_NVML_{key}": value for key, value in options.items()})


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _stat() -> str:
    return "cpu  0 0 0 0 0 0 0 0 0 0\n" + "".join(f"cpu{n} 0 0 0 0 0 0 0 0 0 0\n" for n in range(CPUS))


def guest(folder: Path) -> Told:
    """A guest of two CPUs that shows its host's processor of forty threads: two fortieths of the rated power."""
    block = f"vendor_id\t: GenuineIntel\nmodel name\t: {MODEL}\nsiblings\t: 2\nflags\t\t: fpu hypervisor\n"
    cpuinfo = "\n".join(f"processor\t: {n}\n{block}" for n in range(2))
    _write(folder, {"proc/cpuinfo": cpuinfo, "proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0\ncpu1 0\n"})
    host = Host.detect(folder, {}, affinity=2)
    source = CpuModel.open(host)
    (limit_w,) = source.power_limit_w.values()
    (domain,) = source.domains
    truth_j, said_j = 150.0 * 2 / 40 * CELL_S, limit_w * CELL_S
    spread = domain.spread
    return Told(
        "a guest", "2 vCPUs of a part with 40 threads, at rated power", "cpu", 0, truth_j, said_j,
        said_j * spread.low, said_j * spread.high,
    )  # fmt: skip


def every(folder: Path) -> list[Told]:
    """Every machine, and every kernel on it."""
    rows = []
    for number, machine in enumerate(MACHINES):
        home = folder / f"shares-{number}"
        home.mkdir()
        rows += told(machine, home)
        shutil.rmtree(home)
    home = folder / "guest"
    home.mkdir()
    return [*rows, guest(home)]


def conserved(rows: list[Told]) -> float:
    """The most that all kernels of a machine together were told, as a part of what it has drawn."""
    most = 0.0
    for machine in MACHINES:
        for component in ("cpu", "gpu"):
            said_j = sum(row.said_j for row in rows if (row.machine, row.component) == (machine.name, component))
            work_w = CPU_W * (sum(machine.cpus) + machine.strangers_cpus)
            if component == "gpu":
                work_w = CARD_WORK_W * (sum(machine.sms) + machine.strangers_sm) / 100.0
            idle_w = IDLE_W if component == "cpu" else CARD_IDLE_W
            most = max(most, said_j / (CELL_S * (idle_w + work_w)))
    return most


def markdown(rows: list[Told]) -> str:
    """One row for each kernel."""
    lines = [
        "| whose joules | | component | kernel | truth, J | told, J | error, % | range holds it |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        error = "–" if not row.truth_j else f"{row.error:+.2f}"
        holds = "yes" if row.inside else "**no**"
        lines.append(
            f"| {row.machine} | {row.says} | {row.component} | {row.kernel + 1} | {row.truth_j:.1f} | {row.said_j:.1f} "
            f"| {error} | {holds} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="shares-") as name:
        library(Path(name))
        rows = every(Path(name))
    if sys.argv[1:] == ["--json"]:
        print(json.dumps({"rows": [{**asdict(row), "inside": row.inside} for row in rows], "most": conserved(rows)}))
        return
    print(markdown(rows))
    print(f"All kernels of a machine together were told at most {conserved(rows):.1%} of what it has drawn.")


if __name__ == "__main__":
    main()
