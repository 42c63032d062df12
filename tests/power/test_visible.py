"""Which GPUs are ours, as CUDA, ROCm and Slurm say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_carbon.power.visible import Gpu, HiddenPids, RuntimePower, allotted_amd, allotted_nvidia, named, presence

A, B, C = "GPU-aaaa1111-0000", "GPU-aaaa2222-0000", "GPU-cccc3333-0000"
EQUAL = [Gpu("gpu0", 0, A, "H100"), Gpu("gpu1", 1, B, "H100"), Gpu("gpu2", 2, C, "H100")]
MIXED = [Gpu("gpu0", 0, A, "T400"), Gpu("gpu1", 1, B, "H100")]
PARTED = [Gpu("gpu0", 0, A, "H100"), Gpu("gpu1-mig0", 1, "MIG-1", "H100"), Gpu("gpu1-mig1", 1, "MIG-2", "H100")]


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("1", ["gpu1"]),
        ("2,0", ["gpu2", "gpu0"]),
        (" 0 , 1 ", ["gpu0", "gpu1"]),
        (A, ["gpu0"]),
        ("GPU-c,GPU-aaaa2", ["gpu2", "gpu1"]),
        ("GPU-aaaa", []),  # fits two
        ("0,GPU-ffff,1", ["gpu0"]),
        ("0,7,1", ["gpu0"]),
        ("1,-1,0", ["gpu1"]),
        ("0,0,1", ["gpu0"]),
        ("-1", []),
        ("", []),
        ("none", []),
        ("NoDevFiles", []),
    ],
)
def test_a_list_ends_at_the_first_entry_that_names_no_device(text: str, devices: list[str]) -> None:
    assert [gpu.device for gpu in named(text, EQUAL)] == devices


@pytest.mark.parametrize(
    ("text", "devices"),
    [("MIG-2", ["gpu1-mig1"]), ("1", ["gpu1-mig0"]), ("MIG-", []), ("0,MIG-1", ["gpu0", "gpu1-mig0"])],
)
def test_a_mig_instance_is_named_by_uuid_or_as_the_first_of_its_card(text: str, devices: list[str]) -> None:
    assert [gpu.device for gpu in named(text, PARTED)] == devices


@pytest.mark.parametrize(
    ("environ", "answer"),
    [
        ({}, ((), True)),
        ({"CUDA_VISIBLE_DEVICES": "0"}, ((), False)),  # the fastest, and nobody says which that is
        ({"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, ((), False)),
        ({"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, (("gpu0",), True)),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, (("gpu1", "gpu0"), True)),  # all of them, in whatever order
        ({"CUDA_VISIBLE_DEVICES": B}, (("gpu1",), True)),
        ({"CUDA_VISIBLE_DEVICES": ""}, ((), True)),
    ],
)
def test_an_index_between_different_cards_counts_in_cuda_s_order(
    environ: dict[str, str], answer: tuple[tuple[str, ...], bool]
) -> None:
    assert allotted_nvidia(environ, MIXED) == answer


@pytest.mark.parametrize(
    ("environ", "devices"),
    [
        ({"SLURM_JOB_GPUS": "0,2"}, ("gpu0", "gpu2")),
        ({"SLURM_JOB_GPUS": "4,5,6"}, ("gpu0", "gpu1", "gpu2")),  # a cgroup shows the job its own three of eight
        ({"SLURM_JOB_GPUS": ""}, ()),
        ({"SLURM_JOB_GPUS": "0,2", "CUDA_VISIBLE_DEVICES": "1"}, ("gpu1",)),
    ],
)
def test_slurm_numbers_gpus_as_the_node_does(environ: dict[str, str], devices: tuple[str, ...]) -> None:
    assert allotted_nvidia(environ, EQUAL) == (devices, True)


@pytest.mark.parametrize(
    ("environ", "devices"),
    [
        ({}, ()),
        ({"HIP_VISIBLE_DEVICES": "1"}, ("gpu1",)),
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "0"}, ("gpu1",)),
        ({"ROCR_VISIBLE_DEVICES": C}, ("gpu2",)),
        ({"ROCR_VISIBLE_DEVICES": "-1", "SLURM_JOB_GPUS": "0"}, ()),
        ({"SLURM_JOB_GPUS": "0"}, ("gpu0",)),
    ],
)
def test_hip_counts_within_what_rocr_leaves(environ: dict[str, str], devices: tuple[str, ...]) -> None:
    assert allotted_amd(environ, EQUAL) == devices


def test_an_index_counts_cards_that_are_not_metered_too() -> None:
    assert allotted_amd({"HIP_VISIBLE_DEVICES": "2"}, [EQUAL[0], EQUAL[2]]) == ("gpu2",)


@pytest.mark.parametrize(
    ("running", "hidden", "who"),
    [
        ({1}, False, "alone"),
        ({1, 2}, False, "alone"),
        ({1, 9}, False, "shared"),
        ({9}, False, "absent"),
        (set(), False, "empty"),
        ({9}, True, "unknown"),
        (set(), True, "unknown"),
        ({1, 9}, True, "shared"),
    ],
)
def test_who_is_on_a_device(running: set[int], hidden: bool, who: str) -> None:
    assert presence(running, {1, 2}, hidden=hidden) == who


def test_a_process_that_may_not_be_looked_into_may_be_computing(tmp_path: Path) -> None:
    (tmp_path / "7/maps").mkdir(parents=True)  # reading a directory fails, like another user's process
    assert HiddenPids(tmp_path, b"libcuda.so").among([7])


def test_a_process_that_has_ended_is_not_computing(tmp_path: Path) -> None:
    assert not HiddenPids(tmp_path, b"libcuda.so").among([7])


def test_a_device_whose_sleep_cannot_be_read_is_awake(tmp_path: Path) -> None:
    power = RuntimePower(tmp_path)
    assert not power.asleep()
    power.close()
