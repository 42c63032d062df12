"""What devices go on doing after a cell's end: a card of 300 W that rests at 30, on a clock that the test sets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from jupyter_carbon.account import Account
from jupyter_carbon.footprint import record
from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.meter.meter import Meter, Running
from jupyter_carbon.meter.processes import ProcessTree
from jupyter_carbon.meter.tail import LONGEST_S
from jupyter_carbon.model import (
    CarbonIntensity,
    CellRun,
    Context,
    Domain,
    GpuPresence,
    Interval,
    Share,
    WallModel,
    Window,
)
from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.cpu_time import MachineBusy
from jupyter_carbon.value import replace

CARD = Domain("gpu", "gpu0", "test", "measured", 0.001, 0.1)
REST_W, WORK_W, LIMIT_W = 30.0, 300.0, 300.0

CONTEXT = Context(
    domains=(CARD,),
    n_cpu=4,
    idle_share=1.0,
    ram_share=1.0,
    kernel_share=1.0,
    idle_w={"gpu0": 33.0},
    power_limit_w={"gpu0": LIMIT_W},
    gpus_allotted=(),
    wall=WallModel("none", Interval.exact(1.0), Interval.exact(0.0), "assumed", "a test"),
    pue=Interval.exact(1.0),
    pue_source="a test",
    intensity=CarbonIntensity(Interval.exact(100.0), "XX", "Nowhere", "lifecycle", "average", "yearly", "a test", 2025),
)


@dataclass
class Card:
    """A card whose joules and whose users the test sets."""

    joules: float = 0.0
    own_s: float = 0.0
    all_s: float = 0.0
    who: GpuPresence = "alone"
    tells_utilisation: bool = True
    faults: FaultLog = field(default_factory=FaultLog)
    name = "test"
    domains: tuple[Domain, ...] = (CARD,)
    components = ("gpu",)
    allotted = ()
    idle_w = {"gpu0": 33.0, "gpu1": 33.0}  # noqa: RUF012
    power_limit_w = {"gpu0": LIMIT_W, "gpu1": LIMIT_W}  # noqa: RUF012

    def energy_j(self):
        return {self.domains[0]: self.joules}

    def busy_s(self, pids):
        return {self.domains[0].device: (self.own_s, self.all_s)} if self.tells_utilisation else {}

    def presence(self, pids):
        return {self.domains[0].device: self.who}

    def close(self):
        return


class Bench:
    """A meter of one card."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.card = Card()
        tree = ProcessTree(own_cpu_s=lambda: 0.0, reaped_s=lambda: 0.0)
        busy = MachineBusy(lambda: 0.0, cpus=4, clock=lambda: self.now_s, own_cpu=lambda: 0.0)
        self.meter = Meter([self.card], tree, busy, n_cpu=4, clock=lambda: self.now_s)
        self.account = Account()

    def passes(self, seconds: float, power_w: float, *, own: float = 0.0, others: float = 0.0) -> None:
        """Time passes at a power, this part of it at work for us and that for others; with a look at its end."""
        self.now_s += seconds
        self.card.joules += power_w * seconds
        self.card.own_s += own * seconds
        self.card.all_s += (own + others) * seconds
        self.meter.tick()

    def works(self, seconds: float, power_w: float = WORK_W, *, own: float = 1.0, others: float = 0.0) -> None:
        """The card is at work; looked at twice a second."""
        for _ in range(round(seconds * 2)):
            self.passes(0.5, power_w, own=own, others=others)

    def rests(self, seconds: float, power_w: float = REST_W, *, others: float = 0.0) -> None:
        self.works(seconds, power_w, own=0.0, others=others)

    def learns_its_rest(self) -> None:
        """Two seconds of rest before the first cell."""
        self.rests(2)
        self.meter.end(self.meter.begin(), waited=True)
        self.account.settle([], self.meter, CONTEXT)
        assert self.meter.learned.idle_w["gpu0"] == pytest.approx(REST_W)

    def cell(self, seconds: float = 1.0, **work: float) -> tuple[Running, Window]:
        running = self.meter.begin()
        self.works(seconds, **work)
        return running, self.meter.end(running)

    def told(self, running: Running, window: Window) -> Share:
        """Our share of the card in a cell's number, in the end."""
        assert running.tail is not None
        (share,), _ = attribute(replace(window, after=self.meter.after(running.tail)), CONTEXT)
        return share

    def between_j(self) -> float:
        """The machine's joules that are told between cells."""
        self.meter.end(self.meter.begin(), waited=True)
        costs = self.account.settle([], self.meter, CONTEXT)
        return sum(cost.machine_energy_j.likely for cost in costs)


@pytest.fixture
def bench():
    return Bench()


def test_what_a_card_draws_above_idle_after_the_cell_is_the_cells_and_its_idle_is_the_sessions(bench):
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(2)
    bench.rests(3)
    share = bench.told(running, window)
    assert share.energy_j.likely == pytest.approx(300 + 2 * 270)
    assert share.machine_energy_j.likely == pytest.approx(300 + 2 * 270)
    assert share.idle_energy_j.likely == pytest.approx(30)
    assert running.tail.over
    assert not running.tail.is_cut
    assert bench.between_j() == pytest.approx(5 * 30)  # conserved: 1 s and 2 s of 300 W, 3 s of 30 W


@pytest.mark.parametrize("tells", [True, False])
def test_it_is_over_when_power_falls_though_our_utilisation_goes_on_or_is_not_told(bench, tells):
    bench.card.tells_utilisation = tells
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(2)
    bench.works(3, REST_W)  # at rest by its power, and at work by what the driver says
    assert running.tail.over
    assert bench.told(running, window).energy_j.likely == pytest.approx(300 + 2 * 270)


def test_it_is_over_when_our_utilisation_ends_though_power_does_not_fall(bench):
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(2)
    bench.rests(3, 150.0)
    share = bench.told(running, window)
    assert running.tail.over
    # With one look more, since samples and counters come late: half a second of 120 W above idle.
    assert share.energy_j.likely == pytest.approx(300 + 2 * 270 + 60)


def test_power_that_is_high_without_any_work_of_ours_is_no_tail(bench):
    bench.learns_its_rest()
    running, _ = bench.cell(1)
    bench.rests(3, 150.0)
    assert bench.meter.after(running.tail) is None
    assert running.tail.over
    assert bench.between_j() == pytest.approx(450)


def test_a_card_that_rests_at_once_has_no_tail(bench):
    bench.learns_its_rest()
    running, _ = bench.cell(1)
    bench.rests(2)
    assert running.tail.over
    assert not running.tail.is_cut
    assert bench.meter.after(running.tail) is None


def test_of_a_card_that_joined_in_mid_cell_the_looks_before_say_nothing(bench):
    late = Card(domains=(replace(CARD, device="gpu1"),), who="alone")
    running = bench.meter.begin()
    bench.rests(0.5)
    bench.meter.add_gpus(late)
    bench.now_s += 0.3
    bench.meter.end(running)
    bench.now_s += 0.01
    assert bench.meter.begin().behind == ()
    assert not running.tail.is_cut


def test_what_was_waited_for_has_no_tail(bench):
    running = bench.meter.begin()
    bench.works(1)
    bench.meter.end(running, waited=True)
    assert running.tail is None


def test_where_the_driver_lists_nobody_our_utilisation_tells(bench):
    bench.card.who = "unknown"
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(2)
    bench.rests(2)
    assert bench.told(running, window).energy_j.likely == pytest.approx(300 + 2 * 270)  # nobody else works there


def test_where_nobody_tells_that_it_is_ours_nothing_is_added(bench):
    bench.card.who, bench.card.tells_utilisation = "unknown", False
    bench.learns_its_rest()
    running, _ = bench.cell(1)
    bench.works(2)
    bench.rests(2)
    assert running.tail.over
    assert bench.meter.after(running.tail) is None


@pytest.mark.parametrize("who", ["absent", "empty"])
def test_where_we_are_not_seen_nothing_is_followed(bench, who):
    bench.card.who = who
    running, _ = bench.cell(1)
    assert running.tail is None


def test_a_launch_too_short_for_the_counter_is_measured_with_its_tail(bench):
    bench.learns_its_rest()
    running = bench.meter.begin()
    bench.now_s += 0.01
    window = bench.meter.end(running)  # the counter has not moved yet
    bench.works(2)
    bench.rests(2)
    share = bench.told(running, window)
    assert share.energy_j.likely == pytest.approx(2 * 270)
    assert share.domain.quality == "measured"
    assert bench.between_j() == pytest.approx(4 * 30)


def test_the_next_cell_cuts_it_and_both_say_so(bench):
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(1)
    after_it = bench.meter.begin()
    bench.works(1)
    second = bench.meter.end(after_it)
    assert running.tail.is_cut
    assert second.flags == ("began-busy:gpu0",)
    assert bench.told(running, window).energy_j.likely == pytest.approx(300 + 270)
    assert second.energy_j[CARD] == pytest.approx(300)
    bench.rests(2)
    assert bench.between_j() == pytest.approx(30 + 60)


@pytest.mark.parametrize(("power_w", "after_j"), [(WORK_W + 5.0, None), (250.0, 2 * 100.0)])
def test_what_goes_on_as_it_did_before_the_cell_is_not_what_it_launched(bench, power_w, after_j):
    """A thread that computes by itself, at 300 W or at 150."""
    level_w = WORK_W if after_j is None else 150.0
    bench.learns_its_rest()
    bench.cell(1, power_w=level_w)
    bench.works(1, level_w)
    running, _ = bench.cell(1, power_w=power_w)
    bench.works(2, power_w)
    bench.works(2, level_w)
    after = bench.meter.after(running.tail)
    assert (after and after.energy_j[CARD]) == (after_j and pytest.approx(after_j, abs=1e-6))


def test_a_cell_that_begins_when_it_is_over_is_told_alone(bench):
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(1)
    bench.rests(1)  # not for long enough to be sure, but at rest
    second = bench.meter.end(bench.meter.begin(), waited=True)
    assert not running.tail.is_cut
    assert second.flags == ()
    assert bench.told(running, window).energy_j.likely == pytest.approx(300 + 270)


def test_a_cell_right_behind_one_at_work_begins_busy_perhaps(bench):
    """`Run All`: nothing can be told apart, so both say so."""
    bench.learns_its_rest()
    running, _ = bench.cell(1)
    bench.now_s += 0.01
    second = bench.meter.begin()
    assert running.tail.is_cut
    assert bench.meter.after(running.tail) is None
    assert bench.meter.end(second).flags[:1] == ("began-busy:gpu0",)


def test_a_cell_right_behind_one_that_rested_at_its_end_does_not(bench):
    bench.learns_its_rest()
    running = bench.meter.begin()
    bench.works(1)
    bench.rests(1)
    bench.meter.end(running)
    bench.now_s += 0.01
    second = bench.meter.begin()
    assert not running.tail.is_cut
    bench.rests(1)
    assert bench.meter.end(second).flags == ()


def test_a_pause_that_shows_a_short_cells_late_joules_is_no_tail(bench):
    """The counter moves after the cell: 10 ms of 300 W are no work that goes on."""
    bench.learns_its_rest()
    running = bench.meter.begin()
    bench.now_s += 0.01
    bench.meter.end(running)
    bench.passes(0.3, REST_W + 10.0, own=0.03)  # 3 J beyond the idle power
    assert bench.meter.begin().behind == ()
    assert running.tail.devices == ()


def test_light_work_that_goes_on_is_seen_though_half_a_second_of_it_is_less_than_a_step_at_full_power(bench):
    bench.learns_its_rest()
    running, window = bench.cell(1, power_w=70.0)
    bench.rests(0.5)  # nothing was late
    bench.works(2, 70.0)
    bench.rests(2)
    share = bench.told(running, window)
    assert share.energy_j.likely == pytest.approx(70 + 2 * 40)


def test_on_a_card_shared_with_others_ours_goes_by_utilisation(bench):
    bench.card.who = "shared"
    bench.learns_its_rest()
    running, window = bench.cell(1, own=0.75, others=0.25)
    bench.works(2, own=0.25, others=0.75)
    bench.rests(3, WORK_W, others=1.0)
    share = bench.told(running, window)
    assert running.tail.over
    # Three quarters of 270 W for its own second, a quarter of them after it and in the last half second none; idle on
    # a shared card that nobody allotted is nobody's.
    after = bench.meter.after(running.tail)
    assert after.gpu_busy_s["gpu0"] == pytest.approx((0.5, 2.5))
    assert share.energy_j.likely == pytest.approx(0.75 * 270 + 2.5 * 270 * 0.5 / 2.5)
    assert share.energy_j.high <= share.machine_energy_j.high
    # What is told between cells has none of ours, and all the rest of the machine's.
    assert bench.between_j() == pytest.approx(2.5 * 30 + 2.5 * 300)


def test_on_a_shared_card_without_utilisation_nobody_knows_whose_it_is(bench):
    bench.card.who, bench.card.tells_utilisation = "shared", False
    running, _ = bench.cell(1)
    bench.works(2)
    bench.rests(2)
    assert bench.meter.after(running.tail) is None


def test_where_the_rest_was_never_seen_before_it_is_learned_behind_the_tail(bench):
    """The table says 33 W, the card rests at 50."""
    running, window = bench.cell(1)
    bench.works(2)
    bench.rests(2, 50.0)
    share = bench.told(running, window)
    assert bench.meter.after(running.tail).idle_w == {"gpu0": pytest.approx(50)}
    assert share.energy_j.likely == pytest.approx(300 + 2 * 250)


def test_cut_before_the_card_rested_the_table_stands_for_its_idle_power_with_a_wide_range(bench):
    running, window = bench.cell(1)
    bench.works(2)
    bench.meter.begin()
    share = bench.told(running, window)
    assert share.energy_j.likely == pytest.approx(300 + 2 * 267)
    (alone,), _ = attribute(window, CONTEXT)
    # The table's 33 W may be 11, or 66: twice that in two seconds.
    assert share.energy_j.high - alone.energy_j.high == pytest.approx(2 * 267 + 2 * 22.11)
    assert alone.energy_j.low - share.energy_j.low == pytest.approx(-(2 * 267 - 2 * 33))


def test_idle_power_is_not_learned_from_a_tail(bench):
    running, _ = bench.cell(1)
    bench.works(3)
    bench.meter.end(bench.meter.begin(), waited=True)
    bench.account.settle([], bench.meter, CONTEXT)
    assert "gpu0" not in bench.meter.learned.idle_w
    assert running.tail.is_cut
    bench.cell(1)
    bench.works(2)
    bench.rests(3, 40.0)
    bench.between_j()
    assert bench.meter.learned.idle_w["gpu0"] == pytest.approx(40)  # of the seconds behind it


def test_what_goes_on_for_longer_than_a_launch_can_is_no_cells(bench):
    bench.learns_its_rest()
    running, window = bench.cell(1)
    bench.works(100)
    assert running.tail.over
    assert running.tail.is_cut
    assert bench.told(running, window).energy_j.likely == pytest.approx(300 + LONGEST_S * 270)
    assert bench.between_j() == pytest.approx(LONGEST_S * 30 + (100 - LONGEST_S) * 300)
    assert bench.meter.learned.idle_w["gpu0"] == pytest.approx(REST_W)


def test_nothing_is_looked_at_more_often_once_it_is_over(bench):
    pauses: list[float] = []

    def rest(seconds: float) -> bool:
        pauses.append(seconds)
        bench.now_s += seconds
        return False

    bench.meter.watch(1.0, rest)
    bench.cell(1)
    bench.meter.watch(1.0, rest)
    bench.rests(2)
    bench.meter.watch(1.0, rest)
    assert pauses == [1.0, 0.5, 1.0]


def test_a_session_told_anew_is_its_cells_and_what_lies_between(bench):
    """Totals by any order: told at once without the tail, told anew with it."""
    bench.learns_its_rest()
    running, window = bench.cell(1)
    run = CellRun("one", "session", None, None, None, 1, 0.0, None)
    bench.account.settle([record(run, window, "ok", CONTEXT)], bench.meter, CONTEXT)
    bench.works(2)
    bench.rests(2)
    told = record(run, replace(window, after=bench.meter.after(running.tail)), "ok", CONTEXT)
    before, after = bench.account.retell(told)
    assert (before.footprint.energy_j.likely, after.footprint.energy_j.likely) == pytest.approx((300, 840))
    bench.between_j()
    totals = bench.account.totals
    assert totals.cells == 1
    assert totals.footprint.machine_energy_j.likely == pytest.approx(840)
    assert totals.footprint.energy_j == after.footprint.energy_j
    everything_j = totals.footprint.machine_energy_j.likely + totals.between.machine_energy_j.likely
    assert everything_j == pytest.approx(bench.card.joules)
    assert bench.account.retell(replace(told, run=replace(run, id="another"))) is None


def test_what_went_on_before_a_cell_was_not_launched_by_it(bench):
    bench.learns_its_rest()
    bench.works(2, 200.0)  # a server of ours, say
    running, window = bench.cell(power_w=200.0)
    bench.works(2, 200.0)
    bench.rests(3)
    assert bench.told(running, window).energy_j.likely == pytest.approx(200.0)


def test_rest_is_not_learned_while_somebody_computes(bench):
    bench.rests(2, 200.0, others=0.6)
    bench.meter.end(bench.meter.begin(), waited=True)
    bench.account.settle([], bench.meter, CONTEXT)
    assert bench.meter.learned.idle_w == {}
