"""Dossier within a budget, routing by it, and what the pop carries (002-02, 002-11, 003-05, 001-18)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acd.adapters.store import case_store, directory_store
from acd.adapters.store.sqlite import SqliteStore
from acd.config.loading import load
from acd.core.effects import ShowPop
from acd.core.ids import QueueId, SubscriberId
from acd.desk.answers import Answer
from acd.desk.case import Case
from acd.desk.oncall import Busy
from acd.desk.project import Project, Source
from acd.deskside.dossier import Dossiers
from acd.ports import PortError
from agi_scripts import enter_queue, identify_subscriber
from agi_scripts.route_did import NumberPlan
from tests.adapters.store.support import make_card
from tests.fakes.ports import FakeClock

CONFIG = Path(__file__).parents[2] / "config"
ANI = "+79160000001"
CLIENT = {
    "project": "servis",
    "number": ANI,
    "name": "Ольга",
    "organisation": "ПАО Сбербанк",
    "taxpayer_number": "7707083893",
}


class SlowHttp:
    """A source that answers when the test says so, or never."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.failure: Exception | None = None

    async def find(self, source: Source, number: str, token: str = "") -> dict[str, object]:
        if self.failure is not None:
            raise self.failure
        await self.answer.wait()
        return {"language": "en", "matters": [{"kind": "delivery", "id": "d1"}]}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "acd.db", FakeClock())
    await store.open()
    yield store
    await store.close()


def made(
    store: SqliteStore, tmp_path: Path, project: Project, http: Any = None, budget_ms: int = 300
) -> Dossiers:
    config = load(CONFIG)
    return Dossiers(
        lambda: config.projects,
        store,
        FakeClock(1_795_000_000_000),
        http or SlowHttp(),
        project_of=lambda did: project if did == "7012" else None,
        busy=lambda _project: {},
        state_dir=tmp_path,
        budget_ms=budget_ms,
    )


@pytest.fixture
def servis() -> Project:
    return load(CONFIG).projects.good["servis"]


def wish(ani: str = ANI) -> ShowPop:
    return ShowPop(1, "c1", "a101", 1, "servis", "servis", "7012", ani, "123459", 0)  # type: ignore[arg-type]


async def test_an_open_order_leads_to_the_one_who_has_it_before_anyone_answers(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    order = {
        "project": "servis",
        "number": ANI,
        "kind": "order",
        "id": "8",
        "state": "in repair",
        "person": "manager",
    }
    await store.writer.do(lambda db: directory_store.put(db, "clients", [CLIENT]))
    await store.writer.do(lambda db: directory_store.put(db, "matters", [order]))
    dossiers = made(store, tmp_path, servis)
    found = await dossiers.find(ANI, "7012")  # type: ignore[arg-type]
    assert found == {"name": "Ольга", "priority": 1.0, "needs": {}, "queue": "", "sticky": "104"}
    assert await dossiers.find(ANI, "7099") == {}  # type: ignore[arg-type]
    answer = Answer(name="in repair", person="press-1", before="your-order", number=True, open_kind="order")
    telling = made(store, tmp_path, replace(servis, answers=(answer,)))
    told = (await telling.find(ANI, "7012"))["told"]  # type: ignore[arg-type]
    assert told == ("in repair", (("sound", "your-order"), ("digits", "8")), "press-1", "Europe/Moscow")
    assert dossiers.pop(wish())["person"] == {"name": "Ольга Викторовна", "do": "ring", "away": ""}
    dossiers._busy = lambda _project: {"manager": (Busy(0, 2_000_000_000_000, "в отпуске"),)}
    assert (await dossiers.find(ANI, "7012"))["sticky"] == "", "who is away is not rung first"  # type: ignore[arg-type]
    assert dossiers.pop(wish())["person"] == {
        "name": "Ольга Викторовна",
        "do": "message",
        "away": "в отпуске",
    }
    dossiers._busy = lambda _project: {}
    pop = dossiers.pop(wish())
    assert pop["greeting"] == "Сервисный центр «Точка», добрый день!"
    assert [m["id"] for m in pop["open_matters"]] == ["8"]  # type: ignore[attr-defined]
    assert pop["form"]["fields"][0]["name"] == "caller_name"  # type: ignore[index]
    assert pop["instructions"]
    assert (pop["organisation"], pop["organisation_verified"]) == ("ПАО Сбербанк", False)


async def test_an_organisation_is_verified_by_check_digits_and_register(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """003-06: right digits and the register; wrong digits never."""
    wrong = CLIENT | {"number": "+79160000002", "taxpayer_number": "7707083894"}
    register = [{"taxpayer_number": n, "name": "x"} for n in ("7707083893", "7707083894")]
    await store.writer.do(lambda db: directory_store.put(db, "clients", [CLIENT, wrong]))
    await store.writer.do(lambda db: directory_store.put(db, "register", register))
    dossiers = made(store, tmp_path, servis)
    assert (await dossiers.gather(servis, ANI)).verified
    assert not (await dossiers.gather(servis, "+79160000002")).verified


async def test_a_licence_tells_product_and_region(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    licence = {
        "licence": "L-1",
        "project": "servis",
        "product": "Polis",
        "region": "Tver",
        "taxpayer_number": "7707083893",
    }
    await store.writer.do(lambda db: directory_store.put(db, "clients", [CLIENT]))
    await store.writer.do(lambda db: directory_store.put(db, "licences", [licence]))
    found = await made(store, tmp_path, servis).gather(servis, ANI)
    assert (found.product, found.region) == ("Polis", "Tver")


async def test_a_source_that_hangs_costs_its_budget_only_and_joins_later(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """Dossier source hanging: call still answered on time; the pop gets what came late."""
    from dataclasses import replace

    slow = replace(servis, sources=(*servis.sources, Source("http", "https://x.example/{number}")))
    http = SlowHttp()
    await store.writer.do(lambda db: directory_store.put(db, "clients", [CLIENT]))
    dossiers = made(store, tmp_path, slow, http, budget_ms=150)
    begin = time.monotonic()
    found = await dossiers.gather(slow, ANI)
    assert time.monotonic() - begin < 0.4
    assert (found.name, found.late) == ("Ольга", ("http",))
    http.answer.set()
    async with asyncio.timeout(2):
        while not dossiers.pop(wish())["open_matters"]:
            await asyncio.sleep(0.01)
    assert "late_sources" not in dossiers.pop(wish())
    http.failure = PortError("down", retryable=True)
    assert (await dossiers.gather(slow, ANI)).name == "Ольга"
    assert dossiers.counters["failed_http"] == 1
    await dossiers.close()


async def test_a_quoted_number_and_an_open_case_bring_the_responsible_agent(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """003-05: no retelling. A quoted case is found from any telephone."""
    case = Case("123459", "servis", 1, None, "Broken screen", owner="a107", client=ANI)
    await store.writer.do(lambda db: case_store.open_case(db, case, "", 1))
    dossiers = made(store, tmp_path, servis)
    assert (await dossiers.find(ANI, "7012"))["sticky"] == "a107"  # type: ignore[arg-type]
    assert (await dossiers.find("+79990000000", "7012"))["sticky"] == ""  # type: ignore[arg-type]
    assert (await dossiers.find("+79990000000", "7012", "123459"))["sticky"] == "a107"  # type: ignore[arg-type]
    assert (await dossiers.find("", "7012", "123459"))["sticky"] == "a107"  # type: ignore[arg-type]


@pytest.mark.parametrize("ani", ["", "+74950000000"], ids=["number withheld", "a firm's one number"])
async def test_what_one_caller_quoted_is_not_shown_as_the_matter_of_another(
    store: SqliteStore, tmp_path: Path, servis: Project, ani: str
) -> None:
    """Security row 10. It was remembered by the number alone: the next pop of a hidden number showed it."""
    case = Case("123459", "servis", 1, None, "Broken screen", owner="a107", client=ANI)
    await store.writer.do(lambda db: case_store.open_case(db, case, "", 1))
    dossiers = made(store, tmp_path, servis)
    for call, quoted in (("first", ""), ("second", ""), ("second", "123459"), ("third", "")):
        await dossiers.find(ani, "7012", quoted, call)  # type: ignore[arg-type]
    shown = {call: dossiers.pop(replace(wish(ani), call=call)) for call in ("first", "second", "third")}  # type: ignore[arg-type]
    assert {call: [m["id"] for m in pop["open_matters"]] for call, pop in shown.items()} == {  # type: ignore[attr-defined]
        "first": [], "second": ["123459"], "third": [],
    }  # fmt: skip


async def test_a_vip_of_the_directory_waits_by_his_own_priority(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """From the client's record to ACD_PRIORITY on the channel; the number's own priority is multiplied in."""
    await store.writer.do(lambda db: directory_store.put(db, "clients", [{**CLIENT, "priority": 3}]))
    found = await made(store, tmp_path, servis).find(ANI, "7012")  # type: ignore[arg-type]
    assert found["priority"] == 3.0
    plan = NumberPlan(QueueId("servis"), SubscriberId("servis"), priority=1.5)
    said = dict(enter_queue.decide(plan, identify_subscriber.decide(found), "123459"))
    assert said["ACD_PRIORITY"] == "4.5"


async def test_the_clients_own_manager_is_asked_first_without_a_rule_or_an_open_matter(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """002-08: an open case comes before him, the last talk after him."""
    plain = replace(servis, routing=())
    await store.writer.do(lambda db: directory_store.put(db, "clients", [{**CLIENT, "person": "manager"}]))
    dossiers = made(store, tmp_path, plain)
    card = make_card(
        "c1", subscriber="servis", queue="servis", ani=ANI, agent="anna", entered_at=1_794_999_000_000
    )
    await store.write_card(card)
    assert (await dossiers.find(ANI, "7012"))["sticky"] == "104"  # type: ignore[arg-type]
    case = Case("123459", "servis", 1, None, "Broken screen", owner="a107", client=ANI)
    await store.writer.do(lambda db: case_store.open_case(db, case, "", 1))
    assert (await dossiers.find(ANI, "7012"))["sticky"] == "a107"  # type: ignore[arg-type]


async def test_a_pop_without_a_dossier_has_the_projects_part(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    pop = made(store, tmp_path, servis).pop(wish("+70000000000"))
    assert (pop["open_matters"], pop["last_calls"]) == ([], [])
    assert pop["greeting"]


async def test_the_agent_of_a_talk_long_ago_is_not_asked_first(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """002-08: stick to the person, within a day."""
    now = 1_795_000_000_000
    dossiers = made(store, tmp_path, servis)
    for call, age_h, sticky in (("c1", 25, ""), ("c2", 23, "anna")):
        entered = now - age_h * 3_600_000
        card = make_card(call, subscriber="servis", queue="servis", ani=ANI, agent="anna", entered_at=entered)
        await store.write_card(card)
        assert (await dossiers.find(ANI, "7012"))["sticky"] == sticky  # type: ignore[arg-type]
    assert [c["number"] for c in dossiers.pop(wish())["last_calls"]]  # type: ignore[attr-defined]


async def test_a_slow_or_failing_directory_is_shown_in_words_until_it_answers(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    """Degraded mode "directory slow" (000-06, 002-02): calls go on, and somebody learns why they come without names."""
    from dataclasses import replace

    slow = replace(servis, sources=(*servis.sources, Source("http", "https://x.example/{number}")))
    http = SlowHttp()
    dossiers = made(store, tmp_path, slow, http, budget_ms=100)
    assert dossiers.trouble == ""
    await dossiers.gather(slow, ANI)
    assert dossiers.trouble == (
        "directories: servis did not answer within 100 ms; calls go on without what they know"
    )
    http.failure = PortError("the directory answered 500", retryable=True)
    await dossiers.gather(slow, ANI)
    assert "servis the directory answered 500" in dossiers.trouble
    http.failure = None
    http.answer.set()
    await dossiers.gather(slow, ANI)
    assert dossiers.trouble == ""
    await dossiers.close()


async def test_a_directory_nobody_asks_any_more_is_no_trouble_for_ever_and_many_are_counted(
    store: SqliteStore, tmp_path: Path, servis: Project
) -> None:
    from dataclasses import replace

    http = SlowHttp()
    http.failure = PortError("down", retryable=True)
    clock = FakeClock(1_795_000_000_000)
    dossiers = made(store, tmp_path, servis, http)
    dossiers._clock = clock
    for n in range(5):
        firm = replace(servis, id=f"firm{n}", sources=(Source("http", "https://x.example/{number}"),))
        await dossiers.gather(firm, ANI)
    assert dossiers.trouble.startswith("directories: firm0 down; firm1 down; firm2 down and 2 more")
    clock.time += 10 * 60_000 + 1
    assert dossiers.trouble == ""
    await dossiers.close()
