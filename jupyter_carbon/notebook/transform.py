"""`%%carbon` is stripped by a pure input transformer; the hooks read its options from the raw cell.

A magic that ran the cell itself would break `await`, report failed cells as successful and fire the hooks twice.
"""

from __future__ import annotations

import re

from jupyter_carbon.value import value

MARK = r"\A\s*(?:%%(?:time|timeit|capture|prun)\b[^\n]*\n\s*)*%%carbon(?!\S)(?P<options>[^\n]*)"
"""`%%carbon` as the first line, or below magics that run Python.  Not below `%%writefile` or `%%bash`, whose body
is theirs."""

OPTIONS = ("--region", "--json", "--estimate")


def strip_carbon(lines: list[str]) -> list[str]:
    """Drop a first line ``%%carbon ...``; line numbers stay, unless another cell magic follows.

    >>> strip_carbon(["%%carbon load\\n", "x = 1\\n"])
    ['\\n', 'x = 1\\n']
    >>> strip_carbon(["%%carbon\\n", "\\n", "%%time\\n", "x = 1\\n"])
    ['%%time\\n', 'x = 1\\n']
    """
    if not lines or not lines[0].startswith("%%carbon") or not re.match(r"%%carbon(?!\S)", lines[0]):
        return lines
    rest = lines[1:]
    body = next((i for i, line in enumerate(rest) if line.strip()), len(rest))
    return rest[body:] if body < len(rest) and rest[body].startswith("%%") else ["\n", *rest]


@value
class Options:
    """What stands after `%%carbon`; `problem` is a sentence for the badge, since the cell runs all the same."""

    asked: bool = False
    label: str | None = None
    region: str | None = None
    as_json: bool = False
    problem: str | None = None
    estimate: bool = False


PLAIN = Options()
"""Those of a cell that is not named."""


def options_of(raw_cell: str) -> Options | None:
    """The options of a `%%carbon` cell; `None` for any other cell.

    >>> options_of("%%carbon load data --region FR\\nx = 1").label
    'load data'
    >>> options_of("%%carbon --regoin FR\\nx = 1").problem
    'unknown option --regoin; did you mean --region?'
    """
    if "%%carbon" not in raw_cell:
        return None
    match = re.match(MARK, raw_cell)
    return None if match is None else parse(match["options"])


def parse(text: str) -> Options:
    """The words after `%%carbon`: a label, as it is written, and options anywhere among its words."""
    label: list[str] = []
    region, as_json, estimate, problem = None, False, False, None
    pending = iter(text.split())
    for word in pending:
        name, given, value = word.partition("=")
        if name == "--region":
            region = value if given else next(pending, None)
            if not region:
                problem = "--region wants a place, such as FR or aws:eu-west-3"
        elif name == "--json":
            as_json = True
        elif name == "--estimate":
            estimate = True
        elif name.startswith("--") and len(name) > 2:
            import difflib  # noqa: PLC0415  (a misspelt option is rare)

            near = difflib.get_close_matches(name, OPTIONS, 1)
            problem = f"unknown option {name}; " + (
                f"did you mean {near[0]}?" if near else f"known: {', '.join(OPTIONS)}"
            )
        else:
            label.append(word)
    return Options(True, " ".join(label) or None, region, as_json, problem, estimate)


def sources_of(raw_cell: str) -> tuple[str, str, str]:
    """The ways in which a `%%carbon` cell may have run before: as it stands, without the word `--estimate`, and without
    the whole line.

    >>> sources_of("%%carbon fit --estimate\\nx = 1")
    ('%%carbon fit --estimate\\nx = 1', '%%carbon fit\\nx = 1', 'x = 1')
    """
    match = re.match(MARK, raw_cell)
    if match is None:
        return raw_cell, raw_cell, raw_cell
    start, end = match.span("options")
    unasked = raw_cell[:start] + re.sub(r"[ \t]+--estimate(?!\S)", "", match["options"]) + raw_cell[end:]
    return raw_cell, unasked, raw_cell[: start - len("%%carbon")] + raw_cell[end:].removeprefix("\n")
