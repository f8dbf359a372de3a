"""When a message of the outbox is due, over clocks that are set and lives that end."""

from acd.core.instant import HOUR_MS, SECOND_MS
from tests.adapters.store.support import T0, StandingClock, make_card, opened


async def test_a_clock_put_right_leaves_no_message_waiting_for_the_wrong_hour(tmp_path):
    """Met by the fault regime: six cards had no ticket, for the daemon that wrote them was an hour ahead."""
    wrong = StandingClock(T0 + HOUR_MS)
    async with opened(tmp_path / "acd.db", clock=wrong, destinations=("webhook",)) as store:
        await store.write_card(make_card("c1"))
    async with opened(tmp_path / "acd.db", destinations=("webhook",)) as store:
        (message,) = await store.outbox.due("webhook", T0 + 5, 10)
        assert (message.call, message.created_at) == ("c1", T0 + 5), "its age counts from now"


async def test_a_message_that_failed_waits_in_this_life_and_is_tried_at_once_in_the_next(tmp_path):
    async with opened(tmp_path / "acd.db", destinations=("webhook",)) as store:
        await store.write_card(make_card("c1"))
        (message,) = await store.outbox.due("webhook", T0, 10)
        await store.outbox.failed(message, "500", T0, retry_after_ms=30 * SECOND_MS)
        assert await store.outbox.due("webhook", T0 + SECOND_MS, 10) == []
        assert await store.outbox.due("webhook", T0 + 30 * SECOND_MS, 10) != []
    async with opened(tmp_path / "acd.db", destinations=("webhook",)) as store:
        (again,) = await store.outbox.due("webhook", T0 + SECOND_MS, 10)
        assert (again.attempts, again.created_at) == (1, T0)
