"""The desk side of the world: shifts, head counts, breaks and wrap-ups, told to the engine as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.events import (
    AgentLoggedIn,
    AgentLoggedOut,
    AgentPaused,
    AgentResumed,
    DeviceReachable,
    DeviceUnreachable,
    WrapUpDone,
)
from acd.core.instant import SECOND_MS
from simulator.agents import Crew, Person, agent_ids, shift_plan, staff_plan
from simulator.results import GroupTimes
from simulator.scenario import PHONE_GONE

if TYPE_CHECKING:
    from acd.core.effects import CloseWrapUp, KeepAgentStatus
    from acd.core.ids import AgentId
    from acd.core.instant import Instant
    from simulator.scenario import Fault, Scenario
    from simulator.world import World


class Staffing:
    """Everybody who works here."""

    __slots__ = ("_before", "_scenario", "_world", "crews", "people", "wrapping")

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        self.crews = [Crew(n, group, agent_ids(group)) for n, group in enumerate(scenario.groups)]
        self.people: dict[AgentId, Person] = {p.id: p for crew in self.crews for p in crew.people}
        self.wrapping = 0
        """People writing up a call: the run is not over before they are done."""
        self._before = [GroupTimes() for _ in self.crews]

    def plan(self) -> Instant:
        """Put all shifts and head counts on the world's calendar; return the last change of a head count."""
        world, last = self._world, 0
        for crew in self.crews:
            crew.times.planned_ms = self._scenario.planned_ms(crew.group)
            for when, count in staff_plan(self._scenario, crew.group):
                last = max(last, when)
                world.at(when, self._set_staff, (crew, count))
            for when, number, what, length in shift_plan(self._scenario, crew.group):
                world.at(when, self._shift_event, (crew.people[number], what, length))
        for fault in self._scenario.faults:
            if fault.kind == PHONE_GONE:
                world.at(round(fault.at_s * SECOND_MS), self._phones_go, fault)
        return last

    # --- phones that are gone for a while ---------------------------------------------------------

    def _phones_go(self, fault: Fault) -> None:
        """Nobody there can be rung; a phone that rings falls silent; who talks by then talks on to the end."""
        world = self._world
        for person in self.people.values():
            if fault.target not in ("", person.crew.group.name, person.id):
                continue
            person.gone += 1
            world.at(world.now + round(fault.for_s * SECOND_MS), self._phone_returns, person)
            if person.gone == 1:
                world.tell(DeviceUnreachable(person.id))
                world.switch.phone_gone(person)

    def _phone_returns(self, person: Person) -> None:
        person.gone -= 1
        if not person.gone:
            self._world.tell(DeviceReachable(person.id))

    def end_warm_up(self) -> None:
        """Remember all times as they are: only what comes later counts."""
        self._account_all()
        for crew, before in zip(self.crews, self._before, strict=True):
            before.busy_ms, before.staffed_ms = crew.times.busy_ms, crew.times.staffed_ms
            before.offers, before.unanswered = crew.times.offers, crew.times.unanswered

    def times(self) -> list[GroupTimes]:
        """Return the times of each group since the warm-up."""
        self._account_all()
        return [crew.times.minus(before) for crew, before in zip(self.crews, self._before, strict=True)]

    def _account_all(self) -> None:
        for person in self.people.values():
            person.account(self._world.now)

    # --- after a call ---------------------------------------------------------------------------

    def finish_call(self, person: Person, wrap_ms: int) -> None:
        """The talk is over: write it up, or leave, or be ready. Told before the engine hears of the end."""
        world = self._world
        person.account(world.now)
        person.caller = None
        if wrap_ms > 0 and person.on_duty:
            person.wrapping = True
            self.wrapping += 1
            person.wrap_serial += 1
            world.at(world.now + wrap_ms, self._wrap_up_done, (person, person.wrap_serial))
        else:
            self._leave_if_due(person)

    def _wrap_up_done(self, what: tuple[Person, int]) -> None:
        person, serial = what
        if person.wrapping and person.wrap_serial == serial:
            self._stop_wrapping(person)
            self._leave_if_due(person)
            if person.on_duty:
                self._world.tell(WrapUpDone(person.id))

    def _stop_wrapping(self, person: Person) -> None:
        person.account(self._world.now)
        person.wrapping = False
        self.wrapping -= 1

    def wrap_up_closed(self, wish: CloseWrapUp) -> None:
        """The system ended the wrap-up: the time for the card is over."""
        person = self.people[wish.agent]
        if person.wrapping:
            self._stop_wrapping(person)
            if person.crew.excess > 0:
                self._world.soon(self._leave_if_due, person)

    def release(self, person: Person) -> None:
        """The phone stopped ringing: the agent is free, or leaves if that was due."""
        person.account(self._world.now)
        person.caller = None
        self._leave_if_due(person)

    # --- staff ----------------------------------------------------------------------------------

    def _leave_if_due(self, person: Person) -> None:
        if person.crew.excess > 0 and person.on_duty and not person.busy:
            person.crew.excess -= 1
            self._log_out(person)

    def _set_staff(self, what: tuple[Crew, int]) -> None:
        crew, target = what
        for person in crew.coming(target):
            self._log_in(person)
        for person in crew.leaving(target):
            self._log_out(person)

    def _log_in(self, person: Person) -> None:
        person.account(self._world.now)
        person.on_duty = True
        person.on_break = False
        self._world.tell(AgentLoggedIn(person.id))

    def _log_out(self, person: Person) -> None:
        if person.wrapping:
            self._stop_wrapping(person)
        person.account(self._world.now)
        person.on_duty = False
        self._world.tell(AgentLoggedOut(person.id))

    def _shift_event(self, what: tuple[Person, str, int]) -> None:
        person, kind, length = what
        if kind == "in":
            self._log_in(person)
        elif kind == "out":
            if person.on_duty:
                self._log_out(person)
        elif person.on_duty:
            self._go_away(person, "break", length)

    def _go_away(self, person: Person, reason: str, length: int) -> None:
        """Pause; the time away counts from the end of the call in hand."""
        person.account(self._world.now)
        person.on_break = True
        person.away_until = self._world.now + length
        self._world.tell(AgentPaused(person.id, reason))
        self._world.at(person.away_until, self._come_back, (person, length))

    def _come_back(self, what: tuple[Person, int]) -> None:
        person, length = what
        if not person.on_duty or not person.on_break or self._world.now < person.away_until:
            return
        if person.busy:
            person.away_until = self._world.now + length
            self._world.at(person.away_until, self._come_back, what)
            return
        person.account(self._world.now)
        person.on_break = False
        self._world.tell(AgentResumed(person.id))

    def status_kept(self, wish: KeepAgentStatus) -> None:
        """The system paused somebody who did not answer: back at the desk after a while."""
        person = self.people[wish.agent]
        if wish.paused_reason == "RNA" and person.on_duty and not person.on_break:
            person.account(self._world.now)
            person.on_break = True
            length = person.crew.group.back_after_ms
            person.away_until = self._world.now + length
            self._world.at(person.away_until, self._come_back, (person, length))
