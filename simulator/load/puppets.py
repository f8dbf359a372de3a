"""SIPp processes whose calls wait at every step for a word of ours: what they log, and how a call is told to go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulator.lab.sipp import SippProcess, events_of
from simulator.load.growing import Growing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
LONGEST_S = 7_200


class Puppets(SippProcess):
    """One SIPp process that is moved from here, and what is new in its log."""

    def __init__(self, scenario: str, host: str, sip_port: int, folder: Path, *, port: int = 0) -> None:
        super().__init__(HERE / scenario, host=host, port=port, sip_port=sip_port, folder=folder)
        self._events = Growing(self.log)
        self.talk_at = host, self.media_port
        """Where the sound of its calls is wanted: its own port, where nobody listens, or our media end's."""

    def start(self, lines: Sequence[str] = (), *options: str) -> None:
        """Begin. Raises SippError when SIPp is not installed."""
        host, port = self.talk_at
        self.launch(lines, LONGEST_S, "-key", "talk_ip", host, "-key", "talk_port", str(port), *options)

    def news(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Yield (event, fields, epoch seconds) of every whole line written since the last time."""
        yield from events_of(line.decode("utf-8", "replace") for line in self._events.lines())


def command(method: str, puppets: Puppets, call_id: str, serial: int) -> bytes:
    """Return the request that moves one call of a SIPp: MESSAGE = answer, INFO = hang up or refuse."""
    return (
        f"{method} sip:puppet@{puppets.host}:{puppets.port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKload{serial}\r\n"
        f"From: <sip:load@127.0.0.1>;tag=load{serial}\r\nTo: <sip:puppet@{puppets.host}>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {serial} {method}\r\nMax-Forwards: 1\r\nContent-Length: 0\r\n\r\n"
    ).encode("ascii")
