"""Everything a person may set: `%config Carbon.region = "FR"`, `ipython_config.py`, or `JUPYTER_CARBON_*`.

Read by `session.py` and passed down as values.  The environment fills what the configuration leaves open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from traitlets import Bool, Enum, Float, TraitError, Unicode, validate
from traitlets.config import Configurable

from jupyter_carbon.grid import region as regions
from jupyter_carbon.model import CarbonError, UnknownRegion

PREFIX = "JUPYTER_CARBON_"


class Carbon(Configurable):
    """What jupyter_carbon may be told."""

    region = Unicode(
        "", help="Where the electricity comes from: FR, US-CA, DK-DK1, aws:eu-west-3; empty: guessed."
    ).tag(config=True)
    ledger = Unicode("", help="Path of the ledger; empty: in Jupyter's data directory.").tag(config=True)
    metering = Bool(True, help="Meter every cell from the load of the extension on.").tag(config=True)
    badge = Enum(
        ["auto", "always", "never"],
        "auto",
        help="A line under a cell: for %%carbon cells (auto), for every cell, for none.",
    ).tag(config=True)
    pue = Float(None, allow_none=True, help="Power usage effectiveness, 1.0 to 5.0; empty: by region and machine.").tag(
        config=True
    )
    tdp_w = Float(None, allow_none=True, help="Rated watts of the CPU(s), 1 to 2000; empty: from the tables.").tag(
        config=True
    )

    @validate("region")
    def _known_region(self, proposal: Mapping[str, Any]) -> str:
        text = str(proposal["value"]).strip()
        if text:
            try:
                regions.resolve(text)
            except UnknownRegion as err:
                raise TraitError(str(err)) from err
        return text

    @validate("pue")
    def _possible_pue(self, proposal: Mapping[str, Any]) -> float | None:
        return _within("Carbon.pue", proposal["value"], 1.0, 5.0)

    @validate("tdp_w")
    def _possible_tdp(self, proposal: Mapping[str, Any]) -> float | None:
        return _within("Carbon.tdp_w", proposal["value"], 1.0, 2000.0)

    def fill_from(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Take `JUPYTER_CARBON_<NAME>` for every setting that is still at its default.

        Returns a sentence for each value that was refused: a wrong variable must not keep cells from running.
        """
        refused = []
        for name, trait in self.traits(config=True).items():
            text = environ.get(PREFIX + name.upper(), "").strip()
            if not text or getattr(self, name) != trait.default_value:
                continue
            try:
                setattr(self, name, trait.from_string(text))
            except (TraitError, ValueError, CarbonError) as err:
                refused.append(f"{PREFIX}{name.upper()}={text!r} is ignored: {err}")
        return tuple(refused)


def _within(name: str, value: float | None, low: float, high: float) -> float | None:
    if value is not None and not low <= value <= high:
        raise TraitError(f"{name} must lie between {low:g} and {high:g}, not {value:g}")
    return value
