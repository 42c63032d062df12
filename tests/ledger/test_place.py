from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_carbon.ledger import default_path
from jupyter_carbon.ledger.place import is_network, journals, locate
from jupyter_carbon.model import LedgerError


def mounts(folder: Path, *kinds: tuple[str, str]) -> Path:
    """A mountinfo with these mount points and types, in the form of proc_pid_mountinfo(5)."""
    lines = [f"{n} 1 8:1 / {point} rw,relatime shared:1 - {kind} source rw" for n, (point, kind) in enumerate(kinds)]
    file = folder / "mountinfo"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_folder_holds_a_file_of_the_usual_name(tmp_path: Path):
    assert locate(tmp_path) == tmp_path / "ledger.sqlite"
    assert locate(tmp_path / "not there yet") == tmp_path / "not there yet" / "ledger.sqlite"


def test_a_file_is_itself(tmp_path: Path):
    assert locate(str(tmp_path / "mine.db")) == tmp_path / "mine.db"


def test_it_stays_where_it_is_when_the_notebook_changes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert locate("mine.sqlite") == tmp_path / "mine.sqlite"


@pytest.mark.parametrize("url", ["postgresql://hub/carbon", "postgresql+psycopg://hub/carbon", "mysql://x/y"])
def test_a_url_is_refused_in_plain_words(url: str):
    with pytest.raises(LedgerError, match=r"not supported in this version: give the path"):
        locate(url)


def test_two_ledgers_in_one_folder_have_journals_of_their_own(tmp_path: Path):
    assert journals(tmp_path / "a.sqlite") != journals(tmp_path / "b.sqlite")


def test_the_default_lies_in_jupyters_data_directory(tmp_path: Path):
    assert default_path({"JUPYTER_DATA_DIR": str(tmp_path)}) == tmp_path / "jupyter_carbon" / "ledger.sqlite"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "lustre", "gpfs", "beegfs", "9p", "fuse.sshfs", "fuse"])
def test_file_systems_of_several_hosts_are_known(kind: str, tmp_path: Path):
    assert is_network(tmp_path, mounts(tmp_path, ("/", "ext4"), (str(tmp_path), kind)))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "fuseblk"])
def test_local_file_systems_are_known(kind: str, tmp_path: Path):
    assert not is_network(tmp_path, mounts(tmp_path, ("/", "nfs"), (str(tmp_path), kind)))


def test_the_longest_mount_point_decides(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    table = mounts(tmp_path, ("/", "ext4"), (str(home), "nfs4"), (f"{home}/ann", "ext4"), (f"{home}stead", "ext4"))
    assert is_network(home, table)
    assert is_network(home / "bob", table)
    assert not is_network(home / "ann", table)


def test_a_later_mount_hides_an_earlier_one(tmp_path: Path):
    assert is_network(tmp_path, mounts(tmp_path, (str(tmp_path), "ext4"), (str(tmp_path), "nfs")))


def test_a_space_in_a_mount_point_is_understood(tmp_path: Path):
    folder = tmp_path / "my home"
    folder.mkdir()
    assert is_network(folder, mounts(tmp_path, ("/", "ext4"), (str(folder).replace(" ", "\\040"), "nfs")))


def test_a_link_to_a_network_home_is_followed(tmp_path: Path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    assert is_network(link, mounts(tmp_path, ("/", "ext4"), (str(real), "nfs")))


def test_without_a_table_of_mounts_it_is_taken_for_local(tmp_path: Path):
    assert not is_network(tmp_path, tmp_path / "absent")
