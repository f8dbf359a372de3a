"""What a waiting caller hears; no number is better than a wrong one (002-05)."""

from __future__ import annotations

import pytest

from agi_scripts.announce_wait import Announcement, AnnouncePlan, AnnounceQuestion, WaitView, decide
from tests.agi_scripts.fake_session import FakeSession

FULL = AnnouncePlan(callback_after_ms=60_000)


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (None, Announcement()),
        (WaitView(0, 5_000, 10_000), Announcement()),
        (WaitView(1, 5_000), Announcement(1, 0)),
        (WaitView(3, 5_000, 60_000), Announcement(3, 1)),
        (WaitView(3, 5_000, 60_001), Announcement(3, 2)),
        (WaitView(3, 5_000, -5), Announcement(3, 0)),
        (WaitView(3, 5_000, 16 * 60_000), Announcement(3, 0)),
        (WaitView(21, 5_000, 60_000), Announcement(0, 1)),
        (WaitView(2, 59_999, None, plan=FULL), Announcement(2, 0)),
        (WaitView(2, 60_000, None, plan=FULL), Announcement(2, 0, callback=True)),
        (WaitView(2, 90_000, None, callback_offered=True, plan=FULL), Announcement(2, 0)),
        (WaitView(2, 90_000, 60_000, plan=AnnouncePlan(position=False, expected_wait=False)), Announcement()),
    ],
)
def test_the_plan_decides_what_is_said(view, said):
    assert decide(view) == said


async def test_the_answer_sets_the_variables_the_loop_reads():
    session = FakeSession("call-1")
    await AnnounceQuestion(lambda call: WaitView(2, 90_000, 60_000, plan=FULL) if call == "call-1" else None)(
        session
    )
    assert session.variables == {"ACD_SAY_POSITION": "2", "ACD_SAY_WAIT_MIN": "1", "ACD_OFFER_CALLBACK": "1"}
    unknown = FakeSession(ACD_CALL="other")
    await AnnounceQuestion(lambda _call: None)(unknown)
    assert (unknown.variables["ACD_SAY_POSITION"], "ACD_OFFER_CALLBACK" in unknown.variables) == ("0", False)
