"""Kills a writing store again and again and checks what it leaves; run as a program by test_crash.py.

Each round forks a child that opens the database the rounds before left, writes cards and says "safe" down a
pipe once the store said so. The child is killed before its N-th SQL statement (N = 1, 2, 3 ...), or after a
random time, which also hits the middle of a write to the disk. Then: the file is sound, every card that
was called safe is there, and no card is without its outbox row, its segments and its ledger state.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
import traceback
from pathlib import Path

from support import StandingClock, make_card  # run by path: this folder is on the module path

from acd.adapters.store import connection
from acd.adapters.store.spill import SpillFile
from acd.adapters.store.sqlite import SqliteStore
from acd.core.effects import OfferCall
from acd.core.ids import AgentId, CallId, EffectId
from acd.ports import PortError

WRITERS = 4
CARDS = 40
ROUND_LIMIT_S = 30
SPILL_BYTES = 1 << 18


def arm(statements: int) -> None:
    """Die before the N-th statement, migrations included."""
    left = statements
    original = connection._set_up

    def trace(_: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def set_up(database):
        await original(database)
        await database.set_trace_callback(trace)

    connection._set_up = set_up


async def write(path: Path, pipe: int, turn: int) -> None:
    """Write cards from several tasks at once and report each one that is safe."""
    store = SqliteStore(path, StandingClock(), destinations=("webhook",), spill_bytes=SPILL_BYTES)
    await store.open()

    async def lane(number: int) -> None:
        for index in range(CARDS):
            call = f"{turn}-{number}-{index}"
            with contextlib.suppress(
                PortError
            ):  # a slow disk: the offer goes without its intent row, unpromised
                await store.intend(OfferCall(EffectId(1), CallId(call), AgentId("anna"), 1, 1_000), 1)
                os.write(pipe, f"intent {call}\n".encode())
            await store.write_card(make_card(call, number=store.next_card_number()))
            os.write(pipe, f"card {call}\n".encode())

    try:
        await asyncio.gather(*(lane(number) for number in range(WRITERS)))
    finally:
        await store.close()


def child(path: Path, pipe: int, turn: int, statements: int, after_s: float) -> None:
    """Be killed, or finish."""
    if statements:
        arm(statements)
    else:
        threading.Thread(
            target=lambda: (time.sleep(after_s), os.kill(os.getpid(), signal.SIGKILL)), daemon=True
        ).start()
    asyncio.run(write(path, pipe, turn))


def run_round(path: Path, turn: int, statements: int, after_s: float) -> tuple[bool, list[str]]:
    """Return whether the child was killed, and what it called safe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        signal.alarm(ROUND_LIMIT_S)
        code = 1
        try:
            child(path, writing, turn, statements, after_s)
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        lines = pipe.read().decode().splitlines()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and status != 0:
        raise SystemExit(f"round {turn}: the child failed by itself, status {status}")
    return killed, lines


def spilled_records(path: Path) -> list[bytes]:
    """Return what waits in the spill file: safe as well, the next start replays it."""
    spill = SpillFile(path.with_name(path.name + ".spill"), SPILL_BYTES)
    try:
        return spill.open()
    finally:
        spill.close()


def problems(path: Path, safe: list[str]) -> list[str]:
    """Say what is wrong with the file; an empty list is what we want."""
    if not path.exists():
        return ["no database"] if safe else []
    database = sqlite3.connect(path)
    try:
        found = []
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            found.append(f"integrity: {verdict}")
        if database.execute("PRAGMA user_version").fetchone()[0] == 0:
            return [*found, "empty database"] if safe else found
        cards = {row[0] for row in database.execute("SELECT call FROM cards")}
        spilled = {json.loads(record)["call"] for record in spilled_records(path)}
        intents = {row[0] for row in database.execute("SELECT call FROM intents")}
        for line in safe:
            kind, call = line.split()
            if call not in (cards | spilled if kind == "card" else intents):
                found.append(f"{line} was called safe and is gone")
        outbox = {row[0] for row in database.execute("SELECT call FROM outbox")}
        segments = dict(database.execute("SELECT call, count(*) FROM card_segments GROUP BY call"))
        if cards != outbox or set(segments) != cards or any(count != 2 for count in segments.values()):
            found.append("a card stands without its outbox row or its segments")
        numbers = database.execute("SELECT count(*), count(DISTINCT number) FROM cards").fetchone()
        if numbers[0] != numbers[1]:
            found.append("a card number was given twice")
        return found
    finally:
        database.close()


def main() -> None:
    """Arguments: folder, statements|time, rounds, seed."""
    folder, mode, rounds, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    draw = random.Random(seed)  # noqa: S311 - repeatable
    path, safe, killed, wrong = folder / "acd.db", [], 0, []
    for turn in range(1, rounds + 1):
        if mode == "fresh":
            for old in folder.glob("acd.db*"):
                old.unlink()
            safe = []
        statements = 0 if mode == "time" else turn
        was_killed, lines = run_round(path, turn, statements, draw.uniform(0.0, 0.15))
        killed += was_killed
        safe += lines
        wrong += [f"round {turn}: {problem}" for problem in problems(path, safe)]
        if wrong:
            break
    print(json.dumps({"rounds": turn, "killed": killed, "safe": len(safe), "wrong": wrong}))  # noqa: T201


if __name__ == "__main__":
    main()
