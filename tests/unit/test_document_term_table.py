"""The table ``document_terms``, read as a matrix: what it holds, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest

from corpora import write_snapshot, write_table
from embtrain.data.document_terms import read_document_terms
from embtrain.errors import SnapshotError
from embtrain.schema import DOCUMENT_TERMS

VOCAB = 4
INTEGERS = pa.list_(pa.int32())


def snapshot_of(folder, terms, counts, **inputs):
    snapshot = write_snapshot(folder, [np.array([i, i]) for i in range(VOCAB)], list("abcd"))
    snapshot.tables[DOCUMENT_TERMS.name] = f"{DOCUMENT_TERMS.name}-toy"
    names = [f"text {number}" for number in range(len(terms))]
    numbers = pa.array(range(len(terms)), pa.int64())
    columns = [numbers, pa.array(names, pa.string()), names, pa.array(terms, INTEGERS), pa.array(counts, INTEGERS)]
    write_table(snapshot, DOCUMENT_TERMS, columns, 2, inputs=inputs)
    return snapshot


def test_each_document_is_a_row_of_counts(tmp_path):
    documents, counts = read_document_terms(snapshot_of(tmp_path, [[0, 2], [], [3]], [[1, 5], [], [2]]), VOCAB)
    assert counts.toarray().tolist() == [[1, 0, 5, 0], [0, 0, 0, 0], [0, 0, 0, 2]]
    assert (counts.data.dtype, counts.indices.dtype) == (np.float32, np.int32)
    assert documents["source"].to_pylist() == ["text 0", "text 1", "text 2"]


def test_an_empty_table_is_a_matrix_without_rows(tmp_path):
    assert read_document_terms(snapshot_of(tmp_path, [], []), VOCAB).counts.shape == (0, VOCAB)


@pytest.mark.parametrize(
    ("terms", "counts", "message"),
    [
        ([[0, 1], [2]], [[1], [1, 1]], "a document has more terms than counts, or fewer"),
        ([[0, 1]], [[1, 0]], "holds the count 0, expected 1 or more"),
        ([[0, 1]], [[1, -3]], "holds the count -3, expected 1 or more"),
        ([[0], None], [[1], [1]], "the column 'terms' must not hold nulls"),
        ([[0], [1]], [[1], None], "the column 'counts' must not hold nulls"),
        ([[0, None]], [[1, 1]], "the column 'terms' must not hold nulls"),
        ([[0, VOCAB]], [[1, 1]], "holds terms 0 to 4, but the vocabulary has 4 tokens"),
        ([[-1]], [[1]], "holds terms -1 to -1"),
        ([[0], [1, 1]], [[1], [2, 2]], "the terms of a document do not ascend"),
        ([[2, 1]], [[2, 2]], "the terms of a document do not ascend"),
    ],
)
def test_a_table_that_cannot_be_weighed_is_refused(tmp_path, terms, counts, message):
    with pytest.raises(SnapshotError, match=f"{message}.*; .*run prepare again"):
        read_document_terms(snapshot_of(tmp_path, terms, counts), VOCAB)


def test_a_table_of_another_vocabulary_is_refused(tmp_path):
    read_document_terms(snapshot_of(tmp_path / "same", [[0]], [[1]], vocabulary="toy"), VOCAB)
    with pytest.raises(SnapshotError, match="was made from vocabulary-older, but the snapshot has vocabulary-toy"):
        read_document_terms(snapshot_of(tmp_path / "other", [[0]], [[1]], vocabulary="older"), VOCAB)
