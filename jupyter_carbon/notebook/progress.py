"""The bar of `jc.track` under a cell: one display, replaced in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle

if TYPE_CHECKING:
    from jupyter_carbon.estimate.tracking import Progress


class Bar:
    """Shows the newest state of a loop where the first was shown."""

    def __init__(self) -> None:
        self._handle: DisplayHandle | None = None

    def __call__(self, progress: Progress) -> None:
        """Show where the loop stands now."""
        bundle: dict[str, Any] = {"text/plain": progress.text, "text/html": progress.html}
        if self._handle is None:
            self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
            self._handle.display(bundle, raw=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)  # type: ignore[no-untyped-call]


def bar_of_kernel() -> Bar | None:
    """A bar, where this process is a notebook's kernel; a terminal's IPython shows no displays in place."""
    shell = get_ipython()
    return None if getattr(shell, "kernel", None) is None else Bar()
