"""The command line: its contract, what it prints, and how it ends when something is wrong."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from embtrain import formats
from embtrain.cli import FORMATS, embtrain_command, main

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "command_line.txt"

# Unit vectors, 45 degrees apart: their cosine similarities are known by heart.
WORD2VEC_TEXT = """5 2
east 1 0
northeast 0.70710678 0.70710678
north 0 1
northwest -0.70710678 0.70710678
west -1 0
"""


@pytest.fixture
def compass(tmp_path):
    """Return the path of the five vectors."""
    path = tmp_path / "compass.txt"
    path.write_text(WORD2VEC_TEXT, encoding="utf-8")
    return str(path)


def embtrain(*arguments):
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "embtrain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contract():
    """Spell every command with its parameters, one a line, in their order."""
    context = click.Context(embtrain_command)
    commands = [(name, embtrain_command.get_command(context, name)) for name in embtrain_command.list_commands(context)]
    lines = [" ".join(["embtrain", *map(spell, embtrain_command.params)])]
    lines += [" ".join(["embtrain", name, *map(spell, command.params)]) for name, command in commands]
    return "\n".join(lines) + "\n"


def spell(parameter):
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(click.Context(embtrain_command))
    value = "" if parameter.is_flag else " " + parameter.make_metavar(click.Context(embtrain_command))
    text = "/".join(parameter.opts) + value + ("..." if parameter.multiple else "")
    return text if parameter.required else f"[{text}]"


def test_commands_and_options_are_those_of_the_contract():
    # A new command or option is added to the golden file by hand; none is ever renamed or dropped.
    assert contract() == GOLDEN.read_text(encoding="utf-8")


def test_every_command_and_option_says_what_it_is_for():
    undescribed = [
        f"{name} {parameter.name}"
        for name, command in embtrain_command.commands.items()
        for parameter in command.params
        if not command.help or (isinstance(parameter, click.Option) and not parameter.help)
    ]
    assert undescribed == []


def test_help_needs_no_library_but_click():
    heavy = "numpy pyarrow pydantic yaml pyspark torch mlflow"
    check = f"import sys, embtrain.cli; print(*set('{heavy}'.split()) & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_python_m_embtrain_is_the_same_command():
    assert embtrain("--help").stdout.startswith("Usage: embtrain [OPTIONS] COMMAND [ARGS]...")


def test_no_arguments_show_the_help():
    assert "Commands:" in embtrain().stderr


def test_nearest_shows_the_neighbours_of_each_word(compass, capsys):
    assert main(["nearest", "east", "west", "--model", compass, "-k", "1"]) == 0
    assert capsys.readouterr().out.split() == ["east", "0.707", "northeast", "west", "0.707", "northwest"]


def test_nearest_as_json_is_one_object(compass, capsys):
    assert main(["nearest", "east", "--model", compass, "-k", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "east": [{"word": "northeast", "similarity": 0.7071}, {"word": "north", "similarity": 0.0}]
    }


def test_analogy_answers_what_c_is_to(compass, capsys):
    assert main(["analogy", "east", "north", "north", "--model", compass]) == 0
    # north - east + north points between north and northwest.
    question, best, *_ = capsys.readouterr().out.splitlines()
    assert question == "east : north = north : ?"
    assert best.split() == ["0.949", "northwest"]


def test_the_formats_offered_are_those_that_there_are():
    assert (*formats.FORMATS, "elmo") == FORMATS


def test_export_writes_what_import_s_formats_read(compass, tmp_path, capsys):
    for name in formats.FORMATS:
        target = str(tmp_path / f"exported-{name}")
        assert main(["export", compass, target, "--format", name]) == 0
        assert capsys.readouterr().out == f"{target}\n"
        assert main(["nearest", "east", "--model", target, "-k", "1"]) == 0
        assert "northeast" in capsys.readouterr().out


def test_only_an_elmo_model_is_exported_as_one(compass, tmp_path, capsys):
    assert main(["export", compass, str(tmp_path / "x"), "--format", "elmo"]) == 2
    assert "expected an ELMo model, found Vectors" in capsys.readouterr().err


def test_evaluate_reports_a_rank_correlation_and_coverage(compass, tmp_path, capsys):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("east\tnortheast\t9\neast\tnorth\t5\neast\twest\t1\neast\tmoon\t1\n", encoding="utf-8")
    assert main(["evaluate", compass, "--similarity", str(pairs), "--json"]) == 0
    [measured] = json.loads(capsys.readouterr().out)["similarity"]
    assert measured == {"name": "pairs", "spearman": 1, "coverage": 0.75, "used": 3, "unseen": 0, "pairs": 4}


def test_evaluate_wants_a_file(compass, capsys):
    assert main(["evaluate", compass]) == 2
    assert "give at least one file" in capsys.readouterr().err


def test_an_unknown_word_ends_in_one_sentence(compass, capsys):
    assert main(["nearest", "nort", "--model", compass]) == 2
    error = capsys.readouterr().err
    assert error.startswith("embtrain: ")
    assert "north" in error
    assert error.count("\n") == 1


def test_a_model_that_does_not_exist_ends_in_one_sentence(tmp_path, capsys):
    assert main(["nearest", "word", "--model", str(tmp_path / "none.txt")]) == 2
    error = capsys.readouterr().err
    assert "none.txt" in error
    assert error.count("\n") == 1


def test_a_run_file_that_does_not_exist_ends_in_one_sentence(tmp_path, capsys):
    for command in ("prepare", "train", "run"):
        assert main([command, "--conf", str(tmp_path / "none.yaml")]) == 2
        assert capsys.readouterr().err.startswith("embtrain: no run file at ")


def test_a_file_that_cannot_be_written_ends_in_one_sentence(compass, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["export", compass, str(tmp_path / "file" / "out.txt"), "--format", "word2vec"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("embtrain: ")
    assert error.count("\n") == 1


def test_debug_shows_the_stack_trace(tmp_path):
    result = embtrain("--debug", "train", "--conf", str(tmp_path / "none.yaml"))
    assert "Traceback" in result.stderr
    assert result.returncode == 2


@pytest.mark.parametrize("command", ["run", "classify"])
def test_torchrun_may_start_neither_spark_nor_a_classifier(monkeypatch, tmp_path, capsys, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main([command, "--conf", str(tmp_path / "any.yaml")]) == 2
    assert "torchrun starts only `train`" in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "level"), [("0", logging.INFO), ("1", logging.WARNING)])
def test_only_the_first_rank_speaks(monkeypatch, compass, rank, level):
    monkeypatch.setenv("RANK", rank)
    main(["nearest", "east", "--model", compass])
    assert logging.getLogger("embtrain").getEffectiveLevel() == level


def test_an_interrupt_ends_with_code_130(tmp_path):
    # The run file is a pipe, so that the command is known to wait in it when the signal comes.
    pipe = tmp_path / "run.yaml"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "embtrain", "train", "--conf", str(pipe)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, pipe.open("w"):
        process.send_signal(signal.SIGINT)
        # The empty line ends the one on which a terminal shows ^C.
        assert process.communicate(timeout=20)[1] == "\nembtrain: interrupted\n"
    assert process.returncode == 130


def test_a_reader_that_has_seen_enough_is_no_error(compass):
    command = f"{sys.executable} -m embtrain nearest {' east' * 5000} --model {compass} | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert result.stderr == ""
