"""The scripted day on real Asterisk: three unlike firms, every message delivered and acknowledged or escalated.

000-10 written message, 000-11 delivery, 000-15 digests, 001-21 traced from ring to resolution, 002-17, 003-08, 003-09.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from simulator.centre import day_story
from simulator.centre.day import ZONE, Day, day_driver
from simulator.centre.day_script import CALLS, CASE_CALLER

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]


async def test_three_firms_live_a_day_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    day = Day(tmp_path, day_driver(Console(quiet=True), asterisk=True))
    await day.run()
    assert day_story.problems(day.database, day.seen) == []
    ways = {(row[2], row[4]): row[5] for row in day_story.summary(day.database)}
    assert ways["+79160000102", "ivanov@consul.example"] == "unread → escalated → settled"
    assert ways["+79160000102", "petrova@consul.example"] == "unread → acknowledged"
    assert ways["+79160000301", "quality@severny.example"] == "unread → bounced → escalated → settled"
    assert ways["+79160000301", "chief@severny.example"] == "unread → acknowledged → replied"
    assert ways["+79160000203", "manager@servis.example"] == "unread → undelivered → acknowledged"
    digests = [mail for _, mail in day.seen.mails if "сообщения, 2" in str(mail["Subject"])]
    assert {str(mail["To"]) for mail in digests} == {"office@consul.example", "reports@severny.example"}
    cards = {card["ani"]: card for card in day_story.rows(day.database, "SELECT * FROM cards")}
    assert len(cards) == len(CALLS)
    assert cards["+79160000303"]["end_reason"] == "abandoned"
    queued = day.seen.journal[str(cards[CASE_CALLER]["call"])].last("ACDQUEUED")
    assert queued["sticky"] == day.spec.agent_ids[-1], "the open order's own person is preferred (002-11)"
    told = [str(mail.get_content()) for _, mail in day.seen.mails if mail["To"] == "olga@client.example"]
    assert [word in text for word, text in zip(("принято", "взято", "решено"), told, strict=True)] == [
        True
    ] * 3
    assert "решено" in day.seen.state_page
    text = day_story.as_text(day_story.transcript(day.database, day.seen, CASE_CALLER), ZONE)
    wanted = (
        "caller's channel is in", "'s screen: Ольга Кузнецова, ООО «Север»; order Замена экрана", "agent answers", "filled the form",
        "written message stored", "acknowledged", "case      opened", "case      taken", "case      resolved",
    )  # fmt: skip
    places = [text.find(word) for word in wanted]
    assert all(place >= 0 for place in places), text
