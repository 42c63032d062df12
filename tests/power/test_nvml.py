"""NVIDIA GPUs, through the real nvidia-ml-py on a stand-in for the driver's library."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.nvml.machine import GpuReader, build, profile_j

from jupyter_carbon.power.nvml import SmSeconds

IN_A_CONTAINER = "pid:[4026532001]"
ON_THE_MACHINE = "pid:[4026531836]"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def process(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuReader]:
    reader = GpuReader(library, tmp_path_factory.mktemp("reader"))
    yield reader
    reader.close()


@pytest.fixture
def gpus(process: GpuReader, tmp_path: Path) -> GpuReader:
    process.root = tmp_path
    process.at(0.0)
    return process


def profile(folder: Path, text: str, name: str = "profile") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def pid_namespace(root: Path, name: str) -> None:
    (root / "proc/self/ns").mkdir(parents=True)
    (root / "proc/self/ns/pid").symlink_to(name)


def maps(root: Path, pid: int, *libraries: str) -> None:
    (root / f"proc/{pid}").mkdir(parents=True)
    lines = [f"7f0000000000-7f0000001000 r-xp 00000000 08:01 1 /usr/lib/{library}\n" for library in libraries]
    (root / f"proc/{pid}/maps").write_text("".join(lines))


def pci_power(root: Path, *, control: str = "auto", status: str = "active") -> Path:
    folder = root / "sys/bus/pci/devices/0000:01:00.0/power"
    folder.mkdir(parents=True)
    (folder / "control").write_text(f"{control}\n")
    (folder / "runtime_status").write_text(f"{status}\n")
    return folder / "runtime_status"


# --- joules ------------------------------------------------------------------------------------------------


def test_the_energy_counter_gives_the_profile_s_joules(gpus: GpuReader, tmp_path: Path) -> None:
    trace = "2 100\n3 50 250\n"  # 200 J, then 450 J while it rises: 650 J every 5 s
    gpus.open({"PROFILE": profile(tmp_path, trace)})
    gpus.at(2.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(200.0)
    gpus.at(5.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(650.0)
    gpus.at(11.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(1400.0) == pytest.approx(profile_j(trace, 11.0))
    assert gpus.faults(0.0, 11.0) == []


def test_the_counter_says_what_it_is(gpus: GpuReader) -> None:
    domain = gpus.open({"LIMIT_W": 700})["domains"]["gpu0"]
    assert (domain["component"], domain["source"], domain["quality"]) == ("gpu", "nvml-energy", "measured")
    assert domain["step_s"] == 0.1
    assert domain["resolution_j"] == pytest.approx(7.7)  # 0.1 s at 0.11 x 700 W


def test_the_counter_moves_in_steps_of_a_tenth_of_a_second(gpus: GpuReader) -> None:
    gpus.open()
    gpus.at(0.19)
    assert gpus.energy_j()["gpu0"] == pytest.approx(10.0)  # 100 W, one step of 0.1 s


def test_a_reading_asks_the_driver_once_for_each_device(gpus: GpuReader) -> None:
    gpus.open({"DEVICES": 3})
    before = gpus.calls()
    gpus.energy_j()
    assert gpus.calls() - before == 3


def test_a_card_without_a_counter_has_its_gauge_integrated(gpus: GpuReader, tmp_path: Path) -> None:
    trace = "2 100\n2 100 200\n"
    opened = gpus.open({"PROFILE": profile(tmp_path, trace), "NO_COUNTER": 1, "CAPABILITY": "6.1"})
    for second in (1, 2, 3, 3.999999):
        gpus.at(second)
        energy_j = gpus.energy_j()["gpu0"]
    assert energy_j == pytest.approx(profile_j(trace, 4.0), abs=0.01)  # 200 + 300: trapezoids are exact on lines
    domain = opened["domains"]["gpu0"]
    assert (domain["source"], domain["quality"], domain["step_s"]) == ("nvml-power", "measured", 0.1)
    assert domain["spread"]["low"] < 0.95
    assert domain["spread"]["high"] > 1.05


@pytest.mark.parametrize(("capability", "is_mean"), [("7.0", False), ("8.0", False), ("8.6", True), ("0", True)])
def test_a_gauge_that_shows_a_mean_knows_when_work_began(
    gpus: GpuReader, tmp_path: Path, capability: str, is_mean: bool
) -> None:
    """Work of 300 W from 10 s on: half a second later the mean of the last one shows half of it."""
    trace = "10 30\n1000 300\n"
    gpus.open(
        {"PROFILE": profile(tmp_path, trace), "NO_COUNTER": 1, "CAPABILITY": capability, "GAUGE_MEAN_S": int(is_mean)}
    )
    gpus.at(10.0)
    before_j = gpus.energy_j()["gpu0"]
    for moment in (10.5, 11.0, 11.5, 12.0, 12.5, 13.0):
        gpus.at(moment)
        after_j = gpus.energy_j()["gpu0"]
    assert after_j - before_j == pytest.approx(900.0, rel=0.001)  # a gauge of the moment shows 300 W at 10.0 already


def test_a_square_wave_through_a_mean_gauge_stays_within_the_stated_range(gpus: GpuReader, tmp_path: Path) -> None:
    trace = "3 50\n3 250\n"
    opened = gpus.open({"PROFILE": profile(tmp_path, trace), "NO_COUNTER": 1, "CAPABILITY": "8.6", "GAUGE_MEAN_S": 1})
    for second in range(1, 61):
        gpus.at(float(second))
        energy_j = gpus.energy_j()["gpu0"]
    spread = opened["domains"]["gpu0"]["spread"]
    assert energy_j * spread["low"] <= profile_j(trace, 60.0) <= energy_j * spread["high"]


@pytest.mark.parametrize("capability", ["7.0", "9.0"])  # whose one gauge shows the moment, or a field that does
def test_the_power_of_the_moment_tells_what_was_used_since_the_counter_moved(
    gpus: GpuReader, tmp_path: Path, capability: str
) -> None:
    """50 W until 3.01 s, then 300: at 3.09 s, nine tenths of a step behind the last move, 24.5 J since that."""
    trace = "3.01 50\n0.98 300\n100 50\n"
    gpus.open({"PROFILE": profile(tmp_path, trace), "CAPABILITY": capability, "GAUGE_MEAN_S": int(capability == "9.0")})
    gpus.watched_until(3.09)
    assert gpus.energy_j()["gpu0"] == pytest.approx(profile_j(trace, 3.09), abs=12.0)
    gpus.watched_until(3.5)
    assert gpus.energy_at_j(3.09)["gpu0"] == pytest.approx(profile_j(trace, 3.09), abs=3.0)
    gpus.watched_until(4.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(profile_j(trace, 4.0), abs=3.0)


def test_a_driver_that_has_only_a_mean_leaves_its_counter_without_glances(tmp_path: Path) -> None:
    reader = GpuReader(build(tmp_path, "nvmlDeviceGetFieldValues"), tmp_path)
    try:
        reader.open({"PROFILE": profile(tmp_path, "100 50\n")})
        reader.watched_until(3.09)
        assert reader.energy_j()["gpu0"] == pytest.approx(154.5, abs=0.2)
    finally:
        reader.close()


def test_a_power_gauge_that_fails_puts_no_counter_in_doubt(gpus: GpuReader, tmp_path: Path) -> None:
    gpus.open({"PROFILE": profile(tmp_path, "100 50\n"), "CAPABILITY": "7.0", "FAIL": "power:999:1:100"})
    gpus.watched_until(3.09)
    assert gpus.energy_j()["gpu0"] == pytest.approx(154.5, abs=0.2)
    assert gpus.faults(0.0, 3.1) == []


def test_a_counter_that_starts_again_is_flagged_and_never_negative(gpus: GpuReader) -> None:
    gpus.open({"RESET_AT_S": 5})
    gpus.at(4.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(400.0)
    gpus.at(6.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(600.0)  # 2 s at the 100 W seen before
    gpus.at(8.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(800.0)
    assert gpus.faults(4.0, 6.0) == ["counter-reset:gpu0"]
    assert gpus.faults(0.0, 4.0) == gpus.faults(6.0, 8.0) == []


def test_a_failed_reading_in_the_middle_changes_nothing_but_the_flags(gpus: GpuReader) -> None:
    gpus.open({"FAIL": "energy:999:5:7"})
    gpus.at(4.0)
    gpus.energy_j()
    gpus.at(6.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(600.0)  # the expected 100 W, not zero
    gpus.at(10.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(1000.0)
    assert gpus.faults(0.0, 10.0) == ["read-failed:gpu0"]


def test_a_card_that_is_lost_leaves_its_neighbour_alone(gpus: GpuReader) -> None:
    gpus.open({"DEVICES": 2, "FAIL_0": "energy:15:5:1000"})
    for second in (4.0, 8.0, 12.0):
        gpus.at(second)
        energy_j = gpus.energy_j()
    assert energy_j["gpu1"] == pytest.approx(1200.0)
    assert gpus.faults(8.0, 12.0) == ["read-failed:gpu0"]


def test_a_failed_gauge_holds_its_last_power(gpus: GpuReader) -> None:
    gpus.open({"NO_COUNTER": 1, "FAIL": "power:999:2:4"})
    for second in range(1, 7):
        gpus.at(float(second))
        energy_j = gpus.energy_j()["gpu0"]
    assert energy_j == pytest.approx(600.0)
    assert gpus.faults(0.0, 6.0) == ["read-failed:gpu0"]


@pytest.mark.parametrize(
    ("missing", "source"),
    [
        (("nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetCudaComputeCapability"), "nvml-energy"),
        (("nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetMigMode"), "nvml-energy"),
        (("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetProcessUtilization"), "nvml-energy"),
        (("nvmlDeviceGetTotalEnergyConsumption",), "nvml-power"),
    ],
)
def test_a_driver_without_some_function_is_metered_by_the_others(
    tmp_path: Path, missing: tuple[str, ...], source: str
) -> None:
    reader = GpuReader(build(tmp_path, *missing), tmp_path)
    try:
        assert reader.open({"CAPABILITY": "7.0"})["domains"]["gpu0"]["source"] == source
        reader.at(2.0)
        assert reader.energy_j() == pytest.approx({"gpu0": 200.0})  # 100 W
        told = "unknown" if "nvmlDeviceGetComputeRunningProcesses_v3" in missing else "empty"
        assert reader.presence(4711) == {"gpu0": told}
    finally:
        reader.close()


def test_a_driver_too_old_to_tell_capabilities_has_no_card_whose_gauge_shows_a_mean(tmp_path: Path) -> None:
    reader = GpuReader(build(tmp_path, "nvmlDeviceGetCudaComputeCapability"), tmp_path)
    try:
        reader.open({"NO_COUNTER": 1, "PROFILE": profile(tmp_path, "10 30\n10 300\n")})
        for moment in (9.9, 10.0, 10.5):
            reader.at(moment)
            energy_j = reader.energy_j()["gpu0"]
        # 297 J until 9.9, 16.5 J by the trapezoid over the step, 150 J; a mean of the last second would say 582.
        assert energy_j == pytest.approx(463.5)
    finally:
        reader.close()


# --- what cannot be metered --------------------------------------------------------------------------------


def test_a_virtual_gpu_that_tells_nothing_is_missing_and_says_so(gpus: GpuReader) -> None:
    opened = gpus.open({**SILENT, "NO_RATES": 1})
    assert opened["refused"]["gpu0"].startswith("neither an energy counter nor a power gauge, and nothing to model it")
    assert gpus.energy_j() == {}
    assert gpus.faults(3.0, 4.0) == ["not-metered:gpu0"]


def test_a_device_that_tells_nothing_is_absent_beside_one_that_has_power(gpus: GpuReader) -> None:
    opened = gpus.open({"DEVICES": 2, "NO_COUNTER_0": 1, "NO_POWER_0": 1, "NO_RATES_0": 1})
    assert list(opened["domains"]) == list(gpus.energy_j()) == ["gpu1"]
    assert list(opened["refused"]) == ["gpu0"]
    assert gpus.faults(3.0, 4.0) == ["not-metered:gpu0"]


# --- a card that tells how busy it is, and not what it draws -------------------------------------------------

SILENT = {"NO_COUNTER": 1, "NO_POWER": 1}
BUSY_FROM_10_TO_20_S = {"PROCESSES": "7:10:20:50"}
MEASURED = ("gpu0", "Fake GPU", 50.0, 250.0, 0.5, 0.01, "2026-11-22")
UUID = "GPU-00000000-0000-0000-0000-000000000000"


def test_a_card_without_power_is_modelled_by_its_limit_and_by_how_busy_it_is(gpus: GpuReader) -> None:
    opened = gpus.open({**SILENT, **BUSY_FROM_10_TO_20_S, "LIMIT_W": 300})
    domain = opened["domains"]["gpu0"]
    assert (domain["source"], domain["quality"], domain["step_s"]) == ("nvml-utilisation", "assumed", 1.0)
    assert (opened["idle_w"], opened["power_limit_w"]) == ({"gpu0": pytest.approx(33.0)}, {"gpu0": 300.0})
    gpus.at(1.0)
    at_rest_j = gpus.energy_j()["gpu0"]
    assert at_rest_j == pytest.approx(33.0)  # 0.11 x 300 W
    gpus.at(10.0)
    before_j = gpus.energy_j()["gpu0"]
    gpus.at(12.0)
    assert gpus.energy_j()["gpu0"] - before_j == pytest.approx(2 * (33 + (0.7 * 300 - 33) * 0.5))
    assert domain["spread"] == {"low": 0.35, "likely": 1.0, "high": 1.8}


def test_a_number_of_a_card_whose_power_nobody_knows_has_a_flag(gpus: GpuReader) -> None:
    gpus.open({**SILENT, "LIMIT_W": 200})
    assert gpus.faults(3.0, 4.0) == ["power-unknown:gpu0"]


def test_a_card_that_was_measured_once_is_modelled_by_its_own_curve(gpus: GpuReader) -> None:
    opened = gpus.open({**SILENT, "PROCESSES": "7:0:20:25"}, {UUID: MEASURED})
    domain = opened["domains"]["gpu0"]
    assert (domain["quality"], domain["spread"]["low"], domain["spread"]["high"]) == ("modelled", 0.45, 1.4)
    gpus.at(1.0)
    # A quarter of the time, the root of it is a half: 50 W + (0.7 x 250 - 50) / 2
    assert gpus.energy_j()["gpu0"] == pytest.approx(112.5)
    assert gpus.faults(0.0, 1.0) == []


def test_a_card_with_a_counter_rests_at_what_was_measured(gpus: GpuReader) -> None:
    assert gpus.open({"LIMIT_W": 700}, {UUID: MEASURED})["idle_w"] == {"gpu0": 50.0}
    assert gpus.open({"LIMIT_W": 700})["idle_w"] == {"gpu0": pytest.approx(77.0)}


def test_a_card_is_known_by_another_of_its_model_before_the_table(gpus: GpuReader) -> None:
    gpus.open(SILENT, {"GPU-of-another": MEASURED})
    gpus.at(1.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(50.0)


def test_the_table_stands_in_where_the_driver_tells_no_limit(gpus: GpuReader) -> None:
    opened = gpus.open({**SILENT, "LIMIT_W": 0, "NAME": "NVIDIA H100 80GB HBM3"})
    assert opened["power_limit_w"] == {"gpu0": 700.0}


def test_a_card_that_nobody_knows_is_not_modelled_by_a_guess(gpus: GpuReader) -> None:
    opened = gpus.open({**SILENT, "LIMIT_W": 0})
    assert (opened["domains"], list(opened["refused"])) == ({}, ["gpu0"])
    assert gpus.faults(3.0, 4.0) == ["not-metered:gpu0"]


def test_a_modelled_card_that_stops_answering_holds_its_last_power_and_is_flagged(gpus: GpuReader) -> None:
    gpus.open({**SILENT, "PROCESSES": "7:0:20:25", "FAIL": "rates:15:2:4"}, {UUID: MEASURED})
    for second in (1, 2, 3):
        gpus.at(second)
        energy_j = gpus.energy_j()["gpu0"]
    assert energy_j == pytest.approx(3 * 112.5)
    assert gpus.faults(2.0, 3.0) == ["read-failed:gpu0"]


def test_a_card_tells_how_busy_it_is_beside_its_power(gpus: GpuReader) -> None:
    gpus.open({"DEVICES": 2, "PROCESSES_0": "7:0:20:25", "NO_RATES_1": 1})
    assert gpus.utilisation() == {"gpu0": 0.25}


def test_no_device_at_all(gpus: GpuReader) -> None:
    assert "shows no GPU" in gpus.open({"DEVICES": 0})["unavailable"]


def test_a_driver_that_is_not_loaded_is_named(gpus: GpuReader) -> None:
    assert "Driver Not Loaded" in gpus.open({"INIT_CODE": 9})["unavailable"]


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has the driver")
def test_without_the_library_the_binding_is_not_even_imported() -> None:
    code = (
        "import sys; from jupyter_carbon.model import SourceUnavailable; from jupyter_carbon.power.nvml import Nvml\n"
        "try: Nvml.open(None)\n"
        "except SourceUnavailable as err: print(err, 'pynvml' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "libnvidia-ml.so.1 is not found" in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_power_limit_that_is_not_told_is_assumed(gpus: GpuReader) -> None:
    opened = gpus.open({"LIMIT_W": 0})
    assert opened["power_limit_w"] == {"gpu0": 300.0}
    assert opened["idle_w"]["gpu0"] == pytest.approx(33.0)


# --- sleep -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("no_counter", [0, 1])
def test_a_card_that_sleeps_is_not_woken_and_counts_nothing(gpus: GpuReader, tmp_path: Path, no_counter: int) -> None:
    status = pci_power(tmp_path)
    gpus.open({"NO_COUNTER": no_counter, "PROFILE": profile(tmp_path, "2 100\n8 0\n")})
    gpus.at(2.0)
    gpus.energy_j()
    status.write_text("suspended\n")
    before = gpus.calls()
    gpus.at(3.0)
    asleep_j = gpus.energy_j()["gpu0"]
    gpus.at(6.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(asleep_j)
    assert gpus.presence(7) == {"gpu0": "empty"}
    gpus.busy_s(7)
    assert gpus.calls() == before
    status.write_text("active\n")
    gpus.at(12.0)
    gpus.energy_j()
    assert gpus.calls() == before + 1


def test_a_card_that_may_not_sleep_is_not_asked_about_it(gpus: GpuReader, tmp_path: Path) -> None:
    pci_power(tmp_path, control="on", status="suspended")
    gpus.open()
    gpus.at(1.0)
    assert gpus.energy_j()["gpu0"] == pytest.approx(100.0)


# --- MIG ---------------------------------------------------------------------------------------------------


def test_a_mig_instance_has_its_slices_of_the_card(gpus: GpuReader) -> None:
    opened = gpus.open({"MIG": "3,4", "LIMIT_W": 700})
    before = gpus.calls()
    gpus.at(10.0)
    assert gpus.energy_j() == pytest.approx({"gpu0-mig0": 1000 * 3 / 7, "gpu0-mig1": 1000 * 4 / 7})
    assert gpus.calls() == before + 1
    assert {domain["quality"] for domain in opened["domains"].values()} == {"modelled"}
    assert opened["power_limit_w"] == pytest.approx({"gpu0-mig0": 300.0, "gpu0-mig1": 400.0})


def test_an_a30_has_four_slices(gpus: GpuReader) -> None:
    gpus.open({"MIG": "1", "MIG_SLICES": 4})
    gpus.at(10.0)
    assert gpus.energy_j() == pytest.approx({"gpu0-mig0": 250.0})


def test_a_mig_instance_knows_who_is_on_it_but_not_how_much(gpus: GpuReader, tmp_path: Path) -> None:
    pid_namespace(tmp_path, ON_THE_MACHINE)
    gpus.open({"MIG": "3,4", "PROCESSES": "7:0:100:50:0;8:0:100:50:1"})
    gpus.at(1.0)
    assert gpus.presence(7) == {"gpu0-mig0": "alone", "gpu0-mig1": "absent"}
    assert gpus.busy_s(7) == {}


def test_a_mig_instance_is_ours_by_its_uuid(gpus: GpuReader) -> None:
    opened = gpus.open(
        {"DEVICES": 2, "MIG_1": "3,4"}, CUDA_VISIBLE_DEVICES="MIG-10000000-0000-0000-0000-000000000000-1"
    )
    assert opened["allotted"] == ["gpu1-mig1"]


# --- whose -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "allotted"),
    [
        ({}, []),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["gpu1"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1"}, ["gpu1"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"SLURM_JOB_GPUS": "0"}, ["gpu0"]),
    ],
)
def test_the_environment_says_which_devices_are_ours(
    gpus: GpuReader, environ: dict[str, str], allotted: list[str]
) -> None:
    assert gpus.open({"DEVICES": 2}, **environ)["allotted"] == allotted


@pytest.mark.parametrize(("visible", "who"), [("", "absent"), ("-1", "absent"), ("0", "empty")])
def test_an_empty_card_that_is_kept_from_us_is_not_ours_to_rest_on(gpus: GpuReader, visible: str, who: str) -> None:
    gpus.open(CUDA_VISIBLE_DEVICES=visible)
    assert gpus.presence(4711) == {"gpu0": who}


def test_an_index_between_different_cards_is_flagged(gpus: GpuReader) -> None:
    opened = gpus.open({"DEVICES": 2, "NAME_1": "Faster GPU"}, CUDA_VISIBLE_DEVICES="0")
    assert opened["allotted"] == []
    assert gpus.faults(1.0, 2.0) == ["device-order:gpu0", "device-order:gpu1"]


@pytest.mark.parametrize(
    ("ours", "who"),
    [
        ((7,), {"gpu0": "shared", "gpu1": "absent", "gpu2": "empty"}),
        ((7, 8), {"gpu0": "alone", "gpu1": "absent", "gpu2": "empty"}),
        ((9,), {"gpu0": "absent", "gpu1": "alone", "gpu2": "empty"}),
    ],
)
def test_who_computes_on_each_card(gpus: GpuReader, tmp_path: Path, ours: tuple[int, ...], who: dict[str, str]) -> None:
    pid_namespace(tmp_path, ON_THE_MACHINE)
    gpus.open({"DEVICES": 3, "PROCESSES_0": "7:0:100;8:0:100", "PROCESSES_1": "9:0:100"})
    gpus.at(1.0)
    assert gpus.presence(*ours) == who


@pytest.mark.parametrize("listed", ["", "4242:0:100"])
def test_in_a_container_a_kernel_with_cuda_may_be_there_unseen(gpus: GpuReader, tmp_path: Path, listed: str) -> None:
    pid_namespace(tmp_path, IN_A_CONTAINER)
    maps(tmp_path, 7, "libc.so.6", "x86_64-linux-gnu/libcuda.so.1")
    gpus.open({"PROCESSES": listed})
    assert gpus.presence(6, 7) == {"gpu0": "unknown"}


def test_in_a_container_a_kernel_without_cuda_is_not_there(gpus: GpuReader, tmp_path: Path) -> None:
    pid_namespace(tmp_path, IN_A_CONTAINER)
    maps(tmp_path, 7, "libc.so.6")
    gpus.open({"PROCESSES": "4242:0:100"})
    assert gpus.presence(6, 7) == {"gpu0": "absent"}


def test_in_a_container_that_shows_our_pid_on_one_card_we_are_not_on_the_other(gpus: GpuReader, tmp_path: Path) -> None:
    pid_namespace(tmp_path, IN_A_CONTAINER)
    maps(tmp_path, 7, "libcuda.so.1")
    gpus.open({"DEVICES": 2, "PROCESSES_0": "7:0:100", "PROCESSES_1": "4242:0:100"})
    assert gpus.presence(7) == {"gpu0": "alone", "gpu1": "absent"}


def test_a_driver_that_does_not_tell_who_computes_is_unknown(gpus: GpuReader) -> None:
    gpus.open({"PROCESSES": "7:0:100", "FAIL": "processes:999:0:100"})
    assert gpus.presence(7) == {"gpu0": "unknown"}


def test_sm_seconds_of_ours_and_of_everybody(gpus: GpuReader) -> None:
    gpus.open({"DEVICES": 2, "PROCESSES_0": "7:0:100:60;8:0:100:20"})
    for second in range(1, 11):
        gpus.at(float(second))
        busy_s = gpus.busy_s(7)
    assert busy_s["gpu0"] == pytest.approx([6.0, 8.0])
    assert busy_s["gpu1"] == [0.0, 0.0]


def test_two_ranks_never_add_up_to_more_than_the_card(gpus: GpuReader) -> None:
    described = {"PROCESSES": "7:0:5:50;8:2:9:50"}
    own_s = []
    for pid in (7, 8):
        gpus.at(0.0)
        gpus.open(described)
        for second in range(1, 11):
            gpus.at(float(second))
            own, everybody = gpus.busy_s(pid)["gpu0"]
        own_s.append(own)
    assert own_s == pytest.approx([2.5, 3.5])
    assert everybody == pytest.approx(6.0)


def test_two_looks_in_a_row_do_not_change_the_share(gpus: GpuReader) -> None:
    gpus.open({"PROCESSES": "7:0:100:60;8:0:100:20"})
    gpus.at(2.0)
    first = gpus.busy_s(7)
    assert gpus.busy_s(7) == first


def test_a_process_that_begins_after_a_long_rest_is_not_credited_with_the_rest(gpus: GpuReader) -> None:
    gpus.open({"PROCESSES": "7:0:1:100;7:600:601:100"})
    for second in (1.0, 599.0, 600.0, 601.0):
        gpus.at(second)
        own_s, _ = gpus.busy_s(7)["gpu0"]
    assert own_s == pytest.approx(2.0, abs=1.0)  # 599 s lie between the two samples


def test_a_driver_without_utilisation_by_process_is_absent(gpus: GpuReader) -> None:
    gpus.open({"DEVICES": 2, "NO_UTILISATION_1": 1})
    assert list(gpus.busy_s(7)) == ["gpu0"]


def test_a_failed_look_at_utilisation_is_flagged(gpus: GpuReader) -> None:
    gpus.open({"PROCESSES": "7:0:100:50", "FAIL": "utilisation:999:1:3"})
    gpus.at(2.0)
    gpus.busy_s(7)
    assert gpus.faults(0.0, 2.0) == ["utilisation-failed:gpu0"]
    gpus.at(4.0)
    assert gpus.busy_s(7)["gpu0"] == pytest.approx([1.5, 1.5])  # 3 s back at most: the last look and a sample


def test_stale_and_impossible_samples_are_left_out() -> None:
    seconds = SmSeconds([(7, 1_000_000, 50)], now_s=0.0)
    seconds.add([(7, 1_000_000, 50), (8, 2_000_000, 101), (7, 2_000_000, 50)], frozenset({7}), now_s=1.0)
    assert (seconds.own_s, seconds.all_s) == pytest.approx((0.5, 0.5))


# --- the fake itself ---------------------------------------------------------------------------------------


def test_the_fake_runs_on_the_real_clock_under_ld_library_path(library: Path) -> None:
    code = (
        "import pynvml, time\n"
        "pynvml.nvmlInit(); card = pynvml.nvmlDeviceGetHandleByIndex(0)\n"
        "before = time.monotonic(); mj = pynvml.nvmlDeviceGetTotalEnergyConsumption(card); after = time.monotonic()\n"
        "print(before, mj, after)\n"
    )
    environ = {**os.environ, "LD_LIBRARY_PATH": str(library.parent), "FAKE_NVML_T0": "0", "FAKE_NVML_STEP_S": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    before_s, mj, after_s = map(float, done.stdout.split())
    assert before_s - 1e-3 <= (mj / 1000 - 1000) / 100 <= after_s + 1e-3  # 1000 J at T0, then 100 W
