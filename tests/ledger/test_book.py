from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule
from ledger_parts import a_context, a_run, a_window

from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.sqlite import PAGE, Store
from jupyter_carbon.model import CellRecord, LedgerError


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, "session")
    journal.context(a_context())
    yield journal
    journal.close()


def run_cells(journal: Journal, *names: str, started_at: float | None = None) -> None:
    for name in names:
        journal.begin(a_run(name, started_at=started_at))
        journal.end(name, a_window(), "ok")


def ids(records: Iterator[CellRecord]) -> list[str]:
    return [record.run.id for record in records]


def stored(ledger: Ledger) -> list[str]:
    return ids(Store(ledger.path).records())


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def the_journals(ledger: Ledger) -> list[str]:
    return sorted(path.name for path in ledger.journals.iterdir())


# --- one session ----------------------------------------------------------------------------------------------


def test_a_finished_cell_is_there_at_once(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    assert ids(ledger.records()) == ["one"]
    assert not ledger.path.exists()


def test_drained_rows_are_the_same_rows(ledger: Ledger, journal: Journal):
    run_cells(journal, "one", "two")
    before = list(ledger.records())
    assert ledger.drain(journal) == 2
    assert stored(ledger) == ["one", "two"]
    assert list(ledger.records()) == before


def test_a_drain_moves_what_is_new_and_leaves_what_is_open(ledger: Ledger, journal: Journal):
    moved = []
    for number in range(3):
        journal.begin(a_run(f"open {number}"))
        run_cells(journal, f"done {number}")
        moved.append(ledger.drain(journal))
    journal.end("open 0", a_window(), "ok")
    moved.append(ledger.drain(journal))
    assert moved == [1, 1, 1, 1]
    assert set(stored(ledger)) == {"done 0", "done 1", "done 2", "open 0"}


def test_a_run_whose_devices_go_on_is_read_at_once_and_moved_when_it_is_told_for_good(ledger: Ledger, journal: Journal):
    journal.begin(a_run("launch"))
    journal.end("launch", a_window(40.0), "ok", goes_on=True)
    assert ledger.drain(journal) == 0
    assert [record.footprint.machine_energy_j.likely for record in ledger.records()] == [44.0]
    journal.end("launch", a_window(50.0), "ok", goes_on=True)
    journal.end("launch", a_window(60.0), "ok")
    assert ledger.drain(journal) == 1
    assert stored(ledger) == ["launch"]
    assert [record.footprint.machine_energy_j.likely for record in ledger.records()] == [64.0]


def test_records_come_in_the_order_of_time_from_both_places(ledger: Ledger, journal: Journal):
    run_cells(journal, "2nd", started_at=20.0)
    ledger.drain(journal)
    run_cells(journal, "3rd", started_at=30.0)
    run_cells(journal, "1st", started_at=10.0)
    assert ids(ledger.records()) == ["1st", "2nd", "3rd"]


def test_since_and_notebook_choose_in_both_places(ledger: Ledger, journal: Journal):
    for moment in (10.0, 20.0):
        run_cells(journal, f"stored {moment}", started_at=moment)
        journal.begin(a_run(f"other {moment}", notebook="other.ipynb", started_at=moment))
        journal.end(f"other {moment}", a_window(), "ok")
    ledger.drain(journal)
    for moment in (10.0, 20.0):
        run_cells(journal, f"new {moment}", started_at=moment)
    late = datetime.fromtimestamp(15.0, timezone.utc)
    assert set(ids(ledger.records(since=late))) == {"stored 20.0", "other 20.0", "new 20.0"}
    assert ids(ledger.records(since=late, notebook="analysis.ipynb")) == ["new 20.0", "stored 20.0"]
    assert ids(ledger.records(notebook="other.ipynb")) == ["other 10.0", "other 20.0"]


def test_what_is_drained_while_somebody_reads_is_told_once(ledger: Ledger, journal: Journal):
    """The reader is on SQLite's first page while what it found in the journal comes to stand on the next."""
    early = [f"early {number}" for number in range(PAGE)]
    run_cells(journal, *early, started_at=1.0)
    ledger.drain(journal)
    run_cells(journal, "one", "two")
    reader = Ledger.open(ledger.path).records()
    told = [next(reader).run.id]
    ledger.drain(journal)
    told += ids(reader)
    assert told == [*early, "one", "two"]


def test_a_long_journal_is_swept_when_the_next_has_begun(ledger: Ledger):
    journal = Journal(ledger.journals, "session", largest_bytes=3000)
    journal.context(a_context())
    journal.flush()
    names = [str(number) for number in range(60)]
    for name in names:
        run_cells(journal, name)
        ledger.drain(journal)
    assert len(the_journals(ledger)) == 1
    assert the_journals(ledger) != ["session-0.jsonl"]
    assert stored(ledger) == names
    journal.close()


def test_a_closed_session_is_swept_clean(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    journal.close()
    assert ledger.sweep() == 1
    assert the_journals(ledger) == []
    assert ids(ledger.records()) == ["one"]


def test_a_living_session_is_not_swept(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    assert ledger.sweep() == 0
    assert len(the_journals(ledger)) == 1


def test_a_journal_with_lines_that_are_not_understood_is_kept(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    assert journal.path is not None
    with journal.path.open("a") as file:
        file.write('["from", "the", "future"]\n["begin", "and is strange"]\n')
    journal.close()
    assert ledger.sweep() == 1
    assert the_journals(ledger) == ["session-0.unreadable"]


def test_a_forked_child_drains_nothing(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    pid = os.fork()
    if pid == 0:
        os._exit(ledger.drain(journal))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not ledger.path.exists()


def test_a_url_is_refused():
    with pytest.raises(LedgerError, match="not supported in this version"):
        Ledger.open("postgresql://hub/carbon")


# --- faults ---------------------------------------------------------------------------------------------------


def test_a_corrupt_file_is_kept_a_new_one_begun_and_it_is_said(ledger: Ledger, journal: Journal):
    ledger.path.write_bytes(b"not a database" * 1000)
    run_cells(journal, "one")
    assert ledger.drain(journal) == 1
    (aside,) = ledger.path.parent.glob("ledger.sqlite.corrupt-*")
    assert aside.read_bytes() == b"not a database" * 1000
    assert ledger.notice is not None
    assert aside.name in ledger.notice
    assert ids(ledger.records()) == ["one"]


def test_a_session_writes_its_rows_again_when_the_file_was_damaged_under_it(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    ledger.drain(journal)
    ledger.path.write_bytes(b"not a database" * 1000)
    run_cells(journal, "two")
    ledger.drain(journal)
    assert stored(ledger) == ["one", "two"]


def test_a_reader_puts_a_corrupt_file_aside_and_tells_the_journals(ledger: Ledger, journal: Journal):
    ledger.path.write_bytes(b"not a database" * 1000)
    run_cells(journal, "one")
    assert ids(ledger.records()) == ["one"]
    assert ledger.notice is not None
    assert "damaged" in ledger.notice


def test_beside_a_foreign_file_rows_live_in_journals(ledger: Ledger, journal: Journal):
    with contextlib.closing(sqlite3.connect(ledger.path)) as db:
        db.execute("CREATE TABLE diary (text)")
    run_cells(journal, "one")
    with pytest.raises(LedgerError, match="is not a ledger"):
        ledger.drain(journal)
    journal.close()
    with pytest.raises(LedgerError, match="is not a ledger"):
        ledger.sweep()
    assert ids(ledger.records()) == ["one"]
    assert ledger.notice is not None


def test_while_another_kernel_writes_rows_wait_and_nobody_hears_of_it(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    ledger.drain(journal)
    run_cells(journal, "two")
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert ledger.drain(journal) == 0
        assert ids(ledger.records()) == ["one", "two"]
    run_cells(journal, "three")
    assert ledger.drain(journal) == 2
    assert stored(ledger) == ["one", "two", "three"]


def test_a_deleted_ledger_is_begun_anew(ledger: Ledger, journal: Journal):
    run_cells(journal, "one")
    ledger.drain(journal)
    for path in ledger.path.parent.glob("ledger.sqlite*"):
        path.unlink()
    run_cells(journal, "two")
    assert ledger.drain(journal) == 1
    assert ids(ledger.records()) == ["one", "two"]  # the first is in the journal still


def test_a_full_disk_is_said_and_the_rows_come_later(tmp_path: Path, run_python):
    out = run_python(
        """
import resource
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.model import LedgerError
ledger = Ledger.open(sys.argv[1])
journal = Journal.open(sys.argv[1], "session")
journal.context(a_context())
def cells(n):
    for _ in range(n):
        run = a_run()
        journal.begin(run)
        journal.end(run.id, a_window(), "ok")
cells(100)
ledger.drain(journal)
cells(100)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    ledger.drain(journal)
except LedgerError as err:
    print(err)
print(len(list(ledger.records())))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(ledger.drain(journal), len(list(ledger.records())))
""",
        tmp_path,
    )
    said, during, after = out.splitlines()
    assert "nothing stored is lost" in said
    assert during == "200"
    assert after == "100 200"


# --- many, and killed -----------------------------------------------------------------------------------------

SESSION = """
from jupyter_carbon.ledger import run_id
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import Journal
ledger = Ledger.open(sys.argv[1])
session = run_id()
journal = Journal.open(sys.argv[1], session)
journal.context(a_context())
def cells(n):
    for _ in range(n):
        run = a_run(session_id=session)
        journal.begin(run)
        journal.end(run.id, a_window(), "ok")
"""


def test_four_kernels_write_a_thousand_rows_each_and_lose_none(tmp_path: Path, python):
    code = SESSION + "for _ in range(20):\n    cells(50)\n    ledger.drain(journal)\njournal.close()\n"
    kernels = [python(code, tmp_path) for _ in range(4)]
    for kernel in kernels:
        out, err = kernel.communicate(timeout=100)
        assert (kernel.returncode, out, err) == (0, "", "")
    ledger = Ledger.open(tmp_path)
    told = ids(ledger.records())
    assert len(told) == len(set(told)) == 4000
    ledger.sweep()
    assert set(stored(ledger)) == set(told)
    assert the_journals(ledger) == []


def test_a_kernel_killed_in_mid_drain_loses_and_doubles_nothing(tmp_path: Path, python):
    """Killed when the first rows are in SQLite's log, while it moves on from page to page."""
    ledger = Ledger.open(tmp_path)
    for _ in range(2):
        killed = python(SESSION + "cells(2000)\nprint('draining', flush=True)\nledger.drain(journal)\n", tmp_path)
        killed.stdout.readline()
        while killed.poll() is None and size(tmp_path / "ledger.sqlite-wal") < 300_000:
            pass
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    told = ids(ledger.records())
    assert len(told) == len(set(told)) == 4000
    ledger.sweep()
    assert len(stored(ledger)) == 4000
    assert the_journals(ledger) == []


def test_a_kernel_killed_in_mid_cell_leaves_its_cells_and_the_last_as_crashed(tmp_path: Path, python):
    code = """
cells(2)
ledger.drain(journal)
cells(1)
run = a_run("last", session_id=session)
journal.begin(run)
journal.checkpoint("last", a_window())
print("running", flush=True)
sys.stdin.read()
"""
    kernel = python(SESSION + code, tmp_path)
    kernel.stdout.readline()
    ledger = Ledger.open(tmp_path)
    assert [record.status for record in ledger.records()] == ["ok"] * 3
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    assert [record.status for record in ledger.records()] == ["ok"] * 3 + ["crashed"]
    assert ledger.sweep() == 2
    assert [record.status for record in ledger.records()] == ["ok"] * 3 + ["crashed"]


def test_readers_and_sweepers_beside_a_writer_see_each_row_once(tmp_path: Path, python):
    """History is asked for while kernels come, drain and go."""
    kernels = [python(SESSION + "cells(400)\nledger.drain(journal)\n", tmp_path) for _ in range(3)]
    ledger, counts = Ledger.open(tmp_path), [0]
    while any(kernel.poll() is None for kernel in kernels):
        told = ids(ledger.records())
        assert len(told) == len(set(told)) >= counts[-1]
        counts.append(len(told))
        Ledger.open(tmp_path).sweep()
    assert len(ids(ledger.records())) == 1200


# --- any interleaving -----------------------------------------------------------------------------------------


def serve(pipe: Connection, folder: Path, session: str) -> None:
    """A kernel: does what it is told, one thing at a time, until it is killed."""
    ledger = Ledger.open(folder)
    journal = Journal(ledger.journals, session, largest_bytes=2500)
    journal.context(a_context())
    journal.flush()
    while True:
        act, run = pipe.recv()
        if act == "begin":
            journal.begin(a_run(run, session_id=session))
        elif act == "checkpoint":
            journal.checkpoint(run, a_window(20.0, 1.0))
        elif act == "drain":
            ledger.drain(journal)
        elif act == "tear":  # what a kill in the middle of a write leaves
            assert journal.path is not None
            with journal.path.open("ab") as file:
                file.write(b'["end","')
        elif act == "close":
            journal.close()
        else:
            journal.end(run, a_window(), act)
        pipe.send("done")


class Kernel:
    def __init__(self, folder: Path, name: str) -> None:
        fork = multiprocessing.get_context("fork")
        self.pipe, theirs = fork.Pipe()
        self.process = fork.Process(target=serve, args=(theirs, folder, name), daemon=True)
        self.process.start()
        self.name, self.open, self.runs = name, set[str](), 0

    def do(self, act: str, run: str | None = None) -> None:
        self.pipe.send((act, run))
        self.pipe.recv()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class AnyOrder(RuleBasedStateMachine):
    """Cells begin, end, are checkpointed and drained; kernels die and history is read: each run stays one row."""

    kernels = Bundle("kernels")

    @initialize()
    def start(self) -> None:
        self.folder = Path(os.environ["LEDGER_TEST_FOLDER"]) / os.urandom(8).hex()
        self.folder.mkdir()
        self.alive: list[Kernel] = []
        self.expected: dict[str, str] = {}
        self.started = 0

    @rule(target=kernels)
    @precondition(lambda self: len(self.alive) < 3)
    def a_kernel_starts(self) -> Kernel:
        self.started += 1
        kernel = Kernel(self.folder, f"kernel {self.started}")
        self.alive.append(kernel)
        return kernel

    @rule(kernel=kernels)
    def a_cell_begins(self, kernel: Kernel) -> None:
        kernel.runs += 1
        run = f"{kernel.name} run {kernel.runs}"
        kernel.do("begin", run)
        kernel.open.add(run)

    @rule(kernel=kernels, data=st.data())
    def a_cell_is_checkpointed(self, kernel: Kernel, data: st.DataObject) -> None:
        if kernel.open:
            kernel.do("checkpoint", data.draw(st.sampled_from(sorted(kernel.open))))

    @rule(kernel=kernels, data=st.data(), status=st.sampled_from(["ok", "error", "interrupted"]))
    def a_cell_ends(self, kernel: Kernel, data: st.DataObject, status: str) -> None:
        if kernel.open:
            run = data.draw(st.sampled_from(sorted(kernel.open)))
            kernel.do(status, run)
            kernel.open.remove(run)
            self.expected[run] = status

    @rule(kernel=kernels)
    def a_kernel_drains(self, kernel: Kernel) -> None:
        kernel.do("drain")

    @rule(kernel=consumes(kernels), how=st.sampled_from(["kill", "tear", "close"]))
    def a_kernel_ends(self, kernel: Kernel, how: str) -> None:
        if how != "kill":
            kernel.do(how)
        kernel.kill()
        self.alive.remove(kernel)
        self.expected |= dict.fromkeys(kernel.open, "crashed")

    @rule()
    def somebody_sweeps(self) -> None:
        Ledger.open(self.folder).sweep()

    @invariant()
    def each_run_is_one_row(self) -> None:
        told = [(record.run.id, record.status) for record in Ledger.open(self.folder).records()]
        assert sorted(told) == sorted(self.expected.items())

    def teardown(self) -> None:
        for kernel in self.alive:
            kernel.kill()


def test_in_any_order_each_run_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from hypothesis.stateful import run_state_machine_as_test

    monkeypatch.setenv("LEDGER_TEST_FOLDER", str(tmp_path))
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
