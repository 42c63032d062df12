"""A machine's files, as far as they tell where it stands, and the tables without their share-alike part."""

import shutil
from pathlib import Path

import pytest

from jupyter_carbon import tables


@pytest.fixture
def machine(tmp_path):
    """`machine({"etc/timezone": "Europe/Paris"})` is the root of such a machine."""

    def build(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        return tmp_path

    return build


@pytest.fixture(scope="session")
def permissive(tmp_path_factory):
    """A copy of the tables whose share-alike folder was deleted."""
    copy = tmp_path_factory.mktemp("data") / "data"
    shutil.copytree(tables.folder(), copy, ignore=shutil.ignore_patterns("sharealike", "*.py"))
    return copy
