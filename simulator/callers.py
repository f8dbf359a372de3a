"""The callers of one day: each carries all own draws, made before anybody decides anything.

So two policies, or two head counts, run with the same seed meet the same people. What is needed only
for some (a second offer, a second retry) comes from a stream named after the caller.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from acd.core.ids import AgentId, CallId
from simulator.arrivals import arrival_times, day_factor
from simulator.scenario import DAY_MS, can_serve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acd.core.instant import Instant
    from simulator.distributions import Distribution, Draws
    from simulator.scenario import Queue, Scenario
    from simulator.streams import Streams


class Sheet:
    """What a queue's callers of one day carry for each group they might meet: one row per caller."""

    __slots__ = ("chances", "rings", "talks")

    def __init__(self) -> None:
        self.chances: list[float] = []
        """Decides whether the first offer is answered."""
        self.rings: dict[str, list[int]] = {}
        self.talks: dict[str, list[int]] = {}


NO_SHEET = Sheet()


class Caller:
    """One person's matter, over all attempts. The world changes the lower fields."""

    __slots__ = (
        "agent",
        "answered_at",
        "attempt",
        "callback_u",
        "dials_ms",
        "entered_at",
        "first_at",
        "id",
        "number",
        "offered_at",
        "patience_ms",
        "period",
        "queue",
        "retry_left",
        "row",
        "sheet",
        "stage",
        "talk_ms",
        "transfer_u",
        "tries",
        "waited_before_ms",
        "wrap_ms",
    )

    def __init__(
        self, number: str, queue: int, at: Instant, period: int, patience_ms: int, talk_ms: int, wrap_ms: int
    ) -> None:
        self.number = number
        self.queue = queue
        self.first_at = at
        self.period = period
        self.patience_ms = patience_ms
        self.talk_ms = talk_ms
        self.wrap_ms = wrap_ms
        self.sheet = NO_SHEET
        self.row = 0
        self.retry_left = 0
        self.callback_u = 1.0
        self.transfer_u = 1.0
        self.dials_ms = 0
        """Time to reach the caller when called back; 0 for a caller on the line."""
        # the world's part
        self.id = CallId(number)
        self.entered_at = at
        self.tries = 0
        self.waited_before_ms = 0
        self.stage = OUTSIDE
        self.agent = AgentId("")
        self.attempt = 0
        self.offered_at = at
        self.answered_at = at


OUTSIDE = 0
WAITING = 1
RINGING = 2
TALKING = 3
LEAVING = 4
GONE = 5
"""Stages of a caller as the world knows them."""


def _by_period(
    common: Distribution,
    parts: tuple[Distribution, ...],
    periods: NDArray[np.int64],
    rng: np.random.Generator,
) -> Draws:
    """Draw one duration per call, from the distribution of the call's period if there are several."""
    if not parts:
        return common.draw(rng, len(periods))
    drawn = np.empty(len(periods))
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        where = np.flatnonzero(periods >= number if last else periods == number)
        drawn[where] = part.draw(rng, len(where))
    return drawn


def _whole_ms(drawn: Draws) -> list[int]:
    rounded: list[int] = np.rint(drawn).astype(np.int64).tolist()
    return rounded


def draw_day(scenario: Scenario, streams: Streams, day: int) -> list[Caller]:
    """Return the callers of a day of the run, in the order of their arrival.

    Args:
        scenario: the centre.
        streams: the seed's family of streams.
        day: number in the run; its midnight is `day * DAY_MS`.
    """
    factor = day_factor(scenario, streams, day)
    callers: list[Caller] = []
    for number, queue in enumerate(scenario.queues):
        callers += _draw_queue(scenario, streams, day, number, queue, factor)
    callers.sort(key=attrgetter("first_at", "number"))
    return callers


def _draw_queue(
    scenario: Scenario, streams: Streams, day: int, number: int, queue: Queue, factor: float
) -> list[Caller]:
    name, midnight = queue.name, day * DAY_MS
    date = scenario.date(day)
    times = arrival_times(queue.arrivals, date, factor, streams.vector("arrivals", name, day))
    count = len(times)
    if not count:
        return []
    part = scenario.periods
    periods = np.clip((times - part.start_ms) // part.length_ms, 0, part.count - 1)
    patience = _by_period(
        queue.patience, queue.patience_by_period, periods, streams.vector("patience", name, day)
    )
    talk = _by_period(queue.talk, queue.talk_by_period, periods, streams.vector("talk", name, day))
    wrap = queue.wrap_up.draw(streams.vector("wrap-up", name, day), count)
    prefix = f"{name}-{day}-"
    rows = zip(
        times.tolist(), periods.tolist(), _whole_ms(patience), _whole_ms(talk), _whole_ms(wrap), strict=True
    )
    callers = [
        Caller(f"{prefix}{serial}", number, midnight + at, period, patient, talks, wraps)
        for serial, (at, period, patient, talks, wraps) in enumerate(rows)
    ]
    _draw_rarer(scenario, queue, streams, day, callers)
    return callers


def _draw_rarer(scenario: Scenario, queue: Queue, streams: Streams, day: int, callers: list[Caller]) -> None:
    """Draw what only some queues have: retries, callbacks, transfers, talk times by group."""
    name, count = queue.name, len(callers)
    if queue.retry is not None and queue.retry.probability > 0:
        keep = min(queue.retry.probability, 1.0 - 1e-12)
        tries = streams.vector("retry", name, day).geometric(1.0 - keep, count) - 1
        for caller, left in zip(callers, np.minimum(tries, queue.retry.most).tolist(), strict=True):
            caller.retry_left = left
    if queue.callback is not None:
        for caller, chance in zip(
            callers, streams.vector("callback", name, day).random(count).tolist(), strict=True
        ):
            caller.callback_u = chance
    if queue.transfers:
        for caller, chance in zip(
            callers, streams.vector("transfer", name, day).random(count).tolist(), strict=True
        ):
            caller.transfer_u = chance
    _draw_sheet(scenario, queue, streams, day, callers)


def _draw_sheet(scenario: Scenario, queue: Queue, streams: Streams, day: int, callers: list[Caller]) -> None:
    """Draw what depends on the group that will answer: for every group that may."""
    name, count, sheet = queue.name, len(callers), Sheet()
    for own, distribution in queue.talk_by_group:
        sheet.talks[own] = _whole_ms(distribution.draw(streams.vector("talk", name, own, day), count))
    for group in scenario.groups:
        if not group.answers_at_once and can_serve(group, queue):
            sheet.rings[group.name] = _whole_ms(
                group.ring.draw(streams.vector("ring", name, group.name, day), count)
            )
            sheet.chances = sheet.chances or streams.vector("answer", name, day).random(count).tolist()
    if sheet.talks or sheet.rings:
        for row, caller in enumerate(callers):
            caller.sheet = sheet
            caller.row = row
