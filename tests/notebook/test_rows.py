"""Which runs have a row in the ledger, and what it says of them."""

import re
import time

import pytest


def test_a_visible_cell_has_one_row_under_the_number_the_user_sees(kernel):
    first, second = kernel.run("1 + 1"), kernel.run("2 + 2")
    rows = kernel.rows_of(first, second)
    assert [(row["execution_count"], row["status"]) for row in rows] == [(first.count, "ok"), (second.count, "ok")]
    assert second.count == first.count + 1


@pytest.mark.parametrize("code", ["", "   ", "\n\n", "\t\n  "])
def test_an_empty_cell_has_no_row(kernel, code):
    before = len(kernel.rows())
    kernel.run(code)
    assert len(kernel.rows()) == before


def test_a_comment_is_a_visible_cell(kernel):
    assert kernel.row(kernel.run("# nothing but words"))["status"] == "ok"


def test_a_silent_run_has_no_row(kernel):
    before = len(kernel.rows())
    assert kernel.run("x_silent = 1", silent=True).status == "ok"
    assert len(kernel.rows()) == before


@pytest.mark.parametrize(
    "code",
    [
        "get_ipython().run_cell('nested = 1')",
        "get_ipython().run_cell('nested = 1', store_history=True)",
        "get_ipython().run_cell('1 / 0')",
        "%%capture\nprint('caught')",
        "%rerun 1",
    ],
)
def test_nested_runs_have_no_row_of_their_own(kernel, code):
    before = len(kernel.rows())
    run = kernel.run(code)
    assert run.status == "ok"
    assert [row["execution_count"] for row in kernel.rows()[before:]] == [run.count]


def test_a_notebook_run_from_a_cell_is_part_of_that_cell(kernel):
    kernel.run("open('inner.ipy', 'w').write('inner_a = 1\\ninner_b = 2\\n')")
    before = len(kernel.rows())
    run = kernel.run("%run inner.ipy")
    assert run.status == "ok"
    assert [row["execution_count"] for row in kernel.rows()[before:]] == [run.count]


def test_a_second_run_of_a_cell_adds_a_row_and_overwrites_none(kernel):
    first = kernel.run("again = 1", cell_id="one-cell")
    second = kernel.run("again = 1", cell_id="one-cell")
    rows = kernel.rows_of(first, second)
    assert [row["cell_id"] for row in rows] == ["one-cell", "one-cell"]
    assert len({row["id"] for row in rows}) == 2


def test_without_a_cell_id_the_same_code_is_known_by_its_hash(kernel):
    rows = kernel.rows_of(kernel.run("same = 1"), kernel.run("same = 1"), kernel.run("other = 1"))
    first, second, third = (row["source_sha1"] for row in rows)
    assert first == second != third
    assert [row["cell_id"] for row in rows] == [None, None, None]


def test_code_is_never_stored(kernel):
    row = kernel.row(kernel.run("secret = 'a-password-in-a-cell'"))
    assert "a-password-in-a-cell" not in str(row)
    assert re.fullmatch(r"[0-9a-f]{40}", row["source_sha1"])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1", "ok"),
        ("1 / 0", "error"),
        ("def broken(:", "error"),
        ("raise SystemExit(3)", "error"),
        ("import sys; sys.exit()", "error"),
        ("raise KeyboardInterrupt", "interrupted"),
        ("import asyncio; raise asyncio.CancelledError", "interrupted"),
        ("import asyncio; await asyncio.sleep(0)", "ok"),
        ("import asyncio; await asyncio.sleep(0); 1 / 0", "error"),
        ("%no_such_magic", "error"),
        ("%%no_such_cell_magic\n1", "error"),
        ("%run no_such_file.py", "error"),
        ("%%bash\nexit 3", "error"),
    ],
)
def test_the_status_is_how_the_cell_ended(kernel, code, status):
    assert kernel.row(kernel.run(code))["status"] == status


@pytest.mark.parametrize(
    "loop",
    ["import time\nprint('in')\nwhile True: time.sleep(0.01)", "print('in')\nwhile True: pass"],
    ids=["sleeping", "computing"],
)
def test_an_interrupted_cell_says_so(kernel, loop):
    msg_id = kernel.submit(loop)
    kernel.wait(msg_id, until=lambda run: run.text == "in\n")
    kernel.interrupt()
    assert kernel.row(kernel.wait(msg_id))["status"] == "interrupted"


def test_an_interrupted_await_says_so(kernel):
    msg_id = kernel.submit("import asyncio\nprint('in')\nwhile True: await asyncio.sleep(0.01)")
    kernel.wait(msg_id, until=lambda run: run.text == "in\n")
    kernel.interrupt()
    assert kernel.row(kernel.wait(msg_id))["status"] == "interrupted"


def test_the_row_tells_when_and_how_long(kernel):
    asked_s = time.time()
    row = kernel.row(kernel.run("import time; time.sleep(0.2)"))
    assert 0.2 <= row["duration_s"] <= time.time() - asked_s
    assert row["started_at"].startswith("20")
    assert row["started_at"].endswith("Z")


def test_every_number_says_how_it_is_known_and_the_machine_holds_the_part(kernel):
    row = kernel.row(kernel.run("sum(i * i for i in range(300_000))"))
    assert {"cpu"} <= {part["component"] for part in row["components"]} <= {"cpu", "dram", "ram", "gpu"}
    assert {part["quality"] for part in row["components"]} <= {"measured", "modelled", "assumed"}
    for name in ("energy_j", "wall_energy_j", "facility_energy_kwh", "operational_gco2e"):
        assert 0 < row[name]["low"] <= row[name]["likely"] <= row[name]["high"], name
    assert row["idle_energy_j"]["likely"] <= row["energy_j"]["likely"] <= row["machine_energy_j"]["likely"]
    assert row["energy_j"]["likely"] == pytest.approx(sum(p["energy_j"]["likely"] for p in row["components"]))


def test_grams_are_kilowatt_hours_times_the_intensity_of_the_region(kernel):
    row = kernel.row(kernel.run("sum(range(100_000))"))
    assert row["intensity"]["region"] == "FR"
    grams = row["facility_energy_kwh"]["likely"] * row["intensity"]["gco2e_per_kwh"]["likely"]
    assert row["operational_gco2e"]["likely"] == pytest.approx(grams)


@pytest.mark.parametrize("code", ["%load_ext jupyter_carbon", "import jupyter_carbon as jc\n%load_ext jupyter_carbon"])
def test_the_loading_cell_has_at_most_one_row_and_the_next_cell_its_own(start, spec, code):
    kernel = start(spec)
    loading = kernel.run(code)
    assert loading.status == "ok"
    assert len(kernel.rows_of(loading)) <= 1
    assert kernel.row(kernel.run("1"))["status"] == "ok"
