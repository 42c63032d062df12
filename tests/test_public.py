"""The names that people type: found, light, and what they say they are."""

import inspect
import io
import subprocess
import sys

import pytest

import jupyter_carbon as jc

AFTER_OTHERS = """
import jupyter_carbon as jc
import jupyter_carbon.estimate.advice
print(jc.estimate(gpu="H100", hours=2).hours, jc.estimate is jc.estimate)
"""


def test_estimate_is_a_function_whichever_module_came_first():
    done = subprocess.run([sys.executable, "-c", AFTER_OTHERS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["2.0", "True"]


def test_estimate_shows_its_arguments():
    assert list(inspect.signature(jc.estimate).parameters)[:4] == ["gpu", "n_gpu", "cpu", "n_cpu"]


@pytest.mark.parametrize("name", sorted(set(jc.__all__)))
def test_each_public_name_is_there(name):
    assert getattr(jc, name) is not None


def test_a_workload_says_at_least_what_its_word_says():
    asked = {"gpu": "A100 80GB", "hours": 3}
    assert jc.estimate(**asked, workload=jc.Workload("training")) == jc.estimate(**asked, workload="training")


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """A ledger of our own for this process's session."""
    from jupyter_carbon.process import ThisProcess

    monkeypatch.setenv("JUPYTER_CARBON_LEDGER", str(tmp_path / "ledger.sqlite"))
    monkeypatch.setenv("JUPYTER_CARBON_LIVE", "0")
    monkeypatch.setenv("JUPYTER_CARBON_REGION", "FR")
    yield
    ThisProcess.session().close()


def test_track_hands_on_every_step_and_says_the_whole_at_the_end(ours, capsys):
    assert list(jc.track(iter(range(3)), total=3)) == [0, 1, 2]
    said = capsys.readouterr().err
    assert "3/3" in said
    assert "Wh (" in said
    assert "CO₂e" in said
    assert said.count("\n") == 1  # no terminal: the last line only


def test_track_says_nothing_where_nobody_knows_how_many_steps_there_are(ours, capsys):
    assert list(jc.track(iter(range(3)))) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_loop_that_is_left_early_leaves_no_block_behind(ours):
    from jupyter_carbon.process import ThisProcess

    for _ in jc.track(range(9)):
        break
    assert ThisProcess.session().meter._blocks_now() == []


def test_a_terminal_that_is_gone_does_not_end_the_loop(ours, monkeypatch):
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", gone)
    assert list(jc.track(range(2))) == [0, 1]
