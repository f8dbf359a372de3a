"""Strict YAML into pydantic models: every mistake of form and of meaning at once, each with its place.

    document = read(path)                     # or parse(text, name); never raises for bad content
    model = validate(MyModel, document)       # raises one ConfigError with all problems

Derive models from `Section` and use `Flag`, `Whole` and `Number`, so that ``yes`` is no truth value and
``"20"`` in quotes is no number. What unquoted text means stands in acd.config.yaml_reader.
"""

from __future__ import annotations

import copy
import difflib
import os
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Strict, ValidationError

from acd.config.yaml_reader import (
    UNREADABLE,
    ConfigError,
    Document,
    Location,
    Mark,
    Problem,
    dotted,
    merge,
    override,
    parse,
    plain,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "UNREADABLE",
    "ConfigError",
    "Document",
    "Flag",
    "Location",
    "Mark",
    "Number",
    "Problem",
    "Section",
    "Whole",
    "check",
    "dotted",
    "explain",
    "known_keys",
    "merge",
    "override",
    "parse",
    "plain",
    "read",
    "salvage",
    "shape",
    "validate",
    "value_at",
]

_SALVAGE_ROUNDS = 8
# Nobody's plugin has a say in how a configuration is read; looking for some opens every installed package's metadata.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

Model = TypeVar("Model", bound=BaseModel)
_SHAPES: dict[str, str] = {}


def shape(pattern: str, words: str) -> str:
    """Return the pattern, and remember in which words to ask for what it wants."""
    _SHAPES[pattern] = words
    return pattern


Flag: TypeAlias = Annotated[bool, Strict()]
"""true or false, nothing else."""
Whole: TypeAlias = Annotated[int, Strict()]
"""A whole number that is not in quotes."""
Number: TypeAlias = Annotated[float, Strict()]
"""A number, with or without a fraction, not in quotes."""


class Section(BaseModel):
    """Base of configuration models: unknown keys are mistakes, values never change, text may look like a number."""

    model_config = ConfigDict(
        defer_build=True,  # a part is built within the whole that is read, not once more for itself
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


_MESSAGES = {
    "path_type": "must be a file name",
    "missing": "required key is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "model_type": "must be a mapping (key: value)",
    "dict_type": "must be a mapping (key: value)",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
}


def validate(model: type[Model], document: Document) -> Model:
    """Check the meaning of a document.

    Args:
        model: the pydantic model; derive it from `Section` for strictness.
        document: what `parse`, `read` or `merge` gave.

    Returns:
        The model's instance.

    Raises:
        ConfigError: with every mistake of form and meaning, each with its position.
    """
    made, problems = check(model, document)
    if made is None or problems:
        raise ConfigError(problems)
    return made


def check(model: type[Model], document: Document) -> tuple[Model | None, list[Problem]]:
    """Like `validate`, but hand the problems back, for callers who check several files together."""
    problems = list(document.problems)
    if not document.usable:
        return None, problems
    made: Model | None = None
    try:
        made = model.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        problems += explain(error, model, document)
    return made, problems


def salvage(
    model: type[Model], document: Document, *, inside_lists: bool = False
) -> tuple[Model | None, list[Location]]:
    """Return what is left of a document once the parts with mistakes are left out, and where those are.

    For checking relations in a file that also has plain mistakes: both kinds come out in one go. `inside_lists`:
    an item that can do without its mistaken key stays in its list, for files that are lists in the main.
    """
    data = copy.deepcopy({} if document.data is None else document.data)
    left_out: list[Location] = []
    for _ in range(_SALVAGE_ROUNDS):
        try:
            return model.model_validate(data), left_out
        except ValidationError as error:
            places = {_locate(item["loc"], document)[0] for item in error.errors(include_url=False)}
        if not inside_lists:
            places = {_outside_lists(place) for place in places}
        for place in sorted(places, key=str):
            _remove(data, place)
        left_out += sorted(places, key=str)
        if () in places:
            break
    return None, left_out


def _outside_lists(location: Location) -> Location:
    """A list loses all its items, because the others would change their places."""
    index = next((index for index, part in enumerate(location) if isinstance(part, int)), len(location))
    return location[:index]


def _remove(data: Any, location: Location) -> None:
    if not location:
        return
    parent = value_at(data, location[:-1])
    if isinstance(parent, dict) and location[-1] in parent:
        del parent[location[-1]]
    else:  # already gone, so the mistake is its absence: take away the whole
        _remove(data, location[:-1])


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[Problem]:
    """Turn pydantic's findings into problems with positions, in the order of the lines."""
    problems: dict[Problem, None] = {}  # the members of a union often say the same thing
    items = error.errors(include_url=False, include_context=True, include_input=False)
    for item in items:
        if item["type"] == "too_short" and any(
            other["loc"][: len(item["loc"])] == item["loc"] and other is not item for other in items
        ):
            continue  # only because an entry with a mistake of its own was not counted
        location, at_key = _locate(item["loc"], document)
        if value_at(document.data, location) is UNREADABLE:
            continue
        kind = item["type"]
        message = _MESSAGES.get(kind) or _plain_message(item["msg"])
        if kind == "string_pattern_mismatch":
            pattern = item["ctx"]["pattern"]
            message = (
                _SHAPES.get(pattern) or f"has characters or a form not allowed here; must match {pattern}"
            )
        elif kind == "too_long":
            message = f"must have at most {item['ctx']['max_length']} entries"
        elif kind == "too_short":
            message = f"must have at least {item['ctx']['min_length']} entries"
        if kind in {"int_type", "float_type"}:
            message += _number_hint(value_at(document.data, location))
        if kind == "missing":
            location, at_key = (*location, str(item["loc"][-1])), False
        elif kind == "extra_forbidden":
            message, at_key = _unknown_key(location, model), True
        problem = document.problem(location, message, at_key=at_key)
        problems[problem] = None
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))


def _number_hint(value: object) -> str:
    """Say what to write instead of `20s` or `"20"`."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([A-Za-zА-Яа-я%]*)", value) if isinstance(value, str) else None
    if found is None:
        return ""
    return f", written without {'unit' if found[2] else 'quotes'}: {found[1]}"


def value_at(data: Any, location: Location) -> Any:
    """Return the value at a location, or None where there is none."""
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _locate(loc: tuple[int | str, ...], document: Document) -> tuple[Location, bool]:
    """Find what pydantic speaks of; union members in its path do not exist in the file."""
    found: Location = ()
    for part in loc:
        if (*found, part) in document.values:
            found = (*found, part)
    return found, bool(loc) and loc[-1] == "[key]"


def _plain_message(message: str) -> str:
    for prefix in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(prefix)
    if message.startswith("Input should be "):
        return "must be " + message.removeprefix("Input should be ")
    return message


def _unknown_key(location: Location, model: type[BaseModel]) -> str:
    known = sorted(known_keys(model, location[:-1]))
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    if close:
        return f"unknown key; did you mean {close[0]!r}?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def known_keys(annotation: Any, location: Location) -> set[str]:
    """Return the keys a model allows at a place, over mappings, lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields: Mapping[str, Any] = {
            item.alias or name: item for name, item in annotation.model_fields.items()
        }
        if not location:
            return set(fields)
        inner = fields.get(str(location[0]))
        return known_keys(inner.annotation, location[1:]) if inner else set()
    origin, args = get_origin(annotation), get_args(annotation)
    found: set[str] = set()
    if origin in (Union, types.UnionType):
        found.update(*(known_keys(arg, location) for arg in args))
    elif origin is Annotated:
        found = known_keys(args[0], location)
    elif location and args:  # dict[str, X], list[X], tuple[X, ...]: one step of the location is consumed
        found = known_keys(args[1] if origin is dict else args[0], location[1:])
    return found
