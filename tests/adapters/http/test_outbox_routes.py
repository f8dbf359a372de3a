"""Cards on their way downstream over HTTP: how many, and a new life for those given up (003-24, failure mode 30)."""

from __future__ import annotations

import pytest

from acd.ports import PortError
from tests.adapters.http.http_help import World, auth, caller

COUNTS = {"waiting": 1, "sent": 5, "dead": 2, "oldest_waiting_at": 1_700_000_000_000}


class Downstream:
    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.revived_by: list[str] = []

    async def outbox(self) -> dict[str, int | None]:
        if self.broken:
            raise PortError("no", retryable=True)
        return dict(COUNTS)

    async def revive(self, who: str) -> int:
        if self.broken:
            raise PortError("no", retryable=True)
        self.revived_by.append(who)
        return 2


async def test_the_supervisor_sees_what_was_given_up_and_has_it_sent_again():
    downstream = Downstream()
    async with caller(World(downstream=downstream)) as http:
        assert (await http.get("/api/v1/outbox", headers=auth("boss"))).json() == {"v": 1, **COUNTS}
        done = await http.post("/api/v1/outbox/revive", headers=auth("boss"))
        assert done.json() == {"v": 1, "revived": 2}
    assert downstream.revived_by == ["boss"]


@pytest.mark.parametrize(
    ("downstream", "who", "status"),
    [(Downstream(broken=True), "boss", 503), (None, "boss", 404), (Downstream(), "ann", 403)],
)
async def test_what_cannot_be_is_said(downstream, who, status):
    async with caller(World(downstream=downstream)) as http:
        assert (await http.get("/api/v1/outbox", headers=auth(who))).status_code == status
        assert (await http.post("/api/v1/outbox/revive", headers=auth(who))).status_code == status
