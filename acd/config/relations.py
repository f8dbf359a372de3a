"""What must hold between the parts of a configuration: errors, and warnings about promises nobody can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from acd.config.numbers import normalise
from acd.config.promises import agents_needed, answered_within
from acd.config.rule_checks import Checker, QueueFacts, Written
from acd.config.rule_checks import Known as Centre
from acd.config.system import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from acd.config.centre import Agent, QueueSettings
    from acd.config.loading import Tree
    from acd.config.strict_yaml import Document, Location, Problem

Finding: TypeAlias = "tuple[Location, str]"


class Names(frozenset[str]):
    """The names a section holds. One that could not be read at all may hold any: nothing is said of its users."""

    readable: bool = True

    def __contains__(self, name: object) -> bool:
        return not self.readable or super().__contains__(name)


class Known(NamedTuple):
    """What the files name, even where an entry had a mistake of its own and is left out of the tree."""

    queues: Names
    skills: Names
    announcements: Names
    all_agents: bool
    """False when some agent had a mistake: nobody can say then what the agents cannot do."""


CERTAIN_SHARE = 0.99
"""A promise above this share breaks with one call in a hundred."""
SHORTEST_THRESHOLD_S = 3.0
"""A phone needs to ring before somebody can answer it."""


def relations(
    tree: Tree, document: Document, left_out: Iterable[Location] = ()
) -> tuple[list[Problem], list[Problem]]:
    """Return (errors, warnings), each with its position.

    Args:
        tree: as written, or what is left of it after parts with mistakes were left out.
        document: where it came from.
        left_out: the places of those parts; nothing is said that only follows from their absence.
    """
    gone = set(left_out)
    sections = {location[0] for location in gone}
    known = Known(
        queues=_names(document, "queues", tree.queues),
        skills=_names(document, "skills", tree.skills),
        announcements=_names(document, "announcements", tree.announcements),
        all_agents="agents" not in sections,
    )
    errors = [document.problem(*finding) for check in _ERRORS for finding in check(tree, known)]
    warnings = [document.problem(*finding) for check in _WARNINGS for finding in check(tree, known)]
    rules = check_rules(tree, document, known)
    return errors + rules.errors, warnings + rules.warnings


def _names(document: Document, section: str, built: Iterable[str]) -> Names:
    held = document.data.get(section) if isinstance(document.data, dict) else None
    names = Names([*(held if isinstance(held, dict) else ()), *built])
    names.readable = held is None or isinstance(held, dict)
    return names


def _effective(tree: Tree, queue: str, name: str) -> tuple[object, Location]:
    """Return a queue's setting and where it was written: in the queue, or in the defaults."""
    entry: QueueSettings = tree.queues[queue]
    if name in entry.model_fields_set:
        return getattr(entry, name), ("queues", queue, name)
    if name in tree.queue_defaults.model_fields_set:
        return getattr(tree.queue_defaults, name), ("queue_defaults", name)
    return getattr(tree.queue_defaults, name), ("queues", queue)


def _seconds(tree: Tree, queue: str, name: str) -> tuple[float, Location]:
    value, location = _effective(tree, queue, name)
    return float(str(value)), location


def _able(tree: Tree, queue: str) -> Iterator[Agent]:
    """Yield the agents who hold every skill the queue needs, at the levels first asked for."""
    needs, _ = _needs(tree, queue)
    for agent in tree.agents.values():
        if all(agent.skills.get(need.skill, 0) >= need.min_level for need in needs):
            yield agent


def _needs(tree: Tree, queue: str) -> tuple[tuple, Location]:  # type: ignore[type-arg]
    value, location = _effective(tree, queue, "needs")
    assert isinstance(value, tuple)  # noqa: S101 - a fact of the model, told to the type checker
    return value, location


# --- rules -----------------------------------------------------------------------------------------


def check_rules(tree: Tree, document: Document, known: Known) -> Checker:
    """Check every queue's rules together with the defaults that follow them."""
    levels: dict[str, int] = {}
    for agent in tree.agents.values():
        for skill, level in agent.skills.items():
            levels[skill] = max(level, levels.get(skill, 0))
    centre = Centre(known.queues, known.skills, levels if known.all_agents else None)
    checker = Checker(document, centre)
    settings = tree.queue_defaults.rules if "rules" in tree.queue_defaults.model_fields_set else ()
    defaults = [
        written
        for number, rule in enumerate(settings)
        if (written := checker.read(("queue_defaults", "rules", number), rule, number + 1, is_default=True))
    ]
    by_queue: dict[str, list[Written]] = {}
    for name, queue in tree.queues.items():
        own = queue.rules if "rules" in queue.model_fields_set else ()
        read = (
            checker.read(("queues", name, "rules", number), rule, number + 1)
            for number, rule in enumerate(own)
        )
        rules = [written for written in read if written] + (defaults if queue.default_rules else [])
        by_queue[name] = rules
        if rules:
            checker.in_queue(_queue_facts(tree, name), rules)
    checker.circles(by_queue)
    return checker


def _queue_facts(tree: Tree, queue: str) -> QueueFacts:
    longest, _ = _seconds(tree, queue, "max_wait_s")
    most, _ = _effective(tree, queue, "max_waiting")
    opening, _ = _effective(tree, queue, "opening")
    needs, _ = _needs(tree, queue)
    last = {n.skill: n.relaxed_level if n.relax_after_s is not None else n.min_level for n in needs}
    able = [a for a in tree.agents.values() if all(a.skills.get(s, 0) >= level for s, level in last.items())]
    default = tree.agent_defaults.reserve
    reserves = [a.reserve if "reserve" in a.model_fields_set else default for a in able]
    return QueueFacts(
        name=queue,
        max_wait_ms=round(longest * 1000),
        max_waiting=int(str(most)),
        needs={n.skill: n.min_level for n in needs},
        able=len(able),
        reserve=max(reserves, default=0),
        always_open=bool(getattr(opening, "always", False)) and not getattr(opening, "exceptions", None),
    )


# --- errors ----------------------------------------------------------------------------------------


def _needed_skills(tree: Tree, known: Known) -> Iterator[Finding]:
    for queue in tree.queues:
        needs, place = _needs(tree, queue)
        missing = False
        for index, need in enumerate(needs):
            location = (*place, index)
            if need.skill not in known.skills:
                missing = True
                yield (*location, "skill"), f"unknown skill {need.skill!r}; skills.yaml does not have it"
            elif known.all_agents and not any(
                agent.skills.get(need.skill, 0) >= need.min_level for agent in tree.agents.values()
            ):
                missing = True
                yield location, f"no agent has skill {need.skill!r} at level {need.min_level} or higher"
        if not missing and known.all_agents and next(_able(tree, queue), None) is None:
            yield place, "no single agent has all these skills at these levels"


def _agents_skills(tree: Tree, known: Known) -> Iterator[Finding]:
    for name, agent in tree.agents.items():
        for skill in agent.skills:
            if skill not in known.skills:
                yield (
                    ("agents", name, "skills", skill),
                    f"unknown skill {skill!r}; skills.yaml does not have it",
                )


def _announcement_plans(tree: Tree, known: Known) -> Iterator[Finding]:
    for queue in tree.queues:
        plan, place = _effective(tree, queue, "announcements")
        if plan is None:
            continue
        if plan not in known.announcements:
            yield place, f"unknown announcement plan {plan!r}; announcements.yaml does not have it"
            continue
        if plan not in tree.announcements:
            continue
        every = tree.announcements[str(plan)].every_s
        longest, where = _seconds(tree, queue, "max_wait_s")
        if every >= longest:
            yield (
                where,
                f"max_wait_s {longest:g} must be longer than every_s {every:g} of announcement plan {plan!r}",
            )


def _ring_against_wait(tree: Tree, _known: Known) -> Iterator[Finding]:
    for queue in tree.queues:
        ring, where = _seconds(tree, queue, "ring_timeout_s")
        longest, _ = _seconds(tree, queue, "max_wait_s")
        if ring >= longest:
            yield (
                where,
                f"ring_timeout_s {ring:g} must be shorter than max_wait_s {longest:g} (queue {queue!r})",
            )


def _dialled_numbers(tree: Tree, known: Known) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for text, entry in tree.numbers.items():
        if entry.queue not in known.queues:
            yield ("numbers", text), f"points to queue {entry.queue!r}, which queues.yaml does not have"
        try:
            did, _ = normalise(text, tree.centre.region)
        except ValueError as error:
            yield ("numbers", text), str(error)
            continue
        if did in seen:
            yield ("numbers", text), f"the same number as {seen[did]!r}"
        seen.setdefault(did, text)


def _devices(tree: Tree, _known: Known) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, agent in tree.agents.items():
        location = ("agents", name, "device")
        if agent.device in seen:
            yield location, f"device {agent.device!r} already belongs to agent {seen[agent.device]!r}"
        seen.setdefault(agent.device, name)
        kind = agent.kind if "kind" in agent.model_fields_set else tree.agent_defaults.kind
        if kind != "pstn":
            continue
        if tree.asterisk.pstn_trunk is None and "/" not in agent.device:
            yield location, "an agent on a PSTN number needs asterisk.pstn_trunk in acd.yaml"
        if "/" not in agent.device and not agent.device.lstrip("+").isdecimal():
            yield location, "kind pstn needs a telephone number: digits with an optional leading +"


def _ports(tree: Tree, _known: Known) -> Iterator[Finding]:
    taken: dict[int, str] = {}
    listening = [(("asterisk", "agi", "port"), tree.asterisk.agi.port), (("http", "port"), tree.http.port)]
    if tree.mqtt.url is None:
        listening.append((("mqtt", "port"), tree.mqtt.port))
    if is_loopback(tree.asterisk.ami.host):
        listening.append((("asterisk", "ami", "port"), tree.asterisk.ami.port))
    for location, port in listening:
        name = ".".join(location)
        if port in taken:
            yield location, f"port {port} is already used by {taken[port]}"
        taken.setdefault(port, name)


# --- warnings --------------------------------------------------------------------------------------


def _promises(tree: Tree, _known: Known) -> Iterator[Finding]:
    for queue in tree.queues:
        promise, place = _effective(tree, queue, "promise")
        share, threshold = getattr(promise, "share", 0.0), getattr(promise, "threshold_s", 0.0)
        ring, _ = _seconds(tree, queue, "ring_timeout_s")
        if share > CERTAIN_SHARE:
            yield place, f"share {share:g} is a promise nobody can keep: one bad minute breaks the day"
        if threshold < SHORTEST_THRESHOLD_S:
            yield place, f"threshold_s {threshold:g} is a promise nobody can keep: a phone must ring first"
        elif ring >= threshold:
            yield (
                place,
                f"one unanswered ring of {ring:g} s already breaks the {threshold:g} s of queue {queue!r}",
            )


def _enough_people(tree: Tree, _known: Known) -> Iterator[Finding]:
    for queue in tree.queues:
        per_hour, place = _seconds(tree, queue, "expected_calls_per_hour")
        talk, _ = _seconds(tree, queue, "expected_talk_s")
        load = per_hour * talk / 3600
        able = len(list(_able(tree, queue))) if load else 0
        if able and load >= able:
            yield place, f"{load:.1f} erlang are expected, but only {able} agents can take these calls"
        elif able:
            yield from _kept_at_all(tree, queue, load, talk, able)


def _kept_at_all(tree: Tree, queue: str, load: float, talk_s: float, able: int) -> Iterator[Finding]:
    """A promise that breaks even with everybody who can at work and nobody else calling."""
    promise, place = _effective(tree, queue, "promise")
    share, threshold = getattr(promise, "share", 0.0), getattr(promise, "threshold_s", 0.0)
    reached = answered_within(load, able, talk_s, threshold)
    if reached < share:
        needed = agents_needed(load, talk_s, share, threshold)
        yield (
            place,
            (
                f"no staffing of these agents can keep this promise: with all {able} who can take calls of {queue!r} "
                f"at work {reached:.0%} would be answered in {threshold:g} s ({load:.1f} erlang); "
                f"{needed or 'more than 2000'} are needed"
            ),
        )


def _reachable_queues(tree: Tree, _known: Known) -> Iterator[Finding]:
    dialled = {entry.queue for entry in tree.numbers.values()}
    for queue in tree.queues:
        if queue not in dialled:
            yield ("queues", queue), "no number leads to this queue"


def _odd_numbers(tree: Tree, _known: Known) -> Iterator[Finding]:
    for text in tree.numbers:
        try:
            _, valid = normalise(text, tree.centre.region)
        except ValueError:
            continue
        if not valid:
            yield (
                ("numbers", text),
                f"no valid number in {tree.centre.region}; only calls to exactly this will match",
            )


def _open_doors(tree: Tree, _known: Known) -> Iterator[Finding]:
    ami, mqtt, http = tree.asterisk.ami, tree.mqtt, tree.http
    if not is_loopback(ami.host) and not ami.tls.enabled:
        yield ("asterisk", "ami", "host"), "the manager connection leaves this machine without TLS"
    if mqtt.url is None and not is_loopback(mqtt.host):
        yield (
            ("mqtt", "host"),
            "the built-in broker speaks no TLS; use mqtt.url with mqtts:// for other machines",
        )
    if mqtt.url is not None and mqtt.url.startswith("mqtt://"):
        host = mqtt.url.removeprefix("mqtt://").rpartition(":")[0] or mqtt.url.removeprefix("mqtt://")
        if not is_loopback(host.strip("[]")):
            yield ("mqtt", "url"), "screen-pops leave this machine without TLS; use mqtts://"
    if not is_loopback(http.host) and http.certificate is None:
        yield (
            ("http", "host"),
            "open to other machines without TLS: set certificate and key, or stay on loopback",
        )
    if not is_loopback(tree.asterisk.agi.host):
        yield ("asterisk", "agi", "host"), "FastAGI has neither password nor encryption; keep it on loopback"


def _reserves(tree: Tree, known: Known) -> Iterator[Finding]:
    default = tree.agent_defaults.reserve
    values = [a.reserve if "reserve" in a.model_fields_set else default for a in tree.agents.values()]
    if known.all_agents and all(values):
        yield ("agents",), "every agent is a reserve; nobody is in the front line"


_ERRORS = (
    _needed_skills,
    _agents_skills,
    _announcement_plans,
    _ring_against_wait,
    _dialled_numbers,
    _devices,
    _ports,
)
_WARNINGS = (_promises, _enough_people, _reachable_queues, _odd_numbers, _open_doors, _reserves)
