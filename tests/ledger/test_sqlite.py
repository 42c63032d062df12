from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_parts import BRITAIN, FRANCE, GPU, MEMORY, PACKAGE, a_context, a_run, a_window

from jupyter_carbon import footprint
from jupyter_carbon.ledger.schema import APPLICATION_ID, MIGRATIONS
from jupyter_carbon.ledger.sqlite import PAGE, Busy, Corrupt, Store, probe
from jupyter_carbon.model import CellRecord, CellRun, Footprint, Interval, LedgerError, Share


def a_record(name: str | None = None, **of_run: object) -> CellRecord:
    return footprint.record(a_run(name, **of_run), a_window(), "ok", a_context())


def pragma(path: Path, name: str) -> object:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(f"PRAGMA {name}").fetchone()[0]


def mounted_as(folder: Path, kind: str) -> Path:
    file = folder / "mountinfo"
    file.write_text(f"1 1 8:1 / / rw - {kind} source rw\n")
    return file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "ledger.sqlite")


# --- rows -----------------------------------------------------------------------------------------------------

numbers = st.floats(min_value=0.0, max_value=1e12)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
intervals = st.builds(Interval, numbers, numbers, numbers)
shares = st.builds(
    lambda domain, resolution_j, *ends: Share(replace(domain, resolution_j=resolution_j), *ends, resolution_j),
    st.sampled_from([PACKAGE, MEMORY, GPU]), numbers, intervals, intervals, intervals,
)  # fmt: skip
records = st.builds(
    CellRecord,
    run=st.builds(
        CellRun, st.uuids().map(str), st.text("abc"), texts, texts, texts, st.none() | st.integers(0, 2**31),
        st.integers(0, 4 * 10**15).map(lambda us: us / 1e6), st.none() | st.just("ab" * 20),
    ),
    duration_s=numbers,
    status=st.sampled_from(["ok", "error", "interrupted", "crashed"]),
    shares=st.lists(shares, max_size=3).map(tuple),
    footprint=st.builds(Footprint, *[intervals] * 6, st.none() | intervals, st.none() | intervals),
    pue=intervals,
    intensity=st.sampled_from([FRANCE, BRITAIN]),
    flags=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(record=records)
def test_a_record_survives_sqlite_to_the_last_bit(record: CellRecord, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "round-trip.sqlite"
    path.unlink(missing_ok=True)
    store = Store(path)
    store.add([record])
    assert list(store.records()) == [record]


@settings(max_examples=40, deadline=None)
@given(record=records)
def test_a_record_survives_its_public_form_to_the_last_bit(record: CellRecord):
    assert CellRecord.from_dict(record.to_dict()) == record


def test_a_run_is_stored_once(store: Store):
    assert store.add([a_record("one"), a_record("two"), a_record("one")]) == 2
    assert store.add([a_record("one")]) == 0
    assert [record.run.id for record in store.records()] == ["one", "two"]


def test_what_repeats_is_stored_once(store: Store):
    store.add([a_record() for _ in range(10)])
    store.add([replace(a_record(), intensity=BRITAIN) for _ in range(10)])
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*) FROM run").fetchone() == (20,)
        assert db.execute("SELECT count(*) FROM intensity").fetchone() == (2,)
        assert db.execute("SELECT count(*) FROM domain").fetchone() == (2,)


def test_many_pages_come_in_the_order_of_time_and_each_row_once(store: Store):
    """More than two pages, with many of the same moment on both sides of a page's end."""
    made = [a_record(started_at=float(number // 100)) for number in range(2 * PAGE + 50)]
    store.add(reversed(made))
    told = list(store.records())
    assert [record.run.started_at for record in told] == [record.run.started_at for record in made]
    assert {record.run.id for record in told} == {record.run.id for record in made}
    assert len(told) == len(made)


def test_since_and_notebook_choose(store: Store):
    store.add(
        [
            a_record("early", started_at=10.0),
            a_record("late", started_at=20.0),
            a_record("other", started_at=20.0, notebook="home/my_analysis.ipynb"),
            a_record("none", started_at=20.0, notebook=None),
        ]
    )

    def found(**asked: object) -> list[str]:
        return [record.run.id for record in store.records(**asked)]

    assert found(since_s=20.0) == ["late", "other", "none"]
    assert found(notebook="home/analysis.ipynb") == ["early", "late"]
    assert found(notebook="analysis.ipynb", since_s=11.0) == ["late"]
    assert found(notebook="%analysis.ipynb") == []


def test_a_view_tells_people_the_names(store: Store):
    store.add([a_record("one", started_at=1_750_000_000.25)])
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        row = db.execute("SELECT id, notebook, label, started_at_utc, energy_j, region, flags FROM cell_run").fetchone()
    assert row == ("one", "home/analysis.ipynb", "a label", "2025-06-15 15:06:40", pytest.approx(22.0), "FR", "[]")


def test_no_column_can_hold_code(store: Store):
    store.add([a_record("one")])
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        columns = {row[1] for row in db.execute("PRAGMA table_info(run)")}
    assert "source_sha1" in columns
    assert not {"source", "code", "raw_cell"} & columns


def test_others_cannot_read_it(store: Store):
    store.add([a_record()])
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_asking_makes_no_file(store: Store, tmp_path: Path):
    assert list(store.records()) == []
    assert store.known(["one"]) == set()
    assert list(tmp_path.iterdir()) == []


# --- what file is it ------------------------------------------------------------------------------------------


def test_it_carries_its_mark_and_version(store: Store):
    store.add([])
    assert pragma(store.path, "application_id") == APPLICATION_ID
    assert pragma(store.path, "user_version") == len(MIGRATIONS)


def test_an_older_file_is_brought_up_to_date_with_its_rows(store: Store):
    store.add([a_record("one")])
    newer = Store(store.path, migrations=(*MIGRATIONS, ("ALTER TABLE run ADD COLUMN project TEXT",)))
    newer.add([a_record("two")])
    assert pragma(store.path, "user_version") == len(MIGRATIONS) + 1
    assert [record.run.id for record in newer.records()] == ["one", "two"]


def test_a_migration_that_fails_changes_nothing(store: Store):
    store.add([a_record("one")])
    broken = Store(store.path, migrations=(*MIGRATIONS, ("ALTER TABLE run ADD COLUMN project TEXT", "NONSENSE")))
    with pytest.raises(LedgerError):
        broken.add([])
    assert pragma(store.path, "user_version") == len(MIGRATIONS)
    assert [record.run.id for record in store.records()] == ["one"]


def test_a_newer_file_is_read_and_not_written(store: Store):
    store.add([a_record("one")])
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = store.path.read_bytes()
    here = Store(store.path)
    assert [record.run.id for record in here.records()] == ["one"]
    with pytest.raises(LedgerError, match=r"newer jupyter_carbon \(format 99"):
        here.add([a_record("two")])
    assert here.notice is not None
    assert "read-only" in here.notice
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("name", ["ledger.sqlite", "notes.txt"])
def test_a_foreign_database_is_left_as_it_is(name: str, tmp_path: Path):
    path = tmp_path / name
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE run (diary TEXT)")
    before = path.read_bytes()
    store = Store(path)
    assert list(store.records()) == []
    with pytest.raises(LedgerError, match="is not a ledger of jupyter_carbon"):
        store.add([a_record()])
    assert path.read_bytes() == before


def test_a_text_file_given_by_mistake_is_left_as_it_is(tmp_path: Path):
    path = tmp_path / "results.csv"
    path.write_text("a,b\n1,2\n")
    store = Store(path)
    assert list(store.records()) == []
    with pytest.raises(LedgerError, match="is not a ledger of jupyter_carbon"):
        store.add([a_record()])
    assert path.read_text() == "a,b\n1,2\n"


def test_an_empty_file_is_a_new_ledger(store: Store):
    store.path.touch()
    assert store.add([a_record()]) == 1


# --- damage ---------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_corrupt_and_put_aside_whole(store: Store):
    store.path.write_bytes(b"\x17" * 5000)
    with pytest.raises(Corrupt):
        store.add([a_record()])
    with pytest.raises(Corrupt):
        list(store.records())
    aside = store.move_aside()
    assert aside is not None
    assert aside.read_bytes() == b"\x17" * 5000
    assert store.notice is not None
    assert aside.name in store.notice
    assert store.add([a_record("new")]) == 1


def test_a_page_damaged_in_the_middle_is_noticed(store: Store):
    store.add([a_record() for _ in range(200)])
    with store.path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * (store.path.stat().st_size - 6 * 4096))
    with pytest.raises(Corrupt):
        list(Store(store.path).records())
    assert store.move_aside() is not None


def test_a_sound_file_is_not_put_aside(store: Store):
    store.add([a_record("one")])
    assert store.move_aside() is None
    assert [record.run.id for record in store.records()] == ["one"]


def test_what_another_kernel_has_replaced_is_not_put_aside_again(store: Store):
    store.path.write_bytes(b"\x17" * 5000)
    other = Store(store.path)
    other.move_aside()
    other.add([a_record("theirs")])
    assert store.move_aside() is None
    assert [record.run.id for record in store.records()] == ["theirs"]


# --- how it is written ----------------------------------------------------------------------------------------


def test_a_local_file_is_in_wal_mode(store: Store):
    store.add([a_record()])
    assert pragma(store.path, "journal_mode") == "wal"


def test_on_a_network_home_it_uses_the_rollback_journal(tmp_path: Path):
    store = Store(tmp_path / "ledger.sqlite", mountinfo=mounted_as(tmp_path, "nfs4"))
    store.add([a_record("one")])
    assert pragma(store.path, "journal_mode") == "delete"
    assert [record.run.id for record in store.records()] == ["one"]


def test_a_home_that_moved_to_the_network_leaves_wal_with_its_rows(store: Store, tmp_path: Path):
    store.add([a_record("one")])
    moved = Store(store.path, mountinfo=mounted_as(tmp_path, "nfs"))
    assert [record.run.id for record in moved.records()] == ["one"]
    assert pragma(store.path, "journal_mode") == "delete"
    moved.add([a_record("two")])
    assert pragma(store.path, "journal_mode") == "delete"


def test_a_home_that_came_back_from_the_network_is_in_wal_again(tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    Store(path, mountinfo=mounted_as(tmp_path, "nfs4")).add([a_record("one")])
    store = Store(path)
    store.add([a_record("two")])
    assert pragma(path, "journal_mode") == "wal"
    assert [record.run.id for record in store.records()] == ["one", "two"]


def test_a_foreign_database_on_the_network_keeps_its_mode(tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE diary (text)")
    assert list(Store(path, mountinfo=mounted_as(tmp_path, "nfs")).records()) == []
    assert pragma(path, "journal_mode") == "wal"


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_the_probe_tells_a_folder_that_works_and_leaves_nothing(mode: str, tmp_path: Path):
    assert probe(tmp_path, mode)
    assert list(tmp_path.iterdir()) == []
    assert not probe(tmp_path / "absent", mode)


def test_where_sqlite_does_not_work_it_says_so(tmp_path: Path, run_python):
    """Files can be made and not filled: neither way of writing passes its probe."""
    out = run_python(
        """
import resource
from pathlib import Path
from jupyter_carbon.ledger.sqlite import Store
from jupyter_carbon.model import LedgerError
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
store = Store(Path(sys.argv[1]) / "ledger.sqlite")
try:
    store.add([])
except LedgerError as err:
    print(err == store.notice, err)
print(list(store.records()))
""",
        tmp_path,
    )
    assert "rows stay in the journals" in out
    assert out.endswith("[]\n")


# --- others at the same time, and sudden ends --------------------------------------------------------------------


@pytest.fixture
def held(store: Store) -> Iterator[Store]:
    """A store in which another connection is writing."""
    store.add([a_record("one")])
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield store


def test_a_writer_hinders_no_reader(held: Store):
    assert [record.run.id for record in held.records()] == ["one"]


def test_a_second_writer_gives_way(held: Store):
    with pytest.raises(Busy, match="another program has held"):
        held.add([a_record("two")])


def test_a_reader_that_dawdles_hinders_no_writer(tmp_path: Path):
    """In the rollback journal's mode too, where an open read would."""
    store = Store(tmp_path / "ledger.sqlite", mountinfo=mounted_as(tmp_path, "nfs"))
    store.add([a_record() for _ in range(PAGE + 1)])
    reader = store.records()
    next(reader)
    assert store.add([a_record()]) == 1


def test_a_process_killed_in_a_transaction_leaves_what_was_before(store: Store, python):
    store.add([a_record("before")])
    killed = python(
        """
from pathlib import Path
from jupyter_carbon import footprint
from jupyter_carbon.ledger.sqlite import Store
def records():
    for number in range(1000):
        yield footprint.record(a_run(str(number)), a_window(), "ok", a_context())
    os.kill(os.getpid(), signal.SIGKILL)
Store(Path(sys.argv[1])).add(records())
""",
        store.path,
    )
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert [record.run.id for record in store.records()] == ["before"]
    assert store.add([a_record("after")]) == 1


def test_many_processes_begin_one_file_together(tmp_path: Path, python):
    """Each makes the tables, if it is the first, and switches to WAL."""
    path = tmp_path / "ledger.sqlite"
    code = """
from pathlib import Path
from jupyter_carbon import footprint
from jupyter_carbon.ledger.sqlite import Store, Busy
record = footprint.record(a_run(), a_window(), "ok", a_context())
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        store.add([record])
        break
    except Busy:
        pass
"""
    processes = [python(code, path) for _ in range(6)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert len(list(Store(path).records())) == 6


def test_a_full_disk_loses_nothing_stored_and_is_said(store: Store, run_python):
    store.add([a_record("before")])
    out = run_python(
        """
import resource
from pathlib import Path
from jupyter_carbon import footprint
from jupyter_carbon.ledger.sqlite import Store
from jupyter_carbon.model import LedgerError
def records(name):
    return [footprint.record(a_run(f"{name} {number}"), a_window(), "ok", a_context()) for number in range(500)]
store = Store(Path(sys.argv[1]))
store.add([])
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    store.add(records("full"))
except LedgerError as err:
    print(err)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.add(records("again")))
""",
        store.path,
    )
    said, added = out.splitlines()
    assert "takes no rows" in said
    assert "nothing stored is lost" in said
    assert added == "500"
    told = {record.run.id.split()[0] for record in store.records()}
    assert told == {"before", "again"}


def test_a_read_only_home_is_still_read(public_folder: Path, run_python):
    store = Store(public_folder / "ledger.sqlite")
    store.add([a_record("one")])
    store.path.chmod(0o444)
    public_folder.chmod(0o555)
    out = run_python(
        """
from pathlib import Path
from jupyter_carbon.ledger.sqlite import Store
from jupyter_carbon.model import LedgerError
store = Store(Path(sys.argv[1]))
print([record.run.id for record in store.records()])
try:
    store.add([])
except LedgerError as err:
    print(err)
""",
        store.path,
        as_nobody=True,
    )
    told, said = out.splitlines()
    assert told == "['one']"
    assert "cannot be written (Permission denied)" in said
    assert "JUPYTER_CARBON_LEDGER" in said


def test_a_log_left_by_a_killed_kernel_is_read_on_a_full_disk(store: Store, run_python, python):
    """There is no room for WAL's shared memory, and rows that are nowhere else are in the WAL."""
    store.add([a_record("in the file", started_at=1.0)])
    killed = python(
        """
from pathlib import Path
import sqlite3
from jupyter_carbon import footprint
from jupyter_carbon.ledger.sqlite import Store
keeps_the_log = sqlite3.connect(sys.argv[1])
keeps_the_log.execute("SELECT count(*) FROM run").fetchone()
Store(Path(sys.argv[1])).add([footprint.record(a_run("in the log"), a_window(), "ok", a_context())])
os.kill(os.getpid(), signal.SIGKILL)
""",
        store.path,
    )
    killed.wait(timeout=60)
    store.path.with_name("ledger.sqlite-shm").unlink()
    assert store.path.with_name("ledger.sqlite-wal").stat().st_size > 0
    out = run_python(
        """
import resource
from pathlib import Path
from jupyter_carbon.ledger.sqlite import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print([record.run.id for record in Store(Path(sys.argv[1])).records()])
""",
        store.path,
    )
    assert out == "['in the file', 'in the log']\n"


def test_it_leaves_no_descriptor_open(store: Store):
    store.add([a_record()])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        store.add([a_record()])
        list(store.records())
    assert len(os.listdir("/proc/self/fd")) == before
