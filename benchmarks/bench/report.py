"""The results as a table and as a picture."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from .cases import Case
from .conductor import METERS, OURS, Result

Row = tuple[Case, Mapping[str, Result]]

SIGN: Mapping[str, str] = {"ok": "", "flagged": " ⚑", "wrong": " **silent**"}
COLOURS = ("#0b6e4f", "#c8553d", "#3a6ea5", "#8d6a9f")


def verdict(case: Case, result: Result) -> str:
    """What an answer of ours is: within the limit or its own range, else flagged, else silently wrong."""
    if result.error is None:
        return "wrong"
    near = abs(result.error) <= (case.limit or 0.5)
    return "ok" if near else "flagged" if result.flags else "ok" if result.inside else "wrong"


def silent(rows: Sequence[Row]) -> list[str]:
    """The cases in which we are wrong and do not say so."""
    return [case.name for case, results in rows if verdict(case, results[OURS]) == "wrong"]


def missed(rows: Sequence[Row]) -> list[str]:
    """The cases in which a limit was to be reached and was not."""
    return [
        case.name
        for case, results in rows
        if case.limit is not None and (results[OURS].error is None or abs(results[OURS].error or 0.0) > case.limit)
    ]


def markdown(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """One row a case: the truth, and each meter's error in per cent."""
    heads = [f"{name} {versions[name]}" if name in versions else name for name in METERS]
    lines = [
        f"| case | | truth, J | to reach, % | {' | '.join(heads)} |",
        f"|---|---|---:|---:|{'---:|' * len(heads)}",
    ]
    notes: list[str] = []
    for case, results in rows:
        cells = [_cell(case, results[name], notes) for name in METERS]
        limit = "" if case.limit is None else f"{case.limit:g}"
        lines.append(
            f"| {case.name} | {case.says} | {_joules(results[OURS].truth_j)} | {limit} | {' | '.join(cells)} |"
        )
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(lines).rstrip() + "\n"


def _cell(case: Case, result: Result, notes: list[str]) -> str:
    if result.error is None:
        why = (result.why_not or "no answer").splitlines()[0][:140]
        if why not in notes:
            notes.append(why)
        return f"– ({notes.index(why) + 1})"
    if result.meter != OURS:
        return _per_cent(result.error)
    assert result.low_j is not None
    assert result.high_j is not None
    assert result.truth_j is not None
    down, up = ((end / result.truth_j - 1.0) * 100.0 for end in (result.low_j, result.high_j))
    return f"{_per_cent(result.error)} ({down:+.0f} to {up:+.0f}){SIGN[verdict(case, result)]}"


def _joules(truth_j: float | None) -> str:
    return "–" if truth_j is None else f"{truth_j:.1f}"


def _per_cent(error: float) -> str:
    if abs(error) >= 10_000:
        return f"{error:+.1e}".replace("e+0", "e")
    return f"{error:+.2f}" if abs(error) < 10 else f"{error:+.0f}"


# --- the picture -------------------------------------------------------------------------------------------

LEFT, TOP, LINE, WIDTH = 190, 46, 17, 560
LEAST, MOST = 0.01, 1e5


def _x(error: float) -> float:
    """Where an error stands: its size on a logarithmic scale."""
    part = math.log10(min(max(abs(error), LEAST), MOST) / LEAST) / math.log10(MOST / LEAST)
    return LEFT + part * WIDTH


def svg(rows: Sequence[Row]) -> str:
    """One line a case, one dot a meter: how far from the truth."""
    height = TOP + LINE * len(rows) + 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" role="img" '
        'font-family="DejaVu Sans, Arial, sans-serif" font-size="11">',
        "<title>Error of each meter on each case, in per cent of the true joules</title>",
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
    ]
    for index, name in enumerate(METERS):
        x = LEFT + index * 135
        out.append(f'<circle cx="{x}" cy="14" r="5" fill="{COLOURS[index]}"/>')
        out.append(f'<text x="{x + 9}" y="18" fill="#222">{name}</text>')
    bottom = TOP + LINE * len(rows)
    for power in range(-2, 6):
        x = _x(10.0**power)
        out.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        label = f"{10.0**power:g} %" if power < 4 else f"10{'⁴⁵'[power - 4]} %"
        out.append(f'<text x="{x:.1f}" y="{TOP - 10}" text-anchor="middle" fill="#666">{label}</text>')
    for number, (case, results) in enumerate(rows):
        y = TOP + LINE * number + LINE / 2
        if number % 2:
            out.append(f'<rect x="0" y="{y - LINE / 2}" width="{LEFT + WIDTH + 30}" height="{LINE}" fill="#f7f7f7"/>')
        out.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" fill="#222">{html.escape(case.name)}</text>')
        for index, name in reversed(list(enumerate(METERS))):
            result = results[name]
            if result.error is None:
                continue
            flagged = name == OURS and result.flags
            style = f'fill="#fff" stroke="{COLOURS[index]}" stroke-width="2"' if flagged else f'fill="{COLOURS[index]}"'
            out.append(
                f'<circle cx="{_x(result.error):.1f}" cy="{y}" r="{5 if name == OURS else 4}" {style}>'
                f"<title>{html.escape(case.name)}: {name} {_per_cent(result.error)} %</title></circle>"
            )
    out.append(f'<text x="{LEFT}" y="{bottom + 18}" fill="#666">size of the error; hollow: told with a flag</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
