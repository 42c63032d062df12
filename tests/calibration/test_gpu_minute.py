"""A minute with cards: stand-ins in this process for what may go wrong, the real binding for what must come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from desktop import Bench
from fakes.nvml.machine import build

from jupyter_carbon.calibration.fit import CalibrationRefused
from jupyter_carbon.calibration.gpu_minute import HALF_S, PARTS, SETTLE_S
from jupyter_carbon.calibration.procedure import stretch_text
from jupyter_carbon.calibration.words import calibrate
from jupyter_carbon.model import Domain
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.gpu_curve import GpuCurve

IDLE_W, FULL_W = 60.0, 660.0
KEY = "GPU-0"


class Card:
    """A GPU of 60 to 660 W, on a straight line, that only its load turns; its clock is the bench's."""

    name, components = "test", ("gpu",)
    allotted = ()

    def __init__(self, bench: Bench, *, quality: str = "measured") -> None:
        self.bench, self.part, self.joules, self.faults = bench, 0.0, 0.0, FaultLog()
        self.domains = (Domain("gpu", "gpu0", "test", quality, 0.001, 0.1),)
        self.idle_w, self.power_limit_w = {"gpu0": 70.0}, {"gpu0": 700.0}
        self.cards, self.uuids = {"gpu0": ("A card", 1.0)}, {"gpu0": KEY}
        self.who = "alone"
        self.watts: Callable[[float], float] = lambda part: IDLE_W + (FULL_W - IDLE_W) * part
        self.told: Callable[[float], float] = lambda part: part
        self.busy, self.all = 0.0, 0.0

    def draw(self, seconds: float) -> None:
        self.joules += self.watts(self.part) * seconds

    def energy_j(self):
        return {self.domains[0]: self.joules}

    def busy_s(self, pids):
        return {}

    def presence(self, pids):
        return {"gpu0": self.who}

    def utilisation(self):
        return {"gpu0": self.told(self.part)}

    def close(self):
        pass


class Load:
    """Keeps the card at a mean of the part that is asked for, as a driver's sample of many periods would show it."""

    framework = "torch"

    def __init__(self, bench: Bench, card: Card) -> None:
        self.bench, self.card, self.open = bench, card, True

    def work(self, seconds: float) -> None:
        self.card.part = seconds / 0.05
        self.bench.sleep(seconds)

    def close(self) -> None:
        self.card.part, self.open = 0.0, False


@pytest.fixture
def card(bench: Bench) -> Card:
    return with_card(bench)


def with_card(bench: Bench, **kind: str) -> Card:
    card = Card(bench, **kind)
    tick = bench.sleep

    def sleep(seconds: float) -> None:
        card.draw(seconds)
        tick(seconds)

    bench.sleep = sleep
    bench.meter.add_gpus(card)
    bench.sleep(10.0)  # what joined is no news any more
    bench.gpu_load = lambda: Load(bench, card)
    bench.calibrator = bench.a_calibrator()
    return card


def says(bench: Bench) -> str:
    return calibrate("devices", bench.calibrator, {})


def test_known_watts_make_the_known_curve_and_it_is_told(bench, card):
    began_s = bench.clock.s
    said = says(bench)
    [(key, curve)] = bench.store.load().gpus.items()
    assert key == KEY
    assert (curve.idle_w, curve.full_w, curve.exponent) == pytest.approx((60.0, 660.0, 1.0), rel=0.01)
    assert (curve.device, curve.model, curve.at) == ("gpu0", "A card", "2026-11-22")
    assert "gpu0 60 W at rest to 660 W at full load, off by 0.0%.  Stored" in said
    assert bench.clock.s - began_s == pytest.approx(63 + len(PARTS) * (SETTLE_S + 2 * HALF_S), abs=1.0)
    assert calibrate("", bench.calibrator, {}).splitlines()[1] == (
        "GPU, 2026-11-22: gpu0 60 W at rest to 660 W at full load, off by 0.0%."
    )


def test_the_load_ends_with_the_look(bench, card):
    loads = []
    bench.gpu_load = lambda: loads.append(Load(bench, card)) or loads[-1]
    bench.calibrator = bench.a_calibrator()
    says(bench)
    assert [load.open for load in loads] == [False]


def test_where_no_framework_is_loaded_one_line_says_what_helps(bench, card):
    bench.gpu_load = lambda: None
    bench.calibrator = bench.a_calibrator()
    assert says(bench).splitlines()[1] == (
        "Left out: the GPU's power under load, for no framework that is loaded here can compute on it.  import torch "
        "(or cupy, jax, tensorflow), then %carbon calibrate devices"
    )
    stored = bench.store.load()
    assert stored.gpus == {}
    assert stored.cpu.full_w == pytest.approx(110.0)


def spoil_unsteady(card: Card) -> None:
    card.watts = lambda part: (IDLE_W + 600 * part) * (1.0 if card.bench.clock.s % 6 < 3 else 1.3)


def spoil_others(card: Card) -> None:
    card.who = "shared"


def spoil_throttled(card: Card) -> None:
    card.watts = lambda part: IDLE_W + 600 * part if part < 0.9 else 300.0


def spoil_idle_load(card: Card) -> None:
    card.told = lambda part: 0.1 * part


def spoil_flat(card: Card) -> None:
    card.watts = lambda part: IDLE_W


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_unsteady, "not steady"),
        (spoil_others, "another process computes on it"),
        (spoil_throttled, "more work drew less"),
        (spoil_idle_load, "the points are equal"),
        (spoil_flat, "does not follow the load"),
    ],
)
def test_a_card_that_is_refused_is_left_out_with_the_reason_and_keeps_what_it_had(bench, card, spoil, why):
    before = GpuCurve("gpu0", "A card", 55.0, 600.0, 0.9, 0.02, "2026-01-01")
    bench.store.save(type(bench.store.load())(gpus={KEY: before}))
    spoil(card)
    left_out = says(bench).splitlines()[1]
    assert left_out.startswith("Left out: gpu0, as ")
    assert why in left_out
    assert bench.store.load().gpus == {KEY: before}


def test_a_framework_that_fails_is_named(bench, card):
    class Fails(Load):
        def work(self, seconds):
            raise RuntimeError("CUDA error: out of memory")

    bench.gpu_load = lambda: Fails(bench, card)
    bench.calibrator = bench.a_calibrator()
    assert says(bench).endswith("Left out: gpu0, as torch could not compute on it (CUDA error: out of memory)")
    assert bench.store.load().gpus == {}


def test_a_card_without_power_has_nothing_to_teach(bench):
    with_card(bench, quality="modelled")
    assert "Left out" not in says(bench)
    assert bench.store.load().gpus == {}


def test_a_guest_s_card_is_its_own_where_the_processor_is_its_host_s(tmp_path):
    guest = Bench(tmp_path, guest=True)
    with_card(guest)
    said = says(guest)
    stored = guest.store.load()
    assert stored.gpus[KEY].full_w == pytest.approx(660.0, rel=0.01)
    assert (stored.cpu, list(stored.idle_w)) == (None, ["gpu0"])
    assert guest.loads == []
    assert said.startswith("At rest: gpu0 60 W; gpu0 60 W at rest to 660 W")


def test_forgetting_forgets_the_cards_too(bench, card):
    says(bench)
    calibrate("forget", bench.calibrator, {})
    assert bench.store.load().gpus == {}


# --- cards at work beside a plug ------------------------------------------------------------------------------------


class Steady(Load):
    """At work as soon as it is asked for the first time, and until it is closed; real time passes, no seconds of the
    bench's."""

    def work(self, seconds: float) -> None:
        self.card.part = seconds / 0.05
        time.sleep(0.001)


def test_beside_a_plug_the_cards_work_too_and_the_slope_is_theirs_as_well(bench, card):
    bench.gpu_load = lambda: Steady(bench, card)
    bench.sleep = waiting_for(card, bench.sleep)
    bench.calibrator = bench.a_calibrator()
    rest, load = bench.calibrator.rest(), bench.calibrator.work()
    assert rest.devices_w == pytest.approx(10.0 + IDLE_W)
    assert load.devices_w == pytest.approx(110.0 + FULL_W)
    assert "with 100% of the CPUs busy and the GPU at work by torch" in stretch_text(load)
    assert card.part == 0.0


def waiting_for(card: Card, sleep: Callable[[float], None]) -> Callable[[float], None]:
    """While the processor is loaded nothing passes before the cards are, too: the load has a thread of its own."""

    def then(seconds: float) -> None:
        ends_s = time.monotonic() + 5.0
        while card.bench.busy_cpus and not card.part and time.monotonic() < ends_s:
            time.sleep(0.001)
        sleep(seconds)

    return then


def test_a_load_of_the_cards_that_fails_refuses_the_stretch(bench, card):
    class Fails(Load):
        def work(self, seconds):
            raise RuntimeError("CUDA error: out of memory")

    bench.gpu_load = lambda: Fails(bench, card)
    bench.calibrator = bench.a_calibrator()
    with pytest.raises(CalibrationRefused, match="torch could not compute on the GPU"):
        bench.calibrator.work()


def test_cards_whose_power_is_modelled_are_left_in_peace(bench):
    with_card(bench, quality="modelled")
    bench.gpu_load = lambda: pytest.fail("it was asked for")
    bench.calibrator = bench.a_calibrator()
    assert bench.calibrator.work().framework == ""


# --- through the real binding ----------------------------------------------------------------------------------------

WATTS = (40.0, 340.0, 0.5)  # at rest, at full load, and how it rises between


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


def test_a_card_behind_the_real_binding_is_found_out_by_counter_and_utilisation(library, tmp_path):
    script = Path(__file__).with_name("gpu_on_a_bench.py")
    words = [sys.executable, str(script), str(library), str(tmp_path), *map(str, WATTS)]
    path = os.pathsep.join([str(script.parent), str(script.parents[1])])
    environ = {**os.environ, "PYTHONPATH": path}
    answer = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["key"].startswith("GPU-0")
    assert (told["idle_w"], told["full_w"], told["exponent"]) == pytest.approx(WATTS, rel=0.02)
    assert told["residual"] < 0.01
