"""A source that can find nothing is refused before its module is imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power import GPU_SOURCES, SOURCES, detect
from jupyter_carbon.power.host import Host
from jupyter_carbon.power.present import PROBES


def test_a_machine_without_drivers_imports_no_driver_s_source(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from jupyter_carbon.power import SOURCES, detect
from jupyter_carbon.power.host import Host
detect(Host.detect(Path({str(tmp_path)!r}), {{}}), (*SOURCES, "amd_gpu:AmdGpu"))
print(sorted({{"jupyter_carbon.power." + name for name in ("rapl", "amd_gpu", "ram")}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['jupyter_carbon.power.ram']\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere RAPL is not asked for")
def test_each_is_refused_by_its_own_name_with_the_cause(host: Callable[..., Host], tmp_path: Path) -> None:
    _, refusals = detect(host(), (*SOURCES, "amd_gpu:AmdGpu"))
    assert [(refusal.source, refusal.reason.partition(":")[0]) for refusal in refusals] == [
        ("rapl", f"no {tmp_path}/sys/class/powercap"),
        ("amd-gpu", "no AMD or Intel GPU with a power sensor under /sys/class/drm"),
    ]


def test_another_powercap_directory_is_asked_for_where_one_is_named(host: Callable[..., Host], tmp_path: Path) -> None:
    PROBES["rapl"](host(environ={"JUPYTER_CARBON_POWERCAP": str(tmp_path)}))
    with pytest.raises(SourceUnavailable, match="POWERCAP names /nowhere, which is no directory") as refused:
        PROBES["rapl"](host(environ={"JUPYTER_CARBON_POWERCAP": "/nowhere"}))
    assert refused.value.remedy


def test_each_probe_belongs_to_a_source() -> None:
    assert set(PROBES) <= {name.partition(":")[0] for name in ("rapl:Rapl", *SOURCES, *GPU_SOURCES)}
