"""How long a job will run, from the work in it: operations over what the hardware achieves of its peak."""

from __future__ import annotations

from typing import Literal

from jupyter_carbon.estimate import hardware
from jupyter_carbon.estimate.priors import Priors, shipped
from jupyter_carbon.model import HardwareSpec, Interval, UnknownHardware

TRAINING_FLOP, INFERENCE_FLOP = 6.0, 2.0
"""Operations for each parameter and token: forward 2, backward twice that (Kaplan et al. 2020, arXiv 2001.08361)."""


def flop_of(parameters: float, tokens: float, *, kind: Literal["training", "inference"] = "training") -> float:
    """Operations of a transformer over so many tokens: 6 N D to train it, 2 N D to use it.

    Of a mixture of experts `parameters` are the active ones.

    >>> f"{flop_of(175e9, 300e9):.3g}"
    '3.15e+23'
    """
    for name, value in (("parameters", parameters), ("tokens", tokens)):
        if not 0.0 < value < float("inf"):
            raise ValueError(f"{name}={value!r} is not possible; it must be greater than 0 and finite")
    return (TRAINING_FLOP if kind == "training" else INFERENCE_FLOP) * parameters * tokens


def peak_flop_per_s(spec: HardwareSpec) -> float:
    """The dense peak: of the matrix units where the card has them, else of 32-bit arithmetic."""
    tflops = spec.tensor_tflops or spec.fp32_tflops
    if tflops is None:
        raise UnknownHardware(f"no table knows the peak of {spec.name}; give the hours instead of the work")
    return tflops * 1e12


def runtime_h(
    flop: float,
    gpu: str,
    n_gpu: float = 1,
    *,
    kind: Literal["training", "inference"] = "training",
    mfu: float | None = None,
    priors: Priors | None = None,
) -> Interval:
    """Hours on `n_gpu` of these, at the share `mfu` of their dense peak; a range where it is not given.

    `mfu` is model FLOP utilisation: operations that the model needs over those that the card could do.
    """
    if not 0.0 < flop < float("inf"):
        raise ValueError(f"flop={flop!r} is not possible; it must be greater than 0 and finite")
    if not 0.0 < n_gpu < float("inf"):
        raise ValueError(f"n_gpu={n_gpu!r} is not possible; it must be 1 or more")
    if mfu is not None and not 0.0 < mfu <= 1.0:
        raise ValueError(f"mfu={mfu!r} is not possible; it must be above 0 and at most 1")
    at_peak_h = flop / (peak_flop_per_s(hardware.gpu(gpu)) * n_gpu) / 3600.0
    share = Interval.exact(mfu) if mfu is not None else (priors or shipped())("mfu", ("gpu",), kind).belief
    return Interval(at_peak_h / share.high, at_peak_h / share.likely, at_peak_h / share.low)
