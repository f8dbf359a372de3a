"""Shared by the tests of the MQTT and HTTP edges: a clock, wishes, users, real brokers on free ports."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import aiomqtt

from acd.adapters.broker import BrokerSettings, EmbeddedBroker
from acd.core.effects import ConfirmPop, ShowPop
from acd.core.ids import AgentId, Ani, CallId, Did, EffectId, QueueId, SubscriberId
from acd.core.snapshot import AgentView, CallView, QueueView, Snapshot
from acd.credentials import Principal, Role, hash_token

ANI = "+74951234567"
DID = "+78001112233"
CALL = CallId("3f1c6a7e-6f0e-4a57-9d0f-1f6f5d0d9a01")
ANN, BOB = AgentId("ann"), AgentId("bob")


class FakeClock:
    """Milliseconds set by hand, or running when `real`."""

    def __init__(self, now: int = 1_700_000_000_000, *, real: bool = False) -> None:
        self.ms = now
        self.real = real

    def now(self) -> int:
        return int(time.time() * 1000) if self.real else self.ms


def show(agent: AgentId = ANN, effect: int = 1, call: CallId = CALL) -> ShowPop:
    return ShowPop(
        EffectId(effect),
        call,
        agent,
        1,
        QueueId("sales"),
        SubscriberId("acme"),
        Did(DID),
        Ani(ANI),
        "1042-7",
        900,
    )


def confirm(agent: AgentId = ANN, effect: int = 1, call: CallId = CALL) -> ConfirmPop:
    return ConfirmPop(EffectId(effect), call, agent)


def snapshot(*, now: int = 1_700_000_000_000, agents: tuple[str, ...] = ("ann", "bob")) -> Snapshot:
    """Ann talks with a caller, another caller waits."""
    call = CallView(
        CALL, "talking", QueueId("sales"), SubscriberId("acme"), Did(DID), Ani(ANI), "1042-7", now - 9_000, 4_000,
        ANN, 1, 0,
    )  # fmt: skip
    waiting = CallView(
        CallId("call-waiting"), "waiting", QueueId("sales"), SubscriberId("acme"), Did(DID), Ani(ANI), "1043-5",
        now - 3_000, 3_000, None, 0, 1, 12_000,
    )  # fmt: skip
    views = tuple(
        AgentView(
            AgentId(a), "available", "", "talking" if a == "ann" else "idle", now, True,
            CALL if a == "ann" else None, 0, 0,
        )
        for a in agents
    )  # fmt: skip
    queue = QueueView(
        QueueId("sales"), SubscriberId("acme"), True, 1, 3_000, 10, 7, 6, 2, 1, 1, 6, 1, 40_000, 900_000, 90_000,
        0.8, 20_000, 12_000,
    )  # fmt: skip
    return Snapshot(now, True, (call, waiting), views, (queue,), (("late_outcome", 2),))


def users(*agents: str) -> tuple[Principal, ...]:
    """The router, a wallboard and the agents; everybody's secret is `<name>-secret`."""
    names = [("router", Role.ROUTER), ("wall", Role.VIEWER), ("boss", Role.SUPERVISOR)]
    names += [(a, Role.AGENT) for a in agents]
    return tuple(Principal(n, role, hash_token(f"{n}-secret")) for n, role in names)


@contextlib.asynccontextmanager
async def embedded(*agents: str, **limits: object) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(BrokerSettings(port=0, **limits), users(*agents))
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
ACL = """user router
topic readwrite acd/v1/#
user wall
topic read acd/v1/snapshot
topic read acd/v1/status
pattern read acd/v1/agent/%u/+
pattern write acd/v1/agent/%u/command
pattern write acd/v1/agent/%u/presence
"""


@contextlib.asynccontextmanager
async def mosquitto(directory: Path, port: int, *agents: str) -> AsyncIterator[int]:
    """A real mosquitto with the documented ACL. No websocket listener: it would ignore the address."""
    directory.chmod(0o700)  # noqa: ASYNC240 - a temporary directory
    passwords, acl, conf = directory / "passwd", directory / "acl", directory / "mosquitto.conf"
    if not passwords.exists():
        lines = "".join(f"{n}:{n}-secret\n" for n in ("router", "wall", *agents))
        passwords.write_text(lines)
        hashed = await asyncio.create_subprocess_exec("mosquitto_passwd", "-U", str(passwords))
        assert await hashed.wait() == 0
    acl.write_text(ACL)
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nacl_file {acl}\n"
        "persistence false\nuser root\n"
    )
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(conf), stdout=quiet, stderr=quiet)
    try:
        await until(lambda: accepts(port), "mosquitto listens")
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex(("127.0.0.1", port)) == 0


async def until(condition: Callable[[], object], what: str, limit_s: float = 10.0) -> None:
    """Wait for a condition; the test fails with `what` when it never comes true."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        await asyncio.sleep(0.01)


def client(port: int, user: str, device: str = "desk", **options: object) -> aiomqtt.Client:
    options.setdefault("identifier", f"{user}-{device}")
    options.setdefault("password", f"{user}-secret")
    options.setdefault("timeout", 5)
    return aiomqtt.Client("127.0.0.1", port, username=user, **options)


class LagMeter:
    """The worst delay of the loop while it is entered, in milliseconds.

    `worst_ms` counts our thread's computing between two turns of the loop, so that a busy machine does
    not spoil the figure; waiting inside the loop, which is no computing, shows in `worst_wall_ms`.
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self.worst_wall_ms = 0.0

    async def __aenter__(self) -> Self:
        # The heap of the whole test run is not the daemon's: keep it out of the collector's pauses.
        gc.collect()
        gc.freeze()
        self._task = asyncio.create_task(self._measure())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        gc.unfreeze()
        assert self.worst_wall_ms < 2_000

    async def _measure(self) -> None:
        while True:
            wall, computing = time.monotonic(), time.thread_time()
            await asyncio.sleep(0.005)
            self.worst_wall_ms = max(self.worst_wall_ms, (time.monotonic() - wall - 0.005) * 1000)
            self.worst_ms = max(self.worst_ms, (time.thread_time() - computing) * 1000)
