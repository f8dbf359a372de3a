"""Channels of the stand-in and the headers every channel event carries."""

from __future__ import annotations

from dataclasses import dataclass, field

STATES = {"Down": "0", "Ring": "4", "Ringing": "5", "Up": "6"}


@dataclass(slots=True)
class Channel:
    """One leg. `context` and `exten` are where the dialplan stands."""

    name: str
    uniqueid: str
    linkedid: str
    caller_num: str = ""
    caller_name: str = ""
    context: str = "from-trunk"
    exten: str = "s"
    state: str = "Down"
    variables: dict[str, str] = field(default_factory=dict)

    def headers(self, prefix: str = "") -> list[tuple[str, str]]:
        """Return the snapshot headers in Asterisk's order and spelling."""
        pairs = [
            ("Channel", self.name),
            ("ChannelState", STATES[self.state]),
            ("ChannelStateDesc", self.state),
            ("CallerIDNum", self.caller_num or "<unknown>"),
            ("CallerIDName", printable(self.caller_name) or "<unknown>"),
            ("ConnectedLineNum", "<unknown>"),
            ("ConnectedLineName", "<unknown>"),
            ("Language", "en"),
            ("AccountCode", ""),
            ("Context", self.context),
            ("Exten", self.exten),
            ("Priority", "1"),
            ("Uniqueid", self.uniqueid),
            ("Linkedid", self.linkedid),
        ]
        return [(prefix + name, value) for name, value in pairs]


def printable(text: str) -> str:
    """Escape control characters as Asterisk escapes caller names in events."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:250]
