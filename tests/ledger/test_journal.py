from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest
from ledger_parts import BRITAIN, GPU, MEMORY, PACKAGE, a_context, a_run, a_window

from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import MOST_WAITING, Journal
from jupyter_carbon.ledger.replay import Replay, replay, tell
from jupyter_carbon.model import CellRun, Context, LedgerError, Window


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal.open(tmp_path, "session")
    journal.context(a_context())
    return journal


def the_path(journal: Journal) -> Path:
    assert journal.path is not None
    return journal.path


def ids(path: Path) -> list[str]:
    return [record.run.id for record in replay(path)]


def test_every_line_is_json(journal: Journal):
    run = a_run(label='quotes " and \\ and\nlines, é and \ud800')
    journal.begin(run)
    journal.checkpoint(run.id, a_window())
    journal.end(run.id, replace(a_window(), energy_j={PACKAGE: float("nan"), MEMORY: float("inf")}), "error")
    kinds = [json.loads(line)[0] for line in the_path(journal).read_bytes().splitlines()]
    assert kinds == ["journal", "context", "begin", "checkpoint", "end"]


def test_others_cannot_read_it(journal: Journal):
    assert the_path(journal).stat().st_mode & 0o777 == 0o600
    assert the_path(journal).parent.stat().st_mode & 0o777 == 0o700


def test_what_was_counted_comes_back_to_the_last_bit(journal: Journal):
    full = Window(
        duration_s=1 / 3,
        energy_j={PACKAGE: 0.1 + 0.2, GPU: 1e-300, MEMORY: 12345.678901234567},
        tree_cpu_s=2 / 3,
        machine_busy_s=0.7,
        idle_w={"package-0": 1 / 7},
        recent_w={"gpu0": 250.1},
        j_per_cpu_s={"package-0": 9.9},
        gpu_busy_s={"gpu0": (0.1, 0.3)},
        gpu_presence={"gpu0": "shared"},
        flags=("one", "two:gpu0"),
        elapsed_s=0.4,
        edge_s={"gpu0": 0.012},
        filled_s={"package-0": 1 / 9},
        wander_j={"gpu0": 1 / 11},
        after=Window(
            duration_s=2 / 9,
            energy_j={GPU: 100 / 3},
            tree_cpu_s=0.0,
            machine_busy_s=0.0,
            idle_w={"gpu0": 30.1},
            gpu_busy_s={"gpu0": (0.2, 0.7)},
            gpu_presence={"gpu0": "shared"},
            filled_s={"gpu0": 1 / 13},
        ),
    )
    assert all(getattr(full, field.name) for field in fields(Window)), "a field of Window that this test does not know"
    journal.context(a_context(domains=(PACKAGE, MEMORY, GPU)))
    run = replace(a_run(), started_at=1_750_000_000.123456)
    journal.begin(run)
    journal.end(run.id, full, "interrupted")
    (counted,) = Replay(the_path(journal)).read()
    assert counted.window == full
    assert counted.run == run
    assert counted.status == "interrupted"
    assert counted.context == a_context(domains=(PACKAGE, MEMORY, GPU))


def test_a_run_without_names_comes_back_without_names(journal: Journal):
    run = CellRun("id", "session", None, None, None, None, 5.0, None)
    journal.begin(run)
    journal.end("id", a_window(), "ok")
    (record,) = replay(the_path(journal))
    assert record.run == run


def test_a_number_that_is_none_is_left_out_not_zero(journal: Journal):
    run = a_run()
    journal.begin(run)
    journal.end(run.id, replace(a_window(), energy_j={PACKAGE: float("nan"), MEMORY: 4.0}), "ok")
    (counted,) = Replay(the_path(journal)).read()
    assert counted.window is not None
    assert counted.window.energy_j == {MEMORY: 4.0}


def test_a_domain_that_was_not_read_is_left_out(journal: Journal):
    run = a_run()
    journal.begin(run)
    journal.end(run.id, replace(a_window(), energy_j={MEMORY: 4.0}), "ok")
    (record,) = replay(the_path(journal))
    assert [share.domain.device for share in record.shares] == ["memory-0"]


def test_what_was_learned_is_told_anew_when_it_changes(journal: Journal):
    watts: dict[str, float] = {"package-0": 10.0}
    for number in range(3):
        run = a_run(str(number))
        journal.begin(run)
        journal.end(run.id, replace(a_window(), idle_w=watts), "ok")
        watts["package-0"] += 1.0  # the same object: to remember it by identity would repeat 10 W
    learned = [counted.window.idle_w["package-0"] for counted in Replay(the_path(journal)).read() if counted.window]
    assert learned == [10.0, 11.0, 12.0]


def test_each_run_keeps_the_context_it_began_with(journal: Journal):
    paris, london = a_context(), replace(a_context(), n_cpu=64)
    journal.context(paris)
    journal.begin(a_run("in Paris"))
    journal.context(london)
    journal.begin(a_run("in London"))
    journal.end("in Paris", a_window(), "ok")
    journal.end("in London", a_window(), "ok")
    contexts: dict[str, Context] = {counted.run.id: counted.context for counted in Replay(the_path(journal)).read()}
    assert contexts == {"in Paris": paris, "in London": london}


def test_a_cell_of_a_subshell_keeps_its_own_context(journal: Journal):
    """It gives another context between the notebook's `context` and its `begin`."""

    def subshell() -> None:
        journal.context(a_context(intensity=BRITAIN))
        journal.begin(a_run("in a subshell"))

    journal.context(a_context())
    thread = threading.Thread(target=subshell)
    thread.start()
    thread.join()
    journal.begin(a_run("in the notebook"))
    for name in ("in a subshell", "in the notebook"):
        journal.end(name, a_window(), "ok")
    regions = {record.run.id: record.intensity.region for record in replay(the_path(journal))}
    assert regions == {"in a subshell": "GB", "in the notebook": "FR"}


def test_threads_that_write_together_tear_no_line(journal: Journal):
    def cells(thread: int) -> None:
        journal.context(a_context())
        for number in range(200):
            journal.begin(a_run(f"{thread}-{number}"))
            journal.end(f"{thread}-{number}", a_window(), "ok")
            journal.flush()

    threads = [threading.Thread(target=cells, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader = Replay(the_path(journal))
    assert len({run.run.id for run in reader.read()}) == 800
    assert reader.unreadable == 0


def test_a_begin_told_again_takes_the_newer_context(journal: Journal):
    """A GPU has joined while the cell ran: the run is told with it."""
    joined = a_context(domains=(PACKAGE, MEMORY, GPU))
    journal.begin(a_run("one"))
    journal.checkpoint("one", a_window())
    journal.context(joined)
    journal.begin(a_run("one"))
    journal.end("one", replace(a_window(), energy_j={PACKAGE: 40.0, MEMORY: 4.0, GPU: 100.0}), "ok")
    (counted,) = Replay(the_path(journal)).read()
    assert counted.context == joined
    assert counted.window is not None
    assert counted.window.energy_j[GPU] == 100.0


def test_a_context_is_written_once(journal: Journal):
    context, other = a_context(), replace(a_context(), n_cpu=64)
    for number in range(6):
        journal.context(context if number % 2 else other)
        journal.begin(a_run(str(number)))
    assert the_path(journal).read_text().count('["context"') == 2


def test_a_context_that_was_foreseen_is_not_put_into_words_when_a_run_begins(journal: Journal):
    worded = []

    class Watched(Context):
        def to_dict(self):
            worded.append(self)
            return super().to_dict()

    context = Watched(**{name: getattr(a_context(), name) for name in Context.__slots__})
    journal.foresee(context)
    assert worded == [context]
    journal.context(context)
    journal.begin(a_run("r1"))
    assert worded == [context]
    assert the_path(journal).read_text().count('["context"') == 1  # the fixture's has no run


def test_a_run_before_any_context_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="context"):
        Journal.open(tmp_path, "session").begin(a_run())


def test_a_checkpoint_after_the_end_is_not_written(journal: Journal):
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(), "ok")
    before = the_path(journal).read_bytes()
    journal.checkpoint(run.id, a_window())
    assert the_path(journal).read_bytes() == before


def test_a_forked_child_writes_nothing(journal: Journal):
    journal.begin(a_run("parent's"))
    before = the_path(journal).read_bytes()
    pid = os.fork()
    if pid == 0:
        journal.begin(a_run("child's"))
        journal.checkpoint("parent's", a_window())
        journal.end("parent's", a_window(), "ok")
        journal.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert the_path(journal).read_bytes() == before
    journal.end("parent's", a_window(), "ok")
    assert ids(the_path(journal)) == ["parent's"]


# --- a disk that refuses --------------------------------------------------------------------------------------

FULL_DISK = """
import resource
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.replay import replay
from jupyter_carbon.model import LedgerError

def room(bytes_left):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, resource.RLIM_INFINITY))

journal = Journal.open(sys.argv[1], "session")
journal.context(a_context())
journal.begin(a_run("before"))
journal.end("before", a_window(), "ok")
whole = journal.path.read_bytes()
"""


def test_a_full_disk_is_said_once_and_costs_no_row(tmp_path: Path, run_python):
    """The first line is cut in the middle by the end of the disk; all is there when there is room again."""
    out = run_python(
        FULL_DISK
        + """
room(len(whole) + 50)
for name in ("one", "two"):
    try:
        journal.begin(a_run(name))
        journal.end(name, a_window(), "ok")
    except LedgerError as err:
        print(err)
        journal.end(name, a_window(), "ok")
torn = journal.path.read_bytes()
assert len(torn) == len(whole) + 50 and torn.startswith(whole)
print([record.run.id for record in replay(journal.path)])
room(resource.RLIM_INFINITY)
journal.flush()
print([record.run.id for record in replay(journal.path)], journal.trouble)
""",
        tmp_path,
    )
    said, during, after = out.splitlines()
    assert "wait in memory" in said
    assert str(tmp_path) in said
    assert during == "['before']"
    assert after == "['before', 'one', 'two'] None"


def test_a_cell_that_runs_while_the_disk_fills_and_empties_has_its_row(tmp_path: Path, run_python):
    """Its first line, which names a new context, is cut in the middle."""
    out = run_python(
        FULL_DISK
        + """
journal.context(a_context(intensity=BRITAIN))
room(len(whole) + 50)
try:
    journal.begin(a_run("long"))
except LedgerError:
    pass
room(resource.RLIM_INFINITY)
journal.checkpoint("long", a_window(10.0, 1.0))
journal.end("long", a_window(), "ok")
print([(record.run.id, record.intensity.region) for record in replay(journal.path)])
""",
        tmp_path,
    )
    assert out == "[('before', 'FR'), ('long', 'GB')]\n"


def test_memory_is_bounded_while_the_disk_is_full(tmp_path: Path, run_python):
    out = run_python(
        FULL_DISK
        + f"""
france, britain = a_context(), a_context(intensity=BRITAIN)
room(len(whole))
for number in range({MOST_WAITING} + 3):
    journal.context(britain if number < 3 else france)  # what told of Britain is lost with its runs
    try:
        journal.begin(a_run(str(number)))
    except LedgerError:
        pass
    journal.end(str(number), a_window(), "ok")
print(journal.lost_runs)
room(resource.RLIM_INFINITY)
journal.flush()
journal.context(britain)
journal.begin(a_run("after"))
journal.end("after", a_window(), "ok")
names = [record.run.id for record in replay(journal.path)]
print(names[0], names[1], names[-2], names[-1], len(names))
""",
        tmp_path,
    )
    assert out == f"3\nbefore 3 {MOST_WAITING + 2} after {MOST_WAITING + 2}\n"


def test_a_home_that_cannot_be_written_is_said_by_the_first_cell_and_only_by_it(public_folder: Path, run_python):
    public_folder.chmod(0o555)
    out = run_python(
        """
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.model import LedgerError
journal = Journal.open(sys.argv[1] + "/jupyter_carbon", "session")
journal.context(a_context())
for number in range(3):
    try:
        journal.begin(a_run(str(number)))
    except LedgerError as err:
        print(err)
    journal.end(str(number), a_window(), "ok")
""",
        public_folder,
        as_nobody=True,
    )
    (said,) = out.splitlines()
    assert "Permission denied" in said


def test_a_descriptor_that_user_code_closed_is_opened_again(tmp_path: Path, run_python):
    """`os.closerange(3, ..)` is how programs turn into daemons."""
    out = run_python(
        """
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import LedgerError
journal = Journal.open(sys.argv[1], "session")
journal.context(a_context())
journal.begin(a_run("open"))
os.closerange(3, 100)
try:
    journal.end("open", a_window(), "ok")
except LedgerError as err:
    print("said")
journal.begin(a_run("next"))
journal.flush()
journal.end("next", a_window(), "ok")
ledger = Ledger.open(sys.argv[1])
print([(record.run.id, record.status) for record in ledger.records()])
""",
        tmp_path,
    )
    assert out == "said\n[('open', 'ok'), ('next', 'ok')]\n"
    ledger = Ledger.open(tmp_path)
    ledger.sweep()  # of the first file alone, "open" would seem to have been killed
    assert [(record.run.id, record.status) for record in ledger.records()] == [("open", "ok"), ("next", "ok")]


def test_a_journal_that_was_deleted_goes_on_in_a_new_file(journal: Journal):
    journal.begin(a_run("open"))
    gone = the_path(journal)
    gone.unlink()
    journal.flush()
    journal.end("open", a_window(), "ok")
    assert the_path(journal) != gone
    assert ids(the_path(journal)) == ["open"]


# --- its length -----------------------------------------------------------------------------------------------


def test_a_long_journal_goes_on_in_a_new_file_with_its_open_run(tmp_path: Path):
    journal = Journal(tmp_path, "session", largest_bytes=4000)
    journal.flush()
    journal.context(a_context())
    journal.begin(a_run("day long"))
    for second in range(100):
        journal.checkpoint("day long", a_window(10.0 * second, float(second)))
    journal.end("day long", a_window(), "ok")
    journal.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) > 2
    assert all(path.stat().st_size < 5000 for path in files)
    stories = [tell(path, far=False) for path in files]
    assert [ended.run.id for story in stories for ended in story.ended] == ["day long"]
    assert not any(story.crashed for story in stories)


def test_a_session_that_opens_again_writes_a_file_of_its_own(tmp_path: Path):
    first = Journal.open(tmp_path, "session")
    first.close()
    second = Journal.open(tmp_path, "session")
    assert the_path(second) != the_path(first)


def test_a_closed_session_leaves_its_open_run_as_crashed(journal: Journal):
    journal.begin(a_run("open"))
    journal.close()
    assert [record.status for record in replay(the_path(journal))] == ["crashed"]


# --- kill -9 --------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_a_kill_in_mid_write(tmp_path: Path, python):
    """The process writes as fast as it can and says each run whose `end` has returned."""
    writer = python(
        """
from jupyter_carbon.ledger.journal import Journal
journal = Journal.open(sys.argv[1], "session")
journal.context(a_context())
print(journal.path, flush=True)
while True:
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(), "ok")
    print(run.id, flush=True)
""",
        tmp_path,
    )
    path = Path(writer.stdout.readline().strip())
    said = [writer.stdout.readline().strip() for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    said += writer.stdout.read().split()
    writer.wait()
    told = list(replay(path))
    finished = [record.run.id for record in told if record.status == "ok"]
    assert set(said) <= set(finished)
    assert len(told) == len({record.run.id for record in told}) <= len(said) + 1


def test_a_journal_cut_at_any_byte_keeps_all_lines_before_the_cut(journal: Journal, tmp_path: Path):
    ends = []
    for number in range(3):
        journal.begin(a_run(str(number)))
        journal.end(str(number), a_window(), "ok")
        ends.append(the_path(journal).stat().st_size)
    whole = the_path(journal).read_bytes()
    cut = tmp_path / "cut.jsonl"
    for size in range(ends[0], len(whole) + 1):
        cut.write_bytes(whole[:size])
        assert [run.run.id for run in Replay(cut).read()] == [str(n) for n in range(3) if ends[n] <= size]


def test_a_write_failure_is_a_ledger_error_with_its_cause_in_words(tmp_path: Path):
    (tmp_path / "ledger.journals").write_text("a file where the folder should be")
    journal = Journal.open(tmp_path, "session")
    journal.context(a_context())
    with pytest.raises(LedgerError, match="File exists"):
        journal.begin(a_run())


# --- a run whose devices go on --------------------------------------------------------------------------------------


def joules(path: Path) -> list[float]:
    return [record.footprint.machine_energy_j.likely for record in replay(path)]


def test_a_run_whose_devices_go_on_is_there_at_once_and_told_anew_by_its_last_line(journal: Journal):
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(40.0), "ok", goes_on=True)
    path = the_path(journal)
    assert joules(path) == [44.0]
    assert next(iter(replay(path, running=True))).flags == ()  # it does not run any more
    journal.end(run.id, a_window(50.0), "ok", goes_on=True)
    assert joules(path) == [54.0]
    journal.end(run.id, a_window(60.0), "ok")
    assert joules(path) == [64.0]
    with pytest.raises(KeyError):
        journal.end(run.id, a_window(), "ok", goes_on=True)


def test_a_run_whose_devices_went_on_when_its_session_was_killed_has_ended_as_it_did(journal: Journal):
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(), "error", goes_on=True)
    path = the_path(journal)
    journal._let_go()  # as the machine's kernel does when a process ends
    header = path.read_text().replace(f",{os.getpid()},", ",999999999,", 1)
    path.write_text(header)
    (record,) = replay(path)
    assert (record.status, record.duration_s) == ("error", 2.0)


def test_a_run_whose_devices_go_on_moves_with_its_session_into_the_next_file(tmp_path: Path):
    journal = Journal(tmp_path, "session", largest_bytes=1)
    journal.context(a_context())
    journal.flush()
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(40.0), "ok", goes_on=True)
    old = the_path(journal)
    journal.flush()
    assert the_path(journal) != old
    assert (ids(old), joules(the_path(journal))) == ([], [44.0])
    journal.end(run.id, a_window(60.0), "ok")
    assert joules(the_path(journal)) == [64.0]
