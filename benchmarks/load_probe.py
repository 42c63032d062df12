"""What one import costs, in a fresh process: `load_probe.py BASE WHAT`, and one line of JSON on stdout.

BASE is what the process holds before: `bare`, `ipython` (no psutil in it), or `kernel`: ipykernel's own kernel, in this
process, and with it IPython, psutil and sqlite3.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from resource import RUSAGE_CHILDREN, getrusage
from typing import TYPE_CHECKING

from contestants import bare_shell, carbontracker, codecarbon, eco2ai, kernel_shell, pyjoules, zeus

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def hold(base: str) -> None:
    """Import what such a process holds."""
    if base == "ipython":
        bare_shell()
        assert "psutil" not in sys.modules, "this IPython imports psutil itself: there is nothing to compare with"
    if base == "kernel":
        import sqlite3  # noqa: F401

        import psutil  # noqa: F401

        SHELLS.append(kernel_shell())


SHELLS: list[InteractiveShell] = []


def import_psutil() -> None:
    import psutil  # noqa: F401


def import_ours() -> None:
    import jupyter_carbon  # noqa: F401


def load_ours() -> None:
    """The import and the hooks: all that stands between the user and the next cell."""
    SHELLS[0].extension_manager.load_extension("jupyter_carbon")


def settle() -> None:
    """Until the threads have done what the load left to them."""
    if "jupyter_carbon.session" in sys.modules:
        from jupyter_carbon.process import ThisProcess

        ThisProcess.session().wait_until_warm(10.0)
    seen_s = -1.0
    while time.process_time() - seen_s > 1e-4:
        seen_s = time.process_time()
        time.sleep(0.05)


WHAT = {
    "psutil": import_psutil,
    "ours": load_ours,
    "ours-import": import_ours,
    "codecarbon": lambda: codecarbon()[0](),
    "carbontracker": carbontracker,
    "pyjoules": pyjoules,
    "zeus": zeus,
    "eco2ai": lambda: eco2ai()[0](),
}


def children_cpu_s() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rss_mb() -> float:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    base, what = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    hold(base)
    gc.collect()
    modules, threads, before_mb = len(sys.modules), threading.active_count(), rss_mb()
    wall_s, children_s = time.perf_counter(), children_cpu_s()
    process_s, thread_s = time.process_time(), time.thread_time()
    WHAT[what]()
    thread_s, wall_s = time.thread_time() - thread_s, time.perf_counter() - wall_s
    # The look at itself is no part of it: psutil and the bare import leave no thread behind.
    if threading.active_count() > threads:
        settle()
        process_s = time.process_time() - process_s
    else:
        process_s = thread_s
    found = {
        "main_ms": thread_s * 1e3,
        "process_ms": (process_s + children_cpu_s() - children_s) * 1e3,
        "wall_ms": wall_s * 1e3,
        "rss_mb": rss_mb() - before_mb,
        "modules": len(sys.modules) - modules,
    }
    print(json.dumps(found), file=answers, flush=True)
    os._exit(0)  # a peer's threads and processes would have their say


if __name__ == "__main__":
    main()
