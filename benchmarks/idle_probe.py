"""One kernel-like process that is metered for a while: `idle_probe.py WHO CHILDREN SECONDS`, one line of JSON.

First nothing runs, then a cell does that only waits, beside CHILDREN processes of its own that wait as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from resource import RUSAGE_SELF, RUSAGE_THREAD, getrusage

from contestants import CONTESTANTS, Edges, kernel_shell, ours_hooks, ours_terminal

SETTLE_S = 8.0


def threads_cpu_s() -> float:
    """CPU seconds of all threads but the main one, which only sleeps."""
    return time.process_time() - time.thread_time()


def wake_ups() -> int:
    """How often any thread but the main one has waited, and so was woken, dead ones included."""
    return getrusage(RUSAGE_SELF).ru_nvcsw - getrusage(RUSAGE_THREAD).ru_nvcsw


def stretch(seconds: float) -> dict[str, float]:
    """What the threads do in so many seconds."""
    cpu_s, woken = threads_cpu_s(), wake_ups()
    time.sleep(seconds)
    return {"share": (threads_cpu_s() - cpu_s) / seconds, "wake_ups_per_s": (wake_ups() - woken) / seconds}


def nobody() -> Edges:
    """A kernel that is not metered."""
    kernel_shell()
    return (lambda: None), (lambda: None)


def main() -> None:
    who, n_children, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    begin, end = {**CONTESTANTS, "kernel": ours_hooks, "terminal": ours_terminal, "nobody": nobody}[who]()
    begin()  # the first cell brings what is imported once
    end()
    time.sleep(SETTLE_S)
    idle = stretch(seconds / 3)
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(n_children)]
    begin()
    time.sleep(SETTLE_S)
    running = stretch(seconds)
    end()
    for child in children:
        child.kill()
        child.wait()
    found = {"idle": idle, "running": running, "threads": threading.active_count() - 1}
    print(json.dumps(found), file=answers, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
