"""Configuration: YAML files → strict models → the core's frozen dataclasses, all mistakes at once.

The whole configuration is one tree. Each file of the directory holds its own sections (`FILES`);
``conf.d/*.yaml`` may hold any section and is laid over them in the order of names; ``--set a.b=c`` comes
last. Defaults < file < conf.d < command line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field

from acd.config.callbacks import Callbacks
from acd.config.centre import (
    Agent,
    AgentIdentifier,
    AgentSettings,
    Announcements,
    DialledNumber,
    Identifier,
    Number_,
    NumberEntry,
    Queue,
    QueueSettings,
    Skill,
    dial_string,
)
from acd.config.desk import Desk
from acd.config.fitted import with_fitted
from acd.config.numbers import normalise
from acd.config.projects import Projects, Spoilt, without_broken
from acd.config.relations import relations
from acd.config.rule_language import window_hours
from acd.config.rules import RuleSettings, rules_of
from acd.config.strict_yaml import (
    ConfigError,
    Document,
    Problem,
    Section,
    check,
    merge,
    override,
    read,
    salvage,
)
from acd.config.system import (
    Asterisk,
    Centre,
    Http,
    Log,
    Mqtt,
    Pops,
    Recording,
    Retention,
    Routing,
    SecretReference,
    SecretUnavailableError,
    Store,
    Transfers,
    Webhook,
)
from acd.core.capacity import Capacity
from acd.core.ids import AgentId, Did, QueueId, SkillId, SubscriberId
from acd.core.policy import AgentPolicy, Policy, Promise, QueuePolicy, RoutingWeights, SkillNeed

if TYPE_CHECKING:
    from pydantic import SecretStr

    from acd.config.hours import OpeningHours

FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "acd.yaml": (
            *(
                "state_dir",
                "centre",
                "asterisk",
                "store",
                "mqtt",
                "http",
                "webhook",
                "recording",
                "retention",
                "transfers",
            ),
            *("pops", "routing", "log", "projects", "desk", "callbacks"),
        ),
        "queues.yaml": ("queue_defaults", "queues"),
        "skills.yaml": ("skills",),
        "agents.yaml": ("agent_defaults", "agents"),
        "numbers.yaml": ("numbers",),
        "announcements.yaml": ("announcements",),
    }
)
"""Which sections stand in which file."""


class Tree(Section):
    """The whole configuration as written, before defaults of queues and agents are laid under them."""

    state_dir: Path = Field(
        default=Path("../var"), description="Data and secrets; relative to the configuration directory"
    )
    centre: Centre = Field(default=Centre(), description="The contact centre as a whole")
    asterisk: Asterisk = Field(default=Asterisk(), description="The switch")
    store: Store = Field(default=Store(), description="Where cards live")
    mqtt: Mqtt = Field(default=Mqtt(), description="Screen-pops")
    http: Http = Field(default=Http(), description="REST, agents' desktop, metrics")
    webhook: Webhook | None = Field(
        default=None, description="Finished cards to one downstream system; absent = none"
    )
    recording: Recording = Field(default=Recording(), description="Conversations on disk")
    retention: Retention = Field(default=Retention(), description="How long what is kept")
    transfers: Transfers = Field(default=Transfers(), description="Handing calls to outside numbers")
    pops: Pops = Field(default=Pops(), description="What an agent's screen shows")
    routing: Routing = Field(default=Routing(), description="The core's numbers")
    log: Log = Field(default=Log(), description="The daemon's log")
    projects: Path | None = Field(
        default=None, description="Directory of subscribers' projects, beside this file; absent = none"
    )
    desk: Desk = Field(default=Desk(), description="The secretarial desk: dossier, mail, SMS, help desks")
    callbacks: Callbacks | None = Field(
        default=None, description="Call-backs dialled by the daemon; absent = missed calls are only listed"
    )
    queue_defaults: QueueSettings = Field(
        default=QueueSettings(),
        description="Laid under every queue: the same keys, without subscriber and display_name",
    )
    queues: dict[Identifier, Queue] = Field(description="Waiting lines by id", min_length=1)
    skills: dict[Identifier, Skill] = Field(default_factory=dict, description="Skills by id")
    agent_defaults: AgentSettings = Field(
        default=AgentSettings(), description="Laid under every agent: kind, rna_limit, reserve, language"
    )
    agents: dict[AgentIdentifier, Agent] = Field(
        description="Agents by id, which is also their extension", min_length=1
    )
    numbers: dict[DialledNumber, NumberEntry] = Field(description="Dialled numbers", min_length=1)
    announcements: dict[Identifier, Announcements] = Field(
        default_factory=lambda: {"standard": Announcements()}, description="Announcement plans by id"
    )


@dataclass(frozen=True)
class Config:
    """The configuration, checked. `tree` holds the sections; the rest is derived from it."""

    directory: Path
    tree: Tree
    policy: Policy
    numbers: Mapping[Did, Number_]
    """By the one form of each number (acd.config.numbers)."""
    warnings: tuple[Problem, ...] = ()
    projects: Projects = field(default_factory=Projects)
    """Subscribers' projects, the broken ones replaced by their last good version."""
    document: Document = field(default_factory=lambda: Document(""), repr=False, compare=False)

    @cached_property
    def state_dir(self) -> Path:
        """Where data and secrets live."""
        return (self.directory / self.tree.state_dir).resolve()

    @cached_property
    def zone(self) -> ZoneInfo:
        """The centre's time zone."""
        return ZoneInfo(self.tree.centre.time_zone)

    def path(self, path: Path) -> Path:
        """Return a path of the configuration, relative ones under the state directory."""
        return self.state_dir / path

    def route(self, dialled: str) -> tuple[Did, Number_] | None:
        """Find what was configured for a dialled number in any usual writing; None if nothing was."""
        try:
            did, _ = normalise(dialled, self.tree.centre.region)
        except ValueError:
            return None
        entry = self.numbers.get(did)
        return (did, entry) if entry else None

    def queue(self, queue: QueueId) -> Queue:
        """Return a queue's settings, defaults included. Raises KeyError for an unknown id."""
        return self.tree.queues[queue]

    def dial(self, agent: AgentId) -> str:
        """Return what Dial() gets for an agent. Raises KeyError for an unknown id."""
        return dial_string(self.tree.agents[agent], self.tree.asterisk.pstn_trunk)

    def press_one(self, agent: AgentId) -> bool:
        """Tell whether the agent must press 1 to take a call (PSTN: voice mail could answer)."""
        return self.tree.agents[agent].kind == "pstn"

    def is_open(self, queue: QueueId, now: dt.datetime) -> bool:
        """Tell whether a queue takes calls at an instant."""
        return self.tree.queues[queue].opening.is_open(now, self.projects.zone(queue) or self.zone)

    def next_change(self, queue: QueueId, now: dt.datetime) -> dt.datetime | None:
        """Return when a queue opens or closes next (UTC); None if it never does."""
        return self.tree.queues[queue].opening.next_change(now, self.projects.zone(queue) or self.zone)

    @cached_property
    def windows(self) -> Mapping[str, OpeningHours]:
        """The stretches of the clock that rules speak of, by their text; local time of the centre."""
        found = {
            c.window for q in self.policy.queues for rule in q.rules for c in rule.conditions if c.window
        }
        return {window: window_hours(window) for window in sorted(found)}

    def secret(self, reference: SecretReference, location: str = "") -> SecretStr:
        """Read a secret now.

        Args:
            reference: as found in the tree.
            location: its dotted path, such as ``asterisk.ami.secret``, for the message.

        Raises:
            ConfigError: it cannot be read; with the reference's position.
        """
        try:
            return reference.resolve(self.state_dir)
        except SecretUnavailableError as error:
            raise ConfigError([self.document.problem(tuple(location.split(".")), str(error))]) from error


def load(directory: Path, overrides: Iterable[str] = ()) -> Config:
    """Read and check a configuration directory.

    Args:
        directory: holds `FILES` and perhaps ``conf.d``.
        overrides: ``a.b=value`` from the command line.

    Raises:
        ConfigError: every problem at once, each with file, line and column.
    """
    overrides = tuple(overrides)
    try:
        return without_broken(lambda spoilt: _load(directory, overrides, spoilt))
    except (
        OSError
    ) as error:  # of a name the file system refuses; what files cannot be read has a place already
        told = f"cannot be read: {error.strerror or error}: {str(error.filename)[:200]}"
        raise ConfigError([Problem(str(directory), 0, 0, "", told)]) from error


def _load(directory: Path, overrides: Iterable[str], spoilt: Spoilt) -> Config:
    document, problems = _read_all(directory, overrides)
    document, projects = Projects.read(directory, document, spoilt)
    tree, found = check(Tree, document)
    problems += found
    warnings: list[Problem] = []
    rest, left_out = (tree, []) if tree or not document.usable else salvage(Tree, document)
    if rest is not None:
        errors, warnings = relations(rest, document, left_out)
        problems += errors
    if tree is not None:
        routing, wrong, notes = with_fitted(tree.routing, directory, document)
        tree = tree.model_copy(update={"routing": routing})
        problems += wrong
        warnings += notes
    if problems or tree is None:
        raise projects.error(_in_order(problems))
    tree = _with_defaults(tree)
    numbers = {normalise(text, tree.centre.region)[0]: entry for text, entry in tree.numbers.items()}
    warnings = _in_order([*warnings, *projects.problems])
    return Config(
        directory, tree, policy_of(tree), MappingProxyType(numbers), tuple(warnings), projects, document
    )


def _read_all(directory: Path, overrides: Iterable[str]) -> tuple[Document, list[Problem]]:
    problems: list[Problem] = []
    whole = Document(str(directory), {}, {(): _file_mark(directory)})
    for name, sections in FILES.items():
        document = read(directory / name)
        problems += _misplaced(document, sections)
        whole = merge(whole, document)
    for path in sorted((directory / "conf.d").glob("*.yaml")):
        whole = merge(whole, read(path))
    for text in overrides:
        whole = merge(whole, override(text))
    return whole, problems


def _file_mark(directory: Path) -> Any:
    return Document(str(directory)).mark(())


def _misplaced(document: Document, sections: tuple[str, ...]) -> list[Problem]:
    """Report sections that stand in another section's file, and forget them so that nothing is said twice."""
    if not isinstance(document.data, dict):
        if document.data is not None:
            document.problems.append(document.problem((), "must be a mapping (key: value)"))
        document.data = None
        return []
    home = {section: name for name, held in FILES.items() for section in held}
    wrong = [key for key in document.data if key in home and key not in sections]
    problems = [document.problem((key,), f"belongs in {home[key]}", at_key=True) for key in wrong]
    for key in wrong:
        del document.data[key]
    return problems


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by file, line and column, without repetitions."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column))


Settings = TypeVar("Settings", bound=Section)


def _lay(entry: Settings, defaults: Section) -> Settings:
    """Lay defaults under an entry: what was written in the entry wins, section by section."""
    update: dict[str, Any] = {}
    for name in type(defaults).model_fields:
        mine, theirs = getattr(entry, name), getattr(defaults, name)
        if name not in entry.model_fields_set:
            update[name] = theirs
        elif isinstance(mine, Section) and isinstance(theirs, Section) and name == "promise":
            update[name] = _lay(mine, theirs)
    if isinstance(entry, Queue) and isinstance(defaults, QueueSettings):
        update["rules"] = rules_under(entry, defaults)
    return entry.model_copy(update=update)


def rules_under(queue: Queue, defaults: QueueSettings) -> tuple[RuleSettings, ...]:
    """Return a queue's own rules, then those of the defaults unless it does without."""
    own = queue.rules if "rules" in queue.model_fields_set else ()
    return (*own, *defaults.rules) if queue.default_rules else own


def _with_defaults(tree: Tree) -> Tree:
    return tree.model_copy(
        update={
            "queues": {name: _lay(queue, tree.queue_defaults) for name, queue in tree.queues.items()},
            "agents": {name: _lay(agent, tree.agent_defaults) for name, agent in tree.agents.items()},
        }
    )


# --- into the core's words -------------------------------------------------------------------------


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def queue_policy(name: str, queue: Queue) -> QueuePolicy:
    """Return one queue as the core knows it."""
    needs = tuple(
        SkillNeed(
            SkillId(need.skill),
            need.min_level,
            None if need.relax_after_s is None else _ms(need.relax_after_s),
            need.relaxed_level,
        )
        for need in queue.needs
    )
    return QueuePolicy(
        id=QueueId(name),
        subscriber=SubscriberId(queue.subscriber),
        promise=Promise(queue.promise.share, _ms(queue.promise.threshold_s)),
        needs=needs,
        priority=queue.priority,
        ring_timeout_ms=_ms(queue.ring_timeout_s),
        wrap_up_ms=_ms(queue.wrap_up_s),
        max_wait_ms=_ms(queue.max_wait_s),
        max_waiting=queue.max_waiting,
        short_abandon_ms=_ms(queue.short_abandon_s),
        sticky_wait_ms=_ms(queue.sticky_wait_s),
        expected_calls_per_s=queue.expected_calls_per_hour / 3600,
        expected_talk_ms=_ms(queue.expected_talk_s),
        rules=rules_of(queue.rules),
    )


def policy_of(tree: Tree) -> Policy:
    """Return the core's policy of a tree whose defaults are already laid under."""
    agents = tuple(
        AgentPolicy(
            id=AgentId(name),
            skills=tuple((SkillId(skill), level) for skill, level in agent.skills.items()),
            rna_limit=agent.rna_limit,
            reserve=agent.reserve,
            capacity=Capacity(calls=agent.capacity.calls, written=agent.capacity.written),
        )
        for name, agent in tree.agents.items()
    )
    routing = tree.routing
    return Policy(
        queues=tuple(queue_policy(name, queue) for name, queue in tree.queues.items()),
        agents=agents,
        weights=RoutingWeights(**dict(routing.weights)),
        offer_confirm_ms=routing.offer_confirm_ms,
        skip_ms=routing.skip_ms,
        phone_rest_ms=routing.phone_rest_ms,
        fallback_retry_ms=routing.fallback_retry_ms,
        reservation_ms=_ms(routing.reservation_s),
        card_close_ms=_ms(routing.card_close_s),
    )
