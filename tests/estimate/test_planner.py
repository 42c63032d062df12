"""`jc.plan`: the same numbers as one estimate, for all rows at once; bad rows are marked, good ones computed."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_carbon.estimate import sheet
from jupyter_carbon.estimate.estimator import estimate
from jupyter_carbon.estimate.planner import COLUMNS, QUANTITIES, elsewhere, plan
from jupyter_carbon.estimate.workload import Workload

rows = st.fixed_dictionaries(
    {
        "gpu": st.sampled_from(["H100", "A100", "RTX 4090", None]),
        "n_gpu": st.sampled_from([0, 1, 8, 16]),
        "cpu": st.sampled_from(["EPYC 7763", "i9-13900K", None]),
        "n_cpu": st.sampled_from([0, 1, 2]),
        "ram_gb": st.sampled_from([None, 0.0, 64.0]),
        "hours": st.floats(0.1, 5000.0),
        "utilisation": st.sampled_from([None, 0.0, 0.37, 1.0]),
        "workload": st.sampled_from([None, "training", "llm-inference", "interactive"]),
        "region": st.sampled_from([None, "FR", "aws:us-east-1", "US-CA"]),
        "pue": st.sampled_from([None, 1.0, 1.3]),
        "boundary": st.sampled_from(["wall", "devices"]),
    }
)


def numbers(run):
    return [getattr(getattr(run, name), end) for name in QUANTITIES for end in ("low", "likely", "high")]


def attempt(scenario):
    """The estimate, or why there is none."""
    try:
        return estimate(**scenario)
    except ValueError as err:
        return str(err)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4))
def test_a_row_says_what_one_estimate_says(scenarios):
    table = pd.DataFrame(scenarios, dtype=object)
    planned = plan(table)
    for at, scenario in enumerate(scenarios):
        run = attempt(scenario)
        if isinstance(run, str):
            assert planned["error"].iloc[at] == run
            assert planned[list(COLUMNS)].iloc[at].isna().all()
        else:
            assert pd.isna(planned["error"].iloc[at])
            assert planned[list(COLUMNS)].iloc[at].tolist() == pytest.approx(numbers(run), rel=1e-9, abs=1e-12)


def test_each_combination_is_a_row_the_last_field_changing_fastest():
    planned = plan({"gpu": ["H100", "A100"], "hours": [1, 2], "region": "FR"})
    assert planned["gpu"].tolist() == ["H100", "H100", "A100", "A100"]
    assert planned["hours"].tolist() == [1, 2, 1, 2]
    assert planned["energy_kwh_p50"].iloc[1] == pytest.approx(2 * planned["energy_kwh_p50"].iloc[0])


@pytest.mark.parametrize("also", [{}, {"utilisation": 0.5}, {"cpu": "i9-13900K"}, {"boundary": "devices"}])
def test_a_desktop_beside_a_server_without_counts(also):
    gpus = ["H100", "RTX 4090", "RTX 4090 laptop"]
    planned = plan({"gpu": gpus, **also})
    for at, gpu in enumerate(gpus):
        assert planned[list(COLUMNS)].iloc[at].tolist() == pytest.approx(numbers(estimate(gpu, **also)), rel=1e-9)


def test_a_value_twice_is_two_rows_and_none_is_not_said():
    planned = plan({"gpu": ["H100", "H100"], "region": [None, "FR"]})
    assert len(planned) == 4
    assert planned["region"].isna().tolist() == [True, False, True, False]
    assert planned["energy_kwh_p50"].iloc[0] == pytest.approx(estimate("H100").energy_kwh.likely)


def test_the_rows_stay_as_they_came_with_all_their_columns_and_their_index():
    table = pd.DataFrame({"job": ["b", "a"], "gpu": ["H100", "A100"], "hours": [3.0, 1.0]}, index=[20, 10])
    planned = plan(table)
    pd.testing.assert_frame_equal(planned[["job", "gpu", "hours"]], table)
    assert list(planned.columns) == ["job", "gpu", "hours", *COLUMNS, "rank", "error"]


def test_ranks_go_from_the_least_grams_to_the_most():
    planned = plan({"gpu": ["H100"], "region": ["PL", "FR", "DE"], "hours": [10]})
    by_rank = planned.sort_values("rank")
    assert by_rank["rank"].tolist() == [1, 2, 3]
    assert by_rank["operational_kgco2e_p50"].is_monotonic_increasing
    assert by_rank["region"].iloc[0] == "FR"


def test_ranks_of_many_are_those_of_a_sort():
    rng = np.random.default_rng(0)
    planned = plan(pd.DataFrame({"gpu": "H100", "hours": rng.lognormal(0, 3, 5000)}))
    assert planned["rank"].tolist() == planned["operational_kgco2e_p50"].rank(method="first").astype(int).tolist()


def test_bad_rows_say_why_and_good_rows_are_computed():
    table = pd.DataFrame(
        {
            "gpu": ["H100", "H1000", "H100", "H100", "H100", "H100"],
            "hours": [1.0, 1.0, -3.0, math.nan, 1.0, 1.0],
            "utilisation": [0.5, 0.5, 0.5, 0.5, 1.2, 0.5],
            "region": ["FR", "FR", "FR", "FR", "FR", "FR and DE"],
        }
    )
    planned = plan(table)
    errors = planned["error"].tolist()
    assert pd.isna(errors[0])
    assert planned["energy_kwh_p50"].notna().tolist() == [True] + [False] * 5
    assert planned["rank"].isna().tolist() == [False] + [True] * 5
    assert "H1000" in errors[1]
    assert errors[2] == "hours=-3.0 is not possible; it must be 0 to 1,000,000 h"
    assert errors[3] == "hours=nan is not possible; it must be 0 to 1,000,000 h"
    assert errors[4] == "utilisation=1.2 is not possible; it must be 0 to 1, where 1 is rated power"
    assert "2 regions" in errors[5]


def test_words_where_a_number_should_be_are_bad_rows():
    planned = plan(pd.DataFrame({"gpu": ["A100", "A100"], "n_gpu": [8, "eight"], "hours": ["2", "2"]}))
    assert planned["energy_kwh_p50"].notna().tolist() == [True, False]
    assert planned["error"].iloc[1] == "n_gpu='eight' is not possible; it must be 0 to 10,000,000"


def test_an_empty_cell_is_not_said_where_that_is_allowed():
    planned = plan(pd.DataFrame({"gpu": ["A100"] * 2, "utilisation": [None, 0.5], "hours": [1.0, 1.0]}))
    assert planned["energy_kwh_p50"].iloc[0] == pytest.approx(estimate("A100").energy_kwh.likely)


OWN = {
    "hours": lambda rng, count: rng.random(count) * 400.0,
    "utilisation": lambda rng, count: rng.random(count),
    "utilisation, some not said": lambda rng, count: np.where(rng.random(count) < 0.3, np.nan, rng.random(count)),
    "pue": lambda rng, count: 1.0 + rng.random(count),
    "ram_gb": lambda rng, count: rng.random(count) * 512.0,
}


@pytest.mark.parametrize(
    "own", [("hours",), *(("hours", name) for name in OWN if name != "hours"), ("utilisation", "pue", "ram_gb")]
)
@pytest.mark.parametrize("cpus", [[None], [None, "EPYC 7763"]], ids=["no CPU named", "some named"])
def test_numbers_of_their_own_in_every_row_are_no_other_than_few(own, cpus):
    rng, count = np.random.default_rng(1), 3 * sheet.MANY
    table = pd.DataFrame({name.partition(",")[0]: OWN[name](rng, count) for name in own})
    for name, values in {"gpu": ["H100", "RTX 4090"], "cpu": cpus, "region": ["FR", None], "n_gpu": [1, 8]}.items():
        table[name] = np.array(values, dtype=object)[rng.integers(0, len(values), count)]
    assert all(sheet.table(table).fields[name.partition(",")[0]].is_long for name in own)
    planned = plan(table)[list(COLUMNS)]
    for at in rng.integers(0, count, 12):
        scenario = {name: None if pd.isna(value) else value for name, value in table.iloc[at].items()}
        assert planned.iloc[at].tolist() == pytest.approx(numbers(estimate(**scenario)), rel=1e-9)


def test_categories_are_as_good_as_words():
    table = pd.DataFrame({"gpu": ["H100", "A100"], "region": ["FR", "DE"], "hours": [1.0, 2.0]})
    pd.testing.assert_frame_equal(plan(table)[list(COLUMNS)], plan(table.astype({"gpu": "category"}))[list(COLUMNS)])


def test_work_with_its_size_is_shared_out_over_each_row_s_gpus():
    work = Workload("llm-inference", batch_size=64, parameters=8e9)
    planned = plan({"gpu": ["H100"], "n_gpu": [1, 8], "workload": [work], "hours": [1]})
    expected = [estimate("H100", n, workload=work).energy_kwh.likely for n in (1, 8)]
    assert planned["energy_kwh_p50"].tolist() == pytest.approx(expected)


def test_a_plan_takes_workloads_told_as_mappings_and_marks_those_that_cannot_be():
    told = {"kind": "llm-inference", "batch_size": 64, "parameters": 8e9}
    works = (told, "llm-inference", {**told, "batch_size": -1}, None)
    planned = plan([{"gpu": "H100", "workload": work} for work in works])
    expected = [estimate("H100", workload=work).energy_kwh.likely for work in works[:2]]
    assert planned["energy_kwh_p50"].iloc[:2].tolist() == pytest.approx(expected)
    assert planned["error"].isna().tolist() == [True, True, False, True]
    assert plan({"gpu": "H100", "workload": told})["energy_kwh_p50"].tolist() == pytest.approx(expected[:1])


def test_a_list_of_mappings_is_a_table_and_an_unknown_field_of_a_product_is_refused():
    assert len(plan([{"gpu": "H100", "hours": 1}, {"gpu": "A100", "hours": 1}])) == 2
    with pytest.raises(ValueError, match="'gpus' is no field of a plan; it has: gpu, cpu"):
        plan({"gpus": ["H100"]})


def test_no_rows_are_no_rows():
    assert plan(pd.DataFrame({"gpu": [], "hours": []})).empty
    assert plan({"gpu": []}).empty


def test_the_same_run_elsewhere_is_ranked_by_place():
    found = elsewhere({"gpu": "H100", "n_gpu": 8, "hours": 72, "region": "PL"}, ["PL", "FR", "SE"])
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["region"].iloc[-1] == "PL"
    assert found["energy_kwh_p50"].nunique() == 1
