"""Estimates in a notebook: `%carbon estimate`, `%carbon plan`, `%%carbon --estimate` and the bar of `jc.track`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from kernels import NEWEST, Kernel

from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.session import sha1_of

WORK = "total = sum(range(3_000_000))"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(NEWEST, tmp_path_factory.mktemp("estimate"), JUPYTER_CARBON_REGION="FR")
    try:
        assert kernel.run("%load_ext jupyter_carbon").status == "ok"
        yield kernel
    finally:
        kernel.stop()


def until(found: Callable[[], object], patience_s: float = 20.0) -> object:
    """What is found, as soon as it is: the ledger is written off the cell's path."""
    give_up = time.monotonic() + patience_s
    while not (value := found()) and time.monotonic() < give_up:
        time.sleep(0.05)
    return value


def said(run) -> list[str]:
    return [content["data"]["text/plain"] for kind, content in run.outputs if kind == "display_data"]


# --- before a cell runs -----------------------------------------------------------------------------------------


def test_a_cell_without_a_history_says_so_and_runs(kernel):
    run = kernel.run("%%carbon --estimate\n6 * 7")
    assert said(run)[0] == "Expected: not known; there is no earlier run of this cell."
    assert (run.status, run.result) == ("ok", "42")
    assert kernel.row(run)["status"] == "ok"


def test_a_cell_that_ran_plain_is_known_when_it_is_asked(kernel):
    kernel.run(WORK)
    run = kernel.run(f"%%carbon sums --estimate\n{WORK}")
    before, after = said(run)
    assert before.startswith("Expected: ≈ ")
    assert before.endswith("from 1 earlier run")
    assert after.startswith("sums: ")
    assert run.kinds == ["display_data", "display_data"]  # the first before the cell, the badge at its end
    assert kernel.row(run)["label"] == "sums"


def test_a_cell_that_ran_with_the_same_line_but_for_the_word_is_known(kernel):
    kernel.run("%%carbon twos\nsum([2] * 1000)")
    assert said(kernel.run("%%carbon twos --estimate\nsum([2] * 1000)"))[0].endswith("from 1 earlier run")


def test_a_failed_run_says_nothing_of_the_next(kernel):
    kernel.run("%%carbon --estimate\n1 / 0")
    assert said(kernel.run("%%carbon --estimate\n1 / 0"))[0] == (
        "Expected: not known; no earlier run of this cell came to its end."
    )


def test_a_cell_that_does_not_ask_shows_nothing_before_it_runs(kernel):
    assert len(said(kernel.run(f"%%carbon\n{WORK}"))) == 1
    assert said(kernel.run(WORK)) == []


def test_what_was_expected_is_kept_beside_what_was_metered_and_the_next_learns(kernel):
    ledger = Ledger.open(kernel.env["JUPYTER_CARBON_LEDGER"])
    body = "more = sum(range(4_000_000))"
    code = f"%%carbon --estimate\n{body}"
    kernel.run(code)  # nothing is known of it, so nothing is kept
    run = kernel.run(code)
    (plan,) = until(lambda: ledger.plans.settled(sha1_of(body)))
    assert plan.actual_kwh == pytest.approx(kernel.row(run)["facility_energy_kwh"]["likely"])
    assert plan.energy_kwh.low < plan.energy_kwh.likely < plan.energy_kwh.high
    assert said(kernel.run(code))[0].endswith("from 2 earlier runs and what 1 earlier expectation missed")


def test_a_ledger_that_cannot_be_read_costs_the_cell_nothing(start, tmp_path):
    """A URL is no ledger of this version."""
    kernel = start(JUPYTER_CARBON_LEDGER="postgresql://nowhere/ledger")
    kernel.run("%load_ext jupyter_carbon")
    run = kernel.run("%%carbon --estimate\n6 * 7")
    assert (run.status, run.result) == ("ok", "42")


# --- magics -----------------------------------------------------------------------------------------------------


def test_an_estimate_shows_itself_as_a_table(kernel):
    run = kernel.run("%carbon estimate --gpu H100 --n-gpu 8 --hours 72 --region FR --workload training")
    (content,) = [content for kind, content in run.outputs if kind == "execute_result"]
    assert "operational CO₂e" in content["data"]["text/plain"]
    assert "<table>" in content["data"]["text/html"]


def test_an_estimate_with_a_budget_says_the_probability_first(kernel):
    run = kernel.run("%carbon estimate --gpu H100 --hours 1 --region FR --budget 1g")
    assert run.result.startswith("The budget of 1 g is passed with a probability of more than 99 %.")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("%carbon estimate --gpu H100 --regoin FR", "did you mean --region"),
        ("%carbon estimate --gpu H1000", "near matches"),
        ("%carbon estimate --gpu H100 --hours -3", "hours=-3.0 is not possible"),
        ("%carbon estimat --gpu H100", "did you mean estimate?"),
        ("%carbon plan nothing_here", "neither a name in this notebook nor a file"),
        ("%carbon on now", "did you mean on?"),
    ],
)
def test_a_wrong_word_ends_in_a_sentence(kernel, line, sentence):
    run = kernel.run(line)
    assert run.reply.get("ename", "UsageError") == "UsageError"
    assert sentence in run.text + str(run.reply.get("evalue", ""))


def test_a_plan_of_a_name_is_a_table(kernel):
    kernel.run("runs = {'gpu': ['H100', 'A100'], 'region': ['FR', 'PL'], 'hours': [24]}")
    assert kernel.run("plan = %carbon plan runs").status == "ok"
    assert kernel.value("len(plan)") == 4
    assert kernel.value("sorted(plan['rank'].tolist())") == [1, 2, 3, 4]


# --- a loop -----------------------------------------------------------------------------------------------------


def test_a_loop_has_one_bar_that_is_replaced_in_place(kernel):
    run = kernel.run("import jupyter_carbon as jc, time\nfor i in jc.track(range(4)): time.sleep(0.6)")
    (first,) = [content for kind, content in run.outputs if kind == "display_data"]
    later = [content for kind, content in run.iopub if kind == "update_display_data"]
    assert len(later) == 3
    assert {content["transient"]["display_id"] for content in [first, *later]} == {first["transient"]["display_id"]}
    assert "<progress value='4' max='4'>" in later[-1]["data"]["text/html"]
    assert run.kinds == ["display_data"]
