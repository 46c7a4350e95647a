"""What holds for the repository as a whole: sizes, names, and pages that say what is true."""

import ast
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest

from docs import settings_table
from embtrain.cli import embtrain_command
from embtrain.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("embtrain", "pipelines", "jobs")
SOURCES = [path for folder in (*PACKAGES, "tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "conf").glob("*.md")])
RUN_FILES = sorted((ROOT / "conf").glob("*.yaml"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def commands(page):
    """Yield the lines of a page's shell blocks, continued lines joined, comments left out."""
    for block in re.findall(r"```(?:bash|sh)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


COMMANDS = [(page, words) for page in PAGES for words in commands(page)]


def after(marker, words):
    """Return what follows ``embtrain`` in a command line, whether it is called by itself or by torchrun."""
    return words[words.index(marker) + 1 :]


def spelled(command):
    return f"{name_of(command[0])}: {' '.join(command[1])}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_function_body_is_longer_than_50_lines():
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        if name_of(path).startswith(PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and body_lines(node) > 50
    ]
    assert long == []


def body_lines(function):
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


def test_no_module_is_named_after_nothing():
    assert not {"utils", "util", "helpers", "common", "misc", "manager", "base"} & {path.stem for path in SOURCES}


def test_the_tables_of_settings_are_those_of_the_code():
    page = settings_table.README.read_text(encoding="utf-8")
    assert settings_table.with_tables(page) == page, "run: python -m docs.settings_table"


def test_every_setting_says_what_it_means():
    assert "|  |" not in settings_table.tables()


@pytest.mark.parametrize("path", RUN_FILES, ids=name_of)
def test_every_run_file_is_valid(path):
    assert load_settings(path).corpus is not None


@pytest.mark.parametrize("path", RUN_FILES, ids=name_of)
def test_every_run_file_is_listed_and_named_after_its_run(path):
    assert f"[{path.name}]({path.name})" in settings_table.README.read_text(encoding="utf-8")
    assert load_settings(path).name == path.stem


@pytest.mark.parametrize("command", [c for c in COMMANDS if "embtrain" in c[1]], ids=spelled)
def test_every_embtrain_command_in_a_page_is_understood(command):
    name, *arguments = after("embtrain", command[1])
    context = click.Context(embtrain_command)
    subcommand = embtrain_command.get_command(context, name)
    assert subcommand, f"no command {name}"
    subcommand.make_context(name, arguments)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[1][0] == "make"], ids=spelled)
def test_every_make_target_in_a_page_exists(command):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {word for word in command[1][1:] if "=" not in word} <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_links_or_names_exists(page):
    text = page.read_text(encoding="utf-8")
    links = [page.parent / target for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text)]
    named = [ROOT / path for path in re.findall(r"`((?:embtrain|pipelines|jobs|tests|docs|conf)/[\w./-]+)`", text)]
    assert [name_of(path.resolve()) for path in [*links, *named] if not path.exists()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs/images").glob("*.svg")), ids=name_of)
def test_every_picture_is_well_formed(path):
    assert ET.parse(path).getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_the_demo_asks_questions_of_four_words():
    lines = (ROOT / "conf/demo/analogies.txt").read_text(encoding="utf-8").splitlines()
    questions = [line.split() for line in lines if not line.startswith(":")]
    assert 100 <= len(questions) <= 1000
    assert [words for words in questions if len(words) != 4 or words != [word.lower() for word in words]] == []
