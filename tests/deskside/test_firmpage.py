"""A subscriber's own page (003-17): what is theirs, swaps of who is on call, and nothing of another firm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from acd.adapters.http.app import create_app
from acd.adapters.http.services import HttpSettings
from acd.adapters.store import audit, case_store, desk_store, swap_store
from acd.adapters.store.sqlite import SqliteStore
from acd.config.project_files import Loaded
from acd.config.projects import Projects
from acd.config.strict_yaml import Document
from acd.desk.case import Case, Entry
from acd.desk.delivery import Delivery
from acd.deskside.firmpage import FirmPages
from acd.deskside.links import Links
from acd.deskside.public import firm_thing
from acd.deskside.swaps import MAX_SWAPS, Swaps
from tests.adapters.edges_help import users
from tests.adapters.http.http_help import World
from tests.desk.test_hours import at
from tests.desk.test_project import LAW
from tests.fakes.ports import FakeClock

NOON = at("2026-11-25T12:00")
HOSTILE = "<img src=x onerror=alert(1)> javascript:alert(1)"
FIRM = replace(LAW, id="law", language="ru", name="Консул")
OTHER = replace(LAW, id="bank", language="en", name="Bank", queue="bank", subscriber="bank")


@dataclass
class Rig:
    store: SqliteStore
    clock: FakeClock

    def __post_init__(self) -> None:
        self.links = Links(b"k" * 32, "https://desk.example")
        loaded = {p.id: Loaded(p.id, Document(p.id, {}), project=p) for p in (FIRM, OTHER)}
        self.source = Projects(loaded=loaded)
        self.swaps = Swaps(self.store, self.clock, lambda: self.source)
        self.pages = FirmPages(self.store, self.clock, self.links, self.swaps.projects, self.swaps)

    def token(self, project: str, days: int = 1) -> str:
        return self.links.token("firm", firm_thing(project, self.clock.now(), days))

    async def fill(self) -> None:
        async def job(db: Any) -> None:
            for number, project in (("123459", "law"), ("200000", "bank")):
                case = Case(
                    number, project, NOON, None, f"{project} {HOSTILE}", calls=(f"c{number}",),
                    history=(Entry(NOON, "a101", "opened", HOSTILE),),
                )  # fmt: skip
                await case_store.open_case(db, case, "", NOON)
                made = await desk_store.put_message(
                    db,
                    desk_store.Message(
                        f"c{number}", 0, number, project, "normal", "", f"{project} asks", HOSTILE, NOON
                    ),
                )
                assert made is not None
                await desk_store.add(
                    db, Delivery(f"c{number}", 1, project, 0, "email", "x@y.example", NOON, NOON)
                )

        await self.store.writer.do(job)

    def client(self) -> httpx.AsyncClient:
        services = replace(World().services(), firm_desk=self.pages)
        app = create_app(services, HttpSettings(principals=users("ann")))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    clock = FakeClock(NOON)
    store = SqliteStore(tmp_path / "acd.db", clock)
    await store.open()
    rig = Rig(store, clock)
    await rig.fill()
    yield rig
    await rig.pages.close()
    await store.close()


async def test_a_firm_sees_its_messages_cases_people_and_reports_and_no_others(rig: Rig) -> None:
    async with rig.client() as client:
        answer = await client.get(f"/firm/{rig.token('law')}")
    assert answer.status_code == 200
    for wanted in ("Консул", "123459", "law asks", "Кто на дежурстве", "Отчёт за 31 дней", "x@y.example"):
        assert wanted in answer.text, wanted
    for foreign in ("200000", "bank asks"):
        assert foreign not in answer.text
    assert "<img" not in answer.text
    assert 'href="javascript' not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/case/123459", 200), ("/case/200000", 404), ("/case/999999", 404), ("/case/1'OR'1", 422),
    ],
)  # fmt: skip
async def test_a_foreign_case_is_as_unknown_as_none(rig: Rig, path: str, status: int) -> None:
    with capture_logs() as logged:
        async with rig.client() as client:
            answer = await client.get(f"/firm/{rig.token('law')}{path}")
    assert answer.status_code == status
    assert "bank" not in answer.text
    tried = [(one["project"], one["exists"]) for one in logged if one["event"] == "firm_case_refused"]
    assert tried == ([("law", "200000" in path)] if status == 404 else []), (
        "refused and logged, the page tells nothing"
    )


async def test_another_firms_token_forged_or_run_out_opens_nothing(rig: Rig) -> None:
    token = rig.token("law")
    with capture_logs() as logged:
        async with rig.client() as client:
            assert (
                await client.get(f"/firm/{token[:-1]}{'0' if token[-1] != '0' else '1'}")
            ).status_code == 404
    assert [one["event"] for one in logged] == ["firm_page_refused"]
    async with rig.client() as client:
        for wrong in (token.replace("law", "bank"), token[:-1] + ("0" if token[-1] != "0" else "1")):
            assert (await client.get(f"/firm/{wrong}")).status_code == 404
            assert (await client.post(f"/firm/{wrong}/swap", content="cancel=1")).status_code == 404
        rig.clock.time += 3 * 86_400_000
        assert (await client.get(f"/firm/{token}")).status_code == 404


async def test_a_swap_counts_at_once_is_audited_and_can_be_taken_back(rig: Rig) -> None:
    zone = FIRM.hours.zone
    before = FIRM.rotations["duty"].order(NOON, zone)
    assert before[0] == "ann"
    wanted = {"rotation": "duty", "person": "bob", "first": "2026-11-25", "last": "2026-11-25"}
    async with rig.client() as client:
        answer = await client.post(f"/firm/{rig.token('law')}/swap", data=wanted)
        assert answer.status_code == 200
        rotation = rig.swaps.projects().good["law"].rotations["duty"]
        assert rotation.order(NOON, zone) == ("bob", *(p for p in before if p != "bob"))
        assert rotation.order(NOON + 86_400_000, zone)[0] == "ann", (
            "only until the hand-over after the last day"
        )
        assert rig.swaps.projects().good["bank"].rotations["duty"].order(NOON, zone)[0] == "ann"
        (kept,) = await rig.store.writer.do(lambda db: swap_store.current(db, NOON))
        foreign = await client.post(f"/firm/{rig.token('bank')}/swap", data={"cancel": str(kept.id)})
        assert foreign.status_code == 422
        assert len(rig.swaps.current) == 1, "another firm's swap cannot be taken back"
        await client.post(f"/firm/{rig.token('law')}/swap", data={"cancel": str(kept.id)})
    assert rig.swaps.projects() is rig.source
    rows = await rig.store.writer.do(lambda db: db.execute_fetchall("SELECT who, what FROM audit"))
    assert [tuple(row) for row in rows] == [
        ("firm law", "on-call swap"),
        ("firm law", "on-call swap taken back"),
    ]
    assert (await rig.store.writer.do(audit.verify)).ok


async def test_swaps_outlive_a_restart(rig: Rig) -> None:
    await rig.swaps.add(FIRM, "duty", "bob", "2026-11-25", "2026-11-26", "firm law")
    again = Swaps(rig.store, rig.clock, lambda: rig.source)
    await again.refresh()
    assert again.projects().good["law"].rotations["duty"].order(NOON, FIRM.hours.zone)[0] == "bob"


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotation": "nobody"}, {"person": "mallory"}, {"first": "soon"}, {"first": "2026-11-27"}, {"last": "2020-01-01"},
        {"last": "2036-01-01"}, {"first": "9999-12-31", "last": "9999-12-31"}, {"person": HOSTILE}, {"cancel": "7"},
        {"cancel": "x" * 500},
    ],
)  # fmt: skip
async def test_an_impossible_swap_is_refused_in_words(rig: Rig, wrong: dict[str, str]) -> None:
    wanted = {"rotation": "duty", "person": "bob", "first": "2026-11-25", "last": "2026-11-26"} | wrong
    async with rig.client() as client:
        answer = await client.post(f"/firm/{rig.token('law')}/swap", data=wanted)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert rig.swaps.current == ()


@pytest.mark.slow
async def test_floods_of_swaps_and_huge_forms_are_refused(rig: Rig) -> None:
    for _ in range(MAX_SWAPS):
        assert await rig.swaps.add(FIRM, "duty", "bob", "2026-11-25", "2026-11-25", "firm law") == ""
    assert await rig.swaps.add(FIRM, "duty", "bob", "2026-11-25", "2026-11-25", "firm law") == "many"
    async with rig.client() as client:
        assert (await client.post(f"/firm/{rig.token('law')}/swap", content="x" * 5_000)).status_code == 413
        assert (await client.post(f"/firm/{rig.token('law')}/swap", content="a=1&" * 50)).status_code == 422


@pytest.mark.parametrize("number", ["\u00b2", "\u0663", "9" * 400, "-1", "1 or 1"])
async def test_a_swap_with_a_number_that_is_none_is_refused_in_words(rig: Rig, number: str) -> None:
    """U+00B2 is a digit to Python, and no number: it answered 500."""
    async with rig.client() as client:
        answer = await client.post(f"/firm/{rig.token('law')}/swap", data={"cancel": number})
    assert answer.status_code == 422


async def test_pages_stand_neither_before_cards_nor_without_limit(rig: Rig) -> None:
    """Through the one writer, eight pages of a busy firm held every card for two seconds."""
    path = f"/firm/{rig.token('law')}"
    jobs = rig.store.writer.jobs
    async with rig.client() as client:
        assert (await client.get(path)).status_code == 200
        assert (await client.get(f"{path}/case/123459")).status_code == 200
        assert rig.store.writer.jobs == jobs, "the writer was not asked"
        answers = await asyncio.gather(*(client.get(path) for _ in range(12)))
        assert {answer.status_code for answer in answers} == {200, 503}
        assert (await client.get(path)).status_code == 200
