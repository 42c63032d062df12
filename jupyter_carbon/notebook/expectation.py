"""`%%carbon --estimate`: what a cell should cost by its own history, shown before it runs."""

from __future__ import annotations

import html
import time
from collections.abc import Collection, Sequence

from IPython.display import display

from jupyter_carbon.estimate.calibration import Expected, expected
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.plans import Planned
from jupyter_carbon.model import CellRecord, Interval
from jupyter_carbon.notebook.transform import sources_of
from jupyter_carbon.session import Session, sha1_of

RUNS = 20
"""Newest runs of a cell that say what the next will cost: older ones are of another machine, or of other data."""


def show_expected(session: Session, raw_cell: str, region: str | None) -> Planned | None:
    """Put the expectation under the cell that is about to run; what is to be kept of it, if there is one."""
    *_, body = sources = sources_of(raw_cell)
    ledger = Ledger.open(session.ledger_path)
    key = sha1_of(body)
    records = runs_of(session, ledger, {sha1_of(source) for source in sources})
    by_runs = expected_here(records, session.intensity(region).gco2e_per_kwh)
    told = None if by_runs is None else by_runs.after(ledger.plans.settled(key))
    text = words(told, records)
    display({"text/plain": text, "text/html": _html(text)}, raw=True)  # type: ignore[no-untyped-call]
    return None if by_runs is None else by_runs.planned(key, time.time())


def runs_of(session: Session, ledger: Ledger, sha1s: Collection[str]) -> list[CellRecord]:
    """The newest runs of these sources, oldest first: in the ledger, and in this session that fills it as it ticks."""
    found = {record.run.id: record for record in ledger.of_source(sha1s, RUNS)}
    found |= {record.run.id: record for record in session.newest_of(sha1s, RUNS)}
    return sorted(found.values(), key=lambda record: record.run.started_at)[-RUNS:]


def expected_here(records: Sequence[CellRecord], gco2e_per_kwh: Interval) -> Expected | None:
    """What one more run should cost with the electricity of here and now."""
    found = expected(records)
    return None if found is None else found.at(gco2e_per_kwh)


def words(told: Expected | None, records: Sequence[CellRecord]) -> str:
    """The expectation in a line, or why there is none."""
    if told is not None:
        return told.text
    if not records:
        return "Expected: not known; there is no earlier run of this cell."
    return "Expected: not known; no earlier run of this cell came to its end."


def _html(text: str) -> str:
    return f'<div class="jc-expected" style="text-align:right;font-size:86%">{html.escape(text)}</div>'
