from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)  # for ledger_parts: pytest's importlib mode puts no folder of tests there

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def python() -> Iterator[Start]:
    """Starts real processes that run some lines; `as_nobody` without root's rights on files, if we have them."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *args: object, as_nobody: bool = False) -> subprocess.Popen[str]:
        prelude = f"import os, signal, sys; sys.path[:0] = {[HERE, *sys.path]!r}; from ledger_parts import *\n"
        drop = ""
        if as_nobody and os.getuid() == 0:  # imports first: nobody may not be able to read this Python
            drop = "import jupyter_carbon.ledger.book, urllib.parse\n"
            drop += "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        process = subprocess.Popen(
            [sys.executable, "-c", prelude + drop + code, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_python(python: Start) -> Callable[..., str]:
    """Runs some lines to their end in a process of their own; what they printed."""

    def run(code: str, *args: object, as_nobody: bool = False) -> str:
        process = python(code, *args, as_nobody=as_nobody)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return out

    return run


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that any user can reach, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)
