"""Writes the example rows in docs/tables.md: the tables that prepare makes of the text shown there.

Run ``python -m docs.table_examples`` after a change of the tables; a test compares the two.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pyspark.sql import SparkSession

from embtrain import schema
from embtrain.config import Settings, SparkSettings
from embtrain.manifest import Snapshot
from embtrain.schema import Table
from pipelines.prepare import prepare
from pipelines.session import spark_session

PAGE = Path(__file__).resolve().parent / "tables.md"
TABLES = {table.name: table for table in vars(schema).values() if isinstance(table, Table)}

_CORPUS = re.compile(r"```text\n(.*?)```", re.DOTALL)
_EXAMPLE = re.compile(r"(<!-- example of (\w+) -->\n).*?(<!-- end of example -->\n)", re.DOTALL)
_SETTINGS = re.compile(r"```yaml\n(.*?)```", re.DOTALL)

_ROWS, _ITEMS = 3, 8


def main() -> None:
    """Replace the examples in docs/tables.md."""
    with (
        tempfile.TemporaryDirectory() as folder,
        spark_session(SparkSettings(master="local[2]"), app="table_examples") as spark,
    ):
        page = PAGE.read_text("utf-8")
        PAGE.write_text(with_examples(page, make_tables(spark, page, Path(folder))), "utf-8")


def make_tables(spark: SparkSession, page: str, folder: Path) -> Snapshot:
    """Prepare the text that the page shows, with the run file that it shows."""
    return prepare(spark, _settings(page, folder))


def with_examples(page: str, snapshot: Snapshot) -> str:
    """Return the page with the rows between ``<!-- example of TABLE -->`` and ``<!-- end of example -->`` made anew."""
    return _EXAMPLE.sub(lambda found: f"{found[1]}{_example(snapshot, TABLES[found[2]])}{found[3]}", page)


def _settings(page: str, folder: Path) -> Settings:
    """Write the page's text to a file, and return the page's run file."""
    corpus, run = _CORPUS.search(page), _SETTINGS.search(page)
    if not corpus or not run:
        raise ValueError(f"{PAGE} must show a ```text and a ```yaml block")
    values = yaml.safe_load(run[1])
    path = folder / values["corpus"]["paths"][0]
    path.write_text(corpus[1], "utf-8")
    values["corpus"]["paths"] = [str(path)]
    return Settings.model_validate({**values, "snapshot": str(folder / "snapshot")})


def _example(snapshot: Snapshot, table: Table) -> str:
    location, manifest = snapshot.table(table)
    parts = [
        pq.read_table(f"{location.path}/{part.name}") for part in sorted(manifest.parts, key=lambda part: part.name)
    ]
    rows = pa.concat_tables(parts)
    columns = [name for name, _ in table.columns]
    lines = [_line(columns), _line(["---"] * len(columns))]
    lines += [_line([_cell(row[name]) for name in columns]) for row in rows.slice(0, _ROWS).to_pylist()]
    rest = rows.num_rows - _ROWS
    return "\n".join(lines) + "\n" + (f"\nand {rest} more.\n" if rest > 0 else "")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    match value:
        case list():
            shown = [_cell(item) for item in value[:_ITEMS]]
            return f"[{', '.join(shown)}{', …' if len(value) > _ITEMS else ''}]"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.4g}"
        case str():
            # The folder of a source differs from machine to machine.
            return re.sub(r"^file:/.*/", "file:///…/", value)
        case _:
            return str(value)


if __name__ == "__main__":
    main()
