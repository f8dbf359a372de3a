"""A floor to tell facts to: three agents, two queues, time as literal milliseconds."""

from __future__ import annotations

from typing import Any

from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy

POLICY = Policy(
    queues=(QueuePolicy("desk", "firm", wrap_up_ms=10_000), QueuePolicy("law", "firm", wrap_up_ms=0)),
    agents=(AgentPolicy("anna"), AgentPolicy("boris", rna_limit=2), AgentPolicy("clara", rna_limit=0)),
)


class Telling:
    """An engine, its clock and what it wished; every step is followed by the whole invariant check."""

    def __init__(
        self, *agents: str, policy: Policy = POLICY, synced: bool = True, matcher: Any = None
    ) -> None:
        self.engine = Engine(policy, matcher)
        self.floor = self.engine._floor
        self.wishes: list[Any] = []
        if synced:
            self.tell(0, ev.WorldSynced())
        for agent in agents:
            self.tell(0, ev.AgentLoggedIn(agent))

    def tell(self, now: int, *facts: ev.Fact) -> list[Any]:
        """Tell facts at `now`; return the wishes of the last one."""
        got: list[Any] = []
        for fact in facts:
            got = list(self.engine.step(fact, now))
            self.engine.check(now)
            self.wishes += got
        return got

    def wake(self, now: int) -> list[Any]:
        assert self.engine.next_deadline() == now
        return self.tell(now, ev.DeadlinePassed())

    def queued(self, now: int, call: str = "c1", **more: Any) -> list[Any]:
        fields = {
            "queue": "desk",
            "subscriber": "firm",
            "did": "100",
            "ani": "200",
            "entered_at": now,
            **more,
        }
        return self.tell(now, ev.CallQueued(call, **fields))

    def talking(self, now: int, call: str = "c1", agent: str = "anna", **more: Any) -> None:
        """Queue, dial and answer in one millisecond."""
        self.queued(now, call, **more)
        attempt = self.call(call).attempt
        assert self.call(call).leg.agent == agent
        self.tell(now, ev.OfferConfirmed(call, agent, attempt), ev.CallAnswered(call, agent, attempt))

    def call(self, call: str = "c1") -> Any:
        return self.floor.find_call(call)

    def state(self, call: str = "c1") -> str:
        return self.call(call).state.value

    def agent(self, agent: str = "anna") -> str:
        return self.floor.agents[agent].state.value

    def counter(self, name: str) -> int:
        return self.floor.counters.get(name, 0)

    def cards(self, call: str = "c1") -> list[Any]:
        """Every card written for this call, oldest first."""
        return [w.card for w in self.wishes if hasattr(w, "card") and w.card.call == call]

    def queue(self, queue: str = "desk", now: int = 0) -> Any:
        return next(q for q in self.engine.snapshot(now).queues if q.queue == queue)
