"""The table of n-grams as training reads it: which rows a word has, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest

from corpora import with_subwords, write_snapshot
from embtrain.config import FastTextSettings
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.errors import SnapshotError
from embtrain.models.fasttext import FastText
from embtrain.models.subword_rows import SubwordRows
from embtrain.text.subwords import subword_buckets

SETTINGS = {"min_n": 3, "max_n": 3, "buckets": 50, "units": "syllables"}


def table(*buckets):
    offsets = np.cumsum([0, *map(len, buckets)]).astype(np.int64)
    return SubwordTable(offsets, np.array([b for of_word in buckets for b in of_word], np.int32), SETTINGS)


def test_a_word_has_its_own_row_and_one_for_each_of_its_buckets():
    rows = SubwordRows.of(table([40, 7, 40], [], [7, 9]))
    assert rows.bucket_ids.tolist() == [7, 9, 40]
    assert rows.parts.offsets.tolist() == [0, 4, 5, 8]
    assert rows.parts.rows.tolist() == [0, 5, 3, 5, 1, 2, 3, 4]


def test_a_words_vector_is_the_mean_of_its_rows():
    vocabulary = Vocabulary(["a", "b", "c"], np.array([3, 2, 1]), np.ones(3), np.full(3, 1 / 3))
    model = FastText(FastTextSettings(dim=2), vocabulary, table([40, 7, 40], [], [7, 9]), threads=1, seed=1)
    model.input_rows[:, 0] = [1, 2, 3, 10, 20, 40]
    assert model.vectors()[:, 0] == pytest.approx([(1 + 40 + 10 + 40) / 4, 2, (3 + 10 + 20) / 3])


def test_vectors_of_words_never_seen_come_from_the_rows_of_the_model(tmp_path):
    snapshot = with_subwords(write_snapshot(tmp_path / "s", [[0, 1, 1]], ["cat", "dog"]), max_n=3)
    vocabulary, subwords = Vocabulary.read(snapshot), SubwordTable.read(snapshot, 2)
    vectors = FastText(FastTextSettings(dim=4), vocabulary, subwords, threads=1, seed=1).subword_vectors(vocabulary)
    catch = subword_buckets(pa.array(["catch"]), min_n=3, max_n=3, buckets=1000).to_pylist()[0]
    rows = dict(zip(vectors.bucket_ids.tolist(), vectors.bucket_rows, strict=True))
    assert set(catch[:2]) <= rows.keys(), "<ca cat"
    assert vectors["catch"] == pytest.approx(sum(rows.get(bucket, 0) for bucket in catch) / len(catch))


def test_the_table_is_read_by_id_with_the_settings_that_it_was_made_with(tmp_path):
    snapshot = with_subwords(write_snapshot(tmp_path / "s", [[0, 1, 1]], ["cat", "dog"]), max_n=3)
    read = SubwordTable.read(snapshot, 2)
    assert read.offsets.tolist() == [0, 3, 6]  # <do dog og>; <ca cat at>
    assert read.settings == {"min_n": 3, "max_n": 3, "buckets": 1000, "units": "syllables"}


def test_a_table_of_another_vocabulary_is_refused(tmp_path):
    snapshot = with_subwords(write_snapshot(tmp_path / "s", [[0, 1, 1]], ["cat", "dog"]))
    with pytest.raises(SnapshotError, match="must have n-grams of 3 tokens, in buckets below 1000"):
        SubwordTable.read(snapshot, 3)


def test_a_snapshot_without_the_table_says_how_to_make_it(tmp_path):
    snapshot = write_snapshot(tmp_path / "s", [[0, 1]], ["cat", "dog"])
    with pytest.raises(SnapshotError, match=r"has no table 'subwords'; run prepare with model.type fasttext"):
        SubwordTable.read(snapshot, 2)
