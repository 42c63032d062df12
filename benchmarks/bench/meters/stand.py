"""What every meter's process does: import once, then for each case fork, open the meter and run the cells.

One JSON line in, one out.  A meter is an object with `version`, `open(case)`, `begin()`, `end() -> dict` and `close()`;
`end` gives joules by component (`cpu`, `dram`, `ram`, `gpu`), and what it doubts under `flags`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from typing import Any, Protocol

PATIENCE_S = 20.0
WRITE_S = 1e-3
"""How often a register is written."""
LOST_S = 20e-6
"""Two looks at the clock that are farther apart have lost their core between them."""


class Meter(Protocol):
    version: str

    def open(self, case: dict[str, Any]) -> None: ...
    def begin(self) -> None: ...
    def end(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


def spin(until_s: float, dice: random.Random) -> None:
    """Work until then.  An edge that has waited for its core lies where the scheduler put it, behind who writes the
    registers: it would find them fresher than a processor's are, so it is drawn anew within their step."""
    last_s = now_s = time.monotonic()
    while now_s < until_s or now_s - last_s > LOST_S:
        if now_s >= until_s:
            until_s = now_s + WRITE_S * dice.random()
        last_s, now_s = now_s, time.monotonic()


def rest(until_s: float) -> None:
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(left_s)


def run_cells(meter: Meter, case: dict[str, Any]) -> dict[str, Any]:
    """Each cell: when it began and ended, and what the meter said.  A cell of its own errors is told as `error`."""
    rest(case["open_s"])  # the machine runs before a meter is there
    meter.open(case)
    opened_s = time.monotonic()
    start_s = case["start_s"]
    if opened_s > start_s:
        return {"error": f"opened {opened_s - start_s:.1f} s too late", "late": True}
    dice, is_short = random.Random(5), case["spin"]
    if is_short:  # not on the core of who writes the registers, as far as there are several
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cells = []
    next_s = start_s
    for seconds, gap_s in case["cells"]:
        rest(next_s)
        if is_short:
            spin(time.monotonic() + WRITE_S * dice.random(), dice)
        before_s = time.monotonic()
        meter.begin()
        from_s = time.monotonic()
        if is_short:
            spin(from_s + seconds, dice)
        else:
            rest(from_s + seconds)
        to_s = time.monotonic()
        said = meter.end()
        cells.append({"from_s": from_s, "to_s": to_s, "before_s": before_s, "after_s": time.monotonic(), **said})
        next_s = time.monotonic() + gap_s
    meter.close()
    return {"cells": cells}


def serve(meter: Meter) -> None:
    """Cases from standard input until it ends.  What a meter prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        out.write(json.dumps(value) + "\n")
        out.flush()

    answer({"version": meter.version})
    for line in sys.stdin:
        case = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.environ.update(case["environ"])
            try:
                told = run_cells(meter, case)
            except BaseException as err:  # noqa: BLE001  (whatever a meter raises is its answer)
                told = {"error": f"{type(err).__name__}: {err}", "trace": traceback.format_exc()}
            answer(told)
            os._exit(0)
        deadline_s = case["start_s"] + 3.0 * sum(map(sum, case["cells"])) + PATIENCE_S
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            time.sleep(0.02)
            if time.monotonic() > deadline_s:
                os.kill(pid, signal.SIGKILL)
        if os.WIFSIGNALED(ended[1]):
            answer({"error": "it did not come to an end"})
        elif ended[1] != 0:
            answer({"error": f"it ended the process, with exit code {os.WEXITSTATUS(ended[1])}"})
        with contextlib.suppress(ProcessLookupError):  # processes that the meter has started and left
            os.killpg(pid, signal.SIGKILL)
