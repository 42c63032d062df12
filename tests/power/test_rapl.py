from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from power.powercap import (
    AMD_MAX_UJ,
    CLASS,
    DEVICES,
    INTEL_MAX_UJ,
    Clock,
    Powercap,
    Zone,
    dies,
    laptop,
    one_socket,
    two_sockets,
)

from jupyter_carbon.model import Interval, SourceUnavailable
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.rapl import POWERCAP_SETTING, REMEDY, Rapl

MakeHost = Callable[..., Host]

J = 1e-6
"""Joules may be off by one count of the file, a microjoule."""


class Session:
    """A source on a clock: joules by device since it was opened."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self.clock = clock
        self.rapl = Rapl.open(host, clock=clock, suspended_s=clock.suspended)

    def after(self, seconds: float) -> dict[str, float]:
        self.clock.s += seconds
        return {domain.device: energy_j for domain, energy_j in self.rapl.energy_j().items()}

    def last(self, seconds: float) -> tuple[str, ...]:
        return self.rapl.faults.during(self.clock.s - seconds, self.clock.s)


@pytest.fixture
def session(host: MakeHost, clock: Clock) -> Callable[..., Session]:
    return lambda **fields: Session(host(**fields), clock)


def refusal(host: Host) -> str:
    with pytest.raises(SourceUnavailable) as caught:
        Rapl.open(host)
    return str(caught.value)


# --- what is added -------------------------------------------------------------------------------------------


def test_a_package_is_counted_and_what_lies_inside_it_is_not(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zones = one_socket(powercap)
    metered = session()
    zones["package"].add_j(97.5)
    zones["core"].add_j(69.0)
    zones["uncore"].add_j(12.0)
    assert metered.after(1) == {"package-0": pytest.approx(97.5, abs=J)}


def test_memory_lies_outside_the_package_and_psys_and_mmio_hold_it_once_more(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zones = laptop(powercap)
    metered = session()
    for zone, joules in {"package": 20, "core": 12, "uncore": 3, "dram": 4, "psys": 35, "mmio": 20}.items():
        zones[zone].add_j(joules)
    assert metered.after(1) == {"package-0": pytest.approx(20, abs=J), "dram-0": pytest.approx(4, abs=J)}
    assert not metered.rapl.faults


def test_mmio_is_the_same_package_whatever_its_number(powercap: Powercap, session: Callable[..., Session]) -> None:
    powercap.zone("intel-rapl:0", "psys")
    twin = powercap.zone("intel-rapl-mmio:0", "package-0")
    zone = powercap.zone("intel-rapl:1", "package-0")
    metered = session()
    zone.add_j(20)
    twin.add_j(19)
    assert metered.after(1) == {"package-0": pytest.approx(20, abs=J)}
    assert not metered.rapl.faults


def test_a_window_of_a_fraction_of_a_second_is_exact(powercap: Powercap, session: Callable[..., Session]) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0")
    metered = session()
    zone.add_j(13.37)
    assert metered.after(0.4) == {"package-0": pytest.approx(13.37, abs=J)}


def test_two_sockets_keep_their_memory_apart(powercap: Powercap, session: Callable[..., Session]) -> None:
    zones = two_sockets(powercap)
    metered = session(sockets=2, tdp_w=200.0)
    trace_j = {"package-0": 81.25, "dram-0": 9.5, "package-1": 40.125, "dram-1": 3.25}
    for zone, joules in trace_j.items():
        zones[zone].add_j(joules)
    assert metered.after(1) == {device: pytest.approx(joules, abs=J) for device, joules in trace_j.items()}


def test_zones_are_known_by_their_names_not_by_their_numbers(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zones = {
        "psys": powercap.zone("intel-rapl:1", "psys"),
        "package-0": powercap.zone("intel-rapl:3", "package-0"),
        "package-1-die-0": powercap.zone("intel-rapl:10", "package-1-die-0"),
        "dram-1": powercap.zone("intel-rapl:10:2", "dram"),
    }
    metered = session(sockets=2, tdp_w=200.0)
    for zone, joules in {"psys": 90, "package-0": 30, "package-1-die-0": 25, "dram-1": 5}.items():
        zones[zone].add_j(joules)
    assert metered.after(1) == {
        "package-0": pytest.approx(30, abs=J),
        "package-1-die-0": pytest.approx(25, abs=J),
        "dram-1": pytest.approx(5, abs=J),
    }


def test_mmio_stands_in_for_a_package_that_msr_does_not_show(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zone = powercap.zone("intel-rapl-mmio:0", "package-0")
    metered = session()
    zone.add_j(15)
    assert metered.after(1) == {"package-0": pytest.approx(15, abs=J)}


def test_the_platform_stands_in_where_there_is_no_package(powercap: Powercap, session: Callable[..., Session]) -> None:
    zone = powercap.zone("intel-rapl:0", "psys")
    metered = session()
    zone.add_j(28)
    assert metered.after(1) == {"psys-0": pytest.approx(28, abs=J)}


def test_a_tree_named_by_the_setting_is_read_flat_or_nested(powercap: Powercap, host: MakeHost, tmp_path: Path) -> None:
    zones = two_sockets(powercap)
    for place in (tmp_path / DEVICES, tmp_path / DEVICES / "intel-rapl", tmp_path / CLASS):
        machine = host(root=tmp_path / "nothing", environ={POWERCAP_SETTING: str(place)}, sockets=2, tdp_w=200.0)
        rapl = Rapl.open(machine)
        assert [domain.device for domain in rapl.domains] == ["package-0", "package-1", "dram-0", "dram-1"]
        rapl.close()
    assert zones["package-0"].uj == 1_000_000


def test_every_domain_says_what_it_is(powercap: Powercap, session: Callable[..., Session]) -> None:
    two_sockets(powercap)
    rapl = session(sockets=2, tdp_w=300.0, ram_gb=512.0).rapl
    package, _, dram, _ = rapl.domains
    assert (package.component, package.source, package.quality) == ("cpu", "rapl", "measured")
    assert package.resolution_j == pytest.approx(61.035e-6)
    assert (package.step_s, package.spread) == (0.001, Interval(0.95, 1.0, 1.05))
    assert (dram.component, dram.spread) == ("dram", Interval(0.8, 1.0, 1.2))
    assert dram.resolution_j == pytest.approx(15.258e-6)
    assert rapl.idle_w == pytest.approx({"package-0": 22.5, "package-1": 22.5, "dram-0": 51.2, "dram-1": 51.2})
    assert rapl.power_limit_w == pytest.approx({"package-0": 202.5, "package-1": 202.5, "dram-0": 128, "dram-1": 128})


def test_amds_counter_is_believed_less(powercap: Powercap, session: Callable[..., Session]) -> None:
    powercap.zone("intel-rapl:0", "package-0", max_uj=AMD_MAX_UJ)
    (package,) = session(cpu_model="AMD EPYC 9654 96-Core Processor").rapl.domains
    assert package.spread == Interval(0.85, 1.0, 1.15)


# --- power limits --------------------------------------------------------------------------------------------


def test_the_power_limit_is_the_highest_that_firmware_has_set(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0")
    zone.limits_w(long_w=125, short_w=241)
    assert session().rapl.power_limit_w == {"package-0": pytest.approx(241)}


def test_a_limit_that_says_no_limit_is_none(powercap: Powercap, session: Callable[..., Session]) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0")
    zone.limits_w(long_w=4095, short_w=4095)
    assert session().rapl.power_limit_w == {"package-0": pytest.approx(135)}


def test_a_limit_is_never_below_the_rated_power(powercap: Powercap, session: Callable[..., Session]) -> None:
    powercap.zone("intel-rapl:0", "package-0").limits_w(long_w=15, short_w=20)
    assert session().rapl.power_limit_w == {"package-0": pytest.approx(100)}


@pytest.mark.parametrize(("tdp_w", "limit_w"), [(100.0, 400 * 1.35), (8.0, 250 * 1.35)])
def test_where_the_rated_power_is_a_guess_the_limit_is_its_upper_end_and_a_server_parts_at_least(
    powercap: Powercap, session: Callable[..., Session], tdp_w: float, limit_w: float
) -> None:
    powercap.zone("intel-rapl:0", "package-0")
    metered = session(tdp_w=tdp_w, tdp_known=False, tdp_spread=Interval(0.25, 1.0, 4.0))
    assert metered.rapl.power_limit_w == {"package-0": pytest.approx(limit_w)}
    assert metered.rapl.idle_w == {"package-0": pytest.approx(0.15 * tdp_w)}


def test_a_guest_may_see_the_whole_sockets_counter(powercap: Powercap, session: Callable[..., Session]) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0")
    metered = session(is_vm=True, tdp_w=8.0)
    zone.add_j(180)
    assert metered.after(1) == {"package-0": pytest.approx(180, abs=J)}
    assert not metered.rapl.faults


# --- wraps, resets, gaps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("left_uj", [0, 1, 60, 61, 1_000, 30_000_000, 59_999_999, 60_000_000])
def test_a_wrap_at_every_position_gives_exact_joules(
    powercap: Powercap, session: Callable[..., Session], left_uj: int
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", uj=INTEL_MAX_UJ - left_uj)
    metered = session()
    zone.add_j(60)
    assert metered.after(1) == {"package-0": pytest.approx(60, abs=J)}
    zone.add_j(60)
    assert metered.after(1) == {"package-0": pytest.approx(120, abs=J)}
    assert not metered.rapl.faults


@pytest.mark.parametrize("hide", ["missing", "zero", "unreadable"])
def test_without_a_range_a_fall_is_a_dropped_sample(
    powercap: Powercap, session: Callable[..., Session], hide: str
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", uj=900_000_000)
    file = zone.folder / "max_energy_range_uj"
    if hide == "zero":
        file.write_text("0\n")
    else:
        file.unlink()
    if hide == "unreadable":
        file.mkdir()  # EISDIR for root as well, to whom no mode says no
    metered = session()
    (package,) = metered.rapl.domains
    assert package.resolution_j == 2.0**-14
    zone.add_j(50)
    metered.after(1)
    zone.set(7_000_000)
    assert metered.after(1) == {"package-0": pytest.approx(100, abs=J)}  # 50 W as in the second before
    assert metered.last(1) == ("counter-reset:package-0",)
    zone.add_j(30)
    assert metered.after(1) == {"package-0": pytest.approx(130, abs=J)}
    assert metered.last(1) == ()


def test_an_impossible_difference_is_dropped_and_the_other_socket_kept(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zones = two_sockets(powercap)
    metered = session(sockets=2, tdp_w=200.0)
    for zone in zones.values():
        zone.add_j(20)
    metered.after(1)
    for device, zone in zones.items():
        zone.add_j(5000 if device == "package-1" else 20)
    assert metered.after(1) == {device: pytest.approx(40, abs=J) for device in zones}
    assert metered.last(1) == ("implausible:package-1",)


def test_a_night_between_two_cells_is_filled_with_idle_power(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", max_uj=AMD_MAX_UJ)  # 65.5 kJ at 1.5 x 135 W: 324 s
    metered = session()
    zone.add_j(90)
    metered.after(1)
    zone.add_j(8 * 3600 * 20)
    assert metered.after(8 * 3600) == {"package-0": pytest.approx(90 + 8 * 3600 * 15)}
    assert metered.last(8 * 3600) == ("gap:package-0",)


def test_a_lid_closed_over_noon_costs_its_waking_seconds(powercap: Powercap, session: Callable[..., Session]) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", uj=500_000_000)
    metered = session()
    zone.add_j(40)
    metered.after(1)
    zone.set(0)
    metered.clock.suspended_s += 3600
    assert metered.after(1) == {"package-0": pytest.approx(80, abs=J)}
    assert metered.last(1) == ("suspended:package-0",)


# --- reads that fail, by the means that a system has ----------------------------------------------------------


def reads_eio(zone: Zone) -> None:
    """The kernel opens /proc/self/mem and fails to read at its address 0, with EIO."""
    zone.energy_uj.unlink()
    zone.energy_uj.symlink_to("/proc/self/mem")


def reads_eisdir(zone: Zone) -> None:
    zone.energy_uj.unlink()
    zone.energy_uj.mkdir()


def reads_garbage(zone: Zone) -> None:
    zone.write(b"not a number")


@pytest.mark.parametrize("fail", [reads_eio, reads_eisdir, Zone.empty, reads_garbage])
def test_a_counter_that_cannot_be_read_when_it_is_opened_is_refused_with_its_path(
    powercap: Powercap, host: MakeHost, fail: Callable[[Zone], None]
) -> None:
    zones = two_sockets(powercap)
    fail(zones["package-1"])
    assert "intel-rapl:1" in refusal(host(sockets=2))


@pytest.mark.parametrize("fail", [Zone.empty, reads_garbage])
def test_one_failed_read_in_the_middle_of_a_trace_changes_no_total(
    powercap: Powercap, session: Callable[..., Session], fail: Callable[[Zone], None]
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", uj=INTEL_MAX_UJ - 75_000_000)  # wraps in the failing second
    metered = session()
    zone.add_j(50)
    assert metered.after(1) == {"package-0": pytest.approx(50, abs=J)}
    uj = zone.uj
    fail(zone)
    assert metered.after(1) == {"package-0": pytest.approx(100, abs=J)}
    assert metered.last(1) == ("read-failed:package-0",)
    zone.uj = uj
    zone.add_j(70 + 50)
    assert metered.after(1) == {"package-0": pytest.approx(170, abs=J)}
    zone.add_j(50)
    assert metered.after(1) == {"package-0": pytest.approx(220, abs=J)}
    assert metered.last(1) == ()


def test_a_read_that_fails_with_eio_is_no_zero_and_no_wrap(powercap: Powercap, session: Callable[..., Session]) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", uj=200_000_000)
    metered = session()
    zone.add_j(50)
    metered.after(1)
    # Under the kept descriptor: the file that answers from here on is one whose reads end in EIO.
    kept = next(fd for fd in os.listdir("/proc/self/fd") if _target(fd) == str(zone.energy_uj.resolve()))
    good = os.dup(int(kept))
    broken = os.open("/proc/self/mem", os.O_RDONLY)
    os.dup2(broken, int(kept))
    assert metered.after(1) == {"package-0": pytest.approx(100, abs=J)}
    assert metered.last(1) == ("read-failed:package-0",)
    os.dup2(good, int(kept))
    zone.add_j(100)
    assert metered.after(1) == {"package-0": pytest.approx(150, abs=J)}
    os.close(good)
    os.close(broken)


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:  # the listing's own descriptor
        return ""


def test_after_close_a_reading_fails_and_reads_no_strangers_file(
    powercap: Powercap, session: Callable[..., Session], tmp_path: Path
) -> None:
    powercap.zone("intel-rapl:0", "package-0", uj=1_000_000)
    metered = session()
    metered.rapl.close()
    (tmp_path / "stranger").write_text("51000000\n")
    stranger = os.open(tmp_path / "stranger", os.O_RDONLY)  # gets the number that is free again
    assert metered.after(1) == {"package-0": pytest.approx(15)}  # idle power
    assert metered.last(1) == ("read-failed:package-0",)
    os.close(stranger)


def test_memory_that_cannot_be_read_is_left_to_its_model(powercap: Powercap, session: Callable[..., Session]) -> None:
    zones = two_sockets(powercap)
    zones["dram-1"].empty()
    rapl = session(sockets=2).rapl
    assert [domain.device for domain in rapl.domains] == ["package-0", "package-1"]
    assert set(rapl.idle_w) == set(rapl.power_limit_w) == {"package-0", "package-1"}


# --- refusals ------------------------------------------------------------------------------------------------

AS_NOBODY = """
import os, sys
from dataclasses import replace
from pathlib import Path
from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.rapl import Rapl

root = Path(sys.argv[1])
host = Host.detect(root, {})
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Rapl.open(host)
except SourceUnavailable as err:
    print(err)
"""


def test_a_counter_that_is_roots_alone_is_refused_with_the_way_out(tmp_path: Path) -> None:
    # Not in tmp_path: its parents are closed to other users.
    root = Path("/tmp") / f"powercap-{os.getpid()}-{tmp_path.name}"
    root.mkdir(mode=0o755)
    try:
        zone = Powercap(root).zone("intel-rapl:0", "package-0")
        zone.deny()
        if os.getuid() != 0:
            zone.energy_uj.chmod(0o000)
        said = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(root)], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    finally:
        shutil.rmtree(root)
    assert "intel-rapl:0/energy_uj is not readable" in said
    assert "`jupyter carbon doctor`" in said


def test_the_remedy_is_a_rule_for_a_group_that_lasts() -> None:
    assert "/etc/udev/rules.d/70-rapl-energy.rules" in REMEDY
    assert "chgrp energy energy_uj" in REMEDY
    assert "chmod g+r" in REMEDY
    assert "o+r" not in REMEDY
    assert "a+r" not in REMEDY


def test_no_powercap_at_all_is_said(host: MakeHost, tmp_path: Path) -> None:
    assert "shows no RAPL energy counter" in refusal(host())
    (tmp_path / CLASS).mkdir(parents=True)
    assert "shows no RAPL energy counter" in refusal(host())


def test_links_that_lead_nowhere_are_a_container_and_say_what_to_mount(powercap: Powercap, host: MakeHost) -> None:
    two_sockets(powercap)
    shutil.rmtree(powercap.root / DEVICES)
    with pytest.raises(SourceUnavailable, match="lead nowhere") as refused:
        Rapl.open(host())
    assert "another path" in refused.value.remedy
    assert POWERCAP_SETTING in refused.value.remedy


def test_zones_without_a_package_are_said(powercap: Powercap, host: MakeHost) -> None:
    powercap.zone("intel-rapl:0", "something-new")
    assert "neither a CPU package nor the platform" in refusal(host())


def test_a_counter_at_zero_without_a_range_is_dead(powercap: Powercap, host: MakeHost) -> None:
    powercap.zone("intel-rapl:0", "package-0", uj=0, max_uj=None)
    assert "dead counter" in refusal(host())


def test_a_refused_tree_leaves_no_descriptor_open(powercap: Powercap, host: MakeHost) -> None:
    zones = two_sockets(powercap)
    zones["package-1"].empty()
    before = len(os.listdir("/proc/self/fd"))
    refusal(host(sockets=2))
    assert len(os.listdir("/proc/self/fd")) == before


# --- dies ----------------------------------------------------------------------------------------------------


def test_mirrored_dies_are_one_meter(powercap: Powercap, session: Callable[..., Session]) -> None:
    mirrors = dies(powercap)
    metered = session()
    for second in range(1, 6):
        for zone in mirrors:
            zone.add_j(68)
        assert metered.after(1) == {"package-0": pytest.approx(68 * second, abs=J)}
    assert metered.rapl.faults.during(1000, 1002) == ("dies-undecided:package-0",)
    assert metered.rapl.faults.during(1002, 1005) == ()


def test_mirrored_dies_read_on_both_sides_of_a_step_are_one_meter(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    first, second = dies(powercap)
    metered = session()
    first.add_j(68)
    second.add_j(68 + 0.068)  # read after the next step
    metered.after(1)
    first.add_j(68)
    second.add_j(68 - 0.068)
    assert metered.after(1) == {"package-0": pytest.approx(136, abs=J)}
    first.add_j(680)
    second.add_j(680)
    assert metered.after(10) == {"package-0": pytest.approx(816, abs=J)}
    assert metered.last(10) == ()


def test_mirrored_dies_that_are_read_slowly_are_one_meter(powercap: Powercap, host: MakeHost, clock: Clock) -> None:
    first, second = dies(powercap)

    def busy_clock() -> float:
        clock.s += 0.004  # the core is lost between any two looks at the clock
        return clock.s

    rapl = Rapl.open(host(), clock=busy_clock, suspended_s=clock.suspended)
    for lead_j in (0.4, -0.4):  # what 68 W draw between the two reads
        first.add_j(13_600)
        second.add_j(13_600 + lead_j)
        clock.s += 200
        rapl.energy_j()
    assert sum(rapl.energy_j().values()) == pytest.approx(27_200, abs=J)
    decided_s = clock.s
    rapl.energy_j()
    assert rapl.faults.during(decided_s, clock.s) == ()


def test_different_dies_are_both_counted_from_the_first_second_on(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    first, second = dies(powercap)
    metered = session()
    first.add_j(68)
    second.add_j(67.5)  # 0.7 % less: two parts, not two looks at one
    assert metered.after(1) == {"package-0": pytest.approx(135.5, abs=J)}
    first.add_j(10)
    second.add_j(10)
    assert metered.after(1) == {"package-0": pytest.approx(155.5, abs=J)}
    assert metered.last(1) == ()


def test_dies_that_differ_in_the_second_interval_get_back_what_was_left_out(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    first, second = dies(powercap)
    metered = session()
    first.add_j(40)
    second.add_j(40)
    assert metered.after(1) == {"package-0": pytest.approx(40, abs=J)}
    first.add_j(60)
    second.add_j(20)
    assert metered.after(1) == {"package-0": pytest.approx(160, abs=J)}
    assert metered.rapl.faults.during(1000, 1002) == ("dies-undecided:package-0",)


def test_an_interval_too_short_to_tell_decides_nothing(powercap: Powercap, session: Callable[..., Session]) -> None:
    first, second = dies(powercap)
    metered = session()
    for _ in range(4):
        first.add_j(1.0)
        second.add_j(1.004)
        assert metered.after(0.01)["package-0"] == pytest.approx(first.uj * 1e-6 - 1, abs=J)
        assert metered.last(0.01) == ("dies-undecided:package-0",)
    first.add_j(96.0)
    second.add_j(90.0)
    assert metered.after(0.96) == {"package-0": pytest.approx(100 + 94.016, abs=J)}


def test_dies_that_hardly_move_stay_undecided(powercap: Powercap, session: Callable[..., Session]) -> None:
    zones = dies(powercap)
    metered = session()
    for millijoules in (1, 2):
        for zone in zones:
            zone.add_j(0.001)
        assert metered.after(1) == {"package-0": pytest.approx(millijoules * 1e-3)}
    assert metered.last(1) == ("dies-undecided:package-0",)


def test_an_interval_with_a_failed_read_decides_nothing(powercap: Powercap, session: Callable[..., Session]) -> None:
    first, second = dies(powercap)
    metered = session()
    uj = second.uj
    second.empty()
    first.add_j(68)
    metered.after(1)
    second.uj = uj
    second.add_j(68)
    for _ in range(4):
        first.add_j(68)
        second.add_j(68)
        metered.after(1)
    assert metered.after(0) == {"package-0": pytest.approx(5 * 68, abs=J)}
    assert metered.last(1) == ()


def test_four_dies_of_which_two_and_two_are_copies_are_two(powercap: Powercap, session: Callable[..., Session]) -> None:
    zones = dies(powercap, 4)
    metered = session(tdp_w=200.0)
    for _ in range(3):
        for zone, joules in zip(zones, (50, 50, 30, 30), strict=True):
            zone.add_j(joules)
        last_j = metered.after(1)
    assert last_j == {"package-0": pytest.approx(3 * 80, abs=J)}


def test_the_memory_of_two_dies_is_told_apart_in_the_same_way(
    powercap: Powercap, session: Callable[..., Session]
) -> None:
    packages = dies(powercap, max_uj=INTEL_MAX_UJ)
    drams = [powercap.zone(f"intel-rapl:{i}:0", "dram", max_uj=AMD_MAX_UJ) for i in range(2)]
    metered = session()
    for zone, joules in zip([*packages, *drams], (50, 45, 6, 4), strict=True):
        zone.add_j(joules)
    assert metered.after(1) == {"package-0": pytest.approx(95, abs=J), "dram-0": pytest.approx(10, abs=J)}


def test_a_counter_that_stands_still_is_in_doubt_until_it_tells_what_it_missed(
    powercap: Powercap, host: MakeHost, clock: Clock
) -> None:
    """50 J that all come at once after a second of nothing, as on a fake or behind a lazy hypervisor: more than the
    last 0.1 s can hold, not more than all of it."""
    zone = powercap.zone("intel-rapl:0", "package-0")
    rapl, from_s = Rapl.open(host(), clock=clock, suspended_s=clock.suspended), clock.s
    for _ in range(10):
        clock.s += 0.1
        assert set(rapl.energy_j().values()) == {0.0}
    assert rapl.faults.during(from_s, clock.s) == ("stuck:package-0",)
    assert rapl.faults.filled_s(from_s, clock.s) == {"package-0": pytest.approx(1.0)}
    clock.s += 0.1
    zone.add_j(50.0)
    assert list(rapl.energy_j().values()) == [pytest.approx(50.0, abs=J)]
    assert rapl.faults.filled_s(from_s, clock.s) == {}


# --- two threads ---------------------------------------------------------------------------------------------


def test_two_threads_that_read_under_a_lock_see_joules_that_never_fall(
    powercap: Powercap, host: MakeHost, clock: Clock
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0", uj=299_000_000, max_uj=300_000_000)
    rapl = Rapl.open(host(), clock=clock, suspended_s=clock.suspended)
    lock, said_j, reads = threading.Lock(), [0.0], 50_000

    def read() -> None:
        for i in range(reads):
            with lock:
                clock.s += 0.001
                if i % 20 == 0:  # it moves, if not each millisecond
                    zone.add_j(0.0025)
                said_j.extend(rapl.energy_j().values())

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said_j) == 1 + 2 * reads
    assert said_j == sorted(said_j)
    assert said_j[-1] == pytest.approx(2 * (reads / 100) * 0.0125, abs=1e-3)  # through one wrap
    assert not rapl.faults


# --- how often it moves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("every_ms", "edge_s"), [(1, {}), (10, {"package-0": 0.01}), (100, {"package-0": 0.1})])
def test_a_counter_that_moves_more_seldom_than_it_should_is_found_out(
    powercap: Powercap, session: Callable[..., Session], every_ms: int, edge_s: dict[str, float]
) -> None:
    zone = powercap.zone("intel-rapl:0", "package-0")
    metered = session()
    for look_ms in range(2000):
        if look_ms % every_ms == 0:
            zone.add_j(0.06 * every_ms)
        metered.rapl.watch()
        metered.clock.s += 0.001
    assert metered.rapl.edge_s() == pytest.approx(edge_s)
    assert metered.rapl.watch() == 0.1  # it is known, so the quick looks are over
