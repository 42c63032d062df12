"""Each fault that bit a peer (METERING, section 10) and the test that keeps it from us.

`FAULTS` is the index.  What no other module tests stands here, end to end: a session on a machine in a folder, real
processes, a real clock.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.nvml.machine import build
from machine import Machine, sessions
from power.powercap import AMD_MAX_UJ, INTEL_MAX_UJ, Zone, laptop, restless, two_sockets

from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import CellRecord, Share
from jupyter_carbon.power.cpu_model import FULL_OF_TDP, IDLE_OF_TDP
from jupyter_carbon.session import Session

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "jupyter_carbon"

FAULTS = {
    "load reads 0 % in timer threads": ["test_faults::test_work_metered_from_another_thread_is_all_counted"],
    "utilisation 0.0 under full load: two calls in a row": [
        "test_faults::test_however_often_it_is_looked_at_the_share_stays",
        "power/test_cpu_time::test_two_readings_in_a_row_are_equal",
    ],
    "blocks under 50 ms lose their last sample": [
        "test_faults::test_energy_follows_cpu_seconds_down_to_a_millisecond",
        "meter/test_attribution::test_a_window_below_the_counters_step_is_modelled_with_an_upper_bound",
    ],
    "offline becomes Quebec": ["test_session::test_a_place_that_nobody_named_is_flagged"],
    "a failed read adds 262,044 J": [
        "test_faults::test_a_read_that_fails_in_mid_cell_changes_no_total_and_flags_that_cell_alone",
        "power/test_rapl::test_one_failed_read_in_the_middle_of_a_trace_changes_no_total",
    ],
    "negative energy without max range": ["power/test_rapl::test_without_a_range_a_fall_is_a_dropped_sample"],
    "DRAM adds nothing, two sockets' merged by name": ["test_faults::test_two_sockets_with_memory_to_the_joule"],
    "mirrored dies doubled": [
        "power/test_rapl::test_mirrored_dies_are_one_meter",
        "power/test_rapl::test_different_dies_are_both_counted_from_the_first_second_on",
    ],
    "psys counted as one more CPU": ["test_faults::test_what_lies_inside_or_around_a_package_is_not_added"],
    "core + package summed": ["test_faults::test_what_lies_inside_or_around_a_package_is_not_added"],
    "a wrap seen as 0 W or a lost sample": [
        "test_faults::test_a_wrap_in_a_cell_is_exact",
        "power/test_rapl::test_a_wrap_at_every_position_gives_exact_joules",
    ],
    "package domain named only package-N": [
        "power/test_rapl::test_zones_are_known_by_their_names_not_by_their_numbers"
    ],
    "DRAM subtracted from the package": ["test_faults::test_two_sockets_with_memory_to_the_joule"],
    "GPU without counter = 0 kWh and a traceback": [
        "test_faults::test_a_gpu_with_or_without_a_counter_is_in_the_row",
        "power/test_nvml::test_a_card_without_a_counter_has_its_gauge_integrated",
    ],
    "GPU counter reset negative": [
        "power/test_nvml::test_a_counter_that_starts_again_is_flagged_and_never_negative",
        "test_faults::test_a_counter_that_starts_again_in_mid_cell_is_flagged_and_its_neighbours_are_right",
    ],
    "every visible GPU billed": [
        "test_faults::test_of_two_gpus_only_the_one_we_compute_on_is_ours",
        "power/test_nvml::test_two_ranks_never_add_up_to_more_than_the_card",
    ],
    "UUID in CUDA_VISIBLE_DEVICES = all GPUs": ["power/test_nvml::test_the_environment_says_which_devices_are_ours"],
    "MIG matched by uuid only": ["power/test_nvml::test_a_mig_instance_has_its_slices_of_the_card"],
    "the whole machine billed to the process": [
        "test_faults::test_two_kernels_at_three_to_one_get_three_to_one_and_no_more_than_the_machine"
    ],
    "children missed: only the own pid": [
        "notebook/test_whose::test_a_second_of_work_costs_the_same_wherever_the_cell_lets_it_run",
        "meter/test_processes::test_a_child_is_counted_once_when_it_is_reaped",
    ],
    "RAM flat by machine size": [
        "power/test_ram::test_a_sleeping_cell_in_a_group_of_2_gb_on_a_host_of_512_draws_less_than_a_watt"
    ],
    "Mac: 85 W constant, sudo prompt": ["power/test_apple::test_no_process_is_started"],
    "no lock between timer and main thread": [
        "meter/test_meter::test_reading_from_two_threads_loses_nothing",
        "power/test_rapl::test_two_threads_that_read_under_a_lock_see_joules_that_never_fall",
    ],
    "network time inside the first task's energy": [
        "test_faults::test_on_a_cells_path_is_no_network_no_import_no_thread_no_process_and_no_open"
    ],
    "another instance is running, after a crash": [
        "test_session::test_a_killed_session_leaves_finished_cells_and_the_last_one_as_crashed",
        "test_faults::test_after_a_crash_the_next_start_works",
    ],
    "cannot start again after stop, one task only": [
        "test_api::test_the_same_measure_may_be_used_again_but_not_inside_itself",
        "test_api::test_a_block_in_a_block_is_a_part_of_it_and_no_row",
        "notebook/test_extension::test_it_can_be_loaded_again",
    ],
    "a tracker error kills the kernel by exit": [
        "test_faults::test_every_counter_failing_leaves_the_cell_its_row_with_flags",
        "notebook/test_hooks::test_a_fault_of_ours_is_one_warning_and_the_doctor_knows",
    ],
    "an exception in the block loses the window": [
        "notebook/test_rows::test_the_status_is_how_the_cell_ended",
        "test_api::test_how_a_block_ends_is_its_status_and_the_error_is_the_users",
    ],
    "a second tracker in one kernel raises": [
        "notebook/test_extension::test_loading_twice_is_loading_once",
        "test_session::test_idle_power_and_memory_are_shared_among_the_sessions_alive",
    ],
    "delta divided by rounded whole seconds": ["power/test_rapl::test_a_window_of_a_fraction_of_a_second_is_exact"],
    "instant watts stretched over 10 s; half the time unobserved": [
        "power/test_nvml::test_a_square_wave_through_a_mean_gauge_stays_within_the_stated_range"
    ],
    "idle baseline slept 1e-9 of its time": ["meter/test_meter::test_idle_power_is_learned_while_the_machine_rests"],
    "12-digit prints, INFO noise, handlers reset": [
        "test_session::test_nothing_is_printed_and_nothing_logged_above_debug",
        "notebook/test_extension::test_the_host_keeps_its_loggers_signals_and_streams",
    ],
    "remote text executed with eval, no timeout": [
        "test_faults::test_nothing_is_evaluated_and_every_request_has_a_timeout"
    ],
    "a load model hides in measured totals; constant watts asleep or busy": [
        "notebook/test_rows::test_every_number_says_how_it_is_known_and_the_machine_holds_the_part",
        "power/test_cpu_model::test_a_sleeping_machine_reads_idle_only",
    ],
    "scheduler misfire spam": ["test_faults::test_a_machine_that_stalls_says_nothing_and_its_window_is_exact"],
    "class on a Hub stops writing, no error": [
        "test_session::test_a_ledger_that_cannot_be_written_costs_one_warning_and_no_cell",
        "test_session::test_rows_that_waited_for_the_disk_are_written_when_it_is_back",
        "notebook/test_hooks::test_a_badge_says_when_rows_are_not_written",
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_peer_has_its_test(fault):
    for name in FAULTS[fault]:
        module, _, function = name.partition("::")
        tree = ast.parse((TESTS / f"{module}.py").read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


# --- a session on a machine in a folder -----------------------------------------------------------------------------

SHELL = object()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def open_session(machine: Machine) -> Iterator[Callable[..., Session]]:
    with sessions(machine) as open_one:
        yield open_one


def rows(machine: Machine) -> dict[str | None, CellRecord]:
    return {row.run.label: row for row in Ledger.open(machine.ledger).records()}


def cell(session: Session, label: str, *acts: Callable[[], object]) -> None:
    running = session.begin("1", label=label, owner=SHELL)
    for act in acts:
        time.sleep(0.02)
        act()
    session.end(running)


def share(record: CellRecord, device: str) -> Share:
    return next(share for share in record.shares if share.domain.device == device)


def machine_j(record: CellRecord, device: str = "package-0") -> float:
    return share(record, device).machine_energy_j.likely


def looked_at(session: Session) -> None:
    """As the ticker does each second."""
    session.meter.tick()


def test_a_read_that_fails_in_mid_cell_changes_no_total_and_flags_that_cell_alone(machine, open_session):
    package = machine.package()
    with package.restless():
        session = open_session()
        cell(session, "before", lambda: package.draw(5))
        cell(
            session,
            "struck",
            lambda: package.draw(3),
            lambda: looked_at(session),
            package.empty,
            lambda: looked_at(session),
            lambda: package.draw(4),  # the counter went on
            lambda: looked_at(session),
        )
        cell(session, "after", lambda: package.draw(6))
    told = rows(machine)
    assert [machine_j(told[label]) for label in ("before", "struck", "after")] == pytest.approx([5, 7, 6], abs=1e-3)
    flags = {label: [flag for flag in row.flags if "package-0" in flag] for label, row in told.items()}
    assert flags == {"before": [], "struck": ["read-failed:package-0"], "after": []}


def test_every_counter_failing_leaves_the_cell_its_row_with_flags(machine, open_session):
    zones = two_sockets(machine.powercap)
    with restless(zones.values()):
        session = open_session()
        cell(session, "good", *(lambda zone=zone: zone.draw(1) for zone in zones.values()))
    cell(session, "blind", *(zone.empty for zone in zones.values()), lambda: looked_at(session))
    told = rows(machine)
    flags = {flag.partition(":")[2] for flag in told["blind"].flags if flag.startswith("read-failed")}
    assert flags == {"package-0", "package-1", "dram-0", "dram-1"}
    assert all(0 < machine_j(told["blind"], device) < 200 for device in ("package-0", "package-1"))
    assert told["good"].flags == ()


def test_a_counter_that_starts_again_in_mid_cell_is_flagged_and_its_neighbours_are_right(machine, open_session):
    package = machine.package()
    package.set(200_000_000)
    with package.restless():
        session = open_session()
        cell(session, "before", lambda: package.draw(5))
        cell(session, "reset", lambda: package.draw(3), lambda: looked_at(session), lambda: package.set(0))
        cell(session, "after", lambda: package.draw(6))
    told = rows(machine)
    assert [machine_j(told["before"]), machine_j(told["after"])] == pytest.approx([5, 6], abs=1e-3)
    assert 3 <= machine_j(told["reset"]) < 50
    assert "counter-reset:package-0" in told["reset"].flags
    assert told["after"].flags == ()


def test_a_wrap_in_a_cell_is_exact(machine, open_session):
    package = machine.package()
    package.set(INTEL_MAX_UJ - 2_000_000)
    with package.restless():
        session = open_session()
        cell(session, "wrap", lambda: package.draw(5))
    told = rows(machine)["wrap"]
    assert machine_j(told) == pytest.approx(5, abs=1e-3)
    assert told.flags == ()


def test_two_sockets_with_memory_to_the_joule(machine, open_session):
    zones = two_sockets(machine.powercap)
    for zone in zones.values():
        zone.set((zone.max_uj or AMD_MAX_UJ) - 500_000)
    trace = {"package-0": 1.5, "dram-0": 0.25, "package-1": 1.25, "dram-1": 0.75}
    with restless(zones.values()):
        session = open_session()
        cell(session, "trace", *(lambda zone=zone, j=trace[name]: zone.draw(j) for name, zone in zones.items()))
    told = rows(machine)["trace"]
    counted = {s.domain.device: s.machine_energy_j.likely for s in told.shares}
    assert counted == pytest.approx(trace, abs=1e-3)
    assert told.footprint.machine_energy_j.likely == pytest.approx(3.75, abs=1e-3)


def test_what_lies_inside_or_around_a_package_is_not_added(machine, open_session):
    zones = laptop(machine.powercap)
    joules = {"package": 1.0, "core": 0.6, "uncore": 0.2, "dram": 0.5, "psys": 2.5, "mmio": 1.0}
    with restless(zones.values()):
        session = open_session()
        cell(session, "all", *(lambda zone=zone, j=joules[name]: zone.draw(j) for name, zone in zones.items()))
    told = rows(machine)["all"]
    assert {s.domain.device: s.machine_energy_j.likely for s in told.shares} == pytest.approx(
        {"package-0": 1.0, "dram-0": 0.5}, abs=1e-3
    )


# --- work and its seconds -------------------------------------------------------------------------------------------


def burn(cpu_s: float) -> None:
    end_s = time.thread_time() + cpu_s
    while time.thread_time() < end_s:
        pass


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Session]:
    """A session on this very machine, by the load model."""
    from jupyter_carbon.settings import Carbon

    settings = Carbon(region="FR", live=False, ledger=str(tmp_path / "ledger.sqlite"), tdp_w=100.0)
    environ = {"JUPYTER_CARBON_POWERCAP": str(tmp_path / "none")}
    session = Session(settings, environ=environ)
    assert session.wait_until_warm(30)
    yield session
    session.close()


def test_work_metered_from_another_thread_is_all_counted(here):
    windows = []

    def metered() -> None:
        running, began_s = here.begin("1", owner=SHELL), time.process_time()
        burn(0.5)
        all_s = time.process_time() - began_s  # this thread's, and what the others of this process did meanwhile
        here.end(running)
        windows.append((running.window, all_s))

    thread = threading.Thread(target=metered)
    thread.start()
    thread.join()
    ((window, all_s),) = windows
    assert all_s >= 0.5
    assert window.tree_cpu_s == pytest.approx(all_s, rel=0.05)
    assert window.machine_busy_s >= all_s * 0.95


def test_however_often_it_is_looked_at_the_share_stays(here):
    def share_of(looks: int) -> float:
        running = here.begin("1", owner=SHELL)
        for _ in range(20):
            burn(0.02)
            for _ in range(looks):
                here.meter.tick()
        here.end(running)
        assert running.window is not None
        cpu = share(here.record_of(running), "package-0")
        return (cpu.energy_j.likely - cpu.idle_energy_j.likely) / running.window.tree_cpu_s

    assert share_of(5) == pytest.approx(share_of(0), rel=0.05)


@pytest.mark.parametrize("cpu_s", [0.001, 0.01, 0.1])
def test_energy_follows_cpu_seconds_down_to_a_millisecond(here, cpu_s):
    """(0.85 - 0.15) x 100 W over all CPUs: so many joules a CPU second, never none.  A reading that loses its core
    between two counters is off by what others did meanwhile, so the middle one of five is asked."""
    per_cpu_s = (FULL_OF_TDP - IDLE_OF_TDP) * 100.0 / here.host.logical_cpus
    ratios = []
    for _ in range(5):
        running = here.begin("1", owner=SHELL)
        burn(cpu_s)
        here.end(running)
        cpu = share(here.record_of(running), "package-0")
        assert running.window is not None
        assert running.window.tree_cpu_s >= cpu_s
        ratios.append((cpu.energy_j.likely - cpu.idle_energy_j.likely) / (per_cpu_s * running.window.tree_cpu_s))
    assert min(ratios) > 0
    assert sorted(ratios)[2] == pytest.approx(1.0, rel=0.1)


# --- two kernels on one machine -------------------------------------------------------------------------------------

KERNEL = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from machine import Machine
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon
root, cpu_s = Path(sys.argv[2]), float(sys.argv[3])
session = Session(Carbon(region="FR", live=False, ledger=str(root / "ledger.sqlite")), root=root, environ={"TZ": "UTC"})
session.wait_until_warm(30)
print("ready", flush=True)
sys.stdin.readline()
cell = session.begin("1", label=sys.argv[3], owner=object())
end = time.process_time() + cpu_s
while time.process_time() < end: pass
print("burnt", flush=True)
sys.stdin.readline()
session.end(cell)
print("ended", flush=True)
sys.stdin.read()
session.close()
"""


class World:
    """Writes what the kernels read: the machine's busy seconds and its joules, from what they really burn."""

    IDLE_W, J_PER_CPU_S = 20.0, 50.0

    def __init__(self, machine: Machine, package: Zone, pids: list[int]) -> None:
        self._machine, self._package, self._pids = machine, package, pids
        self._seen_s, self._cpu_s = time.monotonic(), self._burnt_s()
        self._busy_s = 0.0
        self.joules = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def _burnt_s(self) -> float:
        total = 0.0
        for pid in self._pids:  # processes that are there: they end when this world has ended
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total

    def _turn(self) -> None:
        while not self._over.wait(0.02):
            now_s, cpu_s = time.monotonic(), self._burnt_s()
            joules = self.IDLE_W * (now_s - self._seen_s) + self.J_PER_CPU_S * (cpu_s - self._cpu_s)
            self._busy_s += cpu_s - self._cpu_s
            self._seen_s, self._cpu_s = now_s, cpu_s
            self._machine.busy(self._busy_s)
            self._package.add_j(joules)
            self.joules += joules

    def ends(self) -> None:
        self._over.set()
        self._thread.join()


def test_two_kernels_at_three_to_one_get_three_to_one_and_no_more_than_the_machine(machine):
    package = machine.package()
    words = [sys.executable, "-c", KERNEL, str(TESTS), str(machine.root)]
    kernels = [
        subprocess.Popen([*words, cpu_s], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for cpu_s in ("1.8", "0.6")
    ]

    def hear(word: str) -> None:
        for kernel in kernels:
            assert kernel.stdout is not None
            assert kernel.stdout.readline() == f"{word}\n"

    def say() -> None:
        for kernel in kernels:
            assert kernel.stdin is not None
            kernel.stdin.write("\n")
            kernel.stdin.flush()

    hear("ready")
    world = World(machine, package, [kernel.pid for kernel in kernels])
    time.sleep(0.1)
    say()
    hear("burnt")
    time.sleep(0.5)  # the last ticks of /proc/stat
    say()
    hear("ended")
    world.ends()
    for kernel in kernels:
        kernel.communicate(timeout=60)
    told = rows(machine)
    many, few = (share(told[label], "package-0") for label in ("1.8", "0.6"))
    active_j = [s.energy_j.likely - s.idle_energy_j.likely for s in (many, few)]
    assert active_j[0] / active_j[1] == pytest.approx(3.0, rel=0.05)
    assert many.energy_j.likely + few.energy_j.likely <= world.joules
    idle_j = [s.idle_energy_j.likely for s in (many, few)]
    assert idle_j[0] == pytest.approx(idle_j[1], rel=0.1)  # each its half
    for record in told.values():
        assert record.footprint.energy_j.likely <= record.footprint.machine_energy_j.likely


# --- GPUs, through the real nvidia-ml-py ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


GPU_HEAD = """
import json, os, signal, sys, time
from pathlib import Path
os.environ["FAKE_NVML_PROCESSES_0"] = f"{os.getpid()}:0:100000"
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon
root = Path(sys.argv[1])
session = Session(Carbon(region="FR", live=False, ledger=str(root / "ledger.sqlite")), root=root, environ={"TZ": "UTC"})
"""


@pytest.fixture
def gpus(machine: Machine, library: Path) -> Callable[..., dict[str | None, CellRecord]]:
    """Run a script in a process with fake cards; the rows it leaves."""

    def run(code: str, **fake: object) -> dict[str | None, CellRecord]:
        env = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
        env |= {f"FAKE_NVML_{key}": str(value) for key, value in fake.items()}
        words = [sys.executable, "-c", GPU_HEAD + textwrap.dedent(code), str(machine.root)]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=100, check=False)
        assert done.stderr == "", done.stderr
        return rows(machine)

    return run


CELL = """
assert session.wait_until_warm(30)
cell = session.begin("1", label="cell", owner=object())
time.sleep(2.0)
session.end(cell)
session.close()
"""


@pytest.mark.parametrize(("no_counter", "source"), [(0, "nvml-energy"), (1, "nvml-power")])
def test_a_gpu_with_or_without_a_counter_is_in_the_row(gpus, tmp_path, no_counter, source):
    (tmp_path / "profile").write_text("1 200\n")
    told = gpus(CELL, PROFILE=tmp_path / "profile", NO_COUNTER=no_counter)["cell"]
    card = share(told, "gpu0")
    assert (card.domain.source, card.domain.quality) == (source, "measured")
    assert card.machine_energy_j.likely == pytest.approx(200 * told.duration_s, rel=0.06)  # a step of 100 ms
    assert card.energy_j.likely == pytest.approx(card.machine_energy_j.likely)  # alone on it
    assert card.machine_energy_j.low <= 200 * told.duration_s <= card.machine_energy_j.high


def test_a_cell_that_ends_before_the_driver_has_answered_says_what_is_missing(gpus, tmp_path):
    script = """
    gate = Path(os.environ["FAKE_NVML_GATE"])
    for label in ("before", "amid", "after"):
        while label == "before" and not (gate / "asked").exists():
            time.sleep(0.01)
        cell = session.begin("1", label=label, owner=object())
        if label == "amid":
            (gate / "open").touch()
            assert session.wait_until_warm(30)
        time.sleep(0.3)
        session.end(cell)
    session.close()
    """
    told = gpus(script, GATE=tmp_path)
    cards = {label: [s for s in record.shares if s.domain.component == "gpu"] for label, record in told.items()}
    assert {label: len(shares) for label, shares in cards.items()} == {"before": 0, "amid": 1, "after": 1}
    flags = {label: [f for f in told[label].flags if f.startswith(("gpu-awaited", "joined"))] for label in told}
    assert flags == {"before": ["gpu-awaited"], "amid": ["joined:gpu0"], "after": []}


def test_a_card_that_cannot_be_metered_is_missing_and_said_to_be(gpus):
    told = gpus(CELL, NO_COUNTER=1, NO_POWER=1, NO_RATES=1)["cell"]
    assert [share.domain.component for share in told.shares] == ["cpu", "ram"]
    assert "not-metered:gpu0" in told.flags


def test_of_two_gpus_only_the_one_we_compute_on_is_ours(gpus):
    told = gpus(CELL, DEVICES=2, PROCESSES_1="1:0:100000")["cell"]
    ours, theirs = share(told, "gpu0"), share(told, "gpu1")
    assert ours.energy_j.likely == pytest.approx(ours.machine_energy_j.likely)
    assert theirs.energy_j.likely == 0.0
    assert theirs.machine_energy_j.likely > 100


def test_a_kernel_killed_after_its_card_joined_keeps_the_cards_joules(gpus):
    """`Run All`: the long cell begins before the driver has answered."""
    told = gpus("""
    session.begin("1", label="shot", owner=object())
    time.sleep(3.5)
    os.kill(os.getpid(), signal.SIGKILL)
    """)["shot"]
    assert told.status == "crashed"
    card = share(told, "gpu0")
    assert 100 <= card.energy_j.likely <= 450  # 100 W for the 2 to 3 s between joining and the last checkpoint
    assert "joined:gpu0" in told.flags


def test_a_child_that_used_the_card_and_ended_is_billed(gpus):
    """`!python train.py`: at the cell's end nobody is on the card any more."""
    told = gpus("""
    import subprocess
    os.environ["FAKE_NVML_PROCESSES_0"] = ""
    assert session.wait_until_warm(30)
    session.close()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(4)"])
    os.environ["FAKE_NVML_PROCESSES_0"] = f"{child.pid}:2.0:4.0"
    session = Session(Carbon(region="FR", live=False, ledger=str(root / "ledger.sqlite")), environ={"TZ": "UTC"})
    assert session.wait_until_warm(30)
    cell = session.begin("!python train.py", label="train", owner=object())
    child.wait()
    time.sleep(0.5)
    session.end(cell)
    session.close()
    """)["train"]
    card = share(told, "gpu0")
    assert card.energy_j.likely == pytest.approx(card.machine_energy_j.likely)  # alone on it, as far as was seen


# --- harmless -------------------------------------------------------------------------------------------------------


def in_a_process(machine: Machine, code: str) -> Any:
    head = (
        "import json, os, sys, time\nfrom pathlib import Path\n"
        "from jupyter_carbon.session import Session\nfrom jupyter_carbon.settings import Carbon\n"
        "root = Path(sys.argv[1])\nsettings = Carbon(region='FR', live=False, ledger=str(root / 'ledger.sqlite'))\n"
        "session = Session(settings, root=root, environ={'TZ': 'UTC'})\n"
        "assert session.wait_until_warm(30)\n"
    )
    words = [sys.executable, "-c", head + textwrap.dedent(code), str(machine.root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_on_a_cells_path_is_no_network_no_import_no_thread_no_process_and_no_open(machine):
    machine.package()
    seen = in_a_process(
        machine,
        """
        import threading
        from jupyter_carbon.notebook import hooks  # what a kernel holds
        owner, main, seen = object(), threading.get_ident(), []
        on_path = False
        watched = {"socket", "subprocess", "os", "_thread", "import", "open", "sqlite3", "ctypes", "urllib"}
        session.end(session.begin("1", owner=owner))
        session.end(session.begin("1", owner=owner, region="SE"))  # a place is looked up once
        def audit(event, args):
            if on_path and threading.get_ident() == main and event.partition(".")[0] in watched:
                seen.append([event, str(args[:1])])
        sys.addaudithook(audit)
        for n in range(20):
            on_path = True
            cell = session.begin(f"{n}", cell_id=str(n), label="x", execution_count=n, owner=owner)
            on_path = False
            time.sleep(0.06 if n % 5 == 0 else 0.001)
            on_path = True
            session.end(cell)
            session.record_of(cell)
            on_path = False
        print(json.dumps(seen))
        """,
    )
    harmless = {"os.listdir", "os.scandir"}  # a search for new children, at the end of a cell of more than 50 ms
    assert [event for event in seen if event[0] not in harmless] == []


def test_a_machine_that_stalls_says_nothing_and_its_window_is_exact(machine):
    package = machine.package()
    code = """
    session = session()
    session.wait_until_warm(30)
    cell = session.begin("1", label="stalled", owner=object())
    print("begun", flush=True)
    sys.stdin.readline()
    session.end(cell)
    session.close()
    """
    from test_session import child

    with package.restless(), child(code, root=str(machine.root)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        time.sleep(3.0)
        package.add_j(120)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate("\n", timeout=60)
    told = rows(machine)["stalled"]
    assert (out, err) == ("", "")
    assert machine_j(told) == pytest.approx(120, abs=0.01)
    assert told.duration_s >= 3.0
    assert told.flags == ()


def test_after_a_crash_the_next_start_works(machine, open_session):
    from test_session import child

    code = "s = session(); s.begin('1', label='shot', owner=object()); os.kill(os.getpid(), 9)"
    with child(code, root=str(machine.root)) as process:
        process.communicate(timeout=60)
    session = open_session()
    cell(session, "next")
    session.close()
    assert {label: row.status for label, row in rows(machine).items()} == {"shot": "crashed", "next": "ok"}


def test_nothing_is_evaluated_and_every_request_has_a_timeout():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            bare = isinstance(node.func, ast.Name)
            assert not (bare and called in {"eval", "exec", "compile"}), f"{path}:{node.lineno}"
            if called in {"urlopen", "create_connection", "HTTPConnection", "HTTPSConnection"}:
                assert any(keyword.arg == "timeout" for keyword in node.keywords), f"{path}:{node.lineno}"
