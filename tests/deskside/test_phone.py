"""The channel `call`: rung, taken by a key, passed on, or nobody there: then the next person (000-11, 002-17)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from acd.adapters.asterisk.link import NoAnswer
from acd.adapters.asterisk.originate import PersonOrder, _person_headers
from acd.desk.delivery import Rule
from acd.desk.oncall import Person
from acd.desk.operations import Operation
from acd.deskside import phone
from acd.deskside.phone import PhoneCourier
from acd.ports import PortError
from agi_scripts._session import CallerGone
from tests.agi_scripts.fake_session import FakeSession
from tests.deskside.delivery_rig import FIRM, Rig, rig

__all__ = ["rig"]

PEOPLE = {
    "ann": Person("ann", "Ann", phone="+79160001101"),
    "bob": Person("bob", "Bob", phone="+79160001102"),
}
CALLS = replace(
    FIRM, people=PEOPLE, deliver=(Rule("on_call:duty", by="call", acknowledge_ms=60_000, rounds=1),)
)


@dataclass
class Phones:
    """People by number: what they key; None: do not answer."""

    keys: dict[str, str | None]
    rung: list[PersonOrder] = field(default_factory=list)
    failure: PortError | None = None
    talk: Callable[[FakeSession], object] | None = None
    gone: bool = False

    async def ring(self, order: PersonOrder) -> None:
        self.rung.append(order)
        if self.failure is not None and not isinstance(self.failure, NoAnswer):
            raise self.failure
        key = self.keys.get(order.number)
        if key is not None:
            session = FakeSession(order.attempt)
            session.keyed = [key] * 3
            if self.gone:
                session.read_digits = self._hung_up  # type: ignore[method-assign]
            assert self.talk is not None
            self._task = asyncio.ensure_future(self._lead(session))
        if self.failure is not None:
            raise self.failure

    async def _lead(self, session: FakeSession) -> None:
        with contextlib.suppress(CallerGone):
            await self.talk(session)  # type: ignore[misc]

    @staticmethod
    async def _hung_up(*_given: object, **_named: object) -> str:
        raise CallerGone("hung up")


def connect(rig: Rig, phones: Phones) -> PhoneCourier:
    courier = PhoneCourier(rig.store, rig.clock, rig.links, phones, str, 5)
    courier._ring_s = 0
    phones.talk = courier.talk
    rig.couriers["call"] = courier
    rig.use(CALLS)
    return courier


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone, "SLACK_S", 0.2)


async def test_a_key_takes_the_message_and_nobody_else_is_rung(rig: Rig) -> None:
    phones = Phones({"+79160001101": "1"})
    connect(rig, phones)
    await rig.write(urgency="urgent")
    await rig.turn()
    assert await rig.states() == ["acknowledged"]
    await rig.turn(600_000)
    assert [order.number for order in phones.rung] == ["+79160001101"]
    assert phones.rung[0].did == "7011"
    clocks = await rig.clocks()
    assert clocks[Operation.MESSAGE_ACKNOWLEDGED] is clocks[Operation.MESSAGE_DELIVERED] is True


@pytest.mark.parametrize("first", [None, "3", "9"])
async def test_nobody_there_or_passed_on_rings_the_next_person(rig: Rig, first: str | None) -> None:
    phones = Phones({"+79160001101": first, "+79160001102": "2"})
    connect(rig, phones)
    await rig.write()
    await rig.turn()
    await rig.turn()
    assert [order.number for order in phones.rung] == ["+79160001101", "+79160001102"]
    assert await rig.states() == ["settled", "acknowledged"]


async def test_who_hangs_up_without_a_key_has_nothing(rig: Rig) -> None:
    phones = Phones({"+79160001101": "1", "+79160001102": "1"}, gone=True)
    connect(rig, phones)
    await rig.write()
    await rig.turn()
    await rig.turn()
    assert await rig.states() == ["escalated", "undelivered"]
    assert rig.worker.counters["alarms"] == 1


async def test_a_command_in_doubt_waits_for_the_person(rig: Rig) -> None:
    phones = Phones({"+79160001101": "1"}, failure=NoAnswer("no answer in time"))
    connect(rig, phones)
    await rig.write()
    await rig.turn()
    assert await rig.states() == ["acknowledged"]


async def test_a_switch_that_is_away_is_asked_again_and_rings_nobody_twice(rig: Rig) -> None:
    phones = Phones({"+79160001101": "1"}, failure=PortError("not connected", retryable=True))
    connect(rig, phones)
    await rig.write()
    await rig.turn()
    assert await rig.states() == ["waiting"]
    phones.failure = None
    await rig.turn(20_000)
    assert await rig.states() == ["acknowledged"]


async def test_a_strange_question_gets_no_answer(rig: Rig) -> None:
    courier = connect(rig, Phones({}))
    session = FakeSession("0" * 36)
    await courier.talk(session)
    assert session.prompts == []
    assert courier.counters["call_unknown"] == 1


@pytest.mark.parametrize(
    ("number", "did"), [("112", "7011"), ("+7916\r\nAction: x", "7011"), ("+79160001101", "7011,1)")]
)
def test_nothing_else_can_ride_on_the_command(number: str, did: str) -> None:
    with pytest.raises(PortError):
        _person_headers(PersonOrder("0" * 8 + "-0000-0000-0000-" + "0" * 12, number, did, 5))
