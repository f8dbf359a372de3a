"""Identities, as distinct types: a call id cannot be passed where an agent id is wanted."""

from typing import NewType

CallId = NewType("CallId", str)
"""The UUID the dialplan gave the call (channel variable ACD_CALL). Never an Asterisk Uniqueid."""

AgentId = NewType("AgentId", str)
"""An agent's short name from configuration; charset [0-9A-Za-z] because it becomes an extension."""

QueueId = NewType("QueueId", str)
"""A waiting line with one promise. A subscriber has at least one."""

SubscriberId = NewType("SubscriberId", str)
"""The firm whose number was dialled: the customer of the contact centre."""

SkillId = NewType("SkillId", str)

Did = NewType("Did", str)
"""The number the caller dialled, digits with an optional leading plus."""

Ani = NewType("Ani", str)
"""The caller's number as delivered; empty when withheld or malformed. A hint, never proof."""

EffectId = NewType("EffectId", int)
"""Number of a wish; its outcome comes back as a fact with the same number."""
