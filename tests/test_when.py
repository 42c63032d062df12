"""`jc.intensity`, and the command line's `when`: what a person asks about a grid, offline."""

import json
import os
import subprocess
import sys

import pytest

import jupyter_carbon as jc
from jupyter_carbon import tables
from jupyter_carbon.grid import static
from jupyter_carbon.grid.region import resolve


def cell(code, month, hour):
    rows = tables.lookup("grid_hourly", code)
    return next(float(r[f"h{hour}"]) for r in rows if (r["month"], r["statistic"]) == (str(month), "mean"))


def test_offline_the_hour_of_an_average_day():
    told = jc.intensity("US-CA", "2026-07-15T19:30Z")
    assert told.gco2e_per_kwh.likely == cell("US-CAL-CISO", 7, 12)
    assert (told.start, told.status) == ("2026-07-15T19:00:00Z", "yearly")


def test_a_place_without_hours_is_its_year():
    assert jc.intensity("FR", "2026-07-15T19:30Z") == static.intensity(resolve("FR"))


def test_marginal_is_another_quantity_that_only_its_own_source_tells():
    with pytest.raises(jc.IntensityUnavailable, match="marginal"):
        jc.intensity("US-CA", method="marginal")


def test_a_moment_that_is_none_is_refused():
    with pytest.raises(ValueError, match="yesterday"):
        jc.intensity("FR", "yesterday")


def test_a_script_s_first_block_has_its_hour_already(tmp_path):
    code = "import jupyter_carbon as jc\nwith jc.measure('a') as block: pass\nprint(block.record.intensity.source)"
    environ = {"JUPYTER_CARBON_REGION": "GB", "JUPYTER_CARBON_LIVE": "0", "JUPYTER_CARBON_LEDGER": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, check=True
    )
    assert "hour of the day" in done.stdout


def run(*words):
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_carbon.cli", "when", *words],
        env={**os.environ, "JUPYTER_CARBON_LIVE": "0"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_says_when():
    code, out, err = run("3h", "--within", "24h", "--region", "US-CA", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["region"] == "US-CA"
    assert set(told["saving"]) == {"low", "likely", "high"}
    code, out, err = run("3h", "--region", "US-CA", "--interruptible")
    assert (code, err) == (0, "")
    assert "hour of the day" in out


def test_the_command_line_says_what_was_wrong():
    assert run("3x", "--region", "US-CA")[::2] == (
        1,
        "jupyter carbon: hours='3x' is no time span; write it like 90m, 3h or 2d, or as a number of hours\n",
    )
    code, _, err = run("3h", "--region", "FR")
    assert code == 1
    assert "nothing tells one coming hour in France from another" in err
