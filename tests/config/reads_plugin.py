"""A mypy plugin that writes down who reads which attribute of which settings model.

Types know what names do not: `.language` of a project is not `.language` of a queue. One line per read goes
into the file named by ACD_READS: full name of the attribute, file and line of the expression.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mypy.nodes import MemberExpr
from mypy.plugin import AttributeContext, Plugin
from mypy.types import Type

WATCHED = ("acd.config.", "acd.core.policy.")


class Reads(Plugin):
    """Watches the attributes of the settings' modules; changes no type."""

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return what notes a read of this attribute, None for those of other modules."""
        if not fullname.startswith(WATCHED):
            return None

        def note(context: AttributeContext) -> Type:
            if isinstance(context.context, MemberExpr) and not context.is_lvalue:
                path = getattr(context.api, "path", "")
                with Path(os.environ["ACD_READS"]).open("a", encoding="utf-8") as out:
                    out.write(f"{fullname} {path} {context.context.line}\n")
            return context.default_attr_type

        return note


def plugin(_version: str) -> type[Plugin]:
    """What mypy calls."""
    return Reads
