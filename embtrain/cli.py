"""The ``embtrain`` command: what a user types, what is printed, and how errors are told.

Each command imports what it needs when it is called: ``embtrain --help`` answers at once, and
``embtrain nearest`` needs neither Spark nor torch. How logging looks is decided here and nowhere else.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

import embtrain
from embtrain.errors import SetupError, exit_code_of, in_one_sentence
from embtrain.planning.commands import plan
from embtrain.probing.commands import contexts, probe
from embtrain.reporting.commands import report

if TYPE_CHECKING:
    from embtrain.config import Settings
    from embtrain.formats.tensors import Precision

FORMATS = ("word2vec", "word2vec-binary", "glove", "fasttext", "parquet", "safetensors", "elmo")
PRECISIONS = ("full", "float16", "quantised")

# Which extra of setup.py brings a package that a command may find missing.
_EXTRA_OF = {"pyspark": "spark", "mlflow": "track", **dict.fromkeys(("torch", "numba", "h5py", "sklearn"), "train")}

_WHAT_A_LEFTOVER_IS = {
    "earlier": "superseded",
    "unfinished": "unfinished",
    "newer": "newer than the snapshot, kept: prepare will continue from it",
}

_INTERRUPTED = 130

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done. 2: something of the user's is wrong, said in one sentence on stderr. 130: interrupted. 143: told to end.
    A defect of embtrain itself keeps its stack trace.
    """
    try:
        # None, or the code of an early exit such as --help's.
        return embtrain_command.main(arguments, prog_name="embtrain", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        sentence = _in_one_sentence(error)
        if sentence is None:
            raise
        log.debug("The stack trace that --debug asks for:", exc_info=error)
        click.echo(f"embtrain: {sentence}", err=True)
        return _INTERRUPTED if isinstance(error, click.Abort | KeyboardInterrupt) else exit_code_of(error)


def _in_one_sentence(error: BaseException) -> str | None:
    """Return what the user is to be told; None for what can only be a defect."""
    match error:
        case click.Abort() | KeyboardInterrupt():
            return "interrupted"
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in _EXTRA_OF:
            return f"this command needs {name}; run: pip install 'embtrain[{_EXTRA_OF[name.partition('.')[0]]}]'"
        case _:
            return in_one_sentence(error)


class _InOrder(click.Group):
    """Commands in the order in which one uses them; click would sort them by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names as they were added."""
        del ctx
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(embtrain.__version__, message="embtrain %(version)s")
@click.option("--debug", is_flag=True, help="Log details, and show the stack trace of an error.")
def embtrain_command(debug: bool) -> None:
    """Word embeddings, from text to registered vectors.

    MODEL is a registered model (models:/NAME@champion, models:/NAME/3), a run's model
    (runs:/RUN_ID/vectors), or a file of vectors.
    """
    level = logging.DEBUG if debug else logging.INFO
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    for package in ("embtrain", "pipelines", "jobs"):
        logging.getLogger(package).setLevel(level if _is_first_rank() else logging.WARNING)


def _is_first_rank() -> bool:
    """Tell whether this is the process that speaks for all: torchrun numbers them by RANK."""
    return os.environ.get("RANK", "0") == "0"


def _run_file(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--conf FILE`` and overrides, as the arguments ``conf`` and ``overrides``."""
    with_overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)
    return click.option("--conf", required=True, metavar="FILE", help="Run file; see conf/README.md.")(with_overrides)


def _settings(conf: str, overrides: Sequence[str]) -> Settings:
    from embtrain.settings import load_settings

    return load_settings(conf, overrides)


@embtrain_command.command()
@_run_file
def prepare(conf: str, overrides: Sequence[str]) -> None:
    """Turn the corpus into a snapshot, with Spark.

    Finished stages are skipped.
    """
    _prepare(_settings(conf, overrides))


def _prepare(settings: Settings) -> None:
    from pipelines.prepare import prepare_snapshot

    prepare_snapshot(settings)


class _SeveralWords(click.Command):
    """Lets ``--with A B`` stand for ``--with A --with B``, which is all that click reads."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat ``--with`` before each word that follows it."""
        repeated, following = [], False
        for argument in args:
            if argument.startswith("-"):
                following = argument == "--with"
            if argument != "--with":
                repeated += ["--with", argument] if following else [argument]
        return super().parse_args(ctx, repeated)


@embtrain_command.command(cls=_SeveralWords)
@click.argument("first")
@click.argument("second")
@click.option("--with", "words", metavar="WORD", multiple=True, required=True, help="Words to compare them by.")
@_run_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def cooccurrence(
    *, first: str, second: str, words: Sequence[str], conf: str, overrides: Sequence[str], as_json: bool
) -> None:
    """Compare how likely words are near FIRST and near SECOND.

    For instance: ice steam --with solid gas water fashion
    """
    from embtrain.cooccurrence_ratios import compare
    from embtrain.manifest import Snapshot

    found = compare(Snapshot.open(_settings(conf, overrides).snapshot_location), first, second, words)
    click.echo(found.to_json() if as_json else str(found))


@embtrain_command.command()
@_run_file
@click.option("--dry-run", is_flag=True, help="List what would be deleted, and delete nothing.")
def prune(conf: str, overrides: Sequence[str], dry_run: bool) -> None:
    """Delete tables of earlier settings and of killed runs."""
    from embtrain.prune import prune as prune_snapshot

    location = _settings(conf, overrides).snapshot_location
    found = prune_snapshot(location, dry_run=dry_run)
    for leftover in found:
        click.echo(f"{leftover.bytes / 1e6:11,.1f} MB  {leftover.name}  {_WHAT_A_LEFTOVER_IS[leftover.state]}")
    deleted = [leftover.bytes for leftover in found if leftover.state != "newer"]
    verb = "would delete" if dry_run else "deleted"
    click.echo(f"{verb} {len(deleted)} tables and files of {location}, {sum(deleted) / 1e6:,.1f} MB")


@embtrain_command.command()
@_run_file
def train(conf: str, overrides: Sequence[str]) -> None:
    """Train on the snapshot and register the vectors in MLflow.

    On N processes: torchrun --nproc-per-node N -m embtrain train --conf FILE
    """
    _train(_settings(conf, overrides))


def _train(settings: Settings, *, refreshes: bool = False) -> None:
    from tqdm.contrib.logging import logging_redirect_tqdm

    from embtrain import workflow

    with logging_redirect_tqdm():  # lines of the log appear above the progress bar, not in it
        version = workflow.train(settings, refreshes=refreshes)
    if version:
        click.echo(version)


@embtrain_command.command()
@_run_file
def run(conf: str, overrides: Sequence[str]) -> None:
    """Prepare, then train and evaluate."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SetupError("torchrun starts only `train`; prepare the snapshot first: embtrain prepare --conf FILE")
    settings = _settings(conf, overrides)
    _prepare(settings)
    _train(settings, refreshes=True)


def _evaluation_files(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--similarity FILE`` and ``--analogy FILE``, as the arguments ``similarity`` and ``analogy``."""
    questions = "Questions as in questions-words.txt; repeatable."
    with_analogies = click.option("--analogy", multiple=True, metavar="FILE", help=questions)(command)
    pairs = "Word pairs with human scores; repeatable."
    return click.option("--similarity", multiple=True, metavar="FILE", help=pairs)(with_analogies)


@embtrain_command.command()
@click.argument("model")
@_evaluation_files
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(model: str, similarity: Sequence[str], analogy: Sequence[str], as_json: bool) -> None:
    """Score MODEL on word pairs (Spearman) and analogies."""
    from embtrain.config import EvaluateSettings
    from embtrain.evaluation import evaluate as evaluate_vectors

    if not similarity and not analogy:
        raise click.UsageError("give at least one file, by --similarity or --analogy")
    settings = EvaluateSettings(similarity=list(similarity), analogy=list(analogy))
    evaluation = evaluate_vectors(embtrain.load_words(model), settings)
    click.echo(evaluation.to_json() if as_json else str(evaluation))


@embtrain_command.command()
@_run_file
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def classify(conf: str, overrides: Sequence[str], as_json: bool) -> None:
    """Train and register a classifier of texts.

    It reads a table of texts and labels, and prints how inputs and seeds compare. The version's URI
    is the last line.
    """
    from embtrain.classify.workflow import classify as train_classifiers

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SetupError("torchrun starts only `train`; a classifier is trained by one process")
    found = train_classifiers(_settings(conf, overrides))
    click.echo(found.to_json() if as_json else f"{found}\n{found.version}")


@embtrain_command.command()
@click.argument("words", metavar="WORD...", nargs=-1, required=True)
@click.option("--model", required=True, metavar="MODEL", help="Where the vectors are.")
@click.option("-k", "count", metavar="N", type=click.IntRange(1), default=10, help="Neighbours per word; default 10.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def nearest(words: Sequence[str], model: str, count: int, as_json: bool) -> None:
    """List the words most similar to each WORD."""
    found = embtrain.load_words(model).nearest(words, topn=count)
    _show(dict(zip(words, found, strict=True)), as_json=as_json)


@embtrain_command.command()
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("--model", required=True, metavar="MODEL", help="Where the vectors are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def analogy(a: str, b: str, c: str, model: str, as_json: bool) -> None:
    """Answer: A is to B as C is to what?

    For instance: row rows column
    """
    answers = embtrain.load_words(model).analogy(a, b, c)
    _show({f"{a} : {b} = {c} : ?": answers}, as_json=as_json)


def _show(answers: dict[str, list[tuple[str, float]]], *, as_json: bool) -> None:
    """Print the words that answer each question, best first, with their cosine similarities."""
    if as_json:
        rows: dict[str, list[dict[str, Any]]] = {
            question: [{"word": word, "similarity": round(score, 4)} for word, score in found]
            for question, found in answers.items()
        }
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for question, found in answers.items():
        click.secho(question, bold=True)
        for word, score in found:
            click.echo(f"  {score:6.3f}  {word}")


@embtrain_command.command()
@click.argument("model")
@click.argument("path")
@click.option("--format", "file_format", type=click.Choice(FORMATS), required=True, help="Format to write.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="full", help="Precision; default full.")
@click.option("--trim", is_flag=True, help="Leave out n-grams that no word of the vocabulary has.")
@_evaluation_files
def export(
    *,
    model: str,
    path: str,
    file_format: str,
    precision: Precision,
    trim: bool,
    similarity: Sequence[str],
    analogy: Sequence[str],
) -> None:
    """Write MODEL's vectors to PATH, for other tools or smaller.

    With --precision or --trim it prints how similar the new vectors are to the old ones, and the
    scores on the given files before and after.
    """
    from embtrain.loading import words_of, write_file

    vectors = embtrain.load(model)
    if precision == "full" and not trim:
        if similarity or analogy:
            raise click.UsageError("--similarity and --analogy need --precision or --trim, whose effect they measure")
        write_file(vectors, path, file_format)
        click.echo(path)
        return
    from embtrain.config import EvaluateSettings
    from embtrain.small import size_on_disk, write_small

    settings = EvaluateSettings(similarity=list(similarity), analogy=list(analogy))
    fidelity = write_small(words_of(vectors), path, file_format, precision=precision, trim=trim, settings=settings)
    click.echo(f"{path}: {size_on_disk(path) / 1e6:,.1f} MB")
    click.echo(str(fidelity))


@embtrain_command.command(name="import")
@click.argument("path")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Format of PATH; default: by its content.")
@click.option("--name", required=True, metavar="NAME", help="Registered model that gets a new version.")
def import_vectors(path: str, file_format: str | None, name: str) -> None:
    """Register another tool's vectors; prints the version's URI."""
    from embtrain import workflow
    from embtrain.loading import read_file

    click.echo(workflow.register_vectors(read_file(path, file_format), name=name, source=path))


@embtrain_command.command()
@click.argument("version", metavar="VERSION")
@click.option("--alias", metavar="NAME", default="champion", help="Alias to move; default: champion.")
def promote(version: str, alias: str) -> None:
    """Move an alias to VERSION, such as models:/NAME/3; prints what it was before."""
    from embtrain.versions import promote as promote_version

    click.echo(promote_version(version, alias))


for _command in (probe, contexts, plan, report):
    embtrain_command.add_command(_command)
