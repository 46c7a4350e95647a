"""Compile the tile kernels for GPUs of compute capability 9.0, which takes none; print what they are made of.

A program of its own, since where kernels are interpreted they cannot be compiled.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from embtrain.kernels.gpu.cbow import train_cbow_tiles
from embtrain.kernels.gpu.fasttext import train_fasttext_tiles
from embtrain.kernels.gpu.skipgram import train_skipgram_tiles
from embtrain.models.gpu.flight import CENTERS, NEGATIVES
from embtrain.models.gpu.tiled import COMPILED_FOR, numbers_at_a_time, power_of_two_from

KERNELS = {
    "skipgram": (train_skipgram_tiles, {}),
    "cbow": (train_cbow_tiles, {"DIVIDES": True}),
    "fasttext": (train_fasttext_tiles, {"CBOW": False}),
    "fasttext_cbow": (train_fasttext_tiles, {"CBOW": True}),
}
OF_FLOATS = ("input_rows", "output_rows", "input_load", "output_load", "sums")
OF_LONGS = ("kept_before", "alias", "pairs", "part_offsets")
POINTERS = {
    **dict.fromkeys(OF_FLOATS, "*fp32"), **dict.fromkeys(OF_LONGS, "*i64"),
    "ids": "*i32", "sequences": "*i32", "part_rows": "*i32", "losses": "*fp64",
}  # fmt: skip


def compiled(name, stride, window):
    """Return a kernel for rows of ``stride`` numbers, as training starts it."""
    kernel, constants = KERNELS[name]
    contexts = power_of_two_from(CENTERS + 2 * window)
    chunk = numbers_at_a_time(stride, contexts)
    constants = {
        "WINDOW": window, "DYNAMIC": True, "STRIDE": stride, "CENTERS": CENTERS, "CONTEXTS": contexts,
        "NEGATIVES": NEGATIVES, "CHUNK": chunk, "TRAINS": True, **constants,
    }  # fmt: skip
    types = {p.name: "constexpr" if p.is_constexpr else p.annotation_type or POINTERS[p.name] for p in kernel.params}
    places = {name: (place,) for place, name in enumerate(types)}
    source = ASTSource(
        kernel,
        types,
        constexprs={places[name]: value for name, value in constants.items()},
        attrs={places[name]: [["tt.divisibility", 16]] for name in POINTERS if name in places},
    )
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=COMPILED_FOR)


def report(made):
    """Return registers of a thread, bytes of its stack, and the instructions that matter."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        usage = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {
        "registers": int(re.search(r"REG:(\d+)", usage)[1]),
        "stack": int(re.search(r"STACK:(\d+)", usage)[1]),
        "shared": made.metadata.shared,
        "instructions": sorted(set(re.findall(r"(?:mma|atom|red|ld\.global)\.\S+", made.asm["ptx"]))),
    }


if __name__ == "__main__":
    name, stride, window = sys.argv[1], *map(int, sys.argv[2:])
    sys.stdout.write(json.dumps(report(compiled(name, stride, window))))
