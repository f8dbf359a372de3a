"""Who calls? The directory answers within a budget, or the caller is simply not known yet (002-10)."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from acd.core.ids import AgentId, Ani, Did, QueueId, SkillId
from acd.ports import Directory
from agi_scripts.self_answer import KINDS, Told

BUDGET_S: Final = 0.5
"""The outer guard; the desk's own budget (`desk.dossier_budget_ms`) is shorter and keeps what is known by then."""
NAME_LENGTH: Final = 40
QUEUE_LENGTH: Final = 32
MAX_PRIORITY: Final = 100.0

_UNSAFE: Final = frozenset('"<>\\$;,|&{}()[]`')
"""Characters with a meaning in SIP headers or the dialplan: a name must not carry one there."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the door needs of a dossier; the rest stays with the screen-pop."""

    name: str = ""
    priority: float = 1.0
    """Multiplier on the number's own priority."""
    needs: tuple[tuple[SkillId, int], ...] = ()
    sticky: AgentId | None = None
    queue: QueueId | None = None
    """Another waiting line than the number's own: the department for what is open (002-11)."""
    told: Told | None = None
    """What he is told before anybody is rung."""
    known: bool = False


def clean_name(text: str, most: int = NAME_LENGTH) -> str:
    """Return a name fit for a phone's display: no control, bidi or dialplan characters, cut."""
    kept = (
        " " if character in _UNSAFE or character.isspace() else character
        for character in text
        # Cc control, Cf format (bidi marks, zero width), Cs surrogate, Co private, Cn unassigned
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    return " ".join("".join(kept).split())[:most].strip()


def display_name(subscriber: str, client: str) -> str:
    """Return `Subscriber: Client` for the agent's phone; the subscriber yields first when it is long."""
    firm, person = clean_name(subscriber), clean_name(client)
    if not firm or not person:
        return (firm or person)[:NAME_LENGTH]
    room = max(10, NAME_LENGTH - 2 - len(person))
    return clean_name(f"{firm[:room].strip()}: {person}")


def decide(dossier: Mapping[str, object]) -> Identity:
    """Read a dossier. Keys: name, priority, needs (skill → level), sticky, queue, told. What does not fit is left out."""
    name = dossier.get("name")
    sticky = dossier.get("sticky")
    return Identity(
        name=clean_name(name) if isinstance(name, str) else "",
        priority=_priority(dossier.get("priority")),
        needs=_needs(dossier.get("needs")),
        sticky=AgentId(sticky) if isinstance(sticky, str) and sticky.isascii() and sticky.isalnum() else None,
        queue=_queue(dossier.get("queue")),
        told=_told(dossier.get("told")),
        known=bool(dossier),
    )


def _queue(value: object) -> QueueId | None:
    good = isinstance(value, str) and value.isascii() and value.replace("_", "").replace("-", "").isalnum()
    return QueueId(str(value)) if good and len(str(value)) <= QUEUE_LENGTH else None


def _told(value: object) -> Told | None:
    """Take (name, parts, person, zone) as the desk gives it; anything else is nothing to say."""
    match value:
        case (str(name), tuple(parts), str(person), str(zone)) if name and person:
            said = [part for part in parts if isinstance(part, tuple) and len(part) == 2 and part[0] in KINDS]  # noqa: PLR2004 - a pair
            return Told(clean_name(name), tuple(said), person, zone) if said else None
    return None


def _priority(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_PRIORITY:
        return 1.0
    return float(value)


def _needs(value: object) -> tuple[tuple[SkillId, int], ...]:
    if not isinstance(value, Mapping):
        return ()
    good = (
        (SkillId(skill), level)
        for skill, level in value.items()
        if isinstance(skill, str)
        and isinstance(level, int)
        and not isinstance(level, bool)
        and 0 < level <= 99  # noqa: PLR2004 - two digits in ACD_NEEDS
        if skill.isascii() and skill.replace("_", "").replace("-", "").isalnum()
    )
    return tuple(sorted(good))


async def ask(
    directory: Directory, ani: Ani, did: Did, budget_s: float = BUDGET_S, *, quoted: str = "", call: str = ""
) -> Identity:
    """Ask the directory within the budget. A miss, a timeout or a defect there is an unknown caller.

    `quoted`: an earlier card's number, keyed in by the caller of `call`.
    """
    try:
        async with asyncio.timeout(budget_s):
            found = directory.find(ani, did, quoted, call) if quoted else directory.find(ani, did)
            return decide(await found)
    except Exception:  # noqa: BLE001 - whatever breaks in a directory, the call goes on
        return Identity()
