"""The door's two questions, answered from the configuration and cheap looks at one call or one queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acd.config.loading import load
from acd.core.ids import CallId, Did
from acd.core.snapshot import CallView
from acd.door import Door, number_plan
from agi_scripts.announce_wait import Announcement, decide

SAMPLE = Path(__file__).parents[1] / "config"
WAITING = CallView(
    CallId("c1"),
    "waiting",
    "sales",
    "firm",
    "100",
    "200",
    "7",
    0,
    waited_ms=59_999,
    agent=None,
    attempt=0,
    position=3,
    expected_wait_ms=90_000,
)
PLAN = SimpleNamespace(say_position=True, say_wait=False, callback_after_s=60)


class Centre:
    """Live calls and what was asked about them."""

    def __init__(
        self,
        *calls: CallView,
        announcements: str = "polite",
        beyond_s: float | None = None,
        dials: bool = True,
    ) -> None:
        self.calls = {call.call: call for call in calls}
        tree = SimpleNamespace(
            queues={"sales": SimpleNamespace(announcements=announcements, callback_beyond_s=beyond_s)},
            announcements={"polite": PLAN},
            callbacks=SimpleNamespace(enabled=dials),
        )
        config: Any = SimpleNamespace(tree=tree, numbers={})
        directory: Any = None
        clock: Any = None
        self.door = Door(lambda: config, self.calls.get, {"sales": 4}.__getitem__, clock, directory, str)

    def routes(self) -> dict[str, Any]:
        return dict(self.door.routes())

    def view(self, call: str = "c1") -> Any:
        return self.routes()["announce_wait"].view(call)


def test_the_depth_of_a_queue_is_the_cores_word():
    assert Centre().routes()["enter_queue"].waiting("sales") == 4


def test_a_waiting_call_is_told_its_place_and_wait_by_the_queues_plan():
    view = Centre(WAITING).view()
    assert (view.position, view.waited_ms, view.expected_wait_ms) == (3, 59_999, 90_000)
    assert (view.plan.position, view.plan.expected_wait, view.plan.callback_after_ms) == (True, False, 60_000)


@pytest.mark.parametrize(
    "centre",
    [Centre(), Centre(replace(WAITING, state="talking")), Centre(WAITING, announcements="")],
    ids=["unknown", "no longer waiting", "queue without announcements"],
)
def test_who_does_not_wait_or_has_no_plan_hears_nothing(centre):
    assert centre.view() is None


@pytest.mark.parametrize(
    ("beyond_s", "expected_ms", "dials", "offered"),
    [
        (90.0, 90_000, True, True),
        (90.0, 89_999, True, False),
        (90.0, None, True, False),
        (90.0, 500_000, False, False),
        (None, 500_000, True, False),
    ],
)
def test_who_must_expect_to_wait_long_is_offered_a_callback(beyond_s, expected_ms, dials, offered):
    """Issue 4, item 6: by expected wait; off if the subscriber says so, or if nobody would dial."""
    waiting = replace(WAITING, expected_wait_ms=expected_ms)
    centre = Centre(waiting, beyond_s=beyond_s, dials=dials)
    assert decide(centre.view()).callback is offered
    assert not decide(centre.view()).callback, "once is enough"


def test_a_silent_queue_may_still_offer_a_callback():
    view = Centre(WAITING, announcements="", beyond_s=30.0).view()
    assert decide(view) == Announcement(0, 0, callback=True)


def test_a_callback_is_offered_once_and_forgotten_with_the_call():
    centre = Centre(WAITING)
    assert not centre.view().callback_offered
    centre.calls[CallId("c1")] = replace(WAITING, waited_ms=60_000)
    assert [centre.view().callback_offered for _ in range(3)] == [False, True, True]
    del centre.calls[CallId("c1")]
    centre.calls[CallId("c2")] = replace(WAITING, call=CallId("c2"), waited_ms=60_000)
    assert not centre.view("c2").callback_offered
    centre.calls[CallId("c1")] = replace(WAITING, waited_ms=60_000)
    assert not centre.view().callback_offered, "the memory goes with the call, or it would grow for ever"


@pytest.mark.slow
def test_a_queues_priority_is_multiplied_once_by_the_router_not_at_the_door_too():
    """The dialplan carries the caller's own priority; 1.5 of a queue would else count as 2.25."""
    config = load(SAMPLE)
    assert config.tree.queues["nadezhda"].priority == 1.5
    assert {plan.priority for plan in number_plan(config).values()} == {1.0}


def test_a_number_speaks_its_own_language_else_its_queues_else_the_centres():
    config = load(SAMPLE, overrides=["numbers.7002.queue=nadezhda", "numbers.7002.language=en"])
    plans = number_plan(config)
    spoken = [plans[Did(number)].language for number in ("7002", "+74951230002", "+74951230005")]
    assert spoken == ["en", "ru", "en"]


def test_a_number_of_another_language_asks_for_agents_who_speak_it():
    """A line for English callers of a Russian firm: the prompts and the agent speak English."""
    config = load(SAMPLE, overrides=["numbers.7002.queue=nadezhda", "numbers.7002.language=en"])
    plans = number_plan(config)
    needs = [plans[Did(number)].needs for number in ("7002", "+74951230002", "+74951230005")]
    assert needs == [(("english", 1),), (), ()], "the queue's own language is the queue's own need"


def test_a_call_sent_to_another_department_gets_that_queues_line_in_the_numbers_own_language():
    """Directory's word `queue`: the rhythm, the end and the language of the queue in which the call waits."""
    config = load(SAMPLE, overrides=["queues.vektor.fallback=capture", "queues.vektor.language=en"])
    clock: Any = None
    directory: Any = None
    department = (
        Door(lambda: config, {}.get, {}.get, clock, directory, str).routes()["enter_queue"].department
    )
    there, russian = department("vektor", ""), department("vektor", "ru")
    assert there.capture
    assert (there.queue, there.language, russian.language) == ("vektor", "en", "ru")
    assert department("nowhere", "") is None


def test_after_hours_a_message_is_the_default_and_the_opening_is_known_in_the_callers_zone():
    config = load(
        SAMPLE, overrides=["queues.vektor.after_hours=number", "queues.klinika.after_hours=goodbye"]
    )
    plans = number_plan(config)
    assert [plans[Did(n)].after_hours for n in ("7001", "7003", "7004")] == ["voicemail", "capture", ""]
    sunday = datetime(2026, 11, 29, 12, tzinfo=UTC)
    clock: Any = SimpleNamespace(now=lambda: int(sunday.timestamp() * 1000))
    directory: Any = None
    door = Door(lambda: config, {}.get, {}.get, clock, directory, str)
    opens = door.routes()["enter_queue"].opens("romashka")
    assert opens.strftime("%a %H:%M") == "Mon 09:00"
    assert str(opens.tzinfo) == config.tree.centre.time_zone


def test_what_a_queue_says_of_its_announcements_and_its_end_reaches_the_dialplan():
    config = load(SAMPLE, overrides=["queues.vektor.fallback=capture", "queues.klinika.announcements=null"])
    plans = number_plan(config)
    rhythm = [plans[Did(number)].announce_every_s for number in ("7001", "7006", "7004")]
    assert rhythm == [30.0, 60.0, 0.0], "standard, patient, silence"
    assert [plans[Did(number)].capture for number in ("7003", "7001")] == [True, False]
