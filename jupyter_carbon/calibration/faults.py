"""Which of a window's flags mean that a counter did not count in it, so that it can teach nothing.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

OF_COUNTERS = frozenset(
    {
        *("below-resolution", "frozen", "stuck", "read-failed", "counter-reset", "implausible"),
        *("gap", "gauge-gap", "gauge-swings", "suspended", "joined"),
    }
)
"""The others tell whose work it was, or of a device that has no counter: joules are none the worse."""


def not_counted(flags: Iterable[str], device: str | None = None) -> list[str]:
    """Those of one device, or of all.

    >>> not_counted(["stuck:gpu0", "device-order:gpu0", "gap:package-0", "concurrent"], "gpu0")
    ['stuck:gpu0']
    """
    parts = [(flag, *flag.partition(":")[::2]) for flag in flags]
    return [flag for flag, kind, of in parts if kind in OF_COUNTERS and of and device in (None, of)]
