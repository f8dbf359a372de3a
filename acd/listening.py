"""A port taken before the program that serves it is loaded: who cannot have it says so at the start.

A port that is bound and not yet listening refuses connections at once, as a daemon that does not run does.
"""

from __future__ import annotations

import socket

from acd.ports import PortError


def take(what: str, host: str, port: int) -> socket.socket:
    """Bind a TCP port, 0 for a free one; listening is the server's.

    Args:
        what: who wants it, as the message names it.
        host: an address, IPv4 or IPv6.
        port: 0 to 65535.

    Raises:
        PortError: it is taken, or not ours to take (retryable).
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as problem:
        sock.close()
        raise PortError(f"{what} cannot listen on {host}:{port}: {problem}", retryable=True) from None
    sock.setblocking(False)  # noqa: FBT003 - the library's signature
    return sock
