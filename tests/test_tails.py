"""What a card goes on doing after its cell's end: known joules of a stand-in driver, on a real clock.

A profile begins when the driver is started; scripts wait for moments of it.  30 W is a card at rest, 300 W one at work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
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
    at_once, final, parked = driven.run(
        "2 30\n3 300",
        LAUNCH
        + """
at_once = told(session.record_now(cell))
until(8.5)
print(json.dumps([at_once, told(session.account().records[-1]), session._ticker.parked]))
session.close()
""",
        processes=processes,
    )
    assert at_once["ours"] == pytest.approx(300, abs=STEP_J)  # one second at 300 W
    assert at_once["flags"] == ["may-still-run"]
    # 300 W for its own second, 270 W above idle for the two after it; the 30 W in those are the session's.
    assert final["ours"] == pytest.approx(300 + 2 * 270, abs=STEP_J)
    assert final["machine"] == pytest.approx(final["ours"])
    assert final["flags"] == ["gpu-tail:gpu0"]
    assert parked, "somebody is woken though it is over"
    row = driven.rows()["launch"]
    assert list(row.flags) == final["flags"]
    assert card(row).energy_j.likely == pytest.approx(final["ours"])
    assert card(row).energy_j.low <= 840 <= card(row).energy_j.high
    assert row.duration_s == pytest.approx(1.0, abs=0.1)  # the cell's own


@pytest.mark.parametrize("described", [{"NO_COUNTER": 1, "CAPABILITY": "8.0"}, {"NO_UTILISATION": 1}], ids=str)
def test_a_launch_of_no_time_has_all_that_its_card_did(driven, described):
    driven.run(
        "2 30\n2 300",
        """
until(1.95)
session.end(session.begin("launch", label="launch", owner=owner))
until(6.5)
session.close()
""",
        **described,
    )
    row = driven.rows()["launch"]
    assert card(row).energy_j.likely == pytest.approx(2 * 270, abs=STEP_J)
    assert card(row).domain.quality == "measured"
    assert list(row.flags) == ["gpu-tail:gpu0"]


def test_the_next_cell_cuts_the_tail_and_no_joule_is_counted_twice_or_lost(driven):
    totals = driven.run(
        "2 30\n4 300",
        LAUNCH
        + """
until(4.0)
second = session.begin("second", label="second", owner=owner)
until(5.0)
session.end(second)
until(8.5)
session.end(session.begin("last", owner=owner))
totals = session.account().totals
print(json.dumps(totals.footprint.machine_energy_j.likely + totals.between.machine_energy_j.likely))
session.close()
""",
    )
    launch, second = (driven.rows()[label] for label in ("launch", "second"))
    assert card(launch).energy_j.likely == pytest.approx(300 + 270, abs=STEP_J)
    assert list(launch.flags) == ["gpu-tail:gpu0", "may-still-run"]
    # It went on for another second as it had before the second cell began, which may have launched nothing.
    assert card(second).energy_j.likely == pytest.approx(300, abs=STEP_J)
    assert list(second.flags) == ["began-busy:gpu0"]
    # All of it, but the processor and memory: 30 W for 8.5 s less what passed before the driver answered, and the work.
    assert totals >= 4 * 270 + 8 * 30


def test_of_a_card_that_others_use_too_only_our_part_goes_to_the_cell(driven):
    driven.run(
        "2 30\n3 300",
        LAUNCH + "until(8.0)\nsession.close()\n",
        processes="us:2:5:25;1:2:5:75;us:0:1e6:0;1:0:1e6:0",
    )
    row = driven.rows()["launch"]
    assert card(row).energy_j.likely == pytest.approx((300 + 2 * 270) / 4, abs=STEP_J)
    assert "gpu-tail:gpu0" in row.flags


def test_a_kernel_killed_while_its_card_goes_on_leaves_what_was_known(driven):
    driven.run("2 30\n60 300", LAUNCH + "until(5.0)\nos.kill(us, signal.SIGKILL)\n")
    row = driven.rows()["launch"]
    assert row.status == "ok"
    assert card(row).energy_j.likely == pytest.approx(300 + 1.5 * 270, abs=0.5 * 270 + STEP_J)
    assert list(row.flags) == ["gpu-tail:gpu0", "may-still-run"]


def test_a_session_that_closes_first_tells_what_it_knows(driven):
    driven.run("2 30\n60 300", LAUNCH + "until(4.5)\nsession.close()\n")
    row = driven.rows()["launch"]
    assert card(row).energy_j.likely == pytest.approx(300 + 1.5 * 270, abs=STEP_J)
    assert list(row.flags) == ["gpu-tail:gpu0", "may-still-run"]


def test_a_script_ends_with_what_is_known(driven):
    driven.run(
        "2 30\n60 300",
        """
session.close()
os.environ["JUPYTER_CARBON_LEDGER"], os.environ["JUPYTER_CARBON_LIVE"] = str(root / "ledger.sqlite"), "0"
import jupyter_carbon as jc
with jc.measure("first"):
    pass
until(2.0)
with jc.measure("launch") as cell:
    until(3.0)
assert "may-still-run" in cell.record.flags
until(5.0)
""",
    )
    row = driven.rows()["launch"]
    assert card(row).energy_j.likely == pytest.approx(300 + 2 * 270, abs=STEP_J)
    assert {"gpu-tail:gpu0", "may-still-run"} <= set(row.flags)


def test_a_framework_that_was_waited_for_leaves_no_tail_though_the_card_is_busy(driven):
    """The wait is a second here: it is the cell's own."""
    driven.run(
        "2 30\n9 300",
        """
from types import SimpleNamespace
cuda = SimpleNamespace(is_initialized=lambda: True, device_count=lambda: 1, synchronize=lambda device: until(4.0))
sys.modules["torch"] = SimpleNamespace(cuda=cuda, _C=SimpleNamespace(_cuda_hasPrimaryContext=lambda device: True))
"""
        + LAUNCH
        + "until(6.0)\nsession.close()\n",
    )
    row = driven.rows()["launch"]
    assert row.flags == ()
    assert card(row).energy_j.likely == pytest.approx(2 * 300, abs=STEP_J)


@pytest.mark.parametrize(("profile", "flags"), [("2 30\n3 300", ["gpu-tail:gpu0"]), ("2 30\n1 300", [])])
def test_where_nobody_can_be_waited_for_the_driver_tells(driven, profile, flags):
    driven.run(profile, "sys.modules['tensorflow'] = sys\n" + LAUNCH + "until(7.5)\nsession.close()\n")
    assert list(driven.rows()["launch"].flags) == flags


def test_where_neither_the_framework_nor_the_driver_tells_it_may_still_run(driven):
    driven.run(
        "2 30\n3 300",
        "sys.modules['tensorflow'] = sys\n" + LAUNCH + "until(4.0)\nsession.close()\n",
        FAIL="processes:999:0:1e6",
        NO_UTILISATION=1,
    )
    assert "may-still-run" in driven.rows()["launch"].flags


def test_a_card_that_nobody_of_ours_uses_costs_no_line_more(driven):
    lines = driven.run(
        "1e6 300",
        LAUNCH
        + """
[journal] = (root / "ledger.journals").iterdir()
print(json.dumps([json.loads(line)[0] for line in journal.read_text().splitlines()]))
session.close()
""",
        processes="1:0:1e6",
    )
    assert [line for line in lines if line != "checkpoint"] == ["journal", "context", "begin", "end"]
