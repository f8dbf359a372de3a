"""What must hold: safety after every step of the engine, liveness and the cards once it is calm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.cards import fold as cardfold
from acd.core.errors import InvariantBroken
from agi_scripts.dialplan_vars import CONTEXTS
from simulator.virtual.disk import fold_lost

if TYPE_CHECKING:
    from acd.core.ids import AgentId
    from acd.wire.queue_log import JournalRow
    from simulator.virtual.asterisk import Asterisk
    from simulator.virtual.daemon import Daemon
    from simulator.virtual.walk import Walk
    from simulator.virtual.world import World

STUCK_MS = 10_000
HANDS_FULL = ("reserved", "ringing")


class Checks:
    """The oracle of one run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.live: dict[str, Walk] = {}
        """Callers whose channel is up, by call."""
        self._dialled: dict[AgentId, str] = {}
        """Which call's offer has the agent, in the dialplan's sense."""
        self._lost: set[str] = set()
        """Calls that died with a switch."""
        self._steps = 0

    # --- the dialplan's truth ------------------------------------------------------------------------

    def entered(self, walk: Walk) -> None:
        """A caller is in."""
        self.live[walk.call] = walk

    def call_over(self, walk: Walk) -> None:
        """A caller's channel is gone in good order."""
        self.live.pop(walk.call, None)

    def switch_died(self, switch: Asterisk) -> None:
        """All its calls are gone, without a word."""
        self._dialled.clear()
        for walk in list(self.live.values()):
            if walk.switch is switch:
                self._lost.add(walk.call)
                del self.live[walk.call]

    def dialling(self, agent: AgentId, walk: Walk) -> None:
        """Safety: at most one offer per agent in the dialplan."""
        other = self._dialled.get(agent)
        if other is not None and other != walk.call:
            self.world.fault(f"{agent} has {other} and is dialled for {walk.call}: double booked")
        self._dialled[agent] = walk.call

    def dial_over(self, agent: AgentId, walk: Walk) -> None:
        """The offer or talk is over."""
        if self._dialled.get(agent) == walk.call:
            del self._dialled[agent]

    # --- safety ------------------------------------------------------------------------------------------

    def stepped(self, daemon: Daemon) -> None:
        """After every step of an engine."""
        now = daemon.clock.now()
        try:
            daemon.engine.check(now)
        except InvariantBroken as broken:
            self.world.fault(f"invariant: {broken}")
        for walk in self.live.values():
            if walk.place[0] not in CONTEXTS:
                self.world.fault(f"{walk.call} has no owner: it stands in {walk.place}")
        self._steps += 1
        if self._steps % 8 == 0:
            self._nothing_stuck(daemon, now)

    def _nothing_stuck(self, daemon: Daemon, now: int) -> None:
        """No reservation older than ten seconds: reserved at most 2 s, ringing at most ring + grace + audit."""
        if not daemon.sync.synced:
            return
        for view in daemon.engine.snapshot(now).agents:
            held = now - view.state_since
            limit = STUCK_MS + (5_000 if view.state == "ringing" else 0)
            if view.state in HANDS_FULL and held > limit:
                self.world.fault(f"{view.agent} is {view.state} since {held} ms")

    # --- liveness ----------------------------------------------------------------------------------------

    def everybody_is_out(self) -> None:
        """Every caller reached a terminal state in time."""
        for walk in self.live.values():
            self.world.fault(f"{walk.call} is still in {walk.place} long after the last fault")

    def finish(self) -> None:
        """Agents are free, nothing is left over, the cards say what the journal says."""
        daemon = self.world.daemon
        if daemon is None or not daemon.process.alive:
            self.world.fault("no daemon at the end")
            return
        self._agents_free(daemon)
        self._nothing_left(daemon)
        self._cards()

    def _agents_free(self, daemon: Daemon) -> None:
        snapshot = daemon.engine.snapshot(daemon.clock.now())
        if not snapshot.synced:
            self.world.fault("the daemon is not synced at the end")
        for view in snapshot.agents:
            if view.state != "idle":
                self.world.fault(f"{view.agent} is {view.state} at the end")
            if view.status == "logged_out":
                self.world.fault(f"{view.agent} is logged out at the end, but never left")
            if not view.reachable:
                self.world.fault(f"{view.agent} is unreachable at the end")

    def _nothing_left(self, daemon: Daemon) -> None:
        live = daemon.engine.snapshot(daemon.clock.now()).calls
        if live:
            self.world.fault(f"the core still has {[(view.call, view.state) for view in live]}")
        if daemon.runner.unfinished:
            self.world.fault(f"{daemon.runner.unfinished} wishes are unfinished")
        for phone in self.world.phones.values():
            if phone.legs:
                self.world.fault(f"{phone.agent} still has legs of {phone.legs}")
        defects = daemon.runner.counters["adapter_defects"] + daemon.ami.counters["event_errors"]
        if defects:
            self.world.fault(f"{defects} defects in adapters")

    def _cards(self) -> None:
        """Exactly one card per call, and each says what the journal says."""
        world = self.world
        rows: dict[str, list[JournalRow]] = {}
        for row in world.journal.rows():
            if row.call:
                rows.setdefault(row.call, []).append(row)
        entered = {walk.call for walk in world.walks}
        for call in sorted(world.disk.cards.keys() - entered):
            world.fault(f"a card for {call}, which never was")
        for walk in world.walks:
            mine = rows.get(walk.call, [])
            ends = sum(row.kind == "ACDEND" for row in mine)
            if ends > 1 or (ends == 0 and mine and walk.call not in self._lost):
                world.fault(f"{walk.call} has {ends} ends in the journal")
            folded = fold_lost(mine)
            card = world.disk.cards.get(walk.call)
            if folded is None:
                continue
            world.count(f"ended_{folded.end_reason.value}")
            if card is None:
                world.fault(f"{walk.call} ended {folded.end_reason.value} and has no card")
                continue
            for line in cardfold.differences(folded, card):
                if line.startswith("number: ") and card.number:
                    world.count("numbers_kept")  # written before the journal was read; a number given stays
                    continue
                world.fault(f"card of {walk.call}: {line}")
