"""Ten seconds that show whether the meter measures: rest, a load of known size, rest.  The numbers must follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from jupyter_carbon.calibration.known_load import busy
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.model import Context, Domain, Window
from jupyter_carbon.report.doctor import Finding
from jupyter_carbon.report.summary import COMPONENTS, flag_text
from jupyter_carbon.value import value

REST_S, LOAD_S = 3.0, 4.0
MOST_CPUS = 4
"""The load's CPUs: enough to be seen on any machine, few enough for a shared one."""
STARTING_S = 0.5
"""What a process of the load may take to start; it is not asked for in the CPU seconds that must show."""

Load = Callable[[int, float, Callable[[], None]], None]


@value
class Trial:
    """The three windows of a test, and the CPUs that the load kept busy."""

    before: Window
    loaded: Window
    after: Window
    cpus: int


def run(
    meter: Meter,
    *,
    cpus: int,
    load: Load = busy,
    sleep: Callable[[float], None] = time.sleep,
) -> Trial:
    """Rest, load `cpus` CPUs (four at most), rest."""
    cpus = max(1, min(cpus, MOST_CPUS))
    loaded: list[Window] = []

    def look(seconds: float) -> Window:
        meter.tick()  # finds the children whose seconds are ours
        block = meter.mark()
        sleep(seconds)
        return meter.since(block)

    before = look(REST_S)
    load(cpus, LOAD_S + 30.0, lambda: loaded.append(look(LOAD_S)))
    return Trial(before, loaded[0], look(REST_S), cpus)


def judge(trial: Trial, context: Context) -> tuple[Finding, ...]:
    """Whether the numbers moved as they must; one finding for each number."""
    return tuple(_judge(trial, context))


def _judge(trial: Trial, context: Context) -> Iterator[Finding]:
    loaded = trial.loaded
    least_s = trial.cpus * max(0.0, loaded.duration_s - STARTING_S)
    yield _finding(
        "CPU time of ours",
        loaded.tree_cpu_s >= 0.5 * least_s,
        f"{loaded.tree_cpu_s:.1f} CPU seconds of a load that has {trial.cpus} processes for {loaded.duration_s:.1f} s",
        "the load's processes are not counted as ours, or others left it no CPU",
    )
    yield _finding(
        "CPU time of the machine",
        loaded.machine_busy_s >= 0.95 * loaded.tree_cpu_s - 0.1,
        f"{loaded.machine_busy_s:.1f} CPU seconds of everybody",
        "it shows less than this process' own: /proc/stat is not this machine's",
    )
    for domain in loaded.energy_j:
        if domain.component != "ram":
            yield _of_domain(domain, trial, context)


def _of_domain(domain: Domain, trial: Trial, context: Context) -> Finding:
    rest_w, loaded_w, again_w = (_power_w(domain, window) for window in (trial.before, trial.loaded, trial.after))
    name = f"{COMPONENTS[domain.component]} {domain.device}"
    text = f"{rest_w:.3g} W at rest, {loaded_w:.3g} W under load, {again_w:.3g} W at rest again ({domain.quality})"
    windows = (trial.before, trial.loaded, trial.after)
    doubts = dict.fromkeys(f for window in windows for f in window.flags if f.partition(":")[2] == domain.device)
    limit_w = context.power_limit_w.get(domain.device)
    if doubts:
        return _finding(name, False, text, "; ".join(map(flag_text, doubts)))
    if limit_w is not None and loaded_w > 1.5 * limit_w:
        return _finding(name, False, text, f"more than it can draw ({limit_w:.0f} W)")
    if domain.component == "cpu":
        # Others may come and go meanwhile: the load must show beside the quieter of the two rests.
        return _finding(name, loaded_w > 1.02 * min(rest_w, again_w), text, "the counter does not follow the load")
    return _finding(name, min(rest_w, loaded_w, again_w) > 0.0 or domain.component == "gpu", text, "it does not move")


def ours(trial: Trial, context: Context) -> Finding:
    """How much of the load's joules was found to be ours: it was all of the load's, and others' work is not."""
    shares, _ = attribute(trial.loaded, context)
    active_j = sum(s.machine_energy_j.likely for s in shares if s.domain.component == "cpu")
    mine_j = sum(s.energy_j.likely for s in shares if s.domain.component == "cpu")
    part = mine_j / active_j if active_j > 0.0 else 0.0
    busy = trial.loaded.tree_cpu_s / max(trial.loaded.machine_busy_s, 1e-9)
    return _finding(
        "share",
        0.0 < part <= 1.0 + 1e-9,
        f"{part:.0%} of the processor's joules are ours, with {busy:.0%} of its busy time",
        "our part is none, or more than all",
    )


def findings(meter: Meter, context: Context, *, cpus: int) -> tuple[Finding, ...]:
    """The whole test, in words.  Takes ten seconds."""
    trial = run(meter, cpus=cpus)
    return (*judge(trial, context), ours(trial, context))


def _power_w(domain: Domain, window: Window) -> float:
    return window.energy_j.get(domain, 0.0) / window.duration_s


def _finding(name: str, moves: bool, text: str, why_not: str) -> Finding:
    return Finding("self-test", "good" if moves else "problem", f"{name}: {text}" + ("" if moves else f"; {why_not}"))
