"""Notebooks that run without anybody looking: nbclient, which nbconvert and papermill drive as well."""

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from kernels import clean_env, export, where
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

SOURCES = [
    "%load_ext jupyter_carbon",
    "%%carbon load\nnumbers = list(range(1000))",
    "sum(numbers)",
    "",
    "%%carbon awaited\nimport asyncio\nawait asyncio.sleep(0)\nlen(numbers)",
]


@pytest.fixture
def execute(spec, tmp_path):
    """Run cells through nbclient: the notebook as it comes out, and the ledger's rows."""

    def execute(*sources):
        env = clean_env(tmp_path) | {"JUPYTER_CARBON_LEDGER": str(tmp_path / "ledger.sqlite")}
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        try:
            NotebookClient(notebook, km=AsyncKernelManager(**where(spec)), timeout=60).execute(
                env=env,
                cwd=str(tmp_path),
                cleanup_kc=True,  # the manager is ours: nbclient would leave its kernel running
            )
        except CellExecutionError as err:
            return notebook, export(env), err
        return notebook, export(env), None

    return execute


def test_each_cell_has_its_row_and_only_named_ones_an_output_of_ours(execute):
    notebook, rows, _ = execute(*SOURCES)
    assert [row["label"] for row in rows if row["label"]] == ["load", "awaited"]
    assert [row["execution_count"] for row in rows if row["execution_count"] > 1] == [2, 3, 4]
    assert [[out["output_type"] for out in cell["outputs"]] for cell in notebook["cells"]] == [
        ["stream"],
        ["display_data"],
        ["execute_result"],
        [],
        ["execute_result", "display_data"],
    ]
    nbformat.validate(notebook)


def test_a_failing_cell_stops_the_notebook_as_ever(execute):
    _, rows, err = execute("%load_ext jupyter_carbon", "%%carbon fails\n1 / 0", "never = 1")
    assert isinstance(err, CellExecutionError)
    assert err.ename == "ZeroDivisionError"
    assert [(row["label"], row["status"]) for row in rows if row["execution_count"] > 1] == [("fails", "error")]
