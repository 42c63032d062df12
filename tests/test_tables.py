"""Rows by name, and hardware by the names that drivers and people write."""

import shutil
import subprocess
import sys

import pytest

from jupyter_carbon import tables


@pytest.fixture
def two_halves(tmp_path):
    """A table of one permissive and one share-alike row."""
    (tmp_path / "sharealike").mkdir()
    (tmp_path / "things.csv").write_text('key,name\na,"first, and last"\n', encoding="utf-8")
    (tmp_path / "sharealike" / "things.csv").write_text("key,name\nb,second\na,third\n", encoding="utf-8")
    return tmp_path


def test_permissive_rows_come_first(two_halves):
    assert [row["name"] for row in tables.rows("things", data=two_halves)] == ["first, and last", "second", "third"]


def test_the_share_alike_folder_may_be_missing(two_halves):
    shutil.rmtree(two_halves / "sharealike")
    assert [row["name"] for row in tables.rows("things", data=two_halves)] == ["first, and last"]


def test_a_row_is_found_by_its_key_alone(two_halves):
    assert [row["name"] for row in tables.lookup("things", "a", data=two_halves)] == ["first, and last", "third"]
    assert tables.lookup("things", "key", data=two_halves) == []
    assert tables.lookup("things", "second", data=two_halves) == []


def test_an_unknown_table_is_said():
    with pytest.raises(FileNotFoundError, match="no table 'gpu'"):
        next(tables.rows("gpu"))


def test_an_empty_cell_is_unknown_not_zero():
    assert tables.number({"tdp_w": ""}, "tdp_w") is None
    assert tables.number({"tdp_w": "0"}, "tdp_w") == 0.0


def test_importing_reads_no_table():
    code = (
        "import sys; sys.addaudithook(lambda name, args: print(args[0]) if name == 'open' and "
        "str(args[0]).endswith('.csv') else None); import jupyter_carbon.tables, jupyter_carbon.grid.static"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("name", "model", "tdp_w", "cores", "threads"),
    [
        ("Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.0GHz", "Intel Xeon Platinum 8480+", 350, 56, 112),
        ("Intel(R) Xeon(R) Platinum 8480+", "Intel Xeon Platinum 8480+", 350, 56, 112),
        ("Xeon Platinum 8480+", "Intel Xeon Platinum 8480+", 350, 56, 112),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763", 280, 64, 128),
        ("7763", "AMD EPYC 7763", 280, 64, 128),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "Intel Xeon E5-2686 v4", 145, 18, 36),
        ("13th Gen Intel(R) Core(TM) i9-13900K", "Intel Core i9-13900K", 125, 24, 32),
        ("i9-13900k", "Intel Core i9-13900K", 125, 24, 32),
        ("Intel(R) Core(TM) i7 CPU         920  @ 2.67GHz", "Intel Core i7-920", 130, None, None),
        ("AMD Ryzen 7 5800H with Radeon Graphics", "AMD Ryzen 7 5800H", 45, 8, 16),
        ("AMD Ryzen Threadripper PRO 3995WX 64-Cores", "AMD Ryzen Threadripper PRO 3995WX", 280, 64, 128),
        ("AMD FX(tm)-8350 Eight-Core Processor", "FX-8350", 125, 8, 8),
        ("AMD Ryzen AI 9 HX 370 w/ Radeon 890M", "AMD Ryzen AI 9 HX 370", 28, 12, 24),
        ("AMD A10-7850K Radeon R7, 12 Compute Cores 4C+8G", "A10-7850K with Radeon R7 Series", 95, 4, 4),
        ("Intel(R) Xeon(R) Platinum 8488C", "Intel Xeon Platinum 8488C", 385, 48, 96),
        ("Apple M1 Pro", "Apple M1 Pro", 30, 10, 10),
        ("Apple M2", "Apple M2", 20, None, None),
        ("AWS Graviton3", "Annapurna Labs Graviton3", 220, 64, 64),
        ("Xeon 6 6980P", "Intel Xeon 6980P", 500, 128, None),
        ("i7-12700K", "Intel Core i7-12700K", 125, 12, 20),
    ],
)
def test_a_processor_is_known_by_each_of_its_names(name, model, tdp_w, cores, threads):
    spec = tables.cpu(name)
    assert (spec.model, spec.tdp_w, spec.cores, spec.threads) == (model, tdp_w, cores, threads)
    assert spec.publisher
    assert spec.year >= 2020


@pytest.mark.parametrize(
    "name",
    [
        "AMD EPYC",
        "AMD EPYC Processor",
        "AMD EPYC-Milan Processor",
        "Intel(R) Xeon(R) CPU @ 2.20GHz",
        "Intel Xeon Processor (Skylake, IBRS)",
        "QEMU Virtual CPU version 2.5+",
        "Common KVM processor",
        "ARMv8 Processor rev 0 (v8l)",
        "Neoverse-N1",
        "Virtual",
        "2",
        "",
    ],
)
def test_a_name_without_a_model_is_nobody_s(name):
    assert tables.cpu(name) is None


def test_an_ending_that_fits_two_processors_is_nobody_s(tmp_path):
    shutil.copy(tables.folder() / "cpus.csv", tmp_path)
    text = (tmp_path / "cpus.csv").read_text(encoding="utf-8")
    twin = next(line for line in text.splitlines() if line.startswith("epyc7763,")).replace("epyc7763,", "opteron7763,")
    (tmp_path / "cpus.csv").write_text(text + twin + "\n", encoding="utf-8")
    assert tables.cpu("7763", data=tmp_path) is None
    assert tables.cpu("EPYC 7763", data=tmp_path).tdp_w == 280


@pytest.mark.parametrize(
    ("name", "tdp_w", "memory_gb"),
    [
        ("NVIDIA A100-SXM4-80GB", 400, 80),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 400, 40),
        ("NVIDIA A100 80GB PCIe", 300, 80),
        ("NVIDIA A100-PCIE-40GB", 250, 40),
        ("a100 80gb", 400, 80),
        ("NVIDIA H100 80GB HBM3", 700, 80),
        ("H100", 700, 80),
        ("NVIDIA H100 PCIe", 350, 80),
        ("NVIDIA H100 NVL", 400, 94),
        ("Tesla V100-SXM2-32GB", 300, 32),
        ("Tesla V100-PCIE-16GB", 250, 16),
        ("Tesla T4", 70, 16),
        ("NVIDIA GeForce RTX 4090", 450, 24),
        ("rtx4090", 450, 24),
        ("4090", 450, 24),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 150, 16),
        ("RTX 4090 laptop", 150, 16),
        ("4070 ti super", 285, 16),
        ("NVIDIA GeForce RTX 2080 with Max-Q Design", 80, 8),
        ("NVIDIA GeForce RTX 2080", 215, 8),
        ("NVIDIA RTX 6000 Ada Generation", 300, 48),
        ("Quadro RTX 6000", 260, 24),
        ("NVIDIA RTX A6000", 300, 48),
        ("NVIDIA TITAN X (Pascal)", 250, 12),
        ("AMD Instinct MI300X", 750, 192),
        ("AMD Instinct MI250X / MI250", 500, 128),
        ("TPU v4", 340, 32),
        ("Gaudi 3", 900, 128),
        ("RX 580", 185, 8),
        ("GTX 580", 244, 1.5),
        ("RTX 5090 laptop", 150, 24),
        ("RTX PRO 6000 Blackwell", 600, 96),
        ("NVIDIA H100 80GB HBM2e", 350, 80),
        ("Trillium", 380, 32),
        ("TPU v6e", 380, 32),
        ("Trainium 2", 500, 96),
        ("RX 9070 XT", 304, 16),
        ("Intel(R) Arc(TM) A770 Graphics", 225, 16),
        ("Jetson Orin Nano", 25, 8),
        ("Tesla M4", 75, 4),
        ("Apple M4", 22, None),
        ("M4", 22, None),
    ],
)
def test_an_accelerator_is_known_by_each_of_its_names(name, tdp_w, memory_gb):
    spec = tables.gpu(name)
    assert (spec.tdp_w, spec.memory_gb) == (tdp_w, memory_gb)


@pytest.mark.parametrize(
    "name", ["RTX", "NVIDIA Graphics Device", "GeForce MX150", "RTX 4080 Ti", "H100X", "Radeon 780M", "RX 970", "", "2"]
)
def test_a_name_that_is_no_accelerator_s(name):
    assert tables.gpu(name) is None


def test_a_gpu_says_what_is_unknown_and_how_its_idle_watts_are_known():
    t4 = tables.gpu("Tesla T4")
    assert (t4.idle_w, t4.fp32_tflops, t4.tensor_tflops) == (8.0, 8.141, 65.13)
    assert "not a measurement" in t4.idle_source
    assert tables.gpu("H100").idle_w is None


def test_an_h100_was_made_for_something_between_its_two_publishers():
    h100 = tables.gpu("H100")
    assert (h100.embodied_low_kgco2e, h100.embodied_kgco2e, h100.embodied_high_kgco2e) == (164.0, 307.0, 575.2)


def test_gpus_are_found_without_the_share_alike_folder(tmp_path):
    shutil.copy(tables.folder() / "gpus.csv", tmp_path)
    assert tables.gpu("RTX 3090", data=tmp_path).tdp_w == 350
    assert tables.gpu("RTX 3090", data=tmp_path).tensor_tflops is None  # that cell is Wikipedia's
    assert tables.gpu("RTX 3090").tensor_tflops == 117.5
    assert tables.gpu("RTX 5090", data=tmp_path) is None


def test_near_matches_come_best_first_and_in_their_own_spelling():
    assert tables.near("rtx a600", ["T4", "RTX A400", "RTX A6000"]) == ["RTX A6000", "RTX A400"]
    assert "GeForce RTX 4090" in tables.near("GeForce RTX 409", [row["model"] for row in tables.rows("gpus")])
    assert tables.near("8x H100", ["GH100", "RTX A1000", "H100 PCIe"])[0] == "H100 PCIe"
    assert tables.near("zzzz", ["T4"]) == []
