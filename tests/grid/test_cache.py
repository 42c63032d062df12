"""On disk beside the ledger: whole, shared, and telling no secrets."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from grid_parts import TEN_S, slot

from jupyter_carbon.grid.cache import KEPT_S, Cache, Stored, merged
from jupyter_carbon.grid.region import resolve

GB = resolve("GB")


def cache(folder, part=""):
    return Cache(folder, "gb", GB, "average", "a source", part=part)


def test_what_was_written_is_read_back(tmp_path):
    slots = (slot(0, 143.25, basis="direct", wide=1.2), slot(1, 150, "forecast", basis="direct", wide=1.4))
    cache(tmp_path).write(Stored(slots, TEN_S, TEN_S + 60, 3))
    stored = cache(tmp_path).read()
    assert (stored.retrieved_s, stored.not_before_s, stored.failures) == (TEN_S, TEN_S + 60, 3)
    assert [(s.start, s.end, s.status, s.basis, s.gco2e_per_kwh.likely) for s in stored.slots] == [
        ("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z", "actual", "direct", 143.25),
        ("2026-11-21T10:30:00Z", "2026-11-21T11:00:00Z", "forecast", "direct", 150),
    ]
    assert stored.slots[0].gco2e_per_kwh.high == pytest.approx(143.25 * 1.2, abs=0.01)


def test_it_is_read_again_only_when_somebody_has_written(tmp_path):
    ours, theirs = cache(tmp_path), cache(tmp_path)
    assert ours.read() is None
    theirs.write(Stored((slot(0, 1),), TEN_S))
    assert ours.read() is not None
    assert ours.read() is None
    ours.write(Stored((slot(0, 2),), TEN_S))
    assert ours.read() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}', '{"format": 1, "region": "FR"}'])
def test_what_is_no_cache_is_as_if_it_were_not_there(tmp_path, content):
    one = cache(tmp_path)
    one.path.write_text(content)
    assert one.read() is None
    one.write(Stored((slot(0, 1),), TEN_S))
    assert cache(tmp_path).read() is not None


def test_a_folder_that_cannot_be_written_harms_nothing(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    one = cache(file / "grid")
    one.write(Stored((slot(0, 1),), TEN_S))
    assert one.read() is None
    with one.locked() as ours:
        assert ours


def test_one_process_at_a_time_may_ask(tmp_path):
    one = cache(tmp_path)
    held = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent("""
            import sys
            from pathlib import Path
            from jupyter_carbon.grid.cache import Cache
            from jupyter_carbon.grid.region import resolve
            with Cache(Path(sys.argv[1]), "gb", resolve("GB"), "average", "").locked() as ours:
                print(ours, flush=True)
                sys.stdin.read()
        """), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert held.stdout.readline() == "True\n"
    with one.locked() as ours:
        assert not ours
    held.kill()  # the machine's kernel gives the lock back, however its holder ends
    held.communicate()
    with one.locked() as ours:
        assert ours


def test_only_its_owner_reads_it(tmp_path):
    one = cache(tmp_path / "grid")
    one.write(Stored((slot(0, 1),), TEN_S))
    assert one.path.stat().st_mode & 0o777 == 0o600
    assert one.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_part_of_a_region_stands_in_no_name_and_no_file(tmp_path):
    one = cache(tmp_path, "postcode/EC1A")
    one.write(Stored((slot(0, 1),), TEN_S))
    assert "ec1a" not in one.path.name.casefold()
    assert "ec1a" not in one.path.read_text().casefold()
    assert one.path != cache(tmp_path).path


def test_a_forecast_is_kept_beside_its_actual_and_replaced_by_a_newer_one():
    old = [slot(0, 100, "forecast"), slot(1, 110, "forecast")]
    new = [slot(0, 104), slot(1, 120, "forecast")]
    kept = merged(old, new, TEN_S)
    assert [(s.status, s.gco2e_per_kwh.likely) for s in kept] == [("actual", 104), ("forecast", 100), ("forecast", 120)]


def test_what_is_long_past_is_dropped():
    assert merged([slot(0, 100)], [slot(400, 1)], TEN_S + KEPT_S + 1) == (slot(400, 1),)


def test_a_torn_write_is_never_seen(tmp_path):
    one = cache(tmp_path)
    for number in range(20):
        one.write(Stored((slot(0, number),), TEN_S))
        assert json.loads(one.path.read_text())["slots"]
    assert os.listdir(tmp_path) == [one.path.name]
