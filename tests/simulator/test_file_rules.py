"""Rules in scenario files: checked as in queues.yaml, obeyed by the virtual centre."""

from __future__ import annotations

import pytest

from acd.config.strict_yaml import ConfigError, parse
from acd.core.instant import HOUR_MS
from simulator.checkers import Checkers
from simulator.file_rules import window_edges
from simulator.scenario import Scenario
from simulator.scenario_file import from_document
from simulator.world import World

TEXT = """\
name: two lines
policy: recommended
queues:
  - name: busy
    arrivals: {{starts: "08:00", per_hour: [60, 60]}}
    talk: {{exponential: {{mean_s: 240}}}}
    patience: {{exponential: {{mean_s: 600}}}}
    needs: {{law: 3}}
    callback: {{after_s: 86000, accept: 1.0}}
    rules:
{}
  - name: calm
    arrivals: {{per_hour: 1}}
    talk: {{exponential: {{mean_s: 60}}}}
agents:
  - {{name: expert, count: 2, skills: {{law: 3}}}}
  - {{name: junior, count: 2, skills: {{law: 1}}}}
  - {{name: back, count: 2, reserve: 1, skills: {{law: 3}}}}
"""


def scenario(*rules: str) -> Scenario:
    text = TEXT.format("\n".join(f"      - {{{rule}}}" for rule in rules))
    made, warnings = from_document(parse(text, "s.yaml"))
    assert not [w for w in warnings if "rules" in w.path]
    return made


def run(made: Scenario, seed: int = 1) -> World:
    world = World(made, seed=seed, watchers=(Checkers(),))
    world.run()
    return world


def outcomes(world: World, name: str, queue: int = 0) -> int:
    assert world.result is not None
    return sum(getattr(tally, name) for tally in world.result.tallies[queue])


def test_mistakes_in_rules_are_told_with_their_place():
    bad = TEXT.format("      - {when: waited >= 3, do: overflow nowhere}")
    with pytest.raises(ConfigError) as caught:
        from_document(parse(bad, "s.yaml"))
    assert [str(p).split(": ", 1)[0] for p in caught.value.problems] == ["s.yaml:11:16", "s.yaml:11:42"]


@pytest.mark.slow
def test_lowering_a_skill_brings_the_juniors_in():
    plain = run(scenario("when: waited_s >= 590, do: fallback"))
    eased = run(scenario("when: waited_s >= 10, do: lower_skill law 1"))
    calm = outcomes(plain, "served", 1)
    assert plain.people["junior1"].crew.times.offers <= calm, "only the line that asks for nothing"
    assert eased.people["junior1"].crew.times.offers > 1.5 * calm


def test_callers_move_and_are_served_in_the_other_line():
    world = run(scenario("when: waited_s >= 30, do: overflow calm"))
    assert outcomes(world, "overflowed") > 0
    assert outcomes(world, "served", 1) > 24
    assert world.engine.snapshot(world.now).counters == ()


@pytest.mark.slow
def test_announcements_and_callbacks_are_wished():
    world = run(scenario("when: waited_s >= 20 and depth > 1, do: [announce sorry, offer_callback]"))
    assert world.switch.announced["sorry"] > 0
    assert outcomes(world, "callbacks") > 0


def test_a_window_rules_only_within_it():
    made = scenario("when: during 09:00-10:00 and depth > 0, do: voicemail")
    begun = [(due // HOUR_MS, inside) for due, _, inside in window_edges(made)]
    assert begun == [(0, False), (9, True), (10, False)]
    world = run(made)
    assert outcomes(world, "overflowed") > 0


def test_the_same_seed_gives_the_same_wishes_with_rules():
    made = scenario("when: waited_s >= 10 and available = 0, do: [lower_skill law 1, open_reserve 1]")
    digests = set()
    for _ in range(2):
        world = World(made, seed=3, digest=True)
        digests.add(world.run().digest)
    assert len(digests) == 1
