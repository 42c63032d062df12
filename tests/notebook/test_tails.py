"""A card that goes on after its cell's end, in a real kernel: what its user and another process are told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fakes.nvml.machine import build
from kernels import export

METER = """
import os, time
os.environ["FAKE_NVML_PROCESSES"] = f"{os.getpid()}:0:1e6"
os.environ["FAKE_NVML_T0"] = str(time.monotonic())
began_s = float(os.environ["FAKE_NVML_T0"])
until = lambda moment_s: time.sleep(max(0.0, began_s + moment_s - time.monotonic()))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


def test_the_rows_of_a_kernel_hold_what_its_card_did_after_the_cell(start, library, tmp_path):
    (tmp_path / "profile").write_text("4 30\n3 300\n1e6 30\n")
    kernel = start(
        JUPYTER_CARBON_REGION="FR",
        LD_LIBRARY_PATH=str(library.parent),
        FAKE_NVML_PROFILE=str(tmp_path / "profile"),
    )
    kernel.run(METER)
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("until(2)")  # its driver has answered
    launched = kernel.run("%%carbon launch\nuntil(5)")
    assert "the device may still be busy with work of this cell" in launched.text
    time.sleep(4.5)
    row = next(row for row in export(kernel.env) if row["label"] == "launch")
    [card] = [part for part in row["components"] if part["component"] == "gpu"]
    # At 300 W in its last second and the two after it, of which the idle power is the session's; 30 W in the others.
    idle_s = row["duration_s"] - 1.0
    assert card["energy_j"]["likely"] == pytest.approx(30 * idle_s + 300 + 2 * 270, abs=30)
    assert row["flags"] == ["gpu-tail:gpu0"]
    told = kernel.run("%carbon")
    assert "launch" in told.text
    rows = kernel.run("import jupyter_carbon as jc; [f for f in jc.history()['flags'] if 'gpu-tail' in str(f)]")
    assert "gpu-tail:gpu0" in str(rows.result)
