"""The ledger as a panel shows it: bars over a period, the largest notebooks, this month.  Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

from jupyter_carbon.ledger.rollup import NOTHING, Found, Kind, RollUp
from jupyter_carbon.notebook.protocol import HISTORY_ROWS, LABEL_CHARS, VERSION, clip, digits, range_of

if TYPE_CHECKING:
    from jupyter_carbon.notebook.wire import HistoryAnswer, Period

BarUnit = Literal["hour", "day", "week", "month"]
MONTHS = 60
"""Of the longest picture; what is older stands in its first bar."""


def edges(period: Period, now_s: float, utc_offset_s: int) -> tuple[BarUnit, list[datetime]]:
    """Where the bars of a period begin, in the reader's own time; the last one holds `now_s`."""
    now = datetime.fromtimestamp(now_s, timezone(timedelta(seconds=utc_offset_s)))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "today":
        return "hour", [midnight + timedelta(hours=hour) for hour in range(now.hour + 1)]
    if period in ("7d", "30d"):
        days = 7 if period == "7d" else 30
        return "day", [midnight - timedelta(days=back) for back in reversed(range(days))]
    this_month = now.year * 12 + now.month - 1
    months = [divmod(month, 12) for month in range(this_month - MONTHS + 1, this_month + 1)]
    return "month", [midnight.replace(year=year, month=month + 1, day=1) for year, month in months]


def month_start(now_s: float, utc_offset_s: int) -> float:
    """The first of the reader's month."""
    return edges("all", now_s, utc_offset_s)[1][-1].timestamp()


def seconds(starts: list[datetime], period: Period) -> list[float]:
    """The edges for the ledger: the longest picture begins with everything before it."""
    first, *rest = (start.timestamp() for start in starts)
    return [0.0 if period == "all" else first, *rest]


def history_answer(
    found: Found,
    month: Found,
    *,
    period: Period,
    now_s: float,
    utc_offset_s: int,
    here: str | None,
) -> HistoryAnswer:
    """The answer, in the kind of intensity that most of the energy was told by; other kinds stand beside it."""
    unit, starts = edges(period, now_s, utc_offset_s)
    kinds = sorted(found, key=lambda kind: found[kind].facility_energy_kwh.likely, reverse=True)
    main: Kind | None = kinds[0] if kinds else None
    roll = found[main] if main is not None else RollUp()
    first = min(roll.by_slot, default=0) if unit == "month" else 0
    rows = sorted(roll.by_notebook.items(), key=lambda row: row[1].facility_energy_kwh, reverse=True)
    in_month = month.get(main, RollUp()) if main is not None else RollUp()
    return {
        "v": VERSION,
        "answer": "history",
        "period": period,
        "as_of": round(now_s, 3),
        "runs": roll.runs,
        "notebooks": len(roll.by_notebook),
        "facility_energy_kwh": range_of(roll.facility_energy_kwh),
        "operational_gco2e": range_of(roll.operational_gco2e),
        "bar": unit,
        "bars": [
            {
                "start": start.strftime("%Y-%m-%dT%H:00" if unit == "hour" else "%Y-%m-%d"),
                "runs": roll.by_slot.get(slot, NOTHING).runs,
                "facility_energy_kwh": digits(roll.by_slot.get(slot, NOTHING).facility_energy_kwh),
                "operational_gco2e": digits(roll.by_slot.get(slot, NOTHING).operational_gco2e),
                "here_gco2e": digits(roll.here_by_slot.get(slot, NOTHING).operational_gco2e),
            }
            for slot, start in list(enumerate(starts))[first:]
        ],
        "rows": [
            {
                "notebook": None if notebook is None else clip(notebook, 4 * LABEL_CHARS),
                "here": here is not None and notebook == here,
                "runs": used.runs,
                "facility_energy_kwh": digits(used.facility_energy_kwh),
                "operational_gco2e": digits(used.operational_gco2e),
            }
            for notebook, used in rows[:HISTORY_ROWS]
        ],
        "others": [
            {
                "basis": kind[0],
                "method": kind[1],
                "runs": found[kind].runs,
                "facility_energy_kwh": digits(found[kind].facility_energy_kwh.likely),
                "operational_gco2e": digits(found[kind].operational_gco2e.likely),
            }
            for kind in kinds[1:]
        ],
        "month_gco2e": digits(in_month.operational_gco2e.likely),
    }
