"""The daemon's side of the workroom: a warm child process, one job at a time, killed when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from acd.workroom.bench import HEAD

_ROOT: Final = Path(__file__).resolve().parents[2]
_CODE: Final = "import sys; sys.path[:0] = sys.argv[1].split(':'); from acd.workroom.bench import main; main(*sys.argv[2:])"
START_S: Final = 30.0
"""A child imports its libraries within this, on a crowded machine too."""
PAUSE_S: Final = 5.0
"""After a child that could not be started, nobody tries again for so long."""
TRIES: Final = 2
"""A child that somebody else killed did nothing wrong: its job is done once more by the next one."""


class JobRefusedError(ValueError):
    """The foreign text is at fault; the message is for the person who wrote it."""


class JobStoppedError(Exception):
    """The job was ended or could not be begun; the message says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may take."""

    wall_s: float
    """Real time; then the child is killed."""
    cpu_s: float
    """Processor time; then the kernel ends the child."""
    memory: int
    """Bytes of address space, the interpreter's and the libraries' own part included."""
    answer: int
    """Bytes of the answer."""


RENDERING: Final = Limits(wall_s=3.0, cpu_s=1.0, memory=512 << 20, answer=400_000)
"""An ordinary message takes less than a millisecond; an agent waits for the preview meanwhile."""
CALENDAR: Final = Limits(wall_s=12.0, cpu_s=5.0, memory=512 << 20, answer=400_000)


class Bench:
    """One child for one trade (a module with `work`). Started when first needed or by `warm`; close it in `finally`.

    Jobs wait for each other. Whoever is cancelled while his job is done kills the child with it.
    """

    def __init__(self, trade: str, limits: Limits, where: Path = _ROOT) -> None:
        """`where`: the directory in which the trade's module is found."""
        self._trade, self._limits = trade, limits
        self._path = ":".join(dict.fromkeys((str(where), str(_ROOT))))
        self._child: asyncio.subprocess.Process | None = None
        self._handle = -1
        """The child's pidfd: its number may be another's by the time we kill."""
        self._lock = asyncio.Lock()
        self._not_before = 0.0
        self._closed = False
        self.counters: Counter[str] = Counter()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return None if self._child is None else self._child.pid

    async def do(self, **job: object) -> Any:
        """Return the answer to a job. Raises JobRefusedError (the text's fault) and JobStoppedError."""
        async with self._lock:
            for _ in range(TRIES):
                answer = await self._once(job)
                if answer is not None:
                    break
            else:
                self.counters["stopped"] += 1
                raise JobStoppedError("its process was killed twice")
        if "refused" in answer:
            raise JobRefusedError(str(answer["refused"]))
        return answer["answer"]

    async def warm(self) -> None:
        """Start the child before anybody waits for it; that it cannot be started is said when a job comes."""
        async with self._lock:
            with contextlib.suppress(JobStoppedError):
                await self._started()

    async def rest(self) -> None:
        """End the child until the next job: it needs its memory only now and then."""
        async with self._lock:
            await self._end()

    async def close(self) -> None:
        """End the child now, whatever it does; jobs that wait are refused."""
        self._closed = True
        await self._end()

    # --- inside ----------------------------------------------------------------------------------

    async def _once(self, job: dict[str, object]) -> dict[str, Any] | None:
        """Return the child's answer; None when it died by another's hand. Raises JobStoppedError."""
        child = await self._started()
        assert child.stdin is not None  # noqa: S101 - opened as a pipe
        try:
            async with asyncio.timeout(self._limits.wall_s):
                body = json.dumps(job).encode()
                child.stdin.write(HEAD.pack(len(body)) + body)
                await child.stdin.drain()
                answer = await self._read(child)
        except TimeoutError:
            await self._stopped(f"it took more than {self._limits.wall_s:g} s")
        except (OSError, EOFError, ValueError):
            await self._end()
            if child.returncode == -signal.SIGXCPU:
                await self._stopped(f"it took more than {self._limits.cpu_s:g} s of processor time")
            if child.returncode != -signal.SIGKILL:  # a crash: its own doing, not to be repeated
                await self._stopped(f"its process ended with {child.returncode}")
            self.counters["died"] += 1
            return None
        except BaseException:
            self._kill()  # cancelled in the middle: the pipe holds half a talk
            self._forget()
            raise
        if "spent" in answer:
            await self._stopped(f"it took more than {self._limits.memory >> 20} MiB of memory")
        self.counters["done"] += 1
        return answer

    async def _stopped(self, why: str) -> None:
        await self._end()
        self.counters["stopped"] += 1
        raise JobStoppedError(why)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise JobStoppedError("the daemon is stopping")
        if self._child is not None and self._child.returncode is None:
            return self._child
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            raise JobStoppedError("its process cannot be started")
        limits = self._limits
        self._forget()  # one that died while idle
        try:
            # -I and an empty environment: the child inherits no secret and no path of ours
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _CODE, self._path, self._trade),
                *(str(limits.memory), str(limits.cpu_s), str(limits.answer)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env={"LANG": "C.UTF-8"},
                start_new_session=True,  # Ctrl-C at the daemon's terminal is the daemon's affair
            )
            self._handle = os.pidfd_open(self._child.pid)
            async with asyncio.timeout(START_S):
                await self._read(self._child)
        except (OSError, EOFError, ValueError, TimeoutError) as failed:
            self._not_before = loop.time() + PAUSE_S
            await self._end()
            self.counters["not_started"] += 1
            raise JobStoppedError(f"its process cannot be started: {type(failed).__name__}") from failed
        except BaseException:
            self._kill()
            self._forget()
            raise
        self.counters["started"] += 1
        return self._child

    async def _read(self, child: asyncio.subprocess.Process) -> dict[str, Any]:
        assert child.stdout is not None  # noqa: S101 - opened as a pipe
        (size,) = HEAD.unpack(await child.stdout.readexactly(HEAD.size))
        if size > self._limits.answer + 1_000:
            raise ValueError("the child's answer is too long")
        answer = json.loads(await child.stdout.readexactly(size))
        if not isinstance(answer, dict):
            raise ValueError("the child's answer is none")  # noqa: TRY004 - foreign data, one kind of failure
        return answer

    def _kill(self) -> None:
        # not child.kill(): it may fetch the exit status before the loop's watcher, and nobody learns how it ended
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    async def _end(self) -> None:
        child = self._child
        if child is None:
            return
        self._kill()
        await child.wait()
        if self._child is child:
            self._forget()

    def _forget(self) -> None:
        self._child = None
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
