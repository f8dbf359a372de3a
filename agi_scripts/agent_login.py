"""Agents' feature codes: log in and out, pause, resume, wrap-up done.

The dialplan writes the AcdFeature note itself, so a code dialled while the daemon is down is not lost. This
question only says whether the daemon knows the person, so that the phone can play the right answer.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from acd.core.ids import AgentId
from agi_scripts import dialplan_vars as var
from agi_scripts._session import AgiSession, argument

ACTIONS = frozenset({"login", "logout", "pause", "resume", "wrapdone"})


def agent_of_channel(channel: str) -> AgentId:
    """Return the endpoint's name of a channel: `PJSIP/anna-0000002a` → `anna`."""
    return AgentId(channel.partition("/")[2].rpartition("-")[0])


def decide(action: str, agent: AgentId, known: Container[AgentId]) -> str:
    """Return the verdict: `ok`, or `refused` for a foreign action or an unknown person."""
    return "ok" if action in ACTIONS and agent in known else "refused"


@dataclass(frozen=True, slots=True)
class FeatureQuestion:
    """The shell: arguments are the action and the agent; without one the calling endpoint is meant."""

    known: Callable[[], Container[AgentId]]

    async def __call__(self, session: AgiSession) -> None:
        """Answer one session."""
        agent = AgentId(argument(session, 2)) or agent_of_channel(session.request.get("agi_channel", ""))
        verdict = decide(argument(session, 1), agent, self.known())
        if verdict == "ok":
            await session.set(var.ACD_AGENT, agent)
        await session.set(var.ACD_VERDICT, verdict)
