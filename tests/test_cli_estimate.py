"""`jupyter carbon estimate` and `plan`: what is printed, what is refused, and how each ends."""

import json

import pytest

import jupyter_carbon as jc
from jupyter_carbon.cli import main
from jupyter_carbon.estimate.arguments import Budget, Words, add_estimate, asked_of

RUN = ["--gpu", "H100", "--n-gpu", "8", "--hours", "72", "--region", "FR", "--workload", "training"]


def test_an_estimate_as_json_is_that_of_the_function(capsys):
    assert main(["estimate", *RUN, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == jc.estimate(gpu="H100", n_gpu=8, hours=72, region="FR", workload="training").to_dict()


def test_the_work_is_told_as_sharply_as_the_function_takes_it(capsys):
    words = ["--cpu", "i9-13900K", "--workload", "vision-inference", "--batch-size", "4", "--parameters", "8e6"]
    assert main(["estimate", *words, "--runs-on", "cpu", "--json"]) == 0
    work = jc.Workload("vision-inference", batch_size=4.0, parameters=8e6, runs_on="cpu")
    assert json.loads(capsys.readouterr().out) == jc.estimate(cpu="i9-13900K", workload=work).to_dict()
    assert main(["estimate", "--cpu", "i9-13900K", "--batch-size", "4"]) == 1
    assert "batch_size sharpens a kind of work: say which with --workload" in capsys.readouterr().err


def test_an_estimate_in_words_names_the_range_and_what_it_hangs_on(capsys):
    assert main(["estimate", *RUN]) == 0
    said = capsys.readouterr().out
    assert "operational CO₂e" in said
    assert "The range hangs most on" in said
    assert " * region                 FR (France)" in said


@pytest.mark.parametrize(
    ("words", "hours"), [(["--hours", "90m"], 1.5), (["--hours", "2d"], 48.0), (["--hours", "0.5"], 0.5), ([], 1.0)]
)
def test_hours_are_written_as_people_write_them(capsys, words, hours):
    assert main(["estimate", "--gpu", "H100", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hours"] == hours


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gpu", "H100", "--hours", "-1"], "hours=-1.0 is not possible; it must be 0 to 1,000,000 h"),
        (["--gpu", "H100", "--pue", "0.5"], "pue=0.5 is not possible; it must be 1 to 5"),
        (["--gpu", "H100", "--utilisation", "1.2"], "utilisation=1.2 is not possible"),
        (["--gpu", "H1000"], "near matches: H100"),
        (["--gpu", "H100", "--workload", "traning"], "one of: training"),
        (["--gpu", "H100", "--hours", "soon"], "hours='soon' is no time span"),
        (["--gpu", "H100", "--budget", "five"], "budget='five' is no amount"),
    ],
)
def test_what_cannot_be_ends_in_one_sentence(capsys, words, sentence):
    assert main(["estimate", *words]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["estimate", "--gpu", "H100", "--regon", "FR"], "--regon is not known; did you mean --region"),
        (["plan", "runs.csv", "--ouput=x.csv"], "--ouput=x.csv is not known; did you mean --output?"),
        (["estimate", "H100"], "H100 is not known; one of --help, --gpu"),
    ],
)
def test_a_word_that_no_command_knows_names_its_near_matches(capsys, words, sentence):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_budget_that_will_be_passed_ends_non_zero_with_its_probability(capsys):
    assert main(["estimate", *RUN, "--budget", "5g"]) == 1
    assert "The budget of 5 g is passed with a probability of more than 99 %." in capsys.readouterr().err


def test_a_budget_that_is_wide_enough_ends_well(capsys):
    assert main(["estimate", *RUN, "--budget", "10 MWh"]) == 0
    told = capsys.readouterr()
    assert "The budget of 10 MWh is passed with a probability of less than 1 %." in told.out
    assert told.err == ""


def test_a_budget_at_the_likely_amount_is_passed_every_second_time():
    one = jc.estimate(gpu="H100", hours=1, region="FR")
    kwh = Budget.of(f"{one.energy_kwh.likely:.9f} kWh")
    grams = Budget.of(f"{1000 * one.operational_kgco2e.likely:.9f} g")
    assert kwh.chance(one) == pytest.approx(0.5, abs=1e-6)
    assert grams.chance(one) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "field", "limit"),
    [
        ("5g", "operational_kgco2e", 0.005),
        ("200 mg", "operational_kgco2e", 0.0002),
        ("1.5 t", "operational_kgco2e", 1500.0),
        ("2kWh", "energy_kwh", 2.0),
        ("3 mWh", "energy_kwh", 3e-6),
        ("3 MWh", "energy_kwh", 3e3),
        ("7200 J", "energy_kwh", 0.002),
    ],
)
def test_a_budget_is_grams_or_energy(text, field, limit):
    budget = Budget.of(text)
    assert (budget.field, budget.limit) == (field, pytest.approx(limit))


@pytest.mark.parametrize("text", ["", "5", "g", "5 km", "-5g", "5 g 3"])
def test_another_amount_is_refused(text):
    with pytest.raises(ValueError, match="no amount"):
        Budget.of(text)


def test_an_unknown_word_of_the_grammar_names_its_near_matches():
    words = Words("%carbon estimate")
    add_estimate(words)
    with pytest.raises(ValueError, match="--regoin is not known; did you mean --region"):
        words.parse("--gpu H100 --regoin FR")


def test_a_name_with_blanks_is_quoted():
    words = Words("%carbon estimate")
    add_estimate(words)
    assert asked_of(words.parse("--gpu 'RTX 4090' --n-gpu 2")) == {"gpu": "RTX 4090", "n_gpu": 2.0}


# --- plans ------------------------------------------------------------------------------------------------------

TABLE = "gpu,hours,region,who\nH100,24,FR,ann\nH100,-3,FR,bob\nA100,24,NA,eve\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(TABLE)
    return path


def test_a_plan_computes_the_good_rows_and_marks_the_bad_one(capsys, table):
    assert main(["plan", str(table), "--json"]) == 0
    told = capsys.readouterr()
    first, second, third = json.loads(told.out)
    one = jc.estimate(gpu="H100", hours=24, region="FR")
    assert first["energy_kwh_p50"] == pytest.approx(one.energy_kwh.likely)
    assert (second["energy_kwh_p50"], second["rank"]) == (None, None)
    assert second["error"] == "hours=-3.0 is not possible; it must be 0 to 1,000,000 h"
    assert (third["region"], third["who"], third["error"]) == ("NA", "eve", None)  # Namibia, not a missing value
    assert "1 of 3 rows cannot be" in told.err


def test_a_plan_in_words_ranks_the_least_first(capsys, table):
    assert main(["plan", str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "A100" in lines[1]
    assert "-3" in lines[-1]


def test_json_with_lists_is_every_combination(capsys, tmp_path):
    path = tmp_path / "grid.json"
    path.write_text('{"gpu": ["H100", "A100"], "region": ["FR", "PL", "US-CA"], "hours": 24}')
    assert main(["plan", str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 6


def test_the_whole_table_is_saved(capsys, table, tmp_path):
    out = tmp_path / "planned.csv"
    assert main(["plan", str(table), "--output", str(out)]) == 0
    assert capsys.readouterr().out == ""
    head = out.read_text().splitlines()[0].split(",")
    assert head[:4] == ["gpu", "hours", "region", "who"]
    assert {"energy_kwh_p5", "water_l_p95", "rank", "error"} <= set(head)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("none.csv", None, "cannot be read (No such file or directory)"),
        ("empty.csv", "", "is no table of scenarios"),
        ("broken.json", "{", "is no table of scenarios"),
        ("number.json", "7", "a list of rows"),
        ("other.json", '{"gpus": ["H100"]}', "'gpus' is no field of a plan"),
    ],
)
def test_a_file_that_is_no_plan_ends_in_one_sentence(capsys, tmp_path, name, text, sentence):
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["plan", str(tmp_path / name)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert told.err.count("\n") == 1


def test_a_plan_without_a_good_row_has_failed(capsys, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("gpu,hours\nH100,-1\n")
    assert main(["plan", str(path)]) == 1
    assert "1 of 1 rows cannot be" in capsys.readouterr().err
