"""Runs the tables in tests/scenarios: time, fact, call, agent, details, expected wishes.

A row tells the engine one fact and lists, in order, every wish that follows. Rules of the tables:

* Times are seconds. A row `deadline` must come exactly when the engine asked to be woken; no row may
  come later than a pending deadline, so nothing happens unseen.
* `c1 #1` names an old attempt; without a number the call's latest offer is meant.
* `keep` wishes (the agent's status is remembered) are compared only in rows that mention one.
* A row `look` compares the snapshot's sentence, a queue's or an agent's figures, or a counter.
"""

# ruff: noqa: PLW0108  the tables of lambdas share one signature each

from __future__ import annotations

from pathlib import Path

import pytest

from acd.core import effects as ef
from acd.core import events as ev
from acd.core.engine import Engine
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, SkillNeed

FOLDER = Path(__file__).parent / "scenarios"
FILES = sorted(FOLDER.glob("*.txt"))


def ms(text: str) -> int:
    return round(float(text) * 1000)


def seconds(value: int | None) -> str:
    return "-" if value is None else f"{value / 1000:g}"


def pairs(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def skills(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((s, int(level)) for s, level in (x.split(":") for x in text.split(",") if x))


def queue_line(words: str) -> QueuePolicy:
    name, _, rest = words.partition(" ")
    opt = pairs(rest)
    return QueuePolicy(
        name,
        opt.get("subscriber", "firm"),
        needs=tuple(SkillNeed(s, level) for s, level in skills(opt.get("needs", ""))),
        priority=float(opt.get("priority", "1")),
        ring_timeout_ms=ms(opt.get("ring", "12")),
        wrap_up_ms=ms(opt.get("wrap_up", "60")),
        max_wait_ms=ms(opt.get("max_wait", "600")),
    )


def agent_line(words: str) -> AgentPolicy:
    name, _, rest = words.partition(" ")
    opt = pairs(rest)
    return AgentPolicy(name, skills(opt.get("skills", "")), rna_limit=int(opt.get("rna_limit", "1")))


class Table:
    """One scenario file."""

    def __init__(self, text: str) -> None:
        queues: list[QueuePolicy] = []
        agents: list[AgentPolicy] = []
        self.rows: list[tuple[int, list[str]]] = []
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.split("#!")[0].rstrip()
            if not line or line.startswith("#") or set(line) <= set("-| "):
                continue
            if line.startswith("queue "):
                queues.append(queue_line(line[6:].strip()))
            elif line.startswith("agent "):
                agents.append(agent_line(line[6:].strip()))
            elif not line.startswith("time"):
                cells = [cell.strip() for cell in line.split("|")]
                self.rows.append((number, cells + [""] * (6 - len(cells))))
        self.engine = Engine(Policy(queues=tuple(queues), agents=tuple(agents)))
        self.offers: dict[str, ef.OfferCall] = {}

    def run(self) -> None:
        for number, (time, fact, call, agent, details, expected) in self.rows:
            now = ms(time)
            self.engine._floor.deadlines.next()
            due = self.engine.next_deadline()
            if fact == "deadline":
                assert due == now, f"line {number}: the engine asked for {seconds(due)} s"
            elif due is not None:
                assert due >= now, f"line {number}: a deadline at {seconds(due)} s was not in the table"
            if fact == "look":
                got = self.look(call, agent, details, now)
                assert got == expected, f"line {number}"
                continue
            wishes = self.engine.step(self.fact(fact, call, agent, details), now)
            self.engine.check(now)
            assert self.say(wishes, keep="keep " in expected) == expected, f"line {number}: {fact}"

    # --- facts ----------------------------------------------------------------------------------

    def fact(self, name: str, call_cell: str, agent: str, details: str) -> ev.Fact:
        call, _, number = call_cell.partition(" #")
        opt = pairs(details)
        at = ms(opt["at"]) if "at" in opt else None
        known = self.engine._floor.find_call(call)
        attempt = int(number) if number else (known.attempt if known else 1)
        if name in OFFER_FACTS:
            return OFFER_FACTS[name](call, agent, attempt, at)
        if name in AGENT_FACTS:
            return AGENT_FACTS[name](agent, opt, at)
        if name == "call queued":
            entered = ms(opt.get("entered", "0")) if "entered" in opt else (known.entered_at if known else at)
            return ev.CallQueued(
                call,
                opt.get("queue", "desk"),
                "firm",
                "100",
                opt.get("ani", "200"),
                entered if entered is not None else 10**15,
                why=ev.QueuedWhy(opt.get("why", "new")),
                priority=float(opt.get("priority", "1")),
                needs=skills(opt.get("needs", "")),
                sticky=opt.get("sticky"),
                at=at,
            )
        if name == "world synced":
            return self.world(details)
        return CALL_FACTS[name](call, agent, opt, at, self)

    def world(self, details: str) -> ev.WorldSynced:
        """`c1=talk:anna:1:5.0 c2=wait @anna=paused:lunch @boris=in audit`."""
        calls, agents = [], []
        for word in details.split():
            name, _, value = word.partition("=")
            parts = value.split(":") if value else []
            if name.startswith("@"):
                agents.append(
                    ev.LiveAgent(
                        name[1:],
                        logged_in=parts[0] != "out",
                        paused_reason=parts[1] if parts[0] == "paused" else "",
                        reachable=parts[0] != "unreachable",
                        in_own_call=parts[0] == "busy",
                        wrap_up_until=ms(parts[1]) if parts[0] == "wrap" else None,
                    )
                )
            elif value:
                stage, who, attempt, answered, entered = (*parts, *[""] * (5 - len(parts)))
                calls.append(
                    ev.LiveCall(
                        name,
                        stage,
                        "desk",
                        "firm",
                        "100",
                        "200",
                        ms(entered or "0"),
                        agent=who or None,
                        attempt=int(attempt or 0),
                        answered_at=ms(answered) if answered else None,
                    )
                )
        return ev.WorldSynced(tuple(calls), tuple(agents), audit="audit" in details.split())

    # --- wishes and looks -------------------------------------------------------------------------

    def say(self, wishes: tuple[ef.Effect, ...], *, keep: bool) -> str:
        said = []
        for wish in wishes:
            if isinstance(wish, ef.OfferCall):
                self.offers[wish.call] = wish
            if keep or not isinstance(wish, ef.KeepAgentStatus):
                said.append(WORDS[type(wish)](wish))
        return "; ".join(said)

    def look(self, call: str, agent: str, details: str, now: int) -> str:
        view = self.engine.snapshot(now)
        if call:
            known = self.engine._floor.find_call(call)
            return "gone" if known is None else known.state.value
        if agent:
            one = next(a for a in view.agents if a.agent == agent)
            return f"{one.status} {one.pause_reason} {one.state}".replace("  ", " ")
        if details.startswith("queue"):
            q = next(q for q in view.queues if q.queue == details.split()[1])
            return (
                f"offered {q.offered} answered {q.answered} in target {q.answered_in_target} "
                f"abandoned {q.abandoned} fallback {q.fallback} otherwise {q.left_otherwise} handled {q.handled}"
            )
        if details.startswith("counter"):
            return str(dict(view.counters).get(details.split()[1], 0))
        return view.line()


def card_words(wish: ef.WriteCallCard) -> str:
    c = wish.card
    who = f" by {c.agent}" if c.agent else ""
    times = f"wait {seconds(c.wait_ms)} talk {seconds(c.talk_ms)} acw {seconds(c.acw_ms)}"
    fields = "".join(f" {k}={v}" for k, v in c.fields)
    return f"card {c.call} {c.end_reason.value}{who} {times}{fields}"


def keep_words(w: ef.KeepAgentStatus) -> str:
    if not w.logged_in:
        return f"keep {w.agent} logged out"
    status = f"paused {w.paused_reason}" if w.paused_reason else "available"
    wrap = f" wrap-up until {seconds(w.wrap_up_until)}" if w.wrap_up_until is not None else ""
    return f"keep {w.agent} {status}{wrap}"


WORDS = {
    ef.OfferCall: lambda w: f"offer {w.call} to {w.agent} #{w.attempt}",
    ef.ShowPop: lambda w: f"pop {w.call} on {w.agent}",
    ef.ConfirmPop: lambda w: f"confirm {w.call} on {w.agent}",
    ef.WithdrawPop: lambda w: f"withdraw {w.call} from {w.agent}: {w.reason}",
    ef.OpenWrapUp: lambda w: f"wrap-up {w.call} {w.agent} until {seconds(w.deadline)}",
    ef.CloseWrapUp: lambda w: f"close wrap-up {w.call} {w.agent}: {w.by}",
    ef.SendToFallback: lambda w: f"to fallback {w.call}: {w.reason}",
    ef.HangUpStrayLeg: lambda w: f"hang up {w.agent}'s stray leg of {w.call}",
    ef.AskForSync: lambda w: "ask for sync",
    ef.KeepAgentStatus: keep_words,
    ef.WriteCallCard: card_words,
}

OFFER_FACTS = {
    "offer confirmed": lambda c, a, n, at: ev.OfferConfirmed(c, a, n, at),
    "agent ringing": lambda c, a, n, at: ev.AgentRinging(c, a, n, at),
    "call answered": lambda c, a, n, at: ev.CallAnswered(c, a, n, at),
    "talk ended by caller": lambda c, a, n, at: ev.TalkEnded(c, a, n, ev.EndedBy.CALLER, at=at),
    "talk ended by agent": lambda c, a, n, at: ev.TalkEnded(c, a, n, ev.EndedBy.AGENT, at=at),
    "agent's leg died": lambda c, a, n, at: ev.TalkEnded(c, a, n, ev.EndedBy.AGENT, caller_stays=True, at=at),
    **{
        f"offer ended: {outcome.value.replace('_', ' ')}": (
            lambda c, a, n, at, outcome=outcome: ev.OfferEnded(c, a, n, outcome, at)
        )
        for outcome in ev.OfferOutcome
    },
}

AGENT_FACTS = {
    "agent logged in": lambda a, o, at: ev.AgentLoggedIn(a, at=at),
    "agent logged out": lambda a, o, at: ev.AgentLoggedOut(a, at),
    "agent paused": lambda a, o, at: ev.AgentPaused(a, o.get("reason", "break"), at),
    "agent resumed": lambda a, o, at: ev.AgentResumed(a, at),
    "wrap-up done": lambda a, o, at: ev.WrapUpDone(a, at),
    "wrap-up extended": lambda a, o, at: ev.WrapUpExtended(a, ms(o["by"]), at),
    "own call started": lambda a, o, at: ev.OwnCallStarted(a, at),
    "own call ended": lambda a, o, at: ev.OwnCallEnded(a, at),
    "phone unreachable": lambda a, o, at: ev.DeviceUnreachable(a, at),
    "phone reachable": lambda a, o, at: ev.DeviceReachable(a, at),
}

CALL_FACTS = {
    "call entered": lambda c, a, o, at, t: ev.CallEntered(c, "100", "200", at),
    "call refused": lambda c, a, o, at, t: ev.CallRefused(c, o.get("reason", "closed"), at),
    "hold started": lambda c, a, o, at, t: ev.HoldStarted(c, a, at),
    "hold ended": lambda c, a, o, at, t: ev.HoldEnded(c, a, at),
    "call transferred": lambda c, a, o, at, t: ev.CallTransferred(c, a, o.get("to", "outside"), at),
    "left to fallback": lambda c, a, o, at, t: ev.CallLeftToFallback(c, o.get("why", "wish"), at),
    "callback chosen": lambda c, a, o, at, t: ev.CallbackChosen(c, "200", at),
    "call ended": lambda c, a, o, at, t: ev.CallEnded(
        c,
        int(o.get("cause", "16")),
        ev.EndedBy(o.get("by", "caller")),
        ev.EndReason(o["reason"]) if "reason" in o else None,
        at,
    ),
    "card filled": lambda c, a, o, at, t: ev.CardFilled(
        c, a, tuple((k, v) for k, v in o.items() if k != "at")
    ),
    "queue closed": lambda c, a, o, at, t: ev.QueueClosed(o["queue"], at),
    "queue opened": lambda c, a, o, at, t: ev.QueueOpened(o["queue"], at),
    "interval started": lambda c, a, o, at, t: ev.IntervalStarted(at),
    "link lost": lambda c, a, o, at, t: ev.LinkLost(at),
    "offer wish failed": lambda c, a, o, at, t: ev.WishFailed(t.offers[c].effect, o.get("reason", "refused")),
    "deadline": lambda c, a, o, at, t: ev.DeadlinePassed(at),
}


def test_there_are_scenarios():
    assert len(FILES) >= 15


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_scenario(path):
    Table(path.read_text(encoding="utf-8")).run()
