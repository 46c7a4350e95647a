"""Wikipedia's markup to plain text, by mwparserfromhell (an extra: ``pip install 'embtrain[wikipedia]'``)."""

from __future__ import annotations

from collections.abc import Iterable

import mwparserfromhell
from mwparserfromhell import nodes
from mwparserfromhell.wikicode import Wikicode

# Contents that are no running text.
_UNREAD_TAGS = {
    *("ref", "references", "table", "gallery", "imagemap", "timeline", "graph", "score", "hiero"),
    *("math", "chem", "ce", "code", "pre", "source", "syntaxhighlight", "templatedata", "style"),
}


def plain_text(markup: str, unread_namespaces: Iterable[str]) -> str:
    """Return the text that a reader of the page reads in its paragraphs, lists and headings.

    Left out are templates, tables, references, formulas, code and comments.

    Args:
        markup: the page's source.
        unread_namespaces: names, in lower case, of the namespaces whose links show no text of the page: files, which
            show a picture, and categories. ``[[file:Cat.jpg|thumb|A cat]]`` is such a link.

    Raises:
        mwparserfromhell.parser.ParserError: if the parser cannot make sense of it.
        RecursionError: if it is nested too deeply.
    """
    return _text(mwparserfromhell.parse(markup), frozenset(unread_namespaces))


def _text(code: Wikicode | None, unread: frozenset[str]) -> str:
    return "".join(_node_text(node, unread) for node in code.nodes) if code else ""


def _node_text(node: nodes.Node, unread: frozenset[str]) -> str:
    match node:
        case nodes.Text():
            return str(node.value)
        case nodes.HTMLEntity():
            return node.normalize() or ""
        case nodes.Tag(wiki_markup="----") | nodes.Tag(tag="br"):
            return "\n"
        case _:
            return _text(_read_part(node, unread), unread)


def _read_part(node: nodes.Node, unread: frozenset[str]) -> Wikicode | None:
    """Return the part of a node that a reader of the page reads."""
    match node:
        case nodes.Heading() | nodes.ExternalLink():
            return node.title
        case nodes.Wikilink() if _namespace(node) not in unread:
            return node.text or node.title
        case nodes.Tag() if str(node.tag).strip().lower() not in _UNREAD_TAGS:
            return node.contents
        case _:
            return None


def _namespace(link: nodes.Wikilink) -> str:
    """Return what stands before a link's first colon, "" where there is none: ``[[file]]`` leads to an article."""
    return str(link.title).rpartition(":")[0].partition(":")[0].strip().lower().replace("_", " ")
