"""What the kernels become when they are compiled for a Hopper GPU, which needs none: they have not run on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embtrain.models.gpu.flight import PROGRAMS_PER_MULTIPROCESSOR

PROGRAM = Path(__file__).parent / "compile_for_hopper.py"
REGISTERS, SHARED_BYTES, THREADS = 65_536, 227 * 1024, 128
"""Of a multiprocessor, and of a program."""


@pytest.fixture(scope="module", params=["skipgram", "cbow", "fasttext", "fasttext_cbow"])
def compiled(request):
    """Compile a kernel at dimension 100 and window 5."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = str(PROGRAM.parents[2])
    command = [sys.executable, str(PROGRAM), request.param, "112", "5"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_so_many_programs_fit_as_are_started(compiled):
    assert compiled["stack"] == 0
    assert PROGRAMS_PER_MULTIPROCESSOR * THREADS * compiled["registers"] <= REGISTERS
    assert PROGRAMS_PER_MULTIPROCESSOR * compiled["shared"] <= SHARED_BYTES


def test_products_run_on_tensor_cores_and_rows_move_in_sixteen_bytes(compiled):
    instructions = " ".join(compiled["instructions"])
    assert "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32" in instructions
    assert "ld.global.cg.v4.b32" in instructions
    assert "atom.global.gpu.relaxed.add.v4.f32" in instructions
