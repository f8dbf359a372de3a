"""The virtual world's people on a real switch: same draws, same books, but somebody else decides.

Callers (`Crowd`), desks (`Staffing`), single choices (`Draws`) and counts (`Ledger`) are those of the virtual
engine. Only the engine in the middle is gone: its place is taken by the daemon, or by app_queue, with real
calls between. A `Line` makes the calls and tells what the phones saw; a `Desks` logs agents in and out.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from acd.core.effects import KeepAgentStatus
from acd.core.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPaused,
    AgentResumed,
    CallEnded,
    CallQueued,
    DeviceReachable,
    DeviceUnreachable,
    Fact,
    OfferOutcome,
    TalkEnded,
    WrapUpDone,
)
from acd.core.ids import CallId, EffectId
from simulator.callers import OUTSIDE, RINGING, TALKING, WAITING, Caller, draw_day
from simulator.centre.oracle import Truth
from simulator.crowd import Crowd
from simulator.draws import Draws
from simulator.ledger import Ledger
from simulator.load.centre import Centre, ani
from simulator.load.parts import Desks, Line, Made, Oddities, PhoneDoes
from simulator.results import RunResult
from simulator.staffing import Staffing
from simulator.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acd.core.ids import AgentId
    from simulator.agents import Person
    from simulator.scenario import Callback, Scenario
    from simulator.world import World

DEEDS: dict[type, str] = {
    AgentLoggedIn: "login",
    AgentLoggedOut: "logout",
    AgentResumed: "resume",
    WrapUpDone: "done",
}
LEAST_TALK_MS = 700
"""Nobody hands a call on sooner: the router refuses it while the legs are just being joined."""
HAND_ON_AGAIN_MS = 2_000
HAND_ON_TRIES = 3
LEAST_WRAP_MS = 60
"""A wrap-up of no length would be "done" before the daemon has heard of the talk's end."""


OUTCOMES = {
    "refused": ("refused", "blocked"),
    "busy": ("busy", "blocked"),
    "cleared": ("fallback", "cleared"),
    "overflowed": ("fallback", "overflowed"),
    "failed": ("failed", "overflowed"),
}
"""What the switch did to a caller: the oracle's word, the books' word."""


def without_doors(scenario: Scenario) -> Scenario:
    """Return the scenario in which everybody gets in and nobody is offered a call-back: trunk and router do both."""
    queues = tuple(
        dataclasses.replace(queue, max_waiting=sys.maxsize, callback=None) for queue in scenario.queues
    )
    return dataclasses.replace(scenario, queues=queues, lines=None, closing=None)


class LiveWorld:
    """One copy of the centre: one seed, on wall time. Implements what the virtual world's parts ask for."""

    def __init__(
        self, centre: Centre, copy: int, line: Line, desks: Desks, begun: Callable[[], float]
    ) -> None:
        scenario = self.scenario = centre.scenario
        self.seed = centre.seeds[copy]
        self.streams = Streams(self.seed)
        self.odd = Oddities()
        self._centre, self._copy, self._line, self._desks = centre, copy, line, desks
        self._begun = begun
        self._at_ms: int | None = None
        self._early = False
        self._last_plan = 0
        self.result: RunResult | None = None
        """The books, once closed."""
        self._plans: list[tuple[int, Callable[[Any], None], Any]] = []
        me = cast("World", self)
        self.draws = Draws(scenario, self.streams)
        self.ledger = Ledger(me, scenario, keep_calls=True)
        self.staffing = Staffing(me, scenario)
        self.people = self.staffing.people
        self.drawn = draw_day(scenario, self.streams, 0)
        self.crowd = Crowd(me, without_doors(scenario), lambda _day: self.drawn)
        self.live = self.crowd.live
        self.switch = self
        self._names = centre.agents(copy)
        self.agent_of = {name: agent for agent, name in self._names.items()}
        self._serial = {caller.number: serial for serial, caller in enumerate(self.drawn)}
        self._by_ani: dict[str, Caller] = {}
        self._ani: dict[str, str] = {}
        self._unanswered: dict[AgentId, int] = {}
        self._handles: set[asyncio.TimerHandle] = set()
        self._handing: dict[str, tuple[Caller, Person]] = {}
        """By number: asked to be handed on, and not yet gone on."""
        self.truths: dict[str, Truth] = {}
        """Every call made, by number, as its driver saw it: for the oracle."""
        self.backs: dict[str, Truth] = {}
        """The call-backs of those who chose one, by number; what happens to that number later belongs here."""

    # --- what the virtual world's parts ask for --------------------------------------------------

    @property
    def now(self) -> int:
        """Milliseconds since the run began; inside an event, when that event happened."""
        return self._at_ms if self._at_ms is not None else round((time.time() - self._begun()) * 1000)

    def at(self, due: int, act: Callable[[Any], None], what: Any) -> None:
        """Plan something; it happens at `due` by the books, and as soon after as the machine can."""
        if due <= 0:  # who is on duty from the first moment on sits there before the first call
            with self.when(self._begun()):
                act(what)
            return
        if self._early:
            self._plans.append((due, act, what))
            return
        loop = asyncio.get_running_loop()
        delay = max(0.0, self._begun() + due / 1000 - time.time())
        if delay > 1e6:  # patience without end
            return

        def happen() -> None:
            self._handles.discard(handle)
            act(what)

        handle = loop.call_later(delay, happen)
        self._handles.add(handle)

    def soon(self, act: Callable[[Any], None], what: Any) -> None:
        """Do something after what is going on now."""
        asyncio.get_running_loop().call_soon(act, what)

    def tell(self, fact: Fact) -> None:
        """Carry out what a person does: here nobody decides, so facts become deeds."""
        if isinstance(fact, CallQueued):
            if str(fact.call) not in self._ani:  # handed on, he is on the line already
                self._stands(fact.call)
        elif isinstance(fact, TalkEnded):
            self._line.end_talk(self._ani.pop(str(fact.call), ""))
        elif isinstance(fact, CallEnded):
            number = self._ani.pop(str(fact.call), None)
            if number is not None:
                self._ends(number, "abandoned")
                self._line.hang_up(number)
        elif isinstance(fact, DeviceUnreachable):
            self._line.unplug(self._names[fact.agent], away=True)
        elif isinstance(fact, DeviceReachable):
            self._line.unplug(self._names[fact.agent], away=False)
        elif isinstance(fact, AgentPaused):
            self._desks.say(self._names[fact.agent], "pause", fact.reason)
        elif isinstance(fact, (AgentLoggedIn, AgentLoggedOut, AgentResumed, WrapUpDone)):
            self._desks.say(self._names[fact.agent], DEEDS[type(fact)])

    def hang_up_ringing(self, caller: Caller) -> None:
        """The caller gives up while a phone rings: the virtual switch's part."""
        caller.stage = OUTSIDE
        self.staffing.release(self.people[caller.agent])

    def phone_gone(self, person: Person) -> None:
        """A phone that rings is gone: it falls silent, and the caller waits on. The virtual switch's part."""
        caller = person.caller
        number = self._ani.get(str(caller.id)) if caller is not None and caller.stage == RINGING else None
        if number is not None:
            self._line.silence(number, self._names[person.id])

    # --- life ------------------------------------------------------------------------------------

    def first_calls(self) -> list[Made]:
        """Return the calls known before the run; retries are placed later."""
        return [self._made(caller, caller.first_at) for caller in self.drawn]

    def staff(self) -> None:
        """Let those on duty from the first moment on log in, before the run begins."""
        self._early = True
        self._last_plan = self.staffing.plan()
        self._early = False

    def open(self) -> None:
        """Put shifts and callers on the calendar. The run begins at `begun`."""
        for due, act, what in self._plans:
            self.at(due, act, what)
        self.crowd.start_day(0)

    def staff_leaves(self) -> None:
        """After the run everybody goes home, so that another router may have the phones."""
        for person in self.people.values():
            self._desks.say(self._names[person.id], "logout")

    @property
    def over(self) -> bool:
        """Whether everybody has called, is served or gone, nobody writes up a call, and the staff plan ends."""
        return self.crowd.over and not self.staffing.wrapping and self.now >= self._last_plan

    def close(self) -> RunResult:
        """End the calendar and return the books; what comes later is not in them."""
        if self.result is not None:
            return self.result
        for handle in self._handles:
            handle.cancel()
        self.odd.forgotten = [self._ani.get(str(call), str(call)) for call in self.live]
        odd = self.odd
        counters = {
            "raced": odd.raced,
            "ended_by_switch": odd.ended_by_switch,
            "failed": odd.failed,
            "not_handed_on": odd.not_handed_on,
        }
        self.result = RunResult(
            seed=self.seed,
            policy=self._centre.policy,
            tallies=self.ledger.tallies,
            groups=self.staffing.times(),
            waits=self.ledger.waits,
            day_factors=self.crowd.day_factors,
            horizon_ms=self.now,
            counters={name: count for name, count in counters.items() if count},
            steps=0,
            calls=self.ledger.records,
        )
        return self.result

    def _made(self, caller: Caller, start_ms: int) -> Made:
        number = ani(self._copy, caller.tries, self._serial[caller.number])
        did = self._centre.did(self._copy, caller.queue)
        return Made(number, did, start_ms, first=caller.tries == 0)

    def _stands(self, call: CallId) -> None:
        """Somebody new waits: he calls, or the router will call him back at the number he had called from."""
        number = next((n for n, caller in self._by_ani.items() if caller is self.live[call]), "")
        if number in self.backs and self.live[call].dials_ms:
            self._ani[str(call)] = number
        else:
            self._place(call)

    def _place(self, call: CallId) -> None:
        caller = self.live[call]
        caller.attempt = 0
        made = self._made(caller, self.now)
        self._by_ani[made.ani] = caller
        self._ani[str(call)] = made.ani
        self.truths[made.ani] = Truth(made.ani, made.did, time.time(), "")
        self._line.place(made)

    def truth_of(self, number: str) -> Truth:
        """Return what the driver knows of a number's present call: his own, or our call-back to him."""
        return self.backs.get(number) or self.truths[number]

    def _ends(self, number: str, outcome: str) -> None:
        truth = self.truth_of(number)
        truth.outcome = truth.outcome or outcome

    # --- what the phones saw ---------------------------------------------------------------------

    @contextmanager
    def when(self, at_s: float) -> Iterator[None]:
        """Let the books show the moment of an event, not the moment we hear of it."""
        self._at_ms = round((at_s - self._begun()) * 1000)
        try:
            yield
        finally:
            self._at_ms = None

    def entered(self, number: str, at_s: float) -> None:
        """The call really began."""
        caller = self._by_ani.get(number)
        if caller is not None and caller.stage in {WAITING, RINGING}:
            self.truths[number].entered_s = at_s
            caller.entered_at = round((at_s - self._begun()) * 1000)

    def rang(self, number: str, device: str, at_s: float) -> PhoneDoes:
        """An agent's phone rings: decide what the person does, from the same draws as in virtual time."""
        if (
            device not in self.agent_of
        ):  # the PBX's fallback rings everybody's phones, those of other copies too
            return PhoneDoes(0, refuses=True)
        with self.when(at_s):
            caller, person = self._by_ani.get(number), self.people[self.agent_of[device]]
            if caller is None or caller.stage != WAITING:
                self.odd.strangers += caller is None
                return PhoneDoes(None)
            person.account(self.now)
            if person.wrapping:  # a router that does not wait for the card's end
                self.staffing.wrapping -= 1
                person.wrapping = False
            caller.stage, caller.agent, caller.offered_at = RINGING, person.id, self.now
            caller.attempt += 1
            self.truth_of(number).rings.append((device, at_s))
            person.caller = caller
            person.crew.times.offers += 1
            ring_ms, outcome = self.draws.ring(caller, person, caller.attempt)
        if outcome is OfferOutcome.NO_ANSWER:
            return PhoneDoes(None)
        return PhoneDoes(max(0, ring_ms), refuses=outcome is OfferOutcome.REFUSED)

    def answered(self, number: str, device: str, at_s: float) -> None:
        """The agent took the call."""
        with self.when(at_s):
            caller, person = self._by_ani.get(number), self.people[self.agent_of[device]]
            if caller is not None:
                truth = self.truth_of(number)
                truth.outcome, truth.answered_by, truth.answered_s = "answered", device, at_s
            if caller is None or caller.stage != RINGING or caller.agent != person.id:
                self.odd.raced += 1
                return
            self._unanswered[person.id] = 0
            truth.answers.append(device)
            self.crowd.answered(caller)
            over = self.now + self.draws.talk(caller, person)
            if self.crowd.goes_on_to(caller) is not None:
                over = max(over, self.now + LEAST_TALK_MS)
        self.at(over, self._end_talk, (caller, person, over))

    def _end_talk(self, what: tuple[Caller, Person, int]) -> None:
        caller, person, over = what
        if caller.stage != TALKING or person.caller is not caller:
            return
        if caller.wrap_ms:
            caller.wrap_ms = max(caller.wrap_ms, LEAST_WRAP_MS)
        if self.crowd.goes_on_to(caller) is not None:
            if self._desks.hands_on:
                self._hand_on((caller, person, HAND_ON_TRIES))
                return
            self._stays(caller)
        with self.when(self._begun() + over / 1000):
            self.crowd.end_talk((caller, person))

    def takes_callback(self, number: str) -> bool:
        """Whether this caller says yes when he is offered a call-back: by his own draw."""
        caller = self._by_ani.get(number)
        callback = self._callback_of(caller)
        return (
            caller is not None
            and callback is not None
            and not caller.dials_ms
            and caller.callback_u < callback.accept
        )

    def _callback_of(self, caller: Caller | None) -> Callback | None:
        """Return the offer of the line in which this caller waits."""
        return self.scenario.queues[caller.queue].callback if caller is not None else None

    def callback_chosen(self, number: str, at_s: float) -> int:
        """The caller took the offer and is off the line. Return how long his telephone will ring, milliseconds."""
        caller = self._by_ani.get(number)
        callback = self._callback_of(caller)
        if caller is None or callback is None or caller.stage != WAITING:
            self.odd.strangers += 1
            return 0
        self._ends(number, "callback")
        self._ani.pop(str(caller.id), None)
        self.backs[number] = Truth(number, self.truths[number].did, at_s, "")
        with self.when(at_s):
            self.crowd.choose_callback(caller, callback)
        return caller.dials_ms

    def _stays(self, caller: Caller) -> None:
        """The caller will not go on to another line after all."""
        self.odd.not_handed_on += 1
        caller.transfer_u = 1.0

    def _hand_on(self, what: tuple[Caller, Person, int]) -> None:
        """Ask the router to let the caller go on; again while nothing comes of it; in the end just hang up."""
        caller, person, tries = what
        to = self.crowd.goes_on_to(caller)
        number = self._ani.get(str(caller.id), "")
        if caller.stage != TALKING or person.caller is not caller or to is None:
            return
        if (
            tries < HAND_ON_TRIES and number not in self._handing
        ):  # he went on, and came back to the same agent
            return
        if not tries:
            self._handing.pop(number, None)
            self._stays(caller)
            self.crowd.end_talk((caller, person))
            return
        self._handing[number] = caller, person
        queue = next(place for place, one in enumerate(self.scenario.queues) if one.name == to)
        self._desks.hand_on(
            self._names[person.id], self._line.call_of(number), self._centre.queue_id(self._copy, queue)
        )
        self.at(self.now + HAND_ON_AGAIN_MS, self._hand_on, (caller, person, tries - 1))

    def handed_on(self, number: str, device: str, queue: str, at_s: float) -> None:
        """The caller has left the talk for another waiting line."""
        caller, person = self._handing.pop(number, (None, None))
        if caller is None or person is None or caller.stage != TALKING or person.caller is not caller:
            self.odd.strangers += 1
            return
        truth = self.truth_of(number)
        truth.handed.append((device, queue))
        truth.outcome = ""
        with self.when(at_s):
            self.crowd.end_talk((caller, person))

    def offer_over(self, number: str, device: str, at_s: float, *, unanswered: bool) -> None:
        """The phone stopped ringing without an answer."""
        if device not in self.agent_of:
            return
        caller, person = self._by_ani.get(number), self.people[self.agent_of[device]]
        if caller is None or caller.stage != RINGING or caller.agent != person.id:
            return
        with self.when(at_s):
            person.crew.times.unanswered += 1
            caller.stage = WAITING
            self.staffing.release(person)
            if not unanswered:
                return
            self._unanswered[person.id] = self._unanswered.get(person.id, 0) + 1
            if self._desks.pauses_unanswered and self._unanswered[person.id] >= person.crew.group.rna_limit:
                self._unanswered[person.id] = 0
                wish = KeepAgentStatus(
                    EffectId(0), person.id, logged_in=True, paused_reason="RNA", device="", since=self.now
                )
                self.staffing.status_kept(wish)

    def fallen(self, number: str, at_s: float, why: str) -> None:
        """The dialplan took the caller out of the line: it was closing time, or he had waited too long."""
        self.gone(number, at_s, "cleared" if why == "voicemail" and self.closed(at_s) else "overflowed")

    def closed(self, at_s: float) -> bool:
        """Whether closing time has come."""
        closing = self.scenario.closing
        return closing is not None and round((at_s - self._begun()) * 1000) >= closing.at_ms

    def gone(self, number: str, at_s: float, outcome: str) -> None:
        """The caller's leg ended and it was not the caller's wish: refused, busy, cleared, overflowed, failed."""
        caller = self._by_ani.get(number)
        if (
            caller is None
            or caller.stage not in {WAITING, RINGING, TALKING}
            or str(caller.id) not in self._ani
        ):
            return
        if self._ani.pop(str(caller.id)) != number:
            return
        truth, books = OUTCOMES[outcome]
        self._ends(number, truth)
        with self.when(at_s):
            if caller.stage == TALKING:
                self.odd.ended_by_switch += 1
                self._ani[str(caller.id)] = number
                caller.transfer_u = 1.0
                self.crowd.end_talk((caller, self.people[caller.agent]))
                return
            if caller.stage == RINGING:
                self.staffing.release(self.people[caller.agent])
            self.odd.failed += outcome == "failed"
            self.crowd.left(caller, books)
