"""Those who meter a block here: ours and the peers, each behind `begin()` and `end()`.

Run as a script it is a worker: one contestant in a process of its own, which runs blocks when it is told to and
answers with their times.  What a contestant prints goes nowhere but is counted.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Edges = tuple[Callable[[], object], Callable[[], object]]

POWERCAP = "BENCHMARK_POWERCAP"
"""Names a powercap directory for those who read nothing but RAPL, where this machine has none."""


# --- ours --------------------------------------------------------------------------------------------------


def ours_session() -> Edges:
    """`Session.begin` and `end`: the meter and its journal without a notebook."""
    from jupyter_carbon.cell import Cell
    from jupyter_carbon.process import ThisProcess

    session = ThisProcess.session()
    session.wait_until_warm(10.0)
    cells: list[Cell] = []

    def begin() -> None:
        cells.append(session.begin("pass", cell_id="7d1f", execution_count=1))

    return begin, lambda: session.end(cells.pop())


def ours_session_rapl() -> Edges:
    """The same over RAPL's files."""
    os.environ["JUPYTER_CARBON_POWERCAP"] = os.environ[POWERCAP]
    return ours_session()


def ours_hooks() -> Edges:
    """What IPython calls around a cell, in the shell of ipykernel's kernel, where panels are told of it."""
    return hooks_of(kernel_shell())


def ours_terminal() -> Edges:
    """The same in a shell that is nobody's kernel."""
    return hooks_of(bare_shell())


def hooks_of(shell: InteractiveShell) -> Edges:
    """A shell's events, with IPython's own objects."""
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

    from jupyter_carbon.process import ThisProcess

    shell.extension_manager.load_extension("jupyter_carbon")
    ThisProcess.session().wait_until_warm(10.0)
    info = ExecutionInfo("pass", True, False, True, "7d1f")
    result = ExecutionResult(info)
    trigger = shell.events.trigger
    return lambda: trigger("pre_run_cell", info), lambda: trigger("post_run_cell", result)


def ours_measure() -> Edges:
    """`with jc.measure():`, whose record is made at its end."""
    import jupyter_carbon as jc
    from jupyter_carbon.process import ThisProcess

    ThisProcess.session().wait_until_warm(10.0)
    blocks: list[jc.measure] = []

    def begin() -> None:
        blocks.append(jc.measure("block").__enter__())

    return begin, lambda: blocks.pop().__exit__(None, None, None)


def kernel_shell() -> InteractiveShell:
    """The shell of a kernel in this process, with all that a kernel holds."""
    import warnings

    from ipykernel.inprocess.manager import InProcessKernelManager

    warnings.simplefilter("ignore")
    manager = InProcessKernelManager()
    manager.start_kernel()
    shell: InteractiveShell = manager.kernel.shell
    return shell


def bare_shell() -> InteractiveShell:
    """An IPython shell without a history file."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(config=config)


# --- peers, each at its quietest ---------------------------------------------------------------------------


def codecarbon() -> Edges:
    """A task of the offline tracker: nothing is written, nothing asked over the network."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True
    )
    return tracker.start_task, tracker.stop_task


def carbontracker() -> Edges:
    """An epoch, with the power of the CPU given to it, as it gives up where it finds no counter."""
    from carbontracker.tracker import CarbonTracker

    tracker = CarbonTracker(
        epochs=10**9, epochs_before_pred=0, monitor_epochs=10**9, verbose=0, components="cpu",
        sim_cpu="CPU", sim_cpu_tdp=100.0, sim_cpu_util=0.5, ignore_errors=True,
    )  # fmt: skip
    return tracker.epoch_start, tracker.epoch_end


def pyjoules() -> Edges:
    """A trace of one sample over the RAPL package."""
    from pyJoules.device import rapl_device

    rapl_device.RAPL_API_DIR = os.environ[POWERCAP]  # it has no argument for that
    from pyJoules.device import DeviceFactory
    from pyJoules.energy_meter import EnergyMeter

    meter = EnergyMeter(DeviceFactory.create_devices([rapl_device.RaplPackageDomain(0)]))

    def end() -> None:
        meter.stop()
        meter.get_trace()

    return meter.start, end


def zeus() -> Edges:
    """A window over the RAPL package."""
    from zeus.device.cpu import rapl

    rapl.RAPL_DIR = os.environ[POWERCAP]  # it has no argument for that
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[], cpu_indices=[0])
    return lambda: monitor.begin_window("block"), lambda: monitor.end_window("block")


def eco2ai() -> Edges:
    """A tracker's start and stop: it has nothing smaller."""
    from eco2ai import Tracker

    tracker = Tracker(
        project_name="benchmark", experiment_description="block", file_name="emission.csv", alpha_2_code="FR",
        measure_period=3600, ignore_warnings=True, timezone="UTC",
    )  # fmt: skip
    return tracker.start, tracker.stop


CONTESTANTS: dict[str, Callable[[], Edges]] = {
    "ours: Session.begin/end": ours_session,
    "ours: the same over RAPL files": ours_session_rapl,
    "ours: IPython's hooks": ours_hooks,
    "ours: jc.measure()": ours_measure,
    "codecarbon task": codecarbon,
    "carbontracker epoch": carbontracker,
    "pyJoules trace": pyjoules,
    "zeus window": zeus,
    "eco2ai start/stop": eco2ai,
}


# --- a worker ----------------------------------------------------------------------------------------------


def serve(name: str) -> None:
    """Answer with the first block, then each line `SECONDS` with as many as fit into them."""
    answers, errors = os.fdopen(os.dup(1), "w"), os.dup(2)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        try:
            begin, end = CONTESTANTS[name]()
            print(json.dumps(blocks(begin, end, 0.0)), file=answers, flush=True)
            for line in sys.stdin:
                found = blocks(begin, end, float(line))
                sys.stdout.flush()
                sys.stderr.flush()
                found["lines"] = _lines(printed.fileno())
                print(json.dumps(found), file=answers, flush=True)
        finally:
            os.dup2(errors, 2)


def blocks(begin: Callable[[], object], end: Callable[[], object], seconds: float) -> dict[str, object]:
    """How long both edges of each block took, in ns, at least of one, and the CPU seconds of the whole process.

    The block itself is nothing.
    """
    clock = time.perf_counter_ns
    times_ns = []
    cpu_s = time.process_time()
    stop_ns = clock() + int(seconds * 1e9)
    while not times_ns or clock() < stop_ns:
        begin_ns = clock()
        begin()
        end()
        times_ns.append(clock() - begin_ns)
    return {"times_ns": times_ns, "cpu_s": time.process_time() - cpu_s}


def _lines(descriptor: int) -> int:
    return os.pread(descriptor, 1 << 24, 0).count(b"\n")


if __name__ == "__main__":
    serve(sys.argv[1])
