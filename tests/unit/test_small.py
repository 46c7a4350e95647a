"""Vectors in fewer bytes: what is left out, and what is said of the loss."""

import numpy as np
import pytest

import embtrain
from embtrain import formats
from embtrain.cli import main
from embtrain.config import EvaluateSettings
from embtrain.errors import FormatError
from embtrain.small import size_on_disk, write_small
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Vectors

NOTHING = EvaluateSettings()


@pytest.fixture(scope="module")
def vectors():
    """Some words of few n-grams among many."""
    random = np.random.default_rng(8)
    words = [f"{stem}{ending}" for stem in ("orange", "apple", "pear") for ending in ("", "s", "tree", "juice")]
    return SubwordVectors(
        words,
        word_rows=random.standard_normal((len(words), 8), np.float32),
        bucket_ids=np.arange(4_000),
        bucket_rows=random.standard_normal((4_000, 8), np.float32),
        subwords=Subwords(min_n=3, max_n=5, buckets=4_000),
    )


@pytest.fixture
def model(vectors, tmp_path):
    path = tmp_path / "model.bin"
    formats.write(vectors, path, "fasttext")
    return str(path)


def small(vectors, path, precision="full", *, trim=False, settings=NOTHING):
    """Write vectors small into a folder; what is said of them."""
    return write_small(vectors, path, "safetensors", precision=precision, trim=trim, settings=settings)


def test_trimmed_vectors_have_the_ngrams_of_the_vocabulary_and_no_others(vectors):
    trimmed = vectors.trimmed()
    used = {bucket for found in vectors.subwords.of(vectors.index_to_key).to_pylist() for bucket in found}
    assert trimmed.bucket_ids.tolist() == sorted(used)
    assert trimmed.matrix.tobytes() == vectors.matrix.tobytes()


def test_trimming_changes_unseen_words_by_noise_alone(vectors):
    trimmed = vectors.trimmed()
    assert trimmed["orangestree"] @ vectors["orangestree"] > 0
    assert "orangestree" in trimmed
    assert "xyz" in vectors
    assert "xyz" not in trimmed


def test_a_quantised_model_is_trimmed_without_decoding(vectors, tmp_path):
    small(vectors, tmp_path / "quantised", "quantised")
    quantised = formats.read(tmp_path / "quantised")
    trimmed = quantised.trimmed()
    assert trimmed.matrix.tobytes() == quantised.matrix.tobytes()
    assert trimmed.bucket_rows.codes.dtype == np.uint8


def test_each_step_takes_fewer_bytes(vectors, tmp_path):
    sizes = []
    for name, trim, precision in [("a", False, "full"), ("b", True, "full"), ("c", True, "float16")]:
        small(vectors, tmp_path / name, precision, trim=trim)
        sizes.append(size_on_disk(tmp_path / name / "vectors.safetensors"))
    assert sizes[1] < 0.2 * sizes[0]
    assert sizes[2] < 0.7 * sizes[1]
    small(vectors, tmp_path / "d", "quantised")
    assert size_on_disk(tmp_path / "d") < 0.5 * size_on_disk(tmp_path / "a")


def test_nothing_is_lost_by_full_precision(vectors, tmp_path):
    fidelity = small(vectors, tmp_path / "same")
    assert [kind.name for kind in fidelity.nearness] == ["words", "misspelt words"]
    assert [kind.least for kind in fidelity.nearness] == pytest.approx([1, 1])
    assert fidelity.neighbours_kept == 1


def test_a_misspelling_that_trimming_leaves_without_a_vector_is_not_compared(tmp_path):
    subwords = Subwords(min_n=3, max_n=3, buckets=1000)
    rows = {"bucket_ids": np.arange(1000), "bucket_rows": np.ones((1000, 1))}
    vectors = SubwordVectors(["</s>", "orange"], word_rows=np.ones((2, 1)), subwords=subwords, **rows)
    fidelity = small(vectors, tmp_path / "small", trim=True)
    assert fidelity.nearness[1].num_words == 1  # ornge, and not </>


def test_what_is_lost_by_quantising_is_small_and_told(vectors, tmp_path):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("orange\tapple\t1\norange\toranges\t3\npear\tpeartree\t2\n", encoding="utf-8")
    fidelity = small(vectors, tmp_path / "small", "quantised", settings=EvaluateSettings(similarity=[str(pairs)]))
    words = fidelity.nearness[0]
    assert 0.9 < words.least <= words.mean < 1
    assert "similarity/pairs: " in str(fidelity)
    assert "words: cosine to the full vectors 0.9" in str(fidelity)


def test_vectors_of_words_alone_can_be_small_too(tmp_path):
    fidelity = small(Vectors(["a", "b"], [[1, 2], [2, 1]]), tmp_path / "half", "float16")
    assert [kind.name for kind in fidelity.nearness] == ["words"]


def test_a_set_that_is_not_there_is_told_before_anything_is_written(vectors, tmp_path):
    with pytest.raises(FormatError, match="there is no evaluation file"):
        small(vectors, tmp_path / "small", "float16", settings=EvaluateSettings(similarity=["none.txt"]))
    assert not (tmp_path / "small").exists()


def test_words_alone_have_nothing_to_trim(tmp_path):
    with pytest.raises(FormatError, match="no n-grams to leave out"):
        small(Vectors(["a"], [[1]]), tmp_path / "small", trim=True)


def test_other_tools_formats_have_one_precision(vectors, tmp_path):
    with pytest.raises(FormatError, match="glove is not written in float16; choose safetensors or fasttext"):
        formats.write(vectors, tmp_path / "x", "glove", "float16")
    with pytest.raises(FormatError, match="of full precision or quantised, not float16"):
        formats.write(vectors, tmp_path / "x", "fasttext", "float16")


def test_fasttext_loads_quantised_vectors_and_gives_them_the_same_direction(vectors, tmp_path):
    fasttext = pytest.importorskip("fasttext", reason="Facebook's package is not installed: pip install fasttext-wheel")
    fidelity = write_small(
        vectors, tmp_path / "small.ftz", "fasttext", precision="quantised", trim=True, settings=NOTHING
    )
    assert fidelity.nearness[0].least > 0.9
    found, theirs = formats.read(tmp_path / "small.ftz"), fasttext.load_model(str(tmp_path / "small.ftz"))
    for word in [*vectors.index_to_key, "oranges", "orangejuices"]:
        assert found[word] == pytest.approx(theirs.get_word_vector(word), abs=1e-5)
    formats.write(found, tmp_path / "again.ftz", "fasttext", "quantised")
    assert (tmp_path / "again.ftz").read_bytes() == (tmp_path / "small.ftz").read_bytes()


def test_fasttext_loads_quantised_vectors_of_words_alone(tmp_path):
    fasttext = pytest.importorskip("fasttext", reason="Facebook's package is not installed: pip install fasttext-wheel")
    vectors = Vectors(["a", "b"], [[3, 4, 1], [0, 5, 2]])
    formats.write(vectors, tmp_path / "small.ftz", "fasttext", "quantised")
    assert fasttext.load_model(str(tmp_path / "small.ftz")).get_word_vector("a") == pytest.approx(vectors["a"])
    assert formats.read(tmp_path / "small.ftz").matrix == pytest.approx(vectors.matrix)


def test_pruned_vectors_are_written_for_fasttext_only_quantised(vectors, tmp_path):
    formats.write(vectors.trimmed(), tmp_path / "small.ftz", "fasttext", "quantised")
    with pytest.raises(FormatError, match="choose --precision quantised"):
        formats.write(formats.read(tmp_path / "small.ftz"), tmp_path / "x", "fasttext")


def test_the_command_line_prints_size_and_loss_and_what_it_wrote_is_loaded(model, tmp_path, capsys):
    path = str(tmp_path / "small")
    assert main(["export", model, path, "--format", "safetensors", "--precision", "float16", "--trim"]) == 0
    size, words, misspelt, neighbours = capsys.readouterr().out.splitlines()
    assert size == f"{path}: 0.0 MB"
    assert words.startswith("words: cosine to the full vectors 1.0000 in the mean")
    assert misspelt.startswith("misspelt words: ")
    assert neighbours == "nearest 10 words: 100.0 % are still among them"
    assert "orangs" in embtrain.load(path)


def test_sets_without_a_loss_to_measure_are_refused(model, tmp_path, capsys):
    assert main(["export", model, str(tmp_path / "x"), "--format", "glove", "--similarity", "pairs.txt"]) == 2
    assert "need --precision or --trim" in capsys.readouterr().err
