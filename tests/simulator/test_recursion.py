"""The virtual centre against an independent recursion: the same wait for every single caller."""

import pytest

from simulator.callers import draw_day
from simulator.recursion import first_come_first_served
from simulator.scenario import single_pool
from simulator.streams import Streams
from simulator.world import World


@pytest.mark.parametrize("policy", ["fifo", "groups"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_caller_of_a_pool_waits_exactly_as_the_recursion_says(policy: str, seed: int) -> None:
    scenario = single_pool(per_hour=300, agents=10, talk_s=120, patience_s=90, hours=4)
    callers = draw_day(scenario, Streams(seed), 0)
    waits = first_come_first_served(
        [c.first_at for c in callers], [c.patience_ms for c in callers], [c.talk_ms for c in callers], 10
    )
    run = World(scenario, policy, seed, keep_calls=True).run()
    found = {c.call: c.wait_ms if c.outcome == "served" else -c.wait_ms - 1 for c in run.calls}
    assert [found[caller.number] for caller in callers] == waits
    assert min(waits) < 0 < max(waits)


def test_a_pool_needs_somebody() -> None:
    with pytest.raises(ValueError, match="at least one"):
        first_come_first_served([1], [1], [1], 0)
