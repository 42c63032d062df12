"""`%carbon calibrate` and `%carbon doctor` as a notebook says them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from kernels import NEWEST, Kernel

from jupyter_carbon.cli import main


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(NEWEST, tmp_path_factory.mktemp("kernel"), JUPYTER_CARBON_REGION="FR")
    try:
        assert kernel.run("%load_ext jupyter_carbon").status == "ok"
        yield kernel
    finally:
        kernel.stop()


def test_the_bare_word_says_what_is_calibrated_and_how_to(kernel):
    told = kernel.run("%carbon calibrate")
    assert told.status == "ok"
    assert told.text.startswith("Nothing is calibrated on this machine.\n\nWith a plug meter")
    assert "%carbon calibrate plug shelly 192.168.1.20" in told.text


def test_a_refusal_is_one_line_without_a_traceback(kernel):
    told = kernel.run("%carbon calibrate 12 Wh")
    assert told.text.strip() == (
        "UsageError: %carbon calibrate: 12 Wh is an energy.  Give the power that the plug shows now, in watts: 61.5 W"
    )


def test_where_nothing_is_calibrated_nothing_is_imported_for_it(tmp_path):
    fresh = Kernel(NEWEST, tmp_path, JUPYTER_CARBON_REGION="FR")
    try:
        fresh.run("%load_ext jupyter_carbon")
        fresh.run("1")
        late = ["calibration.fit", "calibration.procedure", "calibration.store", "power.cpu_curve", "report.self_test"]
        assert fresh.value(f"[n for n in {late} if f'jupyter_carbon.{{n}}' in __import__('sys').modules]") == []
    finally:
        fresh.stop()


def test_doctor_says_what_it_can_be_asked_for(kernel):
    assert "--test, or nothing" in kernel.run("%carbon doctor tset").text


def test_doctor_tests_itself_when_asked_to_and_ends_with_a_verdict(capsys, monkeypatch, tmp_path):
    # Ten seconds of this very machine: whatever it measures, and whoever else is at work on it, each line is there.
    monkeypatch.setenv("JUPYTER_CARBON_LEDGER", str(tmp_path / "ledger.sqlite"))
    assert main(["doctor", "--test", "--json"]) == 0
    texts = [f["text"] for f in json.loads(capsys.readouterr().out) if f["topic"] == "self-test"]
    assert texts[0].startswith("CPU time of ours: ")
    assert " CPU seconds of a load of " in texts[0]
    assert any(text.startswith("CPU package-0: ") and " J under load (" in text for text in texts)
    assert any("one read takes " in text for text in texts)
    assert any(texts[-1].startswith(said) for said in ("the numbers move", "others are at work", "do not believe"))


def test_doctor_loads_nothing_unasked(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_CARBON_LEDGER", str(tmp_path / "ledger.sqlite"))
    assert main(["doctor", "--json"]) == 0
    assert "self-test" not in {finding["topic"] for finding in json.loads(capsys.readouterr().out)}
