import pytest
from power.host_tree import HostTree

from jupyter_carbon.power.ram import Ram

GB = 2**30


class Clock:
    s = 50.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(tmp_path):
    return HostTree(tmp_path).cpus(64, "AMD EPYC 7763 64-Core Processor").ram(512)


def joules(ram):
    (energy_j,) = ram.energy_j().values()
    return energy_j


def test_memory_draws_its_power_all_the_time(server, clock):
    ram = Ram.open(server.detect(), clock=clock)
    clock.s += 10
    assert joules(ram) == pytest.approx(0.3 * 512 * 10)


def test_a_sleeping_cell_in_a_group_of_2_gb_on_a_host_of_512_draws_less_than_a_watt(server, clock):
    host = server.member("0::/nb").cgroup("nb", memory_max=2 * GB).detect()
    ram = Ram.open(host, clock=clock)
    clock.s += 60
    assert joules(ram) / 60 == pytest.approx(0.6)


def test_a_slurm_job_draws_for_what_it_asked_for(server, clock):
    ram = Ram.open(server.detect({"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "4096"}), clock=clock)
    clock.s += 1
    assert joules(ram) == pytest.approx(0.3 * 16)


def test_two_readings_at_one_moment_are_equal(server, clock):
    ram = Ram.open(server.detect(), clock=clock)
    clock.s += 0.4
    assert joules(ram) == joules(ram) == pytest.approx(0.3 * 512 * 0.4)


def test_what_it_tells_about_itself(server, clock):
    ram = Ram.open(server.detect(), clock=clock)
    (domain,) = ram.domains
    assert (domain.component, domain.device, domain.source) == ("ram", "ram-0", "ram-model")
    assert (domain.quality, domain.resolution_j, domain.step_s) == ("modelled", 0, 0)
    assert (domain.spread.low, domain.spread.likely, domain.spread.high) == pytest.approx((0.6, 1, 1.3))
    assert dict(ram.idle_w) == {"ram-0": pytest.approx(0.3 * 512)}
    assert dict(ram.power_limit_w) == {"ram-0": pytest.approx(0.39 * 512)}
    assert not ram.faults
    ram.close()
