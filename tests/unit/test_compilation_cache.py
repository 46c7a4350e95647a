"""Where compiled kernels are kept: also those of a zip, and of a user who has no home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import zip_packages

PROGRAM = """
import numpy as np
from embtrain.kernels.sampling import fill_alias_table
fill_alias_table(np.array([0.25, 0.75]), np.empty(2, np.uint64))
print(sum(fill_alias_table.stats.cache_hits.values()))
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return zip_packages(tmp_path_factory.mktemp("dist") / "embtrain.zip")


def run(packages, temporary, **variables):
    """Use a kernel in a process that sees the zip alone and has no home; return how many it found compiled."""
    temporary.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_", "PYTHON"))}
    environment = kept | {"PYTHONPATH": str(packages), "HOME": os.devnull, "TMPDIR": str(temporary)} | variables
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, env=environment, cwd=temporary, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def test_a_kernel_of_a_zip_is_compiled_once_though_there_is_no_home(packages, tmp_path):
    assert [run(packages, tmp_path / "tmp") for _ in range(2)] == [0, 1]
    (folder,) = (tmp_path / "tmp").glob("embtrain-*/kernels-*")
    assert folder.stat().st_mode & 0o777 == 0o700, "what is in it is run"


@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_the_folder_that_a_variable_names_comes_first(packages, tmp_path, name):
    run(packages, tmp_path / "tmp", **{name: str(tmp_path / "named")})
    assert list((tmp_path / "named").rglob("*fill_alias_table*"))
    assert not list((tmp_path / "tmp").iterdir())


def test_where_nothing_can_be_kept_each_process_compiles_for_itself(packages, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    Path(temporary / f"embtrain-{os.getuid()}").write_text("in the way")
    assert [run(packages, temporary) for _ in range(2)] == [0, 0]
