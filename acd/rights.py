"""Who may read and write which MQTT topic. Pure; the embedded broker asks, other brokers get an ACL file."""

from __future__ import annotations

from acd import topics
from acd.credentials import Principal, Role


class Rights:
    """Who may read and write what. Pure."""

    def __init__(self, principals: tuple[Principal, ...]) -> None:
        self.principals = {p.name: p for p in principals}

    def role(self, user: str | None) -> Role | None:
        """Return the user's role, None when unknown."""
        principal = self.principals.get(user or "")
        return principal.role if principal else None

    def may_write(self, user: str | None, topic: str) -> bool:
        """The router writes everything of ours; an agent its own command and presence; nobody else writes."""
        match self.role(user):
            case Role.ROUTER:
                return topic.startswith(topics.ROOT + "/")
            case Role.AGENT:
                return topic in (topics.agent_topic(str(user), leaf) for leaf in ("command", "presence"))
            case _:
                return False

    def may_read(self, user: str | None, topic: str) -> bool:
        """Also asked for filters: only a filter that lies wholly inside the rights passes."""
        match self.role(user):
            case Role.ROUTER:
                return topic.startswith(topics.ROOT + "/")
            case Role.AGENT:
                # A closed list, so that nobody fills our memory with subscriptions to invented topics.
                return topic in (topics.agent_topic(str(user), leaf) for leaf in ("pop", "state", "#", "+"))
            case Role.SUPERVISOR | Role.VIEWER:
                return topic in (topics.SNAPSHOT, topics.STATUS)
            case _:
                return False
