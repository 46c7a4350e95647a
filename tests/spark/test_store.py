"""Tables written once and as a whole, also when several runs are at it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from embtrain.config import Settings
from embtrain.errors import CorpusError
from embtrain.manifest import MANIFEST, Snapshot
from embtrain.schema import SEQUENCES, VOCABULARY
from embtrain.storage import Location
from pipelines.prepare import prepare
from pipelines.store import Stage, provide

pytestmark = pytest.mark.spark


def stage(build, **options):
    return Stage(table=VOCABULARY, build=build, settings={}, code=(), inputs={}, **options)


@pytest.fixture
def frame(spark):
    return spark.createDataFrame([(0, "a", 1)], VOCABULARY.spark_ddl)


def refuse(manifest):
    raise CorpusError("not worth committing")


def test_a_table_that_is_made_twice_at_once_is_there_twice_and_either_will_do(spark, frame, tmp_path):
    location = Location.of(tmp_path)
    made = []

    def build_while_another_does():
        made.append(provide(location, stage(lambda: frame)))
        return frame

    made.append(provide(location, stage(build_while_another_does)))
    assert len({table.folder_name for table in made}) == 2
    assert [table.frame(spark).collect() for table in made] == [frame.collect()] * 2
    assert provide(location, stage(lambda: pytest.fail("made again"))).folder_name in {t.folder_name for t in made}


def test_files_are_read_in_the_order_of_their_names_whatever_their_size(spark, tmp_path):
    sizes = spark.range(4, numPartitions=4).selectExpr("element_at(array(1, 150, 2, 50), int(id) + 1) AS size")
    ids = sizes.selectExpr("explode(sequence(1, size)) AS id")
    stored = provide(Location.of(tmp_path), stage(lambda: ids.selectExpr("id", "string(id) AS token", "1L AS count")))
    assert [len(part) for part in stored.frame_in_order(spark).rdd.glom().collect()] == [1, 150, 2, 50]


def test_two_runs_that_prepare_a_snapshot_at_once_do_not_disturb_each_other(spark, tmp_path):
    (tmp_path / "corpus.txt").write_text("one two three\none two\nthree one\n")
    settings = Settings(
        name="twice",
        snapshot=str(tmp_path / "snapshot"),
        corpus={"paths": [str(tmp_path / "corpus.txt")], "held_out": 0},
        vocabulary={"min_count": 1},
        spark={"partitions": 1},
    )
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(prepare, spark, settings) for _ in range(2)]
        snapshots = [run.result() for run in runs]
    assert Snapshot.open(settings.snapshot_location) in snapshots
    assert [snapshot.table(SEQUENCES)[1].rows for snapshot in snapshots] == [3, 3]


def test_a_run_that_fails_leaves_the_table_of_another_alone(spark, frame, tmp_path):
    location = Location.of(tmp_path)
    made = []

    def build_while_another_does():
        made.append(provide(location, stage(lambda: frame)))
        return frame

    with pytest.raises(CorpusError):
        provide(location, stage(build_while_another_does, check=refuse))
    assert [path.name for path in tmp_path.iterdir()] == [made[0].folder_name]
    assert made[0].frame(spark).count() == 1


@pytest.mark.parametrize("error", [CorpusError, KeyboardInterrupt])
def test_an_attempt_that_ends_early_leaves_nothing(frame, tmp_path, error):
    def end(manifest):
        raise error

    with pytest.raises(error):
        provide(Location.of(tmp_path), stage(lambda: frame, check=end))
    assert list(tmp_path.iterdir()) == []


def test_what_another_run_has_not_finished_is_named_and_left(frame, tmp_path, caplog):
    table = provide(Location.of(tmp_path), stage(lambda: frame))
    (tmp_path / table.folder_name / MANIFEST).unlink()
    again = provide(Location.of(tmp_path), stage(lambda: frame))
    assert f"{table.folder_name} is unfinished" in caplog.text
    assert {path.name for path in tmp_path.iterdir()} == {table.folder_name, again.folder_name}
