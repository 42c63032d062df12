"""The composition root: what a cell's two edges, the ticker and a close leave behind, whatever comes between."""

from __future__ import annotations

import json
import logging
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
from machine import Machine, sessions

from jupyter_carbon.grid.static import gpus_gco2e_per_h
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import CellRecord, Domain
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.session import SETTLE_FROM, Session, sha1_of

SHELL = object()
"""Stands for a shell's hooks."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def open_session(machine: Machine) -> Iterator[Callable[..., Session]]:
    with sessions(machine) as open_one:
        yield open_one


def rows(machine: Machine) -> list[CellRecord]:
    return list(Ledger.open(machine.ledger).records())


def run_cell(session: Session, **options: Any) -> CellRecord:
    cell = session.begin("1", owner=SHELL, **options)
    session.end(cell)
    return session.record_of(cell)


def child(code: str, **environ: str) -> subprocess.Popen[str]:
    """A process that meters the machine of argv[1]; tests/ is on its path."""
    head = (
        "import os, sys, time, threading\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom machine import Machine\n"
        "from jupyter_carbon.session import Session\nfrom jupyter_carbon.settings import Carbon\n"
        "root = Path(sys.argv[1])\n"
        "def session(**given):\n"
        "    given = {'region': 'FR', 'live': False, 'ledger': str(root / 'ledger.sqlite'), **given}\n"
        "    return Session(Carbon(**given), root=root, environ={'TZ': 'UTC'})\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(code), environ.pop("root")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )


# --- a cell ---------------------------------------------------------------------------------------------------------


def test_a_register_that_moves_once_in_a_cell_gives_its_joules_however_long_it_stood(machine, open_session):
    package = machine.package()
    session = open_session()
    cell = session.begin("x = 1", execution_count=1, owner=SHELL)
    time.sleep(0.6)
    package.add_j(7.5)
    time.sleep(0.6)
    session.end(cell)
    [row] = rows(machine)
    [cpu] = [share for share in row.shares if share.domain.component == "cpu"]
    assert cpu.machine_energy_j.likely == pytest.approx(7.5)
    assert cpu.machine_energy_j.high > 15.0
    assert "stuck:package-0" in row.flags


def test_known_counters_give_known_joules_in_the_row(machine, open_session):
    package = machine.package()
    with package.restless():
        session = open_session()
        cell = session.begin("x = 1", cell_id="abc", label="load", execution_count=3, owner=SHELL)
        package.draw(7.5)
        session.end(cell)
    (row,) = rows(machine)
    told = row.to_dict()
    assert (row.run.label, row.run.execution_count, row.run.cell_id, row.status) == ("load", 3, "abc", "ok")
    part = next(part for part in told["components"] if part["component"] == "cpu")
    assert part["machine_energy_j"]["likely"] == pytest.approx(7.5, abs=1e-3)
    assert (part["quality"], part["source"], part["device"]) == ("measured", "rapl", "package-0")
    assert told == session.record_of(cell).to_dict()
    assert told["flags"] == []


def test_what_the_end_of_a_cell_may_need_is_fetched_while_the_first_one_runs(open_session):
    session = open_session()
    fetched: list[str] = []
    there = threading.Event()
    session.soon(lambda: (fetched.append(threading.current_thread().name), there.set()))
    assert fetched == []
    session.begin("1", owner=SHELL)
    assert there.wait(10)
    assert fetched == ["carbon-ticker"]


def test_code_is_a_hash_and_a_block_without_code_has_none(open_session):
    session = open_session()
    assert session.new_run("x = 1").source_sha1 == "34bce5f775de97f557a34088509c8bfe1ea17e52"
    assert session.new_run(None).source_sha1 is None


def test_the_newest_runs_of_a_source_are_at_hand_without_the_ledger(open_session):
    session = open_session()
    for source in ("1", "2", "1", "1"):
        session.end(session.begin(source, owner=SHELL))
    *_, before, last = (record.run for record in session.newest_of({sha1_of("1")}, 2))
    assert [len(session.newest_of({sha1_of(source)}, 9)) for source in ("1", "2", "3")] == [3, 1, 0]
    assert before.started_at < last.started_at
    assert len(session.newest_of({sha1_of("1")}, 2)) == 2


def test_a_session_is_its_cells_and_what_lies_between(machine, open_session):
    package = machine.package()
    session = open_session()
    time.sleep(0.02)
    package.add_j(5)
    for _ in range(2):
        cell = session.begin("1", owner=SHELL)
        time.sleep(0.02)
        package.add_j(2)
        session.end(cell)
    totals = session.account().totals
    assert totals.cells == 2
    assert totals.footprint.machine_energy_j.likely == pytest.approx(4 + 0.3 * 16 * totals.busy_s, rel=0.01)
    assert totals.between.machine_energy_j.likely >= 5
    assert [record.status for record in session.account().records] == ["ok", "ok"]


def test_a_block_of_another_thread_asks_for_the_account_while_the_ticker_settles_it(open_session):
    session = open_session()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(300):
                session.account()
        except IndexError as err:
            failures.append(err)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        run_cell(session)
    for thread in threads:
        thread.join()
    assert failures == []
    assert session.account().totals.cells == 500


# --- half-done edges ------------------------------------------------------------------------------------------------


def test_an_end_that_was_broken_off_is_done_when_called_again(machine, open_session):
    package = machine.package()
    session = open_session()
    cell = session.begin("1", owner=SHELL)
    package.draw(3)
    session._read_end(cell, "interrupted", ())  # the interrupt lands behind this
    package.add_j(100)
    session.end(cell, "ok")
    session.end(cell, "ok")
    (row,) = rows(machine)
    assert row.status == "interrupted"
    assert row.shares[0].machine_energy_j.likely == pytest.approx(3)
    assert not session.running


def test_what_a_swallowed_interrupt_left_open_is_ended_before_the_next_cell(machine, open_session):
    session = open_session()
    session.begin("lost", label="lost", owner=SHELL)
    theirs = session.begin("other shell", label="theirs", owner=object())
    session.end_lost(SHELL)
    session.end(theirs)
    assert {row.run.label: row.status for row in rows(machine)} == {"lost": "interrupted", "theirs": "ok"}


def test_a_cell_of_another_thread_is_not_lost(machine, open_session):
    session = open_session()
    subshell = threading.Thread(target=session.begin, args=("1",), kwargs={"owner": SHELL, "label": "there"})
    subshell.start()
    subshell.join()
    session.end_lost(SHELL)
    assert session.running


def test_a_cell_whose_beginning_was_broken_off_says_that_it_was_counted_from_its_end(machine, open_session):
    session = open_session()
    cell = session.begin("1", owner=SHELL)
    session.meter.end(cell.running)
    cell.running.began = None
    session.end(cell)
    assert "begun-late" in rows(machine)[0].flags


def test_a_fault_at_a_cells_end_costs_that_row_and_no_other(machine, open_session):
    session = open_session()
    cell = session.begin("1", owner=SHELL)
    cell.running = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        session.end(cell)
    assert not session.running
    run_cell(session, label="next")
    assert [row.run.label for row in rows(machine)] == ["next"]


# --- close ----------------------------------------------------------------------------------------------------------


def test_closing_ends_what_still_runs_and_says_so(machine, open_session):
    session = open_session()
    session.begin("1", label="open", owner=SHELL)
    session.close()
    session.close()
    (row,) = rows(machine)
    assert (row.status, "session-closed" in row.flags) == ("interrupted", True)


def test_a_disk_that_never_answers_does_not_keep_the_process_from_ending(machine):
    """A thread holds the journal as a write does that never returns."""
    code = """
    session = session()
    cell = session.begin("1", label="done", owner=object())
    session.end(cell)
    def write_for_ever():
        with session.books._journal._lock:
            print("held", flush=True)
            time.sleep(600)
    threading.Thread(target=write_for_ever, daemon=True).start()
    time.sleep(0.1)
    """
    began = time.monotonic()
    with child(code, root=str(machine.root)) as process:
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("held\n", "", 0)
    assert time.monotonic() - began < 20
    assert [row.run.label for row in rows(machine)] == ["done"]


def test_a_process_that_exits_in_mid_cell_leaves_its_row(machine):
    for how, status in (("sys.exit(0)", "interrupted"), ("os._exit(0)", "crashed")):
        code = f"s = session(); s.begin('1', label={how!r}, owner=object()); {how}"
        with child(code, root=str(machine.root)) as process:
            assert process.communicate(timeout=60) == ("", "")
        assert {row.run.label: row.status for row in rows(machine)}[how] == status


def test_a_killed_session_leaves_finished_cells_and_the_last_one_as_crashed(machine):
    machine.package()
    code = """
    session = session()
    session.end(session.begin("1", label="done", owner=object()))
    session.begin("2", label="shot", owner=object())
    print("ready", flush=True)
    time.sleep(600)
    """
    with child(code, root=str(machine.root)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(1.5)  # one checkpoint
        process.send_signal(signal.SIGKILL)
    told = {row.run.label: row for row in rows(machine)}
    assert {label: row.status for label, row in told.items()} == {"done": "ok", "shot": "crashed"}
    assert 1.0 <= told["shot"].duration_s <= 2.6


def test_a_forked_child_neither_counts_nor_writes(machine, open_session):
    session = open_session()
    cell = session.begin("1", label="parent", owner=SHELL)
    pid = os.fork()
    if pid == 0:
        session.close()
        os._exit(0 if session.closed else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    session.end(cell)
    assert [row.run.label for row in rows(machine)] == ["parent"]
    assert not session.closed


def test_a_fork_asks_no_observer_of_a_setting(machine, open_session):
    """An observer may want a lock; in the child a thread that is not there may hold it for ever."""
    session = open_session()
    session.settings.observe(lambda _: os._exit(9))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# --- several sessions -----------------------------------------------------------------------------------------------

IDLE = """
session = session()
print("ready", flush=True)
sys.stdin.read()
"""


def memory_w(record: CellRecord) -> float:
    """Watts of memory that are ours: 0.3 W/GB x 16 GB, shared among the sessions alive."""
    share = next(share for share in record.shares if share.domain.component == "ram")
    return share.energy_j.likely / record.duration_s


def test_idle_power_and_memory_are_shared_among_the_sessions_alive(machine, open_session):
    session = open_session()

    def cell() -> CellRecord:
        running = session.begin("1", owner=SHELL)
        time.sleep(0.2)  # the ticker, just woken, looks who else is there
        session.end(running)
        return session.record_of(running)

    assert memory_w(cell()) == pytest.approx(4.8, rel=0.01)
    time.sleep(1.2)  # the ticker parks
    with child(IDLE, root=str(machine.root)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert memory_w(cell()) == pytest.approx(2.4, rel=0.01)
        assert session.context().idle_share == pytest.approx(min(session.host.cpu_share, 0.5))
        process.communicate(timeout=60)
    time.sleep(1.2)
    assert memory_w(cell()) == pytest.approx(4.8, rel=0.01)


def test_a_session_below_another_ones_process_says_that_its_energy_is_counted_there_too(machine, open_session):
    session = open_session()
    run_cell(session, label="above")
    code = """
    session = session()
    session.wait_until_warm(10)
    session.end(session.begin("1", label="below", owner=object()))
    """
    with child(code, root=str(machine.root)) as process:
        process.communicate(timeout=60)
    told = {row.run.label: row.flags for row in rows(machine)}
    assert ("inside-another" in told["below"], "inside-another" in told["above"]) == (True, False)


# --- a GPU whose driver takes its time ------------------------------------------------------------------------------


class Card:
    """A GPU that joins when its driver has answered."""

    name = "card"
    components = ("gpu",)
    allotted = ("gpu0",)
    idle_w = {"gpu0": 20.0}  # noqa: RUF012
    power_limit_w = {"gpu0": 300.0}  # noqa: RUF012
    domains = (Domain("gpu", "gpu0", "card", "measured", 0.001),)
    cards = {"gpu0": ("NVIDIA H100 80GB HBM3", 1.0)}  # noqa: RUF012

    def __init__(self) -> None:
        self.faults, self.joules = FaultLog(), 1000.0

    def energy_j(self):
        return {self.domains[0]: self.joules}

    def busy_s(self, pids):
        return {}

    def presence(self, pids):
        return {"gpu0": "alone"}

    def close(self):
        return


def join(session: Session) -> Card:
    card = Card()
    session.meter.add_gpus(card)
    session.reconfigure()
    return card


def test_a_card_that_joins_in_mid_cell_is_in_the_row_from_there(machine, open_session):
    session = open_session()
    cell = session.begin("1", owner=SHELL)
    card = join(session)
    time.sleep(0.01)
    card.joules += 50
    session.end(cell)
    (row,) = rows(machine)
    share = next(share for share in row.shares if share.domain.device == "gpu0")
    assert share.energy_j.likely == pytest.approx(50)
    assert "joined:gpu0" in row.flags
    assert row.to_dict() == session.record_of(cell).to_dict()


def test_a_card_carries_its_manufacture_with_it(machine, open_session):
    session = open_session()
    before = session.context().embodied_gco2e_per_h
    join(session)
    with_card = session.context()
    card = gpus_gco2e_per_h([("NVIDIA H100 80GB HBM3", 1.0)])
    assert with_card.embodied_gco2e_per_h.likely == pytest.approx(before.likely + card.likely)
    assert with_card.embodied_source.endswith(", and 1 GPU")
    session.surroundings.share_with(8, 1, inside_another=False)  # eight kernels may use it; memory is ours alone
    shared = session.context()
    host_gco2e = before.likely * shared.idle_share / with_card.idle_share
    assert shared.embodied_gco2e_per_h.likely == pytest.approx(host_gco2e + card.likely / 8)
    assert (shared.idle_share, shared.kernel_share, shared.ram_share) == (0.125, 0.125, 1.0)


def test_what_is_checkpointed_after_a_card_joined_holds_its_joules(machine, open_session):
    session = open_session()
    session.begin("1", label="shot", owner=SHELL)
    card = join(session)
    time.sleep(0.05)
    card.joules += 50
    session._tick()
    (path,) = (machine.root / "ledger.journals").iterdir()
    checkpoint = json.loads(path.read_text().splitlines()[-1])
    assert checkpoint[0] == "checkpoint"
    assert checkpoint[3][-1] == pytest.approx(50)


# --- settings that change -------------------------------------------------------------------------------------------


def test_a_rated_power_that_somebody_gives_counts_from_the_next_cell(machine, open_session):
    session = open_session()  # no powercap: the load model
    first = next(share for share in run_cell(session).shares if share.domain.component == "cpu")
    session.settings.tdp_w = 600.0
    session.reconfigure()
    cell = session.begin("1", owner=SHELL)
    time.sleep(0.05)
    session.end(cell)
    record = session.record_of(cell)
    share = next(share for share in record.shares if share.domain.component == "cpu")
    assert (first.domain.quality, share.domain.quality) == ("modelled", "modelled")
    assert share.machine_energy_j.likely >= 0.15 * 600 * record.duration_s * 0.99
    assert session.context().idle_w["package-0"] == pytest.approx(0.15 * 600)
    assert len(rows(machine)) == 2


def test_a_setting_changed_in_mid_cell_loses_no_joule_of_that_cell(machine, open_session):
    session = open_session()
    cell = session.begin("%config Carbon.tdp_w = 600", owner=SHELL)
    time.sleep(0.02)
    session.settings.tdp_w = 600.0
    session.reconfigure()
    time.sleep(0.02)
    session.end(cell)
    share = next(share for share in rows(machine)[0].shares if share.domain.component == "cpu")
    assert share.machine_energy_j.likely >= 0.15 * session.surroundings._found_host.tdp_w * 0.04 * 0.9


def test_a_ledger_named_later_takes_the_rows_from_the_next_cell_on(machine, open_session, tmp_path):
    session = open_session()
    cell = session.begin("%config Carbon.ledger = ...", label="before", owner=SHELL)
    session.settings.ledger = str(tmp_path / "other.sqlite")
    session.reconfigure()
    session.end(cell)
    run_cell(session, label="after")
    assert [row.run.label for row in rows(machine)] == ["before"]
    assert [row.run.label for row in Ledger.open(tmp_path / "other.sqlite").records()] == ["after"]


def test_region_and_pue_hold_from_the_next_end(open_session):
    session = open_session()
    assert run_cell(session).intensity.region == "FR"
    session.settings.region, session.settings.pue = "SE", 1.5
    session.reconfigure()
    record = run_cell(session)
    assert (record.intensity.region, record.pue.likely) == ("SE", 1.5)


def test_a_session_opened_by_a_block_takes_the_settings_of_the_shell_that_comes_later(machine, open_session):
    from jupyter_carbon.settings import Carbon

    session = open_session()
    session.take(Carbon(region="SE", live=False, ledger=str(machine.ledger)))
    assert run_cell(session).intensity.region == "SE"


def test_an_unknown_region_of_one_cell_is_flagged_and_near_matches_are_at_hand(open_session):
    session = open_session()
    record = run_cell(session, region="aws:eu-wst-3")
    assert record.intensity.region == "FR"
    assert "region-refused" in record.flags
    assert "aws:eu-west-3" in session.surroundings.refusal("aws:eu-wst-3")
    assert (session.surroundings.refusal("FR"), session.surroundings.refusal(None)) == (None, None)
    assert run_cell(session, region="SE").flags == ()


@pytest.mark.parametrize(
    ("environ", "region", "flag"),
    [({"TZ": "UTC"}, "WORLD", "region-unknown"), ({"TZ": "Europe/Paris"}, "FR", "region-guessed")],
)
def test_a_place_that_nobody_named_is_flagged(machine, environ, region, flag):
    session = machine.session(environ, region="")
    record = run_cell(session)
    session.close()
    assert record.intensity.region == region
    assert flag in record.flags


# --- ledgers that take nothing --------------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_written_costs_one_warning_and_no_cell(machine, open_session, caplog):
    (machine.root / "a-file").write_text("not a folder")
    with caplog.at_level(logging.WARNING, logger="jupyter_carbon"):
        session = open_session(ledger=str(machine.root / "a-file" / "ledger.sqlite"))
        records = [run_cell(session) for _ in range(5)]
    assert len(records) == 5
    assert len(caplog.records) == 1
    assert "a-file" in caplog.text
    assert session.books.trouble is not None
    ledger = next(finding for finding in session.upkeep.findings() if finding.topic == "ledger")
    assert ledger.health == "problem"


def test_rows_that_waited_for_the_disk_are_written_when_it_is_back(machine, open_session, caplog):
    blocked = machine.root / "folder"
    blocked.write_text("in the way")
    session = open_session(ledger=str(blocked / "ledger.sqlite"))
    run_cell(session, label="waited")
    blocked.unlink()
    blocked.mkdir()
    session.end(session.begin("2", label="after", owner=SHELL))
    session._tick()
    assert [row.run.label for row in Ledger.open(blocked / "ledger.sqlite").records()] == ["waited", "after"]
    assert session.books.trouble is None


def test_a_damaged_ledger_is_kept_aside_and_said_once(machine, open_session, caplog):
    machine.ledger.write_bytes(b"SQLite format 3\x00" + b"garbage" * 1000)
    session = open_session()
    with caplog.at_level(logging.WARNING, logger="jupyter_carbon"):
        run_cell(session)
        session._tick()
        run_cell(session)
        run_cell(session)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "was damaged" in caplog.text
    assert len(rows(machine)) == 3
    assert any(finding.topic == "warning" and "was damaged" in finding.text for finding in session.upkeep.findings())


def test_a_ledger_of_a_stranger_is_left_alone_and_said(machine, open_session, caplog):
    import sqlite3

    with sqlite3.connect(machine.ledger) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = machine.ledger.read_bytes()
    session = open_session()
    with caplog.at_level(logging.WARNING, logger="jupyter_carbon"):
        run_cell(session)
        session._tick()
        run_cell(session)
    assert "is not a ledger of jupyter_carbon" in caplog.text
    assert machine.ledger.read_bytes() == before
    assert len(rows(machine)) == 2


# --- machines -------------------------------------------------------------------------------------------------------


def test_a_guest_answers_for_its_part_of_the_server(tmp_path):
    """2 vCPUs of 96 (48 to 192): of 14 g an hour for a server some 0.3 g."""
    guest = Machine(tmp_path / "guest", cpus=2, guest=True)
    whole = Machine(tmp_path / "whole", cpus=64, chassis=17)
    sessions = [machine.session() for machine in (guest, whole)]
    of_guest, of_whole = (session.context() for session in sessions)
    shares = [session.host.cpu_share for session in sessions]
    for session in sessions:
        session.close()
    whole_gco2e = of_whole.embodied_gco2e_per_h.likely / of_whole.idle_share
    assert of_guest.embodied_gco2e_per_h.likely == pytest.approx(whole_gco2e * 2 / 96 * shares[0])
    assert "2.1% of a server for 2 vCPUs" in of_guest.embodied_source
    assert "vCPU" not in of_whole.embodied_source


def test_where_the_platform_is_counted_its_board_is_not_added_again(machine, open_session):
    psys = machine.powercap.zone("intel-rapl:0", "psys")
    session = open_session()
    cell = session.begin("1", owner=SHELL)
    time.sleep(0.05)
    psys.add_j(1)
    session.end(cell)
    record = session.record_of(cell)
    wall = session.context().wall
    assert [share.domain.device for share in record.shares] == ["psys-0"]
    assert (wall.base_w.low, wall.base_w.likely, wall.quality) == (0.0, 0.0, "assumed")
    assert record.footprint.wall_energy_j.likely == pytest.approx(wall.factor.likely * record.footprint.energy_j.likely)


def test_a_slice_of_a_processor_is_modelled_not_billed_the_whole_socket(tmp_path):
    """lxcfs: two CPUs of 64 are shown, with their own busy time, beside the counter of the whole socket."""
    machine = Machine(tmp_path, cpus=2, chassis=17)
    machine.tree.cpus(2, "AMD EPYC 7742 64-Core Processor", siblings=128)
    machine.package()
    session = machine.session()
    findings = {finding.topic: finding for finding in session.upkeep.findings()}
    sources = [source.name for source in session.meter.sources]
    limits = session.context().power_limit_w
    session.close()
    assert sources == ["cpu-model", "ram-model"]
    assert "only 2 CPUs of the processor are shown here" in findings["rapl"].text
    assert limits["package-0"] == pytest.approx(225 * 2 / 128)


# --- no threads, no prints ------------------------------------------------------------------------------------------


def test_without_threads_cells_are_metered_at_their_edges_and_the_doctor_says_so(machine):
    code = f"""
    import json
    threading.stack_size(1 << 46)  # no thread can be started from here on
    session = session()
    for n in range({2 * SETTLE_FROM}):
        session.end(session.begin("1", owner=object()))
    kept = len(session._ended)
    findings = [finding.text for finding in session.upkeep.findings()]
    session.close()
    print(json.dumps([kept, session.account().totals.cells, findings]))
    """
    with child(code, root=str(machine.root)) as process:
        out, err = process.communicate(timeout=60)
    assert err == ""
    kept, cells, findings = json.loads(out)
    assert kept < SETTLE_FROM
    assert cells == 2 * SETTLE_FROM
    assert any("threads cannot be started here" in text for text in findings)
    assert len(rows(machine)) == 2 * SETTLE_FROM


def test_nothing_is_printed_and_nothing_logged_above_debug(machine, open_session, capfd, caplog):
    machine.package()
    with caplog.at_level(logging.DEBUG):
        session = open_session()
        for _ in range(10):
            run_cell(session)
        session._tick()
        session.close()
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


def test_the_process_has_one_session_however_many_threads_ask_at_once(machine):
    code = """
    from jupyter_carbon.process import ThisProcess
    os.environ["JUPYTER_CARBON_LEDGER"] = str(root / "ledger.sqlite")
    got = []
    threads = [threading.Thread(target=lambda: got.append(ThisProcess.session())) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print(len(set(map(id, got))))
    """
    with child(code, root=str(machine.root)) as process:
        assert process.communicate(timeout=60)[0] == "1\n"
