"""The ledger rolled up: the same sums as adding every run by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ledger_parts import BRITAIN, FRANCE, a_context, a_run, a_window

from jupyter_carbon.footprint import record
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.journal import Journal
from jupyter_carbon.ledger.sqlite import Store

LIFE_CYCLE = ("lifecycle", "average")
DIRECT = ("direct", "average")


def stored(path, *runs):
    """A ledger with these runs: (moment, notebook, joules at the package)."""
    records = [
        record(a_run(started_at=at, notebook=notebook), a_window(joules), "ok", a_context())
        for at, notebook, joules in runs
    ]
    Store(path).add(records)
    return records


def kwh(records):
    return sum(r.footprint.facility_energy_kwh.likely for r in records)


def grams(records):
    return sum(r.footprint.operational_gco2e.likely for r in records)


def test_slots_and_notebooks_add_up_to_all_runs(tmp_path):
    path = tmp_path / "l.sqlite"
    first, second, third = stored(path, (100.0, "a", 40.0), (150.0, "b", 60.0), (250.0, "a", 80.0))
    (roll,) = Ledger.open(path).roll_up([100.0, 200.0], "a").values()
    assert roll.runs == 3
    assert roll.facility_energy_kwh.likely == pytest.approx(kwh([first, second, third]))
    assert roll.by_slot[0].operational_gco2e == pytest.approx(grams([first, second]))
    assert roll.by_slot[1].operational_gco2e == pytest.approx(grams([third]))
    assert roll.by_notebook["a"].facility_energy_kwh == pytest.approx(kwh([first, third]))
    assert roll.by_notebook["b"].runs == 1
    assert roll.here_by_slot[0].operational_gco2e == pytest.approx(grams([first]))


def test_the_ends_of_the_range_add_up(tmp_path):
    path = tmp_path / "l.sqlite"
    records = stored(path, (100.0, "a", 40.0), (150.0, "b", 60.0))
    (roll,) = Ledger.open(path).roll_up([100.0]).values()
    for end in ("low", "likely", "high"):
        by_hand = sum(getattr(r.footprint.operational_gco2e, end) for r in records)
        assert getattr(roll.operational_gco2e, end) == pytest.approx(by_hand)


def test_what_was_before_the_first_edge_is_not_counted(tmp_path):
    path = tmp_path / "l.sqlite"
    stored(path, (99.9, "a", 40.0), (100.0, "a", 40.0))
    (roll,) = Ledger.open(path).roll_up([100.0]).values()
    assert roll.runs == 1


def test_runs_without_a_notebook_have_their_own_row(tmp_path):
    path = tmp_path / "l.sqlite"
    stored(path, (100.0, None, 40.0))
    (roll,) = Ledger.open(path).roll_up([0.0], None).values()
    assert roll.by_notebook[None].runs == 1
    assert roll.here_by_slot == {}


def test_grams_of_two_kinds_of_intensity_are_never_added(tmp_path):
    path = tmp_path / "l.sqlite"
    for intensity in (FRANCE, BRITAIN):
        Store(path).add([record(a_run(), a_window(), "ok", a_context(intensity=intensity))])
    found = Ledger.open(path).roll_up([0.0])
    assert {kind: roll.runs for kind, roll in found.items()} == {LIFE_CYCLE: 1, DIRECT: 1}


def test_how_sure_an_intensity_is_makes_no_other_kind(tmp_path):
    path = tmp_path / "l.sqlite"
    surer = replace(FRANCE, status="actual", start="2026-11-21T10:00:00Z", end="2026-11-21T10:30:00Z")
    for intensity in (FRANCE, surer):
        Store(path).add([record(a_run(), a_window(), "ok", a_context(intensity=intensity))])
    (roll,) = Ledger.open(path).roll_up([0.0]).values()
    assert roll.runs == 2


def test_a_run_that_stands_in_the_journal_only_is_counted_once(tmp_path):
    path = tmp_path / "l.sqlite"
    ledger, journal = Ledger.open(path), Journal.open(path, "session")
    journal.context(a_context())
    run = a_run()
    journal.begin(run)
    journal.end(run.id, a_window(), "ok")
    (before,) = ledger.roll_up([0.0], run.notebook).values()
    assert ledger.drain(journal) == 1
    (after,) = ledger.roll_up([0.0], run.notebook).values()
    assert before.runs == after.runs == 1
    assert after.operational_gco2e.likely == pytest.approx(before.operational_gco2e.likely)
    assert before.here_by_slot[0].runs == after.here_by_slot[0].runs == 1


def test_an_empty_ledger_has_nothing_in_it(tmp_path):
    assert Ledger.open(tmp_path / "l.sqlite").roll_up([0.0]) == {}
