"""Compile kernels for GPUs of compute capability 9.0, which takes none; print what they are made of.

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
from embtrain.kernels.gpu.glove import train_glove_tiles
from embtrain.kernels.gpu.sampling import mark_kept
from embtrain.kernels.gpu.skipgram import train_skipgram_tiles
from embtrain.kernels.padding import padded
from embtrain.models.gpu import glove, tiled
from embtrain.models.gpu.flight import CENTERS, NEGATIVES, WARPS
from embtrain.models.gpu.windows import MARKED_AT_A_TIME

TILES = {
    "skipgram": (train_skipgram_tiles, {}),
    "cbow": (train_cbow_tiles, {"DIVIDES": True}),
    "fasttext": (train_fasttext_tiles, {"CBOW": False}),
    "fasttext_cbow": (train_fasttext_tiles, {"CBOW": True}),
}
OF_FLOATS = (
    "input_rows", "output_rows", "input_load", "output_load", "sums", "word_rows", "context_rows", "log_counts",
)  # fmt: skip
OF_INTS = ("ids", "sequences", "part_rows", "places", "kept")
OF_LONGS = ("kept_before", "alias", "pairs", "part_offsets", "tiles", "bad_cell", "keep_threshold")
POINTERS = {
    **dict.fromkeys(OF_FLOATS, "*fp32"), **dict.fromkeys(OF_INTS, "*i32"), **dict.fromkeys(OF_LONGS, "*i64"),
    "losses": "*fp64", "costs": "*fp64",
}  # fmt: skip


def kernel_of(name, dim=0, window=0, warps=WARPS):
    """Return a kernel, and the constants and options that it is started with."""
    if name == "mark_kept":
        return mark_kept, {"BLOCK": MARKED_AT_A_TIME}, {}
    if name == "glove":
        return train_glove_tiles, {**glove.constants_of(dim), "TRAINS": True}, glove.compiled_for(dim)
    kernel, constants = TILES[name]
    stride, contexts = padded(dim), tiled.power_of_two_from(CENTERS + 2 * window)
    sizes = {"STRIDE": stride, "CENTERS": CENTERS, "CONTEXTS": contexts, "NEGATIVES": NEGATIVES}
    chunk = tiled.numbers_at_a_time(stride, contexts)
    of_all = {"WINDOW": window, "DYNAMIC": True, **sizes, "CHUNK": chunk, "TRAINS": True}
    return kernel, {**of_all, **constants}, {"num_warps": warps, **tiled.COMPILED_FOR}


def compiled(kernel, constants, options):
    """Return a kernel compiled for arrays that begin at multiples of 16 bytes, as torch's do."""
    types = {p.name: "constexpr" if p.is_constexpr else p.annotation_type or POINTERS[p.name] for p in kernel.params}
    places = {name: (place,) for place, name in enumerate(types)}
    source = ASTSource(
        kernel,
        types,
        constexprs={places[name]: value for name, value in constants.items()},
        attrs={places[name]: [["tt.divisibility", 16]] for name in POINTERS if name in places},
    )
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)


def report(made):
    """Return what a kernel takes, which of the instructions that matter it has, and what stands around its first rows.

    That is: warps of a program, registers of a thread, bytes of its stack and of shared memory; whether, between the
    label before the first load of rows and that load, all warps meet; and how many such loads there are to the next.
    """
    ptx = made.asm["ptx"]
    before, _, after = ptx.partition("ld.global.cg")
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        usage = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    return {
        "warps": made.metadata.num_warps,
        "registers": int(re.search(r"REG:(\d+)", usage)[1]),
        "stack": int(re.search(r"STACK:(\d+)", usage)[1]),
        "shared": made.metadata.shared,
        "instructions": sorted(set(re.findall(r"(?:mma|atom|ld\.global|cp\.async)\.\S+", ptx))),
        "meets_before_rows": "bar.sync" in before.rpartition("$L__BB")[2],
        "first_row_loads": 1 + after.partition("$L__BB")[0].count("ld.global.cg"),
    }


if __name__ == "__main__":
    wanted = {name: name.split() for name in sys.argv[1:]}
    made = {name: compiled(*kernel_of(kernel, *map(int, sizes))) for name, (kernel, *sizes) in wanted.items()}
    sys.stdout.write(json.dumps({name: report(kernel) for name, kernel in made.items()}))
