"""What is said when Spark's Python processes fail."""

import os
import signal

import pytest
from pyspark.errors import PySparkImportError, PythonException

from embtrain.errors import SetupError
from pipelines.workers import explained_worker_errors

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    ("module", "advice"), [("absent_package.part", "install it on every machine"), ("pipelines.absent", "--py-files")]
)
def test_a_module_that_executors_lack_is_said_in_one_sentence(spark, module, advice):
    def import_it(batches):
        error = f"No module named '{module}'"
        raise ModuleNotFoundError(error)

    frame = spark.range(1).mapInArrow(import_it, "id BIGINT")
    name = module.partition(".")[0]
    expected = rf"executors has no module {name}; .*{advice}"
    with pytest.raises(SetupError, match=expected), explained_worker_errors():
        frame.collect()


def test_a_package_that_the_driver_lacks_is_said_in_one_sentence():
    error = PySparkImportError(
        errorClass="PACKAGE_NOT_INSTALLED",
        messageParameters={"package_name": "Pandas", "minimum_version": "2.2.0"},
    )
    expected = r"driver lacks a package: .*Pandas >= 2\.2\.0"
    with pytest.raises(SetupError, match=expected), explained_worker_errors():
        raise error


def test_another_error_in_a_task_stays_what_it_is(spark):
    def fail(batches):
        raise ZeroDivisionError

    with pytest.raises(PythonException, match="ZeroDivisionError"), explained_worker_errors():
        spark.range(1).mapInArrow(fail, "id BIGINT").collect()


def test_a_process_that_is_killed_is_said_in_one_sentence(spark):
    def end(batches):
        os.kill(os.getpid(), signal.SIGKILL)
        yield from batches

    with pytest.raises(SetupError, match=r"ended unexpectedly.*memory"), explained_worker_errors():
        spark.range(1).mapInArrow(end, "id BIGINT").collect()
