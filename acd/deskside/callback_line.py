"""What the call-back dialler asks the router's own side: which calls live, is a channel up, hang one up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core.ids import CallId

if TYPE_CHECKING:
    from acd.adapters.asterisk.channels import Translator
    from acd.adapters.asterisk.connection import AmiConnection
    from acd.core.engine import Engine
    from acd.core.snapshot import CallView, Snapshot
    from acd.ports import Clock


class RouterLine:
    """Implements acd.deskside.callbacks.Line on the core and the router's manager link."""

    def __init__(self, engine: Engine, clock: Clock, manager: AmiConnection, channels: Translator) -> None:
        self._engine, self._clock, self._manager, self._channels = engine, clock, manager, channels

    def knows(self, call: CallId) -> bool:
        """Whether the core knows the call, live or not yet carded."""
        return self._engine.knows(call)

    def call_view(self, call: CallId) -> CallView | None:
        """A live call."""
        return self._engine.call_view(call, self._clock.now())

    def snapshot(self) -> Snapshot:
        """Everything."""
        return self._engine.snapshot(self._clock.now())

    def wrapping_up(self) -> tuple[CallView, ...]:
        """Ended calls whose card waits for the agent's wrap-up."""
        return self._engine.wrapping_up(self._clock.now())

    async def is_up(self, call: str) -> bool:
        """Whether the switch has the channel whose id was preset. Raises PortError."""
        answer = await self._manager.action("Getvar", {"Channel": call, "Variable": "ACD_CALL"})
        return answer.name == "Success"

    async def cancel(self, call: CallId) -> None:
        """Hang a waiting call-back up; nothing to do when its channel is gone. Raises PortError."""
        uniqueid = self._channels.uniqueid_of(call)
        if uniqueid is not None:
            await self._manager.action("Hangup", {"Channel": uniqueid})
