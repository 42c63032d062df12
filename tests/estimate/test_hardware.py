"""Names as people, `lscpu` and NVML write them; what is not there is said, with what is near."""

import pytest

from jupyter_carbon.estimate import hardware
from jupyter_carbon.model import Interval, UnknownHardware


@pytest.mark.parametrize(
    ("name", "rated_w", "chassis"),
    [
        ("NVIDIA H100 80GB HBM3", 700, "server"),
        ("h100", 700, "server"),
        ("a100 80gb", 400, "server"),
        ("NVIDIA A100-PCIE-40GB", 250, "server"),
        ("NVIDIA GeForce RTX 4090", 450, "desktop"),
        ("RTX 4090 laptop", 150, "laptop"),
        ("TPU v3", 450, "server"),
        ("Tesla T4", 70, "server"),
    ],
)
def test_a_gpu_is_found_as_it_is_written(name, rated_w, chassis):
    found = hardware.gpu(name)
    assert (found.rated_w.likely, found.chassis) == (rated_w, chassis)


@pytest.mark.parametrize(
    ("name", "rated_w", "chassis", "kind"),
    [
        ("Xeon Platinum 8480+", 350, "server", "server-cpu"),
        ("AMD EPYC 7763 64-Core Processor", 280, "server", "server-cpu"),
        ("Intel(R) Xeon(R) CPU E3-1240 V2 @ 3.40GHz", 69, "server", "small-cpu"),
        ("13th Gen Intel(R) Core(TM) i9-13900K", 125, "desktop", "turbo-cpu"),
        ("AMD Ryzen Threadripper 1950X 16-Core Processor", 180, "desktop", "large-cpu"),
        ("i7-1185G7", 28, "laptop", "small-cpu"),
    ],
)
def test_a_cpu_is_found_as_it_is_written(name, rated_w, chassis, kind):
    found = hardware.cpu(name)
    assert (found.rated_w.likely, found.chassis, found.classes[0]) == (rated_w, chassis, kind)


def test_old_cards_and_tpus_have_classes_of_their_own():
    assert hardware.gpu("P100").classes == ("pascal", "gpu")
    assert hardware.gpu("TPU v2").classes == ("tpu", "gpu")
    assert hardware.gpu("GTX 1080 Ti").classes == ("pascal", "geforce", "gpu")


def test_an_unknown_name_raises_with_near_ones_and_how_to_ask_for_a_class():
    with pytest.raises(UnknownHardware, match=r"gpu='H1000' is not in the tables; .*H100.*data-centre GPU"):
        hardware.gpu("H1000")
    with pytest.raises(UnknownHardware, match=r"cpu='Xeon Platinum 9999' .*Xeon Platinum.*server CPU"):
        hardware.cpu("Xeon Platinum 9999")


@pytest.mark.parametrize("name", ["data-centre GPU", "Data center gpu", "TPU"])
def test_a_class_stands_in_where_it_is_asked_for(name):
    found = hardware.gpu(name)
    assert found.name.startswith("any ")
    assert found.rated_w.high > 2 * found.rated_w.low


def test_embodied_spans_its_publishers():
    assert hardware.gpu("H100").embodied_kgco2e == Interval(164.0, 307.0, 575.2)


def test_one_publisher_is_believed_within_a_half_and_twice():
    made = hardware.gpu("P100").embodied_kgco2e
    assert (made.low, made.high) == (made.likely / 2, made.likely * 2)
