"""What the wallboard says: figures, alarms by rule, order and filters."""

from typing import Any

import pytest

from acd.wallboard.view import Severity, arranged_agents, arranged_queues, board
from acd.wallboard.words import _WORDS
from tests.wallboard.board_help import NOW, agent, call, queue, snapshot


def queue_row(**changed: Any):
    return board(snapshot(queues=(queue(**changed),))).queues[0]


def agent_row(**changed: Any):
    return board(snapshot(agents=(agent(**changed),))).agents[0]


@pytest.mark.parametrize(
    ("changed", "code", "severity"),
    [
        ({}, "", Severity.NONE),
        ({"answered_in_target": 7}, "below_target", Severity.ALARM),
        ({"answered_in_target": 8}, "near_target", Severity.NOTICE),
        ({"offered": 0, "answered_in_target": 0}, "", Severity.NONE),
        ({"waiting": 1, "longest_wait_ms": 20_000}, "", Severity.NONE),
        ({"waiting": 1, "longest_wait_ms": 20_001}, "past_promise", Severity.WARNING),
        ({"waiting": 1, "longest_wait_ms": 40_001}, "over_limit", Severity.ALARM),
        ({"waiting": 1, "longest_wait_ms": 40_001, "open": False}, "over_limit", Severity.ALARM),
        ({"longest_wait_ms": 99_000}, "", Severity.NONE),
        ({"open": False, "answered_in_target": 0}, "closed", Severity.NOTICE),
        ({"reserve_open": 1}, "reserve_open", Severity.NOTICE),
        ({"reserve_open": 1, "waiting": 1, "longest_wait_ms": 40_001}, "over_limit", Severity.ALARM),
    ],
)
def test_a_subscriber_alarms_by_its_promise_and_by_the_hard_limit(changed, code, severity):
    """000-08: 40 seconds at most; 003-22: the promise of the subscriber."""
    row = queue_row(**changed)
    assert (row.alarm.code, row.alarm.severity) == (code, severity)


@pytest.mark.parametrize(
    ("changed", "code", "severity"),
    [
        ({}, "", Severity.NONE),
        ({"reachable": False}, "unreachable", Severity.ALARM),
        ({"reachable": False, "status": "logged_out"}, "", Severity.NONE),
        ({"status": "paused", "pause_reason": "RNA"}, "paused_rna", Severity.ALARM),
        ({"status": "paused", "pause_reason": "lunch"}, "", Severity.NONE),
        ({"state": "wrap_up", "wrap_up_until": NOW + 15_001}, "", Severity.NONE),
        ({"state": "wrap_up", "wrap_up_until": NOW + 15_000}, "wrap_up_ending", Severity.NOTICE),
        ({"state": "wrap_up", "wrap_up_until": NOW - 1}, "wrap_up_over", Severity.ALARM),
        ({"state": "talking", "status": "logged_out", "reachable": False}, "unreachable", Severity.ALARM),
    ],
)
def test_an_agent_alarms_when_something_is_to_be_done(changed, code, severity):
    """003-23: two minutes for the card, then an alarm."""
    row = agent_row(**changed)
    assert (row.alarm.code, row.alarm.severity) == (code, severity)


def test_every_alarm_code_has_words():
    codes = [
        "over_limit",
        "past_promise",
        "below_target",
        "near_target",
        "closed",
        "unreachable",
        "paused_rna",
        "reserve_open",
    ]
    assert {*codes, "wrap_up_over", "wrap_up_ending", "nobody_ready", "nobody_on_duty"} <= set(_WORDS)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, ""),
        ({"reserve": 1}, "back_office"),
        ({"reserve": 1, "called": True}, "called"),
        ({"reserve": 1, "status": "paused"}, ""),
    ],
)
def test_an_agent_of_the_reserve_shows_what_he_is_for_now(changed, word):
    """001-08: who may be called upon, and who is."""
    assert agent_row(**changed).reserve == word


def test_totals_measure_each_line_against_its_own_promise():
    strict = queue("strict", offered=10, answered_in_target=9, target_share=0.95)
    made = board(snapshot(queues=(queue(offered=10, answered_in_target=9), strict))).totals
    assert made.service_level == pytest.approx(0.9)
    assert made.level is Severity.NONE, "promised together: 87.5 %"
    assert (made.offered, made.abandoned, made.on_duty, made.ready) == (20, 2, 1, 1)


def test_an_empty_centre_has_no_figures_and_says_that_nobody_is_on_duty():
    made = board(snapshot(queues=(), agents=()))
    assert made.totals.service_level is None
    assert made.totals.longest_ms == 0
    assert (made.alarm.code, made.alarm.severity) == ("nobody_on_duty", Severity.WARNING)


def test_callers_waiting_with_nobody_free_are_the_centres_own_alarm():
    waiting = (queue(waiting=2, longest_wait_ms=1_000),)
    busy = board(snapshot(queues=waiting, agents=(agent(state="talking"), agent("102", status="paused"))))
    assert busy.alarm.code == "nobody_ready"
    assert board(snapshot(queues=waiting, agents=(agent(reachable=False),))).alarm.code == "nobody_ready"
    gone = board(snapshot(queues=waiting, agents=(agent(status="logged_out"),)))
    assert (gone.alarm.code, gone.alarm.severity) == ("nobody_on_duty", Severity.ALARM)


def test_names_and_calls_are_joined_to_the_agents():
    made = board(
        snapshot(
            agents=(agent(state="talking", call="c1"), agent("102", call="0123456789")), calls=(call(),)
        ),
        queue_names={"sales": "Shop"},
        agent_names={"101": "Ann"},
    )
    assert (made.agents[0].name, made.agents[0].call, made.agents[0].queue) == ("Ann", "1042-7", "Shop")
    assert (made.agents[1].name, made.agents[1].call, made.agents[1].queue) == ("102", "01234567", "")
    assert made.queues[0].name == "Shop"
    assert made.totals.talking == 1


def test_a_clock_behind_the_daemon_never_shows_negative_times():
    assert agent_row(state_since=NOW + 5_000).for_ms == 0


def test_somebody_never_seen_has_no_time():
    assert agent_row(state_since=0, status="logged_out").for_ms is None


def test_order_alarms_first_then_longest_wait():
    rows = board(
        snapshot(
            queues=(
                queue("calm"),
                queue("late", waiting=1, longest_wait_ms=30_000),
                queue("worst", waiting=1, longest_wait_ms=50_000),
                queue("bad", waiting=1, longest_wait_ms=60_000),
            )
        )
    ).queues
    assert [row.id for row in arranged_queues(rows, "urgency", "all")] == ["bad", "worst", "late", "calm"]
    assert [row.id for row in arranged_queues(rows, "name", "all")] == ["bad", "calm", "late", "worst"]
    assert [row.id for row in arranged_queues(rows, "load", "all")][-1] == "calm"
    assert [row.id for row in arranged_queues(rows, "urgency", "alarms")] == ["bad", "worst", "late"]
    assert [row.id for row in arranged_queues(rows, "urgency", "active")] == ["bad", "worst", "late"]


def test_agents_off_duty_come_last_and_can_be_hidden():
    rows = board(
        snapshot(
            agents=(
                agent("off", status="logged_out"),
                agent("idle"),
                agent("talk", state="talking", handled=9),
                agent("odd", state="unheard_of"),
                agent("lost", reachable=False),
            )
        )
    ).agents
    assert [row.id for row in arranged_agents(rows, "urgency", "all")] == [
        "lost",
        "talk",
        "idle",
        "odd",
        "off",
    ]
    assert arranged_agents(rows, "load", "all")[0].id == "talk"
    assert [row.id for row in arranged_agents(rows, "name", "active")] == ["idle", "lost", "odd", "talk"]
    assert [row.id for row in arranged_agents(rows, "urgency", "alarms")] == ["lost"]


def test_only_counters_that_counted_are_shown():
    made = board(snapshot(counters=(("drift", 0), ("late", 3), ("late", 1))))
    assert made.counters == (("late", 3), ("late", 1))
    assert made.alarms == 0
