"""What kernel and panel say to each other: snapshots one way, questions and answers the other.  Pure.

A snapshot is whole: the newest one alone is enough to draw everything, a lost one corrupts nothing, and it stays under
4 KB whatever the number of cells.  A field keeps one name, with its unit, in Python, JSON and TypeScript.  What each
message holds stands in `wire.py`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from jupyter_carbon.model import Component, Interval, Quality

if TYPE_CHECKING:
    from jupyter_carbon.notebook.wire import AskEstimate, Part, Question, Range, Snapshot, Tail

VERSION: Final = 1
"""Raised when a reader of the old form would draw something wrong; a panel ignores any other version and says so."""

TAIL_POINTS: Final = 60
FEWEST_POINTS: Final = 10
SNAPSHOT_BYTES: Final = 4000
LABEL_CHARS: Final = 60
REASON_CHARS: Final = 140
TOP_CELLS: Final = 3
MAX_EQUIVALENTS: Final = 4
MAX_FLAGS: Final = 6
MOST_NEWS: Final = 4
HISTORY_ROWS: Final = 20
MOST_MINUTES: Final = 366 * 24 * 60

PARTS: Final[tuple[Part, ...]] = ("gpu", "cpu", "memory", "rest")
"""In the order of the legend; `rest` is supply losses, board, fans and the building's cooling."""

PART_OF: Final[Mapping[Component, Part]] = {"cpu": "cpu", "gpu": "gpu", "dram": "memory", "ram": "memory"}

_WORST_FIRST: Final[tuple[Quality, ...]] = ("assumed", "modelled", "measured")


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class BadQuestion(ValueError):
    """A question that this version does not understand; the message says why."""


def parse_question(data: object) -> Question:
    """The question in a `comm_open`, checked; raises `BadQuestion`."""
    if not isinstance(data, dict):
        raise BadQuestion("a question is an object")
    if data.get("v") != VERSION:
        raise BadQuestion(f"the panel speaks version {data.get('v')!r}, this kernel {VERSION}")
    ask, notebook = data.get("ask"), data.get("notebook")
    if notebook is not None and not isinstance(notebook, str):
        raise BadQuestion("`notebook` is a path")
    if ask == "look":
        since, session_id, looking = data.get("since_run", 0), data.get("session_id"), data.get("looking")
        if _is_int(since) and isinstance(looking, bool) and (session_id is None or isinstance(session_id, str)):
            return {
                "v": VERSION,
                "ask": "look",
                "looking": looking,
                "notebook": notebook,
                "session_id": session_id,
                "since_run": since,
            }
    elif ask == "history":
        period, offset_s = data.get("period"), data.get("utc_offset_s", 0)
        if period in ("today", "7d", "30d", "all") and _is_int(offset_s) and abs(offset_s) <= 86_400:
            return {
                "v": VERSION, "ask": "history", "period": period, "notebook": notebook, "utc_offset_s": offset_s
            }  # fmt: skip
    elif ask == "metering" and isinstance(data.get("on"), bool):
        return {"v": VERSION, "ask": "metering", "on": data["on"]}
    elif ask == "estimate":
        return _estimate_question(data)
    elif ask == "outlook":
        return {"v": VERSION, "ask": "outlook"}
    raise BadQuestion(f"not understood: {clip(json.dumps(data, default=str), LABEL_CHARS)}")


def _estimate_question(data: Mapping[str, Any]) -> AskEstimate:
    gpu, n_gpu, minutes, region = (data.get(name) for name in ("gpu", "n_gpu", "minutes", "region"))
    for name, word in (("gpu", gpu), ("region", region)):
        if word is not None and not (isinstance(word, str) and 0 < len(word.strip()) <= LABEL_CHARS):
            raise BadQuestion(f"`{name}` is a name")
    n_gpu = 1 if n_gpu is None else n_gpu
    if not _is_number(minutes) or not 0.0 < minutes <= MOST_MINUTES:
        raise BadQuestion(f"minutes={clip(repr(minutes), 20)} is not possible; it must be above 0 and at most a year")
    if not _is_number(n_gpu) or not 0.0 < n_gpu <= 1e6:
        raise BadQuestion(f"n_gpu={clip(repr(n_gpu), 20)} is not possible; it must be above 0 and at most 1,000,000")
    return {
        "v": VERSION,
        "ask": "estimate",
        "gpu": gpu,
        "n_gpu": float(n_gpu),
        "minutes": float(minutes),
        "region": region,
        "interruptible": data.get("interruptible") is True,
    }


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# --- small pure helpers ------------------------------------------------------------------------------------

_UNSEEN = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"


def clip(text: str, chars: int) -> str:
    """`text` on one line, at most `chars` long and half as many bytes again; marks that cannot be seen become blanks.

    >>> clip("two\\nlines", 20), clip("abcdefgh", 5)
    ('two lines', 'abcd…')
    """
    line = text[: 4 * chars]
    if not line.isprintable():  # seldom: the pattern is compiled when it is first needed
        line = re.sub(_UNSEEN, " ", line)
    line = line.strip()
    if len(line) <= chars and _wire_bytes(line) <= chars + chars // 2:
        return line
    line = line[: chars - 1]
    while _wire_bytes(line) > chars + chars // 2 - 3:
        line = line[:-1]
    return line.rstrip() + "…"


def _wire_bytes(line: str) -> int:
    """Its length in a message, where quotes and backslashes are written as two."""
    return len(line.encode()) + line.count('"') + line.count("\\")


def digits(value: float, count: int = 4) -> float:
    """`value` to `count` significant digits, no more than a message should say; raises for what is no number.

    >>> digits(0.000123456), digits(98765.4), digits(0)
    (0.0001235, 98770.0, 0.0)
    """
    if value == 0.0:
        return 0.0
    return round(value, count - 1 - math.floor(math.log10(abs(value))))


def range_of(interval: Interval) -> Range:
    """The wire form of an interval."""
    return {"low": digits(interval.low), "likely": digits(interval.likely), "high": digits(interval.high)}


def worst(qualities: Iterable[Quality]) -> Quality | None:
    """The weakest of them; a sum is known no better than its weakest part."""
    seen = set(qualities)
    return next((quality for quality in _WORST_FIRST if quality in seen), None)


def encoded_bytes(message: Mapping[str, Any]) -> int:
    """Its length on the wire, as Jupyter packs it."""
    return len(_json(message).encode())


def fitted(snapshot: Snapshot) -> Snapshot:
    """The same snapshot within `SNAPSHOT_BYTES`.  Where long names fill it, every second point of the tail goes, and
    where that is not enough, all but the first of each list."""
    while encoded_bytes(snapshot) > SNAPSHOT_BYTES and len(snapshot["tail"]["age_s"]) > FEWEST_POINTS:
        tail = snapshot["tail"]
        # From the newest backwards: the point that is drawn as "now" stays.
        thinner: Tail = {
            "age_s": tail["age_s"][::-1][::2][::-1],
            "power_w": {part: column[::-1][::2][::-1] for part, column in tail["power_w"].items()},
        }
        snapshot = {**snapshot, "tail": thinner}
    if encoded_bytes(snapshot) <= SNAPSHOT_BYTES:
        return snapshot
    return {
        **snapshot,
        "equivalents": snapshot["equivalents"][:1],
        "flags": snapshot["flags"][-1:],
        "top": snapshot["top"][:1],
    }


MOVING: Final = frozenset(("seq", "sent_at", "running", "totals", "power_w", "tail"))
"""The parts of a snapshot that are others in each; the rest mostly stays."""


class Packer:
    """Writes one snapshot after the other as JSON, in the length of :func:`encoded_bytes`.

    A part that is the very same object as in the one before is not written anew, so nothing that has been in a snapshot
    may be changed afterwards.
    """

    def __init__(self) -> None:
        self._written: dict[str, tuple[object, str]] = {}

    def pack(self, snapshot: Snapshot) -> bytes:
        """The snapshot on the wire."""
        moving = {}
        texts = []
        for name, part in snapshot.items():
            if name in MOVING:
                moving[name] = part
                continue
            known = self._written.get(name)
            if known is None or known[0] is not part:
                known = self._written[name] = part, f'"{name}": {_json(part)}'
            texts.append(known[1])
        texts.append(_json(moving)[1:])
        return f"{{{', '.join(texts)}".encode()
