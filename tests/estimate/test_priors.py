"""The priors table: every row says what it stands on, and sharpens with what is known of the work."""

import csv

import pytest

from jupyter_carbon import tables
from jupyter_carbon.estimate.priors import Prior, Priors, SizeLine, logit, share_of, shipped
from jupyter_carbon.estimate.workload import KINDS, Workload
from jupyter_carbon.model import Interval

ROWS = list(csv.DictReader((tables.folder() / "power_priors.csv").open(encoding="utf-8")))
LINE = SizeLine("batch x parameters", 1.0, 1e9, 1e8, 1e10, Interval(0.4, 0.5, 0.6), 0.5)


def prior(device, workload, likely, line=None):
    belief = Interval(likely / 2, likely, likely * 1.1)
    return Prior("draw", device, workload, "share of rated power", belief, line, "modelled", "test")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['quantity']}-{row['device']}-{row['workload']}")
def test_each_row_is_ordered_and_says_why(row):
    assert float(row["low"]) <= float(row["likely"]) <= float(row["high"])
    assert row["quality"] in ("measured", "modelled", "assumed")
    assert row["basis"].strip()
    assert row["unit"].strip()
    if row["quality"] == "modelled" and row["unit"] == "share of rated power":
        assert int(row["rows"]) >= int(row["groups"]) >= 1


@pytest.mark.parametrize("row", [r for r in ROWS if r["measure"]], ids=lambda row: f"{row['device']}-{row['workload']}")
def test_a_line_lies_where_its_evidence_is(row):
    assert float(row["size_min"]) <= float(row["size_ref"]) <= float(row["size_max"])
    assert 0 < float(row["known_low"]) < float(row["known_likely"]) < float(row["known_high"]) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_work_has_a_belief_for_every_device(kind):
    for quantity, devices in (("draw", ("gpu",)), ("draw", ("tpu", "gpu")), ("busy", ("cpu",)), ("busy", ("host",))):
        found = shipped()(quantity, devices, kind).belief
        assert 0 < found.low < found.likely < found.high <= 1


def test_no_kind_of_work_draws_the_rated_power():
    assert all(shipped()("draw", ("gpu",), kind).belief.likely < 0.95 for kind in KINDS)


def test_the_special_device_is_asked_before_the_wide_one_and_the_word_before_its_parent():
    priors = Priors.of([prior("gpu", "training", 0.7), prior("gpu", "", 0.6), prior("tpu", "training", 0.4)])
    assert priors("draw", ("tpu", "gpu"), "vision-training").belief.likely == 0.4
    assert priors("draw", ("gpu",), "vision-training").belief.likely == 0.7
    assert priors("draw", ("gpu",), "interactive").belief.likely == 0.6
    assert priors.find("draw", ("cpu",), "training") is None


def test_a_doubling_of_the_work_moves_a_share_by_the_row_s_step():
    known = prior("gpu", "inference", 0.5, LINE)
    at_ref, doubled = (known.for_work(Workload("inference", 1, parameters), 1).likely for parameters in (1e9, 2e9))
    assert at_ref == pytest.approx(0.5)
    assert doubled == pytest.approx(share_of(logit(0.5) + 0.5))


def test_work_is_shared_out_over_the_devices():
    known = prior("gpu", "inference", 0.5, LINE)
    assert known.for_work(Workload("inference", 4, 2e9), 8) == known.for_work(Workload("inference", 1, 1e9), 1)


def test_beyond_the_evidence_a_line_is_flat():
    known = prior("gpu", "inference", 0.5, LINE)
    assert known.for_work(Workload("inference", 1, 1e12), 1) == known.for_work(Workload("inference", 1, 1e10), 1)


def test_without_the_work_s_size_the_belief_is_the_wide_one():
    known = prior("gpu", "inference", 0.5, LINE)
    assert known.for_work(Workload("inference", batch_size=8), 1) == known.belief
    assert known.for_work(None, 1) == known.belief


def test_rows_of_a_part_of_the_evidence_take_the_place_of_the_shipped_ones():
    changed = shipped().with_rows([prior("gpu", "training", 0.123)])
    assert changed("draw", ("gpu",), "training").belief.likely == 0.123
    assert shipped()("draw", ("gpu",), "training").belief.likely != 0.123


def test_work_that_cannot_be_is_refused_by_name():
    with pytest.raises(ValueError, match=r"workload='trainning' is not known; one of: training, inference"):
        Workload("trainning")
    with pytest.raises(ValueError, match=r"batch_size=0 is not possible; it must be greater than 0"):
        Workload("training", batch_size=0)
