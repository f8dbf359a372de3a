"""E-mail by SMTP. The same parcel always has the same Message-ID, so a doubled one is recognised as such.

A reply lost after DATA cannot be told from a refusal: the parcel is sent again, with its old Message-ID.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, Literal

import aiosmtplib

from acd.ports import PortError

if TYPE_CHECKING:
    from acd.ports import Clock, Parcel

ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,253}")
PERMANENT: Final = range(500, 600)


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where mail leaves, and in whose name."""

    host: str = "127.0.0.1"
    port: int = 25
    encryption: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = "desk@localhost"
    timeout_s: float = 20.0
    bounces: str = ""
    """Where mail servers send what they could not deliver (Return-Path); empty: to the sender."""


def header(text: str, most: int = 200) -> str:
    """Return a text fit for a header: one line, no control characters; nobody's subject adds a recipient."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:most]


def compose(parcel: Parcel, sender: str, now_ms: int) -> EmailMessage:
    """Build the mail. Raises PortError (final) for an address that is none."""
    if not ADDRESS.fullmatch(parcel.recipient):
        raise PortError("not one mail address", retryable=False)
    message = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    digest = hashlib.sha256(parcel.key.encode("utf-8", "replace")).hexdigest()[:40]
    try:
        message["Message-ID"] = f"<{parcel.reference or digest}@{domain}>"
        message["Date"] = formatdate(now_ms / 1000)
        message["From"] = sender
        message["To"] = parcel.recipient
        message["Subject"] = header(parcel.subject)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(parcel.text.encode("utf-8", "replace").decode(), charset="utf-8")
    except (ValueError, IndexError, LookupError) as error:
        raise PortError(f"no mail can be made of it: {error}", retryable=False) from error
    return message


class SmtpCourier:
    """Sends one mail per connection; the mail server beside us is near."""

    def __init__(self, settings: SmtpSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    async def send(self, parcel: Parcel) -> None:
        """Hand the mail to the server. Raises PortError; only a recipient refused for good is final."""
        s = self._settings
        message = compose(parcel, s.sender, self._clock.now())
        try:
            await aiosmtplib.send(
                message,
                sender=s.bounces or s.sender,
                hostname=s.host,
                port=s.port,
                username=s.user or None,
                password=s.password or None,
                use_tls=s.encryption == "tls",
                start_tls=s.encryption == "starttls",
                timeout=s.timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            first = refused.recipients[0]
            final = first.code in PERMANENT
            raise PortError(f"{first.code} {header(first.message)}", retryable=not final) from refused
        except aiosmtplib.SMTPResponseException as refused:
            raise PortError(f"{refused.code} {header(refused.message)}", retryable=True) from refused
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise PortError(f"{type(error).__name__}: {header(str(error))}", retryable=True) from error
