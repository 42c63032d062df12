"""What is in the ledger when a kernel, a disk or a setting fails."""

from pathlib import Path

import pytest
from kernels import export


def test_a_record_is_there_as_soon_as_the_reply_is_out_and_survives_kill_9(start, spec):
    kernel = start(spec)
    kernel.run("%load_ext jupyter_carbon")
    kernel.run("1")
    msg_id = kernel.submit("%%carbon last words\n6 * 7")
    run = kernel.wait(msg_id, until=lambda run: bool(run.reply))
    kernel.kill()
    rows = export(kernel.env)
    assert [(row["label"], row["status"]) for row in rows if row["label"]] == [("last words", "ok")]
    assert rows[-1]["execution_count"] == run.count


def test_a_killed_kernel_leaves_its_finished_cells_and_its_last_one_as_crashed(start, spec):
    kernel = start(spec)
    kernel.run("%load_ext jupyter_carbon")
    finished = [kernel.run(f"%%carbon finished {n}\n{n}") for n in range(3)]
    msg_id = kernel.submit("%%carbon shot\nimport time\nfor n in range(60):\n    time.sleep(0.5)\n    print(n)")
    kernel.wait(msg_id, until=lambda run: "3\n" in run.text)
    kernel.kill()
    rows = {row["label"]: row for row in kernel.rows() if row["label"]}
    assert {label: row["status"] for label, row in rows.items()} == {
        "finished 0": "ok", "finished 1": "ok", "finished 2": "ok", "shot": "crashed",
    }  # fmt: skip
    assert rows["shot"]["execution_count"] == finished[-1].count + 1
    assert 0.9 <= rows["shot"]["duration_s"] <= 3.5  # up to its last checkpoint, one a second
    assert kernel.rows() == kernel.rows() == export(kernel.env)  # told again, it is the same story


def test_a_cell_that_still_runs_has_no_row_yet_and_is_not_crashed(start, spec):
    kernel = start(spec)
    kernel.run("%load_ext jupyter_carbon")
    msg_id = kernel.submit("%%carbon busy\nimport time\nfor n in range(4):\n    time.sleep(0.5)\n    print(n)")
    kernel.wait(msg_id, until=lambda run: "2\n" in run.text)
    assert [row["label"] for row in kernel.rows()] == []
    assert kernel.row(kernel.wait(msg_id))["status"] == "ok"


@pytest.mark.parametrize("ledger", ["/dev/full", "/proc/nowhere/ledger.sqlite", "{tmp}/a-file/ledger.sqlite"])
def test_a_ledger_that_cannot_be_written_costs_one_warning_and_no_cell(start, tmp_path, ledger):
    (tmp_path / "a-file").write_text("not a folder")
    ledger = ledger.format(tmp=tmp_path)
    kernel = start(JUPYTER_CARBON_LEDGER=ledger)
    runs = [kernel.run("%load_ext jupyter_carbon"), *(kernel.run(f"{n} + 1") for n in range(3))]
    assert [run.status for run in runs] == ["ok"] * 4
    assert [run.result for run in runs] == [None, "1", "2", "3"]
    (warning,) = (content["text"] for run in runs for _, content in run.outputs if content.get("name") == "stderr")
    assert str(Path(ledger).parent) in warning
    assert warning.count("\n") == 1
    assert ledger in kernel.run("%carbon doctor").text


def test_a_corrupt_ledger_costs_one_warning_and_stays_as_it_is(start, tmp_path):
    ledger = tmp_path / "corrupt.sqlite"
    ledger.write_bytes(b"SQLite format 3\x00" + b"garbage" * 1000)
    before = ledger.read_bytes()
    kernel = start(JUPYTER_CARBON_LEDGER=str(ledger))
    runs = [kernel.run("%load_ext jupyter_carbon"), *(kernel.run(f"{n} + 1") for n in range(3))]
    assert [run.result for run in runs] == [None, "1", "2", "3"]
    assert ledger.read_bytes() == before


def test_the_region_comes_from_the_environment(start):
    kernel = start(JUPYTER_CARBON_REGION="FR")
    kernel.run("%load_ext jupyter_carbon")
    assert kernel.row(kernel.run("1"))["intensity"]["region"] == "FR"


def test_with_nothing_known_it_is_the_world_and_says_so(start):
    kernel = start()  # TZ=UTC: no country
    kernel.run("%load_ext jupyter_carbon")
    run = kernel.run("%%carbon\n1")
    row = kernel.row(run)
    assert row["intensity"]["region"] == "WORLD"
    assert "region-unknown" in row["flags"]
    assert "world average" in run.text


def test_a_time_zone_is_a_guess_and_says_so(start):
    kernel = start(TZ="Europe/Paris")
    kernel.run("%load_ext jupyter_carbon")
    run = kernel.run("%%carbon\n1")
    row = kernel.row(run)
    assert row["intensity"]["region"] == "FR"
    assert "region-guessed" in row["flags"]
    assert "guessed from the time zone" in run.text


@pytest.mark.parametrize(("region", "near"), [("FX", "FR"), ("US-CAL", "US-CA"), ("aws:eu-wst-3", "aws:eu-west-3")])
def test_an_unknown_region_names_near_matches_and_cells_run(start, region, near):
    kernel = start(JUPYTER_CARBON_REGION=region)
    runs = [kernel.run("%load_ext jupyter_carbon"), kernel.run("6 * 7"), kernel.run("6 * 7")]
    assert [(run.status, run.result) for run in runs] == [("ok", None), ("ok", "42"), ("ok", "42")]
    assert "%carbon doctor" in runs[0].text
    assert near in kernel.run("%carbon doctor").text.replace(region, "")
    assert len(kernel.rows_of(*runs[1:])) == 2
