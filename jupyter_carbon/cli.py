"""`jupyter carbon ...`: what was metered, without a notebook.  Every word takes `--json`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_carbon.api import best_start
from jupyter_carbon.estimate.arguments import Budget, add_estimate, asked_of, scenarios_in, unknown_option
from jupyter_carbon.footprint import NOTHING
from jupyter_carbon.ledger import default_path
from jupyter_carbon.ledger.book import Ledger
from jupyter_carbon.ledger.history import export
from jupyter_carbon.model import CarbonError, CellRecord
from jupyter_carbon.report.doctor import findings_text
from jupyter_carbon.report.session_text import SessionText
from jupyter_carbon.report.summary import flag_text, line
from jupyter_carbon.session import Session
from jupyter_carbon.settings import Carbon
from jupyter_carbon.units import duration_text


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 with one sentence when not, 2 for a wrong call."""
    options, unknown = _parser().parse_known_args(argv)
    if unknown:
        options.command.error(unknown_option(unknown[0], options.command))
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # `jupyter carbon history | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CarbonError, ValueError) as err:
        print(f"jupyter carbon: {err}", file=sys.stderr)
        return 1
    except OSError as err:  # a file that somebody named
        print(f"jupyter carbon: {err.filename}: {err.strerror}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jupyter carbon", description="Energy and carbon of notebook cells.")
    words = parser.add_subparsers(required=True, metavar="COMMAND")

    def word(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = words.add_parser(name, help=text, description=text)
        command.set_defaults(run=run, command=command)
        return command

    def of_ledger(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--ledger", help="path of the ledger (default: JUPYTER_CARBON_LEDGER, or Jupyter's data directory)"
        )
        command.add_argument("--since", type=_since, help="only runs from this ISO 8601 date or time on")
        command.add_argument("--notebook", help="only runs of this notebook (its path, or the end of it)")

    history = word("history", _history, "Every cell run in the ledger, one line each.")
    of_ledger(history)
    history.add_argument("--json", action="store_true", help="the records as a JSON list")

    out = word("export", _export, "Every cell run in the ledger, for other programs.")
    of_ledger(out)
    out.add_argument("--format", choices=["csv", "jsonl"], default="csv")
    out.add_argument("--json", action="store_const", const="jsonl", dest="format", help="the same as --format jsonl")
    out.add_argument("--output", type=Path, help="a file instead of the standard output")

    doctor = word("doctor", _doctor, "What is measured here, what is not, why, and what to do about it.")
    doctor.add_argument("--json", action="store_true", help="the findings as a JSON list")
    doctor.add_argument("--test", action="store_true", help="also ten seconds of a known load: do the numbers follow?")

    when = word("when", _when, "The greenest start of a job of that length.")
    when.add_argument("hours", help="how long it takes: 3h, 90m, 2d")
    when.add_argument("--within", default="48h", help="by when it must have ended (default: 48h)")
    when.add_argument("--interruptible", action="store_true", help="it may pause and go on")
    when.add_argument("--region", action="append", help="where; several are compared (default: this machine's)")
    when.add_argument("--json", action="store_true", help="the advice as JSON")

    estimate = word("estimate", _estimate, "What a run would cost, before it runs: a range, and all that it stands on.")
    add_estimate(estimate)
    estimate.add_argument("--json", action="store_true", help="the estimate as JSON")

    plan = word("plan", _plan, "Many scenarios at once, each with its range, ranked by their grams.")
    plan.add_argument(
        "path", type=Path, metavar="FILE", help="a CSV table whose columns are words of `estimate`, or JSON"
    )
    plan.add_argument("--output", type=Path, help="save the whole table there: .csv or .json")
    plan.add_argument("--json", action="store_true", help="the rows as a JSON list")

    run = word("run", _run, "Execute a notebook in a kernel of its own, and say what each cell cost.")
    run.add_argument("path", type=Path, metavar="NOTEBOOK")
    run.add_argument("--ledger", help="path of the ledger")
    run.add_argument("--output", type=Path, help="save the executed notebook there")
    run.add_argument("--json", action="store_true", help="the records as a JSON list")
    return parser


def _since(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as err:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date or time like 2026-11-21 or 2026-11-21T10:00Z"
        ) from err
    return moment if moment.tzinfo else moment.astimezone(timezone.utc)


def _ledger(options: argparse.Namespace) -> Ledger:
    return Ledger.open(options.ledger or os.environ.get("JUPYTER_CARBON_LEDGER") or default_path())


def _records(options: argparse.Namespace) -> Iterator[CellRecord]:
    ledger = _ledger(options)
    yield from ledger.records(since=options.since, notebook=options.notebook)
    if ledger.notice is not None:
        print(f"jupyter carbon: {ledger.notice}", file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))


def _history(options: argparse.Namespace) -> int:
    if options.json:
        _print_json([record.to_dict() for record in _records(options)])
        return 0
    for record in _records(options):
        run = record.run
        when = datetime.fromtimestamp(run.started_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        count = "-" if run.execution_count is None else run.execution_count
        name = " ".join(filter(None, (run.notebook and Path(run.notebook).name, f"[{count}]", run.label)))
        doubts = f"  ({', '.join(record.flags)})" if record.flags else ""
        print(f"{when}  {name}  {duration_text(record.duration_s)}  {record.status}  {line(record)}{doubts}")
    return 0


def _when(options: argparse.Namespace) -> int:
    advice = best_start(options.hours, options.region, options.within, options.interruptible)
    if options.json:
        _print_json(json.loads(json.dumps(asdict(advice), default=lambda moment: moment.isoformat())))
    else:
        print(advice)
    return 0


def _estimate(options: argparse.Namespace) -> int:
    from jupyter_carbon.estimate.own import estimate_here  # noqa: PLC0415  (it needs numpy)

    budget = None if options.budget is None else Budget.of(options.budget)
    one = estimate_here(**asked_of(options))
    if options.json:
        held = {} if budget is None else {"budget": {**asdict(budget), "chance_above": budget.chance(one)}}
        _print_json({**one.to_dict(), **held})
    else:
        print(one)
    if budget is None:
        return 0
    passed = budget.chance(one) > 0.5
    if passed or not options.json:
        print(budget.verdict(one), file=sys.stderr if passed else sys.stdout)
    return 1 if passed else 0


def _plan(options: argparse.Namespace) -> int:
    from jupyter_carbon.estimate.own import plan  # noqa: PLC0415  (it needs numpy)
    from jupyter_carbon.estimate.planner import shown  # noqa: PLC0415  (it needs pandas)

    planned = plan(scenarios_in(options.path))
    rows = planned.to_json(orient="records", date_format="iso", force_ascii=False, indent=1)
    if options.output is not None:
        try:
            if options.output.suffix.casefold() == ".json":
                options.output.write_text(rows, encoding="utf-8")
            else:
                planned.to_csv(options.output, index=False)
        except OSError as err:
            raise CarbonError(f"{options.output} cannot be written ({err.strerror or err})") from err
    if options.json:
        print(rows)
    elif options.output is None:
        print(shown(planned))
    bad = int(planned["error"].notna().sum())
    if bad:
        print(f"{bad} of {len(planned)} rows cannot be: see the column `error`", file=sys.stderr)
    return 1 if bad == len(planned) else 0


def _export(options: argparse.Namespace) -> int:
    if options.output is None:
        export(_records(options), options.format, sys.stdout)
        return 0
    with options.output.open("w", encoding="utf-8", newline="") as out:
        export(_records(options), options.format, out)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    session = Session(Carbon(), recording=False)
    session.wait_until_warm(timeout_s=10.0)
    findings = session.upkeep.findings()
    if options.test:
        findings += session.upkeep.self_test()
    session.close()
    if options.json:
        _print_json([asdict(finding) for finding in findings])
    else:
        print(findings_text(findings))
    return 0


def _run(options: argparse.Namespace) -> int:
    try:
        import nbformat  # noqa: PLC0415  (only this word needs them; they are the extra `run`)
        from nbclient import NotebookClient  # noqa: PLC0415
        from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    except ModuleNotFoundError as err:
        raise CarbonError(f"{err.name} is not installed: pip install 'jupyter_carbon[run]'") from err

    path = options.path.resolve()
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as err:
        raise CarbonError(f"{options.path} is not a notebook that can be read: {err}") from err
    began = datetime.now(timezone.utc)
    ledger = _ledger(options)  # the kernel runs in the notebook's folder: one path for both
    environment = dict(os.environ, JPY_SESSION_NAME=str(path), JUPYTER_CARBON_LEDGER=str(ledger.path))
    loads_itself = any("load_ext jupyter_carbon" in cell.source for cell in notebook.cells if cell.cell_type == "code")
    arguments = ["--IPKernelApp.log_level=ERROR"]  # what kernels warn of at their start is not about this notebook
    if not loads_itself:
        arguments.append("--InteractiveShellApp.extra_extensions=jupyter_carbon")
    client = NotebookClient(
        notebook,
        timeout=None,
        extra_arguments=arguments,
        resources={"metadata": {"path": str(path.parent)}},
    )
    failed = None
    try:
        with client.setup_kernel(env=environment):
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
    except CellExecutionError as err:
        failed = str(err)
    if options.output is not None:
        nbformat.write(notebook, options.output)  # type: ignore[no-untyped-call]
    records = list(ledger.records(since=began, notebook=str(path)))
    if options.json:
        _print_json([record.to_dict() for record in records])
    else:
        _print_run(records, {c.execution_count: c.source for c in notebook.cells if c.cell_type == "code"})
    if failed is not None:
        print(failed, file=sys.stderr)
    return 1 if failed is not None or not records else 0


def _print_run(records: Sequence[CellRecord], sources: dict[int | None, str]) -> None:
    totals = NOTHING
    for record in records:
        totals = totals.with_cell(record)
        run = record.run
        code = [text for text in sources.get(run.execution_count, "").splitlines() if not text.startswith("%%carbon")]
        name = run.label or next((text.strip() for text in code if text.strip()), "")
        mark = "" if record.status == "ok" else f"  {record.status}"
        print(f"[{run.execution_count}] {name[:60]}{mark}\n     {duration_text(record.duration_s)} · {line(record)}")
    if not records:
        print("No cell was metered.")
        return
    print()
    print("\n".join(SessionText(totals, records, records[-1].intensity).lines()))
    for flag in dict.fromkeys(flag for record in records for flag in record.flags):
        print(f"note: {flag_text(flag)}")


if __name__ == "__main__":
    sys.exit(main())
