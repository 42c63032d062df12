"""AMD's and Intel's discrete GPUs: a tree of /sys/class/drm, and a module with the interface of amdsmi."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power.amd_gpu import AmdGpu, CheckedCounter
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.host import Host

VENDOR = Path(__file__).parents[1] / "fakes/vendor"


def card(root: Path, number: int, vendor: str = "0x1002", **files: object) -> Path:
    """A card's hwmon directory; its PCI directory is linked as in sysfs, 0000:03:00.0 for card0."""
    device = root / f"sys/devices/pci0000:00/0000:{3 + number:02x}:00.0"
    hwmon = device / f"hwmon/hwmon{number}"
    hwmon.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "unique_id").write_text(f"{number}abcdef\n")
    for name, text in files.items():
        (hwmon / name).write_text(f"{text}\n")
    drm = root / f"sys/class/drm/card{number}"
    drm.mkdir(parents=True)
    (drm / "device").symlink_to(device)
    (root / f"sys/class/drm/card{number}-DP-1").mkdir()
    return hwmon


class Machine:
    """`AmdGpu` on the tree under `root`, without amdsmi, at a moment that the test sets."""

    def __init__(self, root: Path, **environ: str) -> None:
        self.now_s = 0.0
        self.gpus = AmdGpu.open(cast(Host, SimpleNamespace(root=root, environ=environ)), lambda: self.now_s)

    def energy_j(self, at_s: float) -> dict[str, float]:
        self.now_s = at_s
        return {domain.device: energy_j for domain, energy_j in self.gpus.energy_j().items()}


# --- the gauge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["power1_average", "power1_input"])
def test_the_gauge_in_microwatts_is_integrated(tmp_path: Path, name: str) -> None:
    hwmon = card(tmp_path, 0, **{name: 100_000_000, "power1_cap": 300_000_000})
    machine = Machine(tmp_path)
    assert machine.energy_j(1.0) == pytest.approx({"amd-gpu0": 100.0})
    (hwmon / name).write_text("200000000\n")
    assert machine.energy_j(2.0) == pytest.approx({"amd-gpu0": 250.0})  # 100 J, and a trapezoid from 100 to 200 W
    domain = machine.gpus.domains[0]
    assert (domain.component, domain.source, domain.quality) == ("gpu", "hwmon-power", "measured")
    assert machine.gpus.power_limit_w == {"amd-gpu0": 300.0}
    assert machine.gpus.idle_w == pytest.approx({"amd-gpu0": 33.0})


def test_a_gauge_that_fails_holds_its_last_power(tmp_path: Path) -> None:
    hwmon = card(tmp_path, 0, power1_average=100_000_000)
    machine = Machine(tmp_path)
    machine.energy_j(1.0)
    (hwmon / "power1_average").write_text("")
    assert machine.energy_j(2.0) == pytest.approx({"amd-gpu0": 200.0})
    assert machine.gpus.faults.during(1.0, 2.0) == ("read-failed:amd-gpu0",)


def test_an_apu_is_the_processor_and_counted_there(tmp_path: Path) -> None:
    card(tmp_path, 0, power1_average=15_000_000, in1_label="vddnb")
    with pytest.raises(SourceUnavailable, match="no AMD or Intel GPU"):
        Machine(tmp_path)


def test_a_card_whose_sensor_does_not_answer_is_absent_and_flagged(tmp_path: Path) -> None:
    card(tmp_path, 0, power1_average="")  # the second die of an MI250 has none
    card(tmp_path, 1, power1_average=100_000_000)
    machine = Machine(tmp_path)
    assert machine.energy_j(1.0) == pytest.approx({"amd-gpu1": 100.0})
    assert list(machine.gpus.refused) == ["amd-gpu0"]
    assert machine.gpus.faults.during(0.0, 1.0) == ("not-metered:amd-gpu0",)


def test_a_card_that_sleeps_counts_nothing(tmp_path: Path) -> None:
    hwmon = card(tmp_path, 0, power1_average=100_000_000)
    power = hwmon.parents[1] / "power"
    power.mkdir()
    (power / "control").write_text("auto\n")
    (power / "runtime_status").write_text("suspended\n")
    machine = Machine(tmp_path)
    assert machine.energy_j(1.0) == {"amd-gpu0": 0.0}
    assert machine.gpus.presence(frozenset({7})) == {"amd-gpu0": "empty"}


def test_a_machine_without_cards_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="no AMD or Intel GPU"):
        Machine(tmp_path)


def test_the_environment_says_which_devices_are_ours(tmp_path: Path) -> None:
    for number in range(2):
        card(tmp_path, number, power1_average=100_000_000)
    assert Machine(tmp_path).gpus.allotted == ()
    assert Machine(tmp_path, HIP_VISIBLE_DEVICES="1").gpus.allotted == ("amd-gpu1",)
    assert Machine(tmp_path, ROCR_VISIBLE_DEVICES="GPU-0abc").gpus.allotted == ("amd-gpu0",)


@pytest.mark.parametrize(
    ("listed", "cards", "who"),
    [
        ((), 1, "empty"),
        ((7,), 1, "alone"),
        ((7, 9), 1, "shared"),
        ((9,), 1, "absent"),
        ((7,), 2, "unknown"),  # on one of them
        ((9,), 2, "absent"),
        (None, 1, "empty"),  # no ROCm
    ],
)
def test_who_computes_as_the_kernel_s_kfd_tells(
    tmp_path: Path, listed: Sequence[int] | None, cards: int, who: str
) -> None:
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[4026531836]")
    for number in range(cards):
        card(tmp_path, number, power1_average=100_000_000)
    if listed is not None:
        (tmp_path / "sys/class/kfd/kfd/proc").mkdir(parents=True)
        for pid in listed:
            (tmp_path / f"sys/class/kfd/kfd/proc/{pid}").mkdir()
    presence = Machine(tmp_path).gpus.presence(frozenset({7}))
    assert set(presence.values()) == {who}


# --- Intel -------------------------------------------------------------------------------------------------


def test_intel_s_counter_in_microjoules(tmp_path: Path) -> None:
    hwmon = card(tmp_path, 0, "0x8086", energy1_input=5_000_000, power1_max=0, power1_rated_max=225_000_000)
    machine = Machine(tmp_path)
    (hwmon / "energy1_input").write_text("105000000\n")
    assert machine.energy_j(1.0) == pytest.approx({"intel-gpu0": 100.0})
    assert machine.gpus.power_limit_w == {"intel-gpu0": 225.0}
    assert machine.gpus.domains[0].source == "hwmon-energy"


def test_intel_s_integrated_gpu_has_no_counter_and_is_the_processor_s(tmp_path: Path) -> None:
    card(tmp_path, 0, "0x8086")
    card(tmp_path, 1, power1_average=100_000_000)
    assert list(Machine(tmp_path).energy_j(1.0)) == ["amd-gpu0"]


def test_only_a_process_with_level_zero_may_be_on_an_intel_gpu(tmp_path: Path) -> None:
    card(tmp_path, 0, "0x8086", energy1_input=0)
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/maps").write_text("7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libze_intel_gpu.so.1\n")
    gpus = Machine(tmp_path).gpus
    assert gpus.presence(frozenset({7})) == {"intel-gpu0": "unknown"}
    assert gpus.presence(frozenset({8})) == {"intel-gpu0": "empty"}


# --- amdsmi's counter --------------------------------------------------------------------------------------

READER = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
from jupyter_carbon.power.amd_gpu import AmdGpu

asked = json.loads(sys.stdin.read())
moment, energy_j, gpus = [0.0], [], None
for t_s, watts, device in asked["trace"]:
    moment[0] = t_s
    Path(asked["gauge"]).write_text(str(watts * 1_000_000))
    Path(os.environ["FAKE_AMDSMI"]).write_text(json.dumps({"0000:03:00.0": device}))
    if gpus is None:
        host = SimpleNamespace(root=Path(asked["root"]), environ={})
        gpus = AmdGpu.open(host, lambda: moment[0])
    energy_j.append(list(gpus.energy_j().values())[0])
presence = gpus.presence(frozenset({7}))
faults = gpus.faults.during(0.0, moment[0])
source = gpus.domains[0].source
gpus.close()
print(json.dumps({"energy_j": energy_j, "faults": faults, "presence": presence, "source": source}))
"""


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module, and beside it a library that can be loaded, as in ROCm's own package."""
    folder = tmp_path_factory.mktemp("vendor")
    (folder / "amdsmi").mkdir()
    (folder / "amdsmi/__init__.py").write_text((VENDOR / "amdsmi/__init__.py").read_text())
    words = ["cc", "-shared", "-x", "c", "-o", str(folder / "amdsmi/libamd_smi.so"), "/dev/null"]
    subprocess.run(words, check=True, timeout=60)
    return folder


def read(vendor: Path, folder: Path, trace: list[tuple[float, int, dict[str, Any]]], fault: str = "") -> dict[str, Any]:
    """One card: at each second of the trace its gauge shows so many watts, and its counter so many joules."""
    hwmon = card(folder, 0, power1_average=0)
    environ = {
        **os.environ,
        "PYTHONPATH": str(vendor),
        "FAKE_AMDSMI": str(folder / "amdsmi.json"),
        "FAKE_AMDSMI_FAULT": fault,
    }
    asked = json.dumps({"root": str(folder), "gauge": str(hwmon / "power1_average"), "trace": trace})
    words = [sys.executable, "-c", READER]
    done = subprocess.run(words, env=environ, input=asked, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_counter_that_agrees_with_the_gauge_is_believed_and_sees_more(vendor: Path, tmp_path: Path) -> None:
    trace = [(float(s), 100, {"energy_j": 5000 + 100 * s}) for s in range(7)]
    burst = (7.0, 100, {"energy_j": 5000 + 850})  # 250 J in a second at whose ends the gauge shows 100 W
    answer = read(vendor, tmp_path, [*trace, burst])
    assert answer["energy_j"] == pytest.approx([0, 100, 200, 300, 400, 500, 600, 850], abs=1e-3)
    assert answer["source"] == "amdsmi-energy"
    assert answer["faults"] == []


@pytest.mark.parametrize("counted_w", [0, 1])
def test_a_counter_that_is_frozen_or_far_too_low_is_given_up(vendor: Path, tmp_path: Path, counted_w: int) -> None:
    trace = [(float(s), 100, {"energy_j": counted_w * s}) for s in range(10)]
    answer = read(vendor, tmp_path, trace)
    assert answer["energy_j"] == pytest.approx([100.0 * s for s in range(10)])
    assert answer["faults"] == ["counter-wrong:amd-gpu0"]


def test_the_counter_s_old_name(vendor: Path, tmp_path: Path) -> None:
    trace = [(float(s), 100, {"energy_j": 100 * s}) for s in range(7)]
    answer = read(vendor, tmp_path, [*trace, (7.0, 100, {"energy_j": 850})], fault="old_name")
    assert answer["energy_j"][-1] == pytest.approx(850.0, abs=1e-3)


def test_a_guest_without_a_counter_has_its_gauge(vendor: Path, tmp_path: Path) -> None:
    answer = read(vendor, tmp_path, [(float(s), 100, {"error": 2}) for s in range(3)])
    assert answer["energy_j"] == pytest.approx([0, 100, 200])
    assert answer["source"] == "hwmon-power"


def test_a_library_that_does_not_start_leaves_the_gauge(vendor: Path, tmp_path: Path) -> None:
    answer = read(vendor, tmp_path, [(float(s), 100, {"energy_j": 0}) for s in range(3)], fault="init_error")
    assert answer["source"] == "hwmon-power"


def test_who_computes_as_amdsmi_tells(vendor: Path, tmp_path: Path) -> None:
    answer = read(vendor, tmp_path, [(0.0, 100, {"energy_j": 0, "pids": [7, 9]})])
    assert answer["presence"] == {"amd-gpu0": "shared"}


def test_without_its_library_amdsmi_is_not_imported_and_prints_nothing(tmp_path: Path) -> None:
    package = tmp_path / "vendor/amdsmi"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("print('Unable to find libamd_smi.so library')\n")
    answer = read(tmp_path / "vendor", tmp_path, [(0.0, 100, {"energy_j": 0})])  # a printed line would be no JSON
    assert answer["source"] == "hwmon-power"


def test_a_long_pause_is_not_held_against_the_counter() -> None:
    faults, now_s, joules = FaultLog(), [0.0], {"counter": 0.0, "gauge": 0.0}
    checked = CheckedCounter(
        lambda: joules["counter"], lambda: joules["gauge"], device="amd-gpu0", faults=faults, clock=lambda: now_s[0]
    )
    now_s[0], joules["counter"], joules["gauge"] = 60.0, 3000.0, 600.0  # a burst that nobody saw but the counter
    assert checked.energy_j() == 600.0
    for second in range(1, 6):
        now_s[0], joules["counter"], joules["gauge"] = 60.0 + second, 3000.0 + 10 * second, 600.0 + 10 * second
        assert checked.energy_j() == 600.0 + 10 * second
    now_s[0], joules["counter"] = 66.0, 3100.0
    assert checked.energy_j() == 700.0
    assert not faults
