"""The command ``embtrain report``."""

from __future__ import annotations

from collections.abc import Sequence

import click


@click.command()
@click.argument("model")
@click.argument("path")
@click.option("--word", "words", multiple=True, metavar="WORD", help="Show its neighbours; repeatable.")
@click.option("--contexts", nargs=3, metavar="WORD A B", help="For an ELMo: a word, and two sentences that have it.")
@click.option("--among", metavar="FILE", help="Text to search for --contexts, a document per line.")
def report(
    *, model: str, path: str, words: Sequence[str], contexts: tuple[str, str, str] | None, among: str | None
) -> None:
    """Describe MODEL on an HTML page, PATH.

    The page shows the origin and scores of a registered model, the nearest words of some words,
    and for an ELMo where a word is used as in two sentences.
    """
    if (contexts is None) != (among is None):
        raise click.UsageError("--contexts and --among belong together: a word in two sentences, and text to search")
    from embtrain.contextual_vectors import ContextualVectors
    from embtrain.errors import ConfigError
    from embtrain.loading import load
    from embtrain.reporting.content import contexts_table, neighbours_table, origin_tables
    from embtrain.reporting.page import write_page

    loaded = load(model)
    tables = []
    if model.startswith("models:/"):
        from embtrain.versions import origin_of

        tables += origin_tables(origin_of(model))
    if not isinstance(loaded, ContextualVectors) or loaded.vocabulary:
        tables.append(neighbours_table(loaded.words if isinstance(loaded, ContextualVectors) else loaded, words))
    if contexts and among:
        if not isinstance(loaded, ContextualVectors):
            raise ConfigError(f"expected an ELMo; {model} holds word vectors, which are the same in every sentence")
        from embtrain.probing.contexts import lines_of, nearest_contexts

        word, *sentences = contexts
        tables.append(contexts_table(word, nearest_contexts(loaded, word, sentences, lines_of(among))))
    write_page(path, f"{model}: {loaded!r}", tables)
    click.echo(path)
