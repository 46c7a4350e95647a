"""A plan: what a run will need, beside what there is."""

from __future__ import annotations

from dataclasses import dataclass

from embtrain.config import ElmoSettings, FactorisedModel, GloveSettings, Settings
from embtrain.distributed import Group
from embtrain.errors import ConfigError, SetupError, SnapshotError
from embtrain.manifest import Snapshot
from embtrain.models.build import columns_for
from embtrain.planning.disk import File, estimate_disk
from embtrain.planning.duration import Duration, estimate_duration, least_on_gpu
from embtrain.planning.machine import Room, disk_room, existing, gpu_room, memory_room, num_cores
from embtrain.planning.memory import Memory, estimate_memory
from embtrain.planning.refusal import advice, lacking, may_use_gpu
from embtrain.planning.sizes import Occurrence, Sizes, assumed_occurrence, assumed_sizes, occurrence_of, sizes_of
from embtrain.planning.wire import Traffic, estimate_traffic
from embtrain.planning.wording import in_bytes


@dataclass(frozen=True)
class Corpus:
    """What will be trained on."""

    sizes: Sizes
    kept_share: float
    """Of the words, that subsampling keeps."""
    snapshot: str | None
    """Where it was counted; None where it is assumed."""


@dataclass(frozen=True)
class Plan:
    """What a run will need."""

    corpus: Corpus
    device: str
    processes: int
    threads: int
    """Of each process."""
    memory: Memory
    room: Room
    """Of this machine's memory."""
    device_room: Room | None
    """Of the GPU's, where there is one."""
    files: list[File]
    traffic: list[Traffic]
    """What each process sends the others."""
    duration: Duration | None
    """On CPUs; None where nothing like it was measured, and on a GPU, where none was."""
    least_on_gpu: float | None
    """Seconds that NVIDIA H200s, one a process, would need on paper, where kernels of tiles train on a GPU."""
    warnings: list[str]
    """What will not fit, or cannot be; none if the run can be started."""


def plan(settings: Settings, *, processes: int = 1, vocabulary: int | None = None, words: int | None = None) -> Plan:
    """Estimate what a run needs on this machine.

    Args:
        settings: of the run.
        processes: that train together, all on this machine.
        vocabulary: words that will have an id, where there is no snapshot yet; with ``words``.
        words: of the text, likewise.

    Raises:
        SnapshotError: if the snapshot is not there, and the sizes were not given.
        ConfigError: if only one of the sizes was given.
        SetupError: if the model cannot be trained by so many processes.
    """
    if isinstance(settings.model, FactorisedModel) and processes > 1:
        raise SetupError(f"model.type {settings.model.type} is computed by one process, found {processes}")
    if settings.train.parallel == "columns" and not isinstance(settings.model, FactorisedModel):
        columns_for(settings.model, Group(0, processes))
    corpus, occurrence = _corpus(settings, vocabulary, words)
    threads = settings.train.threads or max(1, num_cores() // processes)
    on_gpu = gpu_room() if may_use_gpu(settings) else None
    device = "cuda" if on_gpu or settings.train.device == "cuda" else "cpu"
    memory = estimate_memory(settings, corpus.sizes, processes=processes, device=device)
    files = estimate_disk(settings, corpus.sizes, processes=processes)
    room = memory_room()
    return Plan(
        corpus=corpus,
        device=device,
        processes=processes,
        threads=threads,
        memory=memory,
        room=room,
        device_room=on_gpu,
        files=files,
        traffic=estimate_traffic(
            settings, corpus.sizes, occurrence, processes=processes, threads=threads, device=device
        ),
        duration=estimate_duration(
            settings, corpus.sizes, kept_share=corpus.kept_share, processes=processes, threads=threads
        )
        if device == "cpu"
        else None,
        least_on_gpu=least_on_gpu(settings, corpus.sizes, kept_share=corpus.kept_share, processes=processes)
        if device != "cpu"
        else None,
        warnings=[
            *([refused] if (refused := lacking(settings, memory, room, on_gpu, processes)) else []),
            *_full_disks(settings, files),
            *_idle_processes(settings, corpus.sizes, processes),
        ],
    )


def _corpus(settings: Settings, vocabulary: int | None, words: int | None) -> tuple[Corpus, Occurrence]:
    if (vocabulary is None) != (words is None):
        raise ConfigError("--vocabulary and --words belong together: give both, or neither for the snapshot's")
    if vocabulary is None or words is None:
        try:
            snapshot = Snapshot.open(settings.snapshot_location)
        except SnapshotError as error:
            raise SnapshotError(f"{error}, or plan without one, by --vocabulary and --words") from None
        occurrence = occurrence_of(snapshot)
        return Corpus(sizes_of(snapshot, settings), occurrence.total, str(snapshot.location)), occurrence
    occurrence = assumed_occurrence(settings, vocabulary)
    return Corpus(assumed_sizes(settings, vocabulary=vocabulary, words=words), occurrence.total, None), occurrence


def _full_disks(settings: Settings, files: list[File]) -> list[str]:
    """Say which disks have no room for all that is written to them."""
    by_disk: dict[int, list[File]] = {}
    for file in files:
        by_disk.setdefault(existing(file.folder).stat().st_dev, []).append(file)
    warnings = []
    for on_disk in by_disk.values():
        needed, room = sum(file.bytes for file in on_disk), disk_room(on_disk[0].folder)
        if needed > room.bytes:
            largest = max(on_disk, key=lambda file: file.bytes)
            warnings.append(
                f"the run writes up to {in_bytes(needed)}, {in_bytes(largest.bytes)} of it the {largest.name}, but "
                f"{in_bytes(room.bytes)} are {room.bound}; set train.checkpoint to a folder with room, or "
                f"{advice(settings)}"
            )
    return warnings


def _idle_processes(settings: Settings, sizes: Sizes, processes: int) -> list[str]:
    """Say where there are more processes than the text can be dealt out to; who holds columns reads all of it."""
    deals_out = settings.train.parallel == "data" and not isinstance(
        settings.model, GloveSettings | ElmoSettings | FactorisedModel
    )
    if not deals_out or processes <= sizes.row_groups:
        return []
    return [
        f"{processes} processes cannot share {sizes.row_groups} row groups; start at most one process per row group"
    ]
