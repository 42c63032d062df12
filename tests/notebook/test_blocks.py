"""`jc.measure()` inside a notebook, settings by `%config`, and leaving in the middle of a cell."""

from __future__ import annotations

import time

import pytest
from kernels import NEWEST, Kernel


@pytest.fixture(scope="module", params=[NEWEST])
def spec(request: pytest.FixtureRequest) -> str:
    """What no ipykernel changes is asked of one."""
    return str(request.param)


def labels(kernel: Kernel) -> list[str]:
    return [row["label"] for row in kernel.rows() if row["label"]]


def test_a_block_in_a_cell_is_a_part_of_that_cells_row(kernel):
    kernel.run("import jupyter_carbon as jc")
    before = len(kernel.rows())
    run = kernel.run(
        "%%carbon around\n"
        "with jc.measure('inside') as part:\n    sum(i * i for i in range(300_000))\n"
        "sum(i * i for i in range(300_000))"
    )
    row = kernel.row(run)
    inside_j = kernel.value("part.record.footprint.energy_j.likely")
    assert len(kernel.rows()) == before + 1
    assert row["label"] == "around"
    assert 0 < inside_j < row["energy_j"]["likely"]


def test_a_decorated_function_runs_in_cells_as_ever(kernel):
    kernel.run("@jc.measure()\ndef twice(x):\n    return 2 * x")
    before = len(kernel.rows())
    run = kernel.run("twice(21)")
    assert run.result == "42"
    assert len(kernel.rows()) == before + 1


def test_blocks_of_a_thread_that_outlives_its_cell_get_rows_of_their_own_between_cells(kernel):
    kernel.run(
        "import threading, time\n"
        "def work():\n"
        "    time.sleep(0.5)\n"
        "    with jc.measure('left behind'):\n"
        "        time.sleep(0.2)\n"
        "thread = threading.Thread(target=work); thread.start()"
    )
    kernel.value("thread.join(10)")  # silent: no cell runs meanwhile
    assert "left behind" in labels(kernel)


def test_a_block_that_fails_in_a_cell_keeps_its_traceback(kernel):
    run = kernel.run("with jc.measure('fails'):\n    1 / 0")
    (error,) = (content for kind, content in run.outputs if kind == "error")
    assert error["ename"] == "ZeroDivisionError"
    assert "jupyter_carbon" not in "".join(error["traceback"])
    assert kernel.row(run)["status"] == "error"


def test_a_value_refused_by_config_leaves_the_old_one_and_spoils_no_later_one(kernel):
    bad = kernel.run("%config Carbon.pue = 9")
    assert bad.status == "error" or "a number from 1 to 5" in bad.text
    assert "a number from 1 to 5" in bad.text
    assert kernel.run("%config Carbon.region = 'SE'").status == "ok"
    row = kernel.row(kernel.run("1"))
    assert row["intensity"]["region"] == "SE"
    assert row["pue"]["likely"] < 3
    kernel.run("%config Carbon.region = 'FR'")


def test_watts_given_by_config_count_from_the_next_cell_on(kernel):
    first = kernel.row(kernel.run("import time; time.sleep(0.2)"))
    assert kernel.run("%config Carbon.tdp_w = 1000").status == "ok"
    second = kernel.row(kernel.run("time.sleep(0.2)"))
    cpu = [next(part for part in row["components"] if part["component"] == "cpu") for row in (first, second)]
    if cpu[0]["source"] == "cpu-model":  # a machine with a counter has no use for them
        assert cpu[1]["machine_energy_j"]["likely"] > 2 * cpu[0]["machine_energy_j"]["likely"]
    kernel.run("%config Carbon.tdp_w = None")


def test_a_bad_configuration_file_is_a_note_and_cells_are_metered(start, tmp_path):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text("c = get_config()\nc.Carbon.pue = 'much'\nc.Carbon.region = 'SE'\n")
    kernel = start(IPYTHONDIR=str(tmp_path / "ipython"))
    loaded = kernel.run("%load_ext jupyter_carbon")
    assert loaded.status == "ok"
    assert "1 note: %carbon doctor" in loaded.text
    assert kernel.row(kernel.run("1"))["intensity"]["region"] == "SE"
    assert "a number from 1 to 5" in kernel.run("%carbon doctor").text


def test_a_cell_that_unloads_has_its_row_and_a_cell_that_reloads_too(start):
    kernel = start()
    kernel.run("%load_ext jupyter_carbon")
    again = kernel.run("%%carbon again\n%reload_ext jupyter_carbon")
    gone = kernel.run("%%carbon gone\n%unload_ext jupyter_carbon")
    told = {row["label"]: row["status"] for row in kernel.rows() if row["label"]}
    assert (again.status, gone.status) == ("ok", "ok")
    assert told == {"again": "ok", "gone": "ok"}


def test_a_kernel_that_exits_in_a_cell_leaves_it_as_crashed_and_the_others(start):
    kernel = start()
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("%%carbon done\n1")
    kernel.submit("%%carbon exits\nimport os; os._exit(0)")
    deadline_s = time.monotonic() + 30
    while kernel.manager.is_alive() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert {row["label"]: row["status"] for row in kernel.rows() if row["label"]} == {"done": "ok", "exits": "crashed"}


def test_a_shutdown_in_order_is_quick_and_leaves_no_crash(start):
    kernel = start()
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("%%carbon last\n1")
    began = time.monotonic()
    kernel.manager.shutdown_kernel(now=False)
    assert time.monotonic() - began < 20
    assert {row["label"]: row["status"] for row in kernel.rows() if row["label"]} == {"last": "ok"}
