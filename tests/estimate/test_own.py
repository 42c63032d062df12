"""What was calibrated on this machine stands for the table's figures, for the parts that are its own and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine import CPU, Machine

from jupyter_carbon.calibration.place import folder
from jupyter_carbon.calibration.store import Calibration, Store
from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.estimate.own import calibrated_host, estimate_here, measured_cpu, measured_gpu, plan
from jupyter_carbon.estimate.result import Estimate
from jupyter_carbon.power.cpu_curve import CpuCurve
from jupyter_carbon.power.gpu_curve import GpuCurve
from jupyter_carbon.power.host import Host
from jupyter_carbon.value import replace

H100 = GpuCurve("gpu0", "NVIDIA H100 80GB HBM3", 80.0, 640.0, 0.5, 0.01, "2026-11-22")
NOBODYS = GpuCurve("gpu1", "Prototype Nine", 20.0, 90.0, 1.0, 0.01, "2026-11-20")
BARE = {"ram_gb": 0, "boundary": "devices"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A desktop of one Xeon, calibrated: 12 to 132 W, with two cards."""
    environ = {"JUPYTER_DATA_DIR": str(tmp_path / "data")}
    root = Machine(tmp_path / "machine").root
    known = Calibration(cpu=CpuCurve(12.0, 132.0, "2026-11-21"), gpus={"GPU-0": H100, "GPU-1": NOBODYS})
    Store(folder(environ), Host.detect(root, environ)).save(known)
    return environ


def asked(environ: dict[str, str], tmp_path: Path, **what: object) -> Estimate:
    return estimate_here(environ=environ, root=tmp_path / "machine", **BARE, **what)


def source_of(one: Estimate, name: str) -> str:
    return next(each.source for each in one.assumptions if each.name == name)


@pytest.mark.parametrize("name", ["H100", "NVIDIA H100 80GB HBM3", "h100 sxm"])
def test_a_card_that_is_here_draws_what_it_drew_here(environ, tmp_path, name):
    one = asked(environ, tmp_path, gpu=name, n_cpu=0, utilisation=1, hours=10)
    assert one.energy_kwh.likely == pytest.approx(6.4)  # 640 W; the table's 700 W would make 7
    assert source_of(one, "GPU rating") == "measured on this machine on 2026-11-22"
    idle = asked(environ, tmp_path, gpu=name, n_cpu=0, utilisation=0, hours=10)
    assert idle.energy_kwh.likely == pytest.approx(0.8)


def test_another_card_is_the_table_s(environ, tmp_path):
    one = asked(environ, tmp_path, gpu="A100", n_cpu=0, utilisation=1, hours=10)
    assert one.energy_kwh == estimate(gpu="A100", n_cpu=0, utilisation=1, hours=10, **BARE).energy_kwh


def test_a_card_that_no_table_knows_can_be_asked_for_once_it_is_measured(environ, tmp_path):
    one = asked(environ, tmp_path, gpu="prototype nine", n_cpu=0, utilisation=1, hours=10)
    assert one.energy_kwh.likely == pytest.approx(0.9)


def test_of_several_cards_alike_the_mean_is_taken():
    other = GpuCurve("gpu1", H100.model, 60.0, 660.0, 0.5, 0.01, "2026-11-23")
    spec = measured_gpu("H100", {"a": H100, "b": other})
    assert (spec.rated_w.likely, spec.idle_w.likely) == (650.0, 70.0)
    assert spec.source.endswith("on 2026-11-23")


def test_the_machine_s_own_processor_draws_what_it_drew(environ, tmp_path):
    one = asked(environ, tmp_path, cpu=CPU, utilisation=1, hours=10)
    assert one.energy_kwh.likely == pytest.approx(1.32)
    assert source_of(one, "CPU") == "measured on this machine on 2026-11-21"
    assert measured_cpu("AMD EPYC 7763", calibrated_host(environ, tmp_path / "machine")) is None


def test_of_two_sockets_each_has_half():
    host = Host.detect()
    both = replace(host, sockets=2, cpu_model=CPU, curve=CpuCurve(20.0, 300.0, "2026-11-21"))
    spec = measured_cpu(CPU, both)
    assert (spec.idle_w.likely, spec.rated_w.likely) == (10.0, 150.0)


def test_a_plan_stands_on_the_same_figures(environ, tmp_path):
    rows = {"gpu": ["H100", "A100"], "n_cpu": [0], "utilisation": [1], "hours": [10], "ram_gb": [0]}
    planned = plan({**rows, "boundary": ["devices"]}, environ=environ, root=tmp_path / "machine")
    one = asked(environ, tmp_path, gpu="H100", n_cpu=0, utilisation=1, hours=10)
    assert list(planned.energy_kwh_p50) == pytest.approx([6.4, 4.0])  # an A100 is not here: 400 W, by the table
    assert (planned.energy_kwh_p5[0], planned.energy_kwh_p95[0]) == pytest.approx(
        (one.energy_kwh.low, one.energy_kwh.high)
    )
    assert list(planned.gpu) == ["H100", "A100"]


def test_where_nothing_was_calibrated_it_is_the_estimate_as_ever(tmp_path):
    environ = {"JUPYTER_DATA_DIR": str(tmp_path / "nothing")}
    assert calibrated_host(environ, tmp_path) is None
    one = estimate_here("H100", 2, environ=environ, root=tmp_path, hours=3)
    assert one.energy_kwh == estimate("H100", 2, hours=3).energy_kwh


def test_a_spec_of_one_s_own_is_left_alone(environ, tmp_path):
    host = calibrated_host(environ, tmp_path / "machine")
    assert measured_gpu(measured_gpu("H100", host.gpu_curves), host.gpu_curves) is None
