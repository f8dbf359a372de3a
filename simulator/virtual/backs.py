"""What must hold of call-backs in the virtual world (003-24, failure modes 19 and 38).

No number is rung without a claim in the ledger, twice at once, more often than allowed for one task, or again after a
talk that the switch survived. Every missed call has a task; a second open one of one number and subscriber the schema
refuses (a unique index), and then the call is missing here. Whoever pressed 1 keeps the place.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from acd.core.events import EndReason
from acd.desk.ledger import MISSED_REASONS
from agi_scripts import dialplan_vars as var
from simulator.virtual.back import BackWalk
from simulator.virtual.ledger import MAX_ATTEMPTS

if TYPE_CHECKING:
    from simulator.virtual.walk import Walk
    from simulator.virtual.world import World


class Backs:
    """The oracle of one run's call-backs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._ringing: dict[str, BackWalk] = {}
        """Which call-back rings or talks with a number now."""
        self._dials: Counter[int] = Counter()
        self._reached: set[int] = set()
        """Tasks whose number was talked with, by a call-back that the switch saw to its end."""
        self._of: dict[str, int] = {}

    # --- as it happens ----------------------------------------------------------------------------

    def begun(self, walk: BackWalk) -> None:
        """A call-back stands in the line: claimed before, and at the place of whoever pressed 1."""
        rows = self.world.disk.ledger.query("SELECT task FROM missed_dials WHERE call = ?", walk.call)
        if not rows:
            self.world.fault(f"{walk.number} is called back as {walk.call} without a claim")
            return
        task = self._of[walk.call] = rows[0][0]
        self.world.count("callbacks_begun")
        missed = next((one for one in self.world.walks if one.call == walk.of), None)
        first = len(self.world.disk.ledger.query("SELECT 1 FROM missed_dials WHERE task = ?", task)) == 1
        if missed is None or not first or missed.vars.get(var.ACD_RESULT) != "callback":
            return
        self.world.count("places_kept")
        if walk.vars.get(var.ACD_ENTER_MS) != missed.vars.get(var.ACD_ENTER_MS):
            self.world.fault(f"{walk.call} lost the place of {walk.of}")

    def dialling(self, walk: BackWalk) -> None:
        """The number rings."""
        self.world.count("numbers_rung")
        task = self._of.get(walk.call, 0)
        self._dials[task] += 1
        if walk.number in self._ringing:
            self.world.fault(f"{walk.number} is rung twice at once: {walk.call}")
        if task and self._dials[task] > MAX_ATTEMPTS:
            self.world.fault(f"{walk.number} is rung {self._dials[task]} times for task {task}")
        if task in self._reached:
            self.world.fault(f"{walk.number} is rung again after a talk: task {task}")
        self._ringing[walk.number] = walk

    def holds(self, walk: BackWalk) -> bool:
        """Whether the number still rings or talks with this call-back."""
        return self._ringing.get(walk.number) is walk

    def number_over(self, walk: BackWalk) -> None:
        """Its leg is gone."""
        if self.holds(walk):
            del self._ringing[walk.number]
        if walk.reached:
            self.world.count("numbers_reached")
            self._reached.add(self._of.get(walk.call, -1))

    def switch_died(self) -> None:
        """Nothing rings any more; whose ringing or talk died with the switch may be called once more: no attempt of ours failed."""
        for walk in self._ringing.values():
            self._dials[self._of.get(walk.call, 0)] -= 1
        self._ringing.clear()

    # --- at the end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Look at the whole ledger."""
        query = self.world.disk.ledger.query
        for number, call in query(
            "SELECT t.number, d.call FROM missed_tasks AS t JOIN missed_dials AS d ON d.task = t.id"
            " WHERE t.state = 'dialling' AND d.outcome = ''"
        ):
            self.world.fault(f"the task of {number} is still being dialled as {call}")
        noted = {row[0] for row in query("SELECT call FROM missed_calls")}
        for walk in self.world.walks:
            if not isinstance(walk, BackWalk) and self._was_missed(walk) and walk.call not in noted:
                self.world.fault(f"{walk.call} was missed and is not in the ledger")

    def _was_missed(self, walk: Walk) -> bool:
        card = self.world.disk.cards.get(walk.call)
        if card is None or card.end_reason.value not in MISSED_REASONS:
            return False
        rows = self.world.disk.rows.get(walk.call, ())
        answered = any(row.kind == "ACDFALLBACKANSWER" for row in rows)
        return not (card.end_reason is EndReason.FALLBACK and answered)
