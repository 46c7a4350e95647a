"""The table ``cooccurrence``: GloVe and PPMI refuse the same, before they take an id for an address."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import stripes_of, with_cooccurrence, write_snapshot, write_table
from embtrain.config import PpmiSvdSettings
from embtrain.data.stripes import StripeTable
from embtrain.data.tiles import TiledCells
from embtrain.distributed import Group
from embtrain.errors import CorpusError, SnapshotError
from embtrain.kernels.stripes import asymmetry
from embtrain.models.factorisation import ppmi_matrix
from embtrain.schema import COOCCURRENCE, SEQUENCES

VOCAB = 5
EYE = stripes_of(np.eye(VOCAB))


def snapshot_of(folder, stripes, **options):
    sequences = [np.array([i, i]) for i in range(VOCAB)]
    return with_cooccurrence(write_snapshot(folder, sequences, [f"w{i}" for i in range(VOCAB)]), stripes, **options)


def for_glove(snapshot, folder):
    TiledCells(snapshot, VOCAB, folder, seed=1, group=Group())


def for_ppmi(snapshot, _):
    return ppmi_matrix(StripeTable(snapshot), VOCAB, PpmiSvdSettings())


both = pytest.mark.parametrize("read", [for_glove, for_ppmi])


@both
@pytest.mark.parametrize(
    ("stripes", "message"),
    [
        ([(0, [1], [0.0]), (1, [0], [0.0])], r"the weight of row 0, column 1 is 0\.0, which has no logarithm"),
        ([(0, [1], [-2.0]), (1, [0], [1.0])], r"row 0, column 1 is -2\.0"),
        ([(0, [0, 1], [1.0, np.nan]), (1, [0], [1.0])], r"row 0, column 1 is nan"),
        ([(0, [0], [np.inf])], r"row 0, column 0 is inf"),
        ([(0, [VOCAB], [1.0])], r"row 0 holds ids 0 to 5, but the vocabulary has 5 tokens; the tables do not belong"),
        ([(VOCAB, [0], [1.0])], "row 5 holds ids 0 to 5"),
        ([(-1, [0], [1.0])], "holds ids -1 to 0"),
        ([(0, [-1], [1.0])], "holds ids -1 to 0"),
        ([(0, [0], [1.0]), (0, [0], [1.0])], "row 0 is there twice"),
        ([(0, [1, 1], [1.0, 1.0])], "its columns do not ascend"),
        ([(0, [1, 0], [1.0, 1.0]), (1, [0], [1.0])], "its columns do not ascend"),
        ([(1, [1], [1.0]), (0, [], [])], "row 0 has no columns"),
        ([(0, None, [])], "row 0 has no columns"),
        ([(0, [None], [1.0])], "cannot read"),
        ([(0, [1], [1.0, 2.0])], "more columns than weights"),
        ([(0, [1], [1.0])], "is asymmetric, but its windows were symmetric: cells are missing"),
        ([(0, [1], [5.0]), (1, [2], [1.0]), (2, [0], [1.0])], "is asymmetric"),
        ([(0, [1], [2.0]), (1, [0], [3.0])], "is asymmetric"),
        ([*EYE[1:], (4, [3], [1.0])], "is asymmetric"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused(tmp_path, read, stripes, message):
    with pytest.raises(SnapshotError, match=message):
        read(snapshot_of(tmp_path / "s", stripes, rows_per_group=2), tmp_path)


@both
@pytest.mark.parametrize("context", ["left", "right"])
def test_windows_to_one_side_may_be_asymmetric(tmp_path, read, context):
    read(snapshot_of(tmp_path / "s", [(0, [1], [2.0])], context=context), tmp_path)


def test_the_ppmi_of_an_empty_table_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="the table 'cooccurrence' is empty"):
        for_ppmi(snapshot_of(tmp_path / "s", []), tmp_path)


def test_the_cells_of_a_ppmi_matrix_take_eight_bytes_each(tmp_path):
    rows, matrix = for_ppmi(snapshot_of(tmp_path / "s", EYE, rows_per_group=2), tmp_path)
    assert (matrix.data.dtype, matrix.indices.dtype) == (np.float32, np.int32)
    np.testing.assert_allclose(matrix.toarray()[np.argsort(rows)], np.log(VOCAB) * np.eye(VOCAB), rtol=1e-6)


@both
def test_a_snapshot_without_the_table_is_refused_and_it_is_said_how_to_get_it(tmp_path, read):
    snapshot = write_snapshot(tmp_path / "s", [np.array([0, 1])], ["a", "b"])
    with pytest.raises(
        SnapshotError, match=r"has no table 'cooccurrence'; put `tables: \[cooccurrence\]` into the run"
    ):
        read(snapshot, tmp_path)


def with_origin(snapshot, table, columns, **inputs):
    write_table(snapshot, table, columns, 5, inputs=inputs)
    return snapshot


ONE_CELL = [pa.array([[0]], pa.list_(pa.int32())), pa.array([[1.0]], pa.list_(pa.float32()))]


@both
def test_co_occurrences_of_other_sequences_are_refused(tmp_path, read):
    snapshot = snapshot_of(tmp_path / "s", [(0, [0], [1.0])])
    read(with_origin(snapshot, COOCCURRENCE, [pa.array([0], pa.int32()), *ONE_CELL], sequences="toy"), tmp_path)
    with_origin(snapshot, COOCCURRENCE, [pa.array([0], pa.int32()), *ONE_CELL], sequences="older")
    with pytest.raises(
        SnapshotError, match=r"was made from sequences-older, but the snapshot has sequences-toy: .* run prepare again"
    ):
        read(snapshot, tmp_path)


@both
def test_co_occurrences_of_another_vocabulary_are_refused(tmp_path, read):
    snapshot = snapshot_of(tmp_path / "s", [(0, [0], [1.0])])
    with_origin(snapshot, SEQUENCES, [pa.array([[0, 0]], pa.list_(pa.int32()))], vocabulary="older")
    with pytest.raises(SnapshotError, match="was made from vocabulary-older, but the snapshot has vocabulary-toy"):
        read(snapshot, tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.floats(1, 9, width=32), max_size=12))
def test_the_sum_over_the_cells_is_0_for_symmetric_matrices_alone(cells):
    matrix = np.zeros((VOCAB, VOCAB), np.float32)
    for place, weight in cells.items():
        matrix[place] = weight
    rows, columns = np.nonzero(matrix)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=VOCAB))])
    ids, bits = np.arange(VOCAB, dtype=np.int32), matrix[rows, columns].view(np.uint32)
    found = asymmetry(ids, offsets, columns.astype(np.int32), bits)
    assert (found == 0) == np.array_equal(matrix, matrix.T)
