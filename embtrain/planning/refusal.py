"""No training is begun that memory would end: it is refused before it starts, with the estimate in the sentence."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from embtrain.config import ElmoSettings, FactorisedModel, Settings
from embtrain.distributed import Group
from embtrain.errors import SetupError, SnapshotError
from embtrain.manifest import Snapshot
from embtrain.models.build import computed_by_torch, without_kernel
from embtrain.planning.machine import Room, gpu_room, memory_room
from embtrain.planning.memory import LIBRARIES, Items, Memory, estimate_memory
from embtrain.planning.sizes import sizes_of
from embtrain.planning.wording import in_bytes

logger = logging.getLogger(__name__)


def require_room(settings: Settings, snapshot: Snapshot, group: Group) -> None:
    """Refuse a training that would not fit into this machine's memory, or into its GPU's.

    With ``train.check_memory: false`` it is only said, as a warning.

    Args:
        settings: of the run.
        snapshot: of its corpus; nothing but manifests and footers is read, and for FastText the n-grams.
        group: the processes that train together.

    Raises:
        SetupError: saying what is needed, what is there, and what to do.
    """
    try:
        sizes = sizes_of(snapshot, settings)
    except SnapshotError:
        return  # those who read the table say what is wrong with it, and how to mend it
    gpu = gpu_room() if may_use_gpu(settings) else None
    memory = estimate_memory(settings, sizes, processes=group.world_size, device="cuda" if gpu else "cpu")
    refused = lacking(
        settings, memory, memory_room(), gpu, group.local_world_size, is_registered_here=group.is_beside_first
    )
    if refused and settings.train.check_memory:
        raise SetupError(f"{refused}; if the estimate is too high, set train.check_memory=false")
    if refused:
        logger.warning("training begins although memory is short by the estimate: %s", refused)


def may_use_gpu(settings: Settings) -> bool:
    """Tell whether a run trains on a GPU where there is one."""
    model = settings.model
    if settings.train.device == "cpu" or isinstance(model, FactorisedModel):
        return False
    if computed_by_torch(model, by_columns=settings.train.parallel == "columns"):
        return True
    return without_kernel(model) is None and find_spec("triton") is not None


def lacking(
    settings: Settings,
    memory: Memory,
    host: Room,
    device: Room | None,
    local_processes: int,
    *,
    is_registered_here: bool = True,
) -> str | None:
    """Return in a sentence what of the memory is not there; None where the run fits."""
    # The libraries are loaded by now, and are not to be found a second time. The first process alone registers.
    needed = local_processes * (memory.before_registering - LIBRARIES)
    stages = [memory.reading, memory.training]
    if is_registered_here:
        needed += memory.peak - memory.before_registering
        stages.append(memory.registering)
    if device and memory.on_device > device.bytes:
        return _sentence(settings, memory.on_device, memory.device, device)
    if needed > host.bytes:
        stage = max(stages, key=lambda items: sum(items.values()))
        of_all = f" for {local_processes} processes" if local_processes > 1 else ""
        return _sentence(settings, needed, stage, host, of_all)
    return None


def _sentence(settings: Settings, needed: int, items: Items, room: Room, of_all: str = "") -> str:
    largest = max(items, key=items.__getitem__)
    return (
        f"training {settings.model.type} needs {in_bytes(needed)} of memory{of_all} ({in_bytes(items[largest])} "
        f"for {largest}{' each' * bool(of_all)}), but {in_bytes(room.bytes)} are {room.bound}; {advice(settings)}"
    )


def advice(settings: Settings) -> str:
    """Say what makes a run smaller."""
    if isinstance(settings.model, ElmoSettings):
        return "lower model.batch_size, model.cell_dim or vocabulary.max_size"
    if isinstance(settings.model, FactorisedModel):
        return "raise vocabulary.min_count, or lower vocabulary.max_size or model.dim"
    if settings.train.parallel == "columns":
        return "start processes on more machines, lower model.dim or vocabulary.max_size, or raise vocabulary.min_count"
    return "lower model.dim or vocabulary.max_size, or raise vocabulary.min_count"
