"""What was found, refused or absent, with the cause and the one remedy: the words of `doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Health = Literal["good", "note", "problem"]

SIGNS: dict[Health, str] = {"good": "ok     ", "note": "note   ", "problem": "PROBLEM"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `topic` in a word, `text` in a sentence, `remedy` where there is something to do."""

    topic: str
    health: Health
    text: str
    remedy: str | None = None


def findings_text(findings: Iterable[Finding]) -> str:
    """The findings as lines, each remedy below its cause."""
    lines = []
    for finding in findings:
        lines.append(f"{SIGNS[finding.health]}  {finding.topic}: {finding.text}")
        if finding.remedy:
            lines += [f"         {line}" for line in finding.remedy.splitlines()]
    return "\n".join(lines)
