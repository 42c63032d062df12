"""`import jupyter_carbon` costs a notebook nothing but its own modules."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = str(Path(__file__).parents[1] / "jupyter_carbon")
PROBE = """
import json, sys
held = set(sys.modules)
seen = []

def audit(event, args):
    if event.split(".")[0] in ("open", "os", "subprocess", "socket", "sqlite3", "ctypes", "_thread"):
        seen.append([event, str(args[0]) if args else ""])

sys.addaudithook(audit)
import jupyter_carbon
audit_ends = len(seen)
json.dump({"seen": seen[:audit_ends], "loaded": sorted(set(sys.modules) - held)}, sys.stdout)
"""


@pytest.fixture(scope="module")
def imported():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_no_heavy_module_comes_with_it(imported):
    heavy = {
        "pandas",
        "numpy",
        "requests",
        "ipywidgets",
        "anywidget",
        "IPython",
        "pynvml",
        "amdsmi",
        "sqlite3",
        "asyncio",
    }
    assert heavy & set(imported["loaded"]) == set()


def test_no_network_process_thread_or_database(imported):
    events = {event for event, _ in imported["seen"]}
    assert events <= {"open", "os.listdir", "os.scandir"}


def test_it_reads_modules_and_nothing_else(imported):
    """Python's own finder lists folders and opens modules; a table, a device or a setting would stand out."""
    opened = [path for event, path in imported["seen"] if event == "open"]
    assert [path for path in opened if not path.endswith((".py", ".pyc", ".so"))] == []
    assert [path for event, path in imported["seen"] if event == "os.scandir"] == []


def test_the_public_names_are_there():
    import jupyter_carbon

    for name in ("measure", "history", "load_ipython_extension", "unload_ipython_extension", "__version__"):
        assert hasattr(jupyter_carbon, name), name


def test_the_version_is_the_one_that_is_installed():
    from importlib.metadata import version

    import jupyter_carbon

    assert jupyter_carbon.__version__ == version("jupyter_carbon")
