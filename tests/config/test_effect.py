"""A setting that nothing reads is a false promise to whoever writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from acd.config import centre as config_centre
from acd.config import system as config_system
from acd.config.strict_yaml import Section

ROOT = Path(__file__).parents[2]
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("acd", "agi_scripts")
    for path in (ROOT / folder).rglob("*.py")
)


def settings() -> list[tuple[str, str]]:
    models = [
        made
        for module in (config_system, config_centre)
        for made in vars(module).values()
        if isinstance(made, type) and issubclass(made, BaseModel) and made is not Section
    ]
    return sorted(
        {
            (model.__name__, name)
            for model in models
            if model.__name__ != "Weights"  # read as a whole by the core
            for name in model.model_fields
        }
    )


@pytest.mark.parametrize(("section", "name"), settings())
def test_a_setting_is_read_somewhere(section: str, name: str) -> None:
    assert re.search(rf"\.{name}\b", CODE), f"nothing reads {section}.{name}"
