"""Whose energy, over any schedule: cells never exceed their session, sessions never exceed their machine.

Within one kernel this holds whatever the counters do.  Between kernels whose cells begin and end at different moments
it can hold only as far as a busy CPU second costs the same whoever burns it: then it holds to the joule.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.account import Account
from jupyter_carbon.footprint import record
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.learned import KEPT_WINDOWS
from jupyter_carbon.meter.meter import Meter, Running
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.meter.tail import without
from jupyter_carbon.model import CarbonIntensity, CellRun, Context, Domain, Interval, Reading, WallModel, Window
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.cpu_time import MachineBusy

PACKAGE = Domain("cpu", "package-0", "test", "measured", 61e-6, 0.001)
MEMORY = Domain("ram", "ram-0", "test", "modelled", 0.0)
CARD = Domain("gpu", "gpu0", "test", "measured", 0.001, 0.1)
IDLE_W = {"package-0": 10.0, "gpu0": 20.0, "ram-0": 3.0}
N_CPU = 8


def between_cells(meter: Meter) -> list[Window]:
    """What is counted while no cell runs; each stretch is given once."""
    return [meter.between(a, b) for a, b in meter.take_stretches()]


@dataclass
class Machine:
    """What all its kernels read: a clock, joules by domain, CPU seconds, and who computes on the card."""

    now_s: float = 0.0
    busy_s: float = 0.0
    joules: dict[Domain, float] = field(default_factory=lambda: {PACKAGE: 0.0, MEMORY: 0.0, CARD: 0.0})
    sm_s: dict[int, float] = field(default_factory=dict)
    on_card: set[int] = field(default_factory=set)


class Sources:
    """Every counter of the machine, as the source of one kernel."""

    name = "test"
    components = ("cpu", "ram", "gpu")
    allotted = ()
    idle_w = IDLE_W
    power_limit_w = {"package-0": 100.0, "gpu0": 300.0}  # noqa: RUF012

    def __init__(self, machine: Machine, kernel: int) -> None:
        self.machine, self.kernel = machine, kernel
        self.faults = FaultLog()
        self.domains = tuple(machine.joules)

    def energy_j(self):
        return dict(self.machine.joules)

    def busy_s(self, pids):
        return {"gpu0": (self.machine.sm_s.get(self.kernel, 0.0), sum(self.machine.sm_s.values()))}

    def presence(self, pids):
        us, others = self.kernel in self.machine.on_card, bool(self.machine.on_card - {self.kernel})
        return {"gpu0": {(0, 0): "empty", (0, 1): "absent", (1, 0): "alone", (1, 1): "shared"}[us, others]}

    def close(self):
        return


class Kernel:
    """One metered kernel of `of` on a machine."""

    def __init__(self, machine: Machine, number: int, of: int) -> None:
        self.machine, self.own_s = machine, 0.0
        self.sources = Sources(machine, number)
        tree = ProcessTree(own_cpu_s=lambda: self.own_s, reaped_s=lambda: 0.0)
        busy = MachineBusy(lambda: machine.busy_s, cpus=10**6, clock=lambda: machine.now_s, own_cpu=lambda: self.own_s)
        self.meter = Meter([self.sources], tree, busy, n_cpu=N_CPU, clock=lambda: machine.now_s)
        self.context = context(*machine.joules, idle_share=1 / of, ram_share=1 / of, kernel_share=1 / of)
        self.open: list[Running] = []
        self.cells: list[tuple[Running, Window]] = []
        self.account = Account()

    def acts(self, what: str) -> None:
        if what == "begin" and len(self.open) < 3:
            self.open.append(self.meter.begin())
        elif what == "end" and self.open:
            running = self.open.pop(0)
            self.cells.append((running, self.meter.end(running)))
        elif what == "tick":
            self.meter.tick()

    def ends(self) -> dict[str, tuple[float, float, float]]:
        """By device, joules of all cells, of the session (cells and what lies between them), and of the machine."""
        while self.open:
            self.acts("end")
        self.meter.end(self.meter.begin())  # closes the stretch since the last cell
        cells = [parts(self.told(*cell), self.context) for cell in self.cells]
        between = [parts(self.left(a, b), self.context) for a, b in self.meter.take_stretches()]

        def total(windows: list[dict[str, tuple[float, float]]], device: str, which: int) -> float:
            return sum(window[device][which] for window in windows if device in window)

        return {
            device: (total(cells, device, 0), total(cells + between, device, 0), total(cells + between, device, 1))
            for device in IDLE_W
        }

    def told(self, running: Running, window: Window) -> Window:
        """A cell's window, with what its card went on doing."""
        return window if running.tail is None else replace(window, after=self.meter.after(running.tail))

    def left(self, a: Reading, b: Reading) -> Window:
        """A stretch between cells, without that."""
        window, tail = self.meter.between(a, b), self.meter.take_tail(a)
        after = None if tail is None else self.meter.after(tail)
        return window if after is None else without(window, after)


def context(*domains: Domain, **changes: object) -> Context:
    plain = Context(
        domains=domains,
        n_cpu=N_CPU,
        idle_share=1.0,
        ram_share=1.0,
        kernel_share=1.0,
        idle_w=IDLE_W,
        power_limit_w={"package-0": 100.0, "gpu0": 300.0},
        gpus_allotted=(),
        wall=WallModel("desktop", Interval.exact(1.0), Interval.exact(0.0), "assumed", "test"),
        pue=Interval.exact(1.0),
        pue_source="test",
        intensity=CarbonIntensity(
            Interval(90, 100, 110), "XX", "Nowhere", "lifecycle", "average", "yearly", "test", 2025
        ),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def parts(window: Window, ctx: Context) -> dict[str, tuple[float, float]]:
    """By device, our joules and the machine's."""
    shares, _ = attribute(window, ctx)
    for share in shares:
        assert 0.0 <= share.energy_j.low <= share.energy_j.likely <= share.energy_j.high * (1 + 1e-12)
        assert share.energy_j.likely <= share.machine_energy_j.likely * (1 + 1e-9) + 1e-12
    return {share.domain.device: (share.energy_j.likely, share.machine_energy_j.likely) for share in shares}


def mine(window: Window, ctx: Context) -> float:
    return sum(mine_j for mine_j, _ in parts(window, ctx).values())


ACTIONS = st.sampled_from(["begin", "end", "tick", "nothing"])
steps = st.lists(
    st.tuples(ACTIONS, st.integers(0, 2), st.floats(0.25, 30), st.floats(0, 900), st.floats(0, 8), st.booleans()),
    max_size=40,
)


@settings(deadline=None)
@given(steps)
def test_cells_never_exceed_their_session_nor_the_session_its_machine_whatever_is_counted(script):
    machine = Machine()
    kernel = Kernel(machine, 0, 1)
    for what, kind, seconds, joules, cpus, computes in script:
        machine.now_s += seconds
        machine.joules[(PACKAGE, MEMORY, CARD)[kind]] += joules
        kernel.own_s += cpus * seconds
        machine.busy_s += (cpus + kind) * seconds
        machine.on_card = {*((0,) if computes else ()), *((99,) if kind else ())}
        machine.sm_s[0] = machine.sm_s.get(0, 0.0) + computes * seconds * 0.5
        machine.sm_s[99] = machine.sm_s.get(99, 0.0) + bool(kind) * seconds * 0.5
        kernel.acts(what)
    ended = kernel.ends()
    for domain, counted_j in machine.joules.items():
        cells_j, session_j, machine_j = ended[domain.device]
        assert cells_j <= session_j <= machine_j * (1 + 1e-9) + 1e-9
        # Where a counter stood still while somebody worked, the model fills in: never less than was counted.
        assert machine_j >= counted_j * (1 - 1e-9) - 1e-9


many_steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # whose turn
        ACTIONS,
        st.floats(0.25, 30),
        st.lists(st.floats(0, 2.0), min_size=4, max_size=4),  # CPUs busy: three kernels and strangers
        st.lists(st.floats(0, 0.25), min_size=4, max_size=4),  # their parts of the card
    ),
    max_size=40,
)


@settings(deadline=None)
@given(st.integers(1, 3), many_steps, st.floats(0.5, 40), st.floats(0, 250))
def test_kernels_with_cells_of_their_own_never_exceed_the_machine(count, script, j_per_cpu_s, j_per_sm_s):
    machine = Machine(on_card=set(range(count)))
    kernels = [Kernel(machine, number, count) for number in range(count)]
    for kernel in kernels:
        kernel.meter.tick()
    for turn, what, seconds, cpus, sms in script:
        machine.now_s += seconds
        burnt_s = [cpu * seconds for cpu in (*cpus[:count], cpus[3])]
        machine.busy_s += sum(burnt_s)
        for kernel, own_s in zip(kernels, burnt_s, strict=False):
            kernel.own_s += own_s
        for number, sm in enumerate((*sms[:count], sms[3])):
            who = number if number < count else 99
            machine.sm_s[who] = machine.sm_s.get(who, 0.0) + sm * seconds
        machine.joules[PACKAGE] += IDLE_W["package-0"] * seconds + j_per_cpu_s * sum(burnt_s)
        machine.joules[CARD] += IDLE_W["gpu0"] * seconds + j_per_sm_s * (sum(sms[:count]) + sms[3]) * seconds
        machine.joules[MEMORY] += IDLE_W["ram-0"] * seconds
        kernels[turn % count].acts(what)
        for kernel in kernels:  # SM-seconds are told when the driver is asked, once a second
            kernel.meter.tick()
    ended = [kernel.ends() for kernel in kernels]
    for domain, counted_j in machine.joules.items():
        sessions_j = [by_device[domain.device] for by_device in ended]
        assert all(cells_j <= session_j for cells_j, session_j, _ in sessions_j)
        assert sum(session_j for _, session_j, _ in sessions_j) <= counted_j * (1 + 1e-9) + 1e-6


# --- what a look at the edges alone would miss ------------------------------------------------------------------


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def kernel(machine):
    return Kernel(machine, 0, 1)


def gpu_share(kernel: Kernel, window: Window):
    shares, flags = attribute(window, kernel.context)
    return next(share for share in shares if share.domain.device == "gpu0"), flags


def test_a_child_that_trained_and_ended_within_the_cell_is_billed_for_the_card(machine, kernel):
    cell = kernel.meter.begin()
    machine.on_card = {0}
    machine.now_s, machine.sm_s[0], machine.joules[CARD] = 10.0, 9.0, 1900.0
    kernel.meter.tick()
    machine.on_card = set()
    machine.now_s, machine.joules[CARD] = 10.5, 2000.0
    share, flags = gpu_share(kernel, kernel.meter.end(cell))
    assert share.energy_j.likely == pytest.approx(2000)
    assert "gpu-share-unknown:gpu0" not in flags


def test_the_next_cell_is_not_billed_for_the_child_of_the_one_before(machine, kernel):
    machine.on_card = {0}
    kernel.meter.tick()
    machine.now_s, machine.on_card = 1.0, {99}
    kernel.meter.tick()
    machine.now_s = 2.0
    cell = kernel.meter.begin()
    machine.now_s, machine.joules[CARD] = 3.0, 300.0
    assert gpu_share(kernel, kernel.meter.end(cell))[0].energy_j.likely == 0.0


def test_work_on_a_card_that_looked_empty_is_somebodys_and_says_so(machine, kernel):
    cell = kernel.meter.begin()
    machine.now_s, machine.sm_s[55], machine.joules[CARD] = 0.9, 0.4, 200.0
    share, flags = gpu_share(kernel, kernel.meter.end(cell))
    assert "gpu-share-unknown:gpu0" in flags
    assert share.energy_j.low < 20
    assert share.energy_j.high >= 200 - 1e-9


def test_of_several_kernels_that_cannot_tell_none_takes_more_than_its_part():
    window = Window(10.0, {CARD: 1000.0}, 1.0, 1.0, gpu_presence={"gpu0": "unknown"})
    for kernels in (1, 2, 3, 5):
        part_j = mine(window, context(CARD, kernel_share=1 / kernels))
        assert kernels * part_j <= 1000
    assert mine(window, context(CARD)) == pytest.approx(0.5 * 800)


def test_an_empty_card_beside_the_one_allotted_to_us_is_not_ours():
    window = Window(10.0, {CARD: 200.0}, 1.0, 1.0, gpu_presence={"gpu0": "empty"})
    assert mine(window, context(CARD, gpus_allotted=("gpu1",))) == 0.0
    assert mine(window, context(CARD, gpus_allotted=("gpu0",))) == pytest.approx(200)


def test_a_counter_that_sticks_in_mid_cell_is_filled_and_flagged(machine, kernel):
    cell = kernel.meter.begin()
    for second in range(10):
        machine.now_s += 1.0
        kernel.own_s += 1.0
        machine.busy_s += 1.0
        if second < 2:  # then it counts no more
            machine.joules[PACKAGE] += 30.0
        kernel.meter.tick()
    window = kernel.meter.end(cell)
    shares, _ = attribute(window, kernel.context)
    package = next(share for share in shares if share.domain.device == "package-0")
    assert window.energy_j[PACKAGE] == pytest.approx(60)
    assert "frozen:package-0" in window.flags
    # 10 s at 10 W idle and ten CPU seconds of (100 - 10) / 8 W: what the table says, above the 60 J that were seen
    assert package.machine_energy_j.likely == pytest.approx(100 + 10 * 90 / 8)
    assert package.machine_energy_j.low == pytest.approx(60)
    assert package.domain.quality == "modelled"


def test_a_counter_that_rests_with_its_machine_is_not_called_stuck(machine, kernel):
    cell = kernel.meter.begin()
    for _ in range(3):
        machine.now_s += 1.0
        kernel.meter.tick()
    assert "frozen:package-0" not in kernel.meter.end(cell).flags


def test_a_block_inside_one_of_two_cells_is_no_more_than_its_part(machine, kernel):
    """Two subshell cells: the block's seconds are shared as its cell's are."""
    one, two = kernel.meter.begin(), kernel.meter.begin()
    block = kernel.meter.mark()
    machine.now_s, machine.joules[PACKAGE] = 10.0, 400.0
    part = kernel.meter.since(block)
    windows = [kernel.meter.end(one), kernel.meter.end(two)]
    assert part.energy_j[PACKAGE] == pytest.approx(200)
    assert [window.energy_j[PACKAGE] for window in windows] == pytest.approx([200, 200])


def test_a_block_that_outlives_other_cells_keeps_its_own_beginning(machine, kernel):
    cell = kernel.meter.begin()
    machine.now_s, machine.joules[PACKAGE] = 1.0, 10.0
    block = kernel.meter.mark()
    machine.now_s, machine.joules[PACKAGE] = 3.0, 70.0
    kernel.meter.end(kernel.meter.begin())  # another cell comes and goes in no time
    machine.now_s, machine.joules[PACKAGE] = 4.0, 100.0
    window = kernel.meter.since(block)
    kernel.meter.end(cell)
    assert (window.elapsed_s, window.energy_j[PACKAGE]) == (3.0, pytest.approx(90))


def test_blocks_that_nobody_ends_cost_nothing_for_ever(machine, kernel):
    block = kernel.meter.mark()
    del block
    kernel.meter.end(kernel.meter.begin())
    assert len(kernel.meter._blocks) == 0


def test_no_stretch_between_cells_is_dropped_however_many_there_are(machine, kernel):
    for _ in range(2 * KEPT_WINDOWS):
        machine.now_s += 1.0
        machine.joules[PACKAGE] += 1.0
        kernel.meter.end(kernel.meter.begin())
    assert sum(window.energy_j[PACKAGE] for window in between_cells(kernel.meter)) == pytest.approx(2 * KEPT_WINDOWS)


def test_a_doubt_about_one_device_does_not_keep_the_others_from_learning(machine, kernel):
    kernel.sources.faults.note("gpu0", "stuck", float("-inf"), float("inf"))
    machine.now_s, machine.joules[PACKAGE], machine.joules[CARD] = 20.0, 240.0, 500.0
    kernel.meter.end(kernel.meter.begin())
    for window in between_cells(kernel.meter):
        kernel.meter.learned.from_pause(window)
    assert kernel.meter.learned.idle_w == {"package-0": pytest.approx(12.0)}


def test_a_source_is_swapped_without_a_joule_of_the_old_in_the_new(machine, kernel):
    kernel.meter.end(kernel.meter.begin())
    machine.now_s, machine.joules[PACKAGE] = 10.0, 120.0
    other = Machine(joules={PACKAGE: 5000.0})
    kernel.meter.swap(kernel.sources, Sources(other, 0))
    assert sum(w.energy_j.get(PACKAGE, 0.0) for w in between_cells(kernel.meter)) == pytest.approx(120)
    cell = kernel.meter.begin()
    other.joules[PACKAGE] += 7.0
    assert kernel.meter.end(cell).energy_j == {PACKAGE: pytest.approx(7)}


def test_a_session_is_its_cells_and_what_lies_between_them(machine, kernel):
    ended = []
    for label in ("one", "two"):
        machine.now_s += 10.0  # waiting
        machine.joules[PACKAGE] += 100.0
        cell = kernel.meter.begin()
        machine.now_s += 1.0
        machine.joules[PACKAGE] += 50.0
        kernel.own_s += 1.0
        machine.busy_s += 1.0
        run = CellRun(label, "session", None, None, label, 1, 0.0, None)
        ended.append(record(run, kernel.meter.end(cell), "ok", kernel.context))
    kernel.account.settle(ended, kernel.meter, kernel.context)
    totals = kernel.account.totals
    assert (totals.cells, totals.busy_s, totals.between_s) == (2, 2.0, 20.0)
    assert totals.footprint is not None
    assert totals.between is not None
    assert totals.footprint.energy_j.likely == pytest.approx(100)
    assert totals.between.energy_j.likely == pytest.approx(200)
    assert [record.run.label for record in kernel.account.records] == ["one", "two"]
