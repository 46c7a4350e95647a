"""Writes the tables of settings in conf/README.md from ``embtrain.config``, where names, defaults and bounds live.

Run ``python -m docs.settings_table`` after a change there; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from embtrain.config import Settings

README = Path(__file__).resolve().parents[1] / "conf" / "README.md"
BEGIN = "<!-- settings: written by docs/settings_table.py -->\n"
END = "<!-- end of settings -->\n"

_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
_IN_YAML = {"None": "null", "True": "true", "False": "false"}


def main() -> None:
    """Replace the tables in conf/README.md."""
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(page: str) -> str:
    """Return the page with the tables between its two marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return one table per section of the settings, as Markdown."""
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    top = {name: spec for name, spec in schema["properties"].items() if not _sections(spec, definitions)}
    texts = [_table("At the top", "", {"properties": top, "required": schema["required"]})]
    for name, spec in schema["properties"].items():
        for section in _sections(spec, definitions):
            kind = section["properties"].get("type", {}).get("default")
            title = f"`{name}:`" + (f" with `type: {kind}`" if kind else "")
            texts.append(_table(title, section["description"], section))
    return "\n".join(texts)


def _sections(spec: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    branches = [spec, *spec.get("anyOf", []), *spec.get("oneOf", [])]
    return [definitions[branch["$ref"].rpartition("/")[2]] for branch in branches if "$ref" in branch]


def _table(title: str, introduction: str, section: dict[str, Any]) -> str:
    lines = [f"### {title}", "", *([introduction, ""] if introduction else [])]
    lines += ["| setting | default | values | meaning |", "|---|---|---|---|"]
    for name, spec in section["properties"].items():
        default = "required" if name in section.get("required", []) else f"`{_yaml(spec['default'])}`"
        meaning = " ".join(spec.get("description", "").split())
        for constant, spelled in _IN_YAML.items():
            meaning = meaning.replace(f"{constant}:", f"`{spelled}`:")
        lines.append(f"| `{name}` | {default} | {_values(spec)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def _values(spec: dict[str, Any]) -> str:
    """Say what a setting may be: its choices, or its type and bounds."""
    branch = next((branch for branch in spec.get("anyOf", []) if branch["type"] != "null"), spec)
    choices = branch.get("enum") or ([branch["const"]] if "const" in branch else [])
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    kind = _list_of(branch["items"]) if branch["type"] == "array" else branch["type"]
    bounds = [text.format(_yaml(branch[key])) for key, text in _BOUNDS.items() if key in branch]
    return ", ".join([kind, *bounds])


def _list_of(item: dict[str, Any]) -> str:
    if "enum" in item:
        return "list of " + ", ".join(f"`{choice}`" for choice in item["enum"])
    return f"list of {item['type']}s"


if __name__ == "__main__":
    main()
