"""On which line an agent's phone hangs: in the office, at home, or an outside number behind the trunk.

- `office`: a phone at a known address, as in the lab.
- `home`: it registers with a password over SIP and is called where it registered.
- `pstn`: the PBX dials a number through a trunk; whoever lifts the phone must press 1, or a mobile's mailbox
  would take the call (`dialplan/30-agents.conf`). Here he presses by RFC 4733, in the stream of his voice.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.agents import agent_ids
from simulator.lab.agents import Agent
from simulator.lab.errors import LabError
from simulator.scenario import HOME, PSTN

if TYPE_CHECKING:
    from simulator.lab.instance import Lab
    from simulator.load.centre import Centre

TRUNK = "mobiles"
"""The endpoint through which agents' numbers are dialled: as the sample's trunk, and leading to their phones. The
trunk itself is the callers', and whoever is called back answers behind it."""
FIRST_NUMBER = 74_950_000_000


@dataclass(frozen=True, slots=True)
class AgentLine:
    """How one agent's phone is reached."""

    kind: str
    number: str = ""
    """Of a pstn agent, with a plus in front."""
    password: str = ""
    """Of a home agent."""
    press_ms: int = 0
    """How long a pstn agent listens before he presses 1."""

    def settings(self, device: str) -> dict[str, Any]:
        """Return what agents.yaml says of it."""
        return {"kind": self.kind, "device": self.number or device}

    def phone(self, device: str, port: int) -> Agent:
        """Return what Asterisk must know of it; every phone answers on `port` of 127.0.0.1.

        A pstn agent has an endpoint of his own besides: app_queue, which knows no press 1, dials that one.
        """
        contact = f"sip:{device}@127.0.0.1:{port}"
        if self.kind == PSTN:
            return Agent(device, dial=f"PJSIP/{self.number}@{TRUNK}", press1=True, contact=contact)
        if self.kind == HOME:
            return Agent(device, password=self.password)
        return Agent(device, contact=contact)


def lines_of(centre: Centre) -> dict[str, AgentLine]:
    """Return every agent's line, by device, in the order of `centre.devices`."""
    found: dict[str, AgentLine] = {}
    for copy in range(len(centre.seeds)):
        names = centre.agents(copy)
        for group in centre.scenario.groups:
            for agent in agent_ids(group):
                found[names[agent]] = _line(group.line, len(found), group.press_ms)
    return found


def write_mobiles(lab: Lab, port: int) -> None:
    """Give a lab the trunk behind which agents' numbers answer: what the sample's trunk has, and another address.

    Raises:
        LabError: the sample has no trunk any more.
    """
    path = lab.etc / "pjsip.conf"
    text = path.read_text(encoding="utf-8")
    found = re.search(r"(?ms)^\[trunk\]\ntype = endpoint\n.*?(?=^\[)", text)
    if found is None:
        raise LabError(f"{path} has no endpoint [trunk] to copy")
    endpoint = found[0].replace("[trunk]", f"[{TRUNK}]", 1).replace("aors = trunk", f"aors = {TRUNK}")
    aor = f"[{TRUNK}]\ntype = aor\nmax_contacts = 0\ncontact = sip:127.0.0.1:{port}\n"
    path.write_text(f"{text}\n{endpoint}\n{aor}", encoding="utf-8")
    lab.console("module reload res_pjsip.so")


def _line(kind: str, place: int, press_ms: int) -> AgentLine:
    if kind == PSTN:
        return AgentLine(kind, number=f"+{FIRST_NUMBER + place}", press_ms=press_ms)
    return AgentLine(kind, password=secrets.token_hex(8) if kind == HOME else "")
