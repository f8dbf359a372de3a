"""A small correct configuration for tests, to be spoilt one line at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.config.loading import FILES, Config, load
from acd.config.strict_yaml import ConfigError

GOOD: dict[str, str] = {
    "acd.yaml": "state_dir: state\ncentre: {name: Test, time_zone: Europe/Moscow}\n",
    "queues.yaml": "queues:\n  sales: {subscriber: shop, display_name: Shop, needs: [{skill: talk, min_level: 2}]}\n",
    "skills.yaml": "skills:\n  talk: {display_name: Talking}\n",
    "agents.yaml": "agents:\n  101: {name: Ann, device: 101, skills: {talk: 3}}\n",
    "numbers.yaml": "numbers:\n  +74951230001: sales\n",
    "announcements.yaml": "announcements:\n  standard: {every_s: 30}\n",
}


def write(directory: Path, **changed: str) -> Path:
    """Write the good configuration with some files changed; `acd` stands for acd.yaml and so on."""
    for name in FILES:
        (directory / name).write_text(changed.get(name.removesuffix(".yaml"), GOOD[name]), encoding="utf-8")
    return directory


def loaded(directory: Path, *overrides: str, **changed: str) -> Config:
    """Write and load."""
    return load(write(directory, **changed), overrides)


def refused(directory: Path, *overrides: str, **changed: str) -> list[str]:
    """Write, expect a refusal, return its problems with file names instead of paths."""
    with pytest.raises(ConfigError) as caught:
        loaded(directory, *overrides, **changed)
    return [str(problem).replace(f"{directory}/", "") for problem in caught.value.problems]


def warned(directory: Path, *overrides: str, **changed: str) -> list[str]:
    """Write, load, return the warnings with file names instead of paths."""
    return [
        str(problem).replace(f"{directory}/", "")
        for problem in loaded(directory, *overrides, **changed).warnings
    ]
