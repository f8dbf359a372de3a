"""What the compiled copy of a record still owes to `dataclasses`: its list of fields.

The expander writes records out as plain classes; `replace`, `fields` and `asdict` find a class's fields by
one attribute of it. This module is never compiled.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def expose(record: type[Any], names: tuple[str, ...]) -> None:
    """Let `dataclasses.replace`, `fields` and `asdict` understand a record that was written out.

    Their defaults are not told: who makes one calls the class, which knows them.
    """
    made: Any = dataclasses.make_dataclass(record.__name__, names)
    record.__dataclass_fields__ = made.__dataclass_fields__
