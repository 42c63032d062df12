"""CPU seconds of a process tree, against real processes and against a /proc in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_carbon.meter.processes import CgroupCpu, ProcessTree, own_cgroup

BURN = """
import sys, time
end = float(sys.argv[1])
while time.process_time() < end: pass
print("burnt", flush=True)
sys.stdin.read()
"""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def burner(cpu_s: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BURN, str(cpu_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def look(tree: ProcessTree) -> float:
    tree.adopt(tree.discover(at_once=True))
    return tree.cpu_s()


def tick(tree: ProcessTree) -> float:
    tree.adopt(tree.discover())
    return tree.cpu_s()


@pytest.fixture
def tree():
    tree = ProcessTree()
    yield tree
    tree.close()


def test_own_threads_are_counted_in_nanoseconds(tree):
    before_s, start_s = tree.cpu_s(), time.process_time()
    while time.process_time() - start_s < 0.002:
        pass
    assert 0.002 <= tree.cpu_s() - before_s < 0.02


def test_a_live_child_is_counted_before_it_is_waited_for(tree):
    before_s = look(tree)
    with burner(0.2) as child:
        grown_s = look(tree) - before_s
        child.stdin.close()
    assert grown_s >= 0.2 - 2 * TICK_S


def test_a_child_is_counted_once_when_it_is_reaped(tree):
    own_s, before_s = time.process_time(), look(tree)
    with burner(0.2) as child:
        alive_s = look(tree) - before_s
        child.stdin.close()
    reaped_s = tree.cpu_s() - before_s
    own_s = time.process_time() - own_s
    assert alive_s <= reaped_s <= alive_s + own_s + 0.1
    assert tree.pids == {os.getpid()}


def test_a_child_that_nobody_looked_at_is_counted_when_reaped(tree):
    before_s = look(tree)
    with burner(0.1) as child:
        child.stdin.close()
    assert tree.cpu_s() - before_s >= 0.1


def test_a_grandchild_is_counted(tree):
    before_s = look(tree)
    script = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {BURN!r}, '0.15']); p.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        grown_s = look(tree) - before_s
        assert len(tree.pids) == 3
        child.stdin.close()
    assert grown_s >= 0.15 - 2 * TICK_S


def test_an_orphan_that_init_reaps_does_not_turn_the_sum_down(tree):
    script = (
        "import os, sys, time\n"
        "if os.fork():\n    time.sleep(0.1); sys.stdin.read(); os._exit(0)\n"
        "while time.process_time() < 0.15: pass\n"
        "print('burnt', flush=True); sys.stdin.read(); time.sleep(0.2)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        child.stdout.readline()
        known_s = look(tree)
        assert len(tree.pids) == 3
        child.stdin.close()
        child.wait()
        seen = [tree.cpu_s()]
        while len(tree.pids) > 1:
            seen.append(tree.cpu_s())
            time.sleep(0.02)
    assert known_s <= seen[0]
    assert seen == sorted(seen)


def test_what_a_child_did_before_the_tree_began_is_nobodys():
    """Not while it lives, and not when it is reaped: its parent then counts all of its life at once."""
    with burner(0.3) as child:
        time.sleep(2 * TICK_S)
        tree = ProcessTree()
        before_s, own_s = tree.cpu_s(), time.process_time()
        alive_s = look(tree) - before_s
        child.stdin.close()
    reaped_s = tree.cpu_s() - before_s
    own_s = time.process_time() - own_s
    tree.close()
    assert alive_s <= own_s + TICK_S
    assert reaped_s <= own_s + 0.1  # its own end, and no 0.3 s


def test_a_child_that_is_reaped_between_two_looks_at_it_is_counted_once(proc):
    """The total of reaped children jumps while the children's own files are read."""
    proc.process(11, 10, 300, 0, 0, 0)
    totals_s = iter([1.0, 1.0, 1.0, 4.0])
    tree = fake_tree(proc, reaped_s=lambda: next(totals_s, 4.0))
    alive_s = look(tree)
    (proc.root / "proc/11/stat").write_text("")  # reaped
    assert tree.cpu_s() == pytest.approx(alive_s) == pytest.approx(9.0)
    assert tree.cpu_s() == pytest.approx(9.0)


def test_no_children_costs_no_search(tree):
    looked = []

    class Watched(ProcessTree):
        def _descendants(self, at_once):
            looked.append(at_once)
            return iter(())

    watched = Watched()
    watched.discover(at_once=True)
    with burner(0.0) as child:
        watched.discover(at_once=True)
        child.stdin.close()
    assert looked == [True]


# --- a /proc in a folder ---------------------------------------------------------------------------------------


def stat_line(pid: int, parent: int, *ticks: int, name: str = "a) (b") -> str:
    return f"{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 {' '.join(map(str, ticks))} 20 0 1 0 777 0 0"


class Proc:
    def __init__(self, root: Path) -> None:
        self.root = root

    def process(self, pid: int, parent: int, *ticks: int) -> None:
        folder = self.root / "proc" / str(pid)
        (folder / "task" / str(pid)).mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(stat_line(pid, parent, *ticks))

    def children(self, pid: int, *children: int) -> None:
        (self.root / f"proc/{pid}/task/{pid}/children").write_text("".join(f"{c} " for c in children))


@pytest.fixture
def proc(tmp_path):
    proc = Proc(tmp_path)
    proc.process(10, 1, 0, 0, 0, 0)
    return proc


def fake_tree(proc: Proc, **changes) -> ProcessTree:
    own = {"own_cpu_s": lambda: 5.0, "reaped_s": lambda: 1.0, "since_boot_s": lambda: 0.0, **changes}
    return ProcessTree(proc.root, pid=10, **own)


@pytest.mark.parametrize("with_children_files", [True, False])
def test_user_system_and_reaped_ticks_of_every_descendant_add_up(proc, with_children_files):
    proc.process(11, 10, 100, 20, 3, 4)
    proc.process(12, 11, 1000, 0, 0, 0)
    proc.process(13, 1, 9999, 0, 0, 0)
    if with_children_files:
        proc.children(10, 11)
        proc.children(11, 12)
        proc.children(12)
    tree = fake_tree(proc)
    assert tree.cpu_s() == pytest.approx(6.0)
    assert look(tree) == pytest.approx(6.0 + (127 + 1000) * TICK_S)
    assert tree.pids == {10, 11, 12}


def test_a_command_with_brackets_in_its_name_is_read_from_the_last_one(proc):
    proc.process(11, 10, 100, 0, 0, 0)
    tree = fake_tree(proc)
    assert look(tree) == pytest.approx(6.0 + 100 * TICK_S)


class Cgroup:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def write(self, *, usage_usec: int, pids: list[int]) -> None:
        (self.folder / "cpu.stat").write_text(f"usage_usec {usage_usec}\nuser_usec 1\n")
        (self.folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


def test_a_cgroup_of_our_own_also_counts_daemons(proc, tmp_path):
    cgroup = Cgroup(tmp_path / "cg")
    cgroup.write(usage_usec=50_000_000, pids=[10])
    tree = fake_tree(proc, cgroup=CgroupCpu(cgroup.folder))
    before_s = tick(tree)
    cgroup.write(usage_usec=53_500_000, pids=[10, 99])  # 99 left the tree, and burnt 3.5 s
    assert tree.cpu_s() - before_s == pytest.approx(3.5)


def test_a_cgroup_shared_with_strangers_is_not_ours(proc, tmp_path):
    cgroup = Cgroup(tmp_path / "cg")
    cgroup.write(usage_usec=50_000_000, pids=[1, 10])
    tree = fake_tree(proc, cgroup=CgroupCpu(cgroup.folder))
    before_s = tick(tree)
    cgroup.write(usage_usec=90_000_000, pids=[1, 10])
    assert tree.cpu_s() == before_s


def test_strangers_who_are_many_are_not_looked_at_in_every_tick(proc, tmp_path):
    looks = []

    class Crowded(CgroupCpu):
        def pids(self):
            looks.append(self)
            until_s = time.thread_time() + 0.001  # 1 ms, of which one in ten thousand is ten seconds
            while time.thread_time() < until_s:
                pass
            return super().pids()

    cgroup = Cgroup(tmp_path / "cg")
    cgroup.write(usage_usec=50_000_000, pids=[1, 10])
    tree = fake_tree(proc, cgroup=Crowded(cgroup.folder))
    for _ in range(5):
        tick(tree)
    look(tree)
    assert len(looks) == 1


@pytest.mark.parametrize(
    ("membership", "folder", "file", "text"),
    [
        ("0::/user.slice/kernel", "user.slice/kernel", "cpu.stat", "usage_usec 2000000\n"),
        ("0::/../outside", "", "cpu.stat", "usage_usec 2000000\n"),  # a cgroup namespace: the mount's root is ours
        ("4:cpu,cpuacct:/job", "cpu,cpuacct/job", "cpuacct.usage", "2000000000\n"),
    ],
)
def test_the_cgroup_of_a_process_is_found_on_v2_v1_and_in_a_namespace(tmp_path, membership, folder, file, text):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"{membership}\n")
    base = tmp_path / "sys/fs/cgroup" / folder
    base.mkdir(parents=True)
    (base / file).write_text(text)
    (base / "cgroup.procs").write_text("1\n")
    cgroup = own_cgroup(tmp_path)
    assert cgroup is not None
    assert cgroup.cpu_s() == pytest.approx(2.0)


def test_a_hybrid_host_whose_v2_tree_has_no_counter_has_no_cgroup_of_ours(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    base = tmp_path / "sys/fs/cgroup/unified"
    base.mkdir(parents=True)
    (base / "cgroup.procs").write_text("1\n")
    assert own_cgroup(tmp_path) is None
