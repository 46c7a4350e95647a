"""Every table of a snapshot and its columns: the one contract between Spark and torch.

Each table is spelled once, here, and gives both the Spark DDL and the Arrow schema. Depends on
pyarrow alone, so that both sides may import it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from embtrain.errors import SnapshotError

_ARROW_TYPES: dict[str, pa.DataType] = {
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "STRING": pa.string(),
    "BOOLEAN": pa.bool_(),
    "ARRAY<INT>": pa.list_(pa.int32()),
    "ARRAY<FLOAT>": pa.list_(pa.float32()),
    "ARRAY<STRING>": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class Table:
    """A named Parquet table: ordered columns, each ``(name, Spark type)``."""

    name: str
    columns: tuple[tuple[str, str], ...]

    @property
    def spark_ddl(self) -> str:
        """Return the schema as Spark spells it, e.g. ``id INT, token STRING``."""
        return ", ".join(f"{name} {kind}" for name, kind in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """Return the schema as Arrow spells it."""
        return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in self.columns])

    def check(self, found: pa.Schema, where: str = "") -> None:
        """Refuse a schema that lacks a column, or has it with another type.

        Further columns, and the names that writers give to list items, do not matter.

        Raises:
            SnapshotError: naming the table, the column, the type wanted and the type found.
        """
        for name, kind in self.columns:
            index = found.get_field_index(name)
            actual = found.field(index).type if index >= 0 else None
            if actual is None or not _same_type(_ARROW_TYPES[kind], actual):
                raise SnapshotError(
                    f"{where or 'table ' + self.name}: column {name!r} must be {_ARROW_TYPES[kind]}, "
                    f"found {actual or 'no such column (columns: ' + ', '.join(found.names) + ')'}"
                )


def _same_type(wanted: pa.DataType, actual: pa.DataType) -> bool:
    if pa.types.is_list(wanted) and pa.types.is_list(actual):
        return bool(wanted.value_type == actual.value_type)
    return bool(wanted == actual)


# One sentence a row: its tokens, in order; whether it is kept out of training, for the held-out loss.
SENTENCES = Table("sentences", (("tokens", "ARRAY<STRING>"), ("held_out", "BOOLEAN")))

# One document that was left out a row: why; the URI of its file, or its table; the first 200 characters of its text.
DROPPED = Table("dropped", (("reason", "STRING"), ("source", "STRING"), ("excerpt", "STRING")))

# A document, by the 64-bit hash of its text, that another one is so similar to that it is left out; a later hash than
# that one's, and the Jaccard similarity of their runs of five words, as MinHash estimates it.
NEAR_DUPLICATES = Table("near_duplicates", (("document", "BIGINT"), ("similar_to", "BIGINT"), ("similarity", "DOUBLE")))

# Two tokens that are joined to one, how often they stood side by side, how much more often than chance has it, and in
# which pass they were joined, from 1; by pass, then descending score. Later passes join what earlier ones have made.
PHRASES = Table(
    "phrases", (("first", "STRING"), ("second", "STRING"), ("count", "BIGINT"), ("score", "DOUBLE"), ("pass", "INT"))
)

# Ids are dense, from 0, by descending count, ties by the token's UTF-8 bytes. Counts are of training sentences.
VOCABULARY = Table("vocabulary", (("id", "INT"), ("token", "STRING"), ("count", "BIGINT")))

# Per id: the chance that subsampling keeps one occurrence, and that one draw of a negative gives it (sums to 1).
UNIGRAM = Table("unigram", (("id", "INT"), ("keep_probability", "DOUBLE"), ("negative_probability", "DOUBLE")))

# One sentence a row, as ids; tokens out of the vocabulary are left out, as word2vec does, before windows are laid.
SEQUENCES = Table("sequences", (("ids", "ARRAY<INT>"),))
HELD_OUT = Table("held_out", (("ids", "ARRAY<INT>"),))

# Per id: the buckets of the token's character n-grams, as fastText hashes them; none of a token too short to have any.
SUBWORDS = Table("subwords", (("id", "INT"), ("buckets", "ARRAY<INT>")))

# Per id: the token's bytes between marks, 50 numbers, as ELMo reads them.
CHARACTERS = Table("characters", (("id", "INT"), ("characters", "ARRAY<INT>")))

# One document a row: the hash of its text, its file or table, how it begins; the ids of its tokens, ascending, and how
# often it has each.
DOCUMENT_TERMS = Table(
    "document_terms",
    (
        ("document", "BIGINT"),
        ("source", "STRING"),
        ("beginning", "STRING"),
        ("terms", "ARRAY<INT>"),
        ("counts", "ARRAY<INT>"),
    ),
)

# Which tokens stand near which, in stripes: a row of the matrix, its columns ascending, and what each weighs. Every row
# that has a cell is there once. Rows lie in no order, so that each row group is a random sample of them.
COOCCURRENCE = Table("cooccurrence", (("row", "INT"), ("columns", "ARRAY<INT>"), ("weights", "ARRAY<FLOAT>")))
