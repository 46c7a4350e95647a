"""The commands that show what a model's layers know: ``embtrain probe`` and ``embtrain contexts``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from embtrain.evaluation.contextual_similarity import ContextualResult
    from embtrain.probing.contexts import NearestContexts
    from embtrain.probing.part_of_speech import TaggingResult


@click.command()
@click.argument("model")
@click.option("--tags", nargs=2, metavar="TRAIN TEST", help="Parts of speech in CoNLL-U, to train and to test on.")
@click.option("--contexts", metavar="FILE", help="Pairs of words in context with scores, like SCWS's ratings.txt.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def probe(model: str, tags: tuple[str, str] | None, contexts: str | None, as_json: bool) -> None:
    """Measure what each layer of MODEL knows.

    That is, of parts of speech (--tags) and of meaning in context (--contexts).
    """
    if not tags and not contexts:
        raise click.UsageError("give at least one of --tags and --contexts")
    from embtrain.evaluation.contextual_similarity import evaluate_contexts
    from embtrain.loading import load
    from embtrain.probing.part_of_speech import probe_tagging

    loaded = load(model)
    tagging = probe_tagging(loaded, *tags) if tags else None
    similarity = evaluate_contexts(loaded, contexts) if contexts else None
    click.echo(_as_json(tagging, similarity) if as_json else _as_table(tagging, similarity))


def _as_json(tagging: TaggingResult | None, similarity: ContextualResult | None) -> str:
    return json.dumps({"tags": tagging and vars(tagging), "contexts": similarity and vars(similarity)})


def _as_table(tagging: TaggingResult | None, similarity: ContextualResult | None) -> str:
    """Lay out a column for each measurement and a row for each layer, in points of 100."""
    columns: dict[str, dict[str, float | None]] = {}
    notes = []
    if tagging:
        columns[tagging.name] = {**tagging.layers, "(form alone)": tagging.by_form}
        notes.append(
            f"{tagging.name}: accuracy of parts of speech, trained on {tagging.train_tokens} tokens, "
            f"tested on {tagging.test_tokens}"
        )
    if similarity:
        columns[similarity.name] = similarity.layers
        columns["one word"], columns["two words"] = similarity.of_one_word, similarity.of_two_words
        notes.append(
            f"{similarity.name}: Spearman's rank correlation, {similarity.pairs} pairs, of which "
            f"{similarity.pairs_of_one_word} are of one word in two contexts"
        )
    rows = dict.fromkeys(name for column in columns.values() for name in column)
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"  {title:>8}" for title in columns)]
    for row in rows:
        cells = (column.get(row) for column in columns.values())
        padded = zip(columns, ("-" if cell is None else f"{100 * cell:.1f}" for cell in cells), strict=True)
        lines.append(f"{row:{width}}" + "".join(f"  {cell:>{max(8, len(title))}}" for title, cell in padded))
    return "\n".join([*lines, "", *notes])


@click.command()
@click.argument("word")
@click.argument("sentences", metavar="SENTENCE...", nargs=-1, required=True)
@click.option("--model", required=True, metavar="MODEL", help="An ELMo.")
@click.option("--among", required=True, metavar="FILE", help="Text to search, a document per line.")
@click.option("-k", "count", metavar="N", type=click.IntRange(1), default=5, help="Contexts per sentence; default 5.")
@click.option("--layer", metavar="N", type=int, default=-1, help="Layer; 0 is without context; default the last.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def contexts(
    *, word: str, sentences: Sequence[str], model: str, among: str, count: int, layer: int, as_json: bool
) -> None:
    """Find where else WORD is used as in each SENTENCE."""
    from embtrain.contextual_vectors import ContextualVectors
    from embtrain.errors import ConfigError
    from embtrain.loading import load
    from embtrain.probing.contexts import lines_of, nearest_contexts

    loaded = load(model)
    if not isinstance(loaded, ContextualVectors):
        raise ConfigError(f"expected an ELMo; {model} holds word vectors, which are the same in every sentence")
    _show(nearest_contexts(loaded, word, sentences, lines_of(among), topn=count, layer=layer), as_json=as_json)


def _show(answers: Sequence[NearestContexts], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "sentence": str(answer.asked),
                "contexts": [{"sentence": str(near), "similarity": round(score, 4)} for near, score in answer.found],
            }
            for answer in answers
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for answer in answers:
        click.secho(str(answer.asked), bold=True)
        for near, score in answer.found:
            click.echo(f"  {score:6.3f}  {near}")
