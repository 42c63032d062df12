"""Which of a window's flags mean that a device was not counted in it, so that it can teach nothing.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

NOT_OF_COUNTS = frozenset(
    {
        *("device-order", "gpu-share-unknown", "utilisation-failed"),  # whose work it was
        *("not-metered", "power-unknown"),  # a device that has no counter
        "counter-wrong",  # a gauge stands in for it
    }
)
"""Some of these stand for ever, and joules are none the worse."""


def not_counted(flags: Iterable[str], device: str | None = None) -> list[str]:
    """Those of one device, or of all.

    >>> not_counted(["stuck:gpu0", "device-order:gpu0", "gap:package-0", "concurrent"], "gpu0")
    ['stuck:gpu0']
    """
    parts = [(flag, *flag.partition(":")[::2]) for flag in flags]
    return [flag for flag, kind, of in parts if of and kind not in NOT_OF_COUNTS and device in (None, of)]
