"""The two commands of the README, as far as a test may run them: what they name, and the notebook behind `make run`."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from kernels import clean_env, export

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples/quickstart.ipynb"
pytestmark = pytest.mark.timeout(700)  # it trains real models, on machines that may have other work


@pytest.mark.parametrize(("heading", "command"), [("Run", "make run"), ("Test", "make test")])
def test_the_readme_names_one_command_under_each_heading(heading, command):
    section = re.search(rf"^## {heading}\n(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert section is not None
    assert re.findall(r"^```\w*\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE) == [f"{command}\n"]


def test_continuous_integration_runs_the_same_command():
    script = ROOT / ".ci/run"
    assert script.read_text().splitlines()[-1] == "make test"
    assert script.stat().st_mode & stat.S_IXUSR


def test_the_example_is_committed_clean():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.fixture(scope="module")
def metered(tmp_path_factory):
    """`jupyter carbon run examples/quickstart.ipynb`: what it says, and the ledger it leaves."""
    folder = tmp_path_factory.mktemp("run")
    env = clean_env(folder) | {"JUPYTER_CARBON_LEDGER": str(folder / "ledger.sqlite"), "JUPYTER_CARBON_REGION": "FR"}
    before = NOTEBOOK.read_bytes()
    command = [sys.executable, "-m", "jupyter_carbon.cli", "run", str(NOTEBOOK)]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert NOTEBOOK.read_bytes() == before
    return done.stdout, export(env)


def test_running_the_example_prints_each_cell_and_the_session(metered):
    said, rows = metered
    assert {row["status"] for row in rows} == {"ok"}
    labels = [row["label"] for row in rows if row["label"]]
    assert labels == ["load the digits", "train a network", "search in two processes"]
    for label in labels:  # a cell's number and name, and below them what it cost, its range, and how that is known
        assert re.search(rf"\] {label}\n.*Wh · .*CO₂e \(.* – .*\) · .*(measured|modelled|assumed)", said), label
    assert re.search(r"^This session: .*Wh · .*CO₂e", said, re.MULTILINE)


def test_the_work_of_the_child_processes_is_in_the_cell_that_started_them(metered):
    _, rows = metered
    by_label = {row["label"]: row for row in rows}
    search, load = by_label["search in two processes"], by_label["load the digits"]
    active_j = {
        label: row["energy_j"]["likely"] - row["idle_energy_j"]["likely"]
        for label, row in {"search": search, "load": load}.items()
    }
    assert active_j["search"] > 2 * active_j["load"]
