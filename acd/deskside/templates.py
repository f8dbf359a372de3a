"""Subscribers' templates: nobody's text can run code, eat the memory or never end.

Jinja2's sandbox alone lets `{{ "a" * 10**8 }}` fill the memory, so what a template may hold is a short list of
syntax: text, values, conditions, loops two deep and harmless filters. No calls, no arithmetic, no assignments.
Then work and result are bounded by the size of the template and of the values, which are limited too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 8_000
MAX_RESULT = 64_000
MAX_VALUE = 4_000
MAX_LOOPS = 2
LOOP_WEIGHT = 30
"""A loop runs at most about so often: a form has at most 30 fields."""
MAX_COST = 4_000
"""Steps of one rendering: the worst one allowed takes some tenths of a second, a usual one less than a
millisecond. Messages wait for each other in the workroom, and an agent waits for the preview."""
FILTERS = (
    "default",
    "e",
    "escape",
    "upper",
    "lower",
    "capitalize",
    "title",
    "trim",
    "first",
    "last",
    "length",
)
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.For, nodes.Filter,
    nodes.Getattr, nodes.Getitem, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test,
    nodes.CondExpr, nodes.Tuple, nodes.List,
)  # fmt: skip


class TemplateRefusedError(ValueError):
    """The template cannot be used; the message is for the person who wrote it."""


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in FILTERS}
    return made


_ENVIRONMENT = _environment()


def _check(node: nodes.Node, loops: int) -> int:
    """Return what rendering the node costs at most, in steps. Raises TemplateRefusedError."""
    if not isinstance(node, _ALLOWED):
        raise TemplateRefusedError(
            f"line {node.lineno}: {type(node).__name__.lower()} is not allowed in a template"
        )
    loops += isinstance(node, nodes.For)
    if loops > MAX_LOOPS:
        raise TemplateRefusedError(f"line {node.lineno}: loops may be {MAX_LOOPS} deep at most")
    inner = sum(_check(child, loops) for child in node.iter_child_nodes())
    cost = 1 + inner * (LOOP_WEIGHT if isinstance(node, nodes.For) else 1)
    if cost > MAX_COST:
        raise TemplateRefusedError(
            f"line {node.lineno}: the template does too much; shorten what its loops repeat"
        )
    return cost


@lru_cache(maxsize=500)
def _compile(source: str) -> Any:
    if len(source) > MAX_SOURCE:
        raise TemplateRefusedError(f"a template has at most {MAX_SOURCE} characters")
    try:
        _check(_ENVIRONMENT.parse(source), 0)
        return _ENVIRONMENT.from_string(source)
    except (TemplateError, RecursionError) as error:
        raise TemplateRefusedError(str(error) or type(error).__name__) from error


def _plain(value: object, depth: int = 3) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth and isinstance(value, Mapping):
        return {str(name): _plain(inner, depth - 1) for name, inner in list(value.items())[:100]}
    if depth and isinstance(value, list | tuple):
        return [_plain(inner, depth - 1) for inner in value[:LOOP_WEIGHT]]
    return str(value)[:MAX_VALUE]


def _pieces(source: str, values: Mapping[str, object]) -> Iterator[str]:
    try:
        yield from _compile(source).generate({name: _plain(value) for name, value in values.items()})
    except TemplateRefusedError:
        raise
    except Exception as error:
        # whatever a foreign template does wrong at run time is its author's mistake
        raise TemplateRefusedError(f"{type(error).__name__}: {error}"[:300]) from error


def render(source: str, values: Mapping[str, object]) -> str:
    """Return the filled template. Raises TemplateRefusedError; an unknown name is a mistake, not an empty text."""
    size, parts = 0, []
    for piece in _pieces(source, values):
        size += len(piece)
        if size > MAX_RESULT:
            raise TemplateRefusedError(f"the result is longer than {MAX_RESULT} characters")
        parts.append(piece)
    return "".join(parts)
