"""CPU per FastAGI question: our guarded server against bare asyncio streams doing the same (routing.md 4.2).

22 request headers and three commands per session, 32 sessions at a time. The asking side is a process of its
own, so only the server's CPU is counted. Bar: at most 1.2.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

from acd.wire import agi

HEADERS = {"agi_network": "yes", "agi_network_script": "ask"} | {
    f"agi_header_{n}": "value" for n in range(20)
}
PARALLEL = 32


async def _ask(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(agi.encode_request(HEADERS))
    while await reader.readline():
        writer.write(b"200 result=1\n")
    writer.close()
    await writer.wait_closed()


async def _bare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (await reader.readline()) not in (b"\n", b""):
        pass
    for name in ("ACD_QUEUE", "ACD_CARD", "ACD_VERDICT"):
        writer.write(b'SET VARIABLE %s "value"\n' % name.encode())
        await writer.drain()
        await reader.readline()
    writer.close()
    await writer.wait_closed()


async def _crowd(port: int, sessions: int) -> None:
    async def worker() -> None:
        for _ in range(sessions // PARALLEL):
            await _ask(port)

    await asyncio.gather(*(worker() for _ in range(PARALLEL)))


async def _load(port: int, sessions: int) -> float:
    began = time.process_time()
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, str(port), str(sessions)
    )
    if await asking.wait() != 0:
        raise RuntimeError("the asking side failed")
    return (time.process_time() - began) / (sessions // PARALLEL * PARALLEL) * 1e3


async def _measure(sessions: int, rounds: int) -> dict[str, float]:
    from acd.adapters.asterisk.fastagi import FastAgiServer, FastAgiSession, Route

    async def script(session: FastAgiSession) -> None:
        for name in ("ACD_QUEUE", "ACD_CARD", "ACD_VERDICT"):
            await session.set(name, "value")

    guarded = FastAgiServer({"ask": Route(script, 5.0)}, lambda _fact: None)
    await guarded.start()
    bare = await asyncio.start_server(_bare, "127.0.0.1", 0)
    ports: dict[str, int] = {"guarded": guarded.port, "bare": bare.sockets[0].getsockname()[1]}
    figures: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(rounds):
        for name, port in ports.items():
            figures[name].append(await _load(port, sessions))
    bare.close()
    await guarded.close()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    return {
        "bare_ms": round(medians["bare"], 4),
        "guarded_ms": round(medians["guarded"], 4),
        "ratio": round(medians["guarded"] / medians["bare"], 3),
    }


def run(sessions: int = 1_024, rounds: int = 5) -> dict[str, float]:
    """Measure; returns milliseconds of CPU per session and the ratio the design sets a bar for."""
    return asyncio.run(_measure(sessions, rounds))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_crowd(int(sys.argv[1]), int(sys.argv[2])))
    else:
        print(json.dumps(run(), indent=2))
