"""`jc.measure()` and `jc.history()` in scripts: processes of their own, since each has one session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_carbon.ledger.book import Ledger

HEAD = """
import json, os, sys, time, threading
import jupyter_carbon as jc
def burn(cpu_s):
    end = time.process_time() + cpu_s
    while time.process_time() < end: pass
"""


BESIDE = ("-W", "ignore:This process:DeprecationWarning")
"""Python 3.12 warns of every fork in a block, and rightly: our thread runs beside it."""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Run a script; what it prints last, as JSON.  It must print nothing else."""

    def run(code: str, *, stderr: str = "", warnings: tuple[str, ...] = (), **environ: str) -> Any:
        env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER_CARBON_")}
        env |= {
            "JUPYTER_CARBON_LEDGER": str(tmp_path / "ledger.sqlite"),
            "JUPYTER_CARBON_REGION": "FR",
            "JUPYTER_CARBON_LIVE": "0",
            **environ,
        }
        words = [sys.executable, *warnings, "-c", HEAD + textwrap.dedent(code)]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=100, check=False)
        assert done.stderr == stderr
        assert done.returncode == 0
        return json.loads(done.stdout) if done.stdout else None

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[], list[tuple[str | None, str]]]:
    return lambda: [(row.run.label, row.status) for row in Ledger.open(tmp_path / "ledger.sqlite").records()]


def test_a_block_is_a_row_with_a_record(run, rows):
    told = run("""
    with jc.measure("sum") as cell:
        burn(0.2)
    print(json.dumps(cell.record.to_dict()))
    """)
    assert (told["label"], told["status"], told["execution_count"]) == ("sum", "ok", None)
    assert 0.1 <= told["duration_s"] < 5  # the CPU time burnt is all threads, the ticker at its start among them
    assert 0 < told["energy_j"]["low"] <= told["energy_j"]["likely"] <= told["energy_j"]["high"]
    assert rows() == [("sum", "ok")]


def test_a_script_needs_no_ipython_and_nothing_heavy(run):
    heavy = run("""
    sys.modules["IPython"] = sys.modules["ipykernel"] = None
    with jc.measure("sum") as cell:
        pass
    cell.record
    print(json.dumps(sorted({"pandas", "numpy", "asyncio", "requests", "sqlite3"} & set(sys.modules))))
    """)
    assert heavy in ([], ["sqlite3"])  # the ticker's thread may have moved the row already


def test_a_block_has_no_record_before_its_end(run):
    told = run("""
    with jc.measure() as cell:
        try:
            cell.record
        except jc.CarbonError as err:
            print(json.dumps(str(err)))
    """)
    assert "not ended" in told


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("ValueError()", "error"),
        ("KeyboardInterrupt()", "interrupted"),
        ("SystemExit(3)", "error"),
        ("GeneratorExit()", "ok"),
    ],
)
def test_how_a_block_ends_is_its_status_and_the_error_is_the_users(run, rows, error, status):
    told = run(f"""
    try:
        with jc.measure("fails") as cell:
            raise {error}
    except BaseException as err:
        print(json.dumps([type(err).__name__, cell.record.status]))
    """)
    assert told == [error.partition("(")[0], status]
    assert rows() == [("fails", status)]


def test_the_same_measure_may_be_used_again_but_not_inside_itself(run, rows):
    told = run("""
    block = jc.measure("again")
    for _ in range(2):
        with block: pass
    with block:
        try:
            with block: pass
        except jc.CarbonError as err:
            print(json.dumps(str(err)))
    """)
    assert "open already" in told
    assert rows() == [("again", "ok")] * 3


def test_a_block_in_a_block_is_a_part_of_it_and_no_row(run, rows):
    outer_j, inner_j, after_j = run("""
    with jc.measure("outer") as outer:
        burn(0.1)
        with jc.measure("inner") as inner:
            burn(0.3)
    with jc.measure("after") as after:
        pass
    print(json.dumps([cell.record.footprint.energy_j.likely for cell in (outer, inner, after)]))
    """)
    assert after_j < inner_j < outer_j
    assert inner_j / outer_j == pytest.approx(0.75, abs=0.2)
    assert rows() == [("outer", "ok"), ("after", "ok")]


def test_a_function_that_calls_itself_is_one_row(run, rows):
    told = run("""
    @jc.measure()
    def factorial(n):
        return n * factorial(n - 1) if n else 1
    print(json.dumps([factorial(5), factorial.__name__]))
    """)
    assert told == [120, "factorial"]
    assert rows() == [("factorial", "ok")]


def test_a_coroutine_is_metered_to_its_end(run, rows):
    told = run("""
    import asyncio
    @jc.measure("awaited")
    async def work(x):
        await asyncio.sleep(0.3)
        return x
    print(json.dumps(asyncio.run(work(7))))
    """)
    assert told == 7
    assert rows() == [("awaited", "ok")]


def test_the_time_awaited_is_in_the_window(run, tmp_path):
    run("""
    import asyncio
    @jc.measure("awaited")
    async def work():
        await asyncio.sleep(0.3)
    asyncio.run(work())
    """)
    (row,) = Ledger.open(tmp_path / "ledger.sqlite").records()
    assert 0.3 <= row.duration_s < 2


def test_a_cancelled_task_is_interrupted(run, rows):
    run("""
    import asyncio
    async def work():
        with jc.measure("cancelled"):
            await asyncio.sleep(60)
    async def main():
        task = asyncio.create_task(work())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
    asyncio.run(main())
    """)
    assert rows() == [("cancelled", "interrupted")]


def test_tasks_side_by_side_have_a_row_each_and_share_the_seconds(run, tmp_path):
    run("""
    import asyncio
    @jc.measure("task")
    async def work():
        await asyncio.sleep(0.5)
    async def main():
        await asyncio.gather(work(), work(), work())
    asyncio.run(main())
    """)
    told = list(Ledger.open(tmp_path / "ledger.sqlite").records())
    assert [row.run.label for row in told] == ["task"] * 3
    assert all("concurrent" in row.flags for row in told)
    memory_j = sum(s.energy_j.likely for row in told for s in row.shares if s.domain.component == "ram")
    one_w = next(s for s in told[0].shares if s.domain.component == "ram").energy_j.likely / (told[0].duration_s / 3)
    assert memory_j == pytest.approx(one_w * 0.5, rel=0.3)  # together they cost what one of them would


def test_a_task_started_inside_a_block_is_a_part_of_it(run, rows):
    run("""
    import asyncio
    async def work():
        with jc.measure("inner"):
            await asyncio.sleep(0.01)
    async def main():
        with jc.measure("outer"):
            await asyncio.create_task(work())
    asyncio.run(main())
    """)
    assert rows() == [("outer", "ok")]


def test_a_generator_is_metered_until_its_last_value(run, rows):
    told = run("""
    @jc.measure("drawn")
    def numbers():
        yield from range(3)
        return "end"
    def through():
        return (yield from numbers())
    print(json.dumps(list(through())))
    it = numbers()
    next(it)
    it.close()
    """)
    assert told == [0, 1, 2]
    assert rows() == [("drawn", "ok"), ("drawn", "ok")]


def test_an_asynchronous_generator_too(run, rows):
    told = run("""
    import asyncio
    @jc.measure("streamed")
    async def numbers():
        for n in range(3):
            yield n
    async def main():
        return [n async for n in numbers()]
    print(json.dumps(asyncio.run(main())))
    """)
    assert told == [0, 1, 2]
    assert rows() == [("streamed", "ok")]


def test_threads_side_by_side_have_a_row_each(run, rows):
    run("""
    meet = threading.Barrier(3)
    def work(n):
        with jc.measure(f"thread {n}"):
            meet.wait()
            time.sleep(0.05)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    """)
    assert sorted(rows()) == [(f"thread {n}", "ok") for n in range(3)]


def test_a_daemon_thread_still_in_its_block_at_exit_leaves_a_row(run, rows):
    run("""
    begun = threading.Event()
    def work():
        with jc.measure("endless"):
            begun.set()
            time.sleep(600)
    threading.Thread(target=work, daemon=True).start()
    begun.wait()
    """)
    assert rows() == [("endless", "interrupted")]


def test_a_child_forked_in_a_block_leaves_the_row_to_its_parent(run, rows):
    code = """
    with jc.measure("parent") as cell:
        pid = os.fork()
    if pid == 0:
        try:
            cell.record
        except jc.CarbonError:
            os._exit(3)
        os._exit(0)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), cell.record.status]))
    """
    told = run(code, warnings=BESIDE)
    assert told == [3, "ok"]
    assert rows() == [("parent", "ok")]


def test_a_block_in_a_forked_child_has_a_record_that_says_whose_it_is_and_no_row(run, rows, tmp_path):
    code = f"""
    with jc.measure("parent"):
        pid = os.fork()
        if pid == 0:
            with jc.measure("child") as cell:
                burn(0.1)
            time.sleep(0.2)
            with jc.measure("child again") as cell:
                burn(0.1)
            told = [cell.record.footprint.energy_j.likely > 0, "inside-another" in cell.record.flags]
            Path = __import__("pathlib").Path
            Path({str(tmp_path / "child")!r}).write_text(json.dumps(told))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(json.dumps(status))
    """
    status = run(code, warnings=BESIDE)
    assert status == 0
    assert json.loads((tmp_path / "child").read_text()) == [True, True]
    assert rows() == [("parent", "ok")]


def test_a_fork_while_our_thread_imports_leaves_the_child_no_half_of_a_module(run):
    """The ticker's thread imports for some 10 ms after the first block: children are forked all along."""
    statuses = run("""
    with jc.measure("first"): pass
    pids = []
    for _ in range(40):
        pid = os.fork()
        if pid == 0:
            import sqlite3
            from jupyter_carbon.account import Account
            from jupyter_carbon.power.nvml import Nvml
            from jupyter_carbon.power.amd_gpu import AmdGpu
            sqlite3.connect(":memory:").close()
            os._exit(0)
        pids.append(pid)
        time.sleep(0.0005)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]))
    """)
    assert statuses == [0] * 40


def test_a_fork_between_two_blocks_is_one_of_a_process_with_one_thread(run, rows):
    """So Python has nothing to warn of; and the thread is there again with the next block."""
    told = run("""
    threads = lambda: int(open("/proc/self/stat").read().rpartition(")")[2].split()[17])
    before = threads()
    with jc.measure("one"):
        during = threads()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    after = threads()
    with jc.measure("two"):
        again = threads()
    print(json.dumps([during - before, after - before, again - before]))
    """)
    assert told == [1, 0, 1]
    assert sorted(rows()) == [("one", "ok"), ("two", "ok")]


def test_pools_of_forked_workers_work_as_ever(run, rows):
    told = run("""
    import multiprocessing
    @jc.measure("worker")
    def square(n):
        return n * n
    with jc.measure("pool"):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(json.dumps(pool.map(square, range(5))))
    """)
    assert told == [0, 1, 4, 9, 16]
    assert rows() == [("pool", "ok")]


def test_a_wrong_variable_is_said_once_and_the_block_is_metered(run, rows):
    told = run(
        """
    import io, logging
    heard = io.StringIO()
    logging.getLogger("jupyter_carbon").addHandler(logging.StreamHandler(heard))
    for _ in range(3):
        with jc.measure("block") as cell: pass
    print(json.dumps([heard.getvalue(), cell.record.pue.likely]))
    """,
        JUPYTER_CARBON_PUE="9",
    )
    assert told[0].count("\n") == 1
    assert "a number from 1 to 5" in told[0]
    assert rows() == [("block", "ok")] * 3


def test_a_fault_of_ours_ends_at_the_block(run):
    """The clock of the meter is broken: the user's block runs, one line says so."""
    told = run("""
    import logging
    logging.getLogger("jupyter_carbon").addHandler(logging.NullHandler())
    from jupyter_carbon.process import ThisProcess
    ThisProcess.session().meter._clock = None
    ran = []
    for _ in range(2):
        with jc.measure("block") as cell:
            ran.append(1)
    try:
        cell.record
    except jc.CarbonError:
        print(json.dumps([ran, len(ThisProcess.session().boundary.faults) >= 1, ThisProcess.session().running]))
    """)
    assert told == [[1, 1], True, False]


def test_history_knows_dates_times_and_their_zones(run):
    told = run(
        """
    from datetime import date, datetime, timedelta, timezone
    with jc.measure("block"): pass
    now = datetime.now()
    moments = [
        None, now - timedelta(minutes=1), now + timedelta(minutes=1),
        (now - timedelta(minutes=1)).isoformat(), datetime.now(timezone.utc) + timedelta(minutes=1),
        (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z"),
        date.today(), date.today() + timedelta(days=1), str(date.today()),
    ]
    print(json.dumps([len(jc.history(since=moment)) for moment in moments]))
    """,
        TZ="Asia/Kolkata",
    )
    assert told == [1, 1, 0, 1, 0, 1, 1, 0, 1]


def test_history_refuses_a_date_that_is_none(run):
    told = run("""
    try:
        jc.history(since="yesterday")
    except ValueError as err:
        print(json.dumps(str(err)))
    """)
    assert "yesterday" in told


def test_history_chooses_by_notebook_and_tells_utc(run):
    told = run("""
    with jc.measure("block"): pass
    table = jc.history()
    print(json.dumps([str(table.started_at.dt.tz), list(table.label), len(jc.history(notebook="other.ipynb"))]))
    """)
    assert told == ["UTC", ["block"], 0]
