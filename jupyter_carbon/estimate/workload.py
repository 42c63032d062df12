"""What runs: a word for the kind of work, and as much more as is known of it before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

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
    runs_on: Literal["gpu", "cpu"] = "gpu"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"workload={self.kind!r} is not known; one of: {', '.join(KINDS)}")
        for name in ("batch_size", "parameters", "gflop_per_sample", "power_limit_w"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"workload {name}={value!r} must be greater than 0 and finite")

    def size(self, measure: str, default_batch: float | None) -> float | None:
        """Work in one step over all devices, by the `measure` that a prior is told in; `None`: not known."""
        each = {"batch x parameters": self.parameters, "batch x GFLOP": self.gflop_per_sample}.get(measure)
        batch = self.batch_size or default_batch
        return None if each is None or batch is None else batch * each


def workload(what: str | Workload | None) -> Workload | None:
    """A word made a workload; what is one already passes through."""
    return Workload(what) if isinstance(what, str) else what  # type: ignore[arg-type]  # the class checks the word
