"""Estimates as functions of numbers: held against the models' own arrays, and against closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from corpora import counted_topics, documented_topics, two_topics, with_characters, with_subwords
from embtrain.config import ElmoSettings, GloveSettings, Settings
from embtrain.data.characters import read_characters
from embtrain.data.corpus import Corpus
from embtrain.data.subwords import SubwordTable
from embtrain.data.vocabulary import Vocabulary
from embtrain.distributed import Group
from embtrain.errors import SnapshotError
from embtrain.models.build import build_model
from embtrain.planning.disk import estimate_disk, state_bytes
from embtrain.planning.duration import estimate_duration, least_on_gpu
from embtrain.planning.elmo import num_parameters
from embtrain.planning.machine import Room
from embtrain.planning.memory import LIBRARIES, Memory, estimate_memory, mean_path
from embtrain.planning.refusal import lacking
from embtrain.planning.shapes import state_shapes
from embtrain.planning.sizes import Sizes, assumed_sizes, occurrence_of, sizes_of
from embtrain.planning.wording import in_bytes, in_count, in_time
from embtrain.planning.work import work_per_item
from embtrain.planning.zipf import Zipf

MILLION = Sizes(vocabulary=1_000_000, words=10**9, sequences=10**8, row_groups=1_000, largest_row_group=10**6)
TINY_ELMO = {"type": "elmo", "char_dim": 4, "filters": [[1, 3], [2, 5]], "projection_dim": 6, "cell_dim": 8}

SHALLOW = [
    {"type": "sgns", "dim": 17},
    {"type": "cbow", "dim": 16},
    {"type": "sgns", "dim": 5, "objective": "hierarchical_softmax"},
    {"type": "cbow", "dim": 5, "objective": "softmax"},
    {"type": "fasttext", "dim": 33},
    {"type": "glove", "dim": 15},
]


def settings(folder=None, **sections):
    return Settings(name="test", snapshot=str(folder) if folder else None, **sections)


def on_toy_text(folder, **model):
    """Return settings, a snapshot with every table that a model may need, and its vocabulary."""
    snapshot = with_characters(with_subwords(counted_topics(folder)))
    return settings(folder, model=model), snapshot, Vocabulary.read(snapshot)


@pytest.mark.parametrize("model", SHALLOW, ids=lambda model: "-".join(map(str, model.values())))
def test_the_shapes_planned_are_those_of_the_model_s_state(tmp_path, model):
    run, snapshot, vocabulary = on_toy_text(tmp_path, **model)
    subwords = SubwordTable.read(snapshot, len(vocabulary))
    built = build_model(run.model, vocabulary, threads=1, seed=1, device="cpu", subwords=subwords)
    found = {name: array.shape for name, array in built.state().items()}
    assert state_shapes(run.model, sizes_of(snapshot, run)) == found


@pytest.mark.parametrize("shared", [True, False])
def test_elmo_s_parameters_and_state_are_counted_one_by_one(tmp_path, shared):
    run, snapshot, vocabulary = on_toy_text(tmp_path, **TINY_ELMO, share_softmax=shared, highways=2)
    characters = read_characters(snapshot, len(vocabulary))
    model = build_model(run.model, vocabulary, threads=1, seed=1, device="cpu", characters=characters)
    weights = sum(
        array.size for name, array in model.state().items() if not name.endswith("sum") and "carried" not in name
    )
    assert num_parameters(run.model, len(vocabulary)) == weights
    assert state_bytes(run, sizes_of(snapshot, run), processes=1) == sum(a.nbytes for a in model.state().values())


def test_the_sizes_of_a_snapshot_are_counted_in_its_tables(tmp_path):
    run, snapshot, vocabulary = on_toy_text(tmp_path, type="fasttext")
    corpus = Corpus.open(run, snapshot, len(vocabulary), Group())
    found = sizes_of(snapshot, run)
    assert (found.vocabulary, found.words, found.sequences) == (24, corpus.source.size, 380)
    assert found.row_groups == len(corpus.source.row_groups) == 8
    assert found.largest_row_group == 50 * 12
    assert found.ngrams == corpus.subwords.buckets.size
    assert found.buckets == np.unique(corpus.subwords.buckets).size
    assert occurrence_of(snapshot).total == pytest.approx(1)


def test_cells_are_counted_for_models_of_cells(tmp_path):
    run, snapshot, _ = on_toy_text(tmp_path, type="glove")
    assert sizes_of(snapshot, run).cells == 24 * 24


def test_terms_are_counted_for_models_of_documents(tmp_path):
    snapshot, run = documented_topics(tmp_path), settings(tmp_path, model={"type": "lsa"})
    found = sizes_of(snapshot, run)
    assert found.documents == 380
    assert 380 < found.terms < found.words


def test_a_table_that_the_model_needs_and_is_not_there_is_named(tmp_path):
    with pytest.raises(SnapshotError, match="'cooccurrence'"):
        sizes_of(two_topics(tmp_path), settings(tmp_path, model={"type": "glove"}))


def test_a_row_group_takes_four_bytes_a_word_and_eight_a_sequence():
    assert MILLION.row_group_bytes == 4 * 10**6 + 8 * 10**5


def test_assumed_buckets_fill_up_and_never_overflow():
    run = settings(model={"type": "fasttext"}, subwords={"buckets": 1000})
    assert assumed_sizes(run, vocabulary=10**6, words=10**8).buckets == 1000
    assert assumed_sizes(run, vocabulary=10, words=10**8).buckets == pytest.approx(0.19 * 24 * 10, abs=1)


def test_assumed_cells_are_no_more_than_pairs_of_words():
    run = settings(model={"type": "glove"})
    assert assumed_sizes(run, vocabulary=100, words=10**9).cells == 100 * 100


@pytest.mark.parametrize("vocab_size", [2, 1000, 10**8])
def test_zipf_s_law_spreads_all_words_and_all_of_the_text(vocab_size):
    zipf = Zipf.of(vocab_size)
    assert zipf.words.sum() == vocab_size
    assert zipf.share.sum() == pytest.approx(1)
    assert zipf.negatives(0.75).sum() == pytest.approx(1)
    assert zipf.kept(0).sum() == pytest.approx(1)
    assert 0 < zipf.kept(1e-4).sum() <= 1


def test_the_first_word_of_zipf_s_law_has_its_harmonic_share():
    assert Zipf.of(1000).share[0] == pytest.approx(1 / np.sum(1 / np.arange(1, 1001)), rel=0.1)


def test_two_matrices_are_the_most_of_what_skip_gram_takes():
    memory = estimate_memory(settings(model={"dim": 100}), MILLION)
    assert memory.training["input rows"] == memory.training["output rows"] == 10**6 * 112 * 4
    assert sum(memory.training.values()) < 1.4 * 2 * 10**6 * 112 * 4 + LIBRARIES


def test_several_processes_keep_copies_for_merging():
    one, two = (estimate_memory(settings(), MILLION, processes=n) for n in (1, 2))
    assert "copies for merging" not in one.training
    assert two.training["copies for merging"] >= 2 * 10**6 * 112 * 4


def test_processes_that_hold_columns_hold_their_part_of_the_rows_and_no_copies():
    run = settings(model={"dim": 320}, train={"parallel": "columns"})
    whole, part = (estimate_memory(run, MILLION, processes=processes).training for processes in (1, 4))
    assert part["input rows"] == whole["input rows"] / 4 == 4 * 80 * 10**6
    assert "copies for merging" not in part


def test_the_first_of_processes_that_hold_columns_needs_no_memory_for_whole_vectors():
    run = settings(model={"dim": 300}, train={"parallel": "columns"})
    registering = estimate_memory(run, replace(MILLION, vocabulary=24 * 10**6), processes=8).registering
    assert sum(registering.values()) < 4 * 300 * 24 * 10**6


def test_the_first_of_processes_that_hold_columns_needs_it_for_what_fasttexts_rows_make():
    sizes = replace(MILLION, ngrams=10**7, buckets=2 * 10**6)
    run = settings(model={"type": "fasttext", "dim": 320}, train={"parallel": "columns"})
    memory = estimate_memory(run, sizes, processes=4)
    assert memory.training["input rows"] == 4 * 80 * 3 * 10**6
    assert memory.registering["vectors"] == 4 * 320 * 10**6


def test_what_a_gpu_trains_is_in_its_memory():
    memory = estimate_memory(settings(), MILLION, device="cuda")
    assert memory.on_device > 2 * 10**6 * 112 * 4
    assert "input rows" not in memory.training


def test_of_each_row_of_a_gpu_it_is_known_how_much_is_in_flight():
    sizes = replace(MILLION, ngrams=10**7, buckets=2 * 10**6)
    memory = estimate_memory(settings(model={"type": "fasttext"}), sizes, device="cuda")
    assert memory.device["how much of each row is in flight"] == 4 * (3 + 1) * 10**6


def test_the_copies_of_what_gpus_train_are_in_their_memory():
    one, two = (estimate_memory(settings(), MILLION, processes=n, device="cuda") for n in (1, 2))
    assert "copies for merging" not in two.training
    assert two.device["copies for merging"] >= 2 * 10**6 * 112 * 4
    assert two.on_device > 2 * one.device["input rows"] * 2


def test_columns_on_a_gpu_are_in_its_memory_with_how_often_rows_are_in_a_batch():
    run = settings(model={"dim": 320}, train={"parallel": "columns"})
    memory = estimate_memory(run, MILLION, processes=4, device="cuda")
    assert memory.device["input rows"] == 4 * 80 * 10**6
    assert memory.device["how often rows are in a batch"] == 8 * 10**6
    assert "what words are drawn by" not in memory.device


def test_processes_that_hold_columns_of_glove_hold_their_part_of_rows_and_sums_and_all_cells():
    sizes = replace(MILLION, cells=10**9)
    run = settings(model={"type": "glove", "dim": 318}, train={"parallel": "columns"})
    one, four = (estimate_memory(run, sizes, processes=processes) for processes in (1, 4))
    rows = "words rows, AdaGrad's sums with them"
    assert four.training[rows] == one.training[rows] / 4 == 4 * 2 * 80 * 10**6
    assert four.reading["a band of cells, sorted"] == one.reading["a band of cells, sorted"]
    alone, together = (estimate_disk(run, sizes, processes=processes)[1].bytes for processes in (1, 4))
    assert together == 4 * alone == 4 * 8 * 10**9


def test_of_columns_no_time_was_measured():
    run = settings(train={"parallel": "columns"})
    assert estimate_duration(run, MILLION, kept_share=0.5, processes=2, threads=1) is None
    assert least_on_gpu(run, MILLION, kept_share=0.5, processes=2) is None


def test_glove_sorts_no_more_than_a_band_of_cells_at_a_time():
    run = settings(model={"type": "glove"})
    few, many = (Sizes(10**5, 10**8, 10**6, 100, 10**6, cells=cells) for cells in (10**6, 10**10))
    assert estimate_memory(run, few).reading["a band of cells, sorted"] == 8 * 10**6
    assert estimate_memory(run, many).reading["a band of cells, sorted"] == 8 << 27


def test_the_memory_of_a_counting_model_grows_with_its_cells():
    run = settings(model={"type": "ppmi_svd"})
    few, many = (estimate_memory(run, Sizes(10**5, 10**8, 10**6, 100, 10**6, cells=n)) for n in (10**8, 2 * 10**8))
    assert many.peak - few.peak == 16 * 10**8


def test_the_files_of_glove_include_its_cells_in_tiles():
    run = settings(model={"type": "glove"})
    files = {file.name: file.bytes for file in estimate_disk(run, Sizes(10**5, 10**8, 10**6, 100, 10**6, cells=10**9))}
    assert files["temporary file of the cells in tiles"] == 8 * 10**9


def test_paths_of_a_tree_are_as_long_as_words_are_informative():
    assert mean_path(2**16) == pytest.approx(18.1, abs=0.2)


def test_time_grows_with_epochs_words_and_dimensions_and_falls_with_threads():
    def seconds(dim=100, epochs=1, words=10**9, threads=2):
        sizes = Sizes(67_890, words, words // 20, 1000, 10**6)
        run = settings(model={"dim": dim}, train={"epochs": epochs})
        return estimate_duration(run, sizes, kept_share=0.559, processes=1, threads=threads).most

    assert seconds(epochs=3) == pytest.approx(3 * seconds())
    assert seconds(words=2 * 10**9) == pytest.approx(2 * seconds())
    assert seconds(threads=4) == pytest.approx(seconds() / 2)
    assert seconds(dim=200) > 1.5 * seconds()


def test_where_it_was_measured_the_range_holds_what_was_measured():
    sizes = Sizes(67_890, 16_694_531, 10**6, 51, 710_000)
    run = settings(train={"epochs": 5})
    found = estimate_duration(run, sizes, kept_share=0.559, processes=1, threads=2)
    assert found.least < 5 * 16_694_531 / 5.82e6 < found.most


def test_no_time_is_made_up_for_a_model_that_was_not_measured():
    run = settings(model={"objective": "softmax"})
    assert estimate_duration(run, MILLION, kept_share=1, processes=1, threads=2) is None


def test_an_h200_is_bound_by_its_memory_on_paper():
    run = settings(model={"dim": 96, "window": 5}, train={"epochs": 2})
    rows_of_a_tile = 16 + 26 + 32
    bytes_per_kept_word = rows_of_a_tile * 96 * 8 / 16
    seconds = 2 * 10**9 * 0.5 * bytes_per_kept_word / 4.3e12
    assert least_on_gpu(run, MILLION, kept_share=0.5, processes=1) == pytest.approx(seconds)


def test_an_h200_goes_to_all_rows_of_a_words_ngrams_on_paper():
    run = settings(model={"type": "fasttext", "dim": 96, "window": 5}, train={"epochs": 1})
    bytes_per_kept_word = (16 + 26 * (1 + 14) + 32) * 96 * 8 / 16
    seconds = 10**9 * 0.5 * bytes_per_kept_word / 4.3e12
    assert least_on_gpu(run, MILLION, kept_share=0.5, processes=1) == pytest.approx(seconds)


def test_an_h200_goes_to_a_context_for_each_cell_and_to_few_words_on_paper():
    run = settings(model={"type": "glove", "dim": 102}, train={"epochs": 1})
    cells, bytes_per_cell = 3 * 10**9, 2 * 1.107 * 104 * 8 + 8
    least = least_on_gpu(run, replace(MILLION, cells=cells), kept_share=0.5, processes=1)
    assert least == pytest.approx(cells * bytes_per_cell / 4.3e12)


def test_gpus_share_out_the_words():
    one, eight = (least_on_gpu(settings(), MILLION, kept_share=0.5, processes=number) for number in (1, 8))
    assert one == pytest.approx(8 * eight)


def test_there_is_no_bound_for_what_does_not_train_in_tiles():
    assert least_on_gpu(settings(model={"objective": "softmax"}), MILLION, kept_share=0.5, processes=1) is None


def test_a_pair_of_skip_gram_costs_3600_flops_at_dimension_100_with_five_negatives():
    run = settings(model={"dim": 96, "window": 5})
    assert work_per_item(run.model).flops == 6 * (6 * 6 * 96)


def test_a_cell_alone_in_its_tile_fetches_two_rows_and_writes_them():
    assert work_per_item(GloveSettings(dim=14), cells_per_tile=1).bytes == 2 * 2 * 16 * 8 + 8


def test_memory_that_just_suffices_is_not_refused():
    memory = Memory(reading={}, training={"libraries": LIBRARIES, "rows": 1000}, registering={})
    assert lacking(settings(), memory, Room(1000, "free"), None, 1) is None
    assert lacking(settings(), memory, Room(999, "free on this machine"), None, 1) == (
        "training sgns needs 1.0 kB of memory (315 MB for libraries), but 999 B are free on this machine; "
        "lower model.dim or vocabulary.max_size, or raise vocabulary.min_count"
    )


def test_processes_of_one_machine_need_their_memory_at_the_same_time():
    memory = Memory(reading={}, training={"libraries": LIBRARIES, "rows": 1000}, registering={"all": LIBRARIES + 1500})
    assert lacking(settings(), memory, Room(2500, "free"), None, 2) is None
    assert "for 2 processes" in lacking(settings(), memory, Room(2499, "free"), None, 2)


def test_a_machine_on_which_nothing_is_registered_needs_no_memory_for_that():
    memory = Memory(reading={}, training={"libraries": LIBRARIES, "rows": 1000}, registering={"all": LIBRARIES + 1500})
    assert lacking(settings(), memory, Room(2000, "free"), None, 2, is_registered_here=False) is None
    sentence = lacking(settings(), memory, Room(1999, "free"), None, 2, is_registered_here=False)
    assert "needs 2.0 kB" in sentence
    assert "for all" not in sentence


def test_a_gpu_without_room_is_named():
    memory = Memory(reading={}, training={}, registering={}, device={"input rows": 2 * 10**9})
    sentence = lacking(settings(), memory, Room(10**12, "free"), Room(10**9, "free on the GPU X"), 1)
    assert "needs 2.0 GB of memory" in sentence
    assert "1.0 GB are free on the GPU X" in sentence


def test_elmo_is_told_to_have_smaller_batches():
    memory = Memory(reading={}, training={"weights": 2 * LIBRARIES}, registering={})
    assert "model.batch_size" in lacking(settings(model=ElmoSettings()), memory, Room(1, "free"), None, 1)


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (in_bytes(999), "999 B"),
        (in_bytes(999_700), "1.0 MB"),
        (in_bytes(312e6), "312 MB"),
        (in_bytes(3.24e9), "3.2 GB"),
        (in_bytes(1234e12), "1,234 TB"),
        (in_time(40), "40 s"),
        (in_time(210), "3.5 min"),
        (in_time(3 * 86400), "3.0 days"),
        (in_count(67_890, "words"), "68 k words"),
        (in_count(24, "words"), "24 words"),
    ],
)
def test_numbers_are_spelled_to_two_or_three_digits(spelled, expected):
    assert spelled == expected
