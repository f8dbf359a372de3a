"""The ticket system of the fault injector holds what a real one would hold."""

from __future__ import annotations

import httpx
import pytest

from simulator.faults.evidence import newest_tickets
from simulator.faults.tickets import Mood, TicketStub


@pytest.fixture
async def stub():
    made = TicketStub()
    made.url = await made.start()
    yield made
    await made.stop()


async def post(stub, key, payload):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(stub.url, json=payload, headers={"Idempotency-Key": key})


async def test_the_same_key_is_one_ticket(stub):
    for _ in range(3):
        assert (await post(stub, "c1:1", {"call": "c1"})).status_code == 200
    assert stub.taken == {"c1:1": {"call": "c1"}}
    assert stub.deliveries["c1:1"] == 3
    assert stub.changed == []


async def test_the_same_key_with_another_content_is_a_defect(stub):
    await post(stub, "c1:1", {"call": "c1"})
    await post(stub, "c1:1", {"call": "c2"})
    assert stub.changed == ["c1:1"]


async def test_broken_takes_nothing_and_forgetful_takes_without_a_word(stub):
    stub.mood = Mood.BROKEN
    assert (await post(stub, "c1:1", {})).status_code == 500
    assert not stub.taken
    stub.mood = Mood.FORGETFUL
    with pytest.raises(httpx.TransportError):
        await post(stub, "c1:1", {})
    assert list(stub.taken) == ["c1:1"]


def test_the_newest_version_of_a_card_counts():
    taken = {"a:1": {"n": 1}, "a:10": {"n": 10}, "a:9": {"n": 9}, "b:c:1": {"n": 2}}
    assert newest_tickets(taken) == {"a": {"n": 10}, "b:c": {"n": 2}}
