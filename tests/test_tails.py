"""What a card goes on doing after its cell's end: known joules of a stand-in driver, on a real clock.

A profile begins when the driver is started; scripts wait for moments of it.  30 W is a card at rest, 300 W one at work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.nvml.machine import build
from machine import Machine

from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.model import CellRecord, Share

STEP_J = 30.0
"""What a step of the counter holds at work: 100 ms of 300 W."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


HEAD = """
import json, os, signal, sys, threading, time
from pathlib import Path
root = Path(sys.argv[1])
us = os.getpid()
os.environ["FAKE_NVML_PROCESSES_0"] = sys.argv[2].replace("us", str(us))
os.environ["FAKE_NVML_T0"] = str(time.monotonic())
began_s = float(os.environ["FAKE_NVML_T0"])
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon
owner = object()

def until(moment_s):
    time.sleep(max(0.0, began_s + moment_s - time.monotonic()))

def told(record):
    [card] = [share for share in record.shares if share.domain.device == "gpu0"]
    return {"ours": card.energy_j.likely, "machine": card.machine_energy_j.likely, "flags": list(record.flags)}

session = Session(Carbon(region="FR", live=False, ledger=str(root / "ledger.sqlite")), root=root, environ={"TZ": "UTC"})
assert session.wait_until_warm(30)
"""


class Driven:
    """A process that meters a machine with one fake card."""

    def __init__(self, machine: Machine, library: Path) -> None:
        self._machine, self._library = machine, library

    def run(self, profile: str, code: str, *, processes: str = "us:0:1e6", **fake: object) -> Any:
        """What the script printed last, as JSON; `us` in `processes` stands for it."""
        path = self._machine.root / "profile"
        path.write_text(profile + "\n1e6 30\n")
        env = {**os.environ, "LD_LIBRARY_PATH": str(self._library.parent), "FAKE_NVML_PROFILE": str(path)}
        env |= {f"FAKE_NVML_{key}": str(value) for key, value in fake.items()}
        words = [sys.executable, "-c", HEAD + textwrap.dedent(code), str(self._machine.root), processes]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=100, check=False)
        assert done.stderr == ""
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None

    def rows(self) -> dict[str | None, CellRecord]:
        return {record.run.label: record for record in Ledger.open(self._machine.ledger).records()}


@pytest.fixture
def driven(tmp_path: Path, library: Path) -> Driven:
    return Driven(Machine(tmp_path), library)


def card(record: CellRecord) -> Share:
    return next(share for share in record.shares if share.domain.device == "gpu0")


LAUNCH = """
until(2.0)
cell = session.begin("launch", label="launch", owner=owner)
until(3.0)
session.end(cell)
"""


@pytest.mark.parametrize(
    "processes", ["us:0:1e6:100", "us:0:5:100;us:5:1e6:0"], ids=["constant utilisation", "that follows the work"]
)
def test_work_that_outlives_its_cell_is_in_the_cell_that_launched_it(driven, processes):
    found = driven.run(
        "2 30\n3 300\n",
        LAUNCH
        + """
at_once = told(session.record_now(cell))
until(8.5)
parked = session._ticker.parked
final = told(session.account().records[-1])
print(json.dumps([at_once, final, parked, str(sorted((root / "ledger.journals").iterdir())[0])]))
sys.stdout.flush()
until(9.0)
session.close()
""",
        processes=processes,
    )
    print(found)
    at_once, final, parked, _journal = found
    assert at_once["ours"] == pytest.approx(300, abs=STEP_J)  # one second at 300 W
    assert "may-still-run" in at_once["flags"]
    # 300 W for its own second, 270 W above idle for the two after it; the 30 W in those are the session's.
    assert final["ours"] == pytest.approx(300 + 2 * 270, abs=STEP_J)
    assert parked, "nobody is woken once it is over"
    row = driven.rows()["launch"]
    assert card(row).energy_j.likely == pytest.approx(final["ours"])
    assert card(row).energy_j.low <= 840 <= card(row).energy_j.high
    assert "gpu-tail:gpu0" in row.flags
    assert "may-still-run" not in row.flags
    assert row.duration_s == pytest.approx(1.0, abs=0.1)
