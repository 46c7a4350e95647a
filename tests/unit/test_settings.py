"""From a run file and overrides to checked settings, and what is said when something is wrong."""

import pytest
from pydantic import ValidationError

from embtrain.config import CorpusSettings, GloveSettings, Settings, TrainSettings
from embtrain.errors import ConfigError
from embtrain.settings import load_settings
from embtrain.text import TextRules


@pytest.fixture
def run_file(tmp_path):
    def write(text):
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(path, *overrides):
    with pytest.raises(ConfigError) as caught:
        load_settings(path, overrides)
    return str(caught.value)


def test_a_name_is_all_that_a_run_file_must_say(run_file):
    settings = load_settings(run_file("name: first"))
    assert settings.model.type == "sgns"
    assert settings.snapshot_location == "snapshots/first"
    assert settings.checkpoint_location == "checkpoints/first"


def test_an_override_comes_before_the_run_file_and_the_run_file_before_the_default(run_file):
    path = run_file("name: x\nmodel: {window: 3, dim: 50}")
    model = load_settings(path, ["model.window=8"]).model
    assert (model.window, model.dim, model.num_negatives) == (8, 50, 5)


def test_an_override_reaches_a_section_that_the_run_file_leaves_out(run_file):
    assert load_settings(run_file("name: x"), ["train.epochs=2"]).train.epochs == 2


def test_an_override_may_be_a_list(run_file):
    settings = load_settings(run_file("name: x"), ["corpus.paths=[a.txt, b.txt]"])
    assert settings.corpus.paths == ["a.txt", "b.txt"]


def test_a_model_without_type_is_skip_gram(run_file):
    assert load_settings(run_file("name: x\nmodel: {dim: 20}")).model.type == "sgns"


def test_scientific_notation_without_a_point_is_a_number(run_file):
    # YAML 1.1 takes 1e-3 for a string.
    assert load_settings(run_file("name: x"), ["model.learning_rate=1e-3"]).model.learning_rate == 0.001


def test_settings_do_not_change_after_loading(run_file):
    settings = load_settings(run_file("name: x"))
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.epochs = 9


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.epoch=3", "unknown setting 'train.epoch'; did you mean 'train.epochs'?"),
        ("train.learning_rate=1", "unknown setting 'train.learning_rate'; did you mean 'model.learning_rate'?"),
        ("dim=3", "unknown setting 'dim'; did you mean 'model.dim'?"),
        ("colour=red", "unknown setting 'colour'; conf/README.md lists all settings"),
        ("model.gradient=corrected", "'model.gradient' is a setting of another model.type than 'sgns'"),
        (
            "model.type=word2vec",
            "model.type: expected one of 'sgns', 'skipgram', 'cbow', 'elmo', 'fasttext', 'glove', 'ppmi_svd', 'lsa'",
        ),
        ("model={objective: hierarchical_softmax, num_negatives: 5}", "model.num_negatives does not apply"),
        ("model={objective: softmax, num_negatives: 5}", "model.num_negatives does not apply"),
        ("model={type: cbow, objective: softmax, gradient: word2vec}", "model.gradient word2vec does not apply"),
        ("train.device=gpu", "train.device: input should be 'auto', 'cpu' or 'cuda', found 'gpu'"),
        ("sgns=3", "unknown setting 'sgns'; conf/README.md lists all settings"),
        ("train.epochs=true", "train.epochs: input should be a number, found True"),
        ("train.threads=false", "train.threads: input should be a number, found False"),
        ("unigram.negative_exponent=true", "unigram.negative_exponent: input should be a number, found True"),
        ("train.checkpoint_seconds=.inf", "train.checkpoint_seconds: input should be a finite number, found inf"),
        ("train.epochs=0", "train.epochs: input should be greater than or equal to 1, found 0"),
        ("corpus.held_out=1", "corpus.held_out: input should be less than 1, found 1"),
        ("train.epochs=many", "train.epochs: input should be a valid integer, unable to parse string as an integer"),
        ("train.epochs=2.5", "train.epochs: input should be a valid integer, got a number with a fractional part"),
        ("train=3", "train: expected a mapping of settings, found 3"),
        ("corpus.language=de", "corpus.language: input should be 'en' or 'ko', found 'de'"),
        ("corpus.tokenizer=jamo", "corpus.tokenizer: jamo is for Korean; set corpus.language=ko"),
        (
            "corpus={paths: [a], language: ko, digits: spell}",
            "corpus.digits: spell writes English words; choose keep or zero, or corpus.language=en",
        ),
        (
            "corpus={paths: [a], min_sentence_tokens: 9, max_sentence_tokens: 8}",
            "corpus.min_sentence_tokens (9) must not be above corpus.max_sentence_tokens (8)",
        ),
        (
            "corpus={paths: [a], near_duplicates: 0.4}",
            "corpus.near_duplicates: input should be greater than or equal to 0.5, found 0.4",
        ),
        ("corpus.parts_of_speech=[NOUN]", "corpus.parts_of_speech.0: input should be 'NNG', 'NNP'"),
        ("corpus.parts_of_speech=[]", "corpus.parts_of_speech: tuple should have at least 1 item"),
        ("name=a/b", "name: string should match pattern"),
        ("track.register_as=a/b", "track.register_as: string should match pattern"),
        ("track.register_as='a:b'", "track.register_as: string should match pattern"),
        ("track.alias=a b", "track.alias: string should match pattern"),
        ("train.checkpoint=s3a://box/state", "train.checkpoint: expected a folder's path, found 's3a://box/state'"),
        ("track.alias=Latest", "track.alias: MLflow keeps latest, v1, v2 and so on for itself, found 'Latest'"),
        ("track.alias=v12", "track.alias: MLflow keeps latest, v1, v2 and so on for itself, found 'v12'"),
        (
            "vocabulary={always_keep: [a, b], always_drop: [b]}",
            "vocabulary.always_keep and vocabulary.always_drop both",
        ),
        ("vocabulary={always_keep: [a, b], max_size: 1}", "vocabulary.max_size (1) must not be below the 2 tokens"),
        ("vocabulary.always_drop=['']", "vocabulary.always_drop.0: string should have at least 1 character"),
        ("tables=[subword]", "tables.0: input should be 'subwords'"),
        ("subwords.min_n=7", "subwords.min_n (7) must not be above subwords.max_n (6)"),
        ("phrases.threshold=-1", "phrases.threshold must be at least 0 with score word2vec, found -1"),
        ("phrases={score: npmi, threshold: 1}", "phrases.threshold must be at least -1 and below 1 with score npmi"),
        ("train.final_learning_rate=1", "train.final_learning_rate (1) must not be above model.learning_rate (0.025)"),
    ],
)
def test_a_wrong_value_is_told_in_the_words_of_the_run_file(run_file, override, sentence):
    path = run_file("name: x\ncorpus: {paths: [a.txt]}")
    assert refusal(path, override).startswith(f"{path}: {sentence}")


def test_all_problems_are_told_at_once(run_file):
    message = refusal(run_file("name: x"), "train.seed=-1", "model.dim=5000")
    assert "train.seed" in message
    assert "model.dim" in message


def test_the_rules_of_the_text_have_the_defaults_of_the_settings():
    assert CorpusSettings(paths=["a"]).text_rules == TextRules()


def test_a_missing_name_is_said_to_be_missing(run_file):
    assert refusal(run_file("model: {dim: 3}")).endswith("name is missing")


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train..epochs=3", ".epochs=3"])
def test_an_override_that_is_no_assignment_is_refused(run_file, override):
    assert (
        refusal(run_file("name: x"), override) == f"override {override!r}: expected key=value, such as train.epochs=3"
    )


def test_an_override_below_a_single_value_is_refused(run_file):
    assert refusal(run_file("name: x"), "name.first=y") == (
        "override 'name.first=y': 'name' is a single value, not a section"
    )


def test_an_override_that_is_no_yaml_is_refused(run_file):
    assert "'[a' is not a valid YAML value" in refusal(run_file("name: x"), "corpus.paths=[a")


def test_a_run_file_that_does_not_exist_is_named(tmp_path):
    assert refusal(tmp_path / "none.yaml").startswith(f"no run file at {tmp_path / 'none.yaml'}")


def test_a_folder_is_no_run_file(tmp_path):
    assert refusal(tmp_path).startswith(f"cannot read the run file {tmp_path}")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes("name: caf\u00e9".encode("latin-1"))
    assert refusal(path).startswith(f"cannot read the run file {path}")


def test_broken_yaml_is_told_with_its_line(run_file):
    path = run_file("name: x\nmodel: {dim: 3\n")
    assert refusal(path).startswith(f"{path}, line 3: not valid YAML: ")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("name: x\ntrain: {epochs: 2}\ntrain: {seed: 3}\n", 3, "'train' appears twice, first in line 2"),
        (
            "name: x\ntrain:\n  epochs: 2\n  seed: 1\n  epochs: 3\n",
            5,
            "'epochs' appears twice, first in line 3",
        ),
        ("name: x\nmodel: {dim: 3, dim: 4}\n", 2, "'dim' appears twice, first in line 2"),
    ],
)
def test_a_key_that_is_there_twice_is_told_with_both_lines(run_file, text, line, problem):
    path = run_file(text)
    assert refusal(path) == f"{path}, line {line}: not valid YAML: {problem}"


def test_what_a_merged_mapping_says_may_be_said_anew(run_file):
    merged = run_file("name: x\n<<: {snapshot: there, name: y}\n")
    assert (load_settings(merged).name, load_settings(merged).snapshot) == ("x", "there")


@pytest.mark.parametrize(("text", "found"), [("", "NoneType"), ("- a\n- b", "list"), ("just words", "str")])
def test_a_run_file_must_be_a_mapping(run_file, text, found):
    assert refusal(run_file(text)).endswith(f"expected a mapping of settings, found {found}")


def test_yaml_cannot_make_python_objects(run_file):
    assert "not valid YAML" in refusal(run_file("name: !!python/object/apply:os.getcwd []"))


def test_each_score_of_phrases_has_a_threshold_in_its_own_range(run_file):
    path = run_file("name: x")
    assert load_settings(path).phrases.threshold == 100
    assert load_settings(path, ["phrases.score=npmi"]).phrases.threshold == 0.5
    assert load_settings(path, ["phrases.score=npmi", "phrases.threshold=0.3"]).phrases.threshold == 0.3


def test_glove_goes_on_for_longer_at_a_rate_that_does_not_fall_unless_told_otherwise():
    glove = Settings(name="x", model={"type": "glove", "learning_rate": 0.1})
    assert (glove.train.epochs, glove.train.final_learning_rate) == (25, 0.1)
    told = Settings(name="x", model={"type": "glove"}, train={"epochs": 3, "final_learning_rate": 0.01})
    assert (told.train.epochs, told.train.final_learning_rate) == (3, 0.01)


def test_sections_made_in_python_mean_what_they_mean_in_a_run_file():
    made = Settings(name="x", model=GloveSettings(learning_rate=0.1), train=TrainSettings(seed=7))
    assert made == Settings(name="x", model={"type": "glove", "learning_rate": 0.1}, train={"seed": 7})
    assert made.train.epochs == 25


@pytest.mark.parametrize(
    ("model", "table"), [("glove", "cooccurrence"), ("fasttext", "subwords"), ("lsa", "document_terms")]
)
def test_a_model_asks_for_the_table_that_it_trains_on(model, table):
    assert Settings(name="x", model={"type": model}).further_tables == [table]


def test_tables_are_asked_for_once():
    assert Settings(name="x", tables=["characters", "characters"]).further_tables == ["characters"]
