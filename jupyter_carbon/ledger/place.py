"""Where the ledger lies, and what kind of file system that is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from jupyter_carbon.model import LedgerError

FILE_NAME = "ledger.sqlite"

MOUNTINFO = Path("/proc/self/mountinfo")
"""The mounts as this process sees them: proc_pid_mountinfo(5)."""

NETWORK_TYPES = frozenset((
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "wekafs",
))  # fmt: skip
"""File systems that several hosts (or a host and its guest) write: SQLite's WAL needs memory that they do not share
(https://sqlite.org/wal.html, "all processes using a database must be on the same host computer")."""

LOCAL_FUSE_TYPES = frozenset({"fuse.ext2", "fuse.ext4", "fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuseblk"})
"""What comes through FUSE is mostly another machine (sshfs, s3fs, rclone); these are not."""


def default_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The ledger in Jupyter's data directory: one per user."""
    folder = environ.get("JUPYTER_DATA_DIR")
    if folder is None:
        from jupyter_core.paths import jupyter_data_dir  # noqa: PLC0415  (a live kernel holds it; a script need not)

        folder = jupyter_data_dir()
    return Path(folder) / "jupyter_carbon" / FILE_NAME


def locate(path_or_url: str | Path) -> Path:
    """The ledger's file; a folder means the file of the usual name in it.  Raises `LedgerError` for a URL.

    Absolute, as a notebook may change its folder.
    """
    text = os.fspath(path_or_url)
    scheme, slash, _ = text.partition(":/")
    if slash and len(scheme) > 1 and scheme.replace("+", "").isalnum():  # one letter is a Windows drive
        raise LedgerError(
            f"a ledger at a {scheme} URL is not supported in this version: give the path of a .sqlite file"
        )
    path = Path(text).expanduser().absolute()
    return path / FILE_NAME if path.is_dir() or not path.suffix else path


def journals(ledger: Path) -> Path:
    """The folder of the journals that belong to this ledger, beside it."""
    return ledger.with_suffix(".journals")


def is_network(folder: Path, mountinfo: Path = MOUNTINFO) -> bool:
    """Whether `folder` may be written from another host too.  Where the mounts cannot be read (not Linux): False."""
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    where = os.path.realpath(folder)
    found, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if "-" not in fields[6:-1]:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        # A later mount hides an earlier one on the same point.
        if len(point) >= len(found) and (where == point or where.startswith(point.rstrip("/") + "/")):
            found, kind = point, fields[fields.index("-", 6) + 1]
    return kind in NETWORK_TYPES or (kind.startswith("fuse") and kind not in LOCAL_FUSE_TYPES)
