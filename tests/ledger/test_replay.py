from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_parts import GPU, MEMORY, PACKAGE, a_context, a_run, a_window

from jupyter_carbon import footprint
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.replay import Counted, Replay, replay, tell
from jupyter_carbon.model import Interval

KILLED = """
from jupyter_carbon.ledger.journal import Journal
journal = Journal.open(sys.argv[1], "session")
journal.context(a_context())
journal.begin(a_run("done"))
journal.end("done", a_window(), "ok")
journal.begin(a_run("open"))
"""
AND_WAIT = "print(journal.path, flush=True); sys.stdin.read()"


@pytest.fixture
def killed(tmp_path: Path, python):
    """The journal of a session that was killed after these lines."""

    def kill(code: str = "") -> Path:
        session = python(KILLED + code + AND_WAIT, tmp_path)
        path = Path(session.stdout.readline().strip())
        session.send_signal(signal.SIGKILL)
        session.wait()
        return path

    return kill


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal.open(tmp_path, "session")
    journal.context(a_context())
    return journal


def test_a_record_is_what_footprint_makes_of_the_counts(journal: Journal):
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(), "error")
    assert journal.path is not None
    assert list(replay(journal.path)) == [footprint.record(run, a_window(), "error", a_context())]


def test_a_cell_killed_in_its_first_second_leaves_a_row(killed):
    done, crashed = replay(killed())
    assert (done.status, crashed.status) == ("ok", "crashed")
    assert crashed.flags == ("no-checkpoint",)


def test_what_nobody_counted_is_assumed_and_not_zero(killed):
    """Half a second at idle is likely: package 10 W, memory 2 W, half of each ours; a second at 100 W is the most."""
    _, crashed = replay(killed())
    by_device = {share.domain.device: share for share in crashed.shares}
    assert by_device["package-0"].energy_j == Interval(0.0, 2.5, 100.0)
    assert by_device["package-0"].machine_energy_j == Interval(0.0, 5.0, 100.0)
    assert by_device["memory-0"].energy_j == Interval(0.0, 0.5, 2.0)
    assert {share.domain.quality for share in crashed.shares} == {"assumed"}
    assert crashed.footprint.energy_j.likely == 3.0
    assert crashed.duration_s == 0.5


def test_a_killed_cell_costs_its_last_checkpoint_and_the_part_of_a_second_after_it(killed):
    """40 J in 2 s, of which 20 J idle: ours 10 J idle and 10 J active, then 2.5 J idle of the package unseen."""
    _, crashed = replay(
        killed("journal.checkpoint('open', a_window(20.0, 1.0)); journal.checkpoint('open', a_window())\n")
    )
    (package, memory) = crashed.shares
    assert package.energy_j.likely == pytest.approx(22.5)
    assert package.domain.quality == "measured"
    assert memory.energy_j.likely == pytest.approx(2.0 + 0.5)
    assert crashed.duration_s == 2.5
    assert crashed.flags == ()


def test_a_gpu_that_is_not_ours_adds_no_idle_to_a_killed_cell():
    context = replace(a_context(domains=(GPU,)), idle_w={"gpu0": 50.0}, gpus_allotted=())
    (share,) = Counted(a_run(), None, "crashed", context).record().shares
    assert share.energy_j == Interval(0.0, 0.0, 300.0)
    assert share.machine_energy_j == Interval(0.0, 25.0, 300.0)


def test_mine_is_never_above_the_machines_in_a_killed_cell():
    window = replace(a_window(), machine_busy_s=1.0)
    context = replace(a_context(), idle_share=1.0, ram_share=1.0)
    for share in Counted(a_run(), window, "crashed", context).record().shares:
        assert share.energy_j.high <= share.machine_energy_j.high


def test_an_open_cell_of_a_living_session_is_told_only_when_asked(journal: Journal):
    assert journal.path is not None
    journal.begin(a_run("open"))
    journal.checkpoint("open", a_window())
    assert list(replay(journal.path)) == []
    (running,) = replay(journal.path, running=True)
    assert running.flags == ("running",)
    assert running.footprint.energy_j.likely == pytest.approx(22.0)


def test_reading_goes_on_where_it_stopped(journal: Journal):
    assert journal.path is not None
    reader = Replay(journal.path)
    told = []
    for number in range(3):
        journal.begin(a_run(str(number)))
        told.append([run.run.id for run in reader.read()])
        journal.end(str(number), a_window(), "ok")
    told.append([run.run.id for run in reader.read()])
    assert told == [[], ["0"], ["1"], ["2"]]


def test_a_run_whose_counts_make_no_number_costs_itself_only(journal: Journal):
    assert journal.path is not None
    anything = Interval(1e-300, 1.0, 1e300)
    journal.context(replace(a_context(), pue=anything, wall=replace(a_context().wall, factor=anything)))
    journal.begin(a_run("absurd"))
    journal.end("absurd", a_window(), "ok")
    journal.context(a_context())
    journal.begin(a_run("sound"))
    journal.end("sound", a_window(), "ok")
    with pytest.raises(OverflowError):
        [counted.record() for counted in Replay(journal.path).read()]
    assert [record.run.id for record in replay(journal.path)] == ["sound"]


def test_a_torn_line_costs_itself_only(journal: Journal):
    assert journal.path is not None
    journal.begin(a_run("one"))
    with journal.path.open("ab") as file:
        file.write(b'["end","one","ok",[2.0,1.\n\x00\x00\x00\n')
    journal.end("one", a_window(), "ok")
    reader = Replay(journal.path)
    assert [run.run.id for run in reader.read()] == ["one"]
    assert reader.unreadable == 0


@pytest.mark.parametrize(
    "line",
    [
        ["end", "never begun", "ok", [1, 2, 3, 4, 5], [{}, {}, {}, {}, {}, {}, {}], {}, None, [], None],
        ["end", "one", "ok", [1, 2, 3], [{}, {}, {}, {}, {}, {}, {}], {}, None, [], None],
        ["begin", "two"],
        ["context", 9, {"n_cpu": 4}],
        [],
        5,
        {"end": "one"},
    ],
)
def test_a_whole_line_that_is_not_understood_is_counted_and_skipped(journal: Journal, line: object):
    assert journal.path is not None
    journal.begin(a_run("one"))
    with journal.path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    journal.end("one", a_window(), "ok")
    reader = Replay(journal.path)
    assert [run.run.id for run in reader.read()] == ["one"]
    assert reader.unreadable == 1


def test_a_journal_of_a_later_format_is_left_alone(killed):
    path = killed()
    path.write_bytes(path.read_bytes().replace(b'["journal",1,', b'["journal",2,', 1))
    story = tell(path, far=False)
    assert not story.over
    assert list(replay(path)) == []


def test_a_name_that_is_no_text_is_written_out(journal: Journal):
    """A file name of odd bytes, as `os.fsdecode` gives it."""
    assert journal.path is not None
    journal.begin(a_run("one", notebook="caf\udce9.ipynb"))
    journal.end("one", a_window(), "ok")
    (record,) = replay(journal.path)
    assert record.run.notebook == "caf\\udce9.ipynb"


def test_domains_of_the_context_that_vanished_before_the_kill_are_assumed():
    window = replace(a_window(), energy_j={MEMORY: 4.0})
    shares = Counted(a_run(), window, "crashed", a_context()).record().shares
    assert [(share.domain.device, share.domain.quality) for share in shares] == [
        (PACKAGE.device, "assumed"),
        (MEMORY.device, "modelled"),
    ]
