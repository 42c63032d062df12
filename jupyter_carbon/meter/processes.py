"""CPU seconds of the kernel's process tree, cheap enough for a cell's edge.

At an edge: own threads (in nanoseconds), reaped children, and kept descriptors of the children already known.  The
search for new ones (`discover`) belongs to the ticker and to the end of longer cells.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    from resource import RUSAGE_CHILDREN, getrusage
except ImportError:  # Windows: os.times() has no children's time there either

    def _reaped_s() -> float:
        times = os.times()
        return times.children_user + times.children_system

else:

    def _reaped_s() -> float:
        usage = getrusage(RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime


SEARCH_COST_SHARE = 0.0005
"""Searches for children may take this share of a core, over hundreds of them or all of /proc too: one that costs more
in every tick is done more seldom."""
CGROUP_COST_SHARE = 0.0001
"""And looks at who else is in our cgroup this one: with strangers in it (JupyterLab and a hundred others of one
container) a look takes 0.5 ms, and hardly ever do they leave."""
TICK_S = 1.0
"""How often both are asked for."""
MOST_READS = 3
"""A reading that a reaped child falls into is made again, but an edge has no time for a parent that reaps all along."""


def _since_boot_s() -> float:
    """Now, on the clock of a process's start in /proc: seconds since boot, suspended ones too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else 0.0


class _Child:
    """One live descendant: a kept descriptor of its `stat`, and the CPU seconds last seen there.

    What one that is older than the tree had used when it was first seen is `before_s`: it belongs to no cell.
    """

    __slots__ = ("before_s", "cpu_s", "descriptor", "parent", "pid")

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid, self.descriptor = pid, descriptor
        self.cpu_s, self.before_s, self.parent = 0.0, 0.0, 0

    def read(self, tick_s: float) -> float:
        """Own and reaped CPU seconds; raises OSError or IndexError when the process is gone."""
        self.parent, ticks, _ = _stat(os.pread(self.descriptor, 512, 0))
        self.cpu_s = ticks * tick_s
        return self.cpu_s - self.before_s

    def first_read(self, tick_s: float, since_boot_s: float) -> None:
        """As :meth:`read`; of a process older than `since_boot_s` only what it does from now on will count."""
        self.parent, ticks, start_ticks = _stat(os.pread(self.descriptor, 512, 0))
        self.cpu_s = ticks * tick_s
        if (start_ticks + 1) * tick_s <= since_boot_s:
            self.before_s = self.cpu_s


def _stat(text: bytes) -> tuple[int, int, int]:
    """Parent, CPU ticks (user, system, reaped user, reaped system) and start of a `/proc/PID/stat` line.

    The command's name may hold blanks and brackets: everything counts from the last one (proc(5)).
    """
    fields = text[text.rindex(b")") + 2 :].split(None, 20)
    ticks = int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])
    return int(fields[1]), ticks, int(fields[19])


class ProcessTree:
    """Cumulative CPU seconds of a process, its descendants and those that each has reaped; never falling.

    Where the process has a cgroup of its own (every pid there is in the tree), the cgroup's counter is used instead:
    it also holds daemons that left the tree.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        pid: int | None = None,
        own_cpu_s: Callable[[], float] = time.process_time,
        reaped_s: Callable[[], float] = _reaped_s,
        cgroup: CgroupCpu | None = None,
        since_boot_s: Callable[[], float] = _since_boot_s,
    ) -> None:
        self._proc = root / "proc"
        self._pid = os.getpid() if pid is None else pid
        self.own_cpu_s, self._children_reaped_s = own_cpu_s, reaped_s
        self.own_s = 0.0  # of this process alone, as of the last call of `cpu_s`
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
        self._began_s = since_boot_s()
        self._children: dict[int, _Child] = {}
        self._gone_s = 0.0
        self._tree_s = 0.0
        self._total_s = 0.0
        self._cgroup = cgroup
        self._cgroup_last_s: float | None = None
        self._next_search_s = self._next_members_s = 0.0
        self._members: frozenset[int] = frozenset()

    @property
    def pids(self) -> frozenset[int]:
        """The process and its known descendants."""
        return frozenset((self._pid, *self._children))

    @property
    def by_cgroup(self) -> bool:
        """Whether the cgroup's own counter is in use."""
        return self._cgroup_last_s is not None

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        tree_s = self._read_tree()
        grown_s = tree_s - self._tree_s
        self._tree_s = tree_s
        if self._cgroup_last_s is not None:
            usage_s = self._cgroup.cpu_s() if self._cgroup is not None else None
            if usage_s is not None:
                grown_s, self._cgroup_last_s = max(grown_s, usage_s - self._cgroup_last_s), usage_s
        self._total_s += max(0.0, grown_s)
        return self._total_s

    def _read_tree(self) -> float:
        alive_s, reaped_s = 0.0, self._children_reaped_s()
        for _ in range(MOST_READS):
            if not self._children:
                break
            alive_s = self._read_children()
            before_s, reaped_s = reaped_s, self._children_reaped_s()
            if before_s == reaped_s:
                break  # else one was reaped meanwhile, and would be counted twice
        self.own_s = self.own_cpu_s()
        tree_s = self.own_s + reaped_s + self._gone_s + alive_s
        if tree_s < self._tree_s:  # a child reaped where nobody counts it, e.g. while SIGCHLD is ignored
            self._gone_s += self._tree_s - tree_s
            return self._tree_s
        return tree_s

    def _read_children(self) -> float:
        alive_s = 0.0
        for child in tuple(self._children.values()):
            try:
                alive_s += child.read(self._tick_s)
            except (OSError, ValueError, IndexError):
                self._bury(child)
        return alive_s

    def _bury(self, child: _Child) -> None:
        """Forget a child.  A parent of ours has reaped it, and counts all of it now; an orphan's seconds are kept."""
        self._children.pop(child.pid, None)
        os.close(child.descriptor)
        if child.parent == self._pid or child.parent in self._children:
            self._gone_s -= child.before_s
        else:
            self._gone_s += child.cpu_s - child.before_s

    def discover(self, *, at_once: bool = False) -> list[_Child]:
        """Descendants not known yet, for :meth:`adopt`; takes no lock and changes nothing that an edge reads.

        Off the cell's path, or `at_once` at the end of a cell of more than 50 ms (a costly search is else rationed).
        """
        found: list[_Child] = []
        for pid in self._descendants(at_once) if self._has_children() else ():
            if pid in self._children:
                continue
            try:
                child = _Child(pid, os.open(self._proc / str(pid) / "stat", os.O_RDONLY | os.O_CLOEXEC))
            except OSError:  # gone since: its parent has reaped it
                continue
            try:
                child.first_read(self._tick_s, self._began_s)
            except (OSError, ValueError, IndexError):
                os.close(child.descriptor)
            else:
                found.append(child)
        if not at_once:
            self._look_at_cgroup()
        return found

    def adopt(self, found: list[_Child]) -> None:
        """Count these children from now on; called under the lock of whoever calls :meth:`cpu_s`."""
        for child in found:
            if child.pid in self._children:
                os.close(child.descriptor)
            else:
                self._children[child.pid] = child
        members, self._members = self._members, frozenset()
        if members and members <= self.pids and self._cgroup is not None:
            self._cgroup_last_s = self._cgroup.cpu_s()  # from now on: every process in it is ours

    def _has_children(self) -> bool:
        """Whether a search can find anything: the system says at once when a process has no child at all."""
        if self._children or not hasattr(os, "waitid") or self._pid != os.getpid():
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _descendants(self, at_once: bool) -> Iterator[int]:
        now_s, cpu_s = time.monotonic(), time.thread_time()
        if not at_once and now_s < self._next_search_s:
            return
        if not (self._proc / str(self._pid)).exists():
            yield from _psutil_descendants(self._pid)
        else:
            try:
                yield from _by_children_files(self._proc, self._pid)
            except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
                yield from _by_scan(self._proc, self._pid)
        pause_s = (time.thread_time() - cpu_s) / SEARCH_COST_SHARE
        self._next_search_s = now_s + pause_s if pause_s > TICK_S else now_s

    def _look_at_cgroup(self) -> None:
        """See who is in our cgroup, for :meth:`adopt`."""
        now_s, cpu_s = time.monotonic(), time.thread_time()
        if self._cgroup is None or self._cgroup_last_s is not None or now_s < self._next_members_s:
            return
        self._members = self._cgroup.pids()
        pause_s = (time.thread_time() - cpu_s) / CGROUP_COST_SHARE
        self._next_members_s = now_s + pause_s if pause_s > TICK_S else now_s

    def close(self) -> None:
        """Give the descriptors back."""
        children, self._children = self._children, {}
        for child in children.values():
            os.close(child.descriptor)


def _by_children_files(proc: Path, pid: int) -> Iterator[int]:
    """Descendants through `task/*/children`; raises FileNotFoundError where the kernel has no such file."""
    pending = [pid]
    while pending:
        folder = f"{proc}/{pending.pop()}/task"
        try:
            tasks = os.listdir(folder)
        except OSError:
            continue
        for task in tasks:
            try:
                with open(f"{folder}/{task}/children", "rb", buffering=0) as file:
                    found = [int(word) for word in file.read().split()]
            except FileNotFoundError:
                if os.path.exists(f"{folder}/{task}"):
                    raise
                continue  # the thread has ended
            except OSError:
                continue
            pending += found
            yield from found


def _by_scan(proc: Path, pid: int) -> Iterator[int]:
    """Descendants through every process's parent."""
    parents: dict[int, int] = {}
    for name in os.listdir(proc):
        if name.isdigit():
            try:
                parents[int(name)] = _stat((proc / name / "stat").read_bytes())[0]
            except (OSError, ValueError, IndexError):
                continue
    family = {pid}
    grown = True
    while grown:
        new = {child for child, parent in parents.items() if parent in family and child not in family}
        family |= new
        grown = bool(new)
        yield from new


def _psutil_descendants(pid: int) -> Iterator[int]:
    """No /proc (macOS, Windows): descendants are named, but only what is reaped is counted."""
    import psutil  # noqa: PLC0415  (off the cell's path, and only here)

    try:
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return


class CgroupCpu:
    """The CPU counter of one cgroup, through a kept descriptor."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `cgroup.procs` and a counter: v2 `cpu.stat`, v1 `cpuacct.usage`; raises OSError if not."""
        self._members = folder / "cgroup.procs"
        self._members.stat()
        v2 = folder / "cpu.stat"
        path, self._second = (v2, 1e-6) if v2.exists() else (folder / "cpuacct.usage", 1e-9)
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if self.cpu_s() is None:  # a hybrid host's v2 tree has no controllers, and v1's `cpu.stat` no usage
            os.close(self._descriptor)
            raise FileNotFoundError(f"{path} holds no CPU usage")

    def cpu_s(self) -> float | None:
        """CPU seconds of all processes that are or were in the cgroup; `None` when it cannot be read."""
        try:
            words = os.pread(self._descriptor, 64, 0).split()
            return int(words[1] if words[0] == b"usage_usec" else words[0]) * self._second
        except (OSError, ValueError, IndexError):
            return None

    def pids(self) -> frozenset[int]:
        """The processes in it now; empty when it cannot be told."""
        try:
            with open(self._members, "rb", buffering=0) as file:
                return frozenset(map(int, file.read().split()))
        except (OSError, ValueError):
            return frozenset()


def own_cgroup(root: Path = Path("/"), pid: str = "self") -> CgroupCpu | None:
    """The CPU counter of this process's cgroup, where it has one (not the root of a whole machine)."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc" / pid / "cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            bases = [mount, mount / "unified"]
        elif "cpuacct" in controllers.split(","):
            bases = [mount / controllers, mount / "cpuacct"]
        else:
            continue
        for base in bases:
            # In a cgroup namespace the path may be told from outside it: then the mount's root is ours.
            for folder in (base / path.lstrip("/"), base):
                try:
                    return CgroupCpu(folder)
                except OSError:
                    continue
    return None
