"""`jupyter carbon ...`: the words that read a ledger, the doctor, and a notebook run without anybody looking."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from kernels import clean_env

from jupyter_carbon.cli import main
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.history import COLUMNS
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon

Answer = tuple[int, str, str]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Two cells of one notebook, a block that failed, and a flag."""
    path = tmp_path / "ledger.sqlite"
    session = Session(
        Carbon(region="FR", live=False, ledger=str(path)), environ={"JPY_SESSION_NAME": "work/a.ipynb", "TZ": "UTC"}
    )
    assert session.wait_until_warm(30)
    for label, status, region in (("load", "ok", None), ("fit", "ok", "SE"), ("odd", "error", "FX")):
        cell = session.begin("1", label=label, execution_count=3, region=region)
        session.end(cell, status)
    session.close()
    return path


@pytest.fixture
def say(ledger: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """One command in this process: its status, what it printed, what it complained about."""

    def say(*words: object) -> Answer:
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return say


def refuse(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


# --- history -------------------------------------------------------------------------------------------------------


def test_history_is_a_line_a_run_with_its_doubts(say, ledger):
    status, out, err = say("history", "--ledger", ledger)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert ["a.ipynb [3] load" in lines[0], "a.ipynb [3] fit" in lines[1], "a.ipynb [3] odd" in lines[2]] == [True] * 3
    assert all("Wh" in line and "CO₂e" in line for line in lines)
    assert "  error  " in lines[2]
    assert lines[2].endswith("(region-refused)")


def test_history_shows_local_time(ledger):
    words = [sys.executable, "-m", "jupyter_carbon.cli", "history", "--ledger", str(ledger)]
    told = {}
    for zone in ("UTC", "Asia/Kolkata"):
        out = subprocess.run(
            words, env={**os.environ, "TZ": zone}, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        told[zone] = time.mktime(time.strptime(out[:19], "%Y-%m-%d %H:%M:%S"))
    assert told["Asia/Kolkata"] - told["UTC"] == 5.5 * 3600


def test_history_as_json_holds_the_records(say, ledger):
    _, out, _ = say("history", "--json", "--ledger", ledger)
    assert json.loads(out) == [record.to_dict() for record in Ledger.open(ledger).records()]


def test_since_takes_dates_and_times_with_or_without_a_zone(say, ledger):
    def count(since: str) -> int:
        return len(say("history", "--ledger", ledger, "--since", since)[1].splitlines())

    assert [count(since) for since in ("2020-01-01", "2020-01-01T10:00Z", "2020-01-01T10:00+05:30")] == [3, 3, 3]
    assert [count(since) for since in ("2999-01-01", "2999-01-01T10:00")] == [0, 0]


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-45"])
def test_a_since_that_is_no_date_is_refused_with_an_example(text, capsys):
    assert refuse("history", "--since", text) == 2
    err = capsys.readouterr().err
    assert f"{text!r} is not a date or time like 2026-11-21" in err


def test_a_notebook_is_chosen_by_the_end_of_its_path(say, ledger):
    assert len(say("history", "--ledger", ledger, "--notebook", "a.ipynb")[1].splitlines()) == 3
    assert say("history", "--ledger", ledger, "--notebook", "b.ipynb")[1] == ""


def test_a_reader_that_stops_early_is_no_error(ledger):
    for _ in range(3):
        reader = subprocess.run(
            f"'{sys.executable}' -m jupyter_carbon.cli history --ledger '{ledger}' | true; echo ${{PIPESTATUS[0]}}",
            shell=True, executable="/bin/bash", capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert (reader.stdout, reader.stderr) == ("0\n", "")


# --- export --------------------------------------------------------------------------------------------------------


def test_export_is_csv_with_a_header_or_json_lines(say, ledger):
    _, out, _ = say("export", "--ledger", ledger)
    table = list(csv.DictReader(io.StringIO(out)))
    assert [row["label"] for row in table] == ["load", "fit", "odd"]
    assert tuple(table[0]) == COLUMNS
    _, lines, _ = say("export", "--format", "jsonl", "--ledger", ledger)
    assert [json.loads(line)["label"] for line in lines.splitlines()] == ["load", "fit", "odd"]
    assert say("export", "--json", "--ledger", ledger)[1] == lines


def test_an_empty_ledger_exports_a_header_or_nothing(say, tmp_path):
    empty = tmp_path / "empty.sqlite"
    assert say("export", "--ledger", empty) == (0, ",".join(COLUMNS) + "\n", "")
    assert say("export", "--format", "jsonl", "--ledger", empty) == (0, "", "")
    assert say("history", "--ledger", empty) == (0, "", "")
    assert say("history", "--json", "--ledger", empty) == (0, "[]\n", "")
    assert not empty.exists()


def test_export_into_a_file(say, ledger, tmp_path):
    out = tmp_path / "out.jsonl"
    assert say("export", "--json", "--ledger", ledger, "--output", out) == (0, "", "")
    assert len(out.read_text().splitlines()) == 3


def test_a_file_that_cannot_be_made_is_one_sentence(say, ledger, tmp_path):
    status, _, err = say("export", "--ledger", ledger, "--output", tmp_path / "nowhere" / "out.csv")
    assert status == 1
    assert err == f"jupyter carbon: {tmp_path / 'nowhere' / 'out.csv'}: No such file or directory\n"


def test_a_ledger_at_a_url_is_one_sentence(say):
    status, _, err = say("export", "--ledger", "postgresql://host/db")
    assert status == 1
    assert err.startswith("jupyter carbon: a ledger at a postgresql URL is not supported")


def test_a_ledger_of_a_newer_version_is_read_and_said(say, ledger):
    import sqlite3

    session = Session(Carbon(live=False, ledger=str(ledger)), environ={"TZ": "UTC"})
    session.books.hand_over(lambda ledger: None)
    session.close()
    db = sqlite3.connect(ledger)
    db.execute("PRAGMA user_version = 999")
    db.close()
    status, out, err = say("history", "--ledger", ledger)
    assert (status, len(out.splitlines())) == (0, 3)
    assert "newer jupyter_carbon" in err


def test_an_unknown_word_or_option_is_refused(capsys):
    assert refuse("histroy") == 2
    assert "history" in capsys.readouterr().err
    assert refuse("export", "--format", "xml") == 2
    assert "csv" in capsys.readouterr().err
    assert refuse() == 2


# --- doctor --------------------------------------------------------------------------------------------------------


def test_doctor_tells_what_is_measured_and_writes_nothing(say, monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_CARBON_LEDGER", str(tmp_path / "never" / "ledger.sqlite"))
    monkeypatch.setenv("JUPYTER_CARBON_REGION", "FR")
    status, out, err = say("doctor")
    assert (status, err) == (0, "")
    assert "CPU package-0" in out
    assert "France" in out
    assert not (tmp_path / "never").exists()


def test_doctor_as_json_and_a_wrong_variable(say, monkeypatch):
    monkeypatch.setenv("JUPYTER_CARBON_PUE", "9")
    findings = json.loads(say("doctor", "--json")[1])
    assert {"topic", "health", "text", "remedy"} == set(findings[0])
    assert any(f["topic"] == "warning" and "a number from 1 to 5" in f["text"] for f in findings)


# --- run -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`jupyter carbon run` on a notebook of these cells, with a relative ledger."""

    def run(*sources: str, words: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        (tmp_path / "folder").mkdir(exist_ok=True)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        nbformat.write(notebook, tmp_path / "folder" / "a.ipynb")
        env = clean_env(tmp_path) | {
            "JUPYTER_CARBON_LEDGER": "ledger.sqlite",
            "JUPYTER_CARBON_REGION": "FR",
            "JUPYTER_CARBON_LIVE": "0",
        }
        command = [sys.executable, "-m", "jupyter_carbon.cli", "run", "folder/a.ipynb", *words]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)

    return run


def test_run_says_what_each_cell_cost_and_the_session(run, tmp_path):
    done = run("%%carbon sums\nsum(range(1000))", "2 + 2", words=("--output", "out.ipynb"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "[1] sums"
    assert lines[2] == "[2] 2 + 2"
    assert any(line.startswith("This session: ") for line in lines)
    assert len(list(Ledger.open(tmp_path / "ledger.sqlite").records())) == 2
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[1].outputs[0]["data"]["text/plain"] == "4"


def test_run_as_json(run):
    done = run("2 + 2", words=("--json",))
    (row,) = json.loads(done.stdout)
    assert (row["execution_count"], row["status"]) == (1, "ok")


def test_a_cell_that_fails_fails_the_run_and_is_metered(run):
    done = run("%load_ext jupyter_carbon", "1 / 0", "never = 1")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "[2] 1 / 0  error" in done.stdout
    assert "never" not in done.stdout


def test_a_file_that_is_no_notebook_is_one_sentence(say, tmp_path):
    (tmp_path / "text.ipynb").write_text("not a notebook")
    status, _, err = say("run", tmp_path / "text.ipynb")
    assert status == 1
    assert "is not a notebook that can be read" in err
    assert say("run", tmp_path / "missing.ipynb")[0] == 1
