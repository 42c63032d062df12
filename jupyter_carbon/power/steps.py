"""What lies between two moves of a counter that moves seldom: a GPU's, every 20 to 100 ms.

At 700 W a step of 100 ms holds 70 J, and a cell of 3 s would be known to 3 %.  But the moves are regular.  Somebody
with time (the ticker, while cells run) looks until it has seen one, and from then on every reading knows how long ago
the last one was.  What has been used since is told by glances at the card's gauge, or is that time at the power before
it; and the next move tells what the whole step held, so a moment within it is known better afterwards (`at`).
"""

from __future__ import annotations

import math
import time
from collections import deque
from itertools import pairwise

from jupyter_carbon.power.counter import Seconds, WrappingCounter
from jupyter_carbon.power.gauge import Glances
from jupyter_carbon.value import value

SEEK_S = 0.002
"""Looks are so far apart while a move is sought, and half of that near one that is expected."""
SEEK_FOR = 2.5
"""Steps after which a counter that has not moved is left alone for a while: its device sleeps."""
REST_S, LONGEST_REST_S = 1.0, 60.0
"""How long it is left alone, and how long at most, while it goes on not to move."""
AGAIN_S = 0.15
"""How often the moves are looked at again once they are known: a counter that stops is to be found out."""
FAR_S = 1.0
"""So far apart two moves tell their distance best: clocks drift, and what was seen is good to a look."""
FIRST_DRIFT = 0.15
"""How well the distance of two moves is known at first, at least; then others farther away tell it better."""
LEAST_DRIFT = 1e-5
"""Two crystals agree no better, in seconds a second."""
FOUND = 0.25
"""Two looks at most this part of a step apart have seen a move between them."""
REGULAR = 0.1
"""Moves are not quite regular: their moment is never believed to be known better than to this part of a step
(assumed)."""
LATE = 1.2
"""A counter that has not moved for so many steps may have stopped."""
KEPT_MOVES = 32
SWING_S = 1.0
"""Power that was steady for so long is steady."""
FORGET = 0.8
"""What is left, from step to step, of how well its joules were told beforehand."""
LEAST_OFF = 0.02, 0.1
"""Glances, and the power before, are never taken to tell a step better than to this part of it (assumed)."""
BESIDE = 3.5
"""Two moves so many steps apart, or nearer, tell what was used at a moment between them."""


class SteppedCounter:
    """A counter that moves every `step_s` seconds or more often, told between its moves too.

    The answer never falls, as that of `counter` never does; the next move takes back what was said too much.
    `glances` are at a gauge of the same card.
    """

    def __init__(
        self,
        counter: WrappingCounter,
        *,
        step_s: float,
        glances: Glances | None = None,
        clock: Seconds = time.monotonic,
    ) -> None:
        self._counter, self._step_s, self._glances, self._clock = counter, step_s, glances, clock
        self._seen_j, self._seen_s = counter.energy_j(), clock()
        self._said_j = self._told_j = self._seen_j  # said to somebody, and at the last look
        self._moves: deque[tuple[float, float]] = deque(maxlen=KEPT_MOVES)  # when, and to how much
        self._off_j2 = (0.0, 0.0)  # how far off glances, and the power before, were of late
        self._move: _Move | None = None  # the last that was seen
        self._anchor: _Move | None = None  # an earlier one, from which their distance is taken
        self._period_s: float | None = None  # how far moves are apart, and how well that is known, in seconds a second
        self._drift = 0.0
        self._mark: _Move | None = None  # an earlier one, and the mean power since then
        self._power_w = 0.0
        self._unsteady = 1.0  # how far the mean power of a step is from that of the one before, as a part of it
        self._changed_s, self._drops = self._seen_s, 0
        self._next_look_s = self._watched_s = self._seen_s
        self._sought: tuple[float, float] | None = None  # since when a move is sought, and what was counted then
        self._rest_s = REST_S

    def energy_j(self) -> float:
        """Joules so far."""
        if self._glances is not None:
            self._glances.at_edge()
        told_j = self._look(self._clock())
        if told_j > self._said_j:
            self._said_j = told_j
        return self._said_j

    def at(self, t_s: float) -> float | None:
        """Joules at a moment that has passed, by the moves on either side of it; None until there are both."""
        later = next((index for index, move in enumerate(self._moves) if move[0] > t_s), 0)
        if later < 2:  # the power before is that between the two before
            return None
        (past_s, past_j), (from_s, from_j), (to_s, to_j) = (self._moves[later - back] for back in (2, 1, 0))
        if to_s - from_s > BESIDE * self._step_s:
            return None
        before_w, step_j = (from_j - past_j) / (from_s - past_s), to_j - from_j
        before_j, even_j = before_w * (t_s - from_s), step_j * (t_s - from_s) / (to_s - from_s)
        if self._glances is None:
            # At steady power what is new in the step began with the cell; where it swings, at any moment.
            return from_j + before_j + (even_j - before_j) * self._swing_before(later)
        if not self._glances.have_seen(to_s):
            return None
        part_j = self._glances.split_j(from_s, t_s, to_s, total_j=step_j, before_w=before_w)
        return None if part_j is None else from_j + self._weighed_j(part_j, before_j)

    def _swing_before(self, later: int) -> float:
        """How far the power of the steps before a move was from steady, from 0 to 1."""
        moves = [move for move in list(self._moves)[:later] if self._moves[later][0] - move[0] < SWING_S]
        powers_w = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(moves)]
        return 1.0 - min(powers_w) / max(powers_w) if powers_w and max(powers_w) > 0.0 else 0.0

    def edge_s(self) -> float:
        """How well the moment of the last move is known now, as the width of a range; where power changes from step to
        step, what has been used since then is not known even where that moment is."""
        now_s, period_s = self._clock(), self._period_s or self._step_s
        still_s = now_s - self._changed_s
        if still_s > LATE * self._step_s:
            return 2.0 * min(still_s, 2.0 * self._step_s)  # it errs to one side
        return min(self._step_s, 2.0 * self._doubt_s(now_s) + (REGULAR + self._unsteady) * period_s)

    def watch(self) -> float:
        """Look for a move, if it is time, and at the gauge; the seconds until this wants to be called again."""
        wait_s = self._seek()
        return wait_s if self._glances is None else min(wait_s, self._glances.watch())

    def _seek(self) -> float:
        now_s = self._clock()
        if now_s < self._next_look_s:
            return self._next_look_s - now_s
        if self._sought is None or now_s - self._watched_s > self._step_s:  # or nobody has looked meanwhile
            self._sought = (now_s, self._seen_j)
        self._watched_s = now_s
        since_s, then_j = self._sought
        self._look(now_s)
        if self._period_s is not None and self._move is not None and self._move.t_s >= since_s:
            self._rest_s = REST_S
            wait_s = min(AGAIN_S, self._period_s / 12 / self._drift)
            moves = math.ceil((now_s + wait_s - self._move.t_s) / self._period_s)
            self._rest_until(self._move.t_s + moves * self._period_s - SEEK_S - self._drift * wait_s)
        elif now_s - since_s > SEEK_FOR * self._step_s:
            self._rest_s = min(2.0 * self._rest_s, LONGEST_REST_S) if self._seen_j == then_j else REST_S
            self._rest_until(now_s + self._rest_s)
        else:
            self._next_look_s = now_s + (SEEK_S if self._period_s is None else SEEK_S / 2)
        return self._next_look_s - now_s

    def _rest_until(self, moment_s: float) -> None:
        self._sought, self._next_look_s = None, moment_s

    def _look(self, now_s: float) -> float:
        count_j = self._counter.energy_j()
        if self._counter.drops != self._drops:  # a reset, a sleep: what was known of its moves was of another life
            self._drops = self._counter.drops
            self._moves.clear()
            self._move = self._anchor = self._mark = self._period_s = None
        if self._counter.guessing:  # it counts nothing, so nothing moves
            self._mark = None
        elif count_j != self._seen_j:
            between_s = now_s - self._seen_s
            if between_s <= FOUND * (self._period_s or self._step_s):
                self._saw(_Move(now_s - between_s / 2, count_j, between_s / 2))
            elif self._period_s is None:
                self._move = self._anchor = None  # the next to be seen is not the one after it
        if count_j != self._seen_j:
            self._changed_s = now_s
        told_j = count_j + self._since_move_j(now_s, count_j)
        self._seen_j, self._seen_s, self._told_j = count_j, now_s, told_j
        return told_j

    def _since_move_j(self, now_s: float, count_j: float) -> float:
        """What was used since the last move.  Nothing where it is not known how far moves are apart: then this is the
        counter as it is."""
        doubt_s, period_s = self._doubt_s(now_s), self._period_s
        if self._move is None or period_s is None:
            return 0.0
        if doubt_s > period_s / 4:  # known once, and so long ago that the last may have been at any moment
            return self._power_w * period_s / 2
        since_s, sure = self._age(now_s, count_j, self._move.t_s, period_s)
        moved_s = now_s - since_s
        if sure:
            self._note_move(moved_s, count_j, period_s)
        mean_j = self._power_w * since_s
        if self._glances is None:
            return mean_j
        glanced_j = self._glances.energy_j(moved_s, now_s, before_w=self._power_w)
        return mean_j if glanced_j is None else self._weighed_j(glanced_j, mean_j)

    def _age(self, now_s: float, count_j: float, move_s: float, period_s: float) -> tuple[float, bool]:
        """How long ago the last move was, by one at `move_s`, and whether that is sure."""
        doubt_s = self._doubt_s(now_s)
        since_s = (now_s - move_s) % period_s
        if min(since_s, period_s - since_s) > doubt_s:
            moved = _Move(now_s - since_s, count_j, doubt_s)
            if self._mark is None:
                self._mark = moved
            elif moved.t_s - self._mark.t_s >= 1.5 * period_s:
                self._learn(moved.mean_w_since(self._mark), moved)
            return since_s, True
        # Just moved, or about to.
        if count_j > self._seen_j and now_s - self._seen_s < period_s / 2:
            return since_s if since_s <= doubt_s else 0.0, True
        # Which of them is told by what should have been used since the look before.
        expected_j = self._told_j + self._power_w * (now_s - self._seen_s)
        ages_s = (since_s, since_s + period_s) if since_s <= doubt_s else (since_s, since_s - period_s)
        return max(0.0, min(ages_s, key=lambda age_s: abs(count_j + self._power_w * age_s - expected_j))), False

    def _note_move(self, moved_s: float, count_j: float, period_s: float) -> None:
        if self._counter.guessing:
            return
        last_s, last_j = self._moves[-1] if self._moves else (-math.inf, -math.inf)
        if count_j > last_j and moved_s > last_s + period_s / 2:
            self._moves.append((moved_s, count_j))
            self._compare()

    def _compare(self) -> None:
        """What the glances, and the power before, would have told of the step that has ended now: bursts shorter than
        the time between two glances have a mean that is steady, and a power of the moment that says nothing."""
        if self._glances is None or len(self._moves) < 3:
            return
        (past_s, past_j), (from_s, from_j), (to_s, to_j) = (self._moves[back] for back in (-3, -2, -1))
        before_w, used_j = (from_j - past_j) / (from_s - past_s), to_j - from_j
        glanced_j = self._glances.energy_j(from_s, to_s, before_w=before_w)
        if glanced_j is not None and to_s - from_s <= BESIDE * self._step_s:
            glances_j2, mean_j2 = self._off_j2
            self._off_j2 = (
                FORGET * glances_j2 + (glanced_j - used_j) ** 2 + (LEAST_OFF[0] * used_j) ** 2,
                FORGET * mean_j2 + (before_w * (to_s - from_s) - used_j) ** 2 + (LEAST_OFF[1] * used_j) ** 2,
            )

    def _weighed_j(self, glanced_j: float, mean_j: float) -> float:
        """What glances and the power before tell of the same part of a step, each by how it has told whole ones."""
        glances_j2, mean_j2 = self._off_j2
        both_j2 = glances_j2 + mean_j2
        return (glanced_j * mean_j2 + mean_j * glances_j2) / both_j2 if both_j2 > 0.0 else glanced_j

    def _learn(self, power_w: float, move: _Move) -> None:
        """Take this for the mean power up to `move`."""
        most_w = max(power_w, self._power_w)
        self._unsteady = abs(power_w - self._power_w) / most_w if most_w > 0.0 else 1.0
        self._power_w, self._mark = power_w, move

    def _doubt_s(self, now_s: float) -> float:
        """How far off the last move may be."""
        if self._move is None or self._period_s is None:
            return self._step_s
        return self._move.doubt_s + self._drift * abs(now_s - self._move.t_s)

    def _saw(self, move: _Move) -> None:
        """Take a move for known; with one seen before it tells how far moves are apart."""
        earlier, self._move = self._anchor, move
        if earlier is None:
            self._anchor = move
            return
        apart_s, both_s = move.t_s - earlier.t_s, move.doubt_s + earlier.doubt_s
        if self._period_s is None:
            if both_s <= FIRST_DRIFT * apart_s:  # the very next move: no look has missed one
                self._period_s, self._drift = apart_s, both_s / apart_s
                self._learn(move.mean_w_since(earlier), move)
            else:
                self._anchor = move
            return
        count, doubt_s = round(apart_s / self._period_s), self._drift * apart_s + both_s
        if count < 1 or doubt_s > self._period_s / 3:
            self._anchor = move  # so long ago that steps may have been miscounted: only this moment is known
        elif abs(apart_s - count * self._period_s) > doubt_s + REGULAR * self._period_s:
            self._period_s = self._mark = None  # not as regular as it was taken to be
            self._anchor = move
        else:
            if both_s / apart_s < self._drift:
                self._period_s, self._drift = apart_s / count, max(both_s / apart_s, LEAST_DRIFT)
            if apart_s > FAR_S:
                self._period_s, self._drift = apart_s / count, max(both_s / apart_s, LEAST_DRIFT)
                self._anchor = move


@value
class _Move:
    """A move of the counter: when, to what, and how well the moment is known."""

    t_s: float
    joules: float
    doubt_s: float

    def mean_w_since(self, earlier: _Move) -> float:
        return max(0.0, self.joules - earlier.joules) / (self.t_s - earlier.t_s)
