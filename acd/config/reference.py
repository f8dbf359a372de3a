"""The table of every configuration key in config/README.md, made from the models.

python -m acd.config.reference config/README.md      # rewrites the part between the markers
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

from acd.config.loading import FILES, Tree
from acd.core.policy import RoutingWeights

BEGIN = "<!-- begin of the generated table -->"
END = "<!-- end of the generated table -->"
_DEFAULTS_OF = ("queue_defaults", "agent_defaults")
"""Their keys are those of queues.ID and agents.ID; listing them twice would only be longer."""
_WEIGHT_WORDS = {
    "hard_limit_ms": "The hard limit itself (000-08: 40 s)",
    "idle": "Preference for the longest idle agent (c_i)",
    "sticky": "Preference for the agent of the last talk (c_st)",
    "opportunity": "What it costs to use an agent whom other subscribers need (c_o)",
}
"""For weights whose own text in the core is only the symbol of the formula."""
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}


def weight_meanings() -> dict[str, str]:
    """Return what the core says about each of its weights: the text under the field, on one line."""
    body = ast.parse(inspect.getsource(RoutingWeights)).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - a fact of the source, told to the type checker
    found: dict[str, str] = {}
    for item, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            text = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = " ".join(str(after.value.value).split())
            found[item.target.id] = _WEIGHT_WORDS.get(item.target.id, text)
    return found


def table() -> str:
    """Return the tables of all keys, one per file, as Markdown."""
    schema = Tree.model_json_schema(by_alias=True)
    for name, meaning in weight_meanings().items():
        schema["$defs"]["Weights"]["properties"].get(name, {})["description"] = meaning
    parts: list[str] = []
    for name, sections in FILES.items():
        rows: list[tuple[str, str, str, str]] = []
        for section in sections:
            _rows(
                section, schema["properties"][section], schema, rows, required=section in schema["required"]
            )
        parts.append(f"### {name}\n\n| Key | Value | Default | Meaning |\n|---|---|---|---|")
        parts += [f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in rows]
        parts.append("")
    return "\n".join(parts)


def rewritten(text: str) -> str:
    """Return a README with its generated part renewed; raises ValueError when the markers are missing."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"no {BEGIN} ... {END} in the text")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Follow references and drop the null of optional values; the flag tells that null is allowed."""
    options = [option for option in node.get("anyOf", [node]) if option.get("type") != "null"]
    optional = len(options) < len(node.get("anyOf", [node]))
    inner = dict(options[0])
    if "$ref" in inner:
        inner = schema["$defs"][inner["$ref"].rpartition("/")[2]]
    return inner, optional


def _rows(
    path: str,
    node: dict[str, Any],
    schema: dict[str, Any],
    rows: list[tuple[str, str, str, str]],
    *,
    required: bool,
) -> None:
    inner, optional = _resolved(node, schema)
    default = "**required**" if required else _shown(node.get("default"))
    meaning = str(node.get("description") or inner.get("description", "")).partition("\n")[0]
    children = inner.get("properties")
    mapping = _held_by_mapping(inner)
    items = inner.get("items") if inner.get("type") == "array" else None
    rows.append(
        (
            path,
            _kind(inner, schema, optional=optional),
            "" if children and not _is_secret(inner) and not required else default,
            _cell(meaning),
        )
    )
    if path in _DEFAULTS_OF:
        return
    if mapping is not None:
        held, _ = _resolved(mapping, schema)
        _children(f"{path}.ID", held, schema, rows)
    elif items is not None:
        held, _ = _resolved(items, schema)
        _children(f"{path}[]", held, schema, rows)
    else:
        _children(path, inner, schema, rows)


def _is_secret(node: dict[str, Any]) -> bool:
    return set(node.get("properties", ())) == {"file", "env", "credential"}


def _held_by_mapping(node: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of a mapping's values; ids with a pattern stand under patternProperties."""
    patterns: dict[str, dict[str, Any]] = node.get("patternProperties", {})
    held = next(iter(patterns.values()), node.get("additionalProperties"))
    return held if isinstance(held, dict) else None


def _children(
    path: str, node: dict[str, Any], schema: dict[str, Any], rows: list[tuple[str, str, str, str]]
) -> None:
    needed = set(node.get("required", ()))
    if _is_secret(node):
        return  # secret references are explained once, above the table
    for name, child in node.get("properties", {}).items():
        _rows(f"{path}.{name}", child, schema, rows, required=name in needed)


def _kind(node: dict[str, Any], schema: dict[str, Any], *, optional: bool) -> str:
    if "enum" in node:
        text = ", ".join(f"`{value}`" for value in node["enum"])
    elif _is_secret(node):
        text = "secret reference"
    elif "properties" in node:
        text = "section"
    elif node.get("type") == "object":
        text = "mapping by id"
    elif node.get("type") == "array":
        held, _ = _resolved(node.get("items", {}), schema)
        text = f"list of {_kind(held, schema, optional=False)}s"
    elif node.get("format") == "path":
        text = "path"
    else:
        text = _TYPES.get(str(node.get("type")), "text") + _limits(node)
    return f"{text} or null" if optional else text


def _limits(node: dict[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    parts = [
        f"≥ {low:.15g}" if low is not None else f"> {above:.15g}" if above is not None else "",
        f"≤ {high:.15g}" if high is not None else f"< {below:.15g}" if below is not None else "",
    ]
    shown = ", ".join(part for part in parts if part)
    return f" {shown}" if shown else ""


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, float) and value.is_integer():
        return f"`{value:.0f}`"
    if isinstance(value, dict):
        held = {name: inner for name, inner in value.items() if inner is not None}
        return f"`file: {held['file']}`" if set(held) == {"file"} else "see the file" if held else "none"
    return "none" if value == [] else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Rewrite the README named on the command line."""
    path = Path(sys.argv[1])
    path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
