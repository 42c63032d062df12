"""A record, or a session, in words: how much, how sure, how it is known, whose it is.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from jupyter_carbon.model import CarbonIntensity, CellRecord, Footprint, Quality
from jupyter_carbon.report.known import QUALITIES, knowledge, place, quality_of
from jupyter_carbon.units import duration_text, energy_text, mass_text, range_text

FLAGS: Mapping[str, str] = {
    "below-resolution": "shorter than the counter's step: modelled, with an upper bound",
    "frozen": "the counter did not move: modelled",
    "stuck": "the counter stood still for a while: there may be more than it says",
    "read-failed": "a read of the counter failed: filled with the expected power",
    "counter-reset": "the counter was reset: filled with the expected power",
    "implausible": "the counter jumped beyond what the device can draw: filled with the expected power",
    "uneven": "the counter rose faster than the device can draw, as when it tells late: counted here",
    "gap": "not read for so long that it may have wrapped: filled with the expected power",
    "gauge-gap": "the power gauge was not read for a while",
    "gauge-swings": "power changed faster than its gauge can be looked at",
    "suspended": "the machine was suspended",
    "power-unknown": "the driver tells how busy it was and not what it drew: modelled by its rating",
    "not-metered": "the driver tells nothing of it that could be counted: it is missing here",
    "counter-wrong": "its energy counter disagrees with its power gauge, which is counted",
    "held-back": "the system held its counters back: what they tell late is of these seconds too",
    "joined": "counted from the moment its driver answered",
    "gpu-awaited": "a GPU's driver had not answered yet: what it drew is missing here",
    "dies-undecided": "its dies may be copies of one counter or several: one of them is counted until that shows",
    "device-order": "it is not told which of several cards is this process's",
    "utilisation-failed": "the driver did not tell who used the device for a while",
    "gpu-share-unknown": "the driver does not tell whose work it was: between none and all",
    "gpu-tail": "it went on after the cell's end; that is in the cell's number",
    "may-still-run": "the device may still be busy with work of this cell, which is not all in its number",
    "began-busy": "it was still busy with earlier work when the cell began; that is in the cell's number",
    "concurrent": "ran beside other cells: the seconds are shared",
    "crashed": "the kernel ended before the cell did: up to the last checkpoint",
    "begun-late": "its beginning was missed, by an interrupt or a fault: counted from its end on",
    "session-closed": "it still ran when its session was closed: counted until then",
    "inside-another": "the session of the process that started this one counts this energy too",
    "clock-wrong": "this machine's clock differs from the grid source's: its hour was found by the source's",
    "region-guessed": "place guessed from the time zone",
    "region-unknown": "place unknown: world average",
    "region-refused": "the place asked for is not known; the session's was used",
}
"""What the flags on a record mean.  A flag may name its device behind a colon."""


def flag_text(flag: str) -> str:
    """One flag in words.

    >>> flag_text("counter-reset:gpu0")
    'gpu0: the counter was reset: filled with the expected power'
    """
    kind, _, device = flag.partition(":")
    words = FLAGS.get(kind, kind.replace("-", " "))
    return f"{device}: {words}" if device else words


def beside_its_hour(record: CellRecord) -> list[str]:
    """The grams by the year, and as they were first told, where others stand in the headline."""
    said = []
    if record.yearly is not None and record.yearly_gco2e is not None:
        said.append(f"by the yearly figure {mass_text(record.yearly_gco2e.likely, 'modelled')} CO₂e")
    if record.first is not None and record.first_gco2e is not None:
        said.append(f"first told {mass_text(record.first_gco2e.likely, 'modelled')} ({record.first.status})")
    return [" · ".join(said)] if said else []


def line(record: CellRecord) -> str:
    """One record in one line: the headline is the facility's energy and its grams."""
    head = headline(record.footprint, quality_of(record.shares), record.intensity)
    return " · ".join((*head, knowledge(share.domain for share in record.shares)))


def headline(footprint: Footprint, quality: Quality, intensity: CarbonIntensity) -> tuple[str, str]:
    """Energy, and grams with their range.  At the facility a measured joule is a modelled one: the wall is a model."""
    grams_by: Quality = quality if intensity.status == "actual" else max(quality, "modelled", key=QUALITIES.index)
    grams = footprint.operational_gco2e
    return (
        energy_text(footprint.facility_energy_kwh.likely, quality),
        f"{mass_text(grams.likely, grams_by)} CO₂e ({range_text(grams, 'g')})",
    )


def of_machine(footprint: Footprint, quality: Quality) -> str:
    """Ours beside the machine's, both at the devices."""
    mine_kwh, machine_kwh = footprint.energy_j.likely / 3.6e6, footprint.machine_energy_j.likely / 3.6e6
    return f"yours {energy_text(mine_kwh, quality)} of the machine's {energy_text(machine_kwh, quality)} at the devices"


def beside(footprint: Footprint) -> str:
    """What stands on lines of its own: making the hardware, and water; a dash where it is not known."""
    embodied = footprint.embodied_gco2e and mass_text(footprint.embodied_gco2e.likely, "assumed")
    water = f"≈ {footprint.water_l.likely * 1000:.2g} ml" if footprint.water_l else None
    return f"embodied {embodied or '–'} · water {water or '–'}"


def details(record: CellRecord) -> list[str]:
    """The lines under a record's headline: every assumption and every doubt."""
    footprint = record.footprint
    quality = quality_of(record.shares)
    lines = [
        f"{duration_text(record.duration_s)} · {of_machine(footprint, quality)}",
        f"{place(record.intensity)} · PUE {record.pue.likely:.3g}",
        *beside_its_hour(record),
        beside(footprint),
    ]
    return lines + [flag_text(flag) for flag in record.flags]
