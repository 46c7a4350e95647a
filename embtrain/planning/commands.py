"""The command that tells what a run will need: ``embtrain plan``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from embtrain.config import Settings
    from embtrain.planning.plan import Plan


@click.command()
@click.option("--conf", required=True, metavar="FILE", help="Run file; see conf/README.md.")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--processes", metavar="N", type=click.IntRange(1), default=1, help="Processes here; default 1.")
@click.option("--vocabulary", metavar="N", type=click.IntRange(2), help="Vocabulary size, if there is no snapshot.")
@click.option("--words", metavar="N", type=click.IntRange(2), help="Words of the text, if there is no snapshot.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(
    *,
    conf: str,
    overrides: Sequence[str],
    processes: int,
    vocabulary: int | None,
    words: int | None,
    as_json: bool,
) -> None:
    """Estimate memory, disk, messages and time of training.

    The sizes are those of the snapshot, or those given by --words and --vocabulary.
    """
    from embtrain.planning.plan import plan as plan_run
    from embtrain.settings import load_settings

    settings = load_settings(conf, overrides)
    found = plan_run(settings, processes=processes, vocabulary=vocabulary, words=words)
    click.echo(json.dumps(as_object(found)) if as_json else "\n".join(as_lines(settings, found)))


def as_object(found: Plan) -> dict[str, Any]:
    """Return a plan as JSON has it, the totals with it; bytes and seconds."""
    totals = {"peak": found.memory.peak, "on_device": found.memory.on_device}
    return {**asdict(found), "totals": totals, "fits": not found.warnings}


def as_lines(settings: Settings, found: Plan) -> Iterator[str]:
    """Yield a plan as a reader is shown it."""
    from embtrain.planning.wording import in_bytes, in_count

    sizes = found.corpus.sizes
    of = f"snapshot {found.corpus.snapshot}" if found.corpus.snapshot else "no snapshot; sizes as given or assumed"
    threads = f"{found.threads} thread{'s' * (found.threads > 1)}"
    processes = f"{found.processes} processes of {threads}" if found.processes > 1 else f"one process of {threads}"
    where = "on the CPU" if found.device == "cpu" else "on the GPU"
    yield f"{settings.name}: {settings.model.type}, dim {_dim(settings)}, {processes} {where}"
    yield of
    yield ""
    yield from _rows(
        [
            ("vocabulary", in_count(sizes.vocabulary, "words")),
            ("text", f"{in_count(sizes.words, 'words')}, of which subsampling keeps {found.corpus.kept_share:.0%}"),
            ("row groups", f"{sizes.row_groups:,}"),
            *([("co-occurrences", in_count(sizes.cells, "cells"))] if sizes.cells else []),
            *(
                [("n-grams", f"{in_count(sizes.ngrams, '')} in {in_count(sizes.buckets, 'rows')}")]
                if sizes.buckets
                else []
            ),
        ]
    )
    yield from _memory(found)
    yield "disk"
    yield from _rows([(file.name, in_bytes(file.bytes)) for file in found.files])
    yield from _wire(found)
    yield from _time(found)
    for warning in found.warnings:
        yield f"WARNING: {warning}"
    if not found.warnings:
        yield "It fits."


def _memory(found: Plan) -> Iterator[str]:
    from embtrain.planning.wording import in_bytes

    memory = found.memory
    stages = {"reading": memory.reading, "training": memory.training, "registering": memory.registering}
    each = " of each process; only the first one registers" if found.processes > 1 else ""
    yield f"memory{each}"
    width = max(len(name) for items in stages.values() for name in items)
    yield f"  {'':{width}}" + "".join(f"{stage:>13}" for stage in stages)
    for name in dict.fromkeys(name for items in stages.values() for name in items):
        cells = (in_bytes(items[name]) if name in items else "" for items in stages.values())
        yield f"  {name:{width}}" + "".join(f"{cell:>13}" for cell in cells)
    sums = (in_bytes(sum(items.values())) for items in stages.values())
    yield f"  {'in all':{width}}" + "".join(f"{total:>13}" for total in sums)
    yield f"  there is {in_bytes(found.room.bytes)} {found.room.bound}"
    yield ""
    if memory.device:
        yield "memory of the GPU"
        yield from _rows([(name, in_bytes(number)) for name, number in memory.device.items()])


def _wire(found: Plan) -> Iterator[str]:
    from embtrain.planning.wording import in_bytes, in_count

    if not found.traffic:
        return
    yield "on the wire, from each process in an epoch"
    for sent in found.traffic:
        times = in_count(sent.per_epoch, "times")
        yield f"  {sent.name}: {times} {in_bytes(sent.message)}, {in_bytes(sent.bytes_per_epoch)} sent in all"
    yield ""


def _time(found: Plan) -> Iterator[str]:
    from embtrain.planning.wording import in_count, in_time

    yield "time of training"
    if found.least_on_gpu is not None:
        least = in_time(found.least_on_gpu)
        gpus = "an NVIDIA H200" if found.processes == 1 else f"{found.processes} NVIDIA H200s"
        yield from _rows([("", f"at least {least} on {gpus}, as computed; not measured")])
        return
    if found.duration is None:
        yield from _rows([("", "unknown: no similar training was measured")])
        return
    duration = found.duration
    speed = in_count(duration.rate.items_per_second, f"{duration.rate.unit}/s")
    yield from _rows(
        [("", f"{in_time(duration.least)} to {in_time(duration.most)}, from {speed} in {duration.source}")]
    )


def _rows(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield a table of two columns, and an empty line."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        yield f"  {name:{width}}  {value}" if width else f"  {value}"
    yield ""


def _dim(settings: Settings) -> int:
    from embtrain.config import ElmoSettings

    return 2 * settings.model.projection_dim if isinstance(settings.model, ElmoSettings) else settings.model.dim
