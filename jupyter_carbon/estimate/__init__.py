"""What a run would cost, before it runs: `estimate(gpu="H100", hours=72)` itself, and the modules behind it.

The package bears the name of the function that everybody wants, so it can be called: whichever of its modules was
imported first, `jupyter_carbon.estimate(...)` estimates.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Called(ModuleType):
    """A package that is a function too; the work is :func:`jupyter_carbon.estimate.estimator.estimate`, by what was
    measured of this machine's own parts."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        from jupyter_carbon.estimate.own import estimate_here  # noqa: PLC0415  (it needs numpy)

        return estimate_here(*args, **named)

    @property
    def __signature__(self) -> Any:
        import inspect  # noqa: PLC0415  (when somebody asks for help)

        from jupyter_carbon.estimate.estimator import estimate  # noqa: PLC0415

        return inspect.signature(estimate)


sys.modules[__name__].__class__ = _Called
