"""What was found, refused or absent, with the cause and the one remedy: the words of `doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jupyter_carbon.calibration.store import NOTHING, Calibration
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import Context, LedgerError
from jupyter_carbon.power import PowerSource, Refusal
from jupyter_carbon.power.host import Host, has_pci_vendor
from jupyter_carbon.report.known import COMPONENTS, place
from jupyter_carbon.report.summary import flag_text
from jupyter_carbon.value import value

if TYPE_CHECKING:
    from jupyter_carbon.grid.live import State

Health = Literal["good", "note", "problem"]

NVIDIA = "0x10de"
"""Its number at the PCI-SIG."""

ANOTHER_LEDGER = "Name a file that can be written: JUPYTER_CARBON_LEDGER=~/carbon.sqlite"

SIGNS: dict[Health, str] = {"good": "ok     ", "note": "note   ", "problem": "PROBLEM"}


@value
class Finding:
    """One thing looked at: `topic` in a word, `text` in a sentence, `remedy` where there is something to do."""

    topic: str
    health: Health
    text: str
    remedy: str | None = None


def examine(
    host: Host, sources: Sequence[PowerSource], refusals: Sequence[Refusal], context: Context
) -> tuple[Finding, ...]:
    """What there is to say about the sources, the machine and the place."""
    return (
        *(_of_source(source) for source in sources if source.domains),
        *(
            Finding(source.name, "problem", f"{device} is not metered: {cause}")
            for source in sources
            for device, cause in getattr(source, "refused", {}).items()
        ),
        *(_of_refusal(refusal, host) for refusal in refusals),
        _of_machine(host),
        _of_wall(context),
        _of_place(context),
    )


def _of_refusal(refusal: Refusal, host: Host) -> Finding:
    # Who has no NVIDIA card misses no driver.
    remedy = refusal.remedy if refusal.source != "nvml" or has_pci_vendor(host, NVIDIA) else None
    return Finding(refusal.source, "problem" if remedy else "note", refusal.reason, remedy)


def of_ledger(path: Path, trouble: str | None) -> Finding:
    """Whether rows can be stored and read there; `trouble` is why they were not, in a session that knows."""
    try:
        ledger = Ledger.open(path)
        next(ledger.records(since=datetime.now(timezone.utc)), None)
    except (LedgerError, OSError) as err:
        return Finding("ledger", "problem", str(err), ANOTHER_LEDGER)
    if ledger.notice and not trouble:
        return Finding("ledger", "problem", f"{path}: {ledger.notice}")
    trouble = trouble or _unwritable(ledger.path)
    if trouble:
        return Finding("ledger", "problem", f"{path}: {trouble}", ANOTHER_LEDGER)
    return Finding("ledger", "good", str(path))


def _unwritable(path: Path) -> str | None:
    """Why no file can be made there, as far as permissions tell."""
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written"


def of_calibration(calibration: Calibration | None, context: Context, host: Host) -> Finding:
    """What was measured on this machine to replace a table's figure, when, and how well."""
    calibration = calibration or NOTHING
    told, doubt = [], None
    fit = calibration.wall
    if fit is not None:
        told.append(
            f"to the wall on {calibration.wall_at} with {len(fit.points)} readings, off by {fit.residual_w:.1f} W "
            f"({fit.residual:.1%})"
        )
        if not context.wall.source.startswith("calibrated"):
            doubt = f"not in use, as devices were counted otherwise then ({calibration.source})"
    if calibration.cpu is not None:
        curve = calibration.cpu
        told.append(f"the processor on {curve.at}: {curve.idle_w:.3g} W at rest, {curve.full_w:.3g} W at full load")
    for card in calibration.gpus.values():
        told.append(
            f"{card.device} ({card.model}) on {card.at}: {card.idle_w:.3g} W at rest, {card.full_w:.3g} W at full "
            f"load, off by {card.residual:.1%}"
        )
    if calibration.idle_w:
        at_rest = ", ".join(f"{device} {watts:.3g} W" for device, watts in sorted(calibration.idle_w.items()))
        told.append(f"at rest on {calibration.idle_at}: {at_rest}")
    text = "; ".join(told)
    if told:
        if doubt:
            return Finding("calibration", "note", f"{text}; {doubt}", "Calibrate anew: %carbon calibrate rest")
        return Finding("calibration", "good", text)
    cards = any(domain.component == "gpu" and domain.quality == "measured" for domain in context.domains)
    if not host.is_slice:
        return Finding(
            "calibration",
            "note",
            "nothing is calibrated: base watts and supply loss are those of its kind of machine",
            "With a plug meter: %carbon calibrate rest, then %carbon calibrate load, and after each what it showed",
        )
    if cards:
        return Finding(
            "calibration",
            "note",
            "nothing is calibrated; plug and processor are the host machine's, but the GPU can be",
            "import torch, then %carbon calibrate devices",
        )
    return Finding("calibration", "note", "none, and none can be: plug and processor are the host machine's")


def of_clock(suspended_s: float, stepped_s: float) -> Finding:
    """The clock that joules are counted by; `stepped_s` is how far the wall clock was set while this session runs."""
    text = "monotonic, which no setting of the time touches"
    if suspended_s > 0.5:
        text += f"; this machine has slept {suspended_s / 3600:.1f} h since it was started"
    if abs(stepped_s) > 1.0:
        return Finding("clock", "note", f"{text}; the wall clock was set by {stepped_s:+.1f} s meanwhile")
    return Finding("clock", "good", text)


def _of_source(source: PowerSource) -> Finding:
    parts = []
    for domain in source.domains:
        step = f", a step of {domain.step_s * 1000:g} ms" if domain.step_s else ""
        limit_w = source.power_limit_w.get(domain.device)
        bound = f", at most {limit_w:.0f} W" if limit_w else ""
        parts.append(f"{COMPONENTS[domain.component]} {domain.device} {domain.quality}{step}{bound}")
    faults = []
    for fault in source.faults.during(0.0, float("inf")):
        kind = fault.partition(":")[0]
        if kind == "power-unknown":
            parts.append(flag_text(fault))
        elif kind != "not-metered":  # that is told on a line of its own, with its cause
            faults.append(fault)
    if faults:
        return Finding(
            source.name, "problem", f"{'; '.join(parts)}; faults so far: {'; '.join(map(flag_text, faults))}"
        )
    measured = all(domain.quality == "measured" for domain in source.domains)
    return Finding(source.name, "good" if measured else "note", "; ".join(parts))


def _of_machine(host: Host) -> Finding:
    kind = "virtual machine" if host.is_vm else host.chassis
    text = (
        f"{host.cpu_model or 'unknown CPU'}, {host.logical_cpus} logical CPUs, {host.ram_gb:.1f} GB ({kind}); rated "
        f"{host.tdp_w:.0f} W ({host.tdp_source}); allotted here {host.allotted_cpus:g} CPUs and "
        f"{host.allotted_ram_gb:.1f} GB"
    )
    if host.tdp_known:
        return Finding("machine", "good", text)
    return Finding("machine", "note", text, "If you know its rated watts: %config Carbon.tdp_w = 65")


def _of_wall(context: Context) -> Finding:
    wall = context.wall
    if wall.spread is None:
        doubt = f" ({wall.base_w.low:.1f} – {wall.base_w.high:.1f})"
    else:
        doubt = f", times {wall.spread.low:.2f} – {wall.spread.high:.2f},"
    text = (
        f"{wall.factor.likely:.2f} x devices + {wall.base_w.likely:.1f} W{doubt} for a {wall.kind} "
        f"({wall.quality}: {wall.source}); PUE {context.pue.likely:.2f} ({context.pue_source})"
    )
    return Finding("wall", "note", text)


def _of_place(context: Context) -> Finding:
    intensity = context.intensity
    text = f"{place(intensity)} · {intensity.source}"
    remedy = 'Say where the electricity comes from: %config Carbon.region = "FR", or JUPYTER_CARBON_REGION=FR'
    if "region-unknown" in context.flags:
        return Finding("place", "problem", f"unknown, so the world average: {text}", remedy)
    if "region-guessed" in context.flags:
        return Finding("place", "note", f"guessed from the time zone: {text}", remedy)
    return Finding("place", "good", text)


def of_grid(states: Iterable[State]) -> tuple[Finding, ...]:
    """What there is to say about live grid sources."""
    return tuple(_of_source_of_grams(state) for state in states)


def _of_source_of_grams(state: State) -> Finding:
    known = f"known to {state.reaches}" if state.reaches else "nothing known yet"
    text = f"live for {state.name}: {state.credit}; {known}"
    if state.skew_s:
        hours = state.skew_s / 3600.0
        return Finding("clock", "problem", f"{text}; this machine's clock differs by {hours:+.2f} h", "Set the clock.")
    if state.trouble:
        return Finding("grid", "note", f"{text}; last: {state.trouble}. Meanwhile the next best number is used")
    return Finding("grid", "good", text)


def findings_text(findings: Iterable[Finding]) -> str:
    """The findings as lines, each remedy below its cause."""
    lines = []
    for finding in findings:
        lines.append(f"{SIGNS[finding.health]}  {finding.topic}: {finding.text}")
        if finding.remedy:
            lines += [f"         {line}" for line in finding.remedy.splitlines()]
    return "\n".join(lines)
