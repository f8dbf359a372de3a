"""Phones in the agents' page: which agent has one, and his SIP password. Part of the composition root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from acd.config.strict_yaml import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.config.loading import Config
    from acd.core.ids import AgentId

log = structlog.get_logger("acd.deskside.phones")


class WebPhones:
    """Answers for `GET /agents/{agent}/phone`. Configuration and secret are read anew each time."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config

    @property
    def websocket(self) -> str:
        """Asterisk's own WebSocket, on loopback."""
        return self._config().tree.asterisk.websocket

    def password(self, agent: AgentId) -> str | None:
        """Return the SIP password, None when the agent has no phone in the page or it cannot be read."""
        config = self._config()
        entry = config.tree.agents.get(agent)
        if entry is None or entry.webphone is None:
            return None
        try:
            return config.secret(entry.webphone, f"agents.{agent}.webphone").get_secret_value()
        except ConfigError as unreadable:
            log.warning("webphone_secret_unreadable", agent=agent, why=str(unreadable))
            return None

    def endpoint(self, agent: AgentId) -> str:
        """Return the PJSIP endpoint of the agent's device."""
        return self._config().dial(agent).partition("&")[0].removeprefix("PJSIP/")
