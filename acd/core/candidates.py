"""Who else could have taken a call when it was given away, and why each was passed over (001-21).

The matcher keeps a few numbers per decision; the text is made when somebody reads it: at the latest when the card is
written, outside the pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from acd.core.ids import AgentId, CallId, QueueId
    from acd.core.instant import Duration

MOST_NAMED = 6
"""Agents named per reason; the others are counted. So one decision never keeps more than some hundred bytes."""

LONGEST = "not ready for longer"
"""Why the winner came before those with his own skills, unless something else decided."""

HELD = float("-inf")
"""The score of a ready agent who was kept for others."""

Rival: TypeAlias = "tuple[float, AgentId, int, float, Duration]"
"""(score or `HELD`, agent, level, price for others, ready for ms)"""


def _score(rival: Rival) -> float:
    return rival[0]


class Candidates:
    """One decision as it was. `str()` gives the line for the card."""

    __slots__ = (
        "away",
        "because",
        "best",
        "busy",
        "instead_of",
        "more",
        "reserve",
        "rivals",
        "same",
        "same_more",
        "skipped",
    )

    def __init__(
        self,
        rivals: list[Rival] | None,
        agent: AgentId,
        same: tuple[AgentId, ...],
        ready_alike: int,
        busy: int,
        away: int,
        because: str = LONGEST,
    ) -> None:
        """Keep the best rivals.

        Args:
            rivals: the first of every ready group that fits, the winner among them; None when there was one group.
            agent: the winner.
            same: a few agents with exactly the winner's skills who were ready too, in order.
            ready_alike: how many of these there are in all, without those who let this call ring before.
            busy: agents who fit and talk.
            away: agents who fit and are logged out, paused or in wrap-up.
            because: why the winner came before them.
        """
        self.because = because
        self.best: Rival | None = None
        self.rivals: tuple[Rival, ...] = ()
        self.more = 0
        if rivals is not None and rivals:
            if len(rivals) > 1:
                rivals.sort(key=_score, reverse=True)
            kept: list[Rival] = []
            for rival in rivals:
                if rival[1] == agent:
                    self.best = rival
                elif len(kept) < MOST_NAMED:
                    kept.append(rival)
                else:
                    self.more += 1
            self.rivals = tuple(kept)
        self.same = same
        self.same_more = ready_alike - len(same)
        self.busy = busy
        self.away = away
        self.skipped: tuple[AgentId, ...] = ()
        self.reserve = 0
        self.instead_of: tuple[CallId, QueueId, float] | None = None

    def __repr__(self) -> str:
        """As the text, so that two runs of one seed have one digest."""
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        """Two decisions are told apart by what they say."""
        return isinstance(other, Candidates) and str(self) == str(other)

    def __hash__(self) -> int:
        """As equality."""
        return hash(str(self))

    def __str__(self) -> str:
        """Return one line: scores and reasons of those who did not get the call."""
        parts = [_of_rival(rival) for rival in self.rivals]
        if self.more:
            parts.append(f"{self.more} more with lower scores")
        if self.same:
            more = f" and {self.same_more} more" if self.same_more > 0 else ""
            parts.append(f"{', '.join(self.same)}{more}: same skills, {self.because}")
        if self.skipped:
            left = len(self.skipped) - MOST_NAMED
            more = f" and {left} more" if left > 0 else ""
            parts.append(f"{', '.join(self.skipped[:MOST_NAMED])}{more}: let this call ring before")
        if self.reserve:
            parts.append(f"reserve {self.reserve} was not opened")
        parts += [f"{n} {word}" for n, word in ((self.busy, "busy"), (self.away, "not ready")) if n]
        head = "passed over"
        if self.best is not None:
            head = f"score {self.best[0]:.3g}; passed over"
        line = f"{head}: {'; '.join(parts) or 'nobody, no other agent fits'}"
        if self.instead_of is None:
            return line
        call, queue, cost = self.instead_of
        return f"{line}; the agent's next best was {call} of {queue}, cost {cost:.3g}"


def _of_rival(rival: Rival) -> str:
    score, agent, level, price, idle_ms = rival
    what = f"level {level}, idle {idle_ms / 1000:.0f} s, price {price:.3g}"
    if score == HELD:
        return f"{agent} kept for others ({what})"
    return f"{agent} scored {score:.3g} ({what})"
