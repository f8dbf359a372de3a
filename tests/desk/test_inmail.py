"""What a mail that came back says: bounces by RFC 3464 and older habits, answers, machines, hostile ones (000-11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.desk.inmail import MAX_FIELD, MAX_TEXT, InMail, Kind, read, too_costly
from tests.adapters.mail_help import bounce, reply

REFERENCE = f"17.{'a' * 32}"
OURS = f"<{REFERENCE}@centre.example>"


def test_a_bounce_names_our_mail_the_address_and_the_reason() -> None:
    found = read(bounce(OURS, "ann@law.example"))
    assert (found.kind, found.references, found.recipient, found.status) == (
        Kind.BOUNCE, (REFERENCE,), "ann@law.example", "5.1.1",
    )  # fmt: skip
    assert "User unknown" in found.detail


@pytest.mark.parametrize(
    ("action", "kind"),
    [("delayed", Kind.DELAYED), ("delivered", Kind.DELIVERED), ("relayed", Kind.DELIVERED)],
)
def test_a_late_mail_and_a_receipt_are_no_bounce(action: str, kind: Kind) -> None:
    assert read(bounce(OURS, "ann@law.example", action, "4.4.1")).kind is kind


def test_headers_alone_of_the_original_are_enough() -> None:
    raw = bounce(OURS, "ann@law.example").replace(b"message/rfc822", b"text/rfc822-headers")
    assert read(raw).references == (REFERENCE,)


def test_the_older_form_without_a_report() -> None:
    raw = f"From: Mailer-Daemon@x.example\r\nX-Failed-Recipients: ann@law.example\r\n\r\n{OURS}\r\n".encode()
    assert read(raw) == InMail(
        Kind.BOUNCE, (REFERENCE,), "Mailer-Daemon@x.example", "ann@law.example", "5.0.0",
        "mail server's own form",
    )  # fmt: skip


def test_an_answer_is_the_writers_own_words() -> None:
    found = read(reply(OURS, "ann@law.example"))
    assert (found.kind, found.sender, found.text) == (Kind.REPLY, "ann@law.example", "Принял, перезвоню.")


@pytest.mark.parametrize(
    "extra",
    [
        "Auto-Submitted: auto-replied\n", "Precedence: bulk\n", "X-Autoreply: yes\n", "Return-Path: <>\n",
        "X-Auto-Response-Suppress: All\n",
    ],
)  # fmt: skip
def test_a_machine_has_read_nothing(extra: str) -> None:
    """An absence note must not acknowledge an urgent message."""
    assert read(reply(OURS, "ann@law.example", extra=extra)).kind is Kind.AUTOMATIC


def test_what_speaks_of_no_mail_of_ours_is_put_aside() -> None:
    assert read(reply("<other@x.example>", "ann@law.example")).kind is Kind.OTHER
    assert read(b"").kind is Kind.OTHER


def test_a_long_or_hostile_answer_is_bounded_and_has_no_control_characters() -> None:
    found = read(reply(OURS, "ann@law.example", "a\x1b[31m\x00" + "x" * 100_000))
    assert found.kind is Kind.REPLY
    assert len(found.text) <= MAX_TEXT
    assert "\x1b" not in found.text


@pytest.mark.parametrize("depth", [200, 3_000])
def test_parts_within_parts_do_not_break_it(depth: int) -> None:
    nested = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(depth)
    )
    assert read(("From: x@y.example\r\n" + nested).encode()).kind in set(Kind)


@pytest.mark.slow
@given(
    st.binary(max_size=400),
    st.sampled_from([bounce(OURS, "a@b.example"), reply(OURS, "a@b.example")]),
    st.integers(0, 900),
)
def test_no_bytes_raise(junk: bytes, base: bytes, at: int) -> None:
    assert read(base[:at] + junk + base[at:]).kind in set(Kind)


NESTED = (
    b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(240))
    + b"\r\n" * 10_000
)


@pytest.mark.parametrize(
    "raw",
    [
        NESTED,
        b"Content-Type: text/plain; " + b"a=b;" * 25_000 + b"\r\n\r\n",
        b"Content-Type: text/plain;\r\n" + b" a=b;\r\n" * 2_000 + b"\r\n",
        b"From: " + b"a@b.example, " * 6_000 + b"\r\n\r\nhello",
        b"\n" * 500_000,
    ],
    ids=["nested", "parameters", "folded", "from", "lines"],
)
def test_what_would_cost_the_parser_seconds_is_not_read(raw):
    """A megabyte of nested parts held the standard parser for 18 s: anybody may send one."""
    assert too_costly(raw)
    assert read(raw) == InMail(Kind.OTHER)


def test_an_honest_long_mail_is_read():
    raw = (
        b"From: a@b.example\r\nReferences: " + b"<x@y.example>\r\n " * 100 + b"\r\n\r\n" + b"text\r\n" * 5_000
    )
    assert not too_costly(raw)
    assert not too_costly(b"Subject: " + b"a" * (MAX_FIELD - 9))
