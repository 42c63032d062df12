"""What does this cell cost the planet?  Energy and carbon of notebook cells, with how each number is known.

>>> %load_ext jupyter_carbon        # in a notebook: every cell is metered from then on
>>> with jc.measure("load data") as cell: ...        # anywhere else
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_carbon.model import (
    CarbonError,
    CarbonIntensity,
    CellRecord,
    IntensityUnavailable,
    Interval,
    LedgerError,
    SourceUnavailable,
    UnknownHardware,
    UnknownRegion,
)

if TYPE_CHECKING:
    from jupyter_carbon.api import best_start, history, intensity, measure, track
    from jupyter_carbon.estimate.estimator import estimate
    from jupyter_carbon.estimate.own import plan
    from jupyter_carbon.estimate.workload import Workload
    from jupyter_carbon.report.efficiency import pareto, pepr
    from jupyter_carbon.report.equivalents import equivalents

__version__ = "0.1.0"

__all__ = [
    "CarbonError",
    "CarbonIntensity",
    "CellRecord",
    "IntensityUnavailable",
    "Interval",
    "LedgerError",
    "SourceUnavailable",
    "UnknownHardware",
    "UnknownRegion",
    "Workload",
    "__version__",
    "best_start",
    "equivalents",
    "estimate",
    "history",
    "intensity",
    "load_ipython_extension",
    "measure",
    "pareto",
    "pepr",
    "plan",
    "track",
    "unload_ipython_extension",
]

_HOMES = {
    **dict.fromkeys(("measure", "history", "intensity", "best_start", "track"), "jupyter_carbon.api"),
    "plan": "jupyter_carbon.estimate.own",
    "Workload": "jupyter_carbon.estimate.workload",
    "pepr": "jupyter_carbon.report.efficiency",
    "pareto": "jupyter_carbon.report.efficiency",
    "equivalents": "jupyter_carbon.report.equivalents",
}


def __getattr__(name: str) -> Any:
    """The functions that need more than words are imported when they are first asked for."""
    if name == "estimate":  # a package that can be called: once imported, it is found without us
        return import_module("jupyter_carbon.estimate")
    if name in _HOMES:
        function: Callable[..., Any] = getattr(import_module(_HOMES[name]), name)
        return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab's development install finds the built panel."""
    return [{"src": "labextension", "dest": "jupyter-carbon"}]


def load_ipython_extension(shell: object) -> None:
    """`%load_ext jupyter_carbon`: meter every cell of this shell from now on."""
    import_module("jupyter_carbon.notebook.extension").load(shell)


def unload_ipython_extension(shell: object) -> None:
    """`%unload_ext jupyter_carbon`: leave the shell as it was."""
    import_module("jupyter_carbon.notebook.extension").unload(shell)
