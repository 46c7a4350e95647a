"""A classifier of texts: what its parts compute, that it learns, and that it is the same once saved and loaded."""

import errno

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from embtrain.classify.classifier import Classifier, network_of
from embtrain.classify.data import Dataset, Examples
from embtrain.classify.inputs import ElmoInput, WordInput
from embtrain.classify.learning import Part, batches, learn, scores_of
from embtrain.classify.network import BiLstmEncoder, MeanEncoder
from embtrain.classify.scores import Comparison, Scores
from embtrain.classify.tokens import Features, Tokens
from embtrain.classify.words import Words
from embtrain.classify.workflow import Task, compare_rules
from embtrain.config import ClassifySettings, ElmoArchitecture, Settings
from embtrain.contextual_vectors import ContextualVectors
from embtrain.errors import ConfigError, CorpusError, FormatError, SetupError
from embtrain.models.elmo.bilm import BiLM
from embtrain.text import TextRules, Tokeniser
from embtrain.vectors import Vectors

RULES = TextRules(tokenizer="whitespace", lowercase=False)
VECTORS = Vectors(["a", "b", "c"], np.array([[1, 0], [0, 1], [1, 1]], np.float32))


@pytest.fixture(autouse=True)
def one_thread():
    """Keep torch's threads from waiting for each other over networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tokens_of(*texts, max_tokens=9):
    return Tokens.of(pa.array(texts, pa.string()), RULES, max_tokens)


def features_of(source, tokens):
    return Features([source.features(tokens)], tokens.offsets)


def taught(texts, labels, source, **settings):
    """Return a network taught by texts that it is stopped by, too."""
    settings = ClassifySettings(**{"dropout": 0, "batch_size": 4, "patience": 1000, **settings})
    torch.manual_seed(1)
    network = network_of([source], num_classes=max(labels) + 1, settings=settings)
    part = Part(features_of(source, tokens_of(*texts)), np.array(labels))
    learn(network, part, part, settings, seed=1, observe=[].append)
    return Classifier([str(label) for label in sorted(set(labels))], RULES, settings, [source], network)


def test_texts_are_cut_and_may_have_no_token():
    tokens = tokens_of("a b c", "", "d", max_tokens=2)
    assert tokens.flat.to_pylist() == ["a", "b", "d"]
    assert tokens.offsets.tolist() == [0, 2, 2, 3]
    assert tokens.sentences(0, 3) == [["a", "b"], [], ["d"]]
    assert tokens.sentences(2, 3) == [["d"]]


def task_of(*texts, test):
    train, tested = (Examples(pa.array(part), np.arange(len(part)) % 2) for part in (texts, test))
    settings = Settings(name="spam", corpus={"paths": ["x"], "tokenizer": "words"}, train={"device": "cpu"})
    return Task(settings, Dataset(["0", "1"], train, train, tested), {})


def test_texts_without_a_token_are_counted(caplog):
    task_of("a", "b", test=["!", "a", "?"])
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["2 of 3 texts of the test part have no token"]


def test_nothing_is_learned_from_texts_without_a_token():
    with pytest.raises(CorpusError, match=r"none of the 2 texts .* by corpus.tokenizer words; choose .* punctuated"):
        task_of("!", "?", test=["a"])


def test_a_batch_is_padded_by_zeros():
    batch = Features([np.arange(1, 7)], np.array([0, 3, 3, 6])).batch(np.array([2, 1, 0]))
    assert batch.inputs[0].tolist() == [[4, 5, 6], [0, 0, 0], [1, 2, 3]]
    assert batch.lengths.tolist() == [3, 1, 3]


def test_every_text_is_in_one_batch_of_a_pass():
    features = Features([np.arange(50)], np.sort(np.append(np.random.default_rng(1).integers(0, 50, 98), [0, 50])))
    found = list(batches(features, 8, np.random.default_rng(1)))
    assert sorted(np.concatenate(found).tolist()) == list(range(99))
    assert max(map(len, found)) == 8


def test_a_word_is_found_by_its_form_then_by_its_lower_case():
    words = Words(["Free", "win"])
    assert words.rows(pa.array(["Free", "FREE", "WIN", "win", "free"])).tolist() == [1, 0, 2, 2, 0]


def test_words_kept_are_the_most_frequent_and_those_of_the_texts():
    words = Words.with_vectors(VECTORS, pa.array(["C", "d"]), max_words=1)
    assert words.words.to_pylist() == ["a", "c"]
    assert words.matrix(VECTORS).tolist() == [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize("frozen", [True, False])
def test_word_vectors_are_trained_only_where_asked(frozen):
    source = WordInput.of_vectors(VECTORS, pa.array([], pa.string()), max_words=3, frozen=frozen)
    learned = taught(["a b", "b c", "c", "a"] * 4, [0, 1, 1, 0] * 4, source, epochs=3).network.inputs[0].weight
    assert np.array_equal(learned.detach().numpy()[1:], VECTORS.matrix) == frozen
    assert not learned[0].any()


def test_the_mean_encoder_gives_the_mean_of_a_texts_own_tokens():
    source = WordInput.of_vectors(VECTORS, pa.array([], pa.string()), max_words=3, frozen=True)
    batch = features_of(source, tokens_of("a b c", "b", "")).batch(np.arange(3))
    found = MeanEncoder(2)(source.module()(batch.inputs[0]), batch.lengths)
    assert found.numpy() == pytest.approx(np.array([[2 / 3, 2 / 3], [0, 1], [0, 0]]))


def test_the_lstm_reads_a_text_in_a_batch_as_it_does_alone():
    torch.manual_seed(1)
    encoder, lengths = BiLstmEncoder(3, 5), torch.tensor([4, 1, 2])
    tokens = torch.randn(3, 4, 3) * (torch.arange(4)[None, :, None] < lengths[:, None, None])
    together = encoder(tokens, lengths)
    for text, length in enumerate(lengths):
        (onward,), _ = encoder.from_start(tokens[text : text + 1, :length])
        (back,), _ = encoder.from_end(tokens[text : text + 1, :length].flip(1))
        outputs = torch.cat([onward, back.flip(0)], dim=1)
        expected = torch.cat([outputs.mean(0), outputs.amax(0)])
        assert torch.allclose(together[text], expected, atol=1e-6)


def test_the_mean_of_frozen_vectors_is_scikit_learns_logistic_regression():
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(["a", "b", "c"], 3)) for _ in range(24)]
    labels = [int(("a" in text) ^ (random.random() < 0.3)) for text in texts]
    source = WordInput.of_vectors(VECTORS, pa.array([], pa.string()), max_words=3, frozen=True)
    ours = taught(texts, labels, source, encoder="mean", epochs=150, learning_rate=0.1, batch_size=24)
    means = [VECTORS[text.split()].mean(0) for text in texts]
    peer = LogisticRegression(C=np.inf).fit(means, labels)
    assert ours.probabilities(texts) == pytest.approx(peer.predict_proba(means), abs=0.02)


def test_only_the_lstm_sees_the_order_of_words():
    texts, labels = ["a b", "b a", "a b", "b a"] * 4, [0, 1, 0, 1] * 4
    by_encoder = {
        encoder: taught(texts, labels, WordInput.random(pa.array(["a", "b"]), 8), encoder=encoder, epochs=60,
                        hidden_dim=8, learning_rate=0.02)
        for encoder in ("bilstm", "mean")
    }  # fmt: skip
    assert by_encoder["bilstm"].predict(["a b", "b a"]) == ["0", "1"]
    assert np.ptp(by_encoder["mean"].probabilities(["a b", "b a"])[:, 0]) < 1e-6


def test_learning_stops_when_the_dev_loss_rises_and_keeps_the_best_pass():
    source, seen = WordInput.random(pa.array(["a", "b"]), 4), []
    settings = ClassifySettings(dropout=0, encoder="mean", learning_rate=0.5, epochs=50, patience=3)
    torch.manual_seed(1)
    network = network_of([source], num_classes=2, settings=settings)
    train, dev = (
        Part(features_of(source, tokens_of("a", "b", "a", "b")), np.array(labels))
        for labels in ([0, 1, 0, 1], [0, 1, 1, 1])
    )
    best = learn(network, train, dev, settings, seed=1, observe=seen.append)
    losses = [epoch.dev_loss for epoch in seen]
    assert best.number == 1 + int(np.argmin(losses))
    assert len(seen) == best.number + 3 < 50
    kept = scores_of(network, dev.features)
    assert -kept[np.arange(4), dev.labels].mean() == pytest.approx(best.dev_loss)


def test_steps_too_long_are_told():
    source = WordInput.random(pa.array(["a", "b"]), 4)
    source_of_nan = WordInput(source.words, 4, lambda: torch.nn.Embedding(3, 4, _weight=torch.full((3, 4), torch.nan)))
    with pytest.raises(ConfigError, match=r"pass 1 is not finite; lower classify.learning_rate"):
        taught(["a", "b"] * 4, [0, 1] * 4, source_of_nan)


def test_the_same_seed_gives_the_same_classifier():
    texts, labels = ["a b", "b a", "a", "b"] * 4, [0, 1, 0, 1] * 4
    first, second = (
        taught(texts, labels, WordInput.random(pa.array(["a", "b"]), 4), epochs=2, dropout=0.5) for _ in range(2)
    )
    assert np.array_equal(first.probabilities(texts), second.probabilities(texts))


def test_a_saved_classifier_answers_as_before(tmp_path):
    source = WordInput.random(pa.array(["a", "b", "카"]), 4)
    before = taught(["a b", "b 카", "a", "b"] * 4, [0, 1, 0, 1] * 4, source, epochs=2)
    before.save(tmp_path / "classifier")
    after = Classifier.load(tmp_path / "classifier")
    asked = ["a 카", "b", "", "never seen " * 500, "\x00 \udcff".encode(errors="replace").decode()]
    assert np.array_equal(after.probabilities(asked), before.probabilities(asked))
    assert after.predict(asked) == before.predict(asked)
    assert np.isfinite(after.probabilities(asked)).all()


def test_half_a_surrogate_pair_is_read_as_a_question_mark(contextual):
    settings, sources = ClassifySettings(encoder="mean"), [ElmoInput(contextual)]
    network = network_of(sources, num_classes=2, settings=settings)
    classifier = Classifier(["0", "1"], RULES, settings, sources, network)
    cut, marked = classifier.probabilities(["a \ud83d", "a ?"])
    assert np.allclose(cut, marked)


def test_a_damaged_classifier_is_refused(tmp_path):
    source = WordInput.random(pa.array(["a", "b"]), 4)
    taught(["a", "b"] * 4, [0, 1] * 4, source, epochs=1).save(tmp_path / "classifier")
    weights = tmp_path / "classifier" / "network.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(FormatError, match=r"network.safetensors is damaged"):
        Classifier.load(tmp_path / "classifier")
    with pytest.raises(FormatError, match=r"classifier.json"):
        Classifier.load(tmp_path)
    (tmp_path / "classifier" / "input-0" / "words.parquet").write_bytes(b"PAR1")
    with pytest.raises(FormatError, match=r"words.parquet"):
        Classifier.load(tmp_path / "classifier")
    (tmp_path / "classifier" / "classifier.json").write_text('{"classes": []}')
    with pytest.raises(FormatError, match=r"describes no classifier: KeyError\('inputs'\)"):
        Classifier.load(tmp_path / "classifier")


def test_scores_of_a_known_confusion():
    # Right: 3 of a, 1 of b. Of b: precision 1 / 2, recall 1 / 2; of c nothing is there or predicted.
    scores = Scores.of(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0]), ["a", "b", "c/d"])
    assert scores.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert (scores.accuracy, scores.errors) == (4 / 6, 2)
    assert scores.metrics() == pytest.approx(
        {
            "test_accuracy": 4 / 6,
            "test_f1_macro": (0.75 + 0.5) / 3,
            "test_f1_a": 0.75,
            "test_f1_b": 0.5,
            "test_f1_c_d": 0,
        }
    )


def test_labels_that_are_one_in_the_name_of_a_metric_have_a_metric_each():
    labels = np.arange(4)
    metrics = Scores.of(labels, np.array([0, 1, 0, 0]), ["a+b", "a?b", "macro", "x" * 300]).metrics()
    assert metrics.pop("test_f1_" + "x" * 200) == 0
    assert metrics == pytest.approx(
        {
            "test_accuracy": 0.5,
            "test_f1_macro": (0.5 + 1) / 4,
            "test_f1_a_b": 0.5,
            "test_f1_a_b_2": 1,
            "test_f1_macro_2": 0,
        }
    )


def test_a_comparison_shows_means_over_seeds():
    right, half = (Scores.of(np.array([0, 1]), np.array(found), ["ham", "spam"]) for found in ([0, 1], [0, 0]))
    table = str(Comparison({"random": [right, half], "elmo + glove": [right, right]}, "models:/spam/1"))
    assert table.splitlines()[0].split() == ["input", "accuracy", "F1", "ham", "F1", "spam"]
    assert table.splitlines()[1].split() == ["random", "75.00", "(50.00", "-", "100.00)", "83.33", "50.00"]
    assert table.splitlines()[2].split()[:5] == ["elmo", "+", "glove", "100.00", "(100.00"]


@pytest.fixture(scope="module")
def contextual():
    torch.manual_seed(0)
    sizes = ElmoArchitecture(char_dim=3, filters=[(1, 2), (3, 4)], projection_dim=4, cell_dim=6)
    return ContextualVectors(BiLM(sizes), tokeniser=Tokeniser(RULES))


def test_an_elmos_features_are_all_layers_of_each_texts_own_tokens(contextual):
    found = ElmoInput(contextual).features(tokens_of("a b", "", "b a c"))
    assert found.shape == (5, 3, 8)
    for text, rows in (("a b", found[:2]), ("b a c", found[2:])):
        [layers] = contextual.layers([text.split()])
        assert rows == pytest.approx(layers.swapaxes(0, 1), abs=1e-6)
    assert ElmoInput(contextual).features(tokens_of("")).shape == (0, 3, 8)


def test_layers_for_which_the_disk_has_no_room_are_told(contextual, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(SetupError, match=r"take 192 B in /.*: No space left on device; .* TMPDIR"):
        ElmoInput(contextual).features(tokens_of("a b"))


def test_an_elmo_is_mixed_by_weights_that_learn_and_stays_as_it_is(contextual):
    before = [weight.clone() for weight in contextual.bilm.parameters()]
    source = ElmoInput(contextual)
    taught_by_elmo = taught(["a b", "b a", "c", "a"] * 4, [0, 1, 1, 0] * 4, source, epochs=3, learning_rate=0.01)
    mixing = taught_by_elmo.network.inputs[0].representation
    assert mixing.weights.sum().item() == pytest.approx(1)
    assert mixing.gamma.item() != 1
    assert all(map(torch.equal, before, contextual.bilm.parameters()))


@pytest.mark.parametrize("layer_norm", [False, True])
def test_layers_are_normalised_before_they_are_mixed_where_that_is_wanted(contextual, layer_norm):
    source = ElmoInput(contextual, layer_norm=layer_norm)
    layers = torch.from_numpy(source.features(tokens_of("a b")))
    (mixed,) = source.module()(torch.cat([layers, torch.zeros(1, 3, 8)])[None])
    expected = torch.nn.functional.layer_norm(layers, (8,)) if layer_norm else layers
    torch.testing.assert_close(mixed[:2], expected.mean(1))
    assert not mixed[2].any()


@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_saved_classifier_by_elmo_and_words_answers_as_before(tmp_path, contextual, layer_norm):
    words = WordInput.of_vectors(VECTORS, pa.array([], pa.string()), max_words=3, frozen=True)
    sources = [ElmoInput(contextual, layer_norm=layer_norm), words]
    settings = ClassifySettings(encoder="mean")
    network = network_of(sources, num_classes=2, settings=settings)
    before = Classifier(["0", "1"], RULES, settings, sources, network)
    before.save(tmp_path / "classifier")
    asked = ["a b 카", "", "c never seen"]
    after = Classifier.load(tmp_path / "classifier").probabilities(asked)
    assert after == pytest.approx(before.probabilities(asked), abs=1e-6)


def test_rules_other_than_those_of_an_elmos_training_are_told(contextual, caplog):
    settings = Settings(name="spam", corpus={"paths": ["x"], "tokenizer": "whitespace", "digits": "zero"})
    compare_rules("models:/elmo@champion", contextual, settings)
    [warning] = caplog.messages
    assert (
        "models:/elmo@champion was trained with corpus.lowercase False, here True; corpus.digits keep, here zero"
        in warning
    )
    compare_rules("glove.txt", VECTORS, settings)
    assert len(caplog.messages) == 1
