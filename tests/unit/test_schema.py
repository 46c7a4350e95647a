"""The contract of tables: one spelling, understood alike by Spark and Arrow."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embtrain import schema
from embtrain.errors import SnapshotError
from embtrain.schema import SEQUENCES, VOCABULARY, Table

TABLES = [value for value in vars(schema).values() if isinstance(value, Table)]


def test_a_table_spells_its_columns_in_spark_s_words():
    assert VOCABULARY.spark_ddl == "id INT, token STRING, count BIGINT"


def test_a_table_spells_its_columns_in_arrow_s_words():
    assert VOCABULARY.arrow_schema == pa.schema([("id", pa.int32()), ("token", pa.string()), ("count", pa.int64())])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_accepts_its_own_arrow_schema(table):
    table.check(table.arrow_schema)


def test_table_names_are_unique():
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_further_columns_are_accepted():
    VOCABULARY.check(VOCABULARY.arrow_schema.append(pa.field("language", pa.string())))


def test_the_order_of_columns_does_not_matter():
    VOCABULARY.check(pa.schema(list(VOCABULARY.arrow_schema)[::-1]))


@pytest.mark.parametrize("item", ["element", "item", "array"])
def test_the_name_that_a_writer_gives_to_list_items_does_not_matter(item):
    SEQUENCES.check(pa.schema([("ids", pa.list_(pa.field(item, pa.int32(), nullable=False)))]))


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(SnapshotError) as caught:
        VOCABULARY.check(pa.schema([("id", pa.int32()), ("word", pa.string())]), where="words.parquet")
    assert str(caught.value) == (
        "words.parquet: column 'token' must be string, found no such column (columns: id, word)"
    )


def test_a_column_of_another_type_is_named_with_both_types():
    with pytest.raises(SnapshotError) as caught:
        SEQUENCES.check(pa.schema([("ids", pa.list_(pa.int64()))]))
    assert str(caught.value).startswith("table sequences: column 'ids' must be list<")
    assert "int64" in str(caught.value)


@pytest.mark.spark
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_spark_writes_from_the_ddl_what_the_arrow_schema_asks_for(spark, tmp_path, table):
    folder = str(tmp_path / table.name)
    spark.createDataFrame([], table.spark_ddl).write.parquet(folder)
    written = next((tmp_path / table.name).glob("*.parquet"))
    table.check(pq.read_schema(written))
