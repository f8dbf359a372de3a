"""The family of errors the core can raise. Everything else a peer does is a fact to count.

CoreError
  InvariantBroken     our own state contradicts itself: stop the process, the switch keeps the calls
  PolicyError         a policy that cannot mean anything (configuration should have refused it)
"""


class CoreError(Exception):
    """Base of what the core raises."""


class InvariantBroken(CoreError):  # noqa: N818  a statement, not an error of somebody else
    """The core's own state contradicts itself; going on would route calls by a lie."""


class PolicyError(CoreError):
    """The policy contradicts itself: an id twice, a negative duration."""


def ensure(condition: bool, broken: str) -> None:  # noqa: FBT001  reads as a sentence at the call
    """Raise `InvariantBroken` saying what does not hold."""
    if not condition:
        raise InvariantBroken(broken)
