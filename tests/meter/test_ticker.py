"""The thread beside the cells: when it ticks, when it rests, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jupyter_carbon.boundary import Boundary
from jupyter_carbon.meter.ticker import Ticker


class Bench:
    """A ticker of 10 ms that notes what it does."""

    def __init__(self, **acts: Callable[[], None]) -> None:
        self.busy = False
        self.did: list[str] = []
        self.boundary = Boundary()
        named: dict[str, Any] = {act: (lambda act=act: self.did.append(act)) for act in ("first", "woken", "last")}
        self.ticker = Ticker(
            acts.pop("tick", lambda: self.did.append("tick")),
            lambda: self.busy,
            boundary=self.boundary,
            period_s=0.01,
            **{**named, **acts},
        )

    def until(self, ready: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 10
        while not ready():
            assert time.monotonic() < deadline_s, self.did
            time.sleep(0.001)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    assert bench.ticker.start()
    yield bench
    bench.busy = False
    bench.ticker.stop(5)


def test_it_looks_once_at_its_start_and_then_rests(bench):
    bench.until(lambda: bench.ticker.parked)
    time.sleep(0.05)
    assert bench.did == ["first"]


def test_it_ticks_while_there_is_work_and_rests_again(bench):
    bench.until(lambda: bench.ticker.parked)
    bench.busy = True
    bench.ticker.wake()
    bench.until(lambda: bench.did.count("tick") >= 3)
    bench.busy = False
    bench.until(lambda: bench.ticker.parked)
    ticks = bench.did.count("tick")
    time.sleep(0.05)
    assert bench.did[:2] == ["first", "woken"]
    assert bench.did.count("woken") == 1
    assert bench.did.count("tick") == ticks


def test_sent_away_it_comes_back_with_the_next_work(bench):
    bench.until(lambda: bench.ticker.parked)
    threads = threading.active_count()
    bench.ticker.send_away(10)
    assert threading.active_count() == threads - 1
    bench.busy = True
    bench.ticker.wake()
    bench.until(lambda: "tick" in bench.did)
    assert threading.active_count() == threads
    assert bench.did.count("first") == 1
    assert "last" not in bench.did


def test_one_that_is_long_in_an_act_is_not_waited_for_and_goes_on():
    let_go, acts = threading.Event(), threading.Event()
    bench = Bench(tick=lambda: (acts.set(), let_go.wait(), bench.did.append("tick")))
    bench.ticker.start()
    bench.busy = True
    bench.ticker.wake()
    assert acts.wait(10)
    bench.ticker.send_away(0.01)
    bench.ticker.wake()
    let_go.set()
    bench.until(lambda: bench.did.count("tick") >= 3)
    assert bench.ticker.stop(10)
    assert bench.did[-1] == "last"


def test_its_last_act_is_done_also_when_it_was_away(bench):
    bench.until(lambda: bench.ticker.parked)
    bench.ticker.send_away(10)
    assert bench.ticker.stop(10)
    assert bench.did == ["first", "last"]


def test_a_wake_between_two_ticks_costs_nothing_and_loses_nothing(bench):
    bench.until(lambda: bench.ticker.parked)
    bench.busy = True
    for _ in range(1000):
        bench.ticker.wake()
    bench.until(lambda: "tick" in bench.did)
    assert bench.did.count("woken") == 1


def test_work_that_begins_while_it_falls_asleep_is_seen():
    """A thousand short bursts: none is left without its tick."""
    bench = Bench()
    bench.ticker.period_s = 0.0005
    bench.ticker.start()
    for _ in range(300):
        done = bench.did.count("tick")
        bench.busy = True
        bench.ticker.wake()
        bench.until(lambda done=done: bench.did.count("tick") > done)
        bench.busy = False
    bench.ticker.stop(5)


def test_stopping_does_the_last_act_and_no_tick_after_it(bench):
    bench.busy = True
    bench.ticker.wake()
    bench.until(lambda: "tick" in bench.did)
    assert bench.ticker.stop(5) is True
    did = list(bench.did)
    time.sleep(0.05)
    assert did[-1] == "last"
    assert bench.did == did


def test_a_last_act_that_never_ends_is_not_waited_for():
    never = threading.Event()
    bench = Bench(last=lambda: never.wait(30))
    bench.ticker.start()
    began = time.monotonic()
    assert bench.ticker.stop(0.05) is False
    assert time.monotonic() - began < 5
    never.set()


def test_a_driver_that_takes_long_to_answer_does_not_hold_up_the_end():
    slow = threading.Event()
    bench = Bench(first=lambda: slow.wait(30))
    bench.ticker.start()
    assert bench.ticker.stop(0.05) is False
    slow.set()
    bench.until(lambda: "last" in bench.did)


def test_a_fault_in_a_tick_is_kept_and_the_next_tick_comes():
    ticks = []

    def tick() -> None:
        ticks.append(1)
        raise RuntimeError("a counter nobody has met")

    bench = Bench(tick=tick)
    bench.busy = True
    bench.ticker.start()
    bench.until(lambda: len(ticks) >= 3)
    bench.busy = False
    bench.ticker.stop(5)
    (fault,) = bench.boundary.faults
    assert fault.endswith("a counter nobody has met")


def test_where_no_thread_is_the_last_act_is_done_by_whoever_stops():
    bench = Bench()  # never started
    assert bench.ticker.stop(5) is True
    assert bench.did == ["last"]
