"""How wrong are the meters?  Every case of the bench on ours and three others, in one run.

``make bench-accuracy`` runs all cases and writes docs/accuracy.md and docs/accuracy.svg;
``python benchmarks/accuracy.py --only "GPU work" --only wrap --times 5`` runs some, again and again, and prints them.
Before all cases come whose joules they are, and fault schedules on a simulated clock, which take seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from bench import report  # noqa: E402
from bench.cases import CASES  # noqa: E402
from bench.conductor import METERS, OURS, opened  # noqa: E402

SCHEDULES = 1000

BEGIN, END = "<!-- bench-accuracy begins -->", "<!-- bench-accuracy ends -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[], help="a case by name; may be given several times")
    parser.add_argument("--times", type=int, default=1, help="run each so often; the last run stands in the table")
    parser.add_argument("--ours", action="store_true", help="no other meters")
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    pythons = {
        name: Path(sys.executable)
        if name == OURS or (not options.ours and importlib.util.find_spec(name) is not None)
        else None
        for name in METERS
    }
    if options.write and options.only:
        parser.error("--write needs all cases")
    said = "" if options.only else simulated()
    if said:
        print(said, flush=True)
    cases = [case for case in CASES if not options.only or case.name in options.only]
    began_s = time.monotonic()
    rows: list[report.Row] = []
    with opened(pythons) as bench:
        for case in cases:
            for _ in range(options.times):
                told = bench.run(case)
                errors = "  ".join(
                    f"{name} {'–' if told[name].error is None else f'{told[name].error:+.2f} %'}" for name in METERS
                )
                print(f"{case.name:28} {errors}  {' '.join(told[OURS].flags)}", flush=True)
            rows.append((case, told))
        versions = bench.versions
    took_s = time.monotonic() - began_s
    silent, missed = report.silent(rows), report.missed(rows)
    table = report.markdown(rows, versions)
    print(
        f"\n{len(rows)} cases in {took_s:.0f} s; wrong without a flag: {', '.join(silent) or 'none'}; "
        f"limit not reached: {', '.join(missed) or 'none'}"
    )
    if options.write:
        write(rows, table, took_s, silent, missed, simulated=said)
    return 1 if silent else 0


def simulated() -> str:
    """What a thousand fault schedules came to, and whose joules; each in a process of its own, for it loads the fake
    driver."""
    folder = ROOT / "benchmarks" / "bench"
    done = [
        subprocess.run([sys.executable, str(folder / script), *words], capture_output=True, text=True, check=True)
        for script, words in (("schedules.py", [str(SCHEDULES)]), ("shares.py", []))
    ]
    outcome = json.loads(done[0].stdout)
    plain = outcome["numbers"] - outcome["flagged"]
    faults = (
        f"Fault schedules: {outcome['schedules']}, {outcome['cells']} cells, {outcome['numbers']} numbers; flagged: "
        f"{outcome['flagged']}; of the {plain} others {outcome['inside'] / plain:.1%} hold the truth in their range; "
        f"wrong without a flag: {len(outcome['silent']) or 'none'}."
    )
    return "\n".join((faults, *outcome["silent"])) + f"\n\n{done[1].stdout.strip()}"


def write(
    rows: list[report.Row], table: str, took_s: float, silent: list[str], missed: list[str], *, simulated: str
) -> None:
    """The measured part of the page, between its two marks, and the picture."""
    page = ROOT / "docs" / "accuracy.md"
    text = page.read_text(encoding="utf-8")
    when = datetime.now(timezone.utc).date().isoformat()
    said = "\n\n".join(
        (
            f"Run on {when} in {took_s:.0f} s, Python {platform.python_version()}, {platform.system()} "
            f"{platform.release().split('-')[0]}.",
            f"Wrong without a flag: {', '.join(silent) or 'none'}. Limit not reached: {', '.join(missed) or 'none'}.",
            table.rstrip(),
            simulated,
        )
    )
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{said}\n{END}{after}", encoding="utf-8")
    (ROOT / "docs" / "accuracy.svg").write_text(report.svg(rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
