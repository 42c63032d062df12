"""The git filter that the documentation offers does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat

PAGE = Path(__file__).parents[2] / "docs/panel.md"


def test_saved_lines_stay_in_the_copy_and_out_of_the_repository(tmp_path):
    (commands,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["a"]})])
    plain = nbformat.writes(book)
    book.cells[0].metadata["jupyter_carbon"] = {"v": 1, "energy_wh": 0.12}
    nbformat.write(book, tmp_path / "a.ipynb")

    def run(command: str) -> str:
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(f"git init -q\n{commands}\ngit add a.ipynb")
    assert run("git show :a.ipynb").rstrip("\n") == plain.rstrip("\n")
    assert "jupyter_carbon" in (tmp_path / "a.ipynb").read_text()
