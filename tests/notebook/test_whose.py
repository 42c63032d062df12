"""Whose energy: children, threads, cells that run at the same time, forks."""

import pytest
from kernels import KERNELS, NEWEST

SECOND = "import time; end = time.process_time() + 1.0; all(time.process_time() < end for _ in iter(int, 1))"
HALF = SECOND.replace("1.0", "0.5")
HERE = f"exec({SECOND!r}, {{}})"
CHILDREN = {
    "subprocess": f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {SECOND!r}], check=True)",
    "a shell": f"import sys\n!{{sys.executable}} -c '{SECOND}'",
    "multiprocessing": "from multiprocessing import get_context\n"
    f"child = get_context('fork').Process(target=exec, args=({SECOND!r}, {{}}))\nchild.start(); child.join()",
    "joblib": f"import joblib\njoblib.Parallel(n_jobs=2)(joblib.delayed(exec)({HALF!r}, {{}}) for _ in range(2))",
    "a thread": "import threading\n"
    f"thread = threading.Thread(target=exec, args=({SECOND!r}, {{}}))\nthread.start(); thread.join()",
}


def active_cpu_j(row):
    """Joules of the processors that were work, not waiting."""
    parts = [part for part in row["components"] if part["component"] == "cpu"]
    return sum(part["energy_j"]["likely"] - part["idle_energy_j"]["likely"] for part in parts)


@pytest.fixture(scope="module")
def one_second_here_j(kernel):
    return active_cpu_j(kernel.row(kernel.run(HERE)))


@pytest.mark.parametrize("spec", [NEWEST], scope="module")  # how CPU seconds are counted is no matter of ipykernel
@pytest.mark.parametrize("by", CHILDREN)
def test_a_second_of_work_costs_the_same_wherever_the_cell_lets_it_run(kernel, one_second_here_j, by):
    run = kernel.run(CHILDREN[by])
    assert run.status == "ok"
    # Starting an interpreter or a pool is work too; a counter's step and the clock of a busy machine blur both sides.
    assert 0.7 <= active_cpu_j(kernel.row(run)) / one_second_here_j <= 2.5


@pytest.mark.parametrize("spec", [NEWEST], scope="module")
def test_waiting_costs_next_to_nothing_beyond_idle(kernel, one_second_here_j):
    run = kernel.run("import time; time.sleep(1)")
    assert active_cpu_j(kernel.row(run)) < 0.2 * one_second_here_j


# --- cells at the same time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [spec for spec in KERNELS if not spec.startswith("ik-6")])  # 6.x has no subshells
def test_two_cells_that_wait_side_by_side_cost_what_one_of_them_costs(start, spec):
    kernel = start(spec)
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("import threading, time; meet = threading.Barrier(2, timeout=30)")
    subshell = kernel.subshell()
    one = kernel.row(kernel.run("%%carbon alone\ntime.sleep(1)"))
    body = "meet.wait(); time.sleep(1); _ = meet.wait()"  # no value: ipykernel's display hook is one for both threads
    outer = kernel.submit(f"%%carbon outer\n{body}")
    inner = kernel.submit(f"%%carbon inner\n{body}", subshell_id=subshell)
    kernel.wait(outer)
    kernel.wait(inner)
    two = [row for row in kernel.rows() if row["label"] in ("outer", "inner")]
    assert [row["status"] for row in two] == ["ok", "ok"]
    assert all("concurrent" in row["flags"] for row in two)
    alone_w = one["energy_j"]["likely"] / one["duration_s"]
    together_w = sum(row["energy_j"]["likely"] for row in two) / max(row["duration_s"] for row in two)
    assert together_w == pytest.approx(alone_w, rel=0.25)  # the machine's own doings are in both; twice would be 2.0
    assert sum(r["energy_j"]["likely"] for r in two) <= sum(r["machine_energy_j"]["likely"] for r in two) * (1 + 1e-9)


# --- forks ---------------------------------------------------------------------------------------------------


def test_a_child_that_ends_in_the_cell_leaves_no_row(kernel):
    before = len(kernel.rows())
    run = kernel.run("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)[1]")
    assert (run.status, run.result) == ("ok", "0")
    assert [row["execution_count"] for row in kernel.rows()[before:]] == [run.count]


def test_a_child_that_runs_cells_of_its_own_leaves_no_row(kernel):
    before = len(kernel.rows())
    run = kernel.run(
        "import os\npid = os.fork()\nif pid == 0:\n"
        "    try: get_ipython().run_cell('1', store_history=True)\n    finally: os._exit(0)\nos.waitpid(pid, 0)[1]"
    )
    assert (run.status, run.result) == ("ok", "0")
    assert [row["execution_count"] for row in kernel.rows()[before:]] == [run.count]


def test_a_child_that_runs_past_the_cells_end_leaves_no_row(kernel):
    """It comes through our post_run_cell, then leaves by a callback registered after ours."""
    kernel.run(
        "import os\nparent = os.getpid()\ndef leave(result):\n    if os.getpid() != parent: os._exit(7)\n"
        "get_ipython().events.register('post_run_cell', leave)"
    )
    before = len(kernel.rows())
    forked = kernel.run("pid = os.fork()")
    ended = kernel.run("os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])")
    kernel.run("get_ipython().events.unregister('post_run_cell', leave)")
    assert (forked.status, ended.result) == ("ok", "7")
    counts = [row["execution_count"] for row in kernel.rows()[before:]]
    assert counts == [forked.count, ended.count, ended.count + 1]


def test_metering_goes_on_after_a_fork(kernel):
    kernel.run("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)")
    row = kernel.row(kernel.run("sum(i * i for i in range(300_000))"))
    assert row["status"] == "ok"
    assert active_cpu_j(row) > 0
