"""What a snapshot's tables were made with: a training goes by it, whatever its run file leaves out.

Only ``prepare`` reads the sections ``corpus``, ``phrases``, ``vocabulary``, ``unigram``, ``subwords`` and
``cooccurrence``. Who changes one of them and trains without preparing anew would train on what was there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from embtrain.config import Settings
from embtrain.errors import ConfigError
from embtrain.manifest import Snapshot, read_manifest
from embtrain.schema import COOCCURRENCE, PHRASES, SENTENCES, SUBWORDS, UNIGRAM, VOCABULARY
from embtrain.section import Section
from embtrain.text import TextRules, Tokeniser

_TABLES = {
    "corpus": SENTENCES,
    "phrases": PHRASES,
    "vocabulary": VOCABULARY,
    "unigram": UNIGRAM,
    "subwords": SUBWORDS,
    "cooccurrence": COOCCURRENCE,
}
"""Of each section, the table whose manifest has it."""


def as_prepared(settings: Settings, snapshot: Snapshot) -> Settings:
    """Return the settings with those of ``prepare`` as the snapshot's tables were made with them.

    What a table does not say, such as one that another program has written, stays as it is. So do ``corpus.paths``: of
    a corpus the manifests have the files.

    Raises:
        ConfigError: if a setting was given, and the tables were made with another value; it names all such.
    """
    prepared: dict[str, Section] = {}
    differing: list[str] = []
    for name in _TABLES:
        given = getattr(settings, name)
        if given is None:
            continue
        prepared[name] = type(given).model_validate({**given.model_dump(), **_made_with(snapshot, name, type(given))})
        differing += _differences(name, given, prepared[name])
    if differing:
        raise ConfigError(
            f"the snapshot {snapshot.location} was made with {', '.join(differing)}; run embtrain prepare with these "
            "settings first, or leave them out"
        )
    return settings.model_copy(update=prepared)


def tokeniser_of(settings: Settings, snapshot: Snapshot) -> Tokeniser | None:
    """Return what takes texts apart as the snapshot's corpus was; None where neither it nor the run file says how."""
    made_with = _manifest_settings(snapshot, "corpus")
    names = {field.name for field in fields(TextRules)}
    if names <= made_with.keys():
        rules = TextRules.from_json({name: made_with[name] for name in names})
    elif settings.corpus:
        rules = settings.corpus.text_rules
    else:
        return None
    return Tokeniser(rules, _read_phrases(snapshot) if PHRASES.name in snapshot.tables else None)


def _read_phrases(snapshot: Snapshot) -> pa.Table:
    folder, manifest = snapshot.table(PHRASES)
    paths = [(folder / part.name).path for part in manifest.parts]
    return pq.read_table(paths, schema=PHRASES.arrow_schema, filesystem=folder.filesystem)


def _differences(name: str, given: Section, prepared: Section) -> Iterator[str]:
    for key in sorted(given.model_fields_set):
        found, expected = getattr(given, key), getattr(prepared, key)
        if found != expected:
            yield f"{name}.{key}={expected}, not {found}"


def _made_with(snapshot: Snapshot, name: str, section: type[Section]) -> dict[str, Any]:
    """Return the settings of a section that the snapshot knows and this version has."""
    if name == "phrases" and PHRASES.name not in snapshot.tables and _manifest_settings(snapshot, "corpus"):
        return {"passes": 0}
    known = _manifest_settings(snapshot, name)
    return {key: value for key, value in known.items() if key in section.model_fields}


def _manifest_settings(snapshot: Snapshot, name: str) -> dict[str, Any]:
    folder = snapshot.tables.get(_TABLES[name].name)
    manifest = read_manifest(snapshot.location / folder) if folder else None
    return dict(manifest.made_from.get("settings", {})) if manifest else {}
