"""What the log says of a stage that takes long."""

import logging
import re
import time

import pytest
from pyspark import SparkConf, SparkContext

from embtrain.schema import VOCABULARY
from embtrain.storage import Location
from pipelines import progress
from pipelines.progress import reported
from pipelines.store import Stage, provide

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def log_of_pipelines(caplog):
    caplog.set_level(logging.INFO, logger="pipelines")


@pytest.fixture
def soon(monkeypatch):
    """Report after a moment, and often."""
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.05)


@pytest.fixture
def bar(monkeypatch):
    """Give a function that says whether Spark draws its bar, which depends on where the tests are run."""

    def say(shown):
        conf = SparkConf(loadDefaults=False).set("spark.ui.showConsoleProgress", shown)
        monkeypatch.setattr(SparkContext, "getConf", lambda _: conf)

    return say


def slow_table(spark, folder):
    """Build a vocabulary in four tasks, of which the last one takes long once the others are through."""
    last = 3

    def slowly(batches):
        for batch in batches:
            task = batch.column("id")[0].as_py()
            (folder / f"{task}.through").touch()
            while task == last and len(list(folder.glob("*.through"))) <= last:
                time.sleep(0.05)
            time.sleep(3.0 if task == last else 0.0)
            yield batch

    rows = spark.range(0, 4, 1, 4).selectExpr("cast(id AS int) id", "'a' token", "1L count")
    return rows.mapInArrow(slowly, VOCABULARY.spark_ddl)


@pytest.mark.usefixtures("soon")
def test_a_slow_stage_says_how_many_of_its_tasks_are_done(spark, bar, tmp_path, caplog):
    bar("false")
    stage = Stage(table=VOCABULARY, build=lambda: slow_table(spark, tmp_path), settings={}, code=(), inputs={})
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    provide(Location.of(snapshot), stage)
    lines = [record.getMessage() for record in caplog.records if "…" in record.getMessage()]
    assert any(re.match(r"vocabulary … 3 of 4 tasks done, 1 running, \d", line) for line in lines), lines


@pytest.mark.usefixtures("soon")
def test_where_spark_draws_its_bar_the_log_says_nothing(spark, bar, tmp_path, caplog):
    bar("true")
    with reported(spark.sparkContext, "vocabulary"):
        slow_table(spark, tmp_path).count()
    assert caplog.records == []


def test_a_stage_that_is_soon_done_says_nothing_on_the_way(spark, bar, caplog):
    bar("false")
    with reported(spark.sparkContext, "vocabulary"):
        spark.range(1).count()
    assert caplog.records == []


@pytest.mark.usefixtures("soon")
def test_a_stage_that_fails_ends_its_reports(spark, bar, caplog):
    bar("false")
    with pytest.raises(ZeroDivisionError), reported(spark.sparkContext, "vocabulary"):
        raise ZeroDivisionError
    reports = len(caplog.records)
    time.sleep(0.2)
    assert len(caplog.records) == reports


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10 s"), (59.7, "1 min 0 s"), (3725, "62 min 5 s")])
def test_time_is_told_in_minutes(seconds, text):
    assert progress._minutes(seconds) == text
