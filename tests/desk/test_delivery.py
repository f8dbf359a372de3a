"""A delivery's machine and its times (000-11, 002-17)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.core.instant import HOUR_MS, MINUTE_MS
from acd.desk import delivery
from acd.desk.delivery import Delivery, Event, Rule, State
from tests.desk.test_hours import MOSCOW, at

NOW = at("2026-11-25T12:00")
ONE = Delivery("call", 1, "consul", 0, "email", "a@x.example", next_try_at=NOW, created_at=NOW)


def test_one_key_per_message_version_recipient_and_step() -> None:
    keys = {ONE.key, replace(ONE, version=2).key, replace(ONE, step=1).key, replace(ONE, recipient="b@x").key}
    assert len(keys) == 4
    assert replace(ONE, attempts=5, state=State.SENT).key == ONE.key


def test_what_the_channel_took_is_sent_or_awaits_its_answer() -> None:
    assert delivery.taken(ONE, NOW).state is State.SENT
    wanted = delivery.taken(replace(ONE, acknowledge_ms=MINUTE_MS), NOW)
    assert (wanted.state, wanted.deadline) == (State.UNREAD, NOW + MINUTE_MS)
    assert not delivery.overdue(wanted, NOW + MINUTE_MS - 1)
    assert delivery.overdue(wanted, NOW + MINUTE_MS)


def test_failures_are_tried_again_with_growing_pauses_until_a_day_has_passed() -> None:
    moved, now, pauses = ONE, NOW, []
    while moved.state is State.WAITING:
        moved = delivery.failed(moved, "451 later", now, retryable=True)
        pauses.append(moved.next_try_at - now)
        now = moved.next_try_at
    assert pauses[:3] == [2000, 4000, 8000]
    assert max(pauses) == delivery.USUAL.longest_ms
    assert moved.state is State.UNDELIVERED
    assert delivery.GIVE_UP_MS <= now - NOW < delivery.GIVE_UP_MS + HOUR_MS


def test_a_refusal_for_good_is_not_tried_again_and_the_receivers_own_pause_is_kept() -> None:
    assert delivery.failed(ONE, "550 no such user", NOW, retryable=False).state is State.UNDELIVERED
    slow = delivery.failed(ONE, "429", NOW, retryable=True, retry_after_ms=90_000)
    assert slow.next_try_at == NOW + 90_000


def test_an_urgent_message_held_by_quiet_hours_still_has_its_whole_time_for_tries() -> None:
    held = replace(ONE, created_at=NOW - 10 * HOUR_MS, acknowledge_ms=MINUTE_MS)
    again = delivery.failed(held, "down", NOW, retryable=True)
    assert delivery.failed(again, "down", NOW + MINUTE_MS, retryable=True).state is State.WAITING


@pytest.mark.parametrize("state", list(State))
def test_a_late_acknowledgement_always_counts(state: State) -> None:
    known = delivery.move(replace(ONE, state=state), Event.ACKNOWLEDGED)
    assert known is (None if state in {State.ACKNOWLEDGED, State.SETTLED} else State.ACKNOWLEDGED)


def test_a_pair_that_is_not_in_the_table_changes_nothing() -> None:
    assert delivery.move(replace(ONE, state=State.ACKNOWLEDGED), Event.TAKEN) is None
    done = replace(ONE, state=State.SENT)
    assert delivery.taken(done, NOW) == done
    assert delivery.failed(done, "x", NOW, retryable=True) == done


def test_rules_look_at_urgency_hour_and_opening() -> None:
    rule = Rule(
        "a@x", urgency="urgent", hours=((1080, 1980),), when_open=False, call_types=frozenset({"arrest"})
    )
    asked = {"urgency": "urgent", "minute": 1200, "is_open": False, "call_type": "arrest"}
    assert rule.fits(**asked)  # type: ignore[arg-type]
    for change in ({"urgency": "normal"}, {"minute": 720}, {"is_open": True}, {"call_type": "bill"}):
        assert not rule.fits(**(asked | change))  # type: ignore[arg-type]


def test_when_a_delivery_leaves_urgent_at_once_digest_and_quiet_later() -> None:
    digest = Rule("a@x", digest=(1020,))
    quiet = ((1320, 1920),)
    night = at("2026-11-25T23:00")
    assert delivery.first_try(digest, NOW, MOSCOW, (), urgent=True) == NOW
    assert delivery.first_try(digest, NOW, MOSCOW, (), urgent=False) == at("2026-11-25T17:00")
    assert delivery.first_try(Rule("a@x"), night, MOSCOW, quiet, urgent=False) == at("2026-11-26T08:00")
    assert delivery.minute_of(NOW, MOSCOW) == 720
