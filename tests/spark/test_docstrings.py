"""The demo's corpus."""

import textwrap

import pytest

from embtrain.errors import SetupError
from embtrain.storage import Location
from jobs import collect_docstrings
from pipelines.docstrings import collect_paragraphs, find_modules, paragraphs

SOURCE = textwrap.dedent('''
    """About the module."""
    def f():
        """Do something.

        Over
        two lines.
        """
        class Inner:
            "Also this one."
        return """not this one"""
    if f:
        async def g():
            """Under a condition."""
''').encode()


def test_docstrings_of_modules_classes_and_functions_are_found():
    expected = ["About the module.", "Do something.", "Over two lines.", "Also this one.", "Under a condition."]
    assert sorted(paragraphs(SOURCE)) == sorted(expected)


@pytest.mark.parametrize("source", [b"", b"x = 1", b'"""unfinished', b"\x00'''", '"""é"""'.encode("latin-1")])
def test_what_has_no_docstring_or_is_no_python_gives_nothing(source):
    assert paragraphs(source) == []


def test_the_standard_library_is_found_and_its_tests_are_not():
    found = {(path.parent.name, path.name) for path in find_modules()}
    assert ("json", "decoder.py") in found
    assert not any(parent in {"test", "tests"} for parent, _ in found)


@pytest.mark.spark
def test_tasks_read_every_file(spark, tmp_path):
    modules = [tmp_path / f"module{i}.py" for i in range(5)]
    for i, path in enumerate(modules):
        path.write_text(f'"""Number {i}."""\n')
    found = sorted(row.value for row in collect_paragraphs(spark, modules).collect())
    assert found == [f"Number {i}." for i in range(5)]


@pytest.fixture
def collected(tmp_path, monkeypatch):
    """Give a module and the folder of a corpus made from it; no session can be started."""

    def refuse(*_args, **_kwargs):
        raise RuntimeError("Spark was started")

    monkeypatch.setattr(collect_docstrings, "spark_session", refuse)
    module, folder = tmp_path / "module.py", Location.of(tmp_path / "corpus")
    module.write_text('"""One."""\n')
    folder.filesystem.create_dir(folder.path)
    (folder / collect_docstrings.MADE_FROM).write_json(collect_docstrings.describe([module]))
    return module, folder


def test_the_same_files_are_not_read_again(collected):
    module, folder = collected
    collect_docstrings.collect(folder, [module])


def test_a_folder_of_other_files_is_refused_and_left_alone(collected, tmp_path):
    module, _ = collected
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match=r"thesis holds other files.*name a new or empty folder"):
        collect_docstrings.collect(Location.of(tmp_path / "thesis"), [module])
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.txt"]


def test_what_a_run_that_ended_too_soon_left_is_replaced(collected, tmp_path):
    module, _ = collected
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Spark was started"):
            collect_docstrings.collect(Location.of(tmp_path / "new"), [module])
        (tmp_path / "new" / "_temporary").mkdir()


def test_a_changed_file_is_read_again(collected):
    module, folder = collected
    module.write_text('"""One, and more."""\n')
    with pytest.raises(RuntimeError, match="Spark was started"):
        collect_docstrings.collect(folder, [module])
