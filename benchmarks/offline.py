"""Cells while the network hangs: a resolver that never answers, and servers that never reply.

Each silence is a network of its own (Linux, `unshare`), in which only the loopback exists.  Our blocks are timed there
and on the network as it is, in turns.  The peers' trackers are started and stopped once in each silence, with the
settings that they have of themselves; they get a minute.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from contestants import kernel_shell
from overhead import Powercap, Worker, turns
from shown import machine, quantile, table

AS_IT_IS = "the network as it is"
SILENCES = {"resolver": "a resolver that never answers", "servers": "servers that never reply"}
PATIENCE_S = 60.0
NOBODY = bytes((192, 0, 2, 1))  # RFC 5737: an address that is nobody's


# --- a network in which nobody answers ---------------------------------------------------------------------


def inside(silence: str, command: list[str]) -> int:
    """Run a command in this (new) namespace, once it is silent."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        for file in folder.iterdir():
            subprocess.run(["mount", "--bind", str(file), f"/etc/{file.name}"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # What leaves for anywhere comes back to a machine that it is not for, and is dropped without a word.
        subprocess.run(["ip", "route", "add", "default", "dev", "lo"], check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
            resolver.bind(("127.0.0.1", 53))
            if silence == "servers":
                threading.Thread(target=resolve_all, args=(resolver,), daemon=True).start()
            return subprocess.run(command, check=False).returncode


def resolve_all(resolver: socket.socket) -> None:
    """Answer each question for an IPv4 address with the same one (RFC 1035, section 4), any other with nothing."""
    while True:
        question, asker = resolver.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        kind = question[end - 4 : end - 2]
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + NOBODY if kind == b"\0\1" else b""
        count = b"\0\1" if answer else b"\0\0"
        resolver.sendto(question[:2] + b"\x81\x80\0\1" + count + b"\0\0\0\0" + question[12:end] + answer, asker)


def silently(silence: str, *command: str) -> list[str]:
    """The same command in a silent network."""
    return ["unshare", "-r", "-n", "-m", sys.executable, __file__, "--inside", silence, *command]


# --- a start and a stop of each ----------------------------------------------------------------------------


def ours() -> None:
    """The extension, and one cell."""
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

    shell = kernel_shell()
    shell.extension_manager.load_extension("jupyter_carbon")
    info = ExecutionInfo("pass", True, False, True, "7d1f")
    shell.events.trigger("pre_run_cell", info)
    shell.events.trigger("post_run_cell", ExecutionResult(info))
    shell.extension_manager.unload_extension("jupyter_carbon")


def codecarbon() -> None:
    from codecarbon import EmissionsTracker

    tracker = EmissionsTracker(save_to_file=False, log_level="critical", allow_multiple_runs=True)
    tracker.start()
    tracker.stop()


def carbontracker() -> None:
    from carbontracker.tracker import CarbonTracker

    tracker = CarbonTracker(
        epochs=1, components="cpu", sim_cpu="CPU", sim_cpu_tdp=100.0, sim_cpu_util=0.5, verbose=0, ignore_errors=True
    )
    tracker.epoch_start()
    tracker.epoch_end()


def eco2ai() -> None:
    from eco2ai import Tracker

    tracker = Tracker(
        project_name="benchmark", experiment_description="start and stop", file_name="emission.csv",
        ignore_warnings=True, timezone="UTC",
    )  # fmt: skip
    tracker.start()
    tracker.stop()


STARTS = {
    "ours: %load_ext, a cell, %unload_ext": ours,
    "codecarbon: start, stop": codecarbon,
    "carbontracker: one epoch": carbontracker,
    "eco2ai: start, stop": eco2ai,
}


def start_once(title: str) -> None:
    """Say on stdout how many seconds one start and stop took, imports included."""
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    begin_s = time.perf_counter()
    STARTS[title]()
    os.write(answers, f"{time.perf_counter() - begin_s:.1f}\n".encode())
    os._exit(0)


# --- the report --------------------------------------------------------------------------------------------


def blocks(rounds: int, seconds: float) -> None:
    """Our blocks on each network, in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        powercap = Powercap(folder / "powercap")
        workers = [Worker("ours: IPython's hooks", folder / "as it is", powercap)]
        for silence in SILENCES:
            workers.append(Worker("ours: IPython's hooks", folder / silence, powercap, inside=silently(silence)))
        try:
            turns(workers, rounds=rounds, seconds=seconds)
        finally:
            for worker in workers:
                worker.end()
        usual_us = quantile(sorted(workers[0].times_ns), 0.5) / 1e3
        rows = []
        for title, worker in zip((AS_IT_IS, *SILENCES.values()), workers, strict=True):
            times_us = [ns / 1e3 for ns in sorted(worker.times_ns)]
            p50_us, p99_us = quantile(times_us, 0.5), quantile(times_us, 0.99)
            ratio = f"{p50_us / usual_us:.2f}"
            rows.append((title, len(times_us), f"{p50_us:,.1f}", f"{p99_us:,.1f}", f"{times_us[-1] / 1e3:,.1f}", ratio))
    table("Begin + end of our block, µs", ("", "blocks", "p50", "p99", "worst, ms", "p50 / as it is"), rows)


def starts() -> None:
    """A start and stop of each contestant in each silence, all at the same time."""
    with tempfile.TemporaryDirectory() as name:
        running = {}
        for title in STARTS:
            for silence in SILENCES:
                folder = Path(name) / str(len(running))
                folder.mkdir()
                env = os.environ | {"HOME": name, "IPYTHONDIR": str(folder), "JUPYTER_CARBON_LEDGER": str(folder)}
                command = silently(silence, sys.executable, __file__, "--start", title)
                running[title, silence] = subprocess.Popen(
                    command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                    start_new_session=True,
                )  # fmt: skip
        deadline_s = time.monotonic() + PATIENCE_S
        taken = {}
        for key, process in running.items():
            try:
                answer, _ = process.communicate(timeout=max(0.1, deadline_s - time.monotonic()))
                taken[key] = answer.strip() or "failed"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.communicate()
                taken[key] = f"> {PATIENCE_S:.0f}"
    table(
        "One start and stop, imports included, s (all at the same time)",
        ("", *SILENCES.values()),
        [(title, *(taken[title, silence] for silence in SILENCES)) for title in STARTS],
    )


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        sys.exit(inside(sys.argv[2], sys.argv[3:]))
    if sys.argv[1:2] == ["--start"]:
        start_once(sys.argv[2])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.25, help="a turn on each network")
    options = parser.parse_args()
    machine()
    try:
        subprocess.run(silently("resolver", "true"), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as err:
        print(f"left out: no namespace can be made here ({err})")
        return
    blocks(options.rounds, options.seconds)
    starts()
    print("\nTarget of ours: no cell is delayed.")


if __name__ == "__main__":
    main()
