"""Windows between readings: exact joules from a real powercap tree and a clock that the test sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.meter.meter import Meter
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.model import Domain, Window
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.cpu_time import MachineBusy

PACKAGE = Domain("cpu", "package-0", "test", "measured", 61e-6, 0.001)
CARD = Domain("gpu", "gpu0", "test", "measured", 0.001, 0.1)


def between_cells(meter: Meter) -> list[Window]:
    """What is counted while no cell runs; each stretch is given once."""
    return [meter.between(a, b) for a, b in meter.take_stretches()]


@dataclass
class Counter:
    """A source whose joules the test sets."""

    domain: Domain = PACKAGE
    joules: float = 0.0
    closed: bool = False
    reading_takes: Callable[[], None] = lambda: None
    faults: FaultLog = field(default_factory=FaultLog)
    name = "test"
    components = ("cpu",)
    idle_w = {"package-0": 10.0}  # noqa: RUF012
    power_limit_w = {"package-0": 100.0}  # noqa: RUF012

    @property
    def domains(self):
        return (self.domain,)

    def energy_j(self):
        self.reading_takes()
        return {self.domain: self.joules}

    def close(self):
        self.closed = True


@dataclass
class Card(Counter):
    """A GPU that also tells whose work it does."""

    domain: Domain = CARD
    own_s: float = 0.0
    all_s: float = 0.0
    who: str = "shared"
    allotted = ()
    idle_w = {"gpu0": 30.0}  # noqa: RUF012
    power_limit_w = {"gpu0": 300.0}  # noqa: RUF012

    def busy_s(self, pids):
        return {"gpu0": (self.own_s, self.all_s)}

    def presence(self, pids):
        return {"gpu0": self.who}


class Bench:
    """A meter whose clock, counter and CPU seconds are set by hand."""

    def __init__(self) -> None:
        self.now_s = self.own_s = self.busy_cpu_s = 0.0
        self.counter = Counter()
        tree = ProcessTree(own_cpu_s=lambda: self.own_s, reaped_s=lambda: 0.0)
        busy = MachineBusy(lambda: self.busy_cpu_s, cpus=4, clock=lambda: self.now_s, own_cpu=lambda: self.own_s)
        self.meter = Meter([self.counter], tree, busy, n_cpu=4, clock=lambda: self.now_s)

    def passes(self, seconds: float, joules: float, *, own_s: float = 0.0, busy_s: float = 0.0) -> None:
        self.now_s += seconds
        self.counter.joules += joules
        self.own_s += own_s
        self.busy_cpu_s += busy_s


@pytest.fixture
def bench():
    return Bench()


def test_a_window_is_the_difference_of_two_readings(bench):
    bench.passes(3, 30)
    cell = bench.meter.begin()
    bench.passes(2, 100.5, own_s=1.5, busy_s=4)
    window = bench.meter.end(cell)
    assert (window.duration_s, window.elapsed_s) == (2, 2)
    assert window.energy_j == {PACKAGE: 100.5}
    assert window.tree_cpu_s == 1.5
    assert window.machine_busy_s == 4
    assert window.flags == ()


def test_ticks_change_nothing(bench):
    cell = bench.meter.begin()
    for _ in range(3):
        bench.passes(1, 10)
        bench.meter.tick()
    bench.passes(0.5, 5)
    assert bench.meter.end(cell).energy_j == {PACKAGE: 35}


def test_so_far_reaches_to_the_last_tick(bench):
    cell = bench.meter.begin()
    bench.passes(1, 10)
    bench.meter.tick()
    bench.passes(5, 1000)
    assert bench.meter.so_far(cell).energy_j == {PACKAGE: 10}


def test_what_passes_between_cells_is_in_no_cell(bench):
    bench.meter.end(bench.meter.begin())
    bench.passes(10, 70)
    cell = bench.meter.begin()
    bench.passes(1, 20)
    assert bench.meter.end(cell).energy_j == {PACKAGE: 20}
    assert sum(window.energy_j.get(PACKAGE, 0) for window in between_cells(bench.meter)) == 70
    assert between_cells(bench.meter) == []


def test_cells_that_run_at_the_same_time_share_the_seconds(bench):
    first = bench.meter.begin()
    bench.passes(1, 10, own_s=1, busy_s=1)
    second = bench.meter.begin()
    bench.passes(2, 60, own_s=2, busy_s=2)
    a = bench.meter.end(first)
    bench.passes(1, 10, own_s=1, busy_s=1)
    b = bench.meter.end(second)
    assert (a.energy_j[PACKAGE], b.energy_j[PACKAGE]) == (40, 40)
    assert (a.tree_cpu_s, b.tree_cpu_s) == (2, 2)
    assert (a.duration_s, a.elapsed_s) == (2, 3)
    assert "concurrent" in a.flags


def test_of_a_short_cell_what_its_own_edges_took_is_the_sessions(bench):
    """100 W all along: 1 ms passes before the cell's own work can begin, and 1 ms while its end is read."""
    running = bench.meter.begin()
    bench.passes(0.001, 0.1, own_s=0.001, busy_s=0.001)
    bench.meter.release(running)
    bench.passes(0.008, 0.8, own_s=0.004, busy_s=0.004)
    bench.counter.reading_takes = lambda: bench.passes(0.001, 0.1, own_s=0.001, busy_s=0.001)
    window = bench.meter.end(running)
    bench.counter.reading_takes = lambda: None
    assert window.duration_s == pytest.approx(0.008)
    assert window.energy_j[PACKAGE] == pytest.approx(0.8)
    assert window.tree_cpu_s == pytest.approx(0.004)
    bench.meter.begin()
    between_j = sum(w.energy_j.get(PACKAGE, 0) for w in between_cells(bench.meter))
    assert between_j == pytest.approx(0.2)


def test_a_block_inside_a_cell_takes_nothing_from_it(bench):
    cell = bench.meter.begin()
    bench.passes(1, 10)
    mark = bench.meter.mark()
    bench.passes(1, 30)
    assert bench.meter.since(mark).energy_j == {PACKAGE: 30}
    bench.passes(1, 10)
    assert bench.meter.end(cell).energy_j == {PACKAGE: 50}


def test_a_fault_is_on_the_window_it_fell_into_and_on_no_other(bench):
    before = bench.meter.begin()
    bench.passes(1, 10)
    flags = [bench.meter.end(before).flags]
    cell = bench.meter.begin()
    bench.passes(1, 10)
    bench.counter.faults.note("package-0", "read-failed", bench.now_s - 0.5, bench.now_s)
    flags.append(bench.meter.end(cell).flags)
    bench.passes(1, 10)
    after = bench.meter.begin()
    bench.passes(1, 10)
    flags.append(bench.meter.end(after).flags)
    assert flags == [(), ("read-failed:package-0",), ()]


def test_idle_power_is_learned_while_the_machine_rests(bench):
    bench.meter.end(bench.meter.begin())
    bench.passes(20, 20 * 12.5, busy_s=0.5)
    bench.meter.begin()
    for window in between_cells(bench.meter):
        bench.meter.learned.from_pause(window)
    assert bench.meter.learned.idle_w == {"package-0": 12.5}


def test_idle_power_is_not_learned_from_a_busy_neighbour(bench):
    bench.meter.end(bench.meter.begin())
    bench.passes(20, 20 * 80, busy_s=60)
    bench.meter.begin()
    for window in between_cells(bench.meter):
        bench.meter.learned.from_pause(window)
    assert bench.meter.learned.idle_w == {}


@pytest.mark.parametrize(
    ("flags", "taught"),
    [
        (("device-order:package-0",), {"package-0": 12.5}),  # whose it is, not how much
        (("power-unknown:gpu0",), {"package-0": 12.5}),
        (("stuck:package-0",), {}),
        (("concurrent",), {}),
    ],
)
def test_only_a_doubt_about_the_count_itself_teaches_nothing(bench, flags, taught):
    bench.meter.learned.from_pause(Window(20.0, {PACKAGE: 250.0}, 0.0, 0.0, flags=flags))
    assert bench.meter.learned.idle_w == taught


def test_a_cell_teaches_joules_per_cpu_second(bench):
    bench.passes(20, 200)
    cell = bench.meter.begin()
    for window in between_cells(bench.meter):
        bench.meter.learned.from_pause(window)
    bench.passes(10, 100 + 10 * 25, own_s=10, busy_s=10)
    bench.meter.end(cell)
    bench.meter.learned.from_cells()
    window = bench.meter.end(bench.meter.begin())
    assert window.j_per_cpu_s == {"package-0": pytest.approx(25)}
    assert window.recent_w == {"package-0": pytest.approx(35)}


def test_a_card_that_joins_in_mid_cell_counts_from_there_and_says_so(bench):
    cell = bench.meter.begin()
    bench.passes(1, 10)
    card = Card(joules=5000)
    bench.meter.add_gpus(card)
    bench.passes(1, 10)
    card.joules += 200
    window = bench.meter.end(cell)
    assert window.energy_j == {PACKAGE: 20, CARD: 200}
    assert window.flags == ("joined:gpu0",)


def test_sm_seconds_are_those_of_the_window(bench):
    card = Card(own_s=7, all_s=9)
    bench.meter.add_gpus(card)
    card.all_s += 4  # somebody else's, while we wait
    cell = bench.meter.begin()
    card.own_s += 1
    card.all_s += 2
    bench.passes(1, 0)
    assert bench.meter.end(cell).gpu_busy_s == {"gpu0": (1, 2)}


def test_ending_twice_or_after_close_harms_nobody(bench):
    cell = bench.meter.begin()
    bench.meter.end(cell)
    bench.meter.end(cell)
    bench.meter.close()
    assert bench.counter.closed
    assert bench.meter.end(bench.meter.begin()).energy_j == {}


def test_reading_from_two_threads_loses_nothing(bench):
    cells = []

    def edges():
        for _ in range(2000):
            with lock:
                bench.passes(0.001, 1)
            cell = bench.meter.begin()
            with lock:
                bench.passes(0.001, 1)
            cells.append(bench.meter.end(cell))

    lock = threading.Lock()
    threads = [threading.Thread(target=edges) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        bench.meter.tick()
    for thread in threads:
        thread.join()
    total_j = sum(w.energy_j[PACKAGE] for w in cells) + sum(
        w.energy_j.get(PACKAGE, 0) for w in between_cells(bench.meter)
    )
    assert len(cells) == 4000
    assert total_j <= bench.counter.joules + 1e-6


steps = st.lists(
    st.tuples(st.sampled_from(["begin", "end", "tick", "pass"]), st.floats(0.01, 10), st.floats(0, 500)), max_size=60
)


@settings(deadline=None)
@given(steps)
def test_the_cells_and_what_lies_between_add_up_to_the_machine(script):
    bench = Bench()
    running, cells_j = [], 0.0
    for what, seconds, joules in script:
        bench.passes(seconds, joules)
        if what == "begin":
            running.append(bench.meter.begin())
        elif what == "end" and running:
            cells_j += bench.meter.end(running.pop(0)).energy_j[PACKAGE]
        elif what == "tick":
            bench.meter.tick()
    for cell in running:
        cells_j += bench.meter.end(cell).energy_j[PACKAGE]
    bench.meter.begin()
    between_j = sum(window.energy_j.get(PACKAGE, 0.0) for window in between_cells(bench.meter))
    assert cells_j + between_j == pytest.approx(bench.counter.joules)


@dataclass
class Looked(Counter):
    """A counter that wants to be looked at every 5 ms; a look takes so long outside Python."""

    look_s: float = 0.0003
    looks: int = 0

    def watch(self):
        self.looks += 1
        time.sleep(self.look_s)
        return 0.005

    def edge_s(self):
        return {}


def watched_for(seconds: float, counter: Looked) -> int:
    """How often it is looked at in so many seconds, in which another thread computes in Python."""
    tree = ProcessTree(own_cpu_s=lambda: 0.0, reaped_s=lambda: 0.0)
    meter = Meter([counter], tree, MachineBusy(lambda: 0.0, cpus=4), n_cpu=4)
    ends = time.monotonic() + seconds

    def compute() -> None:
        while time.monotonic() < ends:
            pass

    cell = threading.Thread(target=compute)
    cell.start()
    meter.watch(seconds, rest=lambda wait_s: time.sleep(wait_s) is not None)
    cell.join()
    return counter.looks


def test_a_cell_that_holds_pythons_lock_does_not_make_a_counter_slow():
    # Each look waits some 5 ms for the lock: were that the counter's, it would be let rest for 5 s after the first.
    assert watched_for(0.8, Looked()) >= 5


def test_a_driver_that_takes_its_time_is_let_rest_once_that_is_known():
    assert watched_for(0.8, Looked(look_s=0.1)) <= 4
