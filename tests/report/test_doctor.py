"""What doctor says, on machines in folders."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from machine import Machine
from records import a_context

from jupyter_carbon.calibration.fit import Point, WallFit, wall_model
from jupyter_carbon.calibration.store import NOTHING, Calibration
from jupyter_carbon.model import Context, Domain
from jupyter_carbon.power import Refusal
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.rapl import REMEDY, Rapl
from jupyter_carbon.report.doctor import examine, findings_text, of_calibration, of_clock, of_ledger


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def host(machine: Machine) -> Host:
    return machine.tree.detect(affinity=4)


def findings(machine: Machine, *sources, refusals=(), context: Context | None = None):
    told = examine(host(machine), sources, refusals, context or a_context())
    return {finding.topic: finding for finding in told}


def test_a_counter_that_is_read_is_good_and_tells_step_and_bound(machine):
    machine.package()
    told = findings(machine, Rapl.open(host(machine)))["rapl"]
    assert (told.health, told.text) == ("good", "CPU package-0 measured, a step of 1 ms, at most 990 W")


def test_faults_so_far_are_a_problem(machine):
    machine.package()
    rapl = Rapl.open(host(machine))
    rapl.faults.note("package-0", "read-failed", 1.0, 2.0)
    told = findings(machine, rapl)["rapl"]
    assert told.health == "problem"
    assert told.text.endswith("faults so far: package-0: a read of the counter failed: filled with the expected power")


class Cards:
    """A source of cards, one of which its driver refuses to tell of."""

    name, components = "nvml", ("gpu",)
    domains = (Domain("gpu", "gpu1", "nvml-utilisation", "assumed", 22.0, 1.0),)
    idle_w: ClassVar = {"gpu1": 22.0}
    power_limit_w: ClassVar = {"gpu1": 200.0}
    refused: ClassVar = {"gpu0": "neither an energy counter nor a power gauge (Not Supported)"}

    def __init__(self) -> None:
        self.faults = FaultLog()
        self.faults.note("gpu0", "not-metered", -math.inf, math.inf)
        self.faults.note("gpu1", "power-unknown", -math.inf, math.inf)


def test_a_card_that_cannot_be_metered_is_named_with_its_cause(machine):
    told = examine(host(machine), [Cards()], (), a_context())
    modelled, missing = (finding for finding in told if finding.topic == "nvml")
    assert (missing.health, missing.text) == (
        "problem", "gpu0 is not metered: neither an energy counter nor a power gauge (Not Supported)"
    )  # fmt: skip
    assert (modelled.health, modelled.text) == (
        "note",
        "GPU gpu1 assumed, a step of 1000 ms, at most 200 W; gpu1: the driver tells how busy it was and not what it "
        "drew: modelled by its rating",
    )


def test_a_permission_that_is_missing_has_one_durable_remedy(machine):
    refusal = Refusal("rapl", "energy_uj is not readable", REMEDY)
    told = findings(machine, refusals=[refusal])["rapl"]
    assert (told.health, told.remedy) == ("problem", REMEDY)
    text = findings_text([told])
    assert text.startswith("PROBLEM  rapl: energy_uj is not readable\n")
    assert "/etc/udev/rules.d/70-rapl-energy.rules" in text


NO_DRIVER = Refusal("nvml", "no NVIDIA driver: libnvidia-ml.so.1 is not found", "install its driver")


def test_without_a_card_no_driver_is_missing(machine):
    machine.tree.file("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086")
    told = findings(machine, refusals=[NO_DRIVER])["nvml"]
    assert (told.health, told.remedy) == ("note", None)


def test_a_card_without_its_driver_is_a_problem(machine):
    machine.tree.file("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086")
    machine.tree.file("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de")
    told = findings(machine, refusals=[NO_DRIVER])["nvml"]
    assert (told.health, told.remedy) == ("problem", "install its driver")


def test_another_refusal_is_a_note_if_nothing_can_be_done(machine):
    told = findings(machine, refusals=[Refusal("amd-gpu", "no AMD GPU")])["amd-gpu"]
    assert (told.health, told.remedy) == ("note", None)


def test_the_machine_is_named_with_what_is_allotted(machine):
    told = findings(machine)["machine"]
    assert told.health == "good"
    assert "4 logical CPUs, 16.0 GB (desktop)" in told.text
    assert "allotted here 4 CPUs and 16.0 GB" in told.text


def test_an_unknown_processor_asks_for_its_watts(machine):
    machine.tree.cpus(4, "Some CPU of tomorrow")
    told = findings(machine)["machine"]
    assert (told.health, told.remedy) == ("note", "If you know its rated watts: %config Carbon.tdp_w = 65")


@pytest.mark.parametrize(
    ("flags", "health", "words"),
    [
        ((), "good", "100 g/kWh"),
        (("region-guessed",), "note", "guessed from the time zone"),
        (("region-unknown",), "problem", "unknown, so the world average"),
    ],
)
def test_a_place_that_nobody_named_says_how_to_name_it(machine, flags, health, words):
    told = findings(machine, context=a_context(flags=flags))["place"]
    assert told.health == health
    assert words in told.text
    assert (told.remedy is None) == (health == "good")


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_a_ledger_that_can_be_written_is_good(tmp_path):
    told = of_ledger(tmp_path / "new" / "ledger.sqlite", None)
    assert (told.health, told.text) == ("good", str(tmp_path / "new" / "ledger.sqlite"))
    assert list(tmp_path.iterdir()) == []  # asking makes nothing


def test_what_a_session_met_is_told(tmp_path):
    told = of_ledger(tmp_path / "ledger.sqlite", "No space left on device")
    assert told.health == "problem"
    assert told.text.endswith("No space left on device")
    assert told.remedy.startswith("Name a file that can be written: JUPYTER_CARBON_LEDGER=")


def test_a_folder_that_is_a_file_is_a_problem(tmp_path):
    (tmp_path / "file").write_text("")
    assert "is not a folder" in of_ledger(tmp_path / "file" / "ledger.sqlite", None).text


def test_a_url_is_a_problem():
    told = of_ledger(Path("postgresql:/host/db"), None)
    assert told.health == "problem"
    assert "not supported" in told.text


def test_a_strangers_database_is_said(tmp_path):
    import sqlite3

    db = sqlite3.connect(tmp_path / "ledger.sqlite")
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    assert "is not a ledger of jupyter_carbon" in of_ledger(tmp_path / "ledger.sqlite", None).text


# --- what is calibrated, and the clock -----------------------------------------------------------------------------

FIT = WallFit(1.2, 40.0, 1.5, 0.01, (Point(10.0, 52.0), Point(110.0, 172.0)))
CURVE = CpuCurve(10.0, 110.0, "2026-11-21")
CALIBRATED = Calibration(
    FIT, "2026-11-22", "cpu:package-0:rapl", CpuCurve(10.0, 110.0, "2026-11-21"), {"gpu0": 25.0}, "2026-11-21"
)


def test_without_a_calibration_the_way_to_one_is_the_remedy(machine):
    told = of_calibration(NOTHING, a_context(), host(machine))
    assert told.health == "note"
    assert "%carbon calibrate rest" in told.remedy


def test_what_is_calibrated_is_told_with_its_day_and_how_far_off_it_was(machine):
    context = replace(a_context(), wall=wall_model(FIT, kind="desktop", at="2026-11-22"))
    told = of_calibration(CALIBRATED, context, host(machine))
    assert (told.health, told.text) == (
        "good",
        "to the wall on 2026-11-22 with 2 readings, off by 1.5 W (1.0%); the processor on 2026-11-21: 10 W at rest, "
        "110 W at full load; at rest on 2026-11-21: gpu0 25 W",
    )


def test_a_calibration_that_is_not_in_use_says_why(machine):
    told = of_calibration(CALIBRATED, a_context(), host(machine))
    assert told.health == "note"
    assert told.text.endswith("not in use, as devices were counted otherwise then (cpu:package-0:rapl)")
    assert told.remedy == "Calibrate anew: %carbon calibrate rest"


def test_a_guest_cannot_be_calibrated_and_is_not_asked_to(tmp_path):
    told = of_calibration(NOTHING, a_context(), host(Machine(tmp_path / "guest", guest=True)))
    assert (told.health, told.remedy) == ("note", None)
    assert "the host machine's" in told.text


def test_a_card_is_told_with_its_model_its_day_and_how_far_off_it_was(machine):
    card = GpuCurve("gpu0", "A card", 60.0, 660.0, 0.5, 0.012, "2026-11-20")
    told = of_calibration(Calibration(gpus={"GPU-0": card}), a_context(), host(machine))
    assert (told.health, told.text) == (
        "good",
        "gpu0 (A card) on 2026-11-20: 60 W at rest, 660 W at full load, off by 1.2%",
    )


def test_a_guest_s_card_can_be_calibrated(tmp_path):
    domains = (*a_context().domains, Domain("gpu", "gpu0", "nvml-energy", "measured", 0.1, 0.1))
    context = replace(a_context(), domains=domains)
    told = of_calibration(NOTHING, context, host(Machine(tmp_path / "guest", guest=True)))
    assert (told.health, told.remedy) == ("note", "import torch, then %carbon calibrate devices")


def test_the_wall_is_told_with_its_range_fitted_or_not(machine):
    by_table = findings(machine)["wall"].text
    assert by_table.startswith("1.10 x devices + 0.0 W")
    fitted = replace(a_context(), wall=wall_model(FIT, kind="desktop", at="2026-11-22"))
    assert findings(machine, context=fitted)["wall"].text.startswith(
        "1.20 x devices + 40.0 W, times 0.88 – 1.13, for a desktop (modelled: calibrated on 2026-11-22"
    )


def test_the_clock_tells_what_it_slept_and_how_it_was_set():
    assert of_clock(0.0, 0.0).health == "good"
    assert "has slept 2.0 h" in of_clock(7200.0, 0.0).text
    told = of_clock(0.0, -3600.0)
    assert told.health == "note"
    assert "was set by -3600.0 s" in told.text
