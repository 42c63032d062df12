"""What runs: a word for the kind of work, and as much more as is known of it before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Literal, get_args

Kind = Literal[
    "training",
    "inference",
    "llm-inference",
    "image-generation",
    "video-generation",
    "vision-inference",
    "recommender-training",
    "speech-training",
    "nlp-training",
    "vision-training",
    "data-preparation",
    "hyperparameter-search",
    "interactive",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Computes = Literal["gpu", "cpu"]
DEVICES: tuple[Computes, ...] = get_args(Computes)

# The wider word to ask where a narrow one has no row of its own for a device.
WIDER: dict[str, str] = {
    "llm-inference": "inference",
    "image-generation": "inference",
    "video-generation": "inference",
    "vision-inference": "inference",
    "recommender-training": "training",
    "speech-training": "training",
    "nlp-training": "training",
    "vision-training": "training",
    "hyperparameter-search": "training",
}


@dataclass(frozen=True, slots=True)
class Workload:
    """A kind of work with the details that move a device's power.

    `batch_size` is samples in one step over all devices, `parameters` those that one sample passes through (of a
    mixture of experts: the active ones), `gflop_per_sample` the forward pass of one sample in 1e9 operations.
    `power_limit_w` is what a GPU's driver was told to hold it to.  `runs_on` says which device computes; the other one
    only serves it.
    """

    kind: Kind
    batch_size: float | None = None
    parameters: float | None = None
    gflop_per_sample: float | None = None
    power_limit_w: float | None = None
    runs_on: Computes = "gpu"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"workload={self.kind!r} is not known; one of: {', '.join(KINDS)}")
        if self.runs_on not in DEVICES:
            raise ValueError(f"workload runs_on={self.runs_on!r} is not known; one of: {', '.join(DEVICES)}")
        for name in ("batch_size", "parameters", "gflop_per_sample", "power_limit_w"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, Real) and 0.0 < float(value) < math.inf):
                raise ValueError(f"workload {name}={value!r} is not possible; it must be greater than 0 and finite")

    def size(self, measure: str, default_batch: float | None) -> float | None:
        """Work in one step over all devices, by the `measure` that a prior is told in; `None`: not known."""
        each = {"batch x parameters": self.parameters, "batch x GFLOP": self.gflop_per_sample}.get(measure)
        batch = self.batch_size or default_batch
        return None if each is None or batch is None else batch * each


def workload(what: str | Mapping[str, Any] | Workload | None) -> Workload | None:
    """A word, or the fields of a workload, made one; what is one already passes through.  Raises `ValueError`.

    >>> workload({"kind": "llm-inference", "batch_size": 8}).batch_size
    8
    """
    if what is None or isinstance(what, Workload):
        return what
    if isinstance(what, str):
        return Workload(what)  # type: ignore[arg-type]  # the class checks the word
    known = [each.name for each in fields(Workload)]
    told: object = what  # whoever calls without a type checker may give anything
    if not isinstance(told, Mapping) or "kind" not in told or set(told) - set(known):
        raise ValueError(f"workload={what!r} is no kind of work; a word, or a mapping of: {', '.join(known)}")
    return Workload(**told)
