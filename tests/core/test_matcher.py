"""Properties of the matcher whatever happens."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from acd.core.ids import CallId, SkillId
from acd.core.matcher import Waiting
from acd.core.policy import SkillNeed
from acd.core.weighted import WeightedMatcher
from tests.core.routing_cases import agent, matcher, queue, waiting

ROOT = Path(__file__).parents[2]

# --- properties ------------------------------------------------------------------------------------

_SKILLS = ("x", "y", "z")


def _random_centre() -> WeightedMatcher:
    queues = (
        queue("x", 0.93, 15),
        queue("y", 0.8, 20, needs=(SkillNeed(SkillId("y"), 2, 5_000, 1),)),
        queue("z", 0.95, 40),
    )
    people = [agent(f"a{i}", **{_SKILLS[i % 3]: 3, _SKILLS[(i + 1) % 3]: 1}) for i in range(5)]
    return matcher(queues, (*people, agent("r", reserve=1, x=2, z=2)))


def _check_counts(m: WeightedMatcher) -> None:
    for line in m._queues.values():
        front = [g for g, _ in line.groups[0] if not g.reserve]
        assert line.idle == sum(len(g.idle) for g in front)
        assert line.busy == sum(g.busy for g in front)
        assert line.busy <= len(m._busy)
    for line in m._lines.values():
        assert line.places == sorted(line.calls)
        assert (line in m._waiting) == bool(line.calls)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4000)), max_size=80))
def test_no_agent_and_no_call_is_assigned_twice_and_nobody_waits_beside_a_fitting_agent(steps):
    """The rest rule of the house: ready and eligible beside waiting only while held with a deadline."""
    m = _random_centre()
    people = [a.id for a in m.policy.agents]
    ready: set[str] = set()
    calls: dict[str, Waiting] = {}
    now = 0
    for number, (kind, which, gap) in enumerate(steps):
        now += gap
        if kind <= 1:
            line = _SKILLS[which % 3]
            needs = ((SkillId("y"), 1),) if which == 5 else ()
            call = waiting(
                f"c{number}", line, now, number, needs=needs, sticky=people[which] if which == 4 else None
            )
            m.add_call(call)
            calls[call.call] = call
        elif kind <= 3:
            m.add_agent(people[which], now)
            ready.add(people[which])
        elif kind == 4:
            m.remove_agent(people[which])
            ready.discard(people[which])
        elif calls:
            gone = sorted(calls)[which % len(calls)]
            del calls[gone]
            m.remove_call(CallId(gone))
        for made in m.assign(now):
            assert made.agent in ready
            ready.remove(made.agent)
            call = calls.pop(made.call)
            assert dict(m._skills.group_of[made.agent].skills).get(SkillId(call.queue))
        _check_counts(m)
        check = m.next_check(now)
        for call in calls.values():
            reasons = [line for line in m.explain(call.call, now) if "others come first" in line]
            if reasons:
                assert check is not None, (call, reasons)
                assert now <= check <= now + 2_000


def test_decisions_do_not_depend_on_the_hash_seed():
    """House rule 1.4: the same facts give the same day, whatever the order of sets of strings."""
    script = """
import hashlib
from simulator.bench.floor import Floor
from simulator.bench.scenario import centre
base = centre(3, 0.8)
out = Floor(base).run(base.draw(5, 1500), keep_waits=True)
print(hashlib.sha256(repr((out.waits, sorted(out.busy_ms.items()))).encode()).hexdigest())
"""
    digests = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == len(hashlib.sha256().hexdigest())
