"""The agents' files of one Asterisk: dial extensions, endpoints and fallback members.

One list of agents makes three files, so that they cannot disagree: `acd-agents.conf` (context
acd-agents, used by acd-dial), `pjsip-agents.conf` (endpoints) and `queues-members.conf` (static members
of the fallback queue).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from acd.asterisk_files import DialEntry, agent_files
from simulator.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ID = re.compile(r"[0-9A-Za-z]{2,32}")
_DIAL = re.compile(r"[0-9A-Za-z_./@:&+-]{3,200}")
_CONTACT = re.compile(r"sips?:[0-9A-Za-z_.@:;=+-]{3,200}")
_PASSWORD = re.compile(r"[0-9A-Za-z_-]{0,64}")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent's phone as Asterisk must know it.

    `dial` is the whole Dial() target; empty means the PJSIP endpoint named like the agent. `contact`
    makes a static contact (SIPp on a known port) of an endpoint of that name, even when `dial` leads elsewhere;
    without it the phone registers with `password`.
    `press1`: a person must press 1 to take the call (mobile, PSTN). `web`: a browser (WebRTC) phone.
    """

    id: str
    dial: str = ""
    contact: str = ""
    password: str = ""
    press1: bool = False
    web: bool = False
    language: str = ""

    def __post_init__(self) -> None:
        for value, pattern in (
            (self.id, _ID),
            (self.target, _DIAL),
            (self.contact or "sip:none", _CONTACT),
            (self.password, _PASSWORD),
        ):
            if not pattern.fullmatch(value):
                raise LabError(f"agent {self.id!r}: {value!r} does not match {pattern.pattern}")

    @property
    def target(self) -> str:
        """The Dial() target in effect."""
        return self.dial or f"PJSIP/{self.id}"


def agents_from_json(path: Path) -> tuple[Agent, ...]:
    """Read a JSON list of agent objects (keys as the fields of `Agent`). Raises LabError."""
    try:
        return tuple(Agent(**item) for item in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise LabError(f"{path}: not a list of agents: {error}") from error


def write_agents_conf(agents: Iterable[Agent], folder: Path) -> None:
    """Write the files into Asterisk's configuration folder. The caller reloads Asterisk."""
    agents = tuple(agents)
    files = agent_files(DialEntry(agent.id, agent.target, agent.press1, agent.language) for agent in agents)
    endpoints = ["; generated: one endpoint per agent"]
    for agent in agents:
        if agent.contact or agent.target == f"PJSIP/{agent.id}":
            endpoints += _endpoint(agent)
    files["pjsip-agents.conf"] = "\n".join(endpoints) + "\n"
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _endpoint(agent: Agent) -> list[str]:
    lines = [
        f"[{agent.id}]({'agent-web' if agent.web else 'agent'})",
        f"aors = {agent.id}",
        f"set_var = ACD_AGENT={agent.id}",
    ]
    if agent.password:
        lines.append(f"auth = {agent.id}")
    lines.append(f"[{agent.id}](agent-aor)")
    if agent.contact:
        # a static contact is a SIPp that does not answer OPTIONS: qualify would call it unreachable
        lines += [f"contact = {agent.contact}", "qualify_frequency = 0"]
    if agent.password:
        lines += [f"[{agent.id}](agent-auth)", f"username = {agent.id}", f"password = {agent.password}"]
    return lines
