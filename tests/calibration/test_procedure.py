"""Rest, load, a plug: a machine of known watts is calibrated through a real meter, or refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from desktop import BASE_W, CPUS, FACTOR, FULL_W, IDLE_W, Bench
from scripted import serving

from jupyter_carbon.calibration import known_load
from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.calibration.plugs import named
from jupyter_carbon.calibration.procedure import FRESH_S, LOAD_S, MINUTE_LOAD_S, MINUTE_REST_S, REST_S, SETTLE_S
from jupyter_carbon.calibration.store import NOTHING, counted_by
from jupyter_carbon.calibration.words import calibrate
from jupyter_carbon.grid.providers import Request, Response
from jupyter_carbon.grid.providers.http import fetch
from jupyter_carbon.model import CarbonError, Domain
from jupyter_carbon.power.counter import FaultLog

AT_REST_W, AT_LOAD_W = FACTOR * IDLE_W + BASE_W, FACTOR * FULL_W + BASE_W  # 52 and 172 W


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(CalibrationRefused) as refused:
        call()
    return str(refused.value)


def says(bench: Bench, *lines: str) -> str:
    said = ""
    for line in lines:
        said = calibrate(line, bench.calibrator, {})
    return said


# --- typed readings ------------------------------------------------------------------------------------------------


def test_a_rest_and_a_load_see_the_joules_of_their_own_seconds(bench):
    rest, load = bench.calibrator.rest(), bench.calibrator.work()
    assert (rest.devices_w, rest.busy_share) == pytest.approx((IDLE_W, 0.0), abs=1e-5)
    assert (load.devices_w, load.busy_share) == pytest.approx((FULL_W, 1.0), rel=1e-4)
    assert bench.loads == [CPUS]
    assert bench.clock.s - 1000.0 == pytest.approx(REST_S + SETTLE_S + LOAD_S, abs=0.01)


def test_two_typed_readings_make_a_calibration_that_is_stored_and_told(bench):
    said = says(bench, "rest", f"{AT_REST_W} W", "load", f"{AT_LOAD_W / 1000} kW")
    calibration = bench.store.load()
    fit = calibration.wall
    for devices_w in (IDLE_W, 60.0, FULL_W):
        assert fit.factor * devices_w + fit.base_w == pytest.approx(FACTOR * devices_w + BASE_W, rel=0.015)
    assert [(p.devices_w, p.wall_w) for p in fit.points] == [
        pytest.approx((10.0, 52.0)), pytest.approx((110.0, 172.0))
    ]  # fmt: skip
    assert (calibration.wall_at, calibration.source) == ("2026-11-22", "cpu:package-0:rapl")
    assert bench.told == [calibration]
    assert said.startswith("wall = 1.187 x devices + 40.3 W")
    assert said.endswith("from 2 readings, off by 0.9 W (0.8%).  Stored, and used from the next cell on.")


def test_what_is_to_be_read_off_the_plug_is_told_before_it_begins(bench):
    begun: list[tuple[str, float]] = []
    for line in ("rest", "load"):
        calibrate(line, bench.calibrator, {}, say=lambda text: begun.append((text, bench.clock.s)))
    assert [text.partition(" s ")[0] for text, _ in begun] == ["10", "23"]
    assert [at_s for _, at_s in begun] == pytest.approx([1000.0, 1010.0], abs=0.01)
    assert all("look at the plug meter" in text for text, _ in begun)


def test_each_word_says_the_next_one(bench):
    assert says(bench, "rest").endswith("Now say what the plug showed: %carbon calibrate 61.5 W")
    assert says(bench, f"{AT_REST_W}") == "devices 10 W, plug 52 W.  Now the other: %carbon calibrate load"


def test_a_reading_told_again_replaces_the_first(bench):
    says(bench, "rest", "60", f"{AT_REST_W}", "load", f"{AT_LOAD_W}")
    assert [point.wall_w for point in bench.store.load().wall.points] == [52.0, 172.0]


def test_a_third_reading_joins_the_two(bench):
    says(bench, "rest", f"{AT_REST_W}", "load", f"{AT_LOAD_W}")
    bench.busy_cpus = 2.0
    says(bench, "rest", "112")  # another notebook works meanwhile: 60 W at the devices
    assert len(bench.store.load().wall.points) == 3


def test_a_reading_of_no_known_moment_is_refused(bench):
    assert "which moment" in refusal(lambda: says(bench, "61.5 W"))
    bench.calibrator.rest()
    bench.clock.s += FRESH_S + 1
    assert "which moment" in refusal(lambda: says(bench, "61.5 W"))


# --- refusals: the reason, and nothing stored ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("rest", "52", "rest", "52"), "the points are equal"),
        (("rest", "0.052"), "is it in kW"),
        (("rest", "52 Wh"), "is an energy"),
        (
            ("load", "3440"),
            "shows 3440 W, the devices behind it draw 110 W.  That is too much",
        ),  # 20 s of 172 W: joules
        (("rest", "300", "load", "302"), "does not follow this machine"),
        (("rest", "52", "load", "52"), "cannot show less"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_nothing_is_stored(bench, lines, why):
    assert why in refusal(lambda: says(bench, *lines))
    assert not bench.store.path.exists()
    assert bench.told == []


def test_a_refusal_leaves_the_calibration_of_before(bench):
    says(bench, "rest", f"{AT_REST_W}", "load", f"{AT_LOAD_W}")
    stored = bench.store.load()
    refusal(lambda: says(bench, "rest", "300"))
    assert bench.store.load() == stored
    assert len(bench.calibrator.points) == 2


def test_after_a_refused_pair_one_starts_again(bench):
    why = refusal(lambda: says(bench, "rest", "300", "load", "302"))
    assert why.endswith("Start again: %carbon calibrate rest")
    says(bench, "rest", f"{AT_REST_W}", "load", f"{AT_LOAD_W}")
    assert bench.store.load().wall.base_w == pytest.approx(BASE_W, rel=0.05)


def test_a_guest_has_no_plug_of_its_own(tmp_path):
    guest = Bench(tmp_path, guest=True)
    for word in ("rest", "load", "devices", "plug tasmota 192.0.2.1"):
        assert "its host's" in refusal(lambda word=word: calibrate(word, guest.calibrator, {}, say=pytest.fail))
    assert guest.loads == []


def test_a_stretch_with_a_counter_that_stands_still_teaches_nothing(bench):
    bench.zone.add_j = lambda joules: None  # frozen
    assert "frozen:package-0" in refusal(bench.calibrator.work)


def test_a_word_that_is_none_is_answered_with_the_words(bench):
    assert "%carbon calibrate plug shelly" in refusal(lambda: says(bench, "resst"))
    assert says(bench, "").startswith("Nothing is calibrated on this machine.\n\nWith a plug meter")


# --- a plug that is read over the network --------------------------------------------------------------------------


def read_by(bench: Bench, *, lost: Callable[[int], bool] = lambda look: False) -> str:
    """Calibrate by a real HTTP server that shows what the bench's plug shows."""
    looks = 0
    with serving() as server:

        def fetch_now(request: Request) -> Response:
            nonlocal looks
            looks += 1
            answer = {"StatusSNS": {"ENERGY": {"Power": bench.at_plug()}}}
            server.script((503, {}, b"") if lost(looks) else answer)
            return fetch(request)

        plug = named(["tasmota", server.origin], {})
        return bench.calibrator.by_plug(plug, fetch_now)


def test_a_plug_is_read_at_rest_half_load_and_full_load(bench):
    said = read_by(bench)
    fit = bench.store.load().wall
    assert [point.devices_w for point in fit.points] == pytest.approx([10.0, 60.0, 110.0])
    assert [point.wall_w for point in fit.points] == pytest.approx([52.0, 112.0, 172.0])
    assert bench.loads == [2, 4]
    assert "from 3 readings" in said
    assert bench.clock.s - 1000.0 == pytest.approx(12 + 2 * (8 + 12))


def test_a_plug_on_another_machine_is_refused_and_nothing_is_stored(bench):
    bench.at_plug = lambda: 300.0
    assert refusal(lambda: read_by(bench)).endswith("Nothing was stored")
    assert not bench.store.path.exists()


def test_a_plug_that_shows_less_than_the_devices_is_found_out_at_once(bench):
    bench.at_plug = lambda: 9.0
    assert refusal(lambda: read_by(bench)).endswith("is it in kW, or another machine's plug?  Nothing was stored")
    assert bench.loads == []


def test_a_plug_that_stops_answering_under_way_leaves_nothing(bench):
    why = refusal(lambda: read_by(bench, lost=lambda look: look > 16))
    assert why == ("the tasmota plug gave no power: an answer with status 503, at 9 of 12 looks.  Nothing was stored")
    assert not bench.store.path.exists()
    assert bench.loads == [2]


def test_a_look_that_is_lost_now_and_then_is_no_matter_and_half_of_them_is(bench):
    read_by(bench, lost=lambda look: look % 4 == 0)
    assert bench.store.load().wall.points[1].wall_w == pytest.approx(112.0)
    assert "at 8 of 12 looks" in refusal(lambda: read_by(bench, lost=lambda look: look % 3 != 1))


def test_a_plug_that_does_not_answer_costs_nobody_a_minute(bench):
    assert "status 503" in refusal(lambda: read_by(bench, lost=lambda look: True))
    assert bench.clock.s == 1000.0


# --- where a model counts the processor -----------------------------------------------------------------------------


def test_behind_a_modelled_processor_the_slope_holds_its_rating_too(tmp_path):
    bench = Bench(tmp_path, counted=False)  # a rating of 150 W: 22.5 W at rest, 127.5 W under load; truly 10 and 110 W
    says(bench, "rest", f"{AT_REST_W}", "load", f"{AT_LOAD_W}")
    fit = bench.store.load().wall
    assert [point.devices_w for point in fit.points] == pytest.approx([22.5, 127.5])
    for point in fit.points:
        assert fit.factor * point.devices_w + fit.base_w == pytest.approx(point.wall_w, rel=0.02)


def test_a_fit_serves_the_way_of_counting_that_it_was_made_with(tmp_path):
    counted, modelled = Bench(tmp_path / "a"), Bench(tmp_path / "b", counted=False)
    ways = {
        counted_by(counted.meter.domains, {"package-0": 10.0}),
        counted_by(counted.meter.domains, {"package-0": 12.0}),  # learned: the counter is the same
        counted_by(modelled.meter.domains, {"package-0": 22.5}),
        counted_by(modelled.meter.domains, {"package-0": 9.75}),  # another rating: another model
    }
    assert ways == {"cpu:package-0:rapl", "cpu:package-0:cpu-model@22.5", "cpu:package-0:cpu-model@9.75"}


# --- the devices' own minute ---------------------------------------------------------------------------------------


def test_a_minute_tells_the_devices_at_rest_and_the_processor_at_full_load(bench):
    said = says(bench, "devices")
    stored = bench.store.load()
    assert (stored.cpu.idle_w, stored.cpu.full_w) == pytest.approx((IDLE_W, FULL_W))
    assert stored.idle_w == pytest.approx({"package-0": IDLE_W})
    assert stored.cpu.at == stored.idle_at == "2026-11-22"
    assert said == (
        "At rest: package-0 10 W; the processor at full load: 110 W.  Stored, and used in sessions that begin from now "
        "on."
    )
    assert bench.clock.s - 1000.0 == pytest.approx(MINUTE_REST_S + SETTLE_S + MINUTE_LOAD_S, abs=0.01)


def test_the_devices_minute_leaves_the_walls_calibration(bench):
    says(bench, "rest", f"{AT_REST_W}", "load", f"{AT_LOAD_W}", "devices")
    assert bench.store.load().wall is not None
    assert says(bench, "").splitlines()[:3] == [
        "Calibrated on 2026-11-22: wall = 1.187 x devices + 40.3 W, off by 0.9 W (0.8%).",
        "Processor, 2026-11-22: 10 W at rest, 110 W at full load.",
        "At rest, 2026-11-22: package-0 10 W.",
    ]


class Card:
    """A GPU of 25 W at rest whose counter and whose work a test sets."""

    name = "test"
    components = ("gpu",)
    domains = (Domain("gpu", "gpu0", "test", "measured", 0.001, 0.1),)
    idle_w: ClassVar = {"gpu0": 44.0}
    power_limit_w: ClassVar = {"gpu0": 400.0}
    allotted = ()

    def __init__(self, clock, *, all_s=lambda seconds: 0.0) -> None:
        self.clock, self.all_s, self.faults = clock, all_s, FaultLog()

    def energy_j(self):
        return {self.domains[0]: 25.0 * (self.clock() - 1000.0)}

    def busy_s(self, pids):
        return {"gpu0": (0.0, self.all_s(self.clock() - 1000.0))}

    def presence(self, pids):
        return {"gpu0": "empty"}

    def close(self):
        pass


def test_a_gpu_at_rest_is_stored_beside_a_processor_that_has_no_counter(tmp_path):
    bench = Bench(tmp_path, counted=False)
    bench.meter.add_gpus(Card(bench.clock))
    said = says(bench, "devices")
    assert (bench.store.load().idle_w, bench.store.load().cpu) == (pytest.approx({"gpu0": 25.0}), None)
    assert said.startswith("At rest: gpu0 25 W.  Stored")
    assert bench.loads == []  # the processor has nothing to tell


def test_a_gpu_that_somebody_computes_on_is_not_at_rest(bench):
    bench.meter.add_gpus(Card(bench.clock, all_s=lambda seconds: 0.3 * seconds))
    sleep = bench.sleep

    def sleep_and_tick(seconds: float) -> None:
        sleep(seconds)
        bench.meter.tick()

    bench.sleep = sleep_and_tick
    bench.calibrator = bench.a_calibrator()
    says(bench, "devices")
    assert bench.store.load().idle_w == pytest.approx({"package-0": IDLE_W})


def test_where_nothing_has_a_counter_there_is_nothing_to_learn(tmp_path):
    bench = Bench(tmp_path, counted=False)
    assert "%carbon doctor" in refusal(lambda: says(bench, "devices"))
    assert bench.loads == []


def test_a_processor_that_others_use_is_refused(bench):
    bench.busy_cpus = 1.0
    assert "25% of the CPUs were busy" in refusal(lambda: says(bench, "devices"))
    assert bench.store.load() == NOTHING


def test_a_processor_that_cannot_be_loaded_is_refused(bench):
    bench.can_load = 2.0
    assert "only 50% of the CPUs" in refusal(lambda: says(bench, "devices"))


def test_a_counter_that_does_not_follow_the_load_is_refused(bench):
    bench.follows = False
    assert "does not follow the load" in refusal(lambda: says(bench, "devices"))
    assert bench.store.load() == NOTHING


# --- forgetting, and the load itself -------------------------------------------------------------------------------


def test_what_is_forgotten_is_gone_and_told(bench):
    says(bench, "rest", f"{AT_REST_W}", "load", f"{AT_LOAD_W}")
    assert says(bench, "forget") == "Forgotten: the tables' figures are in use again."
    assert (bench.store.load(), bench.told[-1]) == (NOTHING, NOTHING)
    assert says(bench, "forget") == "There was no calibration to forget."


def test_the_load_keeps_its_cpus_busy_until_it_is_let_go(tmp_path: Path):
    spent = []

    def wait() -> None:
        children = psutil.Process().children()
        began = [sum(child.cpu_times()[:2]) for child in children]
        ends_s = time.monotonic() + 10
        while not spent and time.monotonic() < ends_s:
            time.sleep(0.05)
            now = [sum(child.cpu_times()[:2]) for child in children]
            if all(b - a >= 0.1 for a, b in zip(began, now, strict=True)):
                spent.append(len(children))

    known_load.busy(2, 30.0, wait)
    assert spent == [2]
    assert psutil.Process().children() == []


def test_the_load_ends_when_whoever_waits_is_interrupted():
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        known_load.busy(1, 30.0, interrupt)
    assert psutil.Process().children() == []


def test_where_no_process_can_be_started_the_reason_is_said(tmp_path):
    with pytest.raises(CarbonError, match=r"no load can be made: .*nowhere cannot be started"):
        known_load.busy(1, 1.0, lambda: None, python=str(tmp_path / "nowhere"))
