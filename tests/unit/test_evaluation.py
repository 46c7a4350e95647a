"""Similarity and analogies: the same figures as gensim, and files that are not as they should be."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from embtrain.config import EvaluateSettings
from embtrain.errors import FormatError
from embtrain.evaluation import evaluate
from embtrain.evaluation.analogy import evaluate_analogies
from embtrain.evaluation.similarity import evaluate_similarity
from embtrain.subword_vectors import Subwords, SubwordVectors
from embtrain.vectors import Vectors

SHARED = Path(os.environ.get("EMBTRAIN_DATA", "../shared/data")) / "eval" / "en"


def both(words, matrix):
    """The same vectors as ours and as gensim's."""
    theirs = KeyedVectors(matrix.shape[1])
    theirs.add_vectors(words, matrix)
    return Vectors(words, matrix), theirs


@pytest.fixture(scope="module")
def random_pair():
    """Vectors in which b - a + c often is near d, of words some of which differ in case alone."""
    draw = np.random.default_rng(3)
    words = [f"{form}{row}" for row in range(100) for form in ("word", "Word", "noun", "NOUN")]
    topics, forms = draw.standard_normal((100, 1, 12)), draw.standard_normal((1, 4, 12))
    matrix = (topics + forms + 0.6 * draw.standard_normal((100, 4, 12))).reshape(400, 12)
    return both(words, matrix.astype(np.float32))


@pytest.fixture
def square():
    """Four words at the corners of a square: what d is to b, c is to a."""
    return Vectors(["a", "b", "c", "d"], [[1, 1, 0.1], [1, 2, 0.1], [2, 1, 0.1], [2, 2, 0.1]])


def written(folder, text, name="set.txt"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_similarity_is_gensims_on_random_vectors(random_pair, tmp_path):
    ours, theirs = random_pair
    draw = np.random.default_rng(4)
    pairs = draw.choice([*ours.index_to_key, "unknown", "WORD7"], size=(200, 2))
    path = written(tmp_path, "# pairs\n" + "".join(f"{a}\t{b}\t{draw.integers(0, 10)}\n" for a, b in pairs))
    found = evaluate_similarity(ours, path, restrict_vocabulary=300)
    _, spearman, missing = theirs.evaluate_word_pairs(path, restrict_vocab=300)
    assert found.spearman == pytest.approx(spearman[0], abs=1e-9)
    assert 100 * (1 - found.coverage) == pytest.approx(missing)
    assert found.pairs == 200


def test_analogies_are_gensims_on_random_vectors(random_pair, tmp_path):
    ours, theirs = random_pair
    rows = list(itertools.islice(itertools.permutations(range(12), 2), 120))
    grammar = "".join(f"word{i} noun{i} word{j} noun{j}\n" for i, j in rows)
    meaning = "".join(f"Word{i} word{j} NOUN{i} noun{j}\n" for i, j in rows) + "word1 word2 unknown word3\n"
    path = written(tmp_path, f": gram1\n{grammar}: family\n{meaning}")
    found = evaluate_analogies(ours, path, restrict_vocabulary=60)
    accuracy, sections = theirs.evaluate_word_analogies(path, restrict_vocab=60)
    assert found.total.accuracy == accuracy
    assert 0 < accuracy < 1
    assert [tally.correct for tally in found.sections] == [len(section["correct"]) for section in sections[:-1]]
    assert [tally.used for tally in found.sections] == [120, 120]
    assert found.total.questions == 241


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no evaluation sets in EMBTRAIN_DATA")
def test_real_sets_give_gensims_figures(tmp_path):
    analogies, pairs = SHARED / "questions-words.txt", SHARED / "EN-WS-353-ALL.txt"
    lines = analogies.read_text(encoding="utf-8").splitlines()
    some = written(tmp_path, "\n".join(line for n, line in enumerate(lines) if line.startswith(":") or n % 40 == 0))
    words = sorted({word.lower() for line in lines for word in line.split()})
    ours, theirs = both(words, np.random.default_rng(5).standard_normal((len(words), 3), dtype=np.float32))
    found = evaluate_analogies(ours, some)
    accuracy, sections = theirs.evaluate_word_analogies(some)
    assert found.total.accuracy == accuracy
    assert len(found.sections) == len(sections) - 1 == 14
    assert [half.name for half in found.halves] == ["semantic", "syntactic"]
    _, spearman, missing = theirs.evaluate_word_pairs(pairs)
    similarity = evaluate_similarity(ours, pairs)
    assert similarity.spearman == pytest.approx(spearman[0], abs=1e-6)
    assert similarity.pairs == 353
    assert 100 * (1 - similarity.coverage) == pytest.approx(missing)


def test_an_analogy_is_right_whatever_its_case(square, tmp_path):
    found = evaluate_analogies(square, written(tmp_path, ": gram\nA b C D\na c b d\na b c b\n"))
    assert (found.total.correct, found.total.used) == (2, 3)


def test_words_beyond_the_restricted_vocabulary_are_skipped_and_counted(square, tmp_path):
    found = evaluate_analogies(square, written(tmp_path, ": x\na b c d\na b c a\n"), restrict_vocabulary=3)
    assert (found.total.correct, found.total.used, found.total.questions) == (0, 1, 2)


def test_the_order_of_cosines_not_their_size_makes_the_correlation(tmp_path):
    vectors = Vectors(["a", "b", "c", "d"], [[1, 0], [1, 0.1], [1, 1], [0, 1]])
    found = evaluate_similarity(vectors, written(tmp_path, "a\tb\t10\na\tc\t2\na\td\t1.9\n"))
    assert found.spearman == pytest.approx(1)


def test_a_header_line_is_tolerated(square, tmp_path):
    found = evaluate_similarity(square, written(tmp_path, "word 1\tword 2\thuman\na\tb\t1\na\td\t2\nx\ty\t3\n"))
    assert (found.used, found.pairs) == (2, 3)


def test_without_a_known_pair_the_correlation_is_undefined_and_coverage_zero(square, tmp_path):
    found = evaluate_similarity(square, written(tmp_path, "x\ty\t1\n"))
    assert found.spearman is None
    assert found.coverage == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no word pair"),
        ("# nothing\n", "holds no word pair"),
        ("a\tb\t1\na b 1\n", "line 2: expected word<TAB>word<TAB>score, found 'a b 1'"),
        ("a\tb\t1\n\na\tb\tnan\n", "line 3"),
    ],
)
def test_a_malformed_file_of_pairs_is_refused(square, tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        evaluate_similarity(square, written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no question"),
        (": empty\n", "holds no question"),
        ("a b c d\n", "line 1: expected a line ': section', found 'a b c d'"),
        (": x\na b c d\na b c\n", "line 3: expected four words, found 'a b c'"),
    ],
)
def test_a_malformed_file_of_questions_is_refused(square, tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        evaluate_analogies(square, written(tmp_path, text))


def test_a_missing_file_and_one_that_is_not_utf8_are_refused(square, tmp_path):
    with pytest.raises(FormatError, match="there is no evaluation file"):
        evaluate_similarity(square, tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(": x\ncaf\xe9 b c d\n".encode("latin-1"))
    with pytest.raises(FormatError, match="UTF-8"):
        evaluate_analogies(square, tmp_path / "latin.txt")


def test_metrics_are_named_after_files_and_leave_the_undefined_out(square, tmp_path):
    known = written(tmp_path, "a\tb\t1\na\td\t2\na\tc\t3\n", "known (1).txt")
    unknown = written(tmp_path, "x\ty\t1\n", "unknown.txt")
    questions = written(tmp_path, ": family\na b c d\n: gram1\na b c a\n", "questions.txt")
    settings = EvaluateSettings(similarity=[str(known), str(unknown)], analogy=[str(questions)])
    evaluation = evaluate(square, settings)
    metrics = evaluation.metrics()
    assert set(metrics) == {
        "similarity/known _1_",
        "similarity_coverage/known _1_",
        "similarity_coverage/unknown",
        "analogy/questions",
        "analogy_coverage/questions",
        "analogy_semantic/questions",
        "analogy_syntactic/questions",
    }
    assert metrics["analogy/questions"] == 0.5
    assert metrics["analogy_semantic/questions"] == 1
    assert [half["correct"] for half in json.loads(evaluation.to_json())["analogy"][0]["halves"]] == [1, 0]


def test_the_table_shows_each_section_below_its_half(square, tmp_path):
    questions = written(tmp_path, ": family\na b c d\na b c x\n: gram1\na b c a\n: gram2\nx b c a\n", "questions.txt")
    assert str(evaluate(square, EvaluateSettings(analogy=[str(questions)]))).splitlines() == [
        "questions    accuracy   50.0  on 2 of 4",
        "  semantic   accuracy  100.0  on 1 of 2",
        "    family   accuracy  100.0  on 1 of 2",
        "  syntactic  accuracy    0.0  on 1 of 2",
        "    gram1    accuracy    0.0  on 1 of 1",
        "    gram2    accuracy      -  on 0 of 1",
    ]


def test_the_table_shows_sections_that_make_no_halves_below_their_file(square, tmp_path):
    questions = written(tmp_path, ": family\na b c d\n", "kin.txt")
    assert str(evaluate(square, EvaluateSettings(analogy=[str(questions)]))).splitlines() == [
        "kin       accuracy  100.0  on 1 of 1",
        "  family  accuracy  100.0  on 1 of 1",
    ]


def test_json_has_the_coverage_of_every_entry(square, tmp_path):
    pairs = written(tmp_path, "a\tb\t1\na\td\t2\na\tx\t3\na\ty\t3\n", "pairs.txt")
    questions = written(tmp_path, ": family\na b c d\n: gram1\na b c a\na b c x\nx b c a\n", "questions.txt")
    found = json.loads(evaluate(square, EvaluateSettings(similarity=[str(pairs)], analogy=[str(questions)])).to_json())
    assert found["similarity"][0]["coverage"] == 0.5
    [analogy] = found["analogy"]
    assert analogy["coverage"] == 0.5
    assert [half["coverage"] for half in analogy["halves"]] == [1, pytest.approx(1 / 3)]
    assert [section["coverage"] for section in analogy["sections"]] == [1, pytest.approx(1 / 3)]


def test_two_files_of_one_name_are_refused(square):
    settings = EvaluateSettings(similarity=["en/pairs.txt", "ko/pairs.txt"])
    with pytest.raises(FormatError, match="2 evaluation files are named 'pairs'"):
        evaluate(square, settings)


@pytest.fixture
def grid():
    """The corners of ``square``, each with an n-gram of its own that points the same way."""
    words, rows = ["aa", "bb", "cc", "dd"], np.array([[1, 1, 0.1], [1, 2, 0.1], [2, 1, 0.1], [2, 2, 0.1]])
    subwords = Subwords(min_n=3, max_n=3, buckets=10_000)
    buckets = np.array([found[0] for found in subwords.of(words).to_pylist()])
    order = np.argsort(buckets)
    return SubwordVectors(
        words,
        word_rows=rows,
        bucket_ids=buckets[order],
        bucket_rows=rows[order],
        subwords=subwords,
        counts=[4, 3, 2, 1],
    )


def test_words_never_seen_take_part_by_their_ngrams_and_are_counted(grid, tmp_path):
    found = evaluate_similarity(grid, written(tmp_path, "aa\tdd\t9\nAAx\tbb\t8\nbbx\tCCx\t2\nzz\taa\t1\n"))
    assert (found.used, found.unseen, found.pairs) == (3, 2, 4)
    assert found.spearman == pytest.approx(1)


def test_an_analogy_may_ask_about_words_never_seen_but_not_for_them(grid, tmp_path):
    asked = ": x\naax bb cc dd\naa bb cc dd\naa bb cc ddx\naa zz cc dd\n"
    [section] = evaluate_analogies(grid, written(tmp_path, asked)).sections
    assert (section.correct, section.used, section.unseen, section.questions) == (2, 2, 1, 4)


def test_seen_words_beyond_the_most_frequent_have_vectors_where_there_are_ngrams(grid, tmp_path):
    found = evaluate_similarity(grid, written(tmp_path, "aa\tbb\t9\naa\tdd\t8\n"), restrict_vocabulary=2)
    assert (found.used, found.unseen) == (2, 0)


def test_unseen_words_keep_their_case_where_the_vocabulary_has_cases(grid, tmp_path):
    cased = SubwordVectors(
        ["Aa", *grid.index_to_key[1:]],
        word_rows=grid.word_rows,
        bucket_ids=grid.bucket_ids,
        bucket_rows=grid.bucket_rows,
        subwords=grid.subwords,
    )
    found = evaluate_similarity(cased, written(tmp_path, "aax\tbb\t9\nAAX\tbb\t9\n"))
    assert found.used == 1


def test_the_table_says_how_many_entries_have_words_never_seen(grid, tmp_path):
    pairs = written(tmp_path, "aa\tbb\t9\naax\tcc\t8\n", "pairs.txt")
    assert str(evaluate(grid, EvaluateSettings(similarity=[str(pairs)]))).endswith("on 2 of 2, 1 with words never seen")
