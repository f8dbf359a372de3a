"""The media end of a load run: one process, one socket, all legs' sound. Started by `speech.py`; not for the shell.

SIPp signals and this process speaks: SIPp counts packets of all calls together and knows not whose they are, and it
cannot press a key within its stream (decision 0210). Every leg has the same local address; Asterisk's port tells them apart.

Orders come line by line on standard input: `begin LEG PORT SPEAKS`, `press LEG KEY`, `end LEG`. What a leg heard goes
out as one line of JSON when it ends. The end of the input is the end of the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import sys
import time

from simulator.load.voice import FRAME_MS, Mouth

HOST = "127.0.0.1"
BUFFER = 8 << 20
"""Bytes of socket buffer: half a second of a thousand legs."""
MOST_AT_ONCE = 500
"""Packets taken in before the clock is looked at again."""
SO_RCVBUFFORCE = 33
"""socket(7): past the system's limit, for root."""


class MediaEnd:
    """All legs' sound on one socket, paced by one clock."""

    def __init__(self, port: int, orders: int, out: int) -> None:
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._wire.bind((HOST, port))
        self._wire.settimeout(0)
        self._wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        with contextlib.suppress(OSError):
            self._wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._orders, self._out = orders, out
        self._rest = b""
        self._legs: dict[int, Mouth] = {}
        self._by_port: dict[int, Mouth] = {}
        self.missed = 0
        """Turns of 20 ms that were passed over: this process had no core."""

    def run(self) -> None:
        """Work until the orders end."""
        selector = selectors.DefaultSelector()
        selector.register(self._wire, selectors.EVENT_READ)
        selector.register(self._orders, selectors.EVENT_READ)
        step = FRAME_MS / 1000
        due = time.monotonic() + step
        while True:
            for key, _ in selector.select(max(0.0, due - time.monotonic())):
                if key.fileobj is self._wire:
                    self._drain()
                elif not self._obey():
                    return
            now = time.monotonic()
            if now >= due:
                self._tick()
                due += step
                if now - due > 1:  # far behind: a phone does not send a second of speech at once
                    self.missed += int((now - due) / step)
                    due = now + step

    def _tick(self) -> None:
        send = self._wire.sendto
        for leg in self._legs.values():
            for packet in leg.tick():
                with contextlib.suppress(
                    OSError
                ):  # a full buffer or a closed port: the frame is lost, as on a wire
                    send(packet, (HOST, leg.port))

    def _drain(self) -> None:
        take, legs = self._wire.recvfrom, self._by_port
        for _ in range(MOST_AT_ONCE):
            try:
                packet, address = take(2048)
            except OSError:  # nothing left
                return
            leg = legs.get(address[1])
            if leg is not None:
                leg.hear(packet)

    def _obey(self) -> bool:
        data = os.read(self._orders, 65_536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            words = line.decode("ascii").split()
            if words[0] == "begin":
                leg = Mouth(int(words[1]), int(words[2]), words[3] == "1")
                self._legs[leg.leg] = self._by_port[leg.port] = leg
            elif words[0] == "press" and int(words[1]) in self._legs:
                self._legs[int(words[1])].hold_down(words[2])
            elif words[0] == "end":
                self._drain()  # what was said before
                self._end(int(words[1]))
        return bool(data)

    def _end(self, number: int) -> None:
        leg = self._legs.pop(number, None)
        if leg is None:
            return
        if self._by_port.get(leg.port) is leg:
            del self._by_port[leg.port]
        heard = {who: [one.frames, one.missing] for who, one in leg.heard.items()}
        story = {"leg": number, "sent": leg.sent, "other": leg.other, "heard": heard, "missed": self.missed}
        os.write(self._out, json.dumps(story).encode() + b"\n")


if __name__ == "__main__":
    MediaEnd(int(sys.argv[1]), sys.stdin.fileno(), sys.stdout.fileno()).run()
