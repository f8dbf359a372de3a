"""Whether a promise can be kept at all with the agents there are: the waiting formula of one pool (Erlang C).

Callers who give up make waits shorter than this formula says, other subscribers' calls make them longer; so it
is a warning, not a refusal.
"""

from __future__ import annotations

from math import exp

MOST_AGENTS = 2_000


def answered_within(erlang: float, agents: int, talk_s: float, threshold_s: float) -> float:
    """Return the share answered within the threshold when callers are patient; 0 when the load is too much.

    Args:
        erlang: offered load: calls per second times talk.
        agents: how many serve them and nothing else.
        talk_s: mean handling time, taken as exponential.
        threshold_s: the promise's.
    """
    if agents <= erlang:
        return 0.0
    blocked = 1.0
    for n in range(1, agents + 1):  # Erlang B by recursion
        blocked = erlang * blocked / (n + erlang * blocked)
    waits = blocked / (1.0 - erlang / agents * (1.0 - blocked))
    return 1.0 - waits * exp(-(agents - erlang) * threshold_s / talk_s)


def agents_needed(erlang: float, talk_s: float, share: float, threshold_s: float) -> int | None:
    """Return the fewest agents with whom the promise holds; None beyond `MOST_AGENTS`."""
    first = int(erlang) + 1
    for agents in range(first, MOST_AGENTS + 1):
        if answered_within(erlang, agents, talk_s, threshold_s) >= share:
            return agents
    return None
