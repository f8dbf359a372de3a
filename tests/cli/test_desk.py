"""The desk's figures and its directory on the command line (000-07, 000-20, 003-06, 003-12)."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from acd.adapters.store import case_store, desk_store, directory_store
from acd.adapters.store.sqlite import SqliteStore
from acd.cli.main import app
from acd.core.card import CallCard
from acd.desk.operations import Operation, Target, start
from tests.adapters.store.support import make_card
from tests.cli.test_project import CONFIG
from tests.fakes.ports import FakeClock

NOW = time.time_ns() // 1_000_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "var").mkdir()
    return tmp_path / "config"


def acd(config: Path, *words: str, ends: int = 0) -> str:
    result = CliRunner().invoke(app, ["desk", *words, "--config", str(config)], env={"COLUMNS": "200"})
    assert result.exit_code == ends, result.output + repr(result.exception)
    return result.output


def fill(config: Path, *jobs: Callable[[Any], Awaitable[object]], cards: Sequence[CallCard] = ()) -> None:
    async def work() -> None:
        store = SqliteStore(config.parent / "var" / "acd.db", FakeClock(NOW))
        await store.open()
        for card in cards:
            await store.write_card(card)
        for job in jobs:
            await store.writer.do(job)
        await store.close()

    asyncio.run(work())


def test_every_operation_is_shown_with_its_target_and_share_and_a_broken_promise_fails(config: Path) -> None:
    clocks = [start("servis", Operation.ANSWER, str(n), NOW - 60_000, Target(20_000)) for n in range(3)]

    async def job(db) -> None:
        for n, clock in enumerate(clocks):
            await desk_store.start_clock(db, replace(clock, stopped_at=clock.started_at + 15_000 * (n + 1)))
        await db.execute(
            "INSERT INTO missed_tasks (number, subscriber, state, opened_at, deadline, missed, waited_ms, last_missed_at,"
            " reason, asked, attempts, next_try_at, approved_by, closed_at, closed_by, close_reason) VALUES"
            " ('+7', 'servis', 'recontacted', ?, 0, 1, 0, 0, 'abandoned', 0, 0, 0, '', ?, '', '')",
            (NOW - 60_000, NOW - 30_000),
        )

    fill(config, job)
    levels = json.loads(acd(config, "operations", "--json", ends=1))["levels"]
    by_name = {level["operation"]: level for level in levels}
    assert (by_name["answer"]["met"], by_name["answer"]["broken"]) == (1, 2)
    assert by_name["callback_made"]["met"] == 1
    assert "servis" in acd(config, "operations", "--project", "servis", ends=1)
    narrow = CliRunner().invoke(app, ["desk", "operations", "--config", str(config)], env={"COLUMNS": "80"})
    lines = narrow.output.splitlines()
    assert max(map(len, lines)) <= 80
    [row] = [line for line in lines if "servis" in line and " answer " in line]
    assert "33.3 %" in row, "names and figures stay whole; the least important columns are left out"
    assert acd(config, "operations", "--project", "consul").count("servis") == 0
    assert "is no time" in acd(config, "operations", "--since", "whenever", ends=2)


def test_handling_time_before_and_after_is_compared_by_subscriber(config: Path) -> None:
    """000-20: halved."""
    old = make_card("c1", talk_ms=200_000, hold_ms=0, acw_ms=40_000, entered_at=NOW - 10 * 86_400_000)
    new = make_card("c2", talk_ms=100_000, hold_ms=0, acw_ms=20_000, entered_at=NOW - 86_400_000)
    fill(config, cards=(old, new))
    said = acd(config, "aht", "--split", "5d")
    assert "-50 %" in said
    periods = json.loads(acd(config, "aht", "--split", "5d", "--json"))["periods"]
    assert [period[old.subscriber]["aht_ms"] for period in periods] == [240_000, 120_000]
    assert "120.0" not in acd(config, "aht", "--subscriber", "nobody")


def test_a_directory_is_imported_and_every_wrong_line_is_named(config: Path, tmp_path: Path) -> None:
    fill(config)
    file = tmp_path / "clients.csv"
    file.write_text("number,name,taxpayer_number\n8 916 000 00 01,Ольга,7707083893\n", encoding="utf-8")
    assert "1 rows imported" in acd(config, "import", "clients", str(file), "--project", "servis")

    async def check() -> dict[str, object]:
        store = SqliteStore(config.parent / "var" / "acd.db", FakeClock(NOW))
        await store.open()
        found = await store.writer.do(lambda db: directory_store.client(db, "servis", "+79160000001"))
        await store.close()
        return found

    assert asyncio.run(check())["name"] == "Ольга"
    wrong = (
        ("number,name,taxpayer_number\n1,A,7707083894\n", ":2: the check digits"),
        ("number,colour\n1,red\n", "unknown columns colour"),
        ("number,name\n1\n", ":2: not as many values"),
        ("number,name,priority\n1,A,much\n", ":2: priority"),
    )
    for text, said in wrong:
        file.write_text(text, encoding="utf-8")
        assert said in acd(config, "import", "clients", str(file), "--project", "servis", ends=2)
    assert "is none of" in acd(config, "import", "cats", str(file), ends=2)


@pytest.mark.slow
def test_cases_deliveries_and_a_subscribers_link(config: Path) -> None:
    from acd.desk.case import Case
    from acd.desk.delivery import Delivery

    async def job(db) -> None:
        await case_store.open_case(db, Case("123459", "servis", NOW, None, "Screen"), "", NOW)
        await desk_store.add(db, Delivery("c1", 1, "servis", 0, "email", "a@b.example", NOW, NOW), "rule 1")

    card = make_card("c1")
    fill(config, job, cards=(card,))
    assert "Screen" in acd(config, "cases", "servis")
    assert json.loads(acd(config, "cases", "servis", "--json"))[0]["number"] == "123459"
    number = asyncio.run(_number(config))
    assert "a@b.example" in acd(config, "deliveries", number)
    assert json.loads(acd(config, "deliveries", number, "--json"))[0]["state"] == "waiting"
    assert "/firm/servis~" in acd(config, "link", "servis")
    assert "no project" in acd(config, "link", "nobody", ends=2)


async def _number(config: Path) -> str:
    store = SqliteStore(config.parent / "var" / "acd.db", FakeClock(NOW))
    await store.open()
    found = await store.get(call="c1")
    await store.close()
    assert found is not None
    return found.card.number
