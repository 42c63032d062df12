"""`%%carbon` in all the places where people put it."""

import re

import pytest

LABELLED = {
    "%%carbon train\n6 * 7": "train",
    "%%carbon two words\n6 * 7": "two words",
    "%%carbon über-größe ☕\n6 * 7": "über-größe ☕",
    "%%carbon fit --region DE\n6 * 7": "fit",
    "%%carbon --region DE fit\n6 * 7": "fit",
    "\n\n%%carbon late\n6 * 7": "late",
    "  %%carbon indented\n  6 * 7": "indented",
    "%%carbon blank\n\n\n6 * 7": "blank",
    "%%carbon\n6 * 7": None,
    "%%carbon --region DE\n6 * 7": None,
}


@pytest.mark.parametrize("code", LABELLED)
def test_the_label_is_the_text_after_the_magic_without_its_options(kernel, code):
    run = kernel.run(code)
    assert (run.result, kernel.row(run)["label"]) == ("42", LABELLED[code])


def test_the_region_option_holds_for_that_cell_alone(kernel):
    with_option, without = kernel.run("%%carbon --region DE\n1"), kernel.run("%%carbon\n1")
    assert [row["intensity"]["region"] for row in kernel.rows_of(with_option, without)] == ["DE", "FR"]


@pytest.mark.parametrize(
    "code",
    [
        "%%carbon awaited\nimport asyncio\nawait asyncio.sleep(0)\n6 * 7",
        "%%carbon over bash\n%%bash\necho 42",
        "%%carbon over time\n%%time\n6 * 7",
        "%%carbon over time after a blank line\n\n%%time\n6 * 7",
        "%%time\n%%carbon under time\n6 * 7",
        "%%carbon over time that fails\n%%time\n1 / 0",
        "%%timeit -n1 -r1\n%%carbon under timeit\n6 * 7",
        "%%carbon over timeit\n%%timeit -n1 -r1\n6 * 7",
        "%%capture caught\n%%carbon under capture\n6 * 7",
        "%%carbon over capture\n%%capture caught\n6 * 7",
        "%%carbon over writefile\n%%writefile forms.txt\n42",
        "%%carbon nothing but the magic",
    ],
)
def test_every_form_has_one_row_and_its_label(kernel, code):
    before = len(kernel.rows())
    run = kernel.run(code)
    (row,) = kernel.rows()[before:]
    assert row["execution_count"] == run.count
    assert row["label"] == next(line for line in code.splitlines() if "%%carbon" in line).removeprefix("%%carbon ")
    assert row["status"] == run.status  # IPython 8's %%time makes a failed body a success; IPython 9's does not


def test_await_keeps_its_last_value(kernel):
    run = kernel.run("%%carbon\nimport asyncio\nawait asyncio.sleep(0, 42)")
    assert (run.status, run.result) == ("ok", "42")


def test_a_failing_body_fails_the_cell_with_one_traceback_on_the_right_line(kernel):
    run = kernel.run("%%carbon fails\nx = 1\n1 / 0")
    (error,) = (content for kind, content in run.outputs if kind == "error")
    plain = kernel.run("#\nx = 1\n1 / 0")
    (expected,) = (content for kind, content in plain.outputs if kind == "error")
    assert run.status == plain.status == "error"
    assert "----> 3 1 / 0" in _plain(error)
    below = [_plain(told).partition("2 x = 1")[2] for told in (error, expected)]
    assert below[0] == below[1] != ""


def test_a_magic_that_does_not_run_python_keeps_its_text(kernel):
    run = kernel.run("%%writefile kept.txt\n%%carbon kept\nbody")
    assert run.status == "ok"
    assert kernel.value("open('kept.txt').read()") == "%%carbon kept\nbody\n"
    assert kernel.row(run)["label"] is None
    assert "application/vnd" not in str(run.outputs)


def test_bash_gets_the_line_as_it_stands(kernel):
    run = kernel.run("%%bash\n: %%carbon kept\necho bash")
    assert (run.status, run.text) == ("ok", "bash\n")
    assert kernel.row(run)["label"] is None


def test_a_longer_word_is_not_ours(kernel):
    run = kernel.run("%%carbonless\n1")
    assert "carbonless" in run.text
    assert kernel.row(run)["label"] is None


def test_a_named_cell_shows_one_footprint_at_its_end(kernel):
    run = kernel.run("%%carbon shown\nprint('first')\n42")
    assert run.kinds == ["stream", "execute_result", "display_data"]
    bundle = run.outputs[-1][1]["data"]
    (own,) = set(bundle) - {"text/plain", "text/html"}
    assert own.startswith("application/vnd.")
    assert own.endswith("+json")
    assert "<script" not in bundle["text/html"].lower()
    assert "shown" in bundle["text/plain"]


def test_a_named_cell_that_fails_shows_its_footprint_after_the_traceback(kernel):
    assert kernel.run("%%carbon failed\n1 / 0").kinds == ["error", "display_data"]


def test_an_unnamed_cell_shows_nothing_of_ours(kernel):
    assert kernel.run("42").kinds == ["execute_result"]
    assert kernel.run("1 / 0").kinds == ["error"]
    assert kernel.run("x = 1").kinds == []


def test_the_footprint_shown_is_the_one_stored(kernel):
    run = kernel.run("%%carbon stored\nsum(range(100_000))")
    bundle = run.outputs[-1][1]["data"]
    (shown,) = (value for name, value in bundle.items() if name.endswith("+json"))
    row = kernel.row(run)
    assert shown["id"] == row["id"]
    assert shown["energy_j"] == row["energy_j"]
    assert shown["operational_gco2e"] == row["operational_gco2e"]


@pytest.mark.parametrize(
    ("code", "near"), [("%%carbon x --regoin FR\n42", "--region"), ("%%carbon x --region FX\n42", "FR")]
)
def test_a_mistyped_option_names_near_matches_and_the_cell_runs(kernel, code, near):
    run = kernel.run(code)
    assert (run.status, run.result) == ("ok", "42")
    assert near in run.text
    assert kernel.row(run)["status"] == "ok"


def _plain(error):
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
