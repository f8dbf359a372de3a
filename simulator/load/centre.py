"""A scenario's centre as configuration of the daemon: queues, skills, agents, numbers.

Several seeds run side by side on one switch: each is a copy of the whole centre with queues, skills and
agents of its own, so no copy can take another's calls. Eight days are then measured in the time of one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import yaml

from acd.core.ids import AgentId
from acd.core.instant import SECOND_MS
from simulator.agents import agent_ids
from simulator.centre.config import ZONE, CentreSpec, write
from simulator.load.lines import TRUNK, lines_of

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.scenario import Group, Queue, Scenario

FIRST_DID = 7001
FIRST_BENCH_DID = 88001
"""Numbers that lead to app_queue instead."""
MOST_COPIES = 60
SHUT_H = 6
"""Hours from closing time to the next opening: longer than any run."""
MOST_TRIES = 90
OFFER_EARLY_S = 0.4
"""So much before the end of a turn the rule holds: the dialplan looks then, and the wish must be there."""
CALLBACKS: dict[str, Any] = {
    "hours_from": "00:00",
    "hours_to": "24:00",
    "max_attempts": 1,
    "after_last": "close",
    "ring_s": 120,
    # who could not be called back in time is lost to the books, and must not ring again in the midst of the run
    "postpone_s": 86_400,
    "keep_place_s": 86_400,
    "daily_per_number": 100,
    "daily_per_subscriber": 1_000_000,
    "daily_total": 1_000_000,
}
"""Every chosen call-back is made at once, at its place."""


@dataclass(frozen=True, slots=True)
class Centre:
    """The scenario in real time, once per seed."""

    scenario: Scenario
    seeds: tuple[int, ...]
    policy: str = "recommended"

    def __post_init__(self) -> None:
        if not 1 <= len(self.seeds) <= MOST_COPIES or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"1 to {MOST_COPIES} different seeds, not {self.seeds}")

    def queue_id(self, copy: int, queue: int) -> str:
        """Return the daemon's name of a queue."""
        return f"c{copy}q{queue}"

    def did(self, copy: int, queue: int) -> str:
        """Return the number that leads to our router."""
        return str(FIRST_DID + copy * len(self.scenario.queues) + queue)

    def bench_did(self, copy: int, queue: int) -> str:
        """Return the number that leads to app_queue."""
        return str(FIRST_BENCH_DID + copy * len(self.scenario.queues) + queue)

    def agents(self, copy: int) -> dict[AgentId, str]:
        """Return the daemon's name of every agent of a copy, by the scenario's name."""
        return {
            agent: f"c{copy}g{number}n{serial}"
            for number, group in enumerate(self.scenario.groups)
            for serial, agent in enumerate(agent_ids(group))
        }

    @property
    def devices(self) -> list[str]:
        """All agents of all copies: their phones have the same names."""
        return [name for copy in range(len(self.seeds)) for name in self.agents(copy).values()]


def ani(copy: int, tries: int, serial: int) -> str:
    """Return the number a caller calls from: its own for every attempt.

    Raises:
        ValueError: more callers or attempts than there are numbers.
    """
    if copy >= MOST_COPIES or tries >= MOST_TRIES or serial >= 100_000:
        raise ValueError(f"no number left for caller {serial}, attempt {tries}, of copy {copy}")
    return f"+79{copy:02d}{tries:02d}{serial:05d}"


def write_centre(spec: CentreSpec, centre: Centre, closes_s: float | None = None) -> Path:
    """Write the daemon's configuration; return its folder.

    Args:
        spec: ports, secrets and folder.
        centre: what is to be written.
        closes_s: epoch seconds of closing time, a whole minute: the lines are shut for some hours from then on, and
            a rule sends away who still waits.
    """
    folder = write(spec)
    scenario, copies = centre.scenario, range(len(centre.seeds))
    queues: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    agents: dict[str, Any] = {}
    skills: set[str] = set()
    lines = lines_of(centre)
    for copy in copies:
        for number, queue in enumerate(scenario.queues):
            queues[centre.queue_id(copy, number)] = _queue(centre, copy, number, queue)
            if closes_s is not None:
                _close(queues[centre.queue_id(copy, number)], closes_s)
            numbers[centre.did(copy, number)] = centre.queue_id(copy, number)
            skills |= {need for need, _ in needs_of(scenario, copy, number)}
        names = centre.agents(copy)
        for group in scenario.groups:
            held = skills_of(scenario, copy, group)
            skills |= set(held)
            for own in agent_ids(group):
                agents[names[own]] = {
                    "name": f"{own} of copy {copy + 1}",
                    **lines[names[own]].settings(names[own]),
                    "skills": dict(held),
                    "rna_limit": group.rna_limit,
                    "reserve": group.reserve,
                    "password_hash": {"file": "secrets/agents-hash"},
                }
    files: dict[str, dict[str, Any]] = {
        "queues.yaml": {"queue_defaults": {"announcements": None, "rules": []}, "queues": queues},
        "skills.yaml": {"skills": {skill: {"display_name": skill} for skill in sorted(skills)}},
        "agents.yaml": {"agents": agents},
        "numbers.yaml": {"numbers": numbers},
        "conf.d/99-extra.yaml": {
            "asterisk": {"pstn_trunk": TRUNK},
            "routing": {"weights": {"policy": centre.policy, **dict(scenario.weights)}},
            **({"callbacks": CALLBACKS} if any(queue.callback for queue in scenario.queues) else {}),
            **spec.extra,
        },
    }
    for name, content in files.items():
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _close(queue: dict[str, Any], closes_s: float) -> None:
    """Open until closing time and again some hours later, which no run lives to see."""
    closes = dt.datetime.fromtimestamp(closes_s, ZoneInfo(ZONE))
    opens = closes + dt.timedelta(hours=SHUT_H)
    queue["opening"] = {"week": {"daily": f"{opens:%H:%M}-{closes:%H:%M}"}}
    queue["after_hours"] = "goodbye"
    queue["rules"] = [{"name": "closing time", "when": "closed", "do": "voicemail"}, *queue["rules"]]


def _skill(copy: int, name: str) -> str:
    return f"c{copy}-{name}".replace(".", "_")[:32]


def needs_of(scenario: Scenario, copy: int, queue: int) -> list[tuple[str, int]]:
    """Return the skills a queue asks for; one of its copy always, so that copies never mix."""
    asked = scenario.queues[queue]
    needs = [(_skill(copy, skill), level) for skill, level in asked.needs]
    if asked.served_by:
        needs.append((_skill(copy, f"serves-q{queue}"), 1))
    return needs or [(f"c{copy}", 1)]


def skills_of(scenario: Scenario, copy: int, group: Group) -> dict[str, int]:
    """Return the skills of a group's agents."""
    held = {_skill(copy, skill): level for skill, level in group.skills}
    for number, queue in enumerate(scenario.queues):
        if group.name in queue.served_by:
            held[_skill(copy, f"serves-q{number}")] = 1
    held[f"c{copy}"] = 1
    return held


def _queue(centre: Centre, copy: int, number: int, queue: Queue) -> dict[str, Any]:
    return {
        "subscriber": f"c{copy}s{_subscriber(centre.scenario, queue)}",
        "display_name": f"{queue.name} {copy + 1}",
        "promise": {"share": queue.share, "threshold_s": queue.threshold_ms / SECOND_MS},
        "needs": [
            {"skill": skill, "min_level": level} for skill, level in needs_of(centre.scenario, copy, number)
        ],
        "priority": queue.priority,
        "ring_timeout_s": queue.ring_timeout_ms / SECOND_MS,
        "wrap_up_s": queue.wrap_up_limit_ms / SECOND_MS if queue.wrap_up.mean_ms > 0 else 0,
        "max_wait_s": min(queue.max_wait_ms / SECOND_MS, 86_400),
        "max_waiting": min(queue.max_waiting, 10_000),
        "short_abandon_s": min(queue.short_abandon_ms / SECOND_MS, 60),
        "expected_talk_s": min(max(queue.talk.mean_ms / SECOND_MS, 0.001), 86_400),
        "rules": _offers(queue),
        # nobody is called back but who asked for it, and nobody is asked but by the rule
        "callbacks": False,
        "callback_beyond_s": None,
    }


def _offers(queue: Queue) -> list[dict[str, Any]]:
    """Who waits so long is asked whether he wants to be called back."""
    if queue.callback is None:
        return []
    waited_s = queue.callback.after_ms / SECOND_MS - OFFER_EARLY_S
    return [{"when": f"waited_s >= {waited_s:.3f}", "do": "offer_callback"}]


def _subscriber(scenario: Scenario, queue: Queue) -> int:
    """Return the number of a queue's firm. Firms whose callers are handed on to each other are one to the router.

    It never lets a caller end at another firm, and a scenario's `subscriber` is a word for reports.
    """
    firm = {one.subscriber: one.subscriber for one in scenario.queues}
    of_queue = {one.name: one.subscriber for one in scenario.queues}
    for one in scenario.queues:
        for transfer in one.transfers:
            mine, theirs = firm[one.subscriber], firm[of_queue[transfer.to]]
            firm = {name: mine if head == theirs else head for name, head in firm.items()}
    return list(firm).index(firm[queue.subscriber])
