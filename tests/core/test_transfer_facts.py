"""Facts about handing on go the way of all facts: into the log and back, and every one has a handler."""

import pytest

from acd.core.engine import Engine
from acd.core.transfer_facts import (
    ConsultAnswered,
    ConsultEnded,
    ConsultStarted,
    TransferAsked,
    TransferEnded,
    TransferHow,
)
from acd.factlog import from_line, to_line
from tests.core.telling import POLICY

FACTS = [
    *(TransferAsked("c1", "anna", how, "agent_boris", at=5) for how in TransferHow),
    ConsultStarted("c1", "anna", "out_+7495", at=5),
    ConsultAnswered("c1", "anna", "out_+7495"),
    ConsultEnded("c1", "anna", "out_+7495", "BUSY", at=5),
    TransferEnded("c1", "out_+7495", "OVER", at=5),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_fact_comes_back_from_the_log_as_it_was(fact):
    assert from_line(to_line(7, 9, fact)) == (7, 9, fact)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_fact_about_an_unknown_call_is_counted_and_wishes_nothing(fact):
    engine = Engine(POLICY)
    assert engine.step(fact, 10) == ()
    assert engine.snapshot(10).counters
