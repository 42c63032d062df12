"""Imports only go down the floors, and what could harm a cell has one home each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_carbon.power import GPU_SOURCES, SOURCES

PACKAGE = Path(__file__).parents[1] / "jupyter_carbon"
# Lowest first; on one floor a name may lean on those to its left; "." is the package's own __init__.
FLOORS = (
    "boundary unforkable turns value model units tables  power grid report.equivalents  meter footprint ledger  "
    "calibration  account hours estimate report engines settings  surroundings bookkeeper upkeep cell tails  "
    "session process  api . notebook trackers cli"
)
RANK = {name.strip("."): rank for rank, name in enumerate(FLOORS.split())}
VENDORS = {"amdsmi", "pynvml", "zeus_apple_silicon"}
NETWORK = {"aiohttp", "ftplib", "http", "httpx", "requests", "smtplib", "socket", "ssl", "urllib.request", "urllib3"}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): ast.parse(
        path.read_text()
    )
    for path in PACKAGE.rglob("*.py")
}


def imports(nodes: ast.AST | list[ast.stmt]) -> Iterator[str]:
    """Dotted names imported anywhere below, inside functions too; ours without the package's own name."""
    for node in nodes if isinstance(nodes, list) else ast.walk(nodes):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("jupyter_carbon").lstrip(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "an absolute import says which floor it goes to"
            ours = node.module.removeprefix("jupyter_carbon").lstrip(".") if node.module else ""
            if node.module != ours:
                yield from (
                    f"{ours}.{a.name}".strip(".") if f"{ours}.{a.name}".strip(".") in MODULES else ours
                    for a in node.names
                )
            else:
                yield node.module


def home(module: str) -> str:
    """The name on a floor that a module of ours belongs to, or the module itself if it is not ours."""
    names = [".".join(module.split(".")[:n]) for n in (2, 1)]
    return next((name for name in names if name in RANK), module)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_only_go_down(module):
    here = home(module)
    assert here in RANK, f"{module} stands on no floor"
    ups = [m for m in imports(MODULES[module]) if (m in MODULES) and home(m) != here and RANK[home(m)] >= RANK[here]]
    assert ups == []


@pytest.mark.parametrize(
    ("what", "homes"),
    [
        (NETWORK, ["grid.providers"]),
        ({"sqlite3", "sqlalchemy"}, ["ledger"]),
        ({"IPython", "ipykernel"}, ["notebook", ""]),  # the package itself: for the type of a shell, never at run time
        ({"session"}, ["process", "notebook", "trackers", "cli", "api", ""]),
    ],
    ids=["network", "databases", "IPython", "session"],
)
def test_what_could_harm_a_cell_has_one_home(what, homes):
    strangers = {
        module
        for module, tree in MODULES.items()
        if any(name in what or name.split(".")[0] in what for name in imports(tree))
        and not any(module == home or module.startswith(f"{home}.") for home in homes)
    }
    assert strangers == set()


def test_a_source_imports_no_other_source_no_ipython_and_no_grid():
    sources = {f"power.{source.partition(':')[0]}" for source in (*SOURCES, *GPU_SOURCES)}
    for source in sources:
        strangers = {
            name for name in imports(MODULES[source]) if name in sources or name.startswith(("IPython", "grid"))
        }
        assert strangers == set(), source


def test_vendors_are_imported_when_a_source_opens_never_before():
    for module, tree in MODULES.items():
        assert not VENDORS & {name.split(".")[0] for name in imports(tree.body)}, module


def test_only_the_boundary_catches_everything_and_only_once():
    """Also as `suppress(Exception)`, or by its name in a tuple; a bare `except:` as well."""

    def broad(node: ast.AST | None) -> bool:
        return node is None or any(
            isinstance(each, ast.Name) and each.id in ("Exception", "BaseException") for each in ast.walk(node)
        )

    found = [
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.ExceptHandler) and broad(node.type))
        or (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("suppress")
            and any(broad(each) for each in node.args)
        )
    ]
    assert found == ["boundary"]
