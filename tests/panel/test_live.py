"""What a session has to show, in numbers that a person can check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.footprint import facility_j, footprint, record, settled
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.model import (
    ONE,
    CarbonIntensity,
    CellRecord,
    CellRun,
    Context,
    Domain,
    IntensityStatus,
    Interval,
    Status,
    WallModel,
    Window,
)
from jupyter_carbon.notebook.live import Live, Now
from jupyter_carbon.notebook.protocol import clip, digits, encoded_bytes

CPU = Domain("cpu", "package-0", "rapl", "measured", 0.0)
RAM = Domain("ram", "ram-0", "ram-model", "modelled", 0.0)
EXACT = Interval.exact
FRANCE = CarbonIntensity(EXACT(50.0), "FR", "France", "lifecycle", "average", "yearly", "Ember", 2025)


def context(*domains: Domain, **more: Any) -> Context:
    """A machine that is all ours, on a wall that loses nothing, with 50 g/kWh."""
    facts: dict[str, Any] = {
        "domains": domains or (CPU,),
        "n_cpu": 1,
        "idle_share": 1.0,
        "ram_share": 1.0,
        "kernel_share": 1.0,
        "idle_w": {},
        "power_limit_w": {},
        "gpus_allotted": (),
        "wall": WallModel("desktop", ONE, EXACT(0.0), "assumed", "a table"),
        "pue": ONE,
        "pue_source": "a desk",
        "intensity": FRANCE,
    }
    return Context(**facts | more)


HERE = context()


def run_of(
    kwh: float, *, source: str | None = "a" * 40, cell_id: str | None = "c1", status: Status = "ok", **more: Any
) -> CellRecord:
    """A cell that used `kwh` in ten seconds."""
    run = CellRun("r1", "s1", cell_id, "a.ipynb", more.pop("label", None), more.pop("count", 1), 1000.0, source)
    window = Window(10.0, {CPU: kwh * 3.6e6}, 10.0, 10.0, elapsed_s=10.0, **more)
    return record(run, window, status, HERE)


def now(**more: Any) -> Now:
    return Now(**{"at": 1100.0, "period_s": 1.0, "metering": True, "context": HERE, "intensity": FRANCE} | more)


@pytest.fixture
def live() -> Live:
    return Live("s1", since=1000.0)


def test_a_session_without_runs_has_used_nothing_and_knows_nothing_of_its_quality(live):
    totals = live.snapshot(now())["totals"]
    assert totals["runs"] == totals["cells"] == 0
    assert totals["facility_energy_kwh"] == {"low": 0.0, "likely": 0.0, "high": 0.0}
    assert totals["quality"] is None


def test_totals_are_the_sum_of_the_runs(live):
    live.ended(run_of(0.001))
    live.ended(run_of(0.003, cell_id="c2"))
    totals = live.snapshot(now())["totals"]
    assert totals["facility_energy_kwh"]["likely"] == pytest.approx(0.004)
    assert totals["operational_gco2e"]["likely"] == pytest.approx(0.2)  # 4 Wh at 50 g/kWh
    assert (totals["runs"], totals["cells"], totals["busy_s"]) == (2, 2, 20.0)


def test_the_running_cell_is_in_the_total_and_not_among_the_runs(live):
    live.ended(run_of(0.001))
    shot = live.snapshot(now(running=run_of(0.002), client="page", others=1))
    assert shot["totals"]["facility_energy_kwh"]["likely"] == pytest.approx(0.003)
    assert shot["totals"]["runs"] == 1
    assert shot["running"] is not None
    assert shot["running"]["facility_energy_kwh"] == pytest.approx(0.002)
    assert (shot["running"]["client"], shot["running"]["others"]) == ("page", 1)
    assert shot["ended"] is None


def test_every_snapshot_has_a_higher_number(live):
    assert [live.snapshot(now())["seq"] for _ in range(3)] == [1, 2, 3]


def test_two_runs_of_a_cell_are_one_row(live):
    live.ended(run_of(0.001, count=1))
    live.ended(run_of(0.002, count=4, status="error"))
    (row,) = live.cells_since(0)
    assert (row["runs"], row["failed_runs"], row["execution_count"], row["run"]) == (2, 1, 4, 2)
    assert row["facility_energy_kwh"]["likely"] == pytest.approx(0.003)
    assert row["last"]["facility_energy_kwh"] == pytest.approx(0.002)
    assert row["last"]["status"] == "error"


def test_only_rows_that_have_changed_are_told_again(live):
    for number in range(3):
        live.ended(run_of(0.001, cell_id=f"c{number}"))
    live.ended(run_of(0.001, cell_id="c0"))
    assert [row["key"] for row in live.cells_since(2)] == ["c2", "c0"]


def test_the_same_code_twice_is_a_repeat_and_edited_code_is_not(live):
    for source in ("a" * 40, "a" * 40, "b" * 40):
        live.ended(run_of(0.002, source=source))
    (row,) = live.cells_since(0)
    assert row["repeat_runs"] == 1
    assert row["repeat_gco2e"] == pytest.approx(0.1)  # 2 Wh at 50 g/kWh
    assert live.snapshot(now())["totals"]["repeat_runs"] == 1


def test_a_run_that_failed_has_to_be_repeated(live):
    live.ended(run_of(0.002, status="error"))
    live.ended(run_of(0.002))
    assert live.cells_since(0)[0]["repeat_runs"] == 0


def test_a_cell_without_an_id_is_known_by_its_code(live):
    live.ended(run_of(0.001, cell_id=None, source="abcdef01" + "0" * 32))
    assert live.cells_since(0)[0]["key"] == "src:abcdef01"


def test_the_three_largest_cells_are_in_every_snapshot(live):
    for number, kwh in enumerate([0.001, 0.005, 0.002, 0.004, 0.003]):
        live.ended(run_of(kwh, cell_id=f"c{number}"))
    assert [row["key"] for row in live.snapshot(now())["top"]] == ["c1", "c3", "c4"]
    live.ended(run_of(0.01, cell_id="c0"))
    assert [row["key"] for row in live.snapshot(now())["top"]] == ["c0", "c1", "c3"]


def test_idle_time_is_in_no_cell(live):
    shares, _ = attribute(Window(60.0, {CPU: 3600.0}, 60.0, 60.0), HERE)
    live.idled(footprint(shares, 60.0, HERE))
    totals = live.snapshot(now())["totals"]
    assert totals["idle_energy_kwh"] == pytest.approx(0.001)
    assert totals["facility_energy_kwh"]["likely"] == 0.0


def drew(live: Live, at: float, seconds: float, joules: float, where: Context = HERE) -> None:
    shares, _ = attribute(Window(seconds, {CPU: joules}, seconds, seconds), where)
    live.drew(at, seconds, shares, facility_j(shares, seconds, where))


def test_the_curve_holds_joules_over_seconds(live):
    drew(live, 1098.0, 1.0, 30.0)
    drew(live, 1099.0, 1.0, 50.0)
    tail = live.snapshot(now())["tail"]
    assert tail["age_s"] == [2.0, 1.0]
    assert tail["power_w"]["cpu"] == [30.0, 50.0]


def test_half_seconds_become_whole_points_without_losing_a_joule(live):
    drew(live, 1099.0, 0.5, 10.0)
    drew(live, 1099.4, 0.4, 30.0)
    tail = live.snapshot(now())["tail"]
    assert tail["age_s"] == [0.6]
    assert tail["power_w"]["cpu"] == [pytest.approx(40.0 / 0.9, rel=0.005)]


def test_what_the_wall_takes_beside_the_devices_is_a_part_of_its_own(live):
    lossy = context(wall=WallModel("desktop", EXACT(1.1), EXACT(2.0), "assumed", "a table"), pue=EXACT(1.5))
    drew(live, 1099.0, 1.0, 100.0, lossy)
    power = live.snapshot(now(running=run_of(0.001), context=lossy))["power_w"]
    assert power == {"cpu": 100.0, "rest": pytest.approx((100 * 1.1 + 2) * 1.5 - 100)}


def test_now_has_no_power_while_nothing_runs(live):
    drew(live, 1099.0, 1.0, 100.0)
    assert live.snapshot(now())["power_w"] == {}


def test_points_older_than_a_minute_are_gone(live):
    drew(live, 1030.0, 1.0, 10.0)
    drew(live, 1099.0, 1.0, 20.0)
    assert live.snapshot(now())["tail"]["age_s"] == [1.0]


def test_a_part_is_known_as_well_as_its_weakest_device_and_says_why(live):
    where = context(CPU, RAM)
    parts = live.snapshot(now(context=where, reasons={"ram": "no counter", "cpu": "never said"}))["parts"]
    assert [(part["part"], part["quality"], part["reason"]) for part in parts] == [
        ("cpu", "measured", None),
        ("memory", "modelled", "no counter"),
        ("rest", "assumed", None),
    ]


def test_what_is_unknown_is_null_and_never_zero(live):
    live.ended(run_of(0.001))
    totals = live.snapshot(now())["totals"]
    assert totals["embodied_gco2e"] is None
    assert totals["water_l"] is None


def test_comparisons_follow_a_running_cell_in_steps_of_seconds(live):
    def like(gco2e, energy_kwh):
        return [{"value": gco2e, "unit": "g", "name": "a", "source": "b", "year": 2026}] if gco2e else []

    def told(**more):
        return [item["value"] for item in live.snapshot(now(equivalents=like, **more))["equivalents"]]

    assert told() == []
    assert told(at=1100.0, running=run_of(0.001)) == [pytest.approx(0.05)]
    assert told(at=1104.9, running=run_of(0.002)) == [pytest.approx(0.05)]
    assert told(at=1105.0, running=run_of(0.002)) == [pytest.approx(0.1)]
    live.ended(run_of(0.003))
    assert told(at=1105.1) == [pytest.approx(0.15)]  # at the end at once


def test_the_newest_doubts_are_told(live):
    for number in range(20):
        live.ended(run_of(0.001, flags=(f"gap:gpu{number}",)))
    assert live.snapshot(now())["flags"] == [f"gap:gpu{number}" for number in range(14, 20)]


# --- a grid with a clock ------------------------------------------------------------------------------------------


def hour(grams: float, status: IntensityStatus) -> CarbonIntensity:
    times = "2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z"
    return replace(FRANCE, gco2e_per_kwh=EXACT(grams), status=status, year=None, start=times[0], end=times[1])


def test_the_intensity_is_that_of_now_and_the_year_stands_beside(live):
    told = live.snapshot(now(intensity=hour(30.0, "forecast")))["intensity"]
    assert (told["gco2e_per_kwh"]["likely"], told["yearly_gco2e_per_kwh"]) == (30.0, 50.0)
    assert (told["status"], told["start"], told["end"]) == ("forecast", 1795255200.0, 1795257000.0)
    assert live.snapshot(now())["intensity"]["start"] is None


def test_a_sum_is_exact_only_where_each_run_is_by_a_measured_slot(live):
    measured = settled(run_of(0.001), hour(40.0, "actual"))
    live.ended(measured)
    assert live.snapshot(now())["totals"]["exact"] is True
    assert live.snapshot(now(running=run_of(0.001)))["totals"]["exact"] is False
    live.ended(run_of(0.001))
    assert live.snapshot(now())["totals"]["exact"] is False


def test_a_run_that_is_told_anew_changes_the_sum_its_row_and_nothing_twice(live):
    before = run_of(0.002)  # 100 mg at 50 g/kWh
    live.ended(run_of(0.001))
    live.ended(before)  # the same code again: a repeat
    live.settled(before, settled(before, hour(20.0, "actual")))
    totals = live.snapshot(now())["totals"]
    assert totals["operational_gco2e"]["likely"] == pytest.approx(0.05 + 0.04)
    assert totals["facility_energy_kwh"]["likely"] == pytest.approx(0.003)
    assert (totals["repeat_gco2e"], totals["settled_runs"]) == (pytest.approx(0.04), 1)
    (row,) = live.cells_since(2)  # told again though no run is new
    assert row["operational_gco2e"]["likely"] == pytest.approx(0.09)
    assert (row["repeat_gco2e"], row["last"]["operational_gco2e"]) == (pytest.approx(0.04), pytest.approx(0.04))


def test_an_older_run_that_is_told_anew_leaves_the_last_one_as_it_is(live):
    first, second = (replace(run_of(0.001), run=replace(run_of(0.001).run, id=name)) for name in ("r1", "r2"))
    live.ended(first)
    live.ended(second)
    live.settled(first, settled(first, hour(20.0, "actual")))
    (row,) = live.cells_since(0)
    assert row["operational_gco2e"]["likely"] == pytest.approx(0.07)
    assert row["last"]["operational_gco2e"] == pytest.approx(0.05)
    assert live.snapshot(now())["totals"]["exact"] is False


def test_a_run_whose_card_went_on_is_told_anew_with_its_energy(live):
    at_once = run_of(0.001, cell_id="c1")
    in_the_end = replace(run_of(0.004, cell_id="c1"), flags=("gpu-tail:gpu0",))
    for record_ in (at_once, run_of(0.002, cell_id="c2", source=None)):
        live.ended(record_)
    live.settled(at_once, in_the_end)
    told = live.snapshot(now())
    assert told["totals"]["facility_energy_kwh"]["likely"] == pytest.approx(0.006)
    assert told["totals"]["operational_gco2e"]["likely"] == pytest.approx(0.3)
    assert told["totals"]["energy_j"] == pytest.approx(0.006 * 3.6e6)
    assert [top["cell_id"] for top in told["top"]] == ["c1", "c2"]
    assert told["flags"] == ["gpu-tail:gpu0"]
    (row,) = [cell for cell in live.cells_since(2) if cell["cell_id"] == "c1"]  # it is told again
    assert (row["runs"], row["facility_energy_kwh"]["likely"]) == (1, pytest.approx(0.004))
    assert row["last"]["facility_energy_kwh"] == pytest.approx(0.004)
    assert row["duration_s"] == 10.0


def test_two_kinds_of_intensity_have_no_sum_in_the_total_and_none_in_a_row(live):
    direct = replace(FRANCE, basis="direct")
    live.ended(run_of(0.001))
    assert live.snapshot(now())["totals"]["mixed"] is False
    live.ended(replace(run_of(0.002), intensity=direct))
    assert live.snapshot(now())["totals"]["mixed"] is True
    assert [(row["key"], row["cell_id"], row["runs"]) for row in live.cells_since(0)] == [
        ("c1", "c1", 1),
        ("c1 direct average", "c1", 1),
    ]


# --- rows that change while another cell runs ---------------------------------------------------------------------


def test_a_row_is_news_once_and_again_when_it_changes(live):
    live.ended(run_of(0.001, cell_id="c1"))
    live.ended(run_of(0.001, cell_id="c2"))
    assert [(some["since_run"], [row["key"] for row in some["news"]]) for some in live.news()] == [(0, ["c1", "c2"])]
    assert live.news() == []
    live.ended(run_of(0.001, cell_id="c1"))
    assert [(some["since_run"], [row["run"] for row in some["news"]]) for some in live.news()] == [(2, [3])]


def test_a_row_that_is_told_anew_is_news(live):
    before = run_of(0.002)
    live.ended(before)
    live.news()
    live.settled(before, settled(before, hour(20.0, "actual")))
    (some,) = live.news()
    assert [row["operational_gco2e"]["likely"] for row in some["news"]] == [pytest.approx(0.04)]


def test_many_news_come_in_messages_under_four_kilobytes_that_follow_each_other(live):
    for number in range(500):
        live.ended(run_of(0.001, cell_id=f"c{number:03d}", label="x" * 60), client="p" * 36)
    told = live.news()
    assert len(told) == 4
    assert all(encoded_bytes(some) <= 4000 for some in told)
    runs = [row["run"] for some in told for row in some["news"]]
    assert runs == list(range(runs[0], 501))  # the newest; who has missed the others sees it by the first number
    assert [some["since_run"] for some in told] == [some["news"][0]["run"] - 1 for some in told]


NASTY = st.text(st.characters(codec="utf-8"), max_size=200) | st.sampled_from(
    ["\x00" * 5000, "𝕏" * 5000, '"<b>&' * 2000, "\\" * 9999]
)


@settings(max_examples=30, deadline=None)
@given(name=NASTY, watts=st.lists(st.floats(0.001, 99999.0), min_size=70, max_size=70), gpu=st.booleans())
def test_a_snapshot_stays_under_four_kilobytes_whatever_is_in_it(name, watts, gpu):
    live = Live("s" * 36, since=1_790_000_000.0)
    devices = [Domain("gpu", f"gpu{n}", name, "measured", 0.0) for n in range(8 if gpu else 0)]
    where = context(CPU, Domain("ram", "ram-0", name, "modelled", 0.0), *devices, pue_source=name)
    where = context(
        *where.domains,
        pue_source=name,
        intensity=CarbonIntensity(
            Interval(1 / 3, 2 / 3, 1e5 / 3), name, name, "lifecycle", "average", "yearly", name, 2025
        ),
    )
    for number, watt in enumerate(watts):
        shares, _ = attribute(Window(1.0, dict.fromkeys(where.domains, watt), 1.0, 1.0), where)
        live.drew(1_790_000_000.0 + number, 1.0, shares, facility_j(shares, 1.0, where))
    for number in range(40):
        live.ended(
            run_of(watts[number] / 7, cell_id=f"{number}{name}", label=name, flags=(f"{number}{name}",)), client=name
        )
    shot = live.snapshot(
        Now(
            at=1_790_000_070.0,
            period_s=0.5,
            metering=True,
            context=where,
            intensity=where.intensity,
            notebook=name,
            running=run_of(1 / 3, label=name, cell_id=name),
            client="c" * 36,
            reasons={"cpu": name, "ram": name, "gpu": name},
            equivalents=lambda gco2e, energy_kwh: (
                [{"value": digits(gco2e, 3), "unit": "min", "name": name, "source": name, "year": 2026}] * 4
            ),
        )
    )
    assert encoded_bytes(shot) <= 4096
    assert len(shot["tail"]["age_s"]) <= 60


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        ("two\nlines", "two lines"),
        ("longer than ten", "longer th…"),
        ("\u202egnp.exe", "gnp.exe"),  # no mark turns the direction of what follows
        ("\x00\x1b[31m", "[31m"),
        ("日本語のとても長い名前", "日本語の…"),  # 12 bytes and the dots: ten characters may take 15
        ('""""""""""', '""""""…'),
    ],
)
def test_a_name_becomes_one_line_of_its_first_characters(text, line):
    assert clip(text, 10) == line
