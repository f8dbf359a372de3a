"""The drawings in acd/README.md are the transition tables."""

from pathlib import Path

import pytest

from acd.core.call import CALL_TRANSITIONS
from acd.core.diagrams import agent_machine, call_machine, insert

README = Path(__file__).parents[2] / "acd" / "README.md"


@pytest.mark.parametrize(
    ("marker", "draw"), [("call-machine", call_machine), ("agent-machine", agent_machine)]
)
def test_the_readme_shows_the_machine_as_it_is(marker, draw):
    text = README.read_text(encoding="utf-8")
    assert insert(text, marker, draw()) == text, f"paste between the {marker} markers:\n{draw()}"


def test_every_transition_is_drawn():
    drawing = call_machine()
    for (state, signal), following in CALL_TRANSITIONS.items():
        line = next(x for x in drawing.splitlines() if f" {state.name} --> {following.name} " in x)
        assert signal.value in line
    assert drawing.rstrip().endswith("```")
    assert "ENDED --> [*]" in drawing
    assert "--> [*]" not in agent_machine()


def test_a_missing_marker_is_an_error():
    with pytest.raises(ValueError, match="substring"):
        insert("no markers here", "call-machine", "x")
