"""Locations: paths and URIs, listing, and JSON that is whole or absent."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyarrow import fs

from embtrain import storage
from embtrain.errors import SetupError
from embtrain.storage import Location, without_credentials
from file_systems import CannotRename, DeletesBeforeItRenames


def test_a_relative_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Location.of("data").path == str(tmp_path / "data")


def test_a_file_uri_is_the_same_place_as_its_path(tmp_path):
    assert Location.of(f"file://{tmp_path}").path == str(tmp_path)


def test_a_location_is_shown_as_the_user_spelled_it(tmp_path):
    assert str(Location.of(f"file://{tmp_path}") / "table") == f"file://{tmp_path}/table"


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_spark_is_told_that_a_path_is_on_this_machine(tmp_path, scheme):
    assert (Location.of(f"{scheme}{tmp_path}") / "table").for_spark == f"file://{tmp_path}/table"


@pytest.mark.parametrize("uri", ["gopher://host/data", "s3:///no-bucket", "file://elsewhere/data"])
def test_a_uri_that_cannot_be_opened_is_refused_in_one_sentence(uri):
    with pytest.raises(SetupError, match=f"^cannot open {uri}: ") as raised:
        Location.of(uri)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:secret@db:5432/mlflow", "postgresql://***@db:5432/mlflow"),
        ("mysql+pymysql://me:p@ss@db/mlflow", "mysql+pymysql://***@db/mlflow"),
        ("https://token@mlflow.example", "https://***@mlflow.example"),
        ("s3://key:secret@box/x, s3://box/y@1", "s3://***@box/x, s3://box/y@1"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("models:/mine@champion", "models:/mine@champion"),
    ],
)
def test_a_uri_is_shown_without_its_password(uri, shown):
    assert without_credentials(uri) == shown


def test_listing_leaves_out_hidden_files_and_folders_and_sorts_by_name(tmp_path):
    for name in ("b.parquet", "a.parquet", "_manifest.json", ".a.parquet.crc"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [info.base_name for info in Location.of(tmp_path).files()] == ["a.parquet", "b.parquet"]


def test_listing_a_folder_that_does_not_exist_gives_nothing(tmp_path):
    assert Location.of(tmp_path / "none").files() == []


def test_removing_deletes_the_folder_and_what_does_not_exist_is_no_error(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "part").touch()
    Location.of(folder).remove()
    Location.of(folder).remove()
    assert not folder.exists()


def test_json_comes_back_as_it_was_written(tmp_path):
    value = {"b": [1, 2.5, None], "a": "낱말"}
    location = Location.of(tmp_path) / "values.json"
    location.write_json(value)
    assert location.read_json() == value


def test_json_is_written_for_people_too(tmp_path):
    (Location.of(tmp_path) / "values.json").write_json({"b": 1, "a": "낱말"})
    assert (tmp_path / "values.json").read_text(encoding="utf-8") == '{\n "a": "낱말",\n "b": 1\n}\n'


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    location = Location.of(tmp_path) / "values.json"
    location.write_json({"a": 1})
    with pytest.raises(TypeError):
        location.write_json({"a": object()})
    assert location.read_json() == {"a": 1}


def test_an_interrupted_write_of_json_leaves_the_old_file(tmp_path):
    location = Location.of(tmp_path) / "values.json"
    location.write_json({"a": 1})
    # As if the process had died between writing and renaming.
    (tmp_path / "values.json.0123.unfinished").write_text('{"a": ')
    assert location.read_json() == {"a": 1}
    location.write_json({"a": 2})
    assert location.read_json() == {"a": 2}


def test_json_that_several_write_at_once_is_one_of_theirs(tmp_path):
    location = Location.of(tmp_path) / "values.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda writer: location.write_json({"writer": writer}), range(200)))
    assert location.read_json()["writer"] in range(200)
    assert [path.name for path in tmp_path.iterdir()] == ["values.json"]


def test_whoever_reads_json_while_it_is_replaced_reads_the_old_file_whole(tmp_path):
    # A file system that is no local disk to us, but renames as one.
    location = Location(
        fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "values.json", "hdfs://host/values.json"
    )
    location.write_json({"a": 1})
    with (tmp_path / "values.json").open() as reader:
        location.write_json({"b": 2})
        assert reader.read() == '{\n "a": 1\n}\n'
    assert location.read_json() == {"b": 2}


def test_whoever_reads_json_that_is_gone_before_another_takes_its_name_waits_for_that(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        read = []

        def reads_meanwhile():
            read.append(pool.submit(location.read_json))
            time.sleep(0.2)

        file_system = fs.PyFileSystem(DeletesBeforeItRenames(between=reads_meanwhile))
        location = Location(file_system, str(tmp_path / "values.json"), "hdfs://host/values.json")
        location.write_json({"a": 1})
        location.write_json({"a": 2})
        assert [future.result() for future in read] == [{"a": 2}]


def test_json_is_replaced_where_nothing_can_be_renamed(tmp_path):
    location = Location(fs.PyFileSystem(CannotRename()), str(tmp_path / "values.json"), "abfss://box/values.json")
    location.write_json({"a": 1})
    location.write_json({"a": 2})
    assert location.read_json() == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["values.json"]


def test_what_a_killed_writer_left_is_not_waited_for_for_long(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_LONGEST_GAP_SECONDS", 0.1)
    (tmp_path / "values.json.0123.unfinished").write_text('{"a": ')
    assert (Location.of(tmp_path) / "values.json").read_json() is None


def test_json_that_does_not_exist_is_none(tmp_path):
    assert (Location.of(tmp_path) / "none.json").read_json() is None


@pytest.mark.parametrize("text", ["[1]", "{", ""])
def test_a_file_that_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "values.json").write_text(text)
    with pytest.raises(ValueError, match=r"Expect|expected"):
        (Location.of(tmp_path) / "values.json").read_json()
