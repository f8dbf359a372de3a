import pytest

from acd.core.errors import CoreError, InvariantBroken, PolicyError, ensure


def test_ensure_is_silent_when_it_holds_and_says_what_does_not():
    ensure(True, "never seen")
    with pytest.raises(InvariantBroken, match="two agents"):
        ensure(False, "two agents")


def test_one_family():
    assert issubclass(InvariantBroken, CoreError)
    assert issubclass(PolicyError, CoreError)
