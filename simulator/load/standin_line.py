"""Callers and phones on the stand-in, in this process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.load.trunk import Lines
from simulator.standin import Number, Phone, StandIn
from simulator.standin.dialplan import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.centre.config import CentreSpec
    from simulator.load.centre import Centre
    from simulator.load.parts import Made
    from simulator.load.world import LiveWorld
    from simulator.standin.dialplan import CallTask

FOR_EVER_S = 1e6
SECRET = "stand-in-secret"  # noqa: S105 - guards a loopback port for the length of a run


class StandInLine:
    """Implements simulator.load.world.Line. Phones and callers are moved as the worlds say."""

    engine = "stand-in"

    def __init__(self) -> None:
        self.switch: StandIn | None = None
        self._world_of: Callable[[str], LiveWorld] | None = None
        self._tasks: dict[str, CallTask] = {}
        self._ani_of: dict[str, str] = {}
        self._lines = Lines(None)

    @property
    def version(self) -> str:
        """What switch this is."""
        return f"stand-in of {self.switch.version}" if self.switch else ""

    @property
    def processes(self) -> dict[str, int]:
        """Processes to watch besides the daemon: none, the stand-in lives in this one."""
        return {}

    async def open(self, spec: CentreSpec, centre: Centre) -> None:
        """Start the stand-in; fill in the spec's ports and secrets."""
        self._lines = Lines(centre.scenario.lines)
        self.switch = StandIn(
            spec.directory / "asterisk",
            agi=("127.0.0.1", spec.agi_port),
            users={"acd": SECRET, "acd-callback": SECRET},
            phones=[Phone(device, device, answer_after_s=None) for device in centre.devices],
            ring_s=max(queue.ring_timeout_ms for queue in centre.scenario.queues) / 1000,
        )
        self.switch.listener_hook = self._heard
        spec.ami_port = await self.switch.start(spec.ami_port)
        spec.ami_secret = spec.callback_secret = SECRET
        spec.queue_log = Path(self.switch.queue_log.path)

    def start(self, calls: Sequence[Made], world_of: Callable[[str], LiveWorld], begun_s: float) -> None:
        """Remember whom to tell; calls are placed one by one."""
        del calls, begun_s
        self._world_of = world_of

    async def close(self) -> None:
        """Stop the stand-in."""
        if self.switch is not None:
            await self.switch.stop()

    # --- deeds ------------------------------------------------------------------------------------

    def place(self, call: Made) -> None:
        """A call arrives from the trunk, if a line is free."""
        assert self.switch is not None  # noqa: S101 - open() comes first
        if not self._lines.take(call.ani):
            asyncio.get_running_loop().call_soon(self._busy, call.ani, time.time())
            return
        task = self.switch.place_call(Caller(call.did, call.ani, "Client", patience_s=None, talk_s=None))
        self._tasks[call.ani] = task
        self._ani_of[task.call] = call.ani
        task.takes_callback = self._world_of is not None and self._world_of(call.ani).takes_callback(call.ani)

    def _called_back(self, call: str) -> None:
        """The router calls somebody back: from now on this call is his."""
        assert self.switch is not None  # noqa: S101 - it told us
        task = next((one for one in self.switch.calls.values() if one.call == call), None)
        if task is not None:
            self._ani_of[call] = task.caller.ani
            self._tasks[task.caller.ani] = task

    def _busy(self, number: str, at_s: float) -> None:
        if self._world_of is not None:
            self._world_of(number).gone(number, at_s, "busy")

    def hang_up(self, number: str) -> None:
        """The caller hangs up."""
        task = self._tasks.pop(number, None)
        if task is not None:
            task.hang_up("caller")

    def end_talk(self, number: str) -> None:
        """The agent hangs up."""
        task = self._tasks.pop(number, None)
        if task is not None:
            task.hang_up("agent")

    def unplug(self, agent: str, *, away: bool) -> None:
        """An agent's phone is away, or back."""
        assert self.switch is not None  # noqa: S101 - open() comes first
        self.switch.set_registered(agent, not away)

    def silence(self, number: str, agent: str) -> None:
        """The phone that rings for this caller falls silent: its leg is gone."""
        del agent
        task = self._tasks.get(number)
        if task is not None:
            task.ringing_leg_gone()

    def call_of(self, number: str) -> str:
        """The router's name of this caller's call."""
        task = self._tasks.get(number)
        return task.call if task is not None else ""

    # --- what the switch did ------------------------------------------------------------------------

    def _heard(self, kind: str, fields: dict[str, str]) -> None:
        if kind == "AcdCallbackBegin":
            self._called_back(fields["call"])
        number = self._ani_of.get(fields["call"])
        if number is None or self._world_of is None or self.switch is None:
            return
        world, agent, at_s = self._world_of(number), fields["agent"], int(fields["ms"]) / 1000
        if kind == "AcdDial":
            does, phone = world.rang(number, agent, at_s), self.switch.phones[agent]
            # the dialplan looks at the phone right after this note
            phone.dial_status = "BUSY" if does.refuses else ""
            phone.answer_after_s = None if does.after_ms is None else does.after_ms / 1000
        elif kind == "AcdAnswer":
            world.answered(number, agent, at_s)
        elif kind == "AcdDialEnd":
            unanswered = fields["status"] == "NOANSWER"
            world.offer_over(number, agent, at_s, unanswered=unanswered)
        else:
            self._left_line(kind, world, number, fields)

    def _left_line(self, kind: str, world: LiveWorld, number: str, fields: dict[str, str]) -> None:
        """The caller is no longer in this line: handed on, turned away, sent on, to be called back, or gone."""
        at_s = int(fields["ms"]) / 1000
        if kind == "AcdCallback":
            del self._tasks[number]
            assert self.switch is not None  # noqa: S101 - it told us
            self.switch.numbers[number] = Number(world.callback_chosen(number, at_s) / 1000, FOR_EVER_S)
        elif kind == "AcdTransfer":
            world.handed_on(number, fields["agent"], fields["to"].removeprefix("queue_"), at_s)
        elif kind == "AcdRefused":
            world.gone(number, at_s, "refused")
            self.hang_up(number)
        elif kind == "AcdFallback":
            world.fallen(number, at_s, fields["why"])
            self.hang_up(number)
        elif kind == "AcdEnd":
            self._lines.free(number)
            task = self._tasks.get(number)
            if task is not None and task.call == fields["call"]:  # else he waits to be called back
                # a call-back that no agent took in time ends by itself; a caller never does
                world.gone(number, at_s, "overflowed" if number in world.backs else "failed")
                del self._tasks[number]
