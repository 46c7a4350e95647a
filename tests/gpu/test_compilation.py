"""What the kernels become when they are compiled for a Hopper GPU, which needs none: they have not run on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import triton
from packaging.version import Version

from embtrain.models.build import GPU_MAX_WINDOW
from embtrain.models.gpu import flight, glove

PROGRAM = Path(__file__).parent / "compile_for_hopper.py"
REGISTERS, SHARED_BYTES, THREADS_OF_WARP = 65_536, 227 * 1024, 32
"""Of a multiprocessor, and of a warp."""

WIDEST = f"skipgram 100 {GPU_MAX_WINDOW}"
STACK = {
    "skipgram 100 5": 0, "cbow 100 5": 0, "fasttext 100 5": 8, "fasttext_cbow 100 5": 0,
    "skipgram 100 5 8": 0, "cbow 100 5 8": 0, "fasttext 100 5 8": 0, "fasttext_cbow 100 5 8": 0,
    "skipgram 300 5": 16, "cbow 300 5": 0, "fasttext 300 5": 0, WIDEST: 48,
    "glove 17": 8, "glove 100": 48, "glove 300": 48,
    "mark_kept": 0,
}  # fmt: skip
"""Bytes of a thread's stack at most, by kernel, dimension, window, and warps if they are not four: what of its
registers is spilled there."""


@pytest.fixture(scope="module")
def compiled():
    """Compile all of them at once: what the compiler is loaded for is most of the time."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(PROGRAM.parents[2])
    command = [sys.executable, str(PROGRAM), *STACK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def programs_of(name, warps):
    """Return how many programs are to fit on a multiprocessor."""
    if name.startswith("glove"):
        return glove.PROGRAMS_PER_MULTIPROCESSOR
    return 1 if warps == flight.WARPS_OF_ONE_ALONE else flight.PROGRAMS_PER_MULTIPROCESSOR


@pytest.mark.parametrize("name", STACK)
def test_so_many_programs_fit_as_are_started(compiled, name):
    warps = compiled[name]["warps"]
    programs = programs_of(name, warps)
    assert programs * warps * THREADS_OF_WARP * compiled[name]["registers"] <= REGISTERS
    assert programs * compiled[name]["shared"] <= SHARED_BYTES


@pytest.mark.skipif(Version(triton.__version__) < Version("3.7"), reason="earlier versions of Triton spill more")
@pytest.mark.parametrize("name", STACK)
def test_no_more_is_spilled_than_is_known(compiled, name):
    assert compiled[name]["stack"] <= STACK[name]


@pytest.mark.parametrize("name", [name for name in STACK if name != "mark_kept"])
def test_products_run_on_tensor_cores_and_rows_move_in_sixteen_bytes(compiled, name):
    instructions = " ".join(compiled[name]["instructions"])
    assert "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32" in instructions
    assert "ld.global.cg.v4.b32" in instructions
    assert "atom.global.gpu.relaxed.add.v4.f32" in instructions


@pytest.mark.parametrize("name", ["skipgram 100 5", "cbow 100 5"])
def test_no_warp_reads_rows_of_a_tile_before_all_have_changed_those_of_the_last_one(compiled, name):
    assert compiled[name]["meets_before_rows"]


def test_no_load_of_glove_runs_ahead_of_its_tile(compiled):
    assert "cp.async" not in " ".join(compiled["glove 17"]["instructions"])  # which Triton makes of such loads


@pytest.mark.parametrize(("name", "loads"), [("glove 100", 16), ("glove 300", 40), ("fasttext 100 5", 32)])
def test_rows_are_under_way_together(compiled, name, loads):
    # Of a thread, sixteen bytes each: both rows of 32 cells; and of 32 words four rows.
    assert compiled[name]["first_row_loads"] == loads


def test_row_ids_of_ngrams_are_loaded_before_their_turn_comes(compiled):
    assert "cp.async" in " ".join(compiled["fasttext 100 5"]["instructions"])
