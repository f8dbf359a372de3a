"""The whole daemon against a modelled Asterisk under faults, seed by seed (failure-modes.md, tier T1)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from acd.adapters.store import ledger_store
from acd.core.offers import Offers
from acd.desk import ledger
from acd.desk.ledger import MissedTask
from acd.deskside import callbacks
from agi_scripts import dialplan_vars as var
from simulator.virtual import run, run_seed
from simulator.virtual.batch import quiet, run_on_cores
from simulator.virtual.faults import KINDS
from simulator.virtual.regressions import REGRESSIONS
from simulator.virtual.walk import Walk
from simulator.virtual.world import World

ROOT = Path(__file__).resolve().parents[2]
REPEAT = "repeat one with: python -m simulator.virtual --trace SEED"


@pytest.mark.slow
@pytest.mark.parametrize("seed", sorted(REGRESSIONS))
def test_a_seed_that_once_failed_never_fails_again(seed: int) -> None:
    assert run_seed(seed).problems == [], REGRESSIONS[seed]


@pytest.mark.slow
@pytest.mark.timeout(400)  # 10 to 50 s measured, more beside other work
def test_two_hundred_seeds_break_no_invariant_and_lose_no_caller() -> None:
    report = run(range(1, 201))
    assert report["failures"] == [], REPEAT
    assert report["seeds"] == 200
    assert report["calls"] > 1_500
    assert set(report["virtual_faults"]) == set(KINDS), "every kind of fault was met"
    assert set(report["ended"]) >= {
        "handled",
        "abandoned",
        "fallback",
        "pbx_failed",
        "callback",
        "transferred",
    }
    assert report["counts"]["refused_double"] > 0, "the GROUP guard had something to refuse"
    counts = report["counts"]
    assert counts["numbers_rung"] > 100, "call-backs are made"
    assert counts["numbers_reached"] > 50
    assert counts["places_kept"] > 10, "callers pressed 1"


def digest_of(hash_seed: str) -> str:
    code = "from simulator.virtual import run_seed; print(*(run_seed(s).digest for s in (2, 40, 77)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_one_seed_is_one_history_to_the_byte_under_any_hash_seed() -> None:
    first = digest_of("1")
    assert len(set(first.split())) == 3
    assert first == digest_of("4242")


@pytest.mark.slow
def test_a_story_can_be_told_without_changing_it() -> None:
    told, untold = run_seed(5, trace=True), run_seed(5)
    assert told.digest == untold.digest
    assert any("-> OfferCall" in line for line in told.trace)
    assert untold.trace == []


@pytest.mark.slow
def test_a_time_limit_stops_a_long_run_and_the_report_says_how_far_it_came() -> None:
    assert run(range(500, 10_000), limit_s=0.0)["seeds"] == 1


@pytest.mark.slow
def test_many_processes_report_what_one_does() -> None:
    told: list[int] = []
    seeds = range(700, 709)
    many = run_on_cores(seeds, 2, progress=lambda done, _failed: told.append(done), part=6)
    one = run(seeds)
    times = {"seconds", "seeds_per_s"}
    assert {k: v for k, v in many.items() if k not in times} == {
        k: v for k, v in one.items() if k not in times
    }
    assert told == [6, 3]


# --- the checkers see what they are for: a break on purpose must be found -------------------------


def problems_of(seeds: range, **options: bool) -> str:
    return " ".join(problem for seed in seeds for problem in run_seed(seed, **options).problems)


@pytest.mark.slow
def test_without_the_group_guard_double_booking_is_seen() -> None:
    assert "double booked" in " ".join(run_seed(58, guard=False).problems)


@pytest.mark.slow
def test_a_walk_that_leaves_the_dialplan_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(self: Walk) -> tuple[str, str]:
        return ("nowhere", "s")

    monkeypatch.setattr(Walk, "_wait_unasked", lost)
    monkeypatch.setattr(World, "ask", lambda self, walk: walk.answered_question())
    assert "no owner" in problems_of(range(1, 3)) or "fell out of the dialplan" in problems_of(range(1, 3))


@pytest.mark.slow
def test_a_caller_who_never_gets_out_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stay(self: Walk, extension: str) -> tuple[str, str]:
        await self.nap(3.0)
        return ("acd-wait", extension)

    monkeypatch.setattr(Walk, "_wait", stay)
    assert "long after the last fault" in problems_of(range(1, 4))


@pytest.mark.slow
def test_an_end_missing_in_the_journal_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    note = Walk.note

    def forgetful(self: Walk, kind: str, **fields: str) -> None:
        if kind != "AcdEnd":
            note(self, kind, **fields)

    monkeypatch.setattr(Walk, "note", forgetful)
    assert "0 ends in the journal" in problems_of(range(1, 2))


@pytest.mark.slow
def test_a_reservation_that_nobody_ends_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Offers, "overdue", lambda self, call, now: None)
    assert "reserved for ever" in problems_of(range(1, 30))


@pytest.mark.slow
def test_a_task_that_is_dialled_without_being_claimed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """003-24, failure mode 38: the claim, by task and by call-back, is what keeps a number from being rung twice."""
    plain = ledger_store.start_dial

    async def unclaimed(db: Any, task: int, now: int, call: str, **more: Any) -> MissedTask | None:
        found = await plain(db, task, now, call, **more)
        await db.execute("UPDATE missed_dials SET outcome = 'no_agent' WHERE call = ?", (call,))
        return found

    monkeypatch.setattr(ledger, "dial_started", lambda task: task)
    monkeypatch.setattr(ledger_store, "start_dial", unclaimed)
    found = problems_of(range(1, 9))
    assert "is rung twice at once" in found or "is rung again after a talk" in found


@pytest.mark.slow
def test_a_call_back_made_before_its_claim_is_committed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unclaimed(db: object, task: int, now: int, call: str, *, seen: object) -> MissedTask | None:
        del now, call, seen
        return await ledger_store.get(db, task)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger_store, "start_dial", unclaimed)
    assert "without a claim" in problems_of(range(1, 5))


@pytest.mark.slow
def test_a_lost_place_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_keeps_place", lambda *_: False)
    assert "lost the place" in problems_of(range(1, 30))


@pytest.mark.slow
def test_a_second_open_task_of_one_number_is_refused_by_the_schema_and_seen_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def none(*_: object) -> None:
        """Every missed call is a task of its own."""

    monkeypatch.setattr(ledger_store, "_open_task", none)
    assert "is not in the ledger" in problems_of(range(1, 40))


def test_the_model_walks_only_through_contexts_of_the_dialplan() -> None:
    world = World(9)
    with quiet():
        world.run()
    assert {walk.place[0] for walk in world.walks} <= set(var.CONTEXTS)
