"""A caller at the door whose question nobody answered, second by second: as `acd-wait,unasked` in dialplan/20-queue.conf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TURN_S: Final = 1.0
AGAIN_S: Final = 3
"""Seconds after which the question is asked again while the daemon's heart beats."""
BACK_S: Final = 2
"""Seconds without a beat after which the next beat means: the daemon is back, ask at once."""
GONE_S: Final = 9
"""Seconds without a beat after which the fallback takes the call."""
LONGEST_S: Final = 12
"""Seconds at the door after which the fallback takes the call, whatever beats."""

ASK: Final = ("acd-in", "ask")


@dataclass(slots=True)
class Doorstep:
    """What the dialplan's channel variables remember of this caller, over all his questions."""

    at_door_s: int = 0
    away_s: int = 0
    asked_ago_s: int = 0
    seen: str = ""

    def asked(self, beat: str) -> None:
        """The question has just been asked in vain."""
        self.asked_ago_s, self.seen = 0, beat

    def turn(self, beat: str) -> tuple[str, str] | None:
        """One second has gone; return (context, extension) where the caller goes, None: he waits on."""
        self.at_door_s += 1
        self.asked_ago_s += 1
        if beat == self.seen:
            self.away_s += 1
            return ("acd-fallback", "heartbeat") if self.away_s >= GONE_S else None
        if self.at_door_s >= LONGEST_S:
            return ("acd-fallback", "verdict")
        self.seen = beat
        away_s, self.away_s = self.away_s, 0
        return ASK if away_s >= BACK_S or self.asked_ago_s >= AGAIN_S else None
