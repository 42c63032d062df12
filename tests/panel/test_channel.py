"""What a session tells its panels, and when: a real session, and all that it would send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import Machine

from jupyter_carbon.notebook.channel import Channel
from jupyter_carbon.notebook.protocol import VERSION, encoded_bytes
from jupyter_carbon.session import Session

LOOK = {"v": VERSION, "ask": "look", "looking": True, "notebook": None, "session_id": None, "since_run": 0}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Machine(tmp_path).session()
    assert session.wait_until_warm(10)
    yield session
    session.close()


@pytest.fixture
def sent() -> list[tuple[Any, bytes]]:
    return []


@pytest.fixture
def spread() -> list[Any]:
    return []


@pytest.fixture
def channel(session: Session, sent: list[tuple[Any, bytes]], spread: list[Any]) -> Channel:
    return Channel(session, lambda snapshot, packed: sent.append((snapshot, packed)), spread.append)


def tick(channel: Channel, session: Session) -> None:
    channel.ticked(session.meter.tick(), session.open_cells)


def end(channel: Channel, session: Session, cell_id: str) -> None:
    cell = session.begin(cell_id, cell_id=cell_id)
    session.end(cell)
    channel.settled([(cell, session.record_of(cell))], ())


def test_a_notebooks_cell_is_told_of_though_nobody_has_asked_yet(channel, session, sent):
    session.begin("1", cell_id="c1")
    tick(channel, session)
    assert sent[0][0]["running"]["cell_id"] == "c1"


def test_a_cell_of_no_page_is_told_of_once_somebody_has_asked(channel, session, sent):
    session.begin("1")
    tick(channel, session)
    assert sent == []
    channel.answer(LOOK)
    tick(channel, session)
    assert [snapshot["running"]["cell_id"] for snapshot, _ in sent] == [None]


def test_what_is_sent_is_the_snapshot_also_where_most_of_it_stays_as_it_was(channel, session, sent):
    end(channel, session, "c0")
    cell = session.begin("1", cell_id="c1", region="DE")
    for _ in range(3):
        tick(channel, session)
    session.end(cell)
    channel.settled([(cell, session.record_of(cell))], ())
    tick(channel, session)
    assert [json.loads(packed) for _, packed in sent] == [snapshot for snapshot, _ in sent]
    assert [len(packed) for _, packed in sent] == [encoded_bytes(snapshot) for snapshot, _ in sent]
    assert [snapshot["totals"]["runs"] for snapshot, _ in sent] == [1, 1, 1, 2]


def test_a_cell_that_has_ended_is_told_of_while_the_next_one_runs(channel, session, spread):
    end(channel, session, "c0")
    session.begin("2", cell_id="c1")
    tick(channel, session)
    assert [[row["cell_id"] for row in some["news"]] for some in spread] == [["c0"]]
    tick(channel, session)
    assert len(spread) == 1


def test_a_single_cell_is_in_the_snapshot_of_its_end_and_two_are_news(channel, session, sent, spread):
    channel.looked_at = True
    end(channel, session, "c0")
    tick(channel, session)
    assert sent[-1][0]["ended"]["cell_id"] == "c0"
    assert spread == []
    for cell_id in ("c1", "c2"):
        end(channel, session, cell_id)
    tick(channel, session)
    assert [(some["since_run"], [row["cell_id"] for row in some["news"]]) for some in spread] == [(1, ["c1", "c2"])]
