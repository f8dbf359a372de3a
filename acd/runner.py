"""The only loop: inbox, step, fact log, wishes, one timer. It decides, then delegates.

`tell` is the one way in and may only be called from the loop's thread. A fact is stepped as soon as
the loop turns; the wishes that come out are handed to ports and nothing here ever waits for a port.
What a port could not do comes back as a `WishFailed` fact with the wish's number.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from acd.core import effects as wish
from acd.core.events import DeadlinePassed, Fact, WishFailed
from acd.ports import CardStore, Clock, PortError, ScreenPop, Switch

if TYPE_CHECKING:
    from acd.core.effects import Effect
    from acd.core.engine import Engine
    from acd.core.ids import AgentId, EffectId
    from acd.core.instant import Instant
    from acd.factlog import FactLog

log = structlog.get_logger("acd.runner")

POP_OUTBOX = 1_000
"""Pops are hints: when the broker stalls, the oldest are dropped and counted."""
INTENTS_UNDER_WAY = 200
"""Intent rows waiting for the disk; on a stalled one the newest are left out and counted (decision 0110)."""
AFTER_YOU_S = 0.004
"""A Redirect has just left: what screens and disk are told waits until Asterisk has rung the phone."""
KEEP_AGAIN_S = 1.0
INBOX_LIMIT = 100_000
"""Facts waiting to be stepped; far above any real burst. Beyond it telemetry would lie, so we stop."""

_SWITCH = frozenset(
    {
        wish.OfferCall, wish.SendToFallback, wish.MoveToQueue, wish.Announce, wish.OfferCallback,
        wish.HangUpStrayLeg, wish.TransferCall,
    }
)  # fmt: skip
"""Wishes to the switch: of one step they leave first, in their order."""

Dossier = Callable[["wish.ShowPop"], Mapping[str, object]]


class Outbox:
    """A bounded queue in front of one port, emptied in order by its own task."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.dropped = 0
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._limit = limit
        self._wake = asyncio.Event()

    def put(self, work: Callable[[], Awaitable[None]]) -> None:
        """Queue work; when full the oldest is dropped and counted."""
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(work)
        self._wake.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self, on_error: Callable[[str, PortError], None]) -> None:
        """Empty the queue for ever."""
        while True:
            while self._waiting:
                work = self._waiting.popleft()
                try:
                    await work()
                except PortError as failed:
                    on_error(self.name, failed)
            self._wake.clear()
            await self._wake.wait()
            await asyncio.sleep(AFTER_YOU_S)


class Runner:
    """Drives one Engine. `run()` keeps the outboxes going until cancelled."""

    def __init__(  # the composition root passes every port by name
        self,
        engine: Engine,
        clock: Clock,
        factlog: FactLog,
        *,
        switch: Switch,
        pops: ScreenPop,
        store: CardStore,
        dossier: Dossier = lambda _wish: {},
        ask_sync: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.counters: Counter[str] = Counter()
        self.offering = True
        """False on the first rung of the shutdown ladder: no new offers leave."""
        self._factlog = factlog
        self._switch, self._pops, self._store, self._dossier = switch, pops, store, dossier
        self._inbox: deque[Fact] = deque()
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: Instant | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._unkept: dict[AgentId, wish.KeepAgentStatus] = {}
        """The newest status of each agent that the store has not confirmed yet."""
        self._pop_outbox = Outbox("pops", POP_OUTBOX)
        self._intents = 0
        self._broken: Exception | None = None
        self._wake_broken = asyncio.Event()
        self._observers: list[Callable[[Fact, tuple[Effect, ...]], None]] = []
        self._acts: dict[type, Callable[[Any], None]] = {
            wish.OfferCall: self._offer,
            wish.ShowPop: self._show_pop,
            wish.ConfirmPop: lambda w: self._pop(self._pops.confirm, w),
            wish.WithdrawPop: lambda w: self._pop(self._pops.withdraw, w),
            wish.OpenWrapUp: lambda w: self._pop(self._pops.open_wrap_up, w),
            wish.CloseWrapUp: lambda w: self._pop(self._pops.close_wrap_up, w),
            wish.SendToFallback: lambda w: self._command(self._switch.send_to_fallback, w),
            wish.MoveToQueue: lambda w: self._command(self._switch.move_to_queue, w),
            wish.Announce: lambda w: self._command(self._switch.announce, w),
            wish.OfferCallback: lambda w: self._command(self._switch.offer_callback, w),
            wish.HangUpStrayLeg: lambda w: self._command(self._switch.hang_up_stray_leg, w),
            wish.TransferCall: lambda w: self._command(self._switch.transfer, w),
            wish.AskForSync: lambda _w: ask_sync(),
            wish.KeepAgentStatus: self._keep_agent,
            wish.WriteCallCard: lambda w: self._keep(lambda x: self._store.write_card(x.card), w),
        }

    # --- in ------------------------------------------------------------------------------------

    def tell(self, fact: Fact) -> None:
        """Put a fact into the inbox. Never blocks."""
        if len(self._inbox) >= INBOX_LIMIT:
            self._break(RuntimeError("inbox full: the loop cannot keep up, restart is safer than a lie"))
            return
        self._inbox.append(fact)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._drain)

    def observe(self, watcher: Callable[[Fact, tuple[Effect, ...]], None]) -> None:
        """Let telemetry see every fact with the wishes it caused. The watcher must not raise or wait."""
        self._observers.append(watcher)

    def drain(self) -> None:
        """Step what is in the inbox now instead of at the loop's next turn; not from inside a step."""
        if self._scheduled:
            self._drain()

    def _drain(self) -> None:
        self._scheduled = False
        if self._broken is not None:
            return  # a core that broke its word decides nothing more
        try:
            while self._inbox:
                self._step(self._inbox.popleft())
            self._arm()
        except Exception as defect:  # noqa: BLE001 - a broken invariant: stop the process rather than route wrongly
            self._break(defect)

    def _break(self, defect: Exception) -> None:
        self._factlog.flush()
        log.critical("core_broken", fact_log_position=self._factlog.serial, error=repr(defect))
        if self._broken is None:
            self._broken = defect
            self._wake_broken.set()

    def _step(self, fact: Fact) -> None:
        now = self.clock.now()
        try:
            wishes = self.engine.step(fact, now)
            for one in wishes:  # a caller waits for these; screens, cards and telemetry can
                if type(one) in _SWITCH:
                    self._acts[type(one)](one)
        finally:
            self._factlog.append(fact, now)  # also the fact that broke the core
        for one in wishes:
            if type(one) not in _SWITCH:
                self._acts[type(one)](one)
        for watcher in self._observers:
            watcher(fact, wishes)

    def _arm(self) -> None:
        due = self.engine.next_deadline()
        if due == self._timer_due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due = None, due
        if due is not None:
            delay_s = max(0, due - self.clock.now()) / 1000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        if self._broken is not None:
            return
        # the loop's timer may fire a fraction of a millisecond early on our integer timeline
        try:
            if self._timer_due is not None and self.clock.now() >= self._timer_due:
                self._step(DeadlinePassed())
            self._arm()
        except Exception as defect:  # noqa: BLE001 - as in _drain
            self._break(defect)

    # --- out -----------------------------------------------------------------------------------

    def _offer(self, w: wish.OfferCall) -> None:
        if not self.offering:
            self.tell(WishFailed(w.effect, "shutting down"))
            return
        self._spawn(self._switch.offer(w), w.effect)
        # the dialplan's AcdDial says the same and is durable, so no Redirect waits for our disk (decision 0110)
        if self._intents >= INTENTS_UNDER_WAY:
            self.counters["intents_not_stored"] += 1
        else:
            self._intents += 1
            self._spawn(self._intend(w, self.clock.now()), None)

    async def _intend(self, w: wish.OfferCall, at: Instant) -> None:
        try:
            await asyncio.sleep(AFTER_YOU_S)
            await self._store.intend(w, at)
        except PortError:
            self.counters["intents_not_stored"] += 1
        finally:
            self._intents -= 1

    def _command(self, send: Callable[[Any], Coroutine[Any, Any, None]], w: Any) -> None:
        self._spawn(send(w), w.effect)

    def _show_pop(self, w: wish.ShowPop) -> None:
        if not self.offering:
            return  # its offer does not leave either
        dossier = self._dossier(w)
        self._pop_outbox.put(lambda: self._pops.show(w, dossier))

    def _pop(self, publish: Callable[[Any], Awaitable[None]], w: Any) -> None:
        self._pop_outbox.put(lambda: publish(w))

    def _keep(self, write: Callable[[Any], Coroutine[Any, Any, None]], w: Any) -> None:
        # order per call is kept: tasks start in the order they are made, and the store has one writer
        self._spawn(write(w), None)

    def _keep_agent(self, w: wish.KeepAgentStatus) -> None:
        self._unkept[w.agent] = w
        self._spawn(self._keep_status(w), None)

    async def _keep_status(self, w: wish.KeepAgentStatus) -> None:
        """Write one status; a refused one stays with the newest of its agent until the store takes it."""
        await self._store.keep_agent(w)
        if self._unkept.get(w.agent) is w:
            del self._unkept[w.agent]

    async def _keep_refused(self) -> None:
        """An agent who logged out while the database refused must not be rung after our next start."""
        while True:
            await asyncio.sleep(KEEP_AGAIN_S)
            for w in list(self._unkept.values()):
                try:
                    await self._keep_status(w)
                except PortError:
                    self.counters["agent_status_waits"] += 1

    def _spawn(self, work: Coroutine[Any, Any, None], effect: EffectId | None) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work, effect))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], effect: EffectId | None) -> None:
        try:
            await work
        except PortError as failed:
            self.counters["port_errors"] += 1
            log.warning("wish_failed", effect=effect, reason=str(failed))
            if effect is not None:
                self.tell(WishFailed(effect, str(failed)))
        except Exception:  # a defect in an adapter must not end the loop; it is counted and shown
            self.counters["adapter_defects"] += 1
            log.exception("adapter_defect", effect=effect)
            if effect is not None:
                self.tell(WishFailed(effect, "internal error"))

    def _pop_failed(self, outbox: str, failed: PortError) -> None:
        self.counters["pops_failed"] += 1
        log.warning("pop_failed", outbox=outbox, reason=str(failed))

    # --- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the outboxes and the fact log going until cancelled; raise when the core is broken."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pop_outbox.run(self._pop_failed), name="pops")
            group.create_task(self._flush_log(), name="factlog")
            group.create_task(self._raise_when_broken(), name="broken")
            group.create_task(self._keep_refused(), name="agents")

    async def _raise_when_broken(self) -> None:
        await self._wake_broken.wait()
        raise RuntimeError(f"core stopped at fact {self._factlog.serial}") from self._broken

    async def _flush_log(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            self._factlog.flush()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until what was begun is finished; return False when the time ran out."""
        end = asyncio.get_running_loop().time() + timeout_s
        while self._tasks or self._inbox or len(self._pop_outbox):
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(0.01)
        return True

    def close(self) -> None:
        """Disarm the timer and close the log."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._factlog.close()

    @property
    def pops_dropped(self) -> int:
        """Pops that never left because the broker stalled."""
        return self._pop_outbox.dropped

    @property
    def unfinished(self) -> int:
        """Port calls under way, for leak checks."""
        return len(self._tasks)
