"""What each agent's screen should show right now, and the one-time tokens of the pops.

The broker carries no personal data (security row 12): a pop names the call and a token, and the desk
fetches the dossier over HTTP. This book holds the dossiers in memory only, each with an end, and also
answers "my current call" when the broker is down (failure mode 29).
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from acd.core.ids import AgentId, CallId
from acd.core.instant import HOUR_MS, MINUTE_MS, Duration, Instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acd.core.effects import CloseWrapUp, ConfirmPop, OpenWrapUp, ShowPop, WithdrawPop

POP_LIFE_MS: Duration = MINUTE_MS
CARD_LIFE_MS: Duration = HOUR_MS
_MAX_TOKENS = 5_000
_MAX_CALLS_PER_AGENT = 50
log = logging.getLogger("acd.pops")


@dataclass(frozen=True, slots=True)
class Pop:
    """One agent's pop. `phase`: offered, talking, wrap_up."""

    agent: AgentId
    call: CallId
    token: str = field(repr=False)
    wish: ShowPop
    dossier: Mapping[str, object] = field(repr=False)
    phase: str = "offered"
    deadline: Instant | None = None
    identified: bool = False
    """The agent confirmed who calls: sensitive parts of the dossier may be shown."""


class PopBook:
    """Current pop per agent, tokens, and who lately talked to whom. One thread, no awaits."""

    def __init__(self) -> None:
        self._current: dict[AgentId, Pop] = {}
        self._tokens: OrderedDict[str, tuple[Instant, Pop]] = OrderedDict()
        self._talked: dict[AgentId, deque[tuple[Instant, CallId]]] = {}

    def show(self, wish: ShowPop, dossier: Mapping[str, object], now: Instant) -> Pop:
        """Note the pop and return it with a fresh token, good once and for a minute."""
        pop = Pop(wish.agent, wish.call, secrets.token_urlsafe(18), wish, dict(dossier))
        self._current[wish.agent] = pop
        self._tokens[pop.token] = (now + POP_LIFE_MS, pop)
        while len(self._tokens) > _MAX_TOKENS or (
            self._tokens and next(iter(self._tokens.values()))[0] <= now
        ):
            self._tokens.popitem(last=False)
        return pop

    def confirm(self, wish: ConfirmPop, now: Instant) -> None:
        """Note that the agent talks: from now on the card of this call is the agent's to write."""
        self._talk_begun(wish.agent, wish.call, now)

    def withdraw(self, wish: WithdrawPop) -> None:
        """Forget the pop, unless a newer one has taken its place."""
        self._forget(wish.agent, wish.call)

    def open_wrap_up(self, wish: OpenWrapUp) -> None:
        """The same call, now with a deadline for its card."""
        self._move(wish.agent, wish.call, "wrap_up", wish.deadline)

    def close_wrap_up(self, wish: CloseWrapUp) -> None:
        """The screen is empty again."""
        self._forget(wish.agent, wish.call)

    def redeem(self, token: str, agent: AgentId, now: Instant) -> Pop | None:
        """Return the pop of this token once, to its own agent only, before it expires."""
        held = self._tokens.get(token)
        if held is not None and held[1].agent != agent:
            log.warning("refused to %s: the pop of agent %s", agent, held[1].agent)
        if held is None or held[1].agent != agent:
            return None
        del self._tokens[token]
        expires, pop = held
        return pop if now < expires else None

    def current(self, agent: AgentId) -> Pop | None:
        """Return what the agent's screen should show, without using up the token."""
        return self._current.get(agent)

    def adopt(self, wish: ShowPop, dossier: Mapping[str, object], now: Instant) -> Pop:
        """Note the pop of a talk that was already going on when we started."""
        self.show(wish, dossier, now)
        self._talk_begun(wish.agent, wish.call, now)
        return self._current[wish.agent]

    def identify(self, agent: AgentId, call: CallId) -> Pop | None:
        """Note that this agent confirmed who calls; None when it is not the call at hand."""
        pop = self._current.get(agent)
        if pop is None or pop.call != call:
            return None
        self._current[agent] = replace(pop, identified=True)
        return self._current[agent]

    def of_call(self, call: CallId) -> Pop | None:
        """Return the pop of a call, at whichever agent it is now."""
        return next((pop for pop in self._current.values() if pop.call == call), None)

    def may_write_card(self, agent: AgentId, call: CallId, now: Instant) -> bool:
        """Tell whether this agent talked in this call within the last hour."""
        talked = self._talked.get(agent, ())
        return any(c == call and now - at <= CARD_LIFE_MS for at, c in talked)

    def _talk_begun(self, agent: AgentId, call: CallId, now: Instant) -> None:
        self._move(agent, call, "talking", None)
        talked = self._talked.setdefault(agent, deque(maxlen=_MAX_CALLS_PER_AGENT))
        talked.append((now, call))

    def _move(self, agent: AgentId, call: CallId, phase: str, deadline: Instant | None) -> None:
        pop = self._current.get(agent)
        if pop is not None and pop.call == call:
            self._current[agent] = replace(pop, phase=phase, deadline=deadline)

    def _forget(self, agent: AgentId, call: CallId) -> None:
        pop = self._current.get(agent)
        if pop is not None and pop.call == call:
            del self._current[agent]
            self._tokens.pop(pop.token, None)
