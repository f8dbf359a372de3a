"""Records of the core: facts, wishes, cards. Immutable by the type checker, and by force in tests.

A frozen dataclass sets every field through `object.__setattr__`: of what a call costs the router in plain
Python that was a fifth (decision 0150). So production makes the same classes without the lock, with the
same equality, hash and fields; mypy still refuses every assignment, and tests/conftest.py turns the lock on.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOCKED = False
"""Whether assigning to a field of a record raises. Set it before the core's records are imported."""


def dataclass(*, frozen: bool = False, slots: bool = False) -> Callable[[type[T]], type[T]]:
    """Stand in for `dataclasses.dataclass` where records are made; see the module's text."""

    def make(cls: type[T]) -> type[T]:
        options: dict[str, Any] = {"frozen": True} if frozen and LOCKED else {"unsafe_hash": frozen}
        return dataclasses.dataclass(slots=slots, **options)(cls)

    return make


class Worded(Enum):
    """An enumeration of words whose members know their word."""

    word: str
    """The value as a plain attribute: in Python 3.11 `.value` calls a function."""

    def __init__(self, word: str) -> None:
        self.word = word
