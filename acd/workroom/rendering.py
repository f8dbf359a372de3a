"""The trade of templates: a subscriber's text filled with a call's values."""

from __future__ import annotations

from typing import Any

from acd.deskside.templates import render


def work(job: dict[str, Any]) -> object:
    """Return the filled template. Raises TemplateRefusedError, a ValueError with words for its author."""
    return render(job["source"], job["values"])
