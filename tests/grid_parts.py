"""Slots and timelines for the tests."""

from __future__ import annotations

from datetime import datetime, timezone

from jupyter_carbon.grid.series import iso
from jupyter_carbon.model import CarbonIntensity, Interval

TEN_S = datetime(2026, 11, 21, 10, tzinfo=timezone.utc).timestamp()


def slot(index, grams, status="actual", *, minutes=30, basis="lifecycle", method="average", wide=1.0):
    """The half-hour so many after ten o'clock."""
    start_s = TEN_S + index * minutes * 60
    return CarbonIntensity(
        gco2e_per_kwh=Interval(grams / wide, grams, grams * wide),
        region="GB",
        name="United Kingdom",
        basis=basis,
        method=method,
        status=status,
        source="a source",
        year=None,
        start=iso(start_s),
        end=iso(start_s + minutes * 60),
    )
