"""Estimates kept in the ledger, and the runs of one cell found by the hash of its source."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_parts import a_context, a_run, a_window

from jupyter_carbon import footprint
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.plans import NEWEST, Planned
from jupyter_carbon.ledger.schema import MIGRATIONS
from jupyter_carbon.ledger.sqlite import Store
from jupyter_carbon.model import CellRecord, Interval


def a_plan(key: str = "cell", made_at: float = 1.0, **more: object) -> Planned:
    return Planned(key, made_at, Interval(1.0, 2.0, 4.0), Interval(0.1, 0.2, 0.4), 3.0, **more)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


# --- estimates ------------------------------------------------------------------------------------------------


def test_an_estimate_is_settled_and_read_back_as_it_was_kept(ledger):
    ledger.plans.keep(a_plan())
    assert ledger.plans.settled() == []
    ledger.plans.settle("cell", 2.5)
    assert ledger.plans.settled() == [a_plan(actual_kwh=2.5)]


def test_a_measurement_goes_to_the_newest_estimate_that_has_none(ledger):
    ledger.plans.keep(a_plan(made_at=1.0))
    ledger.plans.keep(a_plan(made_at=2.0))
    ledger.plans.keep(a_plan(made_at=3.0, actual_kwh=9.0))
    ledger.plans.settle("cell", 2.5)
    assert [(plan.made_at, plan.actual_kwh) for plan in ledger.plans.settled()] == [(2.0, 2.5), (3.0, 9.0)]


def test_a_measurement_without_an_estimate_changes_nothing(ledger):
    ledger.plans.keep(a_plan("one"))
    ledger.plans.settle("another", 2.5)
    assert ledger.plans.settled() == []


def test_estimates_are_asked_for_by_key_or_all_together(ledger):
    for key in ("one", "two"):
        ledger.plans.keep(a_plan(key, actual_kwh=1.0))
    assert [plan.key for plan in ledger.plans.settled("two")] == ["two"]
    assert [plan.key for plan in ledger.plans.settled()] == ["one", "two"]


def test_the_newest_estimates_are_read_and_no_more(ledger):
    for moment in range(NEWEST + 2):
        ledger.plans.keep(a_plan(made_at=float(moment), actual_kwh=1.0))
    assert [plan.made_at for plan in ledger.plans.settled("cell")] == [float(m) for m in range(2, NEWEST + 2)]


def test_where_there_is_no_ledger_nothing_is_known_and_none_is_made(ledger):
    assert ledger.plans.settled() == []
    assert not ledger.path.exists()


def test_a_ledger_from_before_there_were_estimates_has_none_and_takes_one(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Store(path, migrations=MIGRATIONS[:2]).add([a_record()])
    ledger = Ledger.open(path)
    assert ledger.plans.settled() == []
    ledger.plans.keep(a_plan(actual_kwh=1.0))
    assert len(ledger.plans.settled()) == 1
    assert len(list(ledger.records())) == 1  # the run from before is still there


# --- the runs of a cell -----------------------------------------------------------------------------------------


def a_record(sha1: str = "aa" * 20, **of_run: object) -> CellRecord:
    return footprint.record(replace(a_run(**of_run), source_sha1=sha1), a_window(), "ok", a_context())


def test_the_runs_of_a_cell_are_those_of_any_of_its_sources_newest_kept_oldest_first(ledger):
    Store(ledger.path).add(
        a_record(sha1, started_at=moment)
        for moment, sha1 in enumerate(["aa" * 20, "bb" * 20, "cc" * 20, "aa" * 20, "bb" * 20], start=1)
    )
    found = ledger.of_source({"aa" * 20, "bb" * 20}, 3)
    assert [record.run.started_at for record in found] == [2, 4, 5]


def test_the_runs_of_a_cell_cost_no_reading_of_journals(ledger):
    journal = Journal.open(ledger.path, "session")
    journal.context(a_context())
    run = replace(a_run("here"), source_sha1="dd" * 20)
    journal.begin(run)
    journal.end(run.id, a_window(), "ok")
    assert ledger.of_source(["dd" * 20], 5) == []
    ledger.drain(journal)
    assert [record.run.id for record in ledger.of_source(["dd" * 20], 5)] == ["here"]
    journal.close()


def test_runs_are_found_by_their_source_without_reading_the_others(ledger):
    Store(ledger.path).add([a_record()])
    with contextlib.closing(sqlite3.connect(ledger.path)) as db:
        asked = "EXPLAIN QUERY PLAN SELECT * FROM run WHERE source_sha1 = ? ORDER BY started_at DESC LIMIT 5"
        steps = [row[3] for row in db.execute(asked, ("aa" * 20,))]
    assert steps == ["SEARCH run USING INDEX run_by_source (source_sha1=?)"]
