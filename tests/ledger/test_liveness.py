from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.liveness import SILENT_S, Writer, is_dead, lock
from jupyter_carbon.ledger.replay import tell

ELSEWHERE = Writer("another machine", 4242, "77")


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "journal", os.O_CREAT | os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def silence(descriptor: int) -> None:
    os.utime(descriptor, (time.time() - SILENT_S - 60,) * 2)


def test_a_lock_is_had_once(tmp_path: Path, descriptor: int):
    assert lock(descriptor) is True
    other = os.open(tmp_path / "journal", os.O_RDWR)
    assert lock(other) is False
    os.close(other)


def test_this_process_lives_whoever_holds_the_lock(descriptor: int):
    assert not is_dead(Writer.own(), descriptor, True, far=False)
    assert not is_dead(Writer.own(), descriptor, False, far=False)


def test_a_process_that_took_over_the_number_is_another(descriptor: int):
    assert is_dead(replace(Writer.own(), born="1"), descriptor, False, far=False)


def test_a_process_that_nobody_has_waited_for_yet_is_dead(descriptor: int):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(read, 1)
        os._exit(0)
    born = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    child = replace(Writer.own(), pid=pid, born=born)
    assert not is_dead(child, descriptor, None, far=False)
    os.write(write, b"x")
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the table of processes
    assert is_dead(child, descriptor, None, far=False)
    os.waitpid(pid, 0)


def test_of_another_pid_namespace_the_lock_tells(descriptor: int):
    assert not is_dead(ELSEWHERE, descriptor, False, far=False)
    assert is_dead(ELSEWHERE, descriptor, True, far=False)


def test_of_another_host_a_lock_is_no_proof_until_a_day_has_passed(descriptor: int):
    assert not is_dead(ELSEWHERE, descriptor, True, far=True)
    silence(descriptor)
    assert is_dead(ELSEWHERE, descriptor, True, far=True)
    assert not is_dead(ELSEWHERE, descriptor, False, far=True)


def test_without_locks_the_clock_tells(descriptor: int):
    assert not is_dead(ELSEWHERE, descriptor, None, far=False)
    silence(descriptor)
    assert is_dead(ELSEWHERE, descriptor, None, far=False)


def test_a_journal_without_a_header_yet_is_left_to_its_session(descriptor: int):
    assert not is_dead(None, descriptor, True, far=False)
    silence(descriptor)
    assert is_dead(None, descriptor, True, far=False)


def test_a_forked_child_that_holds_the_lock_does_not_keep_a_killed_session_alive(tmp_path: Path, python):
    session = python(
        """
from jupyter_carbon.ledger.journal import Journal
journal = Journal.open(sys.argv[1], "session")
journal.context(a_context())
journal.begin(a_run("open"))
child = os.fork()
if child == 0:
    sys.stdin.read()
    os._exit(0)
print(journal.path, child, flush=True)
sys.stdin.read()
""",
        tmp_path,
    )
    path, child = session.stdout.readline().split()
    assert not tell(Path(path), far=False).over
    session.send_signal(signal.SIGKILL)
    session.wait()
    held = os.open(path, os.O_RDWR)
    assert lock(held) is False, "the child should hold the lock still"
    os.close(held)
    assert [counted.status for counted in tell(Path(path), far=False).crashed] == ["crashed"]
    os.kill(int(child), signal.SIGKILL)


def test_a_child_that_gave_its_descriptor_up_holds_no_lock(tmp_path: Path):
    journal = Journal.open(tmp_path, "session")
    assert journal.path is not None
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        journal.abandon()
        os.read(read, 1)
        os._exit(0)
    held = os.open(journal.path, os.O_RDWR)
    assert lock(held) is False, "giving up in the child must not unlock the parent's"
    os.write(write, b"x")
    os.waitpid(pid, 0)
    assert lock(held) is False
    journal.close()
    assert lock(held) is True
    os.close(held)
