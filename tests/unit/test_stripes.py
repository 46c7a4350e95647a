"""Counting co-occurrences, without Spark: kernels and their streams against the twin, and against known matrices."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from embtrain.config import CooccurrenceSettings
from embtrain.kernels.cooccurrence import CELL_BYTES, distance_weights
from pipelines import stripes
from pipelines.stripes import count_stripes, merge_rows

VOCAB = 130
STRIPES = pa.schema([("row", pa.int32()), ("cells", pa.binary())])
SEQUENCES = st.lists(st.lists(st.integers(0, VOCAB - 1), min_size=2, max_size=30), min_size=1, max_size=6)


def batch_of(sequences):
    return pa.record_batch({"ids": pa.array(sequences, pa.list_(pa.int32()))})


def count(*batches, vocab_size=VOCAB, **options):
    """Count batches of sequences as one task would; return the rows as they come out."""
    counted = CooccurrenceSettings(**options)
    partial = pa.Table.from_batches(count_stripes(iter(map(batch_of, batches)), counted, vocab_size), STRIPES)
    together = partial.combine_chunks().sort_by("row").to_batches(max_chunksize=3)
    return [row for batch in merge_rows(iter(together), counted, vocab_size) for row in batch.to_pylist()]


def cells(rows):
    return {
        (row["row"], column): weight
        for row in rows
        for column, weight in zip(row["columns"], row["weights"], strict=True)
    }


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.integers(1, 30), st.sampled_from(["symmetric", "left", "right"]), st.booleans())
def test_cells_are_those_of_the_twin(sequences, window, context, harmonic):
    weighting = "harmonic" if harmonic else "flat"
    found = cells(count(sequences, window=window, context=context, weighting=weighting))
    expected = reference.cooccurrences(sequences, window, context=context, harmonic=harmonic)
    assert found == pytest.approx(expected, rel=2e-7)


def test_the_sentence_of_the_textbook_gives_its_matrix():
    # "You say goodbye and I say hello .", window 1: the matrix that textbooks show.
    you, say, goodbye, and_, i, hello, stop = range(7)
    found = count([[you, say, goodbye, and_, i, say, hello, stop]], vocab_size=7, window=1)
    assert {row["row"]: row["columns"] for row in found} == {
        you: [say],
        say: [you, goodbye, i, hello],
        goodbye: [say, and_],
        and_: [goodbye, i],
        i: [say, and_],
        hello: [say, stop],
        stop: [hello],
    }
    assert set(cells(found).values()) == {1.0}


def test_weights_fall_as_one_over_the_distance():
    assert cells(count([[0, 1, 2, 3]], window=3, context="right"))[0, 3] == np.float32(1 / 3)


def test_a_word_that_meets_itself_is_counted_from_both_sides():
    # As cooccur does, which adds to (w1, w2) and to (w2, w1) even where they are the same cell.
    assert cells(count([[5, 5]], window=2)) == {(5, 5): 2.0}


def test_no_window_reaches_into_another_sequence():
    assert cells(count([[0, 1], [2, 3]], window=9)).keys() == {(0, 1), (1, 0), (2, 3), (3, 2)}


def test_left_is_right_transposed():
    sequences = [[3, 1, 4, 1, 5, 9, 2, 6]]
    left, right = (cells(count(sequences, window=4, context=context)) for context in ("left", "right"))
    assert left == {(column, row): weight for (row, column), weight in right.items()}


def test_columns_ascend_and_each_row_comes_once():
    random = np.random.default_rng(0)
    rows = count(*([random.integers(0, VOCAB, 40).tolist()] for _ in range(8)))
    assert all(row["columns"] == sorted(set(row["columns"])) for row in rows)
    assert len({row["row"] for row in rows}) == len(rows)


@settings(max_examples=30, deadline=None)
@given(SEQUENCES, st.integers(2, 60), st.integers(1, 40))
def test_weights_are_the_same_bit_for_bit_wherever_the_text_is_cut(sequences, chunk_tokens, num_cells):
    whole = count(sequences, window=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripes, "CHUNK_TOKENS", chunk_tokens)
        patch.setattr(stripes, "STRIPE_BYTES", num_cells * CELL_BYTES)
        patch.setattr(stripes, "BATCH_CELLS", num_cells)
        patch.setattr(stripes, "BATCH_ROWS", 2)
        in_pieces = count(*([ids] for ids in sequences), window=7)
    assert in_pieces == whole


def test_cells_that_weigh_too_little_are_dropped_and_counted():
    rows = count([[0, 1, 2], [0, 1]], window=2, min_weight=1)
    assert cells(rows) == {(0, 1): 2.0, (1, 0): 2.0, (1, 2): 1.0, (2, 1): 1.0}
    assert {row["row"]: row["dropped"] for row in rows} == {0: 1, 1: 0, 2: 1}


def test_a_row_that_loses_all_cells_still_says_how_many():
    (row, _) = count([[0, 1]], min_weight=9)
    assert row == {"row": 0, "columns": [], "weights": [], "dropped": 1}


@pytest.mark.parametrize("window", [1, 10, 22])
def test_distances_have_a_common_denominator_up_to_window_22(window):
    weights = distance_weights(window, harmonic=True)
    assert [weights[distance] * distance for distance in range(1, window + 1)] == [weights[1]] * window


def test_the_weights_of_long_windows_are_close_to_one_over_the_distance():
    weights = distance_weights(1000, harmonic=True)
    np.testing.assert_allclose(weights[1:] / weights[1], 1 / np.arange(1, 1001), rtol=2e-6)


def test_a_sequence_longer_than_a_chunk_is_counted_whole(monkeypatch):
    monkeypatch.setattr(stripes, "CHUNK_TOKENS", 10)
    ids = [i % 7 for i in range(50)]
    assert cells(count([[1, 2], ids, [3, 4]], window=6)) == pytest.approx(
        reference.cooccurrences([[1, 2], ids, [3, 4]], 6), rel=2e-7
    )


def test_of_a_slice_of_a_batch_the_slice_alone_is_counted():
    sliced = batch_of([[0, 1], [2, 3], [4, 5]]).slice(1, 1)
    counted = CooccurrenceSettings()
    rows = [row["row"] for batch in count_stripes(iter([sliced]), counted, VOCAB) for row in batch.to_pylist()]
    assert rows == [2, 3]


def test_no_sequences_give_no_rows():
    assert count([]) == []
