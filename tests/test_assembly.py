"""What the configuration says reaches the adapter it is about."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from acd import assembly
from acd.core.instant import HOUR_MS
from tests.adapters.store.support import T0, StandingClock, opened
from tests.config_help import loaded


async def test_the_limits_of_the_dialplans_questions_come_from_the_settings(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        "asterisk.agi.answer_within_ms=120",
        "asterisk.agi.header_timeout_s=0.1",
        "asterisk.agi.max_sessions=1",
    )

    async def script(_session: object) -> None:
        return None

    server = assembly.agi_server(config, {"ask": script}, {}, lambda _fact: None)
    assert server._routes["ask"].deadline_s == 0.12
    port = await server.start("127.0.0.1", 0)
    try:
        async with asyncio.timeout(5):
            silent, kept = await asyncio.open_connection("127.0.0.1", port)
            refused, other = await asyncio.open_connection("127.0.0.1", port)
            assert await refused.read() == b""  # one session at a time
            assert await silent.read() == b""  # it never asked
        kept.close()
        other.close()
    finally:
        await server.close()


@pytest.mark.parametrize(("age_h", "dead"), [(2, 0), (3, 1)])
async def test_the_webhook_gives_up_after_the_configured_hours(tmp_path: Path, age_h: int, dead: int) -> None:
    from acd.adapters.store import outbox

    config = loaded(
        tmp_path,
        acd="state_dir: state\nwebhook: {url: 'https://crm.example/cards', give_up_after_h: 3}\n",
    )
    async with opened(tmp_path / "acd.db", destinations=("webhook",)) as store:
        await store.writer.do(
            lambda db: outbox.put(
                db, kind="card", destination="webhook", key="k", call="c", payload="{}", now=T0
            )
        )
        make = assembly.webhook_maker(config, store, StandingClock(T0 + age_h * HOUR_MS))
        assert make is not None
        worker: Any = make()
        (message,) = await worker._outbox.due("webhook", T0, 1)
        await worker._outbox.failed(message, "refused", T0 + age_h * HOUR_MS)
        assert (await store.outbox.counts()).dead == dead
