"""Bounces fetched from a mailbox: each taken once, and left unseen until it was stored (000-11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from acd.adapters import imap
from acd.adapters.imap import ImapSettings, Mailbox
from acd.ports import PortError
from tests.adapters.imap_help import ImapServer


class Taker:
    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.refuse_at = -1

    async def __call__(self, raw: bytes) -> str:
        if len(self.taken) == self.refuse_at:
            raise PortError("full", retryable=True)
        self.taken.append(raw)
        return "bounce"


@pytest.fixture
async def server() -> AsyncIterator[ImapServer]:
    mailbox = await ImapServer(mails={7: b"Subject: a\r\n\r\none", 8: b"Subject: b\r\n\r\ntwo"}).start()
    yield mailbox
    await mailbox.stop()


def mailbox(server: ImapServer, taker: Taker, password: str = "pw") -> Mailbox:
    return Mailbox(ImapSettings("127.0.0.1", server.port, "none", "desk", password), taker)


async def test_each_mail_is_taken_once(server: ImapServer) -> None:
    taker = Taker()
    assert await mailbox(server, taker).look() == 2
    assert await mailbox(server, taker).look() == 0
    assert taker.taken == list(server.mails.values())
    assert server.seen == {7, 8}


async def test_a_store_that_refuses_leaves_the_mail_unseen(server: ImapServer) -> None:
    taker = Taker()
    taker.refuse_at = 1
    with pytest.raises(PortError, match="full"):
        await mailbox(server, taker).look()
    assert server.seen == {7}
    taker.refuse_at = -1
    assert await mailbox(server, taker).look() == 1
    assert len(taker.taken) == 2


@pytest.mark.parametrize("at", ["LOGIN", "SELECT", "UID SEARCH", "UID FETCH", "UID STORE"])
async def test_a_connection_that_breaks_is_trouble_in_words_and_nothing_more(
    server: ImapServer, at: str
) -> None:
    server.drop_at = at
    with pytest.raises(PortError) as broken:
        await mailbox(server, Taker()).look()
    assert broken.value.retryable
    assert str(broken.value)


async def test_a_wrong_password_says_so(server: ImapServer) -> None:
    with pytest.raises(PortError, match="LoginError"):
        await mailbox(server, Taker(), "wrong").look()


@pytest.mark.parametrize("said", [b"NIL", b"99999999999", b"(a (b c))", b'""', b"1 BODY[]<0> 2"])
async def test_a_server_without_this_mail_ends_nothing(server: ImapServer, said: bytes) -> None:
    """NIL is a lawful answer for a mail that is gone: it ended the whole daemon. A number was taken for a length."""
    server.says_for_body = said
    taker = Taker()
    assert await mailbox(server, taker).look() == 2
    assert taker.taken == [b"", b""]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["CAPABILITY", "LOGIN", "UID SEARCH", "UID FETCH"])
@pytest.mark.parametrize("how", ["endless", "drip", "giant"])
async def test_a_look_has_an_end_and_a_size(
    server: ImapServer, at: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that never comes to an end would hold a thread and fill the memory."""
    monkeypatch.setattr(imap, "LOOK_S", 0.6)
    monkeypatch.setattr(imap, "LOOK_BYTES", 200_000)
    server.torments = (at, how)
    with pytest.raises(PortError):
        async with asyncio.timeout(5):
            await mailbox(server, Taker()).look()
