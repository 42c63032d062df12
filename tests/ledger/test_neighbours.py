"""Who meters this machine beside us: live processes, their journals, and what is left of dead ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.liveness import Writer
from jupyter_carbon.ledger.neighbours import DEATHS_S, Neighbours, Sessions

METERING = """
import sys
from pathlib import Path
from jupyter_carbon.ledger.journal import Journal
journal = Journal.open(Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""


class Other:
    """A process that meters into a ledger."""

    def __init__(self, ledger: Path, name: str = "other") -> None:
        words = [sys.executable, "-c", METERING, str(ledger), name]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def ends(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=30)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def folder(ledger: Path) -> Path:
    return ledger.with_suffix(".journals")


@pytest.fixture
def others(ledger: Path) -> Iterator[list[Other]]:
    others = [Other(ledger, "one"), Other(ledger, "two")]
    yield others
    for other in others:
        other.ends()


def header(folder: Path, name: str, host: str, pid: int = 1, *, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-0.jsonl"
    path.write_text(json.dumps(["journal", 1, name, host, pid, "0"]) + "\n" + more)
    return path


def test_alone_where_nothing_is_written(folder):
    assert Neighbours(folder).look(0.0) == Sessions(1, above=False, in_memory=1)


def test_processes_that_live_are_counted_and_we_are_one_of_them(folder, ledger, others):
    ours = Journal.open(ledger, "ours")
    assert Neighbours(folder).look(0.0).count == 3
    ours.close()
    assert Neighbours(folder).look(0.0).count == 3  # still here, if only without a journal


def test_one_that_is_killed_is_missed_after_a_while(folder, others):
    neighbours = Neighbours(folder)
    assert neighbours.look(0.0).count == 3
    others[0].process.kill()
    others[0].process.wait()
    assert neighbours.look(DEATHS_S - 1).count == 3
    assert neighbours.look(DEATHS_S).count == 2


def test_one_that_comes_is_seen_at_once(folder, ledger):
    neighbours = Neighbours(folder)
    first = Other(ledger)
    assert neighbours.look(0.0).count == 2
    second = Other(ledger, "second")
    assert neighbours.look(0.1).count == 3
    first.ends()
    second.ends()


def test_one_that_has_closed_is_gone_and_says_so_by_leaving(folder, ledger):
    ours = Journal.open(ledger, "closed here")
    neighbours = Neighbours(folder)
    assert neighbours.look(0.0).count == 1
    ours.close()
    os.utime(folder, ns=(0, 0))
    neighbours.look(0.1)
    neighbours.leave()
    assert folder.stat().st_mtime_ns > 0


@pytest.mark.parametrize("last", ['["closed"]\n', '["moved"]\n'])
def test_a_file_that_is_over_counts_for_nobody(folder, last):
    parent = Writer.own()
    header(folder, "over", parent.host, os.getppid(), more=last)
    assert Neighbours(folder).look(0.0).count == 1


@pytest.mark.parametrize("text", ["", "{", "[1, 2]\n", '["journal", 1, "torn'])
def test_a_file_that_says_nothing_is_nobody(folder, text):
    folder.mkdir()
    (folder / "odd-0.jsonl").write_text(text)
    (folder / "notes.txt").write_text("not a journal")
    assert Neighbours(folder).look(0.0).count == 1


def test_another_machine_is_not_ours(folder):
    header(folder, "far", "other-boot pid:[4026531836]")
    assert Neighbours(folder).look(0.0).count == 1


def test_a_container_beside_ours_lives_as_long_as_its_lock(folder):
    boot = Writer.own().host.partition(" ")[0]
    path = header(folder, "container", f"{boot} pid:[1]")
    holder = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    neighbours = Neighbours(folder)
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert neighbours.look(0.0).count == 2
        process.communicate(timeout=30)
    assert neighbours.look(DEATHS_S).count == 1


def test_an_ancestor_that_meters_is_known(folder, ledger):
    ours = Journal.open(ledger, "above")
    code = (
        "import sys; from pathlib import Path; from jupyter_carbon.ledger.neighbours import Neighbours; "
        "print(Neighbours(Path(sys.argv[1])).look(0.0))"
    )
    words = [sys.executable, "-c", code, str(folder)]
    below = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    ours.close()
    assert below == "Sessions(count=2, above=True, in_memory=2)\n"


def test_a_session_beside_us_is_no_ancestor(folder, others):
    assert Neighbours(folder).look(0.0).above is False


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "in_memory"),
    [
        (None, 3),  # the machine's memory is everybody's
        ("", 3),  # a container's: all that are seen in it
        ("/user.slice/pod1", 2),  # the other one's cgroup lies below ours
        ("/user.slice/pod1/kernel", 1),
        ("/user.slice/po", 1),
    ],
)
@pytest.mark.parametrize("line", ["0::{}", "4:cpu,memory:{}"])
def test_memory_is_shared_with_those_who_live_off_the_same_limit(folder, others, tmp_path, group, in_memory, line):
    for other, path in zip(others, ("/user.slice/pod1/child", "/user.slice/pod2"), strict=True):
        process = tmp_path / "proc" / str(other.process.pid)
        process.mkdir(parents=True)
        (process / "cgroup").write_text(f"9:cpuset:/\n{line.format(path)}\n")
    seen = Neighbours(folder, proc=tmp_path / "proc", memory_group=group).look(0.0)
    assert (seen.count, seen.in_memory) == (3, in_memory)


def test_a_container_beside_ours_lives_off_memory_of_its_own(folder):
    boot = Writer.own().host.partition(" ")[0]
    path = header(folder, "container", f"{boot} pid:[1]")
    holder = (
        "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = Neighbours(folder, memory_group="").look(0.0)
        process.communicate(timeout=30)
    assert (seen.count, seen.in_memory) == (2, 1)
