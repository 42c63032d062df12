"""Long work off the cell's path lets a cell in."""

from __future__ import annotations

import time

from jupyter_carbon.turns import STRETCH_S, in_turns


def test_nothing_is_lost_or_turned_round():
    assert list(in_turns(range(1000))) == list(range(1000))


def test_an_item_is_asked_for_when_the_one_before_is_done():
    asked = []
    turns = in_turns(asked.append(number) or number for number in range(3))
    assert (next(turns), asked) == (0, [0])


def test_work_is_broken_off_for_others_while_it_goes_on():
    """The pauses of 50 ms of work, seen by the clock of its own CPU: it stands still in each."""
    pauses = 0
    end_s = time.thread_time() + 0.05
    before_s, before_cpu_s = time.perf_counter(), time.thread_time()
    for _ in in_turns(iter(lambda: time.thread_time() < end_s, False)):
        now_s, now_cpu_s = time.perf_counter(), time.thread_time()
        pauses += (now_s - before_s) - (now_cpu_s - before_cpu_s) > 2e-5
        before_s, before_cpu_s = now_s, now_cpu_s
    assert pauses > 0.25 * 0.05 / STRETCH_S
