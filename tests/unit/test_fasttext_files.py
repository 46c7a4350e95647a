"""Models of fastText: what it and gensim write is read, and what is written they load, with the same vectors."""

import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import load_facebook_model, load_facebook_vectors, save_facebook_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embtrain import formats
from embtrain.errors import FormatError
from embtrain.formats.fasttext.cursor import Cursor
from embtrain.formats.fasttext.quantised import read_quantised
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.text.jamo import decompose
from embtrain.vectors import Vectors

SHARED = Path(os.environ.get("EMBTRAIN_DATA", "../shared/data")) / "fixtures" / "fasttext"
UNSEEN = ["oranze", "electrofishing", "서울역에서"]
CORPUS = [["the", "quick", "brown", "fox"], ["the", "lazy", "dog", "서울역", "naïve", "</s>"]] * 40

RANDOM = np.random.default_rng(5)


def largest_difference(ours, theirs, words):
    """The largest difference of any number; ``theirs`` gives the vector of a word."""
    return max(float(np.abs(ours[word] - theirs(word)).max()) for word in words)


def random_vectors(words, subwords, **options):
    """Vectors with half of the buckets."""
    buckets = np.arange(0, subwords.buckets, 2)
    rows = RANDOM.standard_normal((2 * len(words) + len(buckets), 4), np.float32)
    return SubwordVectors(
        words,
        word_rows=rows[: len(words)],
        bucket_ids=buckets,
        bucket_rows=rows[2 * len(words) :],
        output_rows=rows[len(words) : 2 * len(words)],
        subwords=subwords,
        **options,
    )


@pytest.fixture(scope="module")
def vectors():
    words = ["the", "orange", "서울", "naïve", "New York", "</s>", "a"]
    return random_vectors(words, Subwords(min_n=3, max_n=6, buckets=500), counts=[9, 8, 7, 6, 5, 4, 3])


@pytest.fixture(scope="module")
def model(vectors, tmp_path_factory):
    """The path of ``vectors`` as a model of fastText."""
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    formats.write(vectors, path, "fasttext")
    return path


@pytest.fixture(scope="module")
def fasttext():
    return pytest.importorskip("fasttext", reason="Facebook's package is not installed: pip install fasttext-wheel")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """The path of a text of some hundred words, with labels for those that read them."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    sentences = [" ".join(f"word{start * 7 % 90 + place}" for place in range(9)) for start in range(200)]
    lines = [f"__label__{number % 2} {sentence}" for number, sentence in enumerate(sentences)]
    path.write_text("\n".join(lines) + "\n서울역 서울역에 naïve\n", encoding="utf-8")
    return str(path)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no fixtures in EMBTRAIN_DATA")
@pytest.mark.parametrize("name", ["lee_fasttext", "lee_fasttext_new", "toy-model", "toy-model-pretrained"])
def test_models_of_all_versions_are_read_as_gensim_reads_them(name):
    ours, theirs = formats.read(SHARED / f"{name}.bin"), load_facebook_vectors(SHARED / f"{name}.bin")
    assert ours.index_to_key == theirs.index_to_key
    # The end of a line has n-grams in gensim, and in fastText of 2016.
    words = [word for word in ours.index_to_key if word != "</s>"]
    assert largest_difference(ours, theirs.__getitem__, words + UNSEEN) < 1e-5


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no fixtures in EMBTRAIN_DATA")
@pytest.mark.parametrize("name", ["lee_fasttext", "toy-model"])
def test_a_model_gives_the_vectors_that_fasttext_wrote_beside_it_as_text(name):
    ours, written = formats.read(SHARED / f"{name}.bin"), formats.read(SHARED / f"{name}.vec")
    words = [word for word in written.index_to_key if word != "</s>" and word in ours.key_to_index]
    assert len(words) > 20
    assert largest_difference(ours, written.__getitem__, words) < 1e-4  # it has five digits


def test_what_is_written_is_read_again_with_the_same_vectors(vectors, model):
    found = formats.read(model)
    assert isinstance(found, SubwordVectors)
    assert found.index_to_key == vectors.index_to_key
    assert found.counts.tolist() == vectors.counts.tolist()
    assert found.subwords == vectors.subwords
    assert found.matrix == pytest.approx(vectors.matrix)
    assert found.output_rows.tobytes() == vectors.output_rows.tobytes()
    assert largest_difference(found, vectors.__getitem__, UNSEEN) < 1e-6


def test_gensim_loads_what_is_written_and_can_go_on_training(vectors, model):
    theirs = load_facebook_model(model)
    words = [word for word in vectors.index_to_key if word != "</s>"]
    assert largest_difference(vectors, theirs.wv.__getitem__, words + UNSEEN) < 1e-5
    assert theirs.syn1neg.tobytes() == vectors.output_rows.tobytes()
    theirs.train([["the", "orange"]], total_examples=1, epochs=1)


def test_fasttext_loads_what_is_written(vectors, model, fasttext):
    theirs = fasttext.load_model(str(model))
    assert theirs.get_words() == vectors.index_to_key
    assert largest_difference(vectors, theirs.get_word_vector, vectors.index_to_key + UNSEEN) < 1e-5
    assert theirs.get_output_matrix().tobytes() == vectors.output_rows.tobytes()


def test_what_gensim_writes_is_read(tmp_path):
    theirs = FastText(CORPUS, vector_size=6, min_count=1, bucket=300, epochs=1, workers=1)
    save_facebook_model(theirs, str(tmp_path / "gensim.bin"))
    ours = formats.read(tmp_path / "gensim.bin")
    words = [word for word in theirs.wv.index_to_key if word != "</s>"]
    assert ours.index_to_key == theirs.wv.index_to_key
    assert largest_difference(ours, theirs.wv.__getitem__, words + UNSEEN) < 1e-5


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("train_unsupervised", {"bucket": 700, "minn": 2, "maxn": 5}),
        ("train_unsupervised", {"model": "cbow", "bucket": 700, "loss": "hs"}),
        ("train_unsupervised", {"maxn": 0}),
        ("train_supervised", {"bucket": 700, "minn": 2, "maxn": 4}),
        ("train_supervised", {"wordNgrams": 2, "bucket": 700}),
    ],
)
def test_what_fasttext_writes_is_read(fasttext, text, tmp_path, method, options):
    path = tmp_path / "model.bin"
    theirs = getattr(fasttext, method)(text, dim=5, minCount=1, epoch=1, verbose=0, thread=12, **options)
    theirs.save_model(str(path))
    ours = formats.read(path)
    assert ours.index_to_key == theirs.get_words()
    unseen = UNSEEN if isinstance(ours, SubwordVectors) else []
    assert largest_difference(ours, theirs.get_word_vector, ours.index_to_key + unseen) < 1e-5


@pytest.mark.parametrize("options", [{}, {"qnorm": True}, {"cutoff": 300}, {"cutoff": 300, "dsub": 3, "qnorm": True}])
def test_a_quantised_model_is_read_with_the_buckets_that_pruning_has_left(fasttext, text, tmp_path, options):
    path = tmp_path / "model.ftz"
    theirs = fasttext.train_supervised(text, dim=7, minn=2, maxn=4, bucket=700, epoch=1, verbose=0, thread=12)
    theirs.quantize(**options)
    theirs.save_model(str(path))
    ours = formats.read(path)
    assert ours.pruned == ("cutoff" in options)
    assert ours.index_to_key == theirs.get_words()
    known = [word for word in [*ours.index_to_key, *UNSEEN, "word"] if word in ours]
    assert largest_difference(ours, theirs.get_word_vector, known) < 1e-5


def test_vectors_of_words_alone_become_a_model_without_ngrams(tmp_path, fasttext):
    vectors = Vectors(["a", "b"], [[1, 2], [3, 4]])
    formats.write(vectors, tmp_path / "model.bin", "fasttext")
    assert fasttext.load_model(str(tmp_path / "model.bin")).get_word_vector("b").tolist() == [3, 4]
    assert load_facebook_vectors(tmp_path / "model.bin")["b"].tolist() == [3, 4]
    found = formats.read(tmp_path / "model.bin")
    assert type(found) is Vectors
    assert found.counts.tolist() == [2, 1]  # as gensim counts where nothing is known


def test_the_text_format_starts_a_training_of_fasttext(fasttext, text, vectors, tmp_path):
    words = Vectors(["word1", "서울역"], vectors.matrix[:2])
    formats.write(words, tmp_path / "model.vec", "word2vec")
    options = {"dim": 4, "minCount": 1, "lr": 0, "bucket": 100, "verbose": 0, "thread": 12}
    theirs = fasttext.train_supervised(text, pretrainedVectors=str(tmp_path / "model.vec"), **options)
    assert theirs.get_word_vector("서울역") == pytest.approx(words["서울역"])


def test_words_of_jamo_ngrams_are_written_as_jamo(tmp_path):
    vectors = random_vectors(["서울", "가다"], Subwords(min_n=3, max_n=5, buckets=100, units="jamo"))
    formats.write(vectors, tmp_path / "model.bin", "fasttext")
    theirs = load_facebook_vectors(tmp_path / "model.bin")
    found = largest_difference(vectors, lambda word: theirs[decompose(word)], ["서울", "가다", "갔다"])
    assert found < 1e-5


def test_words_that_are_no_utf8_are_spelt_with_escapes_and_keep_their_vectors(vectors, model, tmp_path, fasttext):
    odd = tmp_path / "odd.bin"
    odd.write_bytes(model.read_bytes().replace("naïve".encode(), b"na\xefve\xff"))
    ours, theirs = formats.read(odd), fasttext.load_model(str(odd))
    spelt = "na\\xefve\\xff"
    assert ours.index_to_key[3] == spelt
    assert ours[spelt] == pytest.approx(theirs.get_word_vector(b"na\xefve\xff"), abs=1e-5)
    assert largest_difference(ours, vectors.__getitem__, ["the", "orange", *UNSEEN]) < 1e-6
    formats.write(ours, tmp_path / "again.bin", "fasttext")
    again = fasttext.load_model(str(tmp_path / "again.bin"))
    assert again.get_word_vector(spelt) == pytest.approx(ours[spelt], abs=1e-5)


def test_an_unseen_word_may_hold_bytes_that_are_no_utf8(vectors, model, fasttext):
    theirs = fasttext.load_model(str(model)).get_word_vector(b"na\xefve\xff")
    assert vectors[b"na\xefve\xff".decode(errors="surrogateescape")] == pytest.approx(theirs, abs=1e-5)


def test_a_compressed_model_is_read(vectors, tmp_path):
    formats.write(vectors, tmp_path / "model.bin.gz", "fasttext")
    assert formats.read(tmp_path / "model.bin.gz")["oranze"] == pytest.approx(vectors["oranze"])


def test_a_word_with_a_zero_byte_is_refused(tmp_path):
    with pytest.raises(FormatError, match="holds a zero"):
        formats.write(Vectors(["a", "b\0c"], np.eye(2)), tmp_path / "model.bin", "fasttext")
    assert not list(tmp_path.iterdir())


def test_counts_that_no_argument_can_hold_are_written_all_the_same(tmp_path, fasttext):
    formats.write(Vectors(["a"], [[1, 2]], counts=[3 * 10**9]), tmp_path / "model.bin", "fasttext")
    assert fasttext.load_model(str(tmp_path / "model.bin")).get_words(include_freq=True)[1] == [3 * 10**9]
    assert formats.read(tmp_path / "model.bin").counts.tolist() == [3 * 10**9]


def test_matrices_stay_in_the_mapped_file(model):
    found = formats.read(model)
    assert not found.bucket_rows.flags.owndata
    assert not found.word_rows.flags.owndata


# Where a number stands in a file, what it is replaced by, and what is said of it.
ABSURD = [
    (4, "<i", 13, "version 13 of fastText's format; known are 11 to 12"),
    (8, "<i", -1, "no training has"),
    (8, "<i", 5, "expected an input matrix"),
    (8 + 4 * 8, "<i", 2**31 - 1, "expected an input matrix"),
    (8 + 4 * 10, "<i", 2**31 - 1, "no training has"),
    (64, "<i", 2**31 - 1, "a dictionary of 2147483647 entries"),
    (68, "<i", 2**31 - 1, "a dictionary of 7 entries, 2147483647 words"),
    (68, "<i", -7, "-7 words"),
    (84, "<q", 2**60, "the list of buckets has 9223372036854775808 bytes"),
    (84, "<q", 0, "pruned, but not quantised"),
]


@pytest.mark.parametrize(("position", "layout", "number", "message"), ABSURD)
def test_absurd_sizes_are_refused_before_memory_is_taken(model, tmp_path, position, layout, number, message):
    content = bytearray(model.read_bytes())
    struct.pack_into(layout, content, position, number)
    (tmp_path / "absurd.bin").write_bytes(content)
    with pytest.raises(FormatError, match=message) as raised:
        formats.read(tmp_path / "absurd.bin", "fasttext")
    assert "\n" not in str(raised.value)


def test_a_matrix_of_absurd_size_is_refused_before_memory_is_taken(model, tmp_path):
    content = model.read_bytes()
    shape = struct.pack("<qq", 507, 4)
    (tmp_path / "absurd.bin").write_bytes(content.replace(shape, struct.pack("<qq", 2**40, 2**40)))
    with pytest.raises(FormatError, match="the input matrix has 4835703278458516698824704 bytes"):
        formats.read(tmp_path / "absurd.bin")


def quantised_matrix(dim, *quantiser):
    """A matrix of two rows, of one piece each, whose numbers are of dimension 7; and where a message says it is."""
    header = struct.pack("<?qqi", False, 2, dim, 2) + bytes(2) + struct.pack("<iiii", *quantiser)
    return Cursor(header + np.zeros((7, 256), np.float32).tobytes(), Path("absurd.ftz"))


def test_a_piece_takes_no_more_memory_than_its_numbers_whatever_size_it_claims():
    found = read_quantised(quantised_matrix(7, 7, 1, 2**31 - 1, 7), "the matrix")
    assert found.centroids.shape == (1, 256, 7)


def test_centroids_of_absurd_size_are_refused_before_memory_is_taken():
    largest = 2**31 - 1
    with pytest.raises(FormatError, match="the matrix has 2199023254528 bytes, but 7168 are left"):
        read_quantised(quantised_matrix(largest, largest, 1, largest, largest), "the matrix")


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_short_anywhere_is_refused(model, tmp_path, data):
    content = model.read_bytes()
    (tmp_path / "short.bin").write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(FormatError):
        formats.read(tmp_path / "short.bin", "fasttext")


@given(data=st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(model, tmp_path, data):
    content = bytearray(model.read_bytes())
    position = data.draw(st.integers(0, 300) | st.integers(0, len(content) - 1))
    content[position] = data.draw(st.integers(0, 255))
    (tmp_path / "damaged.bin").write_bytes(content)
    with suppress(FormatError):
        assert len(formats.read(tmp_path / "damaged.bin", "fasttext")) == 7


def test_a_file_that_goes_on_is_refused(model, tmp_path):
    (tmp_path / "long.bin").write_bytes(model.read_bytes() + b"!")
    with pytest.raises(FormatError, match="goes on for 1 bytes"):
        formats.read(tmp_path / "long.bin")
