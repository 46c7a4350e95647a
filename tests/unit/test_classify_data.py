"""Texts with labels: read from tables of every format, cut in parts, and refused where nothing could be learned."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embtrain.classifier_settings import sources_of
from embtrain.classify.data import chosen_by_hash, read_dataset
from embtrain.classify.tables import read_columns
from embtrain.config import ClassifySettings, CorpusSettings, Settings
from embtrain.errors import ConfigError, CorpusError

ROWS = [(f"text {number}", "spam" if number % 3 == 0 else "ham") for number in range(40)]


def write_csv(path, rows=ROWS, header="label,text", encoding="utf-8"):
    path.write_text("\n".join([header, *(f'{label},"{text}"' for text, label in rows)]) + "\n", encoding=encoding)
    return str(path)


def read(path, file_format="csv", **settings):
    return read_dataset(CorpusSettings(paths=[path], format=file_format), ClassifySettings(**settings))


def texts(part):
    return part.texts.to_pylist()


def test_the_last_rows_are_tested_on_and_a_share_of_the_others_stops(tmp_path):
    found = read(write_csv(tmp_path / "a.csv"), test_fraction=0.25)
    assert texts(found.test) == [text for text, _ in ROWS[30:]]
    assert sorted(texts(found.train) + texts(found.dev)) == sorted(text for text, _ in ROWS[:30])
    assert found.classes == ["ham", "spam"]
    assert found.test.labels.tolist() == [label == "spam" for _, label in ROWS[30:]]


def test_four_fifths_of_5572_rows_are_4457(tmp_path):
    rows = [(f"text {number}", str(number % 2)) for number in range(5572)]
    found = read(write_csv(tmp_path / "a.csv", rows))
    assert len(found.train) + len(found.dev) == 4457


def test_a_hash_keeps_copies_of_a_text_together(tmp_path):
    found = read(write_csv(tmp_path / "a.csv", [row for row in ROWS for _ in range(3)]), test_part="hash")
    parts = [set(texts(part)) for part in (found.train, found.dev, found.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40


def test_the_share_chosen_by_hash_is_that_asked_for():
    many = pa.chunked_array([[f"text {number}" for number in range(20_000)]])
    assert chosen_by_hash(many, 0.25, purpose="dev").mean() == pytest.approx(0.25, abs=0.01)
    both = chosen_by_hash(many, 0.25, purpose="dev") & chosen_by_hash(many, 0.25, purpose="test")
    assert both.mean() == pytest.approx(0.0625, abs=0.01)


def test_a_file_to_test_on_leaves_all_other_rows_to_learn_from(tmp_path):
    path = write_csv(tmp_path / "test.csv", [("other", "spam")])
    found = read(write_csv(tmp_path / "a.csv"), test_paths=[path])
    assert texts(found.test) == ["other"]
    assert len(found.train) + len(found.dev) == 40


def test_a_label_that_chance_would_put_into_the_dev_part_alone_is_learned(tmp_path):
    rows = [(f"text {number}", str(number % 2)) for number in range(200)]
    in_dev = chosen_by_hash(pa.chunked_array([[text for text, _ in rows]]), 0.1, purpose="dev")
    rare, *others = [text for (text, _), chosen in zip(rows[:160], in_dev, strict=False) if chosen]
    found = read(write_csv(tmp_path / "a.csv", [(text, "rare" if text == rare else label) for text, label in rows]))
    assert found.classes == ["0", "1", "rare"]
    assert rare in texts(found.train)
    assert texts(found.dev) == others


def test_rows_without_a_text_or_a_label_are_left_out_and_counted(tmp_path, caplog):
    caplog.set_level("INFO", logger="embtrain")
    found = read(write_csv(tmp_path / "a.csv", [*ROWS, ("text", ""), ("  ", "ham")]), test_fraction=0.25)
    assert len(found.test) == 10
    assert "left out 2 of 42 rows, without a text or a label" in caplog.text


@pytest.mark.parametrize("file_format", ["csv", "tsv", "json", "parquet", "folder"])
def test_every_format_gives_the_same_texts(tmp_path, file_format):
    path, table = tmp_path / file_format, pa.table({"text": ['say "a", b'], "label": [True]})
    match file_format:
        case "csv":
            path.write_text('label,x,text\ntrue,1,"say ""a"", b"\n')
        case "tsv":
            path.write_text('text\tlabel\nsay "a", b\ttrue\n')
        case "json":
            path.write_text('{"text": "say \\"a\\", b", "label": true}\n')
        case "parquet":
            pq.write_table(table, path)
        case _:
            (path / "part=0").mkdir(parents=True)
            (path / "_SUCCESS").touch()
            pq.write_table(table, path / "part=0" / "0.parquet")
            file_format = "parquet"
    found = read_columns([str(path)], file_format, {"text": "text", "label": "label"})
    assert found.to_pylist() == [{"text": 'say "a", b', "label": "true"}]


def test_files_come_in_the_order_of_their_names_and_compressed_ones_are_read(tmp_path):
    (tmp_path / "b.csv").write_text("text,label\nsecond,1\n")
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write("text,label\nfirst,0\n")
    found = read_columns([f"{tmp_path}/*.csv*"], "csv", {"text": "text"})
    assert found["text"].to_pylist() == ["first", "second"]


def test_a_csv_file_may_be_in_another_encoding_and_have_nameless_columns(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("£5", "1")], header="v1,v2,,", encoding="latin-1")
    (tmp_path / "a.csv").write_bytes((tmp_path / "a.csv").read_bytes().rstrip() + b",,\n")
    assert read_columns([path], "csv", {"text": "v2"}, encoding="latin-1")["text"].to_pylist() == ["£5"]


def test_labels_that_look_like_numbers_stay_as_they_are_written(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("a", "01")])
    assert read_columns([path], "csv", {"label": "label"})["label"].to_pylist() == ["01"]


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (ROWS, {"label_column": "class"}, "has no columns 'class'; .* to two of: label, text"),
        ([], {}, "has no row with a text in 'text' and a label in 'label'; found 0 rows"),
        ([(text, "ham") for text, _ in ROWS], {}, "'label' has one label, 'ham'.* expected two or more"),
        (ROWS[:2], {}, "too few rows: of 2 with a text and one of 2 labels, none is in the dev part"),
        ([(text, text) for text, _ in ROWS], {}, "of 40 with a text and one of 40 labels, none is in the dev part"),
        ([*ROWS, ("x", "eggs")], {}, "the test part has the label 'eggs', .* leave such rows out, or add some"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(tmp_path, rows, settings, message):
    with pytest.raises(CorpusError, match=message):
        read(write_csv(tmp_path / "a.csv", rows), **settings)


def test_a_file_that_is_not_there_or_not_of_its_format_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"there is no file at .*none"):
        read(str(tmp_path / "none.csv"))
    with pytest.raises(CorpusError, match=r"cannot read .*a.csv as parquet"):
        read(write_csv(tmp_path / "a.csv"), "parquet")
    with pytest.raises(CorpusError, match=r"cannot read .*b.csv as csv in utf-8"):
        read(write_csv(tmp_path / "b.csv", [("£5", "1")], encoding="latin-1"))


def test_a_column_that_holds_no_text_is_refused(tmp_path):
    pq.write_table(pa.table({"text": [np.float32(1.5)], "label": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="the column 'text' holds float; expected strings"):
        read(str(tmp_path / "a.parquet"), "parquet")


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_a_text_of_megabytes_is_read(tmp_path, file_format):
    rows = {
        "csv": f"text,label\n{'a ' * 1_000_000},1\nb,0\n",
        "json": f'{{"text": "{"a " * 1_000_000}", "label": 1}}\n',
    }
    (tmp_path / "a").write_text(rows[file_format])
    found = read_columns([str(tmp_path / "a")], file_format, {"text": "text"})
    assert len(found["text"][0].as_py()) == 2_000_000


def test_a_row_too_long_to_read_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("embtrain.classify.tables._BLOCK_BYTES", 100)
    with pytest.raises(CorpusError, match="a row is longer than 100 bytes; Parquet may hold longer ones"):
        read(write_csv(tmp_path / "a.csv", [("a" * 1000, "ham")]))


def test_a_column_of_texts_taken_for_labels_is_told_in_few_words(tmp_path):
    with pytest.raises(CorpusError, match="which the training part has not") as told:
        read(write_csv(tmp_path / "a.csv", [*ROWS, ("x", "a text " * 1000)]))
    assert len(str(told.value)) < 700


def test_text_without_columns_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"corpus.format: .* found 'lines'"):
        read(str(tmp_path), "lines")


def test_an_input_names_its_sources():
    assert sources_of("models:/a@b + c+d.txt +  random") == ["models:/a@b", "c+d.txt", "random"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": ["a + "]}, "several joined by ' \\+ ', found 'a \\+ '"),
        ({"inputs": ["a", "a"]}, "name each input only once"),
        ({"encoding": "utf-9"}, "Python knows no encoding of text 'utf-9'"),
        ({"encoding": "hex"}, "Python knows no encoding of text 'hex'"),
        ({"encoding": "punycode"}, "Python knows no encoding of text 'punycode'"),
        ({"seeds": [1, 2, 1]}, "name each seed only once, found 1, 2, 1"),
        ({"dev_fraction": 0}, "must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(name="spam", classify=settings)
