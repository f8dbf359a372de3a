"""Recording as the dialplan does it: may new talks be recorded, end one that runs, mute it for a moment.

The dialplan starts recordings itself (`ACD_RECORD` 1, MixMonitor on the caller's channel); these are the three
commands beside it. All need no more than the `call` class of the router's manager user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.ports import CallGoneError, NotRecordedError, RefusedError
from agi_scripts import dialplan_vars as var

if TYPE_CHECKING:
    from acd.adapters.asterisk.switch import Channels, Manager
    from acd.core.ids import CallId

NO_CHANNEL = "No such channel"
NO_RECORDING = ("Cannot set mute flag", "Could not stop monitoring channel")
"""How Asterisk 22 refuses to mute or to stop what a channel has not (apps/app_mixmonitor.c). Only these words mean
that a talk is not recorded; whatever else is refused, the recording may run on."""


class AsteriskRecording:
    """Implements acd.recording.Recorder over AMI."""

    def __init__(self, manager: Manager, channels: Channels) -> None:
        self._manager, self._channels = manager, channels

    async def is_on(self) -> bool:
        """Whether the dialplan records at all. Raises PortError when Asterisk does not answer."""
        answer = await self._manager.action("Getvar", {"Variable": var.ACD_RECORD})
        return answer.get("Value") == "1"

    async def allow(self, *, new: bool) -> None:
        """Say whether calls that enter from now on may be recorded; it holds until it is said otherwise.

        It stands in Asterisk, so our death changes nothing; Asterisk's own death forgets it.

        Raises:
            PortError: it was not written.
        """
        value = "0" if new else "1"
        await self._do("Setvar", {"Variable": var.ACD_NO_RECORD, "Value": value})

    async def end(self, call: CallId) -> None:
        """End the recording of one call for good. Raises as `mute`."""
        await self._do("StopMixMonitor", {"Channel": self._caller(call)})

    async def mute(self, call: CallId, *, on: bool) -> None:
        """Let the recording hear silence, or the talk again.

        Raises:
            NotRecordedError: this talk is not recorded.
            CallGoneError: its channel is gone.
            RefusedError: Asterisk refused for another reason.
            PortError: Asterisk does not answer: it may have been done or not.
        """
        state = "1" if on else "0"
        headers = {"Channel": self._caller(call), "Direction": "both", "State": state}
        await self._do("MixMonitorMute", headers)

    def _caller(self, call: CallId) -> str:
        uniqueid = self._channels.uniqueid_of(call)
        if uniqueid is None:
            raise CallGoneError(f"the caller of {call} is gone")
        return uniqueid

    async def _do(self, name: str, headers: dict[str, str]) -> None:
        answer = await self._manager.action(name, headers)
        if answer.name == "Success":
            return
        reason = answer.get("Message")
        told = f"{name}: {reason}"
        if reason.startswith(NO_CHANNEL):
            raise CallGoneError(told)
        if reason.startswith(NO_RECORDING):
            raise NotRecordedError(told)
        raise RefusedError(told)
