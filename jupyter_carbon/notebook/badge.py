"""The line under a cell: one mimebundle, with our own JSON, HTML without scripts, and plain text."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from IPython.display import display

from jupyter_carbon.model import CellRecord
from jupyter_carbon.notebook.transform import Options
from jupyter_carbon.report.summary import details, line

MIME = "application/vnd.jupyter-carbon.v1+json"


def bundle(record: CellRecord, options: Options, problems: Sequence[str] = ()) -> dict[str, Any]:
    """The badge of a record in all its forms; `problems` are sentences that come first."""
    head = line(record)
    if record.run.label:
        head = f"{record.run.label}: {head}"
    doubts = len(problems) + len(record.flags)
    if doubts:
        head = f"{head} · {doubts} note{'s' * (doubts > 1)}"
    notes = [*problems, *details(record)]
    data = record.to_dict()
    if options.as_json:
        text = json.dumps(data, ensure_ascii=False, indent=1)
    else:
        text = "\n".join([head, *(f"  {note}" for note in notes)])
    return {MIME: data, "text/html": _html(head, notes), "text/plain": text}


def _html(head: str, notes: list[str]) -> str:
    items = "".join(f"<div>{html.escape(note)}</div>" for note in notes)
    return (
        '<details style="text-align:right;font-size:86%">'
        f'<summary style="cursor:pointer">{html.escape(head)}</summary>{items}</details>'
    )


def show(record: CellRecord, options: Options, problems: Sequence[str]) -> None:
    """Put the badge under the cell that runs now."""
    display(bundle(record, options, problems), raw=True)  # type: ignore[no-untyped-call]
