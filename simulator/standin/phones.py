"""An agent's telephone as the stand-in knows it: how long it rings, whether it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Phone:
    """One agent's phone. Durations in seconds."""

    agent: str
    endpoint: str
    """The device name, `PJSIP/<endpoint>`."""
    answer_after_s: float | None = 0.5
    """None: rings and never answers."""
    dial_status: str = ""
    """BUSY or CHANUNAVAIL: refused at once; empty: rings."""
    talk_s: float | None = None
    """How long until the agent hangs up; None: the caller's talk time decides."""
    registered: bool = True
    in_use: int = 0

    @property
    def device_state(self) -> str:
        """Asterisk's word for the device."""
        if not self.registered:
            return "UNAVAILABLE"
        return "INUSE" if self.in_use else "NOT_INUSE"
