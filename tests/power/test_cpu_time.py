import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.power.cpu_time import ANCHOR_S, MachineBusy, busy_from_stat_s

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class Machine:
    """Two CPUs: ours and everybody else's; the system's total is counted in whole ticks per CPU."""

    cpus = 2

    def __init__(self):
        self.t_s, self.own_s, self.others_s = 100.0, 3.0, 0.0
        self.reads, self.fails, self.base_s = 0, False, 0.0

    def run(self, seconds, own=0.0, others=0.0):
        self.t_s += seconds
        self.own_s += own * seconds
        self.others_s += others * seconds

    def stat_s(self):
        self.reads += 1
        if self.fails:
            raise OSError("EIO")
        return self.base_s + sum(int(s / TICK_S + 1e-6) * TICK_S for s in (self.own_s, self.others_s))

    def open(self):
        return MachineBusy(self.stat_s, cpus=self.cpus, clock=lambda: self.t_s, own_cpu=lambda: self.own_s)


@pytest.fixture
def machine():
    return Machine()


def test_steal_iowait_idle_and_guest_time_are_left_out():
    stat = b"cpu  100 20 30 9999 999 4 6 777 50 10\ncpu0 1 2 3"
    assert busy_from_stat_s(stat) == pytest.approx((100 + 20 + 30 + 4 + 6) * TICK_S)


def test_the_first_value_is_the_systems_total(machine):
    assert machine.open().busy_s() == pytest.approx(3.0)


def test_within_an_anchor_our_own_time_is_counted_exactly_and_the_file_is_not_read(machine):
    busy = machine.open()
    machine.run(0.001, own=1.0)
    assert busy.busy_s() == pytest.approx(3.001)
    machine.run(0.1, own=0.5)
    assert busy.busy_s() == pytest.approx(3.051)
    assert machine.reads == 1


def test_others_go_on_between_anchors_as_they_did(machine):
    busy = machine.open()
    machine.run(1.0, others=0.5)
    assert busy.busy_s() == pytest.approx(3.5)
    assert busy.others_per_s == pytest.approx(0.5)
    machine.run(0.1, own=1.0, others=0.5)
    assert busy.busy_s() == pytest.approx(3.65)
    assert machine.reads == 2


def test_two_readings_in_a_row_are_equal(machine):
    busy = machine.open()
    machine.run(1.0, own=0.7, others=0.5)
    assert busy.busy_s() == busy.busy_s()


def test_others_that_began_unseen_are_caught_up_with_no_faster_than_the_machine_can_work(machine):
    busy = machine.open()
    machine.run(0.19, own=1.0, others=1.0)
    assert busy.busy_s() == pytest.approx(3.19)
    machine.run(0.02, own=1.0, others=1.0)
    assert busy.busy_s() == pytest.approx(3.19 + 2 * 0.02)
    machine.run(1.0)
    assert busy.busy_s() == pytest.approx(3.42)


def test_others_that_stopped_unseen_are_not_taken_back_but_made_up_for(machine):
    busy = machine.open()
    machine.run(1.0, others=1.0)
    busy.busy_s()
    machine.run(0.19)
    assert busy.busy_s() == pytest.approx(4.19)
    machine.run(0.5)
    assert busy.busy_s() == pytest.approx(4.19)
    machine.run(0.5, others=1.0)
    assert busy.busy_s() == pytest.approx(4.5)


def test_a_failed_read_is_not_zero_and_the_truth_is_restored(machine):
    busy = machine.open()
    machine.run(1.0, own=0.5, others=0.5)
    busy.busy_s()
    machine.fails = True
    machine.run(1.0, own=0.5, others=0.4)
    assert busy.busy_s() == pytest.approx(5.0)
    machine.fails = False
    machine.run(1.0, own=0.5, others=0.4)
    assert busy.busy_s() == pytest.approx(5.8)


def test_a_total_that_begins_again_is_counted_on(machine):
    busy = machine.open()
    machine.run(10.0, own=0.5, others=0.5)
    busy.busy_s()
    machine.base_s = -11.0
    machine.run(1.0, own=0.5, others=0.5)
    assert busy.busy_s() == pytest.approx(14.0)
    machine.run(1.0, own=0.5, others=0.1)
    assert busy.busy_s() == pytest.approx(14.6)


def test_a_sandbox_whose_total_stands_still_leaves_our_own_time():
    t_s, own_s = [0.0], [0.0]
    busy = MachineBusy(lambda: 0.0, cpus=2, clock=lambda: t_s[0], own_cpu=lambda: own_s[0])
    t_s[0], own_s[0] = 10.0, 4.0
    assert busy.busy_s() == pytest.approx(4.0)


shares = st.sampled_from([0.0, 0.001, 0.3, 1.0])
steps = st.lists(
    st.tuples(st.sampled_from([1e-5, 1e-3, 0.03, 0.19, 0.2, 1.0, 60.0]), shares, shares), min_size=1, max_size=60
)


@given(steps)
@settings(max_examples=150, deadline=None)
def test_it_never_falls_grows_by_our_own_time_at_least_and_by_the_machines_at_most(trace):
    machine = Machine()
    busy = machine.open()
    told_s, own_s, t_s = busy.busy_s(), machine.own_s, machine.t_s
    for seconds, own, others in trace:
        machine.run(seconds, own, others)
        now_s = busy.busy_s()
        assert now_s - told_s >= max(0.0, machine.own_s - own_s) - 1e-9
        assert now_s - told_s <= machine.cpus * (machine.t_s - t_s) + 1e-9
        told_s, own_s, t_s = now_s, machine.own_s, machine.t_s


@given(steps)
@settings(max_examples=150, deadline=None)
def test_it_stays_within_an_anchor_of_the_systems_total_and_converges_to_it(trace):
    machine = Machine()
    busy = machine.open()
    for seconds, own, others in trace:
        machine.run(seconds, own, others)
        busy.busy_s()
    ticks_s = machine.cpus * TICK_S
    assert abs(busy.busy_s() - (machine.own_s + machine.others_s)) <= machine.cpus * ANCHOR_S + ticks_s
    machine.run(2.0, others=0.5)
    assert abs(busy.busy_s() - (machine.own_s + machine.others_s)) <= ticks_s + 1e-9


@pytest.mark.parametrize(("seconds", "ticks_per_cpu"), [(0.31, 1), (0.013, 2)], ids=["at anchors", "in between"])
def test_a_steady_machine_agrees_with_the_systems_total_to_the_tick(machine, seconds, ticks_per_cpu):
    busy = machine.open()
    machine.run(1.0, own=0.6, others=0.3)
    busy.busy_s()
    for _ in range(2000):
        machine.run(seconds, own=0.6, others=0.3)
        truth_s = machine.own_s + machine.others_s
        assert abs(busy.busy_s() - truth_s) <= ticks_per_cpu * machine.cpus * TICK_S + 1e-9


def test_the_descriptor_is_kept_and_follows_the_file(tmp_path):
    stat = tmp_path / "proc" / "stat"
    stat.parent.mkdir()
    stat.write_text("cpu  100 0 0 0 0 0 0 0 0 0\ncpu0 50 0 0\ncpu1 50 0 0\nintr 7\n")
    t_s = [0.0]
    busy = MachineBusy.open(tmp_path, clock=lambda: t_s[0], own_cpu=lambda: 0.0)
    assert busy.cpus == 2
    assert busy.busy_s() == pytest.approx(100 * TICK_S)
    stat.write_text("cpu  150 0 25 0 0 0 0 0 0 0\ncpu0 75 0 0\ncpu1 75 0 0\nintr 7\n")
    t_s[0] = 1.0
    assert busy.busy_s() == pytest.approx(175 * TICK_S)
    busy.close()
    busy.close()
    t_s[0] = 2.0
    assert busy.busy_s() == pytest.approx((175 + 75) * TICK_S)  # its number may be another file's now: not read again


@pytest.mark.parametrize("text", [None, "", "no such line\n", "cpu  1 2\n"])
def test_without_a_readable_stat_psutil_counts(tmp_path: Path, text):
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / "stat").write_text(text)
    busy = MachineBusy.open(tmp_path)
    times = psutil.cpu_times()
    assert busy.cpus == os.cpu_count()
    assert busy.busy_s() == pytest.approx(times.user + times.nice + times.system + times.irq + times.softirq, abs=5.0)


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="counts on this machine's own /proc/stat")
def test_what_another_process_burns_is_counted():
    busy = MachineBusy.open()
    began_s = busy.busy_s()
    burn = "import time\nwhile time.process_time() < 0.5: pass\nprint(time.process_time())"
    burnt = subprocess.run([sys.executable, "-c", burn], capture_output=True, text=True, check=True)
    assert busy.busy_s() - began_s >= float(burnt.stdout) - TICK_S * (busy.cpus + 1)
    busy.close()


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="counts on this machine's own /proc/stat")
def test_what_our_own_threads_burn_is_counted_from_another_thread():
    busy = MachineBusy.open()
    began_s, began_own_s = busy.busy_s(), time.process_time()

    def burn():
        while time.process_time() - began_own_s < 0.02:
            pass

    thread = threading.Thread(target=burn)
    thread.start()
    thread.join()
    assert busy.busy_s() - began_s >= 0.02
    busy.close()
