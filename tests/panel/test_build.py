"""What is built is what was written, fits, and says one version."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import jupyter_carbon

ROOT = Path(__file__).parents[2]
SOURCE, BUILT, VIEW = ROOT / "labextension", ROOT / "jupyter_carbon/labextension", ROOT / "jupyter_carbon/static"
MOST_BYTES = 80_000
SOURCES = ("package-lock.json", "package.json", "schema", "src", "style", "tsconfig.json")


def test_the_build_is_of_these_sources():
    """A stale bundle is the one mistake that no other test would see: `npm run build` in labextension/ mends it."""
    hashed = hashlib.sha256()
    for name in SOURCES:
        path = SOURCE / name
        files = sorted(path.rglob("*"), key=lambda p: p.parts) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                hashed.update(file.relative_to(SOURCE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    assert (VIEW / "sources.sha256").read_text().strip() == hashed.hexdigest()


def test_the_bundle_is_small():
    files = [*BUILT.glob("static/*.js"), VIEW / "view.js", VIEW / "view.css"]
    assert len(files) >= 4
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) <= MOST_BYTES


def test_one_version():
    assert json.loads((SOURCE / "package.json").read_text())["version"] == jupyter_carbon.__version__
    assert json.loads((BUILT / "package.json").read_text())["version"] == jupyter_carbon.__version__


def test_the_lock_names_no_place():
    lock = (SOURCE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_the_view_knows_nothing_of_jupyterlab():
    for file in (SOURCE / "src/view").glob("*.ts"):
        assert "@jupyterlab" not in file.read_text(), file.name
        assert "@lumino" not in file.read_text(), file.name


def test_types_are_not_talked_away():
    for file in (SOURCE / "src").rglob("*.ts"):
        text = re.sub(r"//.*|/\*.*?\*/|'[^']*'", "", file.read_text(), flags=re.S)
        assert not re.search(r"\bany\b|@ts-|[\w\])]!\s*[.;,)\]]|console\.log", text), file.name


def test_the_shipped_view_asks_no_other_place():
    """SVG's namespace is a name, not an address."""
    for file in [*BUILT.glob("static/*.js"), VIEW / "view.js", VIEW / "view.css"]:
        addresses = set(re.findall(r"https?://[\w.]+", file.read_text())) - {"http://www.w3.org"}
        assert addresses == set(), file.name


def test_an_installation_puts_it_where_jupyterlab_finds_it(tmp_path):
    home = Path(sysconfig.get_path("data")) / "share/jupyter/labextensions/jupyter-carbon"
    if not (home / "install.json").is_file():
        pytest.skip("installed without Node: the kernel's side alone")
    env = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    done = subprocess.run(
        [sys.executable, "-m", "jupyterlab.labextensions", "list"],
        env={**env, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    listed = re.sub(r"\x1b\[\d+m", "", done.stdout + done.stderr)
    assert re.search(rf"jupyter-carbon v{jupyter_carbon.__version__} enabled +OK \(python, jupyter_carbon\)", listed), (
        listed
    )
