"""Links in messages: signed, so that nobody can guess another's. They acknowledge a message or show a case."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

KINDS = ("m", "case", "firm", "mail")
"""m: acknowledge a delivery; case: a client's state page; firm: a subscriber's own page; mail: a mail's Message-ID."""
MAC_LENGTH = 32
MAX_TOKEN = 120


def read_secret(path: Path) -> bytes:
    """Return the signing key, made once with mode 0600."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        key = secrets.token_bytes(32)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key)
        return key


class Links:
    """Makes and reads tokens."""

    def __init__(self, key: bytes, base_url: str) -> None:
        self._key, self._base = key, base_url.rstrip("/")

    def _mac(self, kind: str, thing: str) -> str:
        return hmac.new(self._key, f"{kind}\0{thing}".encode(), hashlib.sha256).hexdigest()[:MAC_LENGTH]

    def token(self, kind: str, thing: str) -> str:
        """Return the signed name of a thing."""
        return f"{thing}.{self._mac(kind, thing)}"

    def url(self, kind: str, thing: str) -> str:
        """Return the address of a thing."""
        return f"{self._base}/{kind}/{self.token(kind, thing)}"

    def read(self, kind: str, token: str) -> str | None:
        """Return what a token stands for; None for one that is not ours."""
        thing, _, mac = token[:MAX_TOKEN].rpartition(".")
        good = hmac.compare_digest(mac.encode(), self._mac(kind, thing).encode())
        return thing if good and thing else None
