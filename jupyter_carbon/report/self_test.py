"""Ten seconds that show whether the meter measures: rest, a load of known size, rest.  The numbers must follow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Protocol, cast

from jupyter_carbon.calibration.known_load import busy
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.faults import not_counted
from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.model import Context, Domain, SourceUnavailable, Window
from jupyter_carbon.power import PowerSource
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.report.doctor import Finding
from jupyter_carbon.report.known import COMPONENTS
from jupyter_carbon.report.summary import flag_text
from jupyter_carbon.value import value

REST_S, LOAD_S = 3.0, 4.0
MOST_CPUS = 4
"""The load's CPUs: enough to be seen on any machine, few enough for a shared one."""
STARTING_S = 0.5
"""What a process of the load may take to start; it is not asked for in the CPU seconds that must show."""
LEAST_CPU = 0.5
"""The part of the load's CPU seconds that must show at least: others may want the CPUs too."""
LEAST_RISE = 1.02
"""Power under load over power at rest, at least: one CPU of a large server is not much more."""
CROWDED = 0.9
"""Where so much of all CPUs is busy, others leave the load less than it asks for."""
BEYOND_LIMIT = 1.5
"""More than so many times its limit no device draws."""
TWICE = 1.5
"""A counter and what it is held against (its own gauge, this machine's calibration) that are so many times apart do not
show the same thing: both are good to a tenth or two, and counters that are wrong are so by two or more."""
GAUGE_S = 0.25
"""Between two looks at the gauges."""

READS = 21
WATCH_S = 0.25
"""How often a counter is read for its price, and how long it is watched for its moves."""
SHORT_STEP_S = 0.02
"""Counters that move less often than this are not watched: their source knows how well it knows them."""
LATE = 4.0
"""A counter that moves so many times more seldom than its source believes makes short cells less sure than told."""

OURS = "CPU time of ours"
CROWD = "others are at work: for a clear answer try again when nothing else runs"

Load = Callable[[int, float, Callable[[], None]], None]


@value
class Trial:
    """The three windows of a test, the CPUs that the load kept busy, and what the cards' gauges showed meanwhile."""

    before: Window
    loaded: Window
    after: Window
    cpus: int
    gauge_w: Mapping[str, float] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[Window, Window, Window]:
        """In the order of time."""
        return self.before, self.loaded, self.after


class Gauged(Protocol):
    """A source of counters beside which gauges stand."""

    def gauge_w(self) -> Mapping[str, float]:
        """By device, what its gauge shows now, in watts."""


@value
class Pace:
    """What one read of a source takes, and every how many seconds its counters were seen to move, by device (at rest,
    and only where they move often)."""

    source: str
    read_s: float
    step_s: Mapping[str, float]


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
    gauged = [cast("Gauged", source) for source in meter.sources if hasattr(source, "gauge_w")]
    shown_w: dict[str, list[float]] = {}

    def rest(seconds: float) -> bool:
        sleep(seconds)
        return False

    def look(seconds: float) -> Window:
        meter.tick()  # finds the children whose seconds are ours
        block = meter.mark()
        for _ in range(round(seconds / GAUGE_S)):
            meter.watch(GAUGE_S, rest)  # gauges are to be looked at
            for source in gauged:
                for device, watts in source.gauge_w().items():
                    shown_w.setdefault(device, []).append(watts)
        return meter.since(block)

    before = look(REST_S)
    load(cpus, LOAD_S + 30.0, lambda: loaded.append(look(LOAD_S)))
    after = look(REST_S)
    return Trial(before, loaded[0], after, cpus, {device: statistics.fmean(w) for device, w in shown_w.items()})


def pace(source: PowerSource, host: Host, *, clock: Callable[[], float] = time.perf_counter) -> Pace | None:
    """Read the same counters through a source of its own: the meter's are not touched."""
    try:
        own = type(source).open(host)
    except SourceUnavailable:  # it was there when the meter opened it; the findings above say what became of it
        return None
    try:
        took_s = []
        for _ in range(READS):
            began_s = clock()
            own.energy_j()
            took_s.append(clock() - began_s)
        return Pace(source.name, statistics.median(took_s), _steps(own, clock))
    finally:
        own.close()


def _steps(source: PowerSource, clock: Callable[[], float]) -> dict[str, float]:
    """Every how many seconds the counters of a source move, as far as they do."""
    watched = [domain for domain in source.domains if 0.0 < domain.step_s < SHORT_STEP_S]
    moved_s: dict[Domain, list[float]] = {domain: [] for domain in watched}
    seen_j = source.energy_j()
    ends_s = clock() + WATCH_S
    while watched and (now_s := clock()) < ends_s:
        now_j = source.energy_j()
        for domain in watched:
            if now_j[domain] != seen_j[domain]:
                moved_s[domain].append(now_s)
        seen_j = now_j
    return {
        domain.device: statistics.median(b - a for a, b in pairwise(moments))
        for domain, moments in moved_s.items()
        if len(moments) > 1
    }


# --- the verdict ---------------------------------------------------------------------------------------------------


def findings(meter: Meter, context: Context, host: Host) -> tuple[Finding, ...]:
    """The whole test, in words, the verdict last.  Takes ten seconds."""
    paces = [found for source in meter.sources if (found := pace(source, host)) is not None]
    trial = run(meter, cpus=int(host.allotted_cpus))
    told = (*judge(trial, context, host.curve), *(finding for found in paces for finding in _of_pace(found, context)))
    return (*told, verdict(told, context))


def verdict(told: Sequence[Finding], context: Context) -> Finding:
    """All of it in a sentence."""
    bad = [finding.text.partition(":")[0] for finding in told if finding.health == "problem"]
    if bad:
        return Finding("self-test", "problem", f"do not believe what rests on this yet: {', '.join(bad)}")
    if any(finding.health == "note" for finding in told):
        return Finding("self-test", "note", CROWD)
    modelled = {COMPONENTS[d.component] for d in context.domains if d.quality != "measured"}
    but = f"; modelled, not measured: {', '.join(sorted(modelled))}" if modelled else ""
    return Finding("self-test", "good", f"the numbers move as they must{but}")


def judge(trial: Trial, context: Context, curve: CpuCurve | None = None) -> tuple[Finding, ...]:
    """Whether the numbers moved as they must; one finding for each number.  `curve` is what was calibrated here."""
    return tuple(_judge(trial, context, curve))


def _judge(trial: Trial, context: Context, curve: CpuCurve | None) -> Iterator[Finding]:
    loaded = trial.loaded
    least_s = LEAST_CPU * trial.cpus * max(0.0, loaded.duration_s - STARTING_S)
    crowded = loaded.machine_busy_s >= CROWDED * context.n_cpu * loaded.duration_s
    text = f"{loaded.tree_cpu_s:.1f} CPU seconds of a load of {trial.cpus} processes for {loaded.duration_s:.1f} s"
    if crowded and 0.1 * least_s < loaded.tree_cpu_s < least_s:  # uncounted processes would show next to nothing
        yield Finding("self-test", "note", f"{OURS}: {text}; others wanted the CPUs too")
    else:
        yield _finding(OURS, loaded.tree_cpu_s >= least_s, text, "the load's processes are not counted as ours")
    yield _finding(
        "CPU time of the machine",
        loaded.machine_busy_s >= 0.95 * loaded.tree_cpu_s - 0.1,
        f"{loaded.machine_busy_s:.1f} CPU seconds of everybody",
        "it shows less than this process' own: /proc/stat is not this machine's",
    )
    follow = [domain for domain in loaded.energy_j if domain.component == "cpu" and _follows(domain, trial)]
    for domain in loaded.energy_j:
        if domain.component != "ram":
            yield _of_domain(domain, trial, context, somewhere=bool(follow))
    if curve is not None:
        yield from _as_calibrated(trial, context, curve)
    yield _ours(trial, context)


def _of_domain(domain: Domain, trial: Trial, context: Context, *, somewhere: bool) -> Finding:
    rest_w, loaded_w, again_w = _watts(domain, trial)
    name = f"{COMPONENTS[domain.component]} {domain.device}"
    text = (
        f"{trial.loaded.energy_j[domain]:.3g} J under load ({loaded_w:.3g} W), {rest_w:.3g} W at rest before, "
        f"{again_w:.3g} W after ({domain.quality})"
    )
    flags = dict.fromkeys(flag for window in trial.windows for flag in window.flags)
    doubts = not_counted(flags, domain.device)
    limit_w = context.power_limit_w.get(domain.device)
    if doubts:
        return _finding(name, False, text, "; ".join(map(flag_text, doubts)))
    if limit_w is not None and loaded_w > BEYOND_LIMIT * limit_w:
        return _finding(name, False, text, f"more than it can draw ({limit_w:.0f} W)")
    if domain.component == "cpu":
        if not somewhere and not _had_room(trial):
            return Finding("self-test", "note", f"{name}: {text}; the CPUs were as busy before, so nothing is told")
        # Of several packages the load may have run on one alone.
        return _finding(name, somewhere, text, "it does not follow the load")
    shown_w = trial.gauge_w.get(domain.device)
    if shown_w is not None:
        counted_w = sum(window.energy_j.get(domain, 0.0) for window in trial.windows) / sum(
            window.duration_s for window in trial.windows
        )
        text += f", {shown_w:.3g} W by its gauge"
        apart = counted_w > TWICE * shown_w or shown_w > TWICE * counted_w
        return _finding(name, not apart, text, f"its counter says {counted_w:.3g} W: one of the two is wrong")
    asleep = domain.component == "gpu"  # the load is none of a GPU's: it may sleep
    return _finding(name, asleep or min(rest_w, loaded_w, again_w) > 0.0, text, "it does not move")


def _watts(domain: Domain, trial: Trial) -> tuple[float, float, float]:
    before, loaded, after = (window.energy_j.get(domain, 0.0) / window.duration_s for window in trial.windows)
    return before, loaded, after


def _follows(domain: Domain, trial: Trial) -> bool:
    """Others may come and go meanwhile: the load must show beside the quieter of the two rests."""
    rest_w, loaded_w, again_w = _watts(domain, trial)
    return loaded_w > LEAST_RISE * min(rest_w, again_w)


def _had_room(trial: Trial) -> bool:
    """Whether the load made the CPUs busier than they had been, by half of what it asked for at least."""
    before, loaded, after = (window.machine_busy_s / window.duration_s for window in trial.windows)
    return loaded - min(before, after) >= LEAST_CPU * trial.cpus


def _as_calibrated(trial: Trial, context: Context, curve: CpuCurve) -> Iterator[Finding]:
    """The processor's counters beside what they said on the day of the calibration: both at rest and under load, so
    that neither another load nor a warm machine is taken for another way of counting."""
    cpus = [domain for domain in trial.loaded.energy_j if domain.component == "cpu" and domain.quality == "measured"]
    if not cpus:
        return
    quieter = min(trial.before, trial.after, key=lambda window: window.machine_busy_s)
    said = []
    for window in (quieter, trial.loaded):
        seen_w = sum(window.energy_j[domain] for domain in cpus) / window.duration_s
        share = window.machine_busy_s / (context.n_cpu * window.duration_s)
        said.append((seen_w, curve.power_w(share, 1.0)))
    more = all(seen_w > TWICE * known_w for seen_w, known_w in said)
    less = all(known_w > TWICE * seen_w for seen_w, known_w in said)
    text = ", ".join(f"{seen_w:.3g} W for {known_w:.3g} W" for seen_w, known_w in said)
    yield _finding(
        "calibration",
        not (more or less),
        f"{text} by that of {curve.at}, at rest and under load",
        f"its counter says {'more' if more else 'less'} than it did: calibrate again, or it counts other packages now",
    )


def _ours(trial: Trial, context: Context) -> Finding:
    """How much of the load's joules was found to be ours: others' work is not."""
    shares, _ = attribute(trial.loaded, context)
    active_j = sum(share.machine_energy_j.likely for share in shares if share.domain.component == "cpu")
    mine_j = sum(share.energy_j.likely for share in shares if share.domain.component == "cpu")
    part = mine_j / active_j if active_j > 0.0 else 0.0
    busy_part = trial.loaded.tree_cpu_s / max(trial.loaded.machine_busy_s, 1e-9)
    return _finding(
        "share",
        0.0 < part <= 1.0 + 1e-9,
        f"{part:.0%} of the processor's joules are ours, with {busy_part:.0%} of its busy time",
        "our part is none, or more than all",
    )


def _of_pace(found: Pace, context: Context) -> Iterator[Finding]:
    """One line for each source: what a read costs, and whether its counters move as often as it believes."""
    told = {domain.device: domain.step_s for domain in context.domains}
    moves = [f"{device} moves every {step_s * 1e3:.2g} ms" for device, step_s in found.step_s.items()]
    late = [device for device, step_s in found.step_s.items() if step_s > LATE * told.get(device, step_s)]
    yield _finding(
        found.source,
        not late,
        "; ".join([f"one read takes {found.read_s * 1e6:.0f} µs", *moves]),
        f"{', '.join(late)} should move more often: cells of a few milliseconds are less sure than they say",
    )


def _finding(name: str, moves: bool, text: str, why_not: str) -> Finding:
    return Finding("self-test", "good" if moves else "problem", f"{name}: {text}" + ("" if moves else f"; {why_not}"))
