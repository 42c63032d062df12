"""Power gauges: trapezoids, how often they are looked at, and what they tell between the moves of a counter."""

from __future__ import annotations

import math
import random

import pytest
from power.powercap import Clock, Device

from jupyter_carbon.power.counter import FaultLog
from jupyter_carbon.power.gauge import GaugeIntegrator


def gauge(device: Device, faults: FaultLog, clock: Clock) -> GaugeIntegrator:
    return GaugeIntegrator(device, max_w=300.0, device="gpu0", faults=faults, clock=clock, suspended_s=clock.suspended)


def integrate(powers_w: list[float], *, every_s: float = 1.0) -> tuple[float, FaultLog]:
    clock, device, faults = Clock(), Device(powers_w[0]), FaultLog()
    integrator = gauge(device, faults, clock)
    for power_w in powers_w[1:]:
        clock.s += every_s
        device.shown = power_w
        integrator.energy_j()
    return integrator.energy_j(), faults


def test_a_steady_gauge_gives_watts_times_seconds() -> None:
    assert integrate([250.0] * 11)[0] == 2500.0


def test_a_ramp_gives_its_triangle() -> None:
    assert integrate([0.0, 30.0, 60.0, 90.0])[0] == 135.0  # 3 s x 90 W / 2


def test_a_square_wave_gives_its_mean_when_both_edges_are_met() -> None:
    joules, faults = integrate([100.0, 100.0, 300.0, 300.0, 100.0, 100.0] * 5, every_s=0.5)
    assert joules == 0.5 * (5 * (100 + 200 + 300 + 200 + 100) + 4 * 100)
    assert not faults


def test_a_gauge_that_fails_holds_its_last_power_and_says_so() -> None:
    clock, device, faults = Clock(), Device(200.0), FaultLog()
    integrator = gauge(device, faults, clock)
    clock.s += 1
    device.error = OSError(5, "Input/output error")
    assert integrator.energy_j() == 200.0
    clock.s += 1
    device.error, device.shown = None, 100.0
    assert integrator.energy_j() == 350.0
    clock.s += 1
    assert integrator.energy_j() == 450.0
    assert faults.during(1000, 1001) == faults.during(1001, 1002) == ("read-failed:gpu0",)
    assert faults.during(1002, 1003) == ()


@pytest.mark.parametrize("shown", [-1.0, 451.0, math.nan, math.inf])
def test_a_power_that_the_device_cannot_draw_is_not_integrated(shown: float) -> None:
    clock, device, faults = Clock(), Device(200.0), FaultLog()
    integrator = gauge(device, faults, clock)
    clock.s += 1
    device.shown = shown
    assert integrator.energy_j() == 200.0
    assert faults.during(1000, 1001) == ("implausible:gpu0",)


def test_a_long_gap_between_two_looks_is_filled_with_the_power_at_its_end() -> None:
    joules, faults = integrate([300.0, 50.0], every_s=60.0)
    assert joules == 60 * 50.0
    assert faults.during(1000, 1060) == ("gauge-gap:gpu0",)
    joules, faults = integrate([300.0, 50.0], every_s=5.0)
    assert joules == 5 * 175.0
    assert faults.during(1000, 1005) == ("gauge-gap:gpu0",)  # from 2 s on it is said
    joules, faults = integrate([300.0, 50.0], every_s=2.0)
    assert joules == 2 * 175.0
    assert not faults


def test_a_gauge_across_a_sleep_counts_waking_seconds_and_says_so() -> None:
    clock, device, faults = Clock(), Device(50.0), FaultLog()
    integrator = gauge(device, faults, clock)
    clock.s += 2
    clock.suspended_s += 3600
    assert integrator.energy_j() == 100.0
    clock.s += 1
    assert integrator.energy_j() == 150.0
    assert faults.during(1000, 1002) == ("suspended:gpu0",)
    assert faults.during(1002, 1003) == ()


def test_a_gauge_that_shows_nonsense_when_it_is_opened_is_refused() -> None:
    with pytest.raises(ValueError, match="gpu0: the gauge shows 9999"):
        gauge(Device(9999.0), FaultLog(), Clock())


# --- what looks at a gauge miss -------------------------------------------------------------------------------------


def test_a_steady_gauge_misses_nothing() -> None:
    clock, device, faults = Clock(), Device(50.0), FaultLog()
    integrator = gauge(device, faults, clock)
    for _ in range(20):
        clock.s += integrator.watch()
    assert integrator.wander_j2 == 0.0


def test_looks_that_differ_leave_their_deviation_times_the_seconds_between_them() -> None:
    """Power of 100 or 200 W by the toss of a coin, sd 50 W: a look leaves 5 J open, and n of them sqrt(n) x 5."""
    dice = random.Random(1)
    clock, device, faults = Clock(), Device(100.0), FaultLog()
    integrator = gauge(device, faults, clock)
    for _ in range(1000):
        clock.s += 0.1
        device.shown = dice.choice((100.0, 200.0))
        integrator.energy_j()
    assert math.sqrt(integrator.wander_j2) == pytest.approx(50.0 * 0.1 * math.sqrt(1000), rel=0.1)


def followed(power_w, seconds: float) -> list[float]:
    """How long after each other a gauge is looked at that shows `power_w` at each moment."""
    clock, device, faults = Clock(), Device(50.0), FaultLog()
    integrator, began_s = gauge(device, faults, clock), clock.s
    waits_s = []
    while clock.s < began_s + seconds:
        device.shown = power_w(clock.s - began_s)
        waits_s.append(integrator.watch())
        clock.s += waits_s[-1]
    return waits_s


def test_looks_at_a_gauge_have_no_beat() -> None:
    waits_s = followed(lambda _: 50.0, 20.0)[-100:]
    assert sum(waits_s) / 100 == pytest.approx(0.1, rel=0.02)
    assert 0.05 <= min(waits_s) < 0.052
    assert 0.148 < max(waits_s) <= 0.15


def test_power_that_swings_is_looked_at_four_times_as_often() -> None:
    waits_s = followed(lambda t_s: 300.0 if t_s % 1.0 < 0.5 else 50.0, 20.0)
    assert sum(waits_s) / len(waits_s) == pytest.approx(0.025, rel=0.02)


def test_so_are_two_seconds_after_a_pause_for_nobody_knows_yet() -> None:
    assert len(followed(lambda _: 50.0, 2.0)) == pytest.approx(80, abs=2)
    assert len(followed(lambda _: 50.0, 12.0)) == pytest.approx(80 + 100, abs=3)


def test_a_gauge_is_looked_at_only_when_it_is_time() -> None:
    clock, device, faults = Clock(), Device(50.0), FaultLog()
    integrator = gauge(device, faults, clock)
    wait_s = integrator.watch()
    clock.s += wait_s / 2
    device.error = OSError(5, "Input/output error")
    assert integrator.watch() == pytest.approx(wait_s / 2)
    assert not faults


def test_a_square_wave_is_known_to_two_per_cent_and_no_way_off_in_the_mean() -> None:
    """60 and 280 W, 0.43 s each, for 3 s, from any moment on."""
    errors = []
    for phase in range(20):

        def power_w(t_s: float, begin_s: float = phase * 0.043) -> float:
            return 280.0 if (begin_s + t_s) % 0.86 > 0.43 else 60.0

        clock, faults = Clock(), FaultLog()
        device = Device(power_w(0.0))
        integrator, began_s = gauge(device, faults, clock), clock.s
        while clock.s < began_s + 3.0:
            device.shown = power_w(clock.s - began_s)
            clock.s = min(clock.s + integrator.watch(), began_s + 3.0)
        device.shown = power_w(3.0)
        truth_j = sum(map(power_w, (ms / 1000 for ms in range(3000)))) / 1000
        errors.append(integrator.energy_j() / truth_j - 1.0)
        assert not faults
    assert max(map(abs, errors)) < 0.02
    assert abs(sum(errors)) / len(errors) < 0.003


@pytest.mark.parametrize(("burnt_s", "least_s", "most_s"), [(0.0, 0.0, 0.15), (0.002, 0.4, 0.4)])
def test_looks_are_as_far_apart_as_they_cost_not_as_they_wait(burnt_s: float, least_s: float, most_s: float) -> None:
    """One call of 2 ms in 0.4 s: half a per cent of a core."""
    clock = Clock()
    device = Device(50.0, clock)
    cpu_s = iter([0.0, burnt_s])
    integrator = GaugeIntegrator(
        device, max_w=300.0, device="gpu0", faults=FaultLog(), clock=clock, cpu_s=lambda: next(cpu_s)
    )
    device.after_s = 0.01  # a cell holds Python's lock for so long
    assert least_s - 0.01 <= integrator.watch() <= most_s
