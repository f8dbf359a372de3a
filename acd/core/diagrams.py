"""Draw the two machines from their transition tables, as Mermaid text for acd/README.md."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from acd.core.agent import AGENT_TRANSITIONS
from acd.core.call import CALL_TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping


State = TypeVar("State", bound=Enum)
Signal = TypeVar("Signal", bound=Enum)


def draw(table: Mapping[tuple[State, Signal], State], first: str, last: str | None) -> str:
    """Return a Mermaid state diagram; signals with the same ends share one arrow."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, signal), following in table.items():
        arrows.setdefault((state.name, following.name), []).append(str(signal.value))
    lines += [f"    {start} --> {end} : {' / '.join(names)}" for (start, end), names in arrows.items()]
    if last is not None:
        lines.append(f"    {last} --> [*]")
    lines.append("```")
    return "\n".join(lines)


def call_machine() -> str:
    """Draw the call's machine."""
    return draw(CALL_TRANSITIONS, "NEW", "ENDED")


def agent_machine() -> str:
    """Draw the agent's machine."""
    return draw(AGENT_TRANSITIONS, "IDLE", None)


def insert(text: str, marker: str, drawing: str) -> str:
    """Return `text` with `drawing` between `<!-- marker -->` and `<!-- /marker -->`.

    Raises ValueError when a marker is missing.
    """
    opening, closing = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    head = text.index(opening) + len(opening)
    tail = text.index(closing, head)
    return f"{text[:head]}\n{drawing}\n{text[tail:]}"
