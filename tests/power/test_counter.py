from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power.powercap import Clock, Device

from jupyter_carbon.power.counter import (
    GUARD_S,
    SPANS_PER_FAULT,
    FaultLog,
    WrappingCounter,
    suspended_s,
)


class Bench:
    """A counter of 100 W at most and 10 W expected, moved by hand."""

    def __init__(self, *, start_j: float = 0.0, range_j: float | None = 1000.0) -> None:
        self.clock, self.faults = Clock(), FaultLog()
        self.device = Device(start_j, self.clock)
        self.range_j = range_j
        self.counter = WrappingCounter(
            self.device,
            range_j=range_j,
            max_w=100.0,
            expected_w=10.0,
            device="package-0",
            faults=self.faults,
            clock=self.clock,
            suspended_s=self.clock.suspended,
        )

    def after(self, seconds: float, joules: float) -> float:
        """What the counter says when so many seconds and joules have passed."""
        self.clock.s += seconds
        self.device.shown += joules
        if self.range_j is not None:
            self.device.shown %= self.range_j
        return self.counter.energy_j()

    def unread(self, seconds: float, joules: float) -> float:
        """The same, but the read fails."""
        self.device.error = OSError(5, "Input/output error")
        said_j = self.after(seconds, joules)
        self.device.error = None
        return said_j

    def last(self, seconds: float) -> tuple[str, ...]:
        """Faults of the last so many seconds."""
        return self.faults.during(self.clock.s - seconds, self.clock.s)


# --- a sound counter -----------------------------------------------------------------------------------------


def test_joules_are_counted_from_where_the_counter_stood_when_it_was_opened() -> None:
    bench = Bench(start_j=700.0)
    assert bench.after(0, 0) == 0.0
    assert [bench.after(1, 30), bench.after(1, 0), bench.after(2, 40)] == [30.0, 30.0, 70.0]
    assert not bench.faults


@given(start_j=st.integers(0, 999), steps_j=st.lists(st.integers(0, 150), min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_wraps_at_every_position_give_exact_joules(start_j: int, steps_j: list[int]) -> None:
    bench = Bench(start_j=start_j)
    assert [bench.after(1, j) for j in steps_j] == [sum(steps_j[: i + 1]) for i in range(len(steps_j))]
    assert not bench.faults


def test_a_step_that_was_due_just_before_the_last_reading_is_not_too_much() -> None:
    bench = Bench()
    assert bench.after(1e-6, 0.1) == 0.1  # one step of 1 ms at 100 W, a microsecond after the reading before
    assert not bench.faults


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_reading_that_lost_its_core_beside_the_register_is_not_too_much(lost: str) -> None:
    bench = Bench(range_j=None)
    bench.after(1, 50)
    if lost == "before":  # between the clock and the register: 0.5 s at 100 W of which the clock saw none
        bench.device.before_s = 0.5
        assert bench.after(0, 50) == 100.0
    else:  # between the register and the clock: the reading after it covers more time than the clock shows
        bench.device.after_s = 0.5
        bench.after(0, 0)
        bench.device.after_s = 0.0
        assert bench.after(0, 50) == 100.0
    assert not bench.faults


# --- reads that fail -----------------------------------------------------------------------------------------

READ_FAILURES = [
    PermissionError(13, "Permission denied"),
    FileNotFoundError(2, "No such file"),
    OSError(61, "No data available"),
    OSError(5, "Input/output error"),
    ValueError("invalid literal for int() with base 10: b''"),
]


@pytest.mark.parametrize("error", READ_FAILURES, ids=lambda error: str(error)[:12])
def test_one_failed_read_leaves_the_total_and_the_neighbours_as_they_are(error: Exception) -> None:
    bench = Bench()
    assert bench.after(1, 50) == 50.0
    bench.device.error = error
    assert bench.after(1, 70) == 100.0  # 50 W as in the second before
    bench.device.error = None
    assert bench.after(1, 50) == 170.0  # the truth again: 50 + 70 + 50
    assert bench.last(2) == ("read-failed:package-0",)
    assert bench.after(1, 50) == 220.0
    assert bench.last(1) == ()
    assert bench.faults.during(1000, 1001) == ()


def test_a_read_that_fails_before_any_power_was_seen_is_filled_with_the_expected_power() -> None:
    bench = Bench()
    assert bench.unread(2, 60) == 20.0
    assert bench.after(1, 0) == 60.0


def test_each_failed_read_is_filled_once() -> None:
    bench = Bench()
    bench.after(1, 50)
    assert bench.unread(1, 50) == 100.0
    assert bench.unread(1, 50) == 150.0
    assert bench.after(1, 50) == 200.0
    assert bench.unread(1, 50) == 250.0
    assert bench.after(1, 50) == 300.0


def test_a_wrap_behind_a_failed_read_is_still_a_wrap() -> None:
    bench = Bench(start_j=990.0)
    bench.unread(1, 50)
    assert bench.after(1, 50) == 100.0


def test_what_was_filled_in_excess_is_waited_for_and_stays_flagged_until_it_is_true() -> None:
    bench = Bench()
    assert bench.after(1, 100) == 100.0
    assert bench.unread(1, 0) == 200.0
    assert bench.after(1, 30) == 200.0  # 130 counted
    assert bench.last(1) == ("read-failed:package-0",)
    assert bench.after(1, 90) == 220.0
    assert bench.last(1) == ("read-failed:package-0",)
    assert bench.after(1, 10) == 230.0
    assert bench.last(1) == ()


def test_a_second_failure_before_the_excess_is_made_up_takes_nothing_back() -> None:
    bench = Bench()
    bench.after(1, 100)
    assert bench.unread(1, 0) == 200.0
    assert bench.after(1, 0) == 200.0  # 100 counted, and the last power is none
    assert bench.unread(1, 0) == 200.0


@pytest.mark.parametrize("shown", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_failed_read(shown: float) -> None:
    bench = Bench()
    bench.after(1, 50)
    bench.device.shown = shown
    bench.clock.s += 1
    assert bench.counter.energy_j() == 100.0
    bench.device.shown = 120.0
    assert bench.after(1, 0) == 120.0
    assert bench.last(2) == ("read-failed:package-0",)


def test_a_counter_that_cannot_be_read_when_it_is_opened_says_so() -> None:
    device = Device()
    device.error = OSError(5, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        WrappingCounter(device, range_j=None, max_w=1.0, expected_w=1.0, device="gpu0", faults=FaultLog())


def test_a_vendors_own_error_is_a_failed_read_when_it_is_declared() -> None:
    class DriverGone(Exception):
        pass

    clock, device, faults = Clock(), Device(), FaultLog()
    counter = WrappingCounter(
        device,
        range_j=None,
        max_w=300.0,
        expected_w=40.0,
        device="gpu0",
        faults=faults,
        errors=(DriverGone,),
        clock=clock,
    )
    clock.s += 1
    device.error = DriverGone()
    assert counter.energy_j() == 40.0
    assert faults.during(1000, 1001) == ("read-failed:gpu0",)


# --- differences that cannot be ------------------------------------------------------------------------------


def test_a_fall_without_a_known_range_is_dropped_and_its_second_filled() -> None:
    bench = Bench(start_j=500.0, range_j=None)
    assert bench.after(1, 60) == 60.0
    bench.device.shown = 3.0
    assert bench.after(1, 0) == 120.0  # 60 W as before
    assert bench.last(1) == ("counter-reset:package-0",)
    assert bench.after(1, 40) == 160.0
    assert bench.last(1) == ()


def test_a_fall_that_no_wrap_explains_is_a_reset() -> None:
    bench = Bench(start_j=500.0)
    bench.after(1, 60)
    bench.device.shown = 3.0  # as a wrap: 443 J in a second, of a device of 100 W
    assert bench.after(1, 0) == 120.0
    assert bench.last(1) == ("counter-reset:package-0",)
    assert bench.after(1, 40) == 160.0


def test_a_rise_beyond_one_and_a_half_times_the_power_limit_is_dropped() -> None:
    bench = Bench()
    bench.after(1, 60)
    assert bench.after(1, 150) == 210.0
    assert not bench.faults
    assert bench.after(1, 152) == 360.0  # 150 W as in the second before, not 152
    assert bench.last(1) == ("implausible:package-0",)
    assert bench.after(1, 20) == 380.0
    assert bench.last(1) == ()


def test_what_was_filled_teaches_no_power() -> None:
    bench = Bench(range_j=None)
    bench.after(1, 60)
    assert bench.after(1, 9999) == 120.0
    assert bench.after(1, 20) == 140.0
    assert bench.unread(1, 20) == 160.0  # 20 W: the last second that was counted


def test_a_drop_right_after_failed_reads_keeps_what_was_filled() -> None:
    bench = Bench(range_j=None)
    bench.after(1, 50)
    assert bench.unread(1, 50) == 100.0
    bench.device.shown = 0.0
    assert bench.after(1, 0) == 150.0
    assert bench.after(1, 25) == 175.0
    assert bench.last(3) == ("read-failed:package-0", "counter-reset:package-0")
    assert bench.last(1) == ()


def test_a_gap_that_may_hide_a_wrap_is_filled_not_counted() -> None:
    bench = Bench()  # 1000 J at 1.5 x 100 W: 6.67 s
    assert bench.after(6.6, 600) == 600.0
    assert not bench.faults
    assert bench.after(1, 20) == 620.0
    bench.after(7, 1100)
    assert bench.last(7) == ("gap:package-0",)
    assert bench.after(1, 20) - bench.after(0, 0) == 0.0
    assert bench.last(1) == ()


def test_a_gap_is_filled_with_the_power_of_a_pause_not_of_the_work_before_it() -> None:
    bench = Bench(range_j=100_000.0)
    bench.after(60, 1200)  # a pause at 20 W
    said_j = bench.after(1, 90)  # and a second of work
    assert bench.after(700, 14_100) - said_j == pytest.approx(700 * 20.0)
    assert bench.last(700) == ("gap:package-0",)


def test_before_any_pause_was_seen_a_gap_is_filled_with_the_expected_power() -> None:
    bench = Bench()
    bench.after(1, 90)
    assert bench.after(30, 600) == pytest.approx(90.0 + 30 * 10.0)


@pytest.mark.parametrize("shown", [0.0, 130.0], ids=["cleared", "kept"])
def test_a_suspended_machine_is_billed_its_waking_seconds_only(shown: float) -> None:
    bench = Bench()
    bench.after(1, 50)
    bench.clock.suspended_s += 3600.0
    bench.device.shown = shown
    assert bench.after(2, 0) == 150.0  # two seconds at 50 W
    assert bench.last(2) == ("suspended:package-0",)
    assert bench.after(1, 50) == 200.0
    assert bench.last(1) == ()


def test_half_a_second_between_the_clocks_is_no_sleep() -> None:
    bench = Bench()
    bench.clock.suspended_s += 0.5
    assert bench.after(1, 50) == 50.0
    bench.clock.suspended_s -= 0.6  # the thread lost its core between the two clocks
    bench.after(1, 50)
    bench.clock.suspended_s += 0.6
    assert bench.after(1, 50) == 150.0
    assert not bench.faults


def test_a_glitch_of_one_reading_costs_two_fills_and_no_more() -> None:
    bench = Bench(range_j=None)
    bench.after(1, 50)
    bench.device.shown = 1e9
    bench.after(1, 0)
    bench.device.shown = 150.0
    assert bench.after(1, 0) == 150.0
    assert bench.after(1, 60) == 210.0
    assert bench.last(3) == ("implausible:package-0", "counter-reset:package-0")
    assert bench.last(1) == ()


EVENTS = st.tuples(
    st.sampled_from(["good", "good", "good", "unread", "reset", "jump", "sleep", "sleep-reset", "gap"]),
    st.floats(0.01, 20.0),
    st.floats(0.0, 100.0),
)


@given(start_j=st.floats(0.0, 9_999.0), range_known=st.booleans(), events=st.lists(EVENTS, min_size=1, max_size=30))
@settings(max_examples=400, deadline=None)
def test_there_is_no_number_from_nowhere(
    start_j: float, range_known: bool, events: list[tuple[str, float, float]]
) -> None:
    """Whatever happens to a counter: over seconds in which the answer is not the truth, a fault is noted."""
    range_j = 10_000.0
    bench = Bench(start_j=start_j, range_j=range_j if range_known else None)
    device, good_j, good_s, said_j = bench.device, start_j, bench.clock.s, 0.0
    for event, seconds, power_w in events:
        if event == "gap":
            seconds *= 100.0
        true_j = power_w * seconds
        most_j = 150.0 * (max(GUARD_S, bench.clock.s + seconds - good_s) + 1e-3)
        # Cleared, a counter falls; near the end of its range that is a wrap, and nobody can tell.
        if event.endswith("reset") and good_j > 1.0 and (not range_known or range_j - good_j > most_j):
            device.shown = -true_j
        elif event == "jump":
            device.shown += most_j + 1.0
        if event.startswith("sleep"):
            bench.clock.suspended_s += 60.0
        before_j = said_j
        said_j = bench.unread(seconds, true_j) if event == "unread" else bench.after(seconds, true_j)
        if event != "unread":
            good_j, good_s = device.shown, bench.clock.s
        assert said_j >= before_j
        assert abs(said_j - before_j - true_j) < 1e-6 or bench.last(seconds)
    assert said_j <= 150.0 * (GUARD_S + bench.clock.s - 1000.0 + 1e-3 * len(events)) + 1e-6


def test_the_machines_own_clocks_agree_between_two_looks() -> None:
    assert suspended_s() + 1e-3 >= 0.0
    assert suspended_s() == pytest.approx(suspended_s(), abs=0.5)


# --- the log of faults ---------------------------------------------------------------------------------------


def test_a_log_without_faults_is_false() -> None:
    log = FaultLog()
    assert not log
    assert log.during(0, 1e9) == ()


def test_faults_are_told_once_for_the_seconds_they_overlap() -> None:
    log = FaultLog()
    log.note("package-0", "read-failed", 10, 20)
    log.note("gpu0", "gauge-gap", 15, 30)
    log.note("package-0", "read-failed", 22, 24)
    assert log
    assert log.during(0, 100) == ("read-failed:package-0", "gauge-gap:gpu0")
    assert log.during(0, 10) == ()
    assert log.during(20.5, 21.5) == ("gauge-gap:gpu0",)
    assert log.during(23, 23) == ("read-failed:package-0", "gauge-gap:gpu0")
    assert log.during(30, 40) == ()


def test_a_fault_that_ended_with_the_reading_at_a_cells_edge_is_not_the_cells() -> None:
    log = FaultLog()
    log.note("package-0", "gap", 100, 1000.000_040)  # the counter was read 40 µs after the meter had noted the time
    assert log.during(1000.0, 1000.5) == ()
    assert log.during(1000.0, 1000.000_100) == ()  # nor that of a cell of 100 µs
    assert log.during(900.0, 1000.0) == ("gap:package-0",)
    log.note("package-0", "read-failed", 1000.000_040, 1000.000_130)
    assert log.during(1000.0, 1000.000_100) == ("read-failed:package-0",)


def test_a_fault_that_goes_on_is_one_span() -> None:
    log = FaultLog()
    for second in range(1000):
        log.note("package-0", "read-failed", second, second + 1)
    assert log.during(999, 1000) == ("read-failed:package-0",)
    assert log.during(1000, 2000) == ()


def test_the_log_stays_small_and_forgets_no_fault() -> None:
    log = FaultLog()
    for second in range(0, 20 * SPANS_PER_FAULT, 2):
        log.note("package-0", "read-failed", second, second + 1)
    assert log.during(0, 1) == ("read-failed:package-0",)
    newest_s = 20 * SPANS_PER_FAULT - 2
    assert log.during(newest_s - 0.9, newest_s - 0.1) == ()  # recent ones keep their seconds
    assert log.during(newest_s, newest_s + 1) == ("read-failed:package-0",)


# --- counters that stand still --------------------------------------------------------------------------------------


def standing(rests: Callable[[], bool], clock: Clock, faults: FaultLog) -> WrappingCounter:
    return WrappingCounter(
        lambda: 100.0,
        range_j=None,
        max_w=300.0,
        expected_w=30.0,
        device="gpu0",
        faults=faults,
        step_s=0.1,
        rests=rests,
        clock=clock,
        suspended_s=clock.suspended,
    )


def test_a_counter_that_stands_still_is_found_however_often_it_is_read() -> None:
    clock, faults = Clock(), FaultLog()
    counter = standing(lambda: False, clock, faults)
    for _ in range(50):
        clock.s += 0.01
        counter.energy_j()
    assert faults.during(1000, 1000.01) == ("stuck:gpu0",)  # since it moved last, and not since it was found out
    assert faults.during(1000.4, 1000.5) == ("stuck:gpu0",)
    assert counter.energy_j() == 0.0


def test_whoever_is_told_the_joules_of_the_time_it_stood_is_told_that_it_stood() -> None:
    clock, faults, shown_j = Clock(), FaultLog(), [100.0]
    counter = WrappingCounter(
        lambda: shown_j[0],
        range_j=None,
        max_w=300.0,
        expected_w=30.0,
        device="package-0",
        faults=faults,
        rests=lambda: False,
        clock=clock,
        suspended_s=clock.suspended,
    )
    clock.s += 0.5
    counter.energy_j()  # a cell begins
    clock.s += 0.02
    shown_j[0] += 40.0
    assert counter.energy_j() == 40.0
    assert faults.during(1000.5, 1000.52) == ("stuck:package-0",)


def test_a_device_that_sleeps_counts_nothing_and_is_not_in_doubt_when_it_wakes() -> None:
    clock, faults, asleep = Clock(), FaultLog(), [True]
    counter = standing(lambda: asleep[0], clock, faults)
    for _ in range(50):
        clock.s += 0.1
        assert counter.energy_j() == 0.0
    asleep[0] = False
    clock.s += 0.1
    assert counter.energy_j() == 0.0
    assert not faults


def test_a_rise_that_no_device_can_draw_in_that_time_is_counted_and_flagged() -> None:
    bench = Bench()
    bench.after(0.1, 6.0)
    assert bench.after(0.1, 26.0) == pytest.approx(32.0)  # 260 W where 1.5 x 100 W is the most
    assert bench.last(0.1) == ("uneven:package-0",)
    assert bench.after(0.1, 6.0) == pytest.approx(38.0)
    assert bench.last(0.1) == ()


def test_what_was_told_late_is_measured_against_all_the_time_since_the_counter_moved() -> None:
    bench = Bench()
    bench.after(0.1, 6.0)
    bench.after(0.04, 0.0)
    assert bench.after(0.16, 26.0) == pytest.approx(32.0)  # 130 W over 0.2 s
    assert bench.last(0.2) == ()
