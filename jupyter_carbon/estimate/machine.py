"""The computer that a few names describe: what each part draws for a kind of work, and what the rest of it adds.

Per-device numbers only; how many there are, and for how long, comes later, one scenario or millions at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from jupyter_carbon import tables
from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.draw import cpu_share, under_limit
from jupyter_carbon.estimate.hardware import Chassis
from jupyter_carbon.estimate.priors import Prior, Priors
from jupyter_carbon.estimate.workload import Workload
from jupyter_carbon.model import ZERO, HardwareSpec, Interval

Device: TypeAlias = str | HardwareSpec | None


@dataclass(frozen=True, slots=True)
class Machine:
    """Watts of one device of each kind under this work, and what the box, the supply and their making add.

    `gpu_w` and `cpu_w` follow the work; `*_idle`, `*_rated_w`, `cpu_full` and `cpu_curve` serve a utilisation that is
    given.  `host_w` is CPU, memory and fans of a GPU server whose CPU nobody named, per GPU.  `ram_gb` is what a
    machine of this kind holds if nobody said; `*_kgco2e` are what making one cost.  `priors` are the rows that were
    used, by role.
    """

    gpu: HardwareSpec | None
    cpu: HardwareSpec | None
    cpu_named: bool
    chassis: Chassis
    work: Workload | None
    gpu_w: Interval
    gpu_idle: Interval
    gpu_rated_w: Interval
    cpu_w: Interval
    cpu_idle: Interval
    cpu_rated_w: Interval
    cpu_full: Interval
    cpu_curve: Interval
    host_w: Interval
    ram_w_per_gb: Interval
    ram_gb: Interval
    gpus_per_machine: float
    wall_factor: Interval
    wall_base_w: Interval
    gpu_kgco2e: Interval
    cpu_kgco2e: Interval
    ram_kgco2e_per_gb: Interval
    machine_kgco2e: Interval
    host_kgco2e: Interval
    priors: dict[str, Prior]


def machine(gpu: Device, cpu: Device, work: Workload | None, n_gpu: float, priors: Priors) -> Machine:
    """The machine with these parts; raises `UnknownHardware`."""
    gpu_spec = None if gpu is None else hardware.gpu(gpu)
    cpu_spec = None if cpu is None else hardware.cpu(cpu)
    return assemble(gpu_spec, cpu_spec, work, n_gpu, priors)


def assemble(
    gpu: HardwareSpec | None, cpu: HardwareSpec | None, work: Workload | None, n_gpu: float, priors: Priors
) -> Machine:
    """The machine with these parts; a desktop or laptop always has a CPU, a GPU server a host that goes unnamed."""
    chassis = _chassis(gpu, cpu)
    named = cpu is not None
    if cpu is None and chassis != "server":
        cpu = hardware.cpu(f"{chassis} CPU")
    used: dict[str, Prior] = {}

    def ask(role: str, quantity: str, devices: tuple[str, ...], kind: str = "") -> Prior:
        used[role] = priors(quantity, devices, kind)
        return used[role]

    memory = ask("memory", "memory", (chassis, "")).belief
    gpu_w = gpu_idle = gpu_rated = cpu_w = cpu_idle = cpu_rated = cpu_full = cpu_curve = host_w = host_kg = ZERO
    gpu_kg = cpu_kg = ram_kg = machine_kg = ZERO
    kind = "" if work is None else work.kind
    on_gpu = gpu is not None and (work is None or work.runs_on == "gpu")
    if gpu is not None:
        gpu_rated = gpu.rated_w * ask("gpu rating", "rated", ("gpu",)).belief
        gpu_idle = _idle(gpu, ask("gpu idle", "idle", gpu.classes).belief)
        if on_gpu:
            share = ask("gpu draw", "draw", gpu.classes, kind).for_work(work, n_gpu)
            for name in gpu.classes:
                if priors.find("factor", (name,)) is not None:
                    share = share * ask("gpu generation", "factor", (name,)).belief
            gpu_w = share * gpu.rated_w
            if work is not None and work.power_limit_w is not None:
                held = ask("power limit", "held", ("gpu",)).belief
                gpu_w = under_limit(gpu_w, work.power_limit_w, held)
        else:
            gpu_w = gpu_idle * gpu.rated_w
        if chassis != "laptop":  # a laptop's report has its GPU in it
            kind_of_gpu = "server-gpu" if gpu.chassis == "server" else "desktop-gpu"
            gpu_kg = gpu.embodied_kgco2e or ask("gpu making", "embodied", (kind_of_gpu,)).belief
    if cpu is not None:
        busy = ask("cpu load", "busy", ("host" if on_gpu else "cpu",), kind).for_work(work, 1.0)
        cpu_idle = _idle(cpu, ask("cpu idle", "idle", cpu.classes).belief)
        full = ask("cpu full", "full", cpu.classes).belief
        cpu_full = ask("cpu at full utilisation", "full", tuple({*cpu.classes} & {"metered-cpu"}) or ("stated",)).belief
        cpu_curve = ask("cpu curve", "curve", ("",)).belief
        packed = ask("cpu lay", "curve", ("packed",)).belief
        cpu_w, cpu_rated = cpu_share(busy, cpu_idle, full, packed) * cpu.rated_w, cpu.rated_w
        if chassis == "server":  # a desktop's or laptop's report has its CPU and memory in it
            cpu_kg = ask("cpu making", "embodied", ("cpu",)).belief
            ram_kg = ask("memory making", "embodied", ("memory",)).belief
        machine_kg = _made(chassis)
    elif gpu is not None:
        host_w = ask("host", "host", (chassis,)).belief * gpu.rated_w
        host_kg = ask("host making", "embodied", ("gpu-host",)).belief
    per_machine = ask("gpus per host", "gpus-per-host", ("server",)).belief.likely if chassis == "server" else 4.0
    return Machine(
        gpu=gpu,
        cpu=cpu,
        cpu_named=named,
        chassis=chassis,
        work=work,
        gpu_w=gpu_w,
        gpu_idle=gpu_idle,
        gpu_rated_w=gpu_rated,
        cpu_w=cpu_w,
        cpu_idle=cpu_idle,
        cpu_rated_w=cpu_rated,
        cpu_full=cpu_full,
        cpu_curve=cpu_curve,
        host_w=host_w,
        ram_w_per_gb=memory,
        ram_gb=ZERO if cpu is None else _ram(cpu, ask("ram", "ram", (chassis,)).belief, chassis),
        gpus_per_machine=per_machine,
        wall_factor=_chassis_row(chassis, "wall_factor"),
        wall_base_w=_chassis_row(chassis, "wall_base"),
        gpu_kgco2e=gpu_kg,
        cpu_kgco2e=cpu_kg,
        ram_kgco2e_per_gb=ram_kg,
        machine_kgco2e=machine_kg,
        host_kgco2e=host_kg,
        priors=used,
    )


def _chassis(gpu: HardwareSpec | None, cpu: HardwareSpec | None) -> Chassis:
    """A data-centre part makes it a server; else a laptop's part makes it a laptop."""
    kinds = {spec.chassis for spec in (gpu, cpu) if spec is not None}
    if cpu is not None and gpu is not None and "laptop" not in kinds:
        return cpu.chassis  # a workstation card in a desktop, a gaming card in a server
    return "server" if "server" in kinds else "laptop" if "laptop" in kinds else "desktop"


def _idle(spec: HardwareSpec, share: Interval) -> Interval:
    """Its own idle figure before its class's."""
    return share if spec.idle_w is None else spec.idle_w.scaled(1.0 / spec.rated_w.likely)


def _ram(cpu: HardwareSpec, belief: Interval, chassis: Chassis) -> Interval:
    """Gigabytes: of the machine, or in a server of each CPU by its cores."""
    if chassis != "server":
        return belief
    return belief.scaled(16.0 if cpu.cores is None else float(cpu.cores))


@lru_cache(maxsize=8)
def _made(chassis: Chassis) -> Interval:
    """What making a machine of this kind cost, over its publishers: lowest, median, highest."""
    rows = tables.lookup("embodied", chassis)
    values = sorted(float(row["kgco2e"]) for row in rows)
    lows = [tables.number(row, "low") or float(row["kgco2e"]) for row in rows]
    highs = [tables.number(row, "high") or float(row["kgco2e"]) for row in rows]
    return Interval(min(lows), values[len(values) // 2], max(highs))


@lru_cache(maxsize=16)
def _chassis_row(chassis: Chassis, quantity: str) -> Interval:
    row = next(row for row in tables.lookup("chassis", chassis) if row["quantity"] == quantity)
    return Interval(float(row["low"]), float(row["likely"]), float(row["high"]))
