"""Apple Silicon, over a module with the interface of zeus-apple-silicon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power.apple import Apple
from jupyter_carbon.power.host import Host

VENDOR = Path(__file__).parents[1] / "fakes/vendor"

READER = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
from jupyter_carbon.model import SourceUnavailable
from jupyter_carbon.power.apple import Apple

asked = json.loads(sys.stdin.read())
started = []
sys.addaudithook(lambda event, args: started.append(event) if event in
                 ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system") else None)
moment = [0.0]
answer = {"energy_j": []}
for t_s, state in asked["trace"]:
    moment[0] = t_s
    Path(os.environ["FAKE_APPLE"]).write_text(json.dumps(state))
    if "domains" not in answer:
        try:
            apple = Apple.open(SimpleNamespace(logical_cpus=8), lambda: moment[0], platform="darwin",
                               modules=dict.fromkeys(asked["modules"]))
        except SourceUnavailable as err:
            answer["unavailable"] = [str(err), err.remedy]
            break
        answer["domains"] = {d.device: [d.component, d.quality] for d in apple.domains}
    answer["energy_j"].append({d.device: j for d, j in apple.energy_j().items()})
else:
    answer["faults"] = apple.faults.during(asked["trace"][0][0], asked["trace"][-1][0])
    answer["presence"] = [apple.presence(frozenset({1})), apple.presence(frozenset({1, 2}))]
    apple.close()
print(json.dumps({**answer, "started": started}))
"""


def read(
    folder: Path, trace: list[tuple[float, dict[str, Any]]], *, modules: tuple[str, ...] = (), vendor: bool = True
) -> dict[str, Any]:
    """`Apple` on a Mac with 8 CPUs, whose totals are set as `trace` says, each at its second."""
    environ = {**os.environ, "FAKE_APPLE": str(folder / "apple.json"), "PYTHONPATH": str(VENDOR) if vendor else ""}
    asked = json.dumps({"trace": trace, "modules": modules})
    words = [sys.executable, "-c", READER]
    done = subprocess.run(words, env=environ, input=asked, capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def totals(cpu: int, gpu: int = 0, dram: int | None = 0, ane: int = 0) -> dict[str, int | None]:
    return {"cpu_total_mj": cpu, "gpu_mj": gpu, "dram_mj": dram, "ane_mj": ane}


def test_the_totals_in_mj_give_joules_and_cores_are_not_added(tmp_path: Path) -> None:
    answer = read(tmp_path, [(0, totals(1000, 500, 50, 10)), (10, totals(101_000, 20_500, 5050, 3010))])
    assert answer["energy_j"][-1] == pytest.approx({"package-0": 103.0, "gpu0": 20.0, "dram-0": 5.0})
    assert answer["domains"]["gpu0"] == ["gpu", "measured"]
    assert answer["faults"] == []


def test_a_chip_without_a_dram_channel_has_no_such_domain(tmp_path: Path) -> None:
    answer = read(tmp_path, [(0, totals(0, dram=None)), (1, totals(1000, dram=None))])
    assert sorted(answer["domains"]) == ["gpu0", "package-0"]


def test_totals_that_come_in_batches_are_expected_meanwhile_and_true_afterwards(tmp_path: Path) -> None:
    second = [(float(s), totals(10_000 * s)) for s in range(5)]  # 10 W
    batch = [(5.0, totals(40_000)), (6.0, totals(40_000)), (8.0, totals(80_000))]
    answer = read(tmp_path, second + batch)
    cpu_j = [energy_j["package-0"] for energy_j in answer["energy_j"]]
    assert cpu_j == pytest.approx([0, 10, 20, 30, 40, 50, 60, 80])
    assert "held-back:package-0" in answer["faults"]


def test_a_gpu_at_rest_is_not_taken_for_one_held_back(tmp_path: Path) -> None:
    answer = read(tmp_path, [(float(s), totals(1000 * s, gpu=7)) for s in range(4)])
    assert answer["energy_j"][-1]["gpu0"] == 0.0
    assert answer["faults"] == []


def test_a_report_that_fails_in_the_middle_changes_nothing_but_the_flags(tmp_path: Path) -> None:
    trace = [(float(s), totals(10_000 * s)) for s in range(5)]
    trace[3] = (3.0, {"error": "no report"})
    answer = read(tmp_path, trace)
    assert answer["energy_j"][3]["package-0"] > 20.0
    assert answer["energy_j"][4]["package-0"] == pytest.approx(40.0)
    assert "read-failed:package-0" in answer["faults"]


def test_no_process_is_started(tmp_path: Path) -> None:
    assert read(tmp_path, [(0, totals(0)), (1, totals(1000))])["started"] == []


def test_only_a_kernel_with_a_framework_or_children_may_be_on_the_gpu(tmp_path: Path) -> None:
    trace = [(0.0, totals(0))]
    assert read(tmp_path, trace)["presence"] == [{"gpu0": "absent"}, {"gpu0": "unknown"}]
    assert read(tmp_path, trace, modules=("mlx",))["presence"][0] == {"gpu0": "unknown"}


def test_a_subscription_that_fails_is_unavailable(tmp_path: Path) -> None:
    cause, _ = read(tmp_path, [(0.0, {"error": "Failed to create IOReport subscription."})])["unavailable"]
    assert "Failed to create IOReport subscription." in cause


def test_a_mac_without_the_extra_is_told_the_remedy(tmp_path: Path) -> None:
    _, remedy = read(tmp_path, [(0.0, totals(0))], vendor=False)["unavailable"]
    assert remedy == "pip install 'jupyter_carbon[apple]'"


def test_elsewhere_it_is_unavailable_at_once() -> None:
    with pytest.raises(SourceUnavailable, match="not a Mac"):
        Apple.open(cast(Host, SimpleNamespace()), platform="linux")
