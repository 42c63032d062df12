"""Training against use, new against old, better against more: when a saving is one."""

from __future__ import annotations

import math


def development_kwh(
    training_kwh: float, *, experiments: float = 0.0, retrainings: float = 0.0, retraining_share: float = 1.0
) -> float:
    """Energy of making a model: its training, `experiments` times as much spent on the way to it, and so many
    retrainings, each `retraining_share` of the first.

    >>> development_kwh(100.0, experiments=2.0, retrainings=4, retraining_share=0.25)
    400.0
    """
    for name, value in (
        ("training_kwh", training_kwh),
        ("experiments", experiments),
        ("retrainings", retrainings),
        ("retraining_share", retraining_share),
    ):
        _not_negative(name, value)
    return training_kwh * (1.0 + experiments + retrainings * retraining_share)


def break_even_calls(making_kwh: float, old_kwh_per_call: float, new_kwh_per_call: float) -> float | None:
    """Calls after which a model that takes less energy each has paid for its making; `None`: it never does.

    >>> break_even_calls(1000.0, 0.003, 0.002), break_even_calls(1000.0, 0.002, 0.002)
    (1000000.0, None)
    """
    _not_negative("making_kwh", making_kwh)
    _not_negative("old_kwh_per_call", old_kwh_per_call)
    _not_negative("new_kwh_per_call", new_kwh_per_call)
    saved = old_kwh_per_call - new_kwh_per_call
    return round(making_kwh / saved, 6) if saved > 0.0 else None


def calls_as_costly_as_training(making_kwh: float, kwh_per_call: float) -> float:
    """Calls that take as much energy as making the model did: beyond them, use is the larger half."""
    _not_negative("making_kwh", making_kwh)
    if not 0.0 < kwh_per_call < math.inf:
        raise ValueError(f"kwh_per_call={kwh_per_call!r} is not possible; it must be greater than 0")
    return making_kwh / kwh_per_call


def hardware_break_even_h(embodied_kgco2e: float, old_w: float, new_w: float, gco2e_per_kwh: float) -> float | None:
    """Hours of use after which a new device that draws less has paid for its manufacture on this grid; `None`: never.

    On a clean grid that may be longer than its life.

    >>> hardware_break_even_h(150.0, 300.0, 200.0, 500.0)
    3000.0
    """
    for name, value in (("embodied_kgco2e", embodied_kgco2e), ("old_w", old_w), ("new_w", new_w)):
        _not_negative(name, value)
    _not_negative("gco2e_per_kwh", gco2e_per_kwh)
    saved_kg_per_h = (old_w - new_w) / 1000.0 * gco2e_per_kwh / 1000.0
    return embodied_kgco2e / saved_kg_per_h if saved_kg_per_h > 0.0 else None


def rebound(old_per_run: float, new_per_run: float, old_runs: float, new_runs: float) -> float:
    """The share of an expected saving that more runs eat up; above 1 it backfires.

    `old_per_run` and `new_per_run` are energies (or grams) in one unit.

    >>> round(rebound(1.0, 0.6, 100, 150), 12)
    0.75
    """
    for name, value in (("new_per_run", new_per_run), ("old_runs", old_runs), ("new_runs", new_runs)):
        _not_negative(name, value)
    expected = old_runs * (old_per_run - new_per_run)
    if not expected > 0.0:
        raise ValueError(f"new_per_run={new_per_run!r} saves nothing; it must be less than old_per_run={old_per_run!r}")
    return 1.0 - (old_runs * old_per_run - new_runs * new_per_run) / expected


def _not_negative(name: str, value: float) -> None:
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name}={value!r} is not possible; it must be 0 or more, and finite")
