"""WorldSynced and LinkLost."""

from acd.core import effects as ef
from acd.core import events as ev
from tests.core.telling import Telling


def live(stage: str, call: str = "c1", **more: object) -> ev.LiveCall:
    return ev.LiveCall(
        call, stage, more.pop("queue", "desk"), "firm", "100", "200", more.pop("entered_at", 0), **more
    )


def test_nothing_is_offered_before_the_first_sync_nor_after_the_link_is_lost():
    t = Telling("anna", synced=False)
    t.queued(0)
    assert t.state() == "waiting"
    assert t.engine.next_deadline() == 600_000
    assert not t.engine.snapshot(0).synced
    t.tell(1, ev.WorldSynced((live("wait"),)))
    assert t.state() == "offering"
    t.tell(2, ev.LinkLost(), ev.OfferEnded("c1", "anna", 1, ev.OfferOutcome.CALLER_GONE))
    t.queued(3, "c2")
    assert t.state("c2") == "waiting"


def test_every_stage_of_an_unknown_call_is_adopted_at_its_place():
    t = Telling(synced=False)
    t.tell(
        100,
        ev.WorldSynced(
            (
                live("enter", "c1", entered_at=90),
                live("wait", "c2", entered_at=80, attempt=3, card_number="77", priority=2.0),
                live("dial", "c3", agent="anna", attempt=2),
                live("talk", "c4", agent="boris", attempt=1, answered_at=50),
                live("fallback", "c5"),
                live("done", "c6"),
                live("odd", "c7"),
                live("dial", "c8"),
                live("talk", "c9"),
            ),
            (ev.LiveAgent("anna", True), ev.LiveAgent("boris", True), ev.LiveAgent("stranger", True)),
        ),
    )
    assert [t.state(f"c{n}") for n in range(1, 10)] == [
        "new",
        "waiting",
        "offering",
        "talking",
        "fallback",
        "done",
        "new",
        "new",
        "new",
    ]
    assert t.call("c2").card_number == "77"
    assert t.counter("unknown_stages") == t.counter("unknown_agents") == 1
    assert t.counter("drift") == 0
    t.tell(101, ev.AgentLoggedIn("clara"))
    assert t.call("c2").leg.attempt == 4, "attempts go on above those of the daemon before us"


def test_a_sync_that_agrees_changes_nothing():
    t = Telling("anna", "boris", "clara")
    t.talking(0, "c1")
    t.queued(1, "c2")
    t.tell(1, ev.OfferConfirmed("c2", "boris", 1))
    t.tell(2, ev.CallEntered("c3", "1", "2"))
    t.queued(3, "c4")  # reserved for clara, the Redirect on its way
    t.queued(4, "c5")
    t.tell(5, ev.CallLeftToFallback("c5", "wish"))
    t.queued(6, "c6")
    t.queued(7, "c7")
    t.tell(7, ev.CallbackChosen("c7", "2"))
    before = t.engine.snapshot(8)
    wishes = t.tell(
        8,
        ev.WorldSynced(
            (
                live("talk", "c1", agent="anna", attempt=1, answered_at=0),
                live("dial", "c2", agent="boris", attempt=1),
                live("enter", "c3"),
                live("wait", "c4"),
                live("fallback", "c5"),
                live("wait", "c6"),
                live("done", "c7"),
            ),
            audit=True,
        ),
    )
    assert wishes == []
    assert t.engine.snapshot(8) == before
    assert t.counter("drift") == 0


def test_a_talk_that_stands_as_dialled_is_just_being_written():
    t = Telling("anna")
    t.talking(0)
    t.tell(1, ev.WorldSynced((live("dial", agent="anna", attempt=1),)))
    assert t.state() == "talking"


def test_every_difference_is_repaired_and_is_drift_in_an_audit():
    t = Telling("anna", "boris")
    t.talking(0, "c1")
    t.queued(1, "c2")
    t.tell(1, ev.OfferConfirmed("c2", "boris", 1))
    t.tell(2, ev.AgentPaused("anna", "tea"), ev.AgentPaused("boris", "tea"))
    t.queued(3, "c3")
    t.tell(3, ev.CallLeftToFallback("c3", "wish"))
    t.tell(4, ev.CallEntered("c4", "1", "2"))
    t.queued(5, "c5")
    t.tell(
        9,
        ev.WorldSynced(
            (
                live("wait", "c1"),
                live("wait", "c2"),
                live("wait", "c3"),
                live("wait", "c4"),
                live("fallback", "c5"),
            ),
            audit=True,
        ),
    )
    assert [t.state(f"c{n}") for n in range(1, 6)] == ["waiting"] * 4 + ["fallback"]
    assert t.floor.matcher.position("c1") == 1, "the talk broke off: head of the line"
    assert t.counter("drift") == 5
    assert t.queue().offered == 5


def test_a_known_call_is_found_with_another_agent():
    t = Telling("anna", "boris")
    t.queued(0)
    t.tell(1, ev.WorldSynced((live("dial", agent="boris", attempt=5),)))
    assert (t.agent("anna"), t.agent("boris"), t.call().attempt) == ("idle", "ringing", 5)
    t.tell(2, ev.WorldSynced((live("talk", agent="boris", attempt=5),)))
    assert (t.agent("boris"), t.call().answered_at) == ("talking", 2)
    t.tell(3, ev.CallEntered("c2", "1", "2"))
    t.tell(
        4,
        ev.WorldSynced((live("talk", agent="boris", attempt=5), live("dial", "c2", agent="anna", attempt=1))),
    )
    assert (t.agent("anna"), t.queue().offered) == ("ringing", 2)


def test_a_call_found_done_frees_its_agent():
    t = Telling("anna", "boris")
    t.talking(0)
    t.queued(1, "c2")
    t.tell(5, ev.WorldSynced((live("done"), live("done", "c2", agent="boris", attempt=1, answered_at=3))))
    assert (t.state("c1"), t.state("c2")) == ("done", "done")
    assert (t.agent("anna"), t.agent("boris")) == ("wrap_up", "wrap_up")
    assert t.call("c2").answered_at == 3


def test_a_call_that_ended_just_after_the_snapshot_was_taken_does_not_wake():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.CallEnded("c1"))
    t.tell(2, ev.WorldSynced((live("wait"),)))
    assert t.state() == "ended"
    assert t.counter("ended_calls_seen_alive") == 1


def test_calls_that_vanished_end_by_what_they_were():
    """Row 26: no end in the journal, so the switch died under them, in mid-talk too; all are called back."""
    t = Telling("anna", "boris")
    t.talking(0, "talk")
    t.queued(0, "ring")
    t.queued(0, "wait")
    t.tell(0, ev.CallEntered("new", "1", "2"))
    t.queued(0, "fall")
    t.tell(0, ev.CallLeftToFallback("fall", "wish"))
    t.queued(0, "back")
    t.tell(0, ev.CallbackChosen("back", "2"))
    t.tell(9, ev.WorldSynced())
    t.tell(9, ev.WrapUpDone("anna"))
    ends = {
        call: t.cards(call)[-1].end_reason.value for call in ("talk", "ring", "wait", "new", "fall", "back")
    }
    assert ends == {
        "talk": "pbx_failed",
        "ring": "pbx_failed",
        "wait": "pbx_failed",
        "new": "pbx_failed",
        "fall": "pbx_failed",
        "back": "callback",
    }


def test_agents_status_comes_from_the_store_except_in_an_audit():
    t = Telling(synced=False)
    agents = (
        ev.LiveAgent("anna", True, device="PJSIP/7"),
        ev.LiveAgent("boris", True, "lunch"),
        ev.LiveAgent("clara", False, reachable=False),
    )
    assert not [w for w in t.tell(0, ev.WorldSynced(agents=agents)) if isinstance(w, ef.KeepAgentStatus)]
    view = {a.agent: a for a in t.engine.snapshot(0).agents}
    assert (view["anna"].status, view["boris"].pause_reason, view["clara"].reachable) == (
        "available",
        "lunch",
        False,
    )
    t.tell(1, ev.WorldSynced(agents=(ev.LiveAgent("anna", False), ev.LiveAgent("boris", False)), audit=True))
    assert t.floor.agents["anna"].status.value == "available"


def test_a_caller_who_hangs_up_while_the_audit_looks_is_no_drift():
    t = Telling()
    t.queued(0)
    t.tell(60_000, ev.WorldSynced(audit=True))
    assert t.state() == "waiting"
    t.tell(60_001, ev.CallEnded("c1", by=ev.EndedBy.CALLER, at=59_990))
    assert [card.end_reason.value for card in t.cards()] == ["abandoned"]
    t.wake(65_000)
    assert not [w for w in t.wishes if isinstance(w, ef.AskForSync)]
    t.tell(65_001, ev.WorldSynced(audit=True))
    assert t.counter("drift") == 0
    assert t.counter("calls_missing_once") == 1


def test_a_call_missing_in_two_audits_ended_unheard_and_is_drift():
    t = Telling("anna")
    t.talking(0)
    t.queued(1, "c2")
    t.tell(60_000, ev.WorldSynced(audit=True))
    assert (t.state(), t.state("c2"), t.counter("drift")) == ("talking", "waiting", 0)
    (wish,) = t.wake(65_000)
    assert isinstance(wish, ef.AskForSync)
    t.tell(65_001, ev.WorldSynced(audit=True))
    assert (t.state(), t.state("c2"), t.counter("drift")) == ("ended", "ended", 2)


def test_a_call_seen_again_after_one_audit_missed_it_must_be_missed_twice_anew():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.WorldSynced(audit=True))
    t.tell(2, ev.WorldSynced((live("wait"),), audit=True))
    t.tell(3, ev.WorldSynced(audit=True))
    assert (t.state(), t.counter("drift")) == ("waiting", 0)
    t.tell(4, ev.LinkLost())
    t.tell(5, ev.WorldSynced())
    assert (t.state(), t.counter("drift")) == ("ended", 0)


def test_a_call_that_came_while_the_audit_looked_is_no_drift_but_an_old_unknown_one_is():
    t = Telling()
    t.tell(
        60_000,
        ev.WorldSynced(
            (live("wait", "fresh", entered_at=59_000), live("enter", "old", entered_at=5_000)), audit=True
        ),
    )
    assert (t.state("fresh"), t.state("old"), t.counter("drift")) == ("waiting", "new", 1)


def told_meanwhile() -> ev.WorldSynced:
    rows = (
        ev.LiveAgent("anna", True, device="PJSIP/old", reachable=False, wrap_up_until=90_000),
        ev.LiveAgent("boris", True, in_own_call=True),
        ev.LiveAgent("clara", True),
    )
    return ev.WorldSynced(agents=rows)


def test_a_pause_or_logout_told_while_the_store_was_read_is_not_undone():
    t = Telling("anna", "boris", "clara")
    t.tell(1, ev.LinkLost(), ev.AgentPaused("anna", "tea"), ev.AgentLoggedOut("boris"))
    t.tell(2, told_meanwhile())
    anna, boris = t.floor.agents["anna"], t.floor.agents["boris"]
    assert (anna.status.value, anna.pause_reason, anna.device) == ("paused", "tea", "")
    assert (t.agent("anna"), anna.reachable) == ("idle", False), "the phone is still the switch's word"
    assert (boris.status.value, t.agent("boris")) == ("logged_out", "busy_elsewhere")
    t.queued(3)
    assert t.call().leg.agent == "clara"
    t.queued(4, "c2")
    assert t.state("c2") == "waiting"


def test_a_pause_or_logout_told_before_the_first_sync_is_not_undone_by_it():
    t = Telling(synced=False)
    t.tell(1, ev.AgentPaused("anna", "tea"), ev.AgentLoggedOut("boris"))
    t.tell(2, told_meanwhile())
    status = {a.agent: a.status for a in t.engine.snapshot(2).agents}
    assert status == {"anna": "paused", "boris": "logged_out", "clara": "available"}


def test_a_second_sync_does_not_read_the_status_again():
    t = Telling(synced=False)
    t.tell(0, told_meanwhile())
    t.tell(1, ev.LinkLost())
    t.tell(2, ev.WorldSynced(agents=(ev.LiveAgent("clara", False),)))
    assert t.floor.agents["clara"].status.value == "available"


def test_an_audit_finds_phones_in_another_state():
    t = Telling("anna", "boris")
    t.tell(1, ev.OwnCallStarted("anna"))
    t.tell(
        2,
        ev.WorldSynced(
            agents=(
                ev.LiveAgent("anna", True),
                ev.LiveAgent("boris", True, reachable=False, in_own_call=True),
            ),
            audit=True,
        ),
    )
    assert (t.agent("anna"), t.agent("boris")) == ("idle", "busy_elsewhere")
    assert t.counter("drift") == 3


def test_a_retired_agent_is_not_logged_in_by_a_sync():
    t = Telling()
    t.queued(0)
    t.tell(1, ev.CallAnswered("c1", "stranger", 1))
    t.tell(2, ev.WorldSynced((live("talk", agent="stranger", attempt=1),), (ev.LiveAgent("stranger", True),)))
    assert t.floor.agents["stranger"].status.value == "logged_out"


def test_a_wrap_up_kept_by_the_store_goes_on():
    t = Telling(synced=False)
    t.tell(0, ev.WorldSynced(agents=(ev.LiveAgent("anna", True, wrap_up_until=500),)))
    assert t.agent() == "wrap_up"


def test_a_wrap_up_kept_under_a_clock_an_hour_ahead_lasts_no_longer_than_a_whole_one():
    """Met by the fault regime: two agents were in wrap-up for an hour after a clock was put right."""
    t = Telling(synced=False)
    kept = ev.LiveAgent("anna", logged_in=True, wrap_up_until=3_600_000)
    t.tell(1_000, ev.WorldSynced(agents=(kept,)))
    assert t.agent() == "wrap_up"
    t.wake(11_000)
    assert t.agent() == "idle"
