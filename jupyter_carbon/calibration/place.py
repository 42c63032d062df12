"""Where the calibrations of this account's machines lie: asked often, and by who imports nothing to hear of none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jupyter_carbon.ledger import default_path


def folder(environ: Mapping[str, str]) -> Path:
    """One file for each machine lies there; it is not made before anything is calibrated."""
    return default_path(environ).parent / "calibration"
