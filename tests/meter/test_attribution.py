"""Whose energy: joules a person can add up, and a property that holds for any machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_carbon.meter.attribution import attribute
from jupyter_carbon.model import CarbonIntensity, Context, Domain, Interval, WallModel, Window

PACKAGE = Domain("cpu", "package-0", "rapl", "measured", 61e-6, 0.001)
MODEL = Domain("cpu", "package-0", "cpu-model", "modelled", 0.0)
MEMORY = Domain("ram", "ram-0", "ram-model", "modelled", 0.0)
GPU = Domain("gpu", "gpu0", "nvml-energy", "measured", 0.001, 0.1)


def context(*domains: Domain, **changes: object) -> Context:
    plain = Context(
        domains=domains,
        n_cpu=4,
        idle_share=1.0,
        ram_share=1.0,
        kernel_share=1.0,
        idle_w={"package-0": 10.0, "gpu0": 20.0},
        power_limit_w={"package-0": 100.0, "gpu0": 300.0},
        gpus_allotted=(),
        wall=WallModel("desktop", Interval(1, 1, 1), Interval(0, 0, 0), "assumed", "test"),
        pue=Interval(1, 1, 1),
        pue_source="test",
        intensity=CarbonIntensity(
            Interval(90, 100, 110), "XX", "Nowhere", "lifecycle", "average", "yearly", "test", 2025
        ),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def only(window: Window, ctx: Context):
    shares, flags = attribute(window, ctx)
    assert len(shares) == 1
    return shares[0], flags


def test_active_energy_goes_by_cpu_seconds_and_idle_by_allotment():
    # 10 s, 300 J: 100 J idle (10 W), 200 J active; 3 of 4 busy CPU seconds and half the machine's allotment are ours.
    share, flags = only(Window(10, {PACKAGE: 300.0}, 3.0, 4.0), context(PACKAGE, idle_share=0.5))
    assert share.energy_j.likely == pytest.approx(100 * 0.5 + 200 * 0.75)
    assert share.idle_energy_j.likely == pytest.approx(50)
    assert share.machine_energy_j.likely == pytest.approx(300)
    assert flags == ()


def test_a_sleeping_cell_gets_its_idle_share_only():
    share, _ = only(Window(10, {PACKAGE: 900.0}, 0.0, 30.0), context(PACKAGE, idle_share=0.25))
    assert share.energy_j.likely == pytest.approx(25) == share.idle_energy_j.likely


def test_a_learned_idle_power_beats_the_table():
    share, _ = only(Window(10, {PACKAGE: 900.0}, 0.0, 30.0, idle_w={"package-0": 30.0}), context(PACKAGE))
    assert share.idle_energy_j.likely == pytest.approx(300)
    assert share.idle_energy_j.high < 350  # a table's would reach 600


def test_idle_never_exceeds_what_was_counted():
    share, _ = only(Window(10, {PACKAGE: 40.0}, 1.0, 4.0), context(PACKAGE))
    assert share.idle_energy_j.likely == pytest.approx(40) == share.energy_j.likely


def test_the_range_holds_the_likely_value_and_stays_within_the_machine():
    share, _ = only(Window(0.05, {PACKAGE: 3.0}, 0.04, 0.05), context(PACKAGE))
    assert 0 <= share.energy_j.low < share.energy_j.likely < share.energy_j.high <= share.machine_energy_j.high


def test_a_window_below_the_counters_step_is_modelled_with_an_upper_bound():
    # 20 ms on a card that counts each 100 ms and drew 200 W lately: 4 J, and at its limit of 300 W no more than 6 J.
    window = Window(0.02, {GPU: 0.0}, 0.02, 0.02, recent_w={"gpu0": 200.0}, gpu_presence={"gpu0": "alone"})
    share, flags = only(window, context(GPU))
    assert share.energy_j.likely == pytest.approx(4.0)
    assert share.machine_energy_j.high == pytest.approx(6.0)
    assert share.resolution_j == pytest.approx(20.0)
    assert share.domain.quality == "modelled"
    assert flags == ("below-resolution:gpu0",)


def test_a_cpu_window_below_the_step_follows_its_cpu_seconds():
    # half a millisecond: 10 W idle, and 25 J a CPU second as learned.
    window = Window(0.0005, {PACKAGE: 0.0}, 0.0004, 0.0004, j_per_cpu_s={"package-0": 25.0})
    share, flags = only(window, context(PACKAGE))
    assert share.energy_j.likely == pytest.approx(0.0005 * 10 + 0.0004 * 25)
    assert flags == ("below-resolution:package-0",)


def test_a_cpu_counter_that_stands_still_is_modelled_and_said():
    share, flags = only(Window(2.0, {PACKAGE: 0.0}, 2.0, 2.0), context(PACKAGE))
    # table: 10 W idle, 100 W with all four CPUs busy: 22.5 J for each CPU second
    assert share.energy_j.likely == pytest.approx(2 * 10 + 2 * 22.5)
    assert flags == ("frozen:package-0",)


def test_a_gpu_counter_that_stands_still_while_the_card_works_is_said():
    window = Window(10.0, {GPU: 0.0}, 1.0, 1.0, gpu_presence={"gpu0": "alone"}, gpu_busy_s={"gpu0": (5.0, 5.0)})
    share, flags = only(window, context(GPU))
    assert share.energy_j.likely == pytest.approx(200)
    assert flags == ("frozen:gpu0",)


def test_a_gpu_that_sleeps_counts_nothing():
    share, flags = only(Window(10.0, {GPU: 0.0}, 1.0, 1.0, gpu_presence={"gpu0": "empty"}), context(GPU))
    assert (share.energy_j.likely, flags) == (0.0, ())


@pytest.mark.parametrize(
    ("presence", "allotted", "kernel_share", "expected_j"),
    [
        ("alone", (), 1.0, 1000.0),  # all of it
        ("empty", (), 1.0, 200.0),  # nobody computes: its idle is the only kernel's
        ("empty", (), 0.5, 100.0),  # ... or half of it
        ("absent", (), 1.0, 0.0),  # somebody else's card
        ("absent", ("gpu0",), 1.0, 200.0),  # allotted to us, idle is ours
        ("absent", ("gpu0",), 0.5, 0.0),
    ],
)
def test_a_gpu_is_billed_by_who_computes_on_it(presence, allotted, kernel_share, expected_j):
    window = Window(10.0, {GPU: 1000.0}, 1.0, 1.0, gpu_presence={"gpu0": presence})
    share, _ = only(window, context(GPU, gpus_allotted=allotted, kernel_share=kernel_share))
    assert share.energy_j.likely == pytest.approx(expected_j)


def test_a_shared_gpu_is_split_by_sm_seconds():
    window = Window(10.0, {GPU: 1000.0}, 1.0, 1.0, gpu_presence={"gpu0": "shared"}, gpu_busy_s={"gpu0": (3.0, 4.0)})
    share, flags = only(window, context(GPU))
    assert share.energy_j.likely == pytest.approx(0.75 * 800)  # idle 200 J is not allotted to us
    assert flags == ()


@pytest.mark.parametrize(("all_s", "expected_j"), [(3.0, 800 + 0.5 * 200), (4.0, 0.75 * 800)])
def test_where_the_driver_lists_nobody_who_works_alone_has_its_idle_too(all_s, expected_j):
    window = Window(10.0, {GPU: 1000.0}, 1.0, 1.0, gpu_busy_s={"gpu0": (3.0, all_s)})
    share, flags = only(window, context(GPU, kernel_share=0.5))
    assert share.energy_j.likely == pytest.approx(expected_j)
    assert flags == ()


def test_a_cell_shorter_than_a_step_has_what_its_device_went_on_doing_for_it():
    after = Window(0.04, {GPU: 8.0}, 0.0, 0.0, idle_w={"gpu0": 20.0}, gpu_presence={"gpu0": "alone"})
    seen = {"idle_w": {"gpu0": 20.0}, "recent_w": {"gpu0": 120.0}, "gpu_presence": {"gpu0": "alone"}}
    share, flags = only(Window(0.05, {GPU: 0.0}, 0.0, 0.0, after=after, **seen), context(GPU))
    assert share.energy_j.likely == pytest.approx(0.05 * 120 + 8)  # the power seen lately, and the work after it
    assert (share.domain.quality, flags) == ("modelled", ("below-resolution:gpu0",))


def test_a_shared_gpu_without_samples_is_between_none_and_all():
    window = Window(10.0, {GPU: 1000.0}, 1.0, 1.0, gpu_presence={"gpu0": "shared"})
    share, flags = only(window, context(GPU))
    assert share.energy_j.low == pytest.approx(0, abs=1e-6)
    assert share.energy_j.high >= 800
    assert flags == ("gpu-share-unknown:gpu0",)


def test_memory_is_shared_among_the_kernels():
    share, _ = only(Window(10.0, {MEMORY: 30.0}, 0.0, 5.0), context(MEMORY, ram_share=0.5))
    assert share.energy_j.likely == pytest.approx(15)


def test_a_sources_bias_widens_the_range():
    domain = replace(MODEL, spread=Interval(0.5, 1.0, 2.0))
    share, _ = only(Window(10.0, {domain: 100.0}, 10.0, 10.0, idle_w={"package-0": 10.0}), context(domain))
    assert share.machine_energy_j == Interval(50.0, 100.0, 200.0)
    assert share.energy_j.low <= 51
    assert share.energy_j.high >= 199


seconds = st.floats(0.001, 1e4)


@given(
    duration_s=seconds,
    power_w=st.floats(0, 5e3),
    idle_w=st.floats(0, 500),
    cpu_s=st.lists(st.floats(0, 1e4), min_size=1, max_size=6),
    others_s=st.floats(0, 1e4),
)
def test_the_parts_of_all_kernels_never_exceed_the_machine(duration_s, power_w, idle_w, cpu_s, others_s):
    energy_j = power_w * duration_s
    ctx = context(MODEL, MEMORY, idle_share=1 / len(cpu_s), ram_share=1 / len(cpu_s), idle_w={"package-0": idle_w})
    busy_s = sum(cpu_s) + others_s
    mine_j = 0.0
    for own_s in cpu_s:
        shares, _ = attribute(Window(duration_s, {MODEL: energy_j, MEMORY: energy_j}, own_s, busy_s), ctx)
        mine_j += sum(share.energy_j.likely for share in shares)
        for share in shares:
            assert share.energy_j.low <= share.energy_j.likely <= share.energy_j.high * (1 + 1e-12)
            assert share.idle_energy_j.likely <= share.energy_j.likely * (1 + 1e-9) + 1e-12
    assert mine_j <= 2 * energy_j * (1 + 1e-9) + 1e-12


presences = st.sampled_from(["alone", "shared", "empty"])


@given(kernels=st.integers(1, 5), busy=st.floats(0.1, 100), own=st.lists(st.floats(0, 100), min_size=5, max_size=5))
def test_kernels_on_one_gpu_never_exceed_it(kernels, busy, own):
    """Each kernel sees the card as shared, allotted to it, and its own part of the SM-seconds."""
    mine_s = own[:kernels]
    all_s = sum(mine_s) + busy
    ctx = context(GPU, gpus_allotted=("gpu0",), kernel_share=1 / kernels)
    total_j = sum(
        attribute(
            Window(10.0, {GPU: 1000.0}, 1.0, 1.0, gpu_presence={"gpu0": "shared"}, gpu_busy_s={"gpu0": (s, all_s)}), ctx
        )[0][0].energy_j.likely
        for s in mine_s
    )
    assert total_j <= 1000 * (1 + 1e-9)
