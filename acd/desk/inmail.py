"""What a mail that came back to the desk says: it bounced, it is late, somebody answered, or a machine did.

Read by the standard `email` package; delivery status notifications are RFC 3464, with the headers older mail
servers use instead. Nothing in a mail is believed but the signed reference in our own Message-ID (the caller checks it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import parseaddr
from enum import Enum
from typing import Final

MAX_BYTES: Final = 1_048_576
"""A longer mail is read up to here: bounces and answers are short."""
MAX_LINES: Final = 20_000
MAX_FIELD: Final = 6_000
"""Bytes of one header field with its folded lines; lines of the text that look like one count as well."""
_FIELD: Final = re.compile(rb"[!-9;-~]{1,76}:")
MAX_PARTS: Final = 40
MAX_TEXT: Final = 1_500
REFERENCE: Final = re.compile(r"<([0-9A-Za-z_-]{1,64}\.[0-9a-f]{32})@[^\s<>]{1,255}>")
"""Our own Message-ID: thing, dot, signature."""
QUOTE: Final = re.compile(
    r"^\s*(>|-{2,}\s*(original|forwarded|исходное)|(on|от|am|le)\b.{0,200}(wrote|пишет|написал\w*):\s*$)",
    re.IGNORECASE,
)
"""Where what the writer himself said ends."""
FAILED: Final = frozenset({"failed"})
HARMLESS: Final = frozenset({"delivered", "relayed", "expanded"})


class Kind(Enum):
    """What a mail is."""

    BOUNCE = "bounce"
    """It could not be delivered and never will be."""
    DELAYED = "delayed"
    """The mail server still tries."""
    DELIVERED = "delivered"
    REPLY = "reply"
    """A person answered."""
    AUTOMATIC = "automatic"
    """An absence note or another machine's words: nobody has read anything."""
    OTHER = "other"
    """It speaks of no mail of ours."""


@dataclass(frozen=True, slots=True)
class InMail:
    """A mail as far as the desk understands it."""

    kind: Kind
    references: tuple[str, ...] = ()
    """Signed references of mails of ours it speaks of, the nearest first. Not yet checked."""
    sender: str = ""
    recipient: str = ""
    """Of a bounce: who could not be reached."""
    status: str = ""
    """Of a bounce: enhanced status code such as 5.1.1."""
    detail: str = ""
    text: str = ""
    """Of a reply: the writer's own words without what he quotes."""


def too_costly(raw: bytes) -> bool:
    """Return whether the standard parser's work would be out of proportion to the mail.

    It is quadratic in nesting and in the length of one field: a megabyte of nested parts cost it 18 s. Honest mail
    has lines of at most 998 bytes (RFC 5322, 2.1.1) and few parts.
    """
    if raw.count(b"\n") > MAX_LINES or raw.lower().count(b"multipart/") > MAX_PARTS:
        return True
    length = 0
    for line in raw.split(b"\n"):
        if line[:1] in {b" ", b"\t"}:
            length += len(line) if length else 0
        else:
            length = len(line) if _FIELD.match(line) else 0
        if length > MAX_FIELD:
            return True
    return False


def read(raw: bytes) -> InMail:
    """Return what a mail says. Never raises: what cannot be read, or only at great cost, is OTHER."""
    raw = raw[:MAX_BYTES]
    if too_costly(raw):
        return InMail(Kind.OTHER)
    try:
        mail = message_from_bytes(raw, policy=policy.default)
        return _read(mail)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError):
        return InMail(Kind.OTHER)  # the parser's own errors on hostile structure


def _read(mail: EmailMessage) -> InMail:
    sender = parseaddr(_header(mail, "From"))[1][:254]
    if mail.get_content_type() == "multipart/report":
        report = _report(mail, sender)
        if report is not None:
            return report
    failed = _header(mail, "X-Failed-Recipients")
    if failed:
        found = _references(_text(mail), _header(mail, "In-Reply-To"), _header(mail, "References"))
        return InMail(
            Kind.BOUNCE, found, sender, parseaddr(failed)[1][:254], "5.0.0", "mail server's own form"
        )
    found = _references(_header(mail, "In-Reply-To"), _header(mail, "References"))
    if not found:
        return InMail(Kind.OTHER, sender=sender)
    if _is_automatic(mail, sender):
        return InMail(Kind.AUTOMATIC, found, sender, detail=_line(_header(mail, "Subject")))
    return InMail(Kind.REPLY, found, sender, text=_own_words(_text(mail)))


def _header(mail: Message, name: str) -> str:
    return str(mail.get(name, ""))[:8_000]


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def _references(*texts: str) -> tuple[str, ...]:
    """In-Reply-To first, then References from its end: the nearest mail is named last there (RFC 5322)."""
    found: dict[str, None] = {}
    for text in texts:
        for reference in reversed(REFERENCE.findall(text)):
            found.setdefault(reference)
    return tuple(found)[:10]


def _is_automatic(mail: Message, sender: str) -> bool:
    """RFC 3834 and the headers in use before it; the null return path is never a person's."""
    said = _header(mail, "Auto-Submitted").strip().lower()
    return (
        (said not in {"", "no"})
        or _header(mail, "Precedence").strip().lower() in {"bulk", "junk", "list", "auto_reply"}
        or any(name in mail for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress"))
        or _header(mail, "Return-Path").strip() == "<>"
        or sender.lower().startswith(("mailer-daemon@", "postmaster@", "noreply@", "no-reply@"))
        or not sender
    )


def _parts(mail: Message) -> list[Message]:
    found = []
    for part in mail.walk():
        found.append(part)
        if len(found) >= MAX_PARTS:
            break
    return found


def _report(mail: Message, sender: str) -> InMail | None:
    """A delivery status notification; None for another kind of report."""
    groups: list[Message] = []
    original = ""
    for part in _parts(mail):
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            groups = [group for group in part.get_payload() if isinstance(group, Message)]
        elif kind == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                original = original or _header(inner[0], "Message-ID")
        elif kind == "text/rfc822-headers":
            original = original or _body(part)
    if not groups:
        return None
    found = _references(original, _header(mail, "In-Reply-To"), _header(mail, "References"))
    told = [group for group in groups if "Action" in group]
    actions = [_header(group, "Action").strip().lower() for group in told]
    worst = next((group for group, action in zip(told, actions, strict=True) if action in FAILED), None)
    shown = worst or (told[0] if told else groups[0])
    recipient = (
        _header(shown, "Final-Recipient").rpartition(";")[2].strip()
        or _header(shown, "Original-Recipient").rpartition(";")[2].strip()
    )
    kind_ = Kind.BOUNCE if worst is not None else Kind.DELIVERED if set(actions) <= HARMLESS else Kind.DELAYED
    detail = _line(_header(shown, "Diagnostic-Code").partition(";")[2] or _header(shown, "Action"))
    return InMail(kind_, found, sender, _line(recipient)[:254], _line(_header(shown, "Status"))[:20], detail)


def _body(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return payload[:65_536].decode(_charset(part), "replace")


def _charset(part: Message) -> str:
    name = part.get_content_charset("utf-8")
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return "utf-8"
    return name


def _text(mail: Message) -> str:
    return next((_body(part) for part in _parts(mail) if part.get_content_type() == "text/plain"), "")


def _own_words(text: str) -> str:
    """Return what stands above the quotation; control characters never."""
    kept: list[str] = []
    for line in text[: MAX_TEXT * 8].splitlines():
        if QUOTE.match(line) or line.rstrip() == "--":
            break
        kept.append("".join(c for c in line if c.isprintable() or c == "\t"))
    return "\n".join(kept).strip()[:MAX_TEXT]
