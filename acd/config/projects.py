"""Subscribers' projects as a part of the configuration: their queues and numbers join it, broken ones never do.

A mistake in one firm's file must not keep the centre from starting or from reloading the others: such a project
is replaced by its last good version, or left out, and the mistakes come out as warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from acd.config.strict_yaml import ConfigError, Document, Problem, merge

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from acd.config.project_files import Loaded
    from acd.desk.project import Project

T = TypeVar("T")
KEPT = "projects"
"""Directory of last good versions, in the state directory."""


class BrokenProjectsError(ConfigError):
    """Problems that stem from project files; `projects` names them, `rest` are those of other files."""

    def __init__(self, problems: list[Problem], projects: frozenset[str]) -> None:
        super().__init__(problems)
        self.projects = projects


@dataclass(frozen=True)
class Spoilt:
    """Projects that do not fit into the configuration: first their last good version is tried, then none."""

    replaced: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    def and_those_of(self, error: BrokenProjectsError) -> Spoilt:
        """Return these and those an error blames."""
        again = error.projects & self.replaced
        return Spoilt(
            self.replaced | error.projects, self.left_out | again, (*self.problems, *error.problems)
        )


@dataclass(frozen=True)
class Projects:
    """All projects of a configuration."""

    folder: Path | None = None
    kept: Path | None = None
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    blamed: tuple[Problem, ...] = ()
    """What earlier rounds found wrong with projects that were then replaced."""

    @staticmethod
    def read(directory: Path, document: Document, spoilt: Spoilt) -> tuple[Document, Projects]:
        """Read the projects the document names; return it with their queues and numbers laid over."""
        data = document.data if isinstance(document.data, dict) else {}
        named = data.get("projects")
        if not isinstance(named, str):
            return document, Projects()
        folder = directory / named
        if not _is_folder(folder):
            document.problems.append(document.problem(("projects",), f"there is no directory {folder}"))
            return document, Projects(folder)
        # its models would be a sixth of every start (decision 0230)
        from acd.config.project_files import load_all, overlay

        state = directory / str(data.get("state_dir", "../var"))
        kept = (state / KEPT).resolve()
        centre = data.get("centre")
        zone = str(centre.get("time_zone", "Europe/Moscow")) if isinstance(centre, dict) else "Europe/Moscow"
        found = load_all(folder, kept, zone, spoilt.replaced, spoilt.left_out)
        layers = [overlay(one) for one in found.values() if one.project is not None]
        if layers:
            document = _lay(document, _together(layers))
        return document, Projects(folder, kept, MappingProxyType(found), spoilt.problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with project files; none of it keeps the centre from working."""
        own = (problem for one in self.loaded.values() for problem in one.problems)
        return tuple(dict.fromkeys((*self.blamed, *own)))

    @cached_property
    def good(self) -> dict[str, Project]:
        """Return the projects in force, by id."""
        return {name: one.project for name, one in self.loaded.items() if one.project is not None}

    def of_queue(self, queue: str) -> Project | None:
        """Return the project of a queue."""
        return self._by_queue.get(queue)

    def of_subscriber(self, subscriber: str) -> Project | None:
        """Return the (first) project of a subscriber."""
        return self._by_subscriber.get(subscriber)

    @cached_property
    def _by_queue(self) -> dict[str, Project]:
        return {project.queue: project for project in reversed(self.good.values())}

    @cached_property
    def _by_subscriber(self) -> dict[str, Project]:
        return {project.subscriber: project for project in reversed(self.good.values())}

    def zone(self, queue: str) -> ZoneInfo | None:
        """Return the time zone of a queue's project."""
        project = self.of_queue(queue)
        return project.hours.zone if project else None

    def error(self, problems: list[Problem]) -> ConfigError:
        """Return what to raise for these problems: said of projects if any of them stems from one in force."""
        files = {one.document.file: name for name, one in self.loaded.items() if one.project is not None}
        guilty = {files[p.file] for p in problems if p.file in files}
        typical = {p.file for p in problems} - set(files)
        guilty |= {
            name
            for name, one in self.loaded.items()
            if one.project is not None and typical & {mark.file for mark in one.document.values.values()}
        }
        return BrokenProjectsError(problems, frozenset(guilty)) if guilty else ConfigError(problems)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder we may not look into
        return False


def _together(layers: Sequence[Document]) -> Document:
    """Return the sections of all projects as one layer: a hundred projects are joined as quickly as one."""
    whole = Document("projects", {"queues": {}, "numbers": {}})
    for layer in layers:
        for section in ("queues", "numbers"):
            whole.data[section].update(layer.data[section])
        whole.values.update(layer.values)
        whole.keys.update(layer.keys)
    return whole


def _lay(document: Document, over: Document) -> Document:
    """Lay a project's sections over the rest; what it says about its queue replaces what stood there whole."""
    queues = document.data.get("queues") if isinstance(document.data, dict) else None
    for queue, entry in over.data["queues"].items():
        below = queues.get(queue) if isinstance(queues, dict) else None
        if isinstance(below, dict):
            for key in entry:
                below.pop(key, None)
    return merge(document, over)


def without_broken(load: Callable[[Spoilt], T]) -> T:
    """Load; while projects are to blame, load again without them. Raises ConfigError for everything else."""
    spoilt = Spoilt()
    while True:
        try:
            return load(spoilt)
        except BrokenProjectsError as error:
            spoilt = spoilt.and_those_of(error)
