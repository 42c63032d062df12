"""Everything a person may set: `%config Carbon.region = "FR"`, `ipython_config.py`, or `JUPYTER_CARBON_*`.

Read by `session.py` and passed down as values.  The environment fills what the configuration leaves open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from traitlets import Bool, Enum, Float, TraitError, Unicode, validate
from traitlets.config import Config, Configurable

from jupyter_carbon.grid import PROVIDERS
from jupyter_carbon.grid import region as regions
from jupyter_carbon.ledger import place
from jupyter_carbon.model import LedgerError, UnknownRegion

PREFIX = "JUPYTER_CARBON_"


class _Number(Float[Any, Any]):
    """A number within bounds, which whoever is refused is told."""

    def info(self) -> str:
        return f"a number from {self.min:g} to {self.max:g}"

    def validate(self, obj: Any, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.min <= value <= self.max:
            self.error(obj, value)
        return float(value)

    def from_string(self, s: str) -> Any:
        try:
            return super().from_string(s)
        except ValueError:
            return s  # to be refused as what it is


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
    pue = _Number(
        None, allow_none=True, min=1.0, max=5.0, help="Power usage effectiveness; empty: by region and machine."
    ).tag(config=True)
    tdp_w = _Number(
        None, allow_none=True, min=1.0, max=2000.0, help="Rated watts of all CPUs together; empty: from the tables."
    ).tag(config=True)

    live = Bool(True, help="Ask the source of a region that you named what it carries now, in the background.").tag(
        config=True
    )
    provider = Enum(["", *PROVIDERS], "", help="The live source to ask; empty: the first that serves the region.").tag(
        config=True
    )
    area = Unicode(
        "", help="A part of the region in the source's words (a British postcode): sent to it, never written."
    ).tag(config=True)

    @validate("region")
    def _known_region(self, proposal: Mapping[str, Any]) -> str:
        text = str(proposal["value"]).strip()
        if text:
            try:
                regions.resolve(text)
            except UnknownRegion as err:
                raise TraitError(str(err)) from err
        return text

    @validate("ledger")
    def _possible_ledger(self, proposal: Mapping[str, Any]) -> str:
        text = str(proposal["value"]).strip()
        if text:
            try:
                place.locate(text)
            except OSError as err:  # a name too long
                raise TraitError(f"no ledger can lie there: {err.strerror}") from err
            except (LedgerError, RuntimeError, ValueError) as err:  # a URL; ~nobody; a NUL
                raise TraitError(f"no ledger can lie there: {err}") from err
        return text

    @classmethod
    def of(cls, parent: Configurable) -> tuple[Carbon, tuple[str, ...]]:
        """The settings of a shell, and a sentence for each value in its configuration that was refused."""
        try:
            return cls(parent=parent), ()
        except TraitError:
            written = parent.config["Carbon"]
        good, refused = {}, []
        for name, value in written.items():
            try:
                cls(config=Config(Carbon={name: value}))
            except TraitError as err:
                refused.append(f"c.Carbon.{name} = {_short(value)} is ignored: {err}")
            else:
                good[name] = value
        return cls(parent=parent, config=Config(Carbon=good)), tuple(refused)

    def fill_from(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Take `JUPYTER_CARBON_<NAME>` for every setting that is still at its default.

        Returns a sentence for each value that was refused: a wrong variable must not keep cells from running.
        """
        if not any(name.startswith(PREFIX) for name in environ):
            return ()  # as mostly: to go through all traits takes a tenth of a millisecond of every load
        refused = []
        for name, trait in self.traits(config=True).items():
            text = environ.get(PREFIX + name.upper(), "").strip()
            if not text or getattr(self, name) != trait.default_value:
                continue
            try:
                setattr(self, name, trait.from_string(text))
            except (TraitError, ValueError) as err:
                refused.append(f"{PREFIX}{name.upper()}={_short(text)} is ignored: {err}")
        return tuple(refused)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
