"""The question at the door: every variable, and the verdict last (row 25, 000-09)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.adapters.asterisk.translate import parse_needs, parse_priority
from agi_scripts import dialplan_vars
from agi_scripts.enter_queue import EnterQuestion, decide, format_needs
from agi_scripts.identify_subscriber import Identity
from agi_scripts.route_did import NumberPlan
from agi_scripts.self_answer import Told
from tests.agi_scripts.fake_session import FakeSession

PLAN = NumberPlan(
    "sales", "romashka", "Ромашка", priority=1.5, needs=(("english", 1),), greeting="hi", ring_s=15
)


class FakeDirectory:
    async def find(self, ani, did):
        return (
            {"name": "Иван", "priority": 2.0, "needs": {"english": 3}, "sticky": "anna"}
            if ani == "+7912"
            else {}
        )


def question(**changes: object):
    values = {
        "numbers": lambda: {"+7495": PLAN},
        "directory": FakeDirectory(),
        "next_card_number": lambda: "100-7",
    }
    return EnterQuestion(**{**values, **changes})


async def test_a_known_caller_goes_in_with_everything_set_and_the_verdict_last():
    session = FakeSession("call-1", "+7495", "+7912")
    await question()(session)
    assert session.variables == {
        "ACD_QUEUE": "sales", "ACD_SUBSCRIBER": "romashka", "ACD_CARD": "100-7", "ACD_PRIORITY": "3",
        "ACD_NEEDS": "english:3", "ACD_STICKY": "anna", "ACD_NAME": "Ромашка: Иван", "ACD_GREETING": "hi",
        "ACD_MOH": "acd", "ACD_RING_S": "15", "ACD_AFTER": "voicemail", "ACD_SURVEY": "", "ACD_VERDICT": "queue",
    }  # fmt: skip
    assert session.order[-1] == "ACD_VERDICT"
    assert session.facts == []  # the dialplan's own AcdQueued note tells the core


async def test_what_is_told_before_anybody_is_rung_is_kept_for_the_call_and_the_dialplan_asks_for_it():
    """002-18: the words stay with the daemon, the channel learns only that there are some."""
    parts = (("sound", "your-order"), ("digits", "108"), ("shell", "id"), "odd")

    class Knows:
        async def find(self, ani, did):
            return {"name": "Olga", "told": ("order ready", parts, "press-1", "Europe/Moscow")}

    kept = {}
    session = FakeSession("call-1", "+7495", "+7912")
    await question(directory=Knows(), remember=kept.__setitem__)(session)
    assert kept == {"call-1": Told("order ready", parts[:2], "press-1", "Europe/Moscow")}
    assert session.variables["ACD_SELF"] == "1"
    assert session.order[-1] == "ACD_VERDICT"
    for odd in (
        None,
        (),
        "text",
        ("", parts, "press-1", ""),
        ("name", (), "press-1", ""),
        ("name", parts, "", ""),
    ):
        silent = FakeSession("call-2", "+7495", "+7912")
        Knows.find = lambda _self, _ani, _did, odd=odd: asyncio.sleep(0, {"told": odd})
        await question(directory=Knows(), remember=kept.__setitem__)(silent)
        assert "ACD_SELF" not in silent.variables, odd
    assert list(kept) == ["call-1"]


async def test_without_arguments_the_channel_variables_are_asked():
    session = FakeSession(ACD_DID="+7495", ACD_ANI="+7000")
    await question()(session)
    assert session.variables["ACD_NAME"] == "Ромашка"
    assert session.variables["ACD_STICKY"] == ""
    assert session.variables["ACD_VERDICT"] == "queue"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [({"is_open": lambda _q: False}, "closed"), ({"waiting": lambda _q: 10_000}, "full")],
)
async def test_a_refused_call_costs_no_card_number_and_no_directory(changes, verdict):
    def never():
        raise AssertionError("not asked")

    session = FakeSession("c", "+7495", "+7912")
    await question(next_card_number=never, directory=None, **changes)(session)
    assert session.variables["ACD_VERDICT"] == verdict
    assert session.variables["ACD_SUBSCRIBER"] == "romashka"
    assert session.order[-1] == "ACD_VERDICT"


async def test_an_unknown_number_sets_nothing():
    session = FakeSession("c", "+1", "+7912")
    await question()(session)
    assert session.order == []


async def test_no_card_number_is_no_reason_to_refuse():
    def broken():
        raise OSError("disk")

    session = FakeSession("c", "+7495", "")
    await question(next_card_number=broken)(session)
    assert (session.variables["ACD_CARD"], session.variables["ACD_VERDICT"]) == ("", "queue")


@pytest.mark.slow
async def test_a_slow_directory_costs_only_its_own_time():
    """After its budget the caller is unknown, not lost."""

    class Slow:
        async def find(self, ani, did):
            await asyncio.sleep(5)

    session = FakeSession("c", "+7495", "+7912")
    await asyncio.wait_for(question(directory=Slow())(session), 2)
    assert session.order[0] == "ACD_QUEUE"
    assert (session.variables["ACD_NAME"], session.variables["ACD_VERDICT"]) == ("Ромашка", "queue")


def test_every_name_is_in_the_contract():
    known = {value for name, value in vars(dialplan_vars).items() if name.startswith("ACD_")}
    assert {name for name, _ in decide(PLAN, Identity(), "")} <= known


@pytest.mark.slow
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z_-]{0,10}", fullmatch=True), st.integers(1, 99), max_size=16),
    st.floats(0.001, 100),
)
def test_what_is_written_is_read_back_by_the_translator(needs, priority):
    assert parse_needs(format_needs(tuple(needs.items()))) == tuple(needs.items())
    values = dict(decide(NumberPlan("q", "s", priority=priority), Identity(), ""))
    assert abs(parse_priority(values["ACD_PRIORITY"]) - priority) <= 0.0005 + 1e-9 or priority < 0.001


async def test_a_line_that_asks_for_an_earlier_card_says_so_and_finds_by_it_when_asked_again():
    """003-05: it brings back the case and whose it is. Nobody is spoken to in here: the dialplan waits 1.5 s."""
    asked: list[tuple[str, ...]] = []

    class Cases:
        async def find(self, ani, did, quoted="", call=""):
            assert call == ("call-1" if quoted else "")
            asked.append((ani, did, quoted))
            return {"sticky": "anna"} if quoted else {}

    asking = question(numbers=lambda: {"+7495": replace(PLAN, ask_card="ask-card")}, directory=Cases())
    for keyed, sticky, sound in (("", "", "ask-card"), ("123459", "anna", None), ("12*#", "", "ask-card")):
        session = FakeSession("call-1", "+7495", "+7912", "", keyed, ACD_CARD="55-1")
        await asking(session)
        assert session.prompts == []
        assert (session.variables["ACD_STICKY"], session.variables.get("ACD_ASK_CARD")) == (sticky, sound)
        assert session.variables["ACD_CARD"] == ("55-1" if sticky else "100-7"), "one call, one number"
    assert asked == [("+7912", "+7495", ""), ("+7912", "+7495", "123459"), ("+7912", "+7495", "")]


async def test_who_was_let_in_is_not_turned_away_by_the_second_question():
    """The line filled up while he keyed the number in: what was decided first stands."""
    session = FakeSession("call-1", "+7495", "+7912", "", "123459")
    await question(waiting=lambda _queue: 10_000)(session)
    assert session.variables == {}


async def test_the_second_answer_undoes_what_the_first_wanted_told():
    class Knows:
        async def find(self, ani, did, quoted="", call=""):
            return {"sticky": "anna"} if quoted else {"told": ("ready", (("sound", "x"),), "press-1", "")}

    kept = {}
    for keyed, told in (("", "1"), ("123459", "")):
        session = FakeSession("call-1", "+7495", "+7912", "", keyed)
        await question(directory=Knows(), remember=kept.__setitem__)(session)
        assert session.variables["ACD_SELF"] == told


async def test_what_is_open_leads_to_another_department_unless_that_is_closed_or_full():
    """002-11: type and status of current orders decide to which department the call goes."""

    class Complaints:
        async def find(self, ani, did):
            return {"queue": ani}

    for wanted, taken, limits in (
        ("complaints", "complaints", {}),
        ("complaints", "sales", {"is_open": lambda queue: queue == "sales"}),
        ("complaints", "sales", {"waiting": lambda queue: 10**6 if queue == "complaints" else 0}),
        ("bad queue;", "sales", {}),
    ):
        session = FakeSession("call-1", "+7495", wanted)
        await question(directory=Complaints(), department=department, **limits)(session)
        assert session.variables["ACD_QUEUE"] == taken
        assert session.variables["ACD_SUBSCRIBER"] == "romashka"


def department(queue: str, own_language: str) -> NumberPlan | None:
    """One other queue, in English, with its own rhythm, ring and fallback; room for five."""
    if queue != "complaints":
        return None
    language = own_language or "en"
    return NumberPlan(
        queue, "other", "Other", greeting="other", music="sad", ring_s=7, max_waiting=5, language=language,
        own_language=own_language, announce_every_s=60, capture=True,
    )  # fmt: skip


class ToComplaints:
    async def find(self, ani, did):
        return {"queue": "complaints"}


@pytest.mark.parametrize(("own", "spoken"), [("", "en"), ("ru", "ru")])
async def test_what_is_heard_in_another_department_is_that_queues(own, spoken):
    """`every_s`, `fallback`, `music`, `ring_timeout_s` and `language` count for their own queue; the firm stays."""
    session = FakeSession("call-1", "+7495", "+7912")
    plan = replace(PLAN, language="ru", own_language=own, announce_every_s=30)
    await question(numbers=lambda: {"+7495": plan}, directory=ToComplaints(), department=department)(session)
    said = session.variables
    assert (said["ACD_QUEUE"], said["ACD_AFTER"], said["ACD_ANNOUNCE_TURNS"]) == (
        "complaints",
        "capture",
        "20",
    )
    assert (said["ACD_LANG"], said["ACD_RING_S"], said["ACD_MOH"]) == (spoken, "7", "sad")
    assert (said["ACD_SUBSCRIBER"], said["ACD_NAME"], said["ACD_GREETING"]) == ("romashka", "Ромашка", "hi")


@pytest.mark.parametrize(("depth", "taken"), [(4, "complaints"), (5, "sales")])
async def test_a_department_is_full_by_its_own_measure(depth, taken):
    session = FakeSession("call-1", "+7495", "+7912")
    limits = {"waiting": lambda queue: depth if queue == "complaints" else 0}
    await question(directory=ToComplaints(), department=department, **limits)(session)
    assert session.variables["ACD_QUEUE"] == taken


async def test_a_department_nobody_knows_leaves_the_call_where_it_was_dialled():
    """What the firm's own list says is not checked there: an unknown queue must not cost the verdict."""

    class Elsewhere:
        async def find(self, ani, did):
            return {"queue": "elsewhere"}

    session = FakeSession("call-1", "+7495", "+7912")
    known = {"sales": True}
    await question(directory=Elsewhere(), department=department, is_open=known.__getitem__)(session)
    assert (session.variables["ACD_QUEUE"], session.variables["ACD_VERDICT"]) == ("sales", "queue")


@pytest.mark.parametrize(
    ("chosen", "plan", "spoken"), [("", "en", "en"), ("ru", "en", "ru"), ("ru", "", "ru"), ("", "", None)]
)
async def test_the_prompts_speak_the_lines_language_unless_the_pbx_chose_one(chosen, plan, spoken):
    session = FakeSession("c", "+7495", "+7912", chosen)
    await question(numbers=lambda: {"+7495": replace(PLAN, language=plan)})(session)
    assert session.variables.get("ACD_LANG") == spoken
    assert session.order[-1] == "ACD_VERDICT"


@pytest.mark.parametrize("left", ["voicemail", "capture", ""])
async def test_who_calls_after_hours_hears_when_the_line_opens_and_what_he_may_leave(left):
    """Issue 4, item 6: after hours, with a default that a caller would want."""
    opens = datetime(2026, 11, 30, 9, tzinfo=ZoneInfo("Europe/Moscow"))
    session = FakeSession("c", "+7495", "+7912")
    numbers = {"+7495": replace(PLAN, after_hours=left)}
    await question(numbers=lambda: numbers, is_open=lambda _q: False, opens=lambda _q: opens)(session)
    said = session.variables
    assert (said["ACD_OPENS"], said["ACD_ZONE"]) == (str(int(opens.timestamp())), "Europe/Moscow")
    assert said.get("ACD_AFTER", "") == left
    assert session.order[-1] == "ACD_VERDICT"


async def test_a_line_that_never_opens_says_no_time():
    session = FakeSession("c", "+7495", "+7912")
    await question(is_open=lambda _q: False)(session)
    assert "ACD_OPENS" not in session.variables


async def test_who_is_refused_hears_it_in_his_language_too():
    session = FakeSession("c", "+7495", "+7912")
    await question(numbers=lambda: {"+7495": replace(PLAN, language="en")}, is_open=lambda _q: False)(session)
    assert (session.variables["ACD_LANG"], session.variables["ACD_VERDICT"]) == ("en", "closed")


@pytest.mark.parametrize(("every_s", "turns"), [(30.0, "10"), (5.0, "2"), (61.0, "20"), (0.0, None)])
async def test_announcements_come_in_the_queues_own_rhythm(every_s, turns):
    session = FakeSession("c", "+7495", "+7912")
    await question(numbers=lambda: {"+7495": replace(PLAN, announce_every_s=every_s, capture=True)})(session)
    assert session.variables.get("ACD_ANNOUNCE_TURNS") == turns
    assert session.variables["ACD_AFTER"] == "capture"
