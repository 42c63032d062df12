"""A loop that says what it will cost, and changes nothing of the loop."""

import io

from jupyter_carbon.estimate.tracking import Progress, Terminal, track
from jupyter_carbon.model import Interval


class Machine:
    """A clock and a counter that a loop's body moves on: 1 s and 10 J a step."""

    def __init__(self):
        self.now_s = self.joules = 0.0
        self.reads = 0

    def work(self, seconds=1.0, joules=10.0):
        self.now_s += seconds
        self.joules += joules

    def energy_j(self):
        self.reads += 1
        return self.joules

    def clock(self):
        return self.now_s


def run(steps, machine, *, total=None, every_s=0.5, seconds=1.0, grid=None):
    told, seen = [], []
    looped = track(
        steps,
        energy_j=machine.energy_j,
        show=told.append,
        total=total,
        clock=machine.clock,
        every_s=every_s,
        gco2e_per_kwh=grid,
    )
    for item in looped:
        seen.append(item)
        machine.work(seconds)
    return told, seen


def test_the_loop_gets_its_items_and_nothing_else():
    _, seen = run(["a", "b", "c"], Machine())
    assert seen == ["a", "b", "c"]


def test_after_one_of_ten_equal_steps_the_total_is_known():
    told, _ = run(range(10), Machine())
    assert told[0].done == 1
    assert abs(told[0].total_j.likely - 100.0) <= 5.0
    assert abs(told[0].total_s.likely - 10.0) <= 0.5


def test_the_last_word_is_what_was_counted():
    told, _ = run(range(10), Machine())
    assert told[-1].finished
    assert told[-1].total_j == Interval(100.0, 100.0, 100.0)


def test_quick_steps_are_not_slowed_down_by_looking_each_time():
    machine = Machine()
    run(range(1000), machine, every_s=0.5, seconds=0.01)
    assert machine.reads < 30


def test_a_generator_needs_to_be_told_its_length():
    machine = Machine()
    told, seen = run((i for i in range(3)), machine)
    assert (told, seen, machine.reads) == ([], [0, 1, 2], 0)
    told, _ = run((i for i in range(3)), Machine(), total=3)
    assert told[-1].finished


def test_more_steps_than_promised_run_on_untold():
    told, seen = run(range(5), Machine(), total=3)
    assert len(seen) == 5
    assert told[-1].done == 3


def test_an_empty_loop_says_nothing():
    assert run([], Machine()) == ([], [])


def test_grams_come_with_a_grid():
    told, _ = run(range(2), Machine(), grid=Interval(100.0, 200.0, 400.0))
    assert abs(told[-1].total_gco2e.likely - 20.0 / 3.6e6 * 200.0) < 1e-12
    assert "CO₂e" in told[-1].text
    assert "CO₂e" not in run(range(2), Machine())[0][-1].text


def progress(finished=False):
    return Progress(3, 10, 30.0, Interval(90.0, 100.0, 115.0), Interval(9.0, 10.0, 12.0), None, finished)


def test_a_line_holds_bar_total_range_and_time():
    assert progress().text == "███████░░░░░░░░░░░░░░░░░ 3/10 · ≈ 28 mWh (25 – 32 mWh) · 10.0 s in all"
    assert progress().html.startswith("<progress value='3' max='10'></progress>")
    assert "≈ 28 mWh" in progress().html


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_s_line_is_rewritten_and_ended_once():
    screen = Screen()
    show = Terminal(screen)
    show(progress())
    show(progress(finished=True))
    assert screen.getvalue().count("\r\x1b[K") == 2
    assert screen.getvalue().endswith("in all\n")


def test_a_file_gets_the_last_line_only():
    file = io.StringIO()
    show = Terminal(file)
    show(progress())
    show(progress(finished=True))
    assert file.getvalue().count("\n") == 1
