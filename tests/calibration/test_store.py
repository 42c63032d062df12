"""One file for each machine, whole or not at all."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from power.host_tree import HostTree

from jupyter_carbon.calibration.fit import Point, WallFit
from jupyter_carbon.calibration.store import NOTHING, Calibration, Store, machine_of
from jupyter_carbon.model import CarbonError
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.host import Host

FIT = WallFit(1.2, 40.0, 0.5, 0.005, (Point(10.0, 52.0), Point(110.0, 172.0)))
CURVE = CpuCurve(10.0, 110.0, "2026-11-21")
KNOWN = Calibration(
    FIT, "2026-11-22", "cpu:package-0:rapl", CpuCurve(10.0, 110.0, "2026-11-21"), {"gpu0": 25.0}, "2026-11-21"
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return a_host(tmp_path / "machine")


def a_host(root: Path, *, machine_id: str = "0123456789abcdef0123456789abcdef", cpus: int = 8) -> Host:
    root.mkdir()
    tree = HostTree(root).cpus(cpus, "Intel(R) Core(TM) i9-13900K").file("etc/machine-id", machine_id)
    return tree.detect(affinity=cpus)


@pytest.fixture
def store(tmp_path: Path, host: Host) -> Store:
    return Store(tmp_path / "jupyter_carbon" / "calibration", host)


@pytest.mark.parametrize("calibration", [KNOWN, replace(KNOWN, cpu=None), replace(KNOWN, wall=None), NOTHING])
def test_what_is_stored_is_found_again(store, calibration):
    store.save(calibration)
    assert store.load() == calibration


def test_nothing_stored_is_nothing_known(store):
    assert store.load() == NOTHING
    assert not store.path.parent.exists()  # looking leaves no trace


def test_machines_that_share_a_home_have_files_of_their_own(tmp_path):
    one, other = a_host(tmp_path / "a"), a_host(tmp_path / "b", machine_id="ff" * 16)
    upgraded = a_host(tmp_path / "c", cpus=16)
    assert len({Store(tmp_path, host).path for host in (one, other, upgraded)}) == 3


def test_the_files_name_tells_nothing_about_the_machine(host):
    assert len(machine_of(host)) == 16
    assert machine_of(host) != "0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "wall": {}, "cpu": null}',
        '{"format": 1, "wall": {"factor": "x"}, "wall_at": "", "source": "", "cpu": null, "idle_w": {}, "idle_at": ""}',
        '{"format": 1, "wall": null, "wall_at": "", "source": "", "cpu": null, "idle_w": [], "idle_at": ""}',
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_nothing_known(store, text):
    store.path.parent.mkdir(parents=True)
    store.path.write_text(text)
    assert store.load() == NOTHING


def test_the_file_is_its_owners_and_readable_by_a_person(store):
    store.save(KNOWN)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert json.loads(store.path.read_text())["wall"]["points"][0] == {"devices_w": 10.0, "wall_w": 52.0}
    assert list(store.path.parent.iterdir()) == [store.path]


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path, host):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "calibration", host)
    with pytest.raises(CarbonError, match=r"cannot be stored in .*file/calibration"):
        store.save(KNOWN)
