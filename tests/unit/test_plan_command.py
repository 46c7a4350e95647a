"""``embtrain plan``: what it prints, and how it ends."""

import json

import pytest

from corpora import two_topics
from embtrain.cli import main


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """Return a run file beside the snapshot ``topics``, in the working directory."""
    monkeypatch.chdir(tmp_path)
    two_topics(tmp_path / "topics")
    (tmp_path / "run.yaml").write_text(
        "name: run\nsnapshot: topics\nmodel: {dim: 20}\ntrain: {device: cpu, threads: 2}\n", encoding="utf-8"
    )
    return "run.yaml"


def lines_of(capsys):
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_plan_says_what_the_snapshot_is_and_what_training_it_takes(conf, capsys):
    assert main(["plan", "--conf", conf]) == 0
    lines = lines_of(capsys)
    assert lines[0] == ["run:", "sgns,", "dim", "20,", "one", "process", "of", "2", "threads", "on", "the", "CPU"]
    assert ["vocabulary", "24", "words"] in lines
    assert ["input", "rows", "3.1", "kB", "3.1", "kB"] in lines
    assert lines[-1] == ["It", "fits."]


def test_a_plan_as_json_has_bytes_seconds_and_totals(conf, capsys):
    assert main(["plan", "--conf", conf, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["corpus"]["sizes"]["words"] == 380 * 12
    assert found["memory"]["training"]["input rows"] == 24 * 32 * 4
    assert found["totals"]["peak"] == sum(found["memory"]["registering"].values())
    assert 0 < found["duration"]["least"] < found["duration"]["most"]
    assert found["fits"] is True


def test_a_snapshot_that_is_not_there_is_to_be_prepared(conf, capsys):
    assert main(["plan", "--conf", conf, "snapshot=elsewhere"]) == 2
    assert capsys.readouterr().err == (
        "embtrain: the snapshot elsewhere does not exist; run: embtrain prepare --conf RUN.yaml, "
        "or plan without one, by --vocabulary and --words\n"
    )


def test_a_vocabulary_of_a_hundred_million_is_planned_before_it_is_there(conf, capsys):
    sizes = ["--vocabulary", "100000000", "--words", "100000000000"]
    assert main(["plan", "--conf", conf, "snapshot=elsewhere", *sizes, "model.dim=300", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["corpus"]["snapshot"] is None
    assert found["memory"]["training"]["input rows"] == 10**8 * 304 * 4
    assert not found["fits"]
    assert any("training sgns needs" in warning for warning in found["warnings"])
    assert any("of it the checkpoint" in warning for warning in found["warnings"])


@pytest.mark.parametrize("given", [["--words", "1000"], ["--vocabulary", "1000"]])
def test_one_of_both_sizes_is_not_enough(conf, given, capsys):
    assert main(["plan", "--conf", conf, *given]) == 2
    assert "--vocabulary and --words belong together" in capsys.readouterr().err


def test_more_processes_than_row_groups_are_warned_of(conf, capsys):
    assert main(["plan", "--conf", conf, "--processes", "9"]) == 0
    output = capsys.readouterr().out
    assert "WARNING: 9 processes cannot share 8 row groups; start at most one process per row group" in output
    assert "It fits." not in output


@pytest.mark.parametrize(("model", "columns"), [("sgns", 8), ("glove", 16)])
def test_more_processes_than_columns_are_refused(conf, model, columns, capsys):
    settings = [f"model.type={model}", "model.dim=8", "train.parallel=columns"]
    given = ["--processes", "17", "--vocabulary", "1000", "--words", "100000"]
    assert main(["plan", "--conf", conf, *given, *settings]) == 2
    assert f"17 processes cannot share the {columns} columns" in capsys.readouterr().err


def test_processes_that_hold_columns_need_no_row_group_each(conf, capsys):
    assert main(["plan", "--conf", conf, "--processes", "9", "train.parallel=columns"]) == 0
    assert "It fits." in capsys.readouterr().out


def test_one_process_makes_a_counting_model(conf, capsys):
    assert (
        main(["plan", "--conf", conf, "--processes", "2", "model.type=lsa", "--vocabulary", "9", "--words", "99"]) == 2
    )
    assert "model.type lsa is computed by one process, found 2" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["cbow", "fasttext", "glove", "elmo", "ppmi_svd", "lsa"])
def test_every_model_can_be_planned(conf, model, capsys):
    sizes = ["--vocabulary", "100000", "--words", "10000000"]
    assert main(["plan", "--conf", conf, f"model={{type: {model}}}", *sizes]) == 0
    output = capsys.readouterr().out
    assert f"run: {model}, " in output
    assert "benchmarks/bench_" in output


def test_a_model_that_was_never_measured_has_no_time(conf, capsys):
    assert main(["plan", "--conf", conf, "model.objective=softmax"]) == 0
    assert "no similar training was measured" in capsys.readouterr().out
