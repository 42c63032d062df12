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
def channel(session: Session, sent: list[tuple[Any, bytes]]) -> Channel:
    return Channel(session, lambda snapshot, packed: sent.append((snapshot, packed)))


def tick(channel: Channel, session: Session) -> None:
    channel.ticked(session.meter.tick(), session.open_cells)


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
    def end(cell):
        session.end(cell)
        channel.settled([(cell, session.record_of(cell))], ())

    end(session.begin("1", cell_id="c0"))
    cell = session.begin("1", cell_id="c1", region="DE")
    for _ in range(3):
        tick(channel, session)
    end(cell)
    tick(channel, session)
    assert [json.loads(packed) for _, packed in sent] == [snapshot for snapshot, _ in sent]
    assert [len(packed) for _, packed in sent] == [encoded_bytes(snapshot) for snapshot, _ in sent]
    assert [snapshot["totals"]["runs"] for snapshot, _ in sent] == [1, 1, 1, 2]
