"""SMS by SMPP 3.4 against a message centre on loopback: parts in Cyrillic, refusals, a lost answer (000-15)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.adapters.smpp import MAX_PARTS, SmppCourier, SmppSettings, parts
from acd.ports import Parcel, PortError
from tests.adapters.smsc import Smsc

LONG = "Клиент просит перезвонить по договору поставки. 😀 " * 4


def parcel(text: str = "Перезвоните", to: str = "+7 916 000-11-01", key: str = "c1:1:sms:x:0") -> Parcel:
    return Parcel(key, to, "subject", text)


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    centre = await Smsc().start()
    yield centre
    await centre.stop()


def courier(smsc: Smsc, password: str = "pw") -> SmppCourier:
    return SmppCourier(SmppSettings("127.0.0.1", smsc.port, "desk", password, source="Konsul", timeout_s=3.0))


async def test_a_short_cyrillic_message_is_one_part(smsc: Smsc) -> None:
    await courier(smsc).send(parcel())
    (one,) = smsc.taken
    assert (one.text, one.to, one.source, one.coding, one.esm_class) == (
        "Перезвоните", "79160001101", "Konsul", 8, 0,
    )  # fmt: skip


async def test_a_long_one_comes_in_parts_that_make_the_whole_again(smsc: Smsc) -> None:
    smsc.moods = ["ask"]
    await courier(smsc).send(parcel(LONG))
    assert len(smsc.taken) > 1
    assert smsc.binds == 1
    assert "".join(one.text for one in smsc.taken) == LONG
    assert [one.part[1:] for one in smsc.taken] == [(len(smsc.taken), n + 1) for n in range(len(smsc.taken))]
    assert len({one.part[0] for one in smsc.taken}) == 1


async def test_latin_goes_in_the_default_alphabet(smsc: Smsc) -> None:
    await courier(smsc).send(parcel("Please call back, card 10234"))
    assert (smsc.taken[0].coding, smsc.taken[0].text) == (0, "Please call back, card 10234")


@pytest.mark.parametrize(
    ("mood", "retryable"), [("0x58", True), ("0x14", True), ("0xb", False), ("drop", True)]
)
async def test_a_refusal_says_whether_it_is_worth_trying_again(
    smsc: Smsc, mood: str, *, retryable: bool
) -> None:
    smsc.moods = [mood]
    with pytest.raises(PortError) as refused:
        await courier(smsc).send(parcel())
    assert refused.value.retryable is retryable


async def test_a_lost_answer_sends_the_same_parts_with_the_same_reference(smsc: Smsc) -> None:
    """SMPP has no idempotency key: this is all a sender can do, and the documentation says so."""
    smsc.moods = ["", "drop"]
    with pytest.raises(PortError):
        await courier(smsc).send(parcel(LONG))
    first = list(smsc.taken)
    smsc.taken.clear()
    await courier(smsc).send(parcel(LONG))
    assert smsc.taken[: len(first)] == first


async def test_a_wrong_password_and_a_centre_that_is_not_there_are_tried_again(smsc: Smsc) -> None:
    with pytest.raises(PortError, match="refused") as refused:
        await courier(smsc, "wrong").send(parcel())
    assert refused.value.retryable
    await smsc.stop()
    with pytest.raises(PortError) as gone:
        await courier(smsc).send(parcel())
    assert gone.value.retryable


@pytest.mark.parametrize("to", ["", "112", "a@x.example", "+7916000110100000", "7916\r\n0001"])
async def test_what_is_no_number_is_never_sent(smsc: Smsc, to: str) -> None:
    with pytest.raises(PortError) as refused:
        await courier(smsc).send(parcel(to=to))
    assert not refused.value.retryable
    assert not smsc.binds


@given(st.text(max_size=900), st.text(max_size=20))
def test_parts_fit_and_join_whatever_the_text(text: str, key: str) -> None:
    pieces, coding, esm_class = parts(text, key)
    assert len(pieces) <= MAX_PARTS
    whole = text.encode("utf-8", "replace").decode()
    bodies = [piece[6:] if esm_class else piece for piece in pieces]
    joined = "".join(body.decode("utf-16-be" if coding == 8 else "ascii") for body in bodies)
    assert whole.startswith(joined)
    assert len(pieces) == MAX_PARTS or joined == whole
    assert all(len(piece) <= (140 if coding == 8 else 160) for piece in pieces)
