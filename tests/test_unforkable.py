"""A fork waits for our thread's work where that goes on, and for nothing that waits for the fork."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from jupyter_carbon.unforkable import MOST_S, PATIENCE_S

HEAD = """
import os, threading, time
from jupyter_carbon.unforkable import Unforkable
unforkable, begun, forked, done = Unforkable(), threading.Event(), threading.Event(), []
"""
FORK = """
thread = threading.Thread(target=work)
thread.start()
begun.wait()
began_s = time.monotonic()
pid = os.fork()
if pid == 0:
    os._exit(len(done))
took_s = time.monotonic() - began_s
forked.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), took_s)
"""


def fork_beside(work: str) -> tuple[int, float]:
    """How much of the work was done in the child, and how long the fork took."""
    code = HEAD + textwrap.dedent(work) + FORK
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    count, took_s = done.stdout.split()
    return int(count), float(took_s)


def test_work_that_goes_on_is_waited_for_though_it_takes_long():
    count, _ = fork_beside(f"""
    def work():
        with unforkable:
            begun.set()
            end_s = time.thread_time() + {3 * PATIENCE_S}
            while time.thread_time() < end_s: pass
            done.append(1)
    """)
    assert count == 1


def test_work_that_waits_for_whoever_forks_is_not_waited_for_long():
    count, took_s = fork_beside("""
    def work():
        with unforkable:
            begun.set()
            forked.wait()
            done.append(1)
    """)
    assert count == 0
    assert took_s < MOST_S


def test_after_a_fork_other_threads_of_child_and_parent_can_work_again():
    count, _ = fork_beside("""
    def work():
        with unforkable:
            begun.set()
        forked.wait()
        with unforkable:
            pass
    def one():
        with unforkable:
            done.append(1)
    def in_child():
        other = threading.Thread(target=one)
        other.start()
        other.join(5)
    os.register_at_fork(after_in_child=in_child)
    """)
    assert count == 1
