"""Tables as one HTML page, which needs no other file and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from embtrain.formats.files import writing

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } summary { cursor: pointer }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #ddd }
th { font-weight: 600; white-space: nowrap }
"""


@dataclass(frozen=True)
class Table:
    """A titled table, its first column in bold; a folded one is shown on a click."""

    title: str
    rows: Sequence[Sequence[str]]
    note: str = ""
    is_folded: bool = False


def write_page(path: str | Path, title: str, tables: Sequence[Table]) -> None:
    """Write a page, which appears once it is whole.

    Raises:
        FormatError: if the place cannot be written to.
    """
    body = "\n".join(_table(table) for table in tables if table.rows)
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n{body}\n</html>\n"
    )
    with writing(Path(path)) as file:
        file.write(page.encode("utf-8", errors="replace"))


def _table(table: Table) -> str:
    rows = "\n".join(_row(row) for row in table.rows)
    note = f"<p>{escape(table.note)}</p>\n" if table.note else ""
    content = f"{note}<table>\n{rows}\n</table>"
    if table.is_folded:
        content = f"<details>\n<summary>show</summary>\n{content}\n</details>"
    return f"<h2>{escape(table.title)}</h2>\n{content}"


def _row(row: Sequence[str]) -> str:
    first, *others = (escape(cell) for cell in row)
    return f"<tr><th>{first}</th>" + "".join(f"<td>{cell}</td>" for cell in others) + "</tr>"
