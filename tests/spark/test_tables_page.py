"""The page of tables says what the code makes."""

import re

import pytest

from docs.table_examples import PAGE, TABLES, make_tables, with_examples

pytestmark = pytest.mark.spark

TEXT = PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def snapshot(spark, tmp_path_factory):
    return make_tables(spark, TEXT, tmp_path_factory.mktemp("tables"))


def test_the_examples_are_what_prepare_makes(snapshot):
    assert with_examples(TEXT, snapshot) == TEXT, "run: python -m docs.table_examples"


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_is_described_with_its_columns_and_has_an_example(table):
    _, _, section = TEXT.partition(f"\n## `{table.name}`\n")
    section = section.partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \| `([\w<>]+)` \|", section, re.MULTILINE)) == table.columns
    assert f"<!-- example of {table.name} -->" in section


@pytest.mark.parametrize("query", re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL))
def test_every_query_yields_rows(spark, snapshot, query):
    def location(found):
        return str(snapshot.location / snapshot.tables[found[1]])

    assert spark.sql(re.sub(r"snapshots/mine/(\w+)-…", location, query)).count() > 0
