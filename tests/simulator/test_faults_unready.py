"""A daemon that does not come back is a finding of a run, not its end."""

from types import SimpleNamespace

import httpx

from simulator.faults import run as subject
from simulator.faults.site import NotSyncedError


async def test_a_daemon_that_does_not_come_back_is_told_among_what_is_left_over(monkeypatch):
    async def never(_limit_s):
        raise NotSyncedError("the daemon did not sync within 180 s")

    async def none(_site):
        return 0

    class Silent:
        def __init__(self, _spec):
            self.closed = False

        async def get(self, _path):
            raise httpx.ConnectError("refused")

        async def close(self):
            self.closed = True

    monkeypatch.setattr(subject, "_channels", none)
    monkeypatch.setattr(subject, "Api", Silent)
    site = SimpleNamespace(until_synced=never, spec=None)
    assert await subject._unready(site) == ["the daemon did not sync within 180 s"]
    (silent,) = await subject._left_over(site)
    assert "does not say what it knows" in silent
