"""A session in words and as a table: the value of `%carbon`."""

from __future__ import annotations

import html
from collections.abc import Sequence

from jupyter_carbon.footprint import Totals
from jupyter_carbon.grid.series import rank
from jupyter_carbon.grid.timeline import weighed
from jupyter_carbon.model import Basis, CarbonIntensity, CellRecord, Method
from jupyter_carbon.report.known import place, quality_of
from jupyter_carbon.report.summary import beside, headline, of_machine
from jupyter_carbon.units import duration_text, mass_text

SHOWN = 10


def means(records: Sequence[CellRecord]) -> list[CarbonIntensity]:
    """What the cells of each place were told with: the mean of their slots, weighed by their energy, or its year."""
    by_place: dict[tuple[str, Basis, Method, bool], list[CellRecord]] = {}
    for record in records:
        used = record.intensity
        by_place.setdefault((used.region, used.basis, used.method, used.start is None), []).append(record)
    return [_mean(cells) for cells in by_place.values()]


def _mean(cells: Sequence[CellRecord]) -> CarbonIntensity:
    parts = [(cell.footprint.facility_energy_kwh.likely, cell.intensity) for cell in cells]
    starts = [used.start for _, used in parts if used.start is not None]
    ends = [used.end for _, used in parts if used.end is not None]
    return weighed(parts, start=min(starts, default=None), end=max(ends, default=None))


class SessionText:
    """Shows itself as text in a console and as a table in a notebook."""

    def __init__(self, totals: Totals, records: Sequence[CellRecord], intensity: CarbonIntensity) -> None:
        self._totals, self._intensity = totals, intensity
        self._records = sorted(records, key=lambda r: r.footprint.facility_energy_kwh.likely, reverse=True)[:SHOWN]
        self._quality = quality_of(share for record in records for share in record.shares)
        self._places = means(records) or [intensity]
        # Life-cycle and direct, average and marginal figures are never added up.
        self._mixed = len({(one.basis, one.method) for one in self._places}) > 1
        by_hour = len(records) == totals.cells and any(record.yearly is not None for record in records)
        by_year = [record.yearly_gco2e or record.footprint.operational_gco2e for record in records]
        self._by_year_gco2e = sum(grams.likely for grams in by_year) if by_hour else None

    def lines(self) -> list[str]:
        """The session's sentences, the headline first."""
        totals = self._totals
        if totals.footprint is None:
            return ["No cell has been metered yet."]
        cells = f"{totals.cells} cell{'s' * (totals.cells != 1)}"
        here, *elsewhere = sorted(
            self._places, key=lambda one: (one.region != self._intensity.region, one.start is None)
        )
        energy, grams = headline(totals.footprint, self._quality, max(self._places, key=rank))
        if self._mixed:
            grams = "CO₂e not summed: these cells have intensities of different kinds"
        lines = [
            f"This session: {energy} · {grams}",
            f"{cells}, {duration_text(totals.busy_s)} busy · {of_machine(totals.footprint, self._quality)}",
            f"{place(here)}",
            beside(totals.footprint),
        ]
        if self._by_year_gco2e is not None and not self._mixed:
            lines.insert(3, f"by the yearly figure {mass_text(self._by_year_gco2e, 'modelled')} CO₂e")
        if elsewhere:
            lines.insert(3, f"some cells were told with another: {'; '.join(map(place, elsewhere))}")
        if totals.between is not None:
            between = headline(totals.between, "modelled", here)
            lines.insert(2, f"between cells, in no cell: {between[0]} over {duration_text(totals.between_s)}")
        return lines

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The costliest cells: number, label, energy, grams."""
        rows = []
        for record in self._records:
            energy, grams = headline(record.footprint, quality_of(record.shares), record.intensity)
            count = record.run.execution_count
            rows.append((f"[{'-' if count is None else count}]", record.run.label or "", energy, grams))
        return rows

    def __repr__(self) -> str:
        return "\n".join([*self.lines(), *("  ".join((f"{r[0]:>5}", f"{r[1]:<20}", r[2], r[3])) for r in self.rows())])

    def _repr_html_(self) -> str:
        head, *rest = (html.escape(line) for line in self.lines())
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>" for row in self.rows()
        )
        titles = "".join(f'<th scope="col">{title}</th>' for title in ("cell", "label", "energy", "CO₂e (5 – 95 %)"))
        table = f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>" if body else ""
        return f"<div><strong>{head}</strong>{''.join(f'<div>{line}</div>' for line in rest)}{table}</div>"
