"""What stands after `%%carbon`, and what is left of the cell without it."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from jupyter_carbon.notebook.transform import Options, options_of, strip_carbon


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("x = 1", None),
        ("%%carbonless\nx", None),
        ("%%carbon\nx", Options(True)),
        ("%%carbon fit", Options(True, "fit")),
        ("%%carbon load the data --region FR\nx", Options(True, "load the data", "FR")),
        ("%%carbon --region=aws:eu-west-3 'a  b'\nx", Options(True, "'a b'", "aws:eu-west-3")),
        ("%%carbon --json it's\nx", Options(True, "it's", None, True)),
        ("\n\n  %%carbon fit\nx", Options(True, "fit")),
        ("%%time\n%%carbon fit\nx", Options(True, "fit")),
        ("%%capture out\n\n%%carbon fit\nx", Options(True, "fit")),
        ("%%writefile a.py\n%%carbon fit\nx", None),
        ("%%bash\n%%carbon fit\nx", None),
        ("x = '''\n%%carbon fit\n'''", None),
    ],
)
def test_options(cell, expected):
    assert options_of(cell) == expected


@pytest.mark.parametrize("cell", ["%%carbon --regoin FR", "%%carbon --region", "%%carbon --frobnicate"])
def test_an_option_that_is_none_is_named(cell):
    problem = options_of(cell).problem
    assert "--region" in problem


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("%%carbon fit\nx = 1\n", "\nx = 1\n"),
        ("%%carbon\n\nx = 1\n", "\n\nx = 1\n"),
        ("%%carbon\n", "\n"),
        ("%%carbonless\nx\n", "get_ipython().run_cell_magic('carbonless', '', 'x\\n')\n"),
        ("%%carbon\n%%bash\nls\n", "get_ipython().run_cell_magic('bash', '', 'ls\\n')\n"),
        ("%%carbon\n\n%%time\nx\n", "get_ipython().run_cell_magic('time', '', 'x\\n')\n"),
    ],
)
def test_the_cell_without_it(cell, code):
    manager = TransformerManager()
    manager.cleanup_transforms.append(strip_carbon)
    assert manager.transform_cell(cell) == code


def test_nothing_is_changed_in_a_cell_without_it():
    lines = ["x = 1\n", "%%carbon\n"]
    assert strip_carbon(lines) is lines
    assert strip_carbon([]) == []
