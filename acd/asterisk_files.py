"""The two files Asterisk needs to know our agents by: dial targets and the fallback queue's members.

Made from one list, so that they cannot disagree; written by `acd asterisk-files` in production and by the
lab for tests. Nothing the daemon holds may be needed to ring an agent, so both are plain files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ID = re.compile(r"[0-9A-Za-z]{1,32}\Z", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2}\Z", re.ASCII)
_TARGET = re.compile(r"[0-9A-Za-z_./@:&+-]{3,200}\Z", re.ASCII)

_PREFIX = re.compile(r"\+?[0-9]{1,15}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class DialEntry:
    """One agent. `target` is what Dial() gets; `press1`: a person must press 1 to take the call (PSTN).

    Raises ValueError for an id or target that could mean something else in the dialplan.
    """

    agent: str
    target: str
    press1: bool = False
    language: str = ""
    """Of the agent's own prompts, `ru` or `en`; empty: not set."""

    def __post_init__(self) -> None:
        language = self.language or "ru"
        for value, pattern in ((self.agent, _ID), (self.target, _TARGET), (language, _LANGUAGE)):
            if not pattern.match(value):
                raise ValueError(f"agent {self.agent!r}: {value!r} cannot stand in a dialplan file")


def outside_file(prefixes: Iterable[str], target: str) -> str:
    """Return `acd-outside.conf`: the only outside numbers a call can be handed to (toll fraud, security 8).

    Args:
        prefixes: what an allowed number begins with, as `+7495`; digits with or without a plus.
        target: what Dial() gets; `{number}` in it is the number, filtered to digits and plus.

    Raises ValueError for a prefix or target that could mean something else in the dialplan.
    """
    number = "${FILTER(0-9+,${EXTEN}):0:20}"
    if not _TARGET.match(target.replace("{number}", "0")):
        raise ValueError(f"{target!r} cannot stand in a dialplan file")
    lines = ["; generated: one pattern per outside prefix a call may be handed to", "[acd-outside]"]
    for prefix in prefixes:
        if not _PREFIX.match(prefix):
            raise ValueError(f"prefix {prefix!r}: digits, with or without a plus in front")
        lines.append(f"exten => _{prefix}.,1,Set(ACD_DIAL={target.replace('{number}', number)})")
        lines.append(" same => n,Return()")
    lines.append("exten => i,1,Return()")
    return "\n".join(lines) + "\n"


def agent_files(entries: Iterable[DialEntry]) -> dict[str, str]:
    """Return file name → content: `acd-agents.conf` (context acd-agents) and `queues-members.conf`."""
    dial = ["; generated: one extension per agent", "[acd-agents]"]
    members = ["; generated: static members of the fallback queue"]
    for entry in entries:
        values = f"ACD_DIAL={entry.target},ACD_PRESS1={int(entry.press1)},ACD_AGENT_LANG={entry.language}"
        dial.append(f"exten => {entry.agent},1,MSet({values})")
        dial.append(" same => n,Return()")
        members.append(f"member => {entry.target.split('&')[0]},0,{entry.agent}")
    return {
        "acd-agents.conf": "\n".join(dial) + "\n",
        "queues-members.conf": "\n".join(members) + "\n",
    }
