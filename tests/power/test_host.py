import subprocess
import sys

import psutil
import pytest
from power.host_tree import NO_LIMIT_V1, HostTree

from jupyter_carbon import tables
from jupyter_carbon.model import ONE
from jupyter_carbon.power.host import Host, wall_model

EPYC = "AMD EPYC 7763 64-Core Processor"  # 280 W, 64 cores, 128 threads
XEON = "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"  # 125 W, 20 cores
LAPTOP = "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz"  # 28 W, 8 threads

GB = 2**30


@pytest.fixture
def tree(tmp_path):
    return HostTree(tmp_path)


# --- the machine -------------------------------------------------------------------------------------------


def test_a_laptop(tree):
    host = tree.cpus(8, LAPTOP).ram(16).dmi(chassis_type=10).file("proc/sys/kernel/random/boot_id", "b00t").detect()
    assert (host.boot_id, host.cpu_model, host.logical_cpus, host.sockets) == ("b00t", LAPTOP, 8, 1)
    assert (host.is_vm, host.chassis, host.ram_gb) == (False, "laptop", 16)
    assert (host.allotted_cpus, host.allotted_ram_gb, host.cpu_share) == (8, 16, 1)
    assert (host.tdp_w, host.tdp_known, host.tdp_spread) == (28, True, ONE)


def test_every_socket_of_a_real_machine_counts(tree):
    host = tree.cpus(80, XEON, siblings=40).ram(192).dmi(chassis_type=23).detect()
    assert (host.sockets, host.chassis, host.tdp_w) == (2, "server", 250)
    assert host.tdp_source == "Intel Xeon Gold 6230, 125 W x 2 (Intel)"


def test_a_guest_of_two_vcpus_is_not_billed_a_host_of_sixty_four_cores(tree):
    host = tree.cpus(2, EPYC, guest=True).ram(8).detect()
    assert (host.is_vm, host.chassis, host.logical_cpus) == (True, "vm", 2)
    assert host.tdp_w == pytest.approx(280 * 2 / 128)
    assert host.tdp_known


def test_a_guests_cpu_listed_with_its_cores_alone_has_two_threads_to_each(tree):
    assert tables.cpu(XEON).threads is None
    assert tree.cpus(4, XEON, guest=True).detect().tdp_w == pytest.approx(125 * 4 / 40)


def test_a_container_under_lxcfs_sees_two_cpus_of_a_part_and_answers_for_those(tree):
    host = tree.cpus(2, EPYC, siblings=128).ram(4).dmi(chassis_type=23).detect()
    assert (host.is_vm, host.chassis, host.sockets) == (False, "server", 1)
    assert host.tdp_w == pytest.approx(280 * 2 / 128)


def test_an_unknown_cpu_in_a_guest_gets_a_default_per_thread_that_says_so(tree):
    host = tree.cpus(2, "AMD EPYC", guest=True).detect()
    assert host.tdp_w == pytest.approx(2 * 3.1)
    assert not host.tdp_known
    assert host.tdp_source == "assumed, no figure for 'AMD EPYC': 3.1 W per thread (vm, Intel and AMD 2025)"
    assert host.tdp_spread.low == pytest.approx(1.3 / 3.1)
    assert host.tdp_spread.high == pytest.approx(5.9 / 3.1)


@pytest.mark.parametrize(
    ("chassis_type", "watts"), [(9, 8 * 2.3), (3, 8 * 5.9), (17, 8 * 3.9), (1, 8 * 3.9)], ids=lambda v: f"{v:g}"
)
def test_the_default_follows_the_kind_of_machine(tree, chassis_type, watts):
    host = tree.cpus(8, "Some CPU of tomorrow").dmi(chassis_type=chassis_type).detect()
    assert host.tdp_w == pytest.approx(watts)


@pytest.mark.parametrize(
    ("chassis_type", "kind"),
    [(3, "desktop"), (7, "desktop"), (35, "desktop"), (9, "laptop"), (31, "laptop"), (32, "laptop"), (17, "server"),
     (23, "server"), (28, "server"), (1, "unknown"), (2, "unknown"), ("", "unknown"), ("x", "unknown")],
)  # fmt: skip
def test_chassis_kinds_of_smbios(tree, chassis_type, kind):
    assert tree.cpus(4, LAPTOP).dmi(chassis_type=chassis_type).detect().chassis == kind


@pytest.mark.parametrize(
    ("maker", "product", "is_vm"),
    [
        ("QEMU", "QEMU Virtual Machine", True),
        ("Amazon EC2", "c7g.large", True),
        ("Amazon EC2", "c7g.metal", False),
        ("Google", "Google Compute Engine", True),
        ("Microsoft Corporation", "Virtual Machine", True),
        ("Ampere(R)", "Mt. Jade", False),
    ],
)
def test_an_arm_guest_is_known_by_its_makers_name(tree, maker, product, is_vm):
    tree.stat(4).file("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41")
    host = tree.dmi(sys_vendor=maker, product_name=product).detect()
    assert (host.is_vm, host.cpu_model) == (is_vm, None)


def test_sockets_of_an_arm_server_come_from_its_topology(tree):
    tree.stat(160).file("proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd")
    tree.file("sys/devices/system/cpu/cpu0/topology/package_cpus_list", "0-79")
    assert tree.detect().sockets == 2


def test_a_machine_that_tells_nothing_still_ends_in_a_sensible_host(tmp_path):
    host = Host.detect(tmp_path / "nowhere", {})
    assert host.logical_cpus >= 1
    assert 0 < host.allotted_cpus <= host.logical_cpus
    assert host.ram_gb == pytest.approx(psutil.virtual_memory().total / GB)
    assert (host.cpu_model, host.is_vm, host.tdp_known) == (None, False, False)
    assert host.tdp_w > 0
    assert host.boot_id == f"booted-{psutil.boot_time():.0f}"
    assert wall_model(host).base_w.likely > 0


def test_rubbish_in_every_file_still_ends_in_a_sensible_host(tree):
    for path in ("cpuinfo", "meminfo", "stat", "self/cgroup"):
        tree.file(f"proc/{path}", "\x00MemTotal:\n:::\n0::\n5:cpu")
    tree.cgroup("", cpu_max="many", memory_max="-5", cpuset_cpus_effective="a-b,,3-1")
    rubbish = dict.fromkeys(("SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"), "2(x3)")
    host = tree.detect(rubbish)
    assert (host.allotted_cpus, host.allotted_ram_gb) == (host.logical_cpus, host.ram_gb)


def test_this_machine():
    host = Host.detect()
    assert host.ram_gb == pytest.approx(psutil.virtual_memory().total / GB, rel=0.05)
    assert 0 < host.allotted_cpus <= host.logical_cpus
    assert 0 < host.allotted_ram_gb <= host.ram_gb
    assert host.tdp_w > 0
    assert host.busy.busy_s() > 0
    host.busy.close()


def test_the_environment_is_not_in_its_repr(tree):
    assert "hunter2" not in repr(tree.detect({"TOKEN": "hunter2"}))


def test_it_starts_no_process_and_asks_no_network():
    watched = """
import sys
from jupyter_carbon.power.host import Host, wall_model
forbidden = ("subprocess.", "os.fork", "os.posix_spawn", "os.exec", "os.system", "socket.")
def hook(event, args):
    if event.startswith(forbidden):
        raise SystemExit(f"{event} {args}")
sys.addaudithook(hook)
wall_model(Host.detect())
"""
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the allotment -----------------------------------------------------------------------------------------


@pytest.fixture
def big(tree):
    """Sixty-four cores, 512 GB."""
    return tree.cpus(128, EPYC).ram(512)


def test_affinity_limits(big):
    host = big.detect(affinity=4)
    assert (host.logical_cpus, host.allotted_cpus, host.cpu_share) == (128, 4, 4 / 128)
    assert host.tdp_w == 280  # the machine stays the machine


def test_cgroup_v2(big):
    big.member("0::/kubepods/pod1").cgroup("kubepods/pod1", cpu_max="250000 100000", memory_max=2 * GB)
    host = big.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb) == (2.5, 2)


def test_a_parents_limit_binds_too(big):
    big.member("0::/user.slice/nb.scope")
    big.cgroup("user.slice", cpu_max="400000 100000", memory_max=8 * GB)
    big.cgroup("user.slice/nb.scope", cpu_max="max 100000", memory_max="max")
    host = big.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb) == (4, 8)


def test_memory_is_shared_within_the_cgroup_of_the_limit(big):
    big.member("0::/user.slice/nb.scope")
    big.cgroup("user.slice", memory_max=8 * GB)
    big.cgroup("user.slice/nb.scope", memory_max="max")
    assert big.detect().memory_group == "/user.slice"


def test_memory_of_a_slurm_job_is_shared_within_the_job(big):
    big.member("0::/slurm/job_7/step_0").cgroup("slurm/job_7/step_0")
    assert big.detect({"SLURM_MEM_PER_NODE": "65536"}).memory_group == "/slurm/job_7"


def test_a_container_that_sees_no_path_of_its_own_shares_with_all_in_it(big):
    big.member("0::/docker/f00").cgroup("", memory_max=1 * GB)
    assert big.detect().memory_group == ""


def test_without_a_limit_memory_is_the_machines(big):
    big.member("0::/user.slice").cgroup("user.slice", memory_max="max")
    assert big.detect().memory_group is None


def test_no_limit_is_the_whole_machine(big):
    big.member("0::/user.slice").cgroup("user.slice", cpu_max="max 100000", memory_max="max")
    host = big.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb, host.cpu_share) == (128, 512, 1)


def test_cpuset_of_v2(big):
    big.member("0::/job").cgroup("job", cpuset_cpus_effective="0-3,64-67")
    assert big.detect().allotted_cpus == 8


def test_a_path_of_another_namespace_means_the_mount(big):
    big.member("0::/docker/f00").cgroup("", cpu_max="50000 100000", memory_max=1 * GB)
    host = big.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb) == (0.5, 1)


def test_a_path_above_the_namespace_means_the_mount(big):
    big.member("0::/../other").cgroup("", cpu_max="100000 100000").cgroup("../other", cpu_max="900000 100000")
    assert big.detect().allotted_cpus == 1


def test_cgroup_v1(big):
    big.member("4:memory:/docker/a", "3:cpuset:/docker/a", "2:cpu,cpuacct:/docker/a", "1:name=systemd:/docker/a")
    big.cgroup("cpu/docker/a", cpu_cfs__quota__us=300000, cpu_cfs__period__us=100000)
    big.cgroup("cpuset/docker/a", cpuset_cpus="0-7")
    big.cgroup("memory/docker/a", memory_limit__in__bytes=4 * GB)
    host = big.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb) == (3, 4)


def test_cgroup_v1_mounted_under_both_names_joined(big):
    big.member("2:cpu,cpuacct:/").cgroup("cpu,cpuacct", cpu_cfs__quota__us=200000, cpu_cfs__period__us=100000)
    assert big.detect().allotted_cpus == 2


def test_cgroup_v1_without_limits(big):
    big.member("4:memory:/", "2:cpu:/")
    big.cgroup("cpu", cpu_cfs__quota__us=-1, cpu_cfs__period__us=100000)
    big.cgroup("memory", memory_limit__in__bytes=NO_LIMIT_V1)
    host = big.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb) == (128, 512)


@pytest.mark.parametrize("lines", [("4:memory:/job", "0::/job"), ("0::/job", "4:memory:/job")])
def test_a_hybrid_host_has_its_limits_in_v1(big, lines):
    big.member(*lines).cgroup("unified/job").cgroup("memory/job", memory_limit__in__bytes=16 * GB)
    assert big.detect().allotted_ram_gb == 16


def test_a_controller_that_a_hybrid_host_keeps_in_v2(big):
    big.member("4:memory:/job", "0::/job").cgroup("unified/job", cpu_max="600000 100000").cgroup("memory/job")
    assert big.detect().allotted_cpus == 6


def test_slurm_by_node(big):
    host = big.detect({"SLURM_CPUS_ON_NODE": "16", "SLURM_MEM_PER_NODE": "65536"})
    assert (host.allotted_cpus, host.allotted_ram_gb) == (16, 64)


def test_slurm_by_cpu(big):
    assert big.detect({"SLURM_CPUS_ON_NODE": "16", "SLURM_MEM_PER_CPU": "2048"}).allotted_ram_gb == 32


def test_slurm_says_zero_for_all_of_the_memory(big):
    assert big.detect({"SLURM_CPUS_ON_NODE": "16", "SLURM_MEM_PER_NODE": "0"}).allotted_ram_gb == 512


def test_the_least_of_all_limits_counts(big):
    big.member("0::/job").cgroup("job", cpu_max="800000 100000", cpuset_cpus_effective="0-9", memory_max=32 * GB)
    host = big.detect({"SLURM_CPUS_ON_NODE": "12", "SLURM_MEM_PER_NODE": "65536"}, affinity=10)
    assert (host.allotted_cpus, host.allotted_ram_gb) == (8, 32)


def test_nothing_is_allotted_beyond_the_machine(tree):
    tree.cpus(4, LAPTOP).ram(8).member("0::/job").cgroup("job", cpu_max="6400000 100000", memory_max=64 * GB)
    host = tree.detect()
    assert (host.allotted_cpus, host.allotted_ram_gb, host.cpu_share) == (4, 8, 1)


# --- to the wall -------------------------------------------------------------------------------------------


def test_the_wall_of_a_desktop(tree):
    wall = wall_model(tree.cpus(8, LAPTOP).dmi(chassis_type=3).detect())
    assert (wall.kind, wall.quality) == ("desktop", "modelled")
    assert (wall.factor.low, wall.factor.likely, wall.factor.high) == (1.05, 1.15, 1.25)
    assert (wall.base_w.low, wall.base_w.likely, wall.base_w.high) == (20, 50, 90)


def test_the_wall_of_a_guest_grows_with_its_vcpus(tree):
    wall = wall_model(tree.cpus(16, EPYC, guest=True).detect())
    assert (wall.kind, wall.quality) == ("vm", "assumed")
    assert wall.base_w.likely == pytest.approx(16 * 0.2)


def test_the_unknown_machine_has_the_widest_wall_of_all(tree):
    def spans(row):
        return float(row["low"]), float(row["high"])

    rows = [row for row in tables.rows("chassis") if row["unit"] != "W per vCPU"]
    for quantity in ("wall_factor", "wall_base", "cpu_tdp"):
        low, high = next(spans(r) for r in rows if (r["kind"], r["quantity"]) == ("unknown", quantity))
        others = [spans(r) for r in rows if r["quantity"] == quantity]
        assert low <= min(low for low, _ in others)
        assert high >= max(high for _, high in others)
    assert wall_model(tree.cpus(4, LAPTOP).detect()).kind == "unknown"


def test_each_row_has_ordered_numbers_and_its_origin():
    rows = list(tables.rows("chassis"))
    assert len(rows) == 5 * 3
    for row in rows:
        assert 0 < float(row["low"]) <= float(row["likely"]) <= float(row["high"])
        assert all(row[column] for column in ("unit", "quality", "publisher", "year", "basis", "licence", "source"))
