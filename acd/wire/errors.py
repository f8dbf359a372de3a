"""The two faults a wire module can report: ours and the peer's. Nothing else leaves `acd.wire`."""

from __future__ import annotations


class ProtocolError(Exception):
    """Base of both faults; catch it only where the link is closed anyway."""


class LocalProtocolError(ProtocolError):
    """We were about to send something that would not mean what we meant. Nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer does not speak the protocol; the link is of no more use."""
