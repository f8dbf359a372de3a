"""One face for a script that talks with Asterisk, two backings behind it.

* In the daemon: acd.adapters.asterisk.fastagi gives a session over a socket; facts go straight to the inbox.
* As a one-shot process started by Asterisk's AGI() (the daemon may be down): `OneShotSession` below, over
  pyst2's `asterisk.agi`; facts go to a durable spool (agi_scripts._spool) which the daemon collects.

pyst2 is used behind guards, because as it is it does not escape quotes, loops for ever on a usage error
followed by end of file, stumbles over HANGUP lines, lets the last duplicate header win and writes call data
to stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, Protocol

from asterisk.agi import AGI, AGIError

from acd.core.events import Fact
from acd.wire.agi import AgiRequestParser, quote
from acd.wire.errors import ProtocolError, RemoteProtocolError
from agi_scripts._spool import spool

WALL_TIME_S: Final = 60.0
MAX_LINE: Final = 8_192
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class CallerGone(Exception):  # noqa: N818 - the trade's word
    """The channel hung up, the peer closed, or the time of this talk is over. Normal; not a defect."""


class AgiSession(Protocol):
    """What a script may do. Values never hold control characters: a value with one is refused."""

    @property
    def request(self) -> Mapping[str, str]:
        """The `agi_...` headers; the first of a name won."""

    async def get(self, name: str) -> str:
        """Return a channel variable, empty when unset."""

    async def set(self, name: str, value: str) -> None:
        """Set a channel variable."""

    async def set_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Set several channel variables, in order."""

    async def stream(self, file: str, digits: str = "") -> str:
        """Play a sound; return the digit that interrupted it, else empty."""

    async def say_date(self, at_s: int, form: str, zone: str, digits: str = "") -> str:
        """Say a moment, in seconds since the epoch, as SayUnixTime's format wants it; return the key that interrupted."""

    async def read_digits(self, file: str, *, most: int, timeout_ms: int) -> str:
        """Play a sound and collect digits; return what was keyed before the silence."""

    def report(self, fact: Fact) -> None:
        """Tell the daemon a fact, now or as soon as it lives again."""


Script = Callable[[AgiSession], Awaitable[None]]


def argument(session: AgiSession, number: int) -> str:
    """Return an argument of AGI(), counted from 1; empty when not given."""
    return session.request.get(f"agi_arg_{number}", "")


def plain(text: str, most: int) -> str:
    """Return text without control characters, cut: fit for a channel variable."""
    return _CONTROL.sub("", text)[:most]


# --- one-shot process --------------------------------------------------------------------------


class _NullStderr(io.StringIO):
    """Where pyst2's chatter ends: call data must not stand in Asterisk's log."""

    def write(self, text: str) -> int:
        return len(text)


class _GuardedInput:
    """What pyst2 reads: end of file ends the talk, HANGUP lines are taken out, lines have a limit."""

    def __init__(self, raw: IO[str], header: Mapping[str, str]) -> None:
        self._raw = raw
        self._header = [*(f"{name}: {value}\n" for name, value in header.items()), "\n"]
        self.hung_up = False

    def readline(self) -> str:
        if self._header:
            return self._header.pop(0)
        while True:
            line = self._raw.readline(MAX_LINE)
            if not line:
                raise CallerGone("end of file")
            if line.strip() == "HANGUP":
                self.hung_up = True
                continue
            if not line.endswith("\n"):
                raise CallerGone("a line without end")
            return line


class _GuardedOutput:
    """What pyst2 writes: exactly one line per command."""

    def __init__(self, raw: IO[str]) -> None:
        self._raw = raw

    def write(self, text: str) -> None:
        if _CONTROL.search(text[:-1]) or not text.endswith("\n"):
            raise CallerGone("refused to send a command with a control character")
        self._raw.write(text)

    def flush(self) -> None:
        self._raw.flush()


class _QuotingAgi(AGI):  # type: ignore[misc]  # pyst2 ships no types
    """pyst2's AGI with arguments escaped as Asterisk's own parser wants them."""

    def _quote(self, string: object) -> str:
        return quote(str(string))


def _first_wins(raw: IO[str]) -> Mapping[str, str]:
    parser = AgiRequestParser()
    while True:
        line = raw.readline(MAX_LINE)
        if not line:
            raise CallerGone("end of file before the request was complete")
        request = parser.feed(line.encode("utf-8", "replace"))
        if request is not None:
            return request.trusted()


class OneShotSession:
    """A session of a process that Asterisk started for one call.

    Args:
        spool_dir: where facts are left for the daemon.
        stdin, stdout: Asterisk's pipes.

    Raises:
        CallerGone: no complete request came.
    """

    def __init__(self, spool_dir: Path, stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
        source = stdin or sys.stdin
        try:
            self.request: Mapping[str, str] = _first_wins(source)
        except RemoteProtocolError as error:
            raise CallerGone(str(error)) from error
        self._input = _GuardedInput(source, self.request)
        self._spool_dir = spool_dir
        self._agi = _QuotingAgi(self._input, _GuardedOutput(stdout or sys.stdout), _NullStderr())

    @property
    def hung_up(self) -> bool:
        """Whether Asterisk said that the channel is gone."""
        return self._input.hung_up

    def _do(self, command: Callable[..., Any], *arguments: object) -> Any:
        try:
            return command(*arguments)
        except (AGIError, ProtocolError, OSError, ValueError) as error:
            raise CallerGone(str(error)) from error

    async def get(self, name: str) -> str:
        """Return a channel variable, empty when unset."""
        return str(self._do(self._agi.get_variable, name) or "")

    async def set(self, name: str, value: str) -> None:
        """Set a channel variable."""
        self._do(self._agi.set_variable, name, value)

    async def set_all(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Set several channel variables, in order."""
        for name, value in pairs:
            await self.set(name, value)

    async def stream(self, file: str, digits: str = "") -> str:
        """Play a sound; return the digit that interrupted it."""
        return str(self._do(self._agi.stream_file, quote(file), digits) or "")

    async def say_date(self, at_s: int, form: str, zone: str, digits: str = "") -> str:
        """Say a moment; return the key that interrupted it."""
        return str(self._do(self._agi.say_datetime, at_s, digits, form, zone) or "")

    async def read_digits(self, file: str, *, most: int, timeout_ms: int) -> str:
        """Play a sound and collect digits."""
        return str(self._do(self._agi.get_data, quote(file), timeout_ms, most) or "")

    def report(self, fact: Fact) -> None:
        """Leave the fact in the spool, durably."""
        spool(self._spool_dir, fact)


@contextlib.contextmanager
def wall_time(seconds: float = WALL_TIME_S) -> Iterator[None]:
    """End a one-shot talk after `seconds`, whatever it waits for. Main thread only."""

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise CallerGone(f"over after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_one_shot(script: Script, spool_dir: Path, seconds: float = WALL_TIME_S) -> int:
    """Run a script as a one-shot process; returns the exit code, 0 also when the caller hung up."""
    hangup = signal.getsignal(signal.SIGHUP)
    try:
        with wall_time(seconds), contextlib.suppress(CallerGone):
            asyncio.run(_run(script, OneShotSession(spool_dir)))
    finally:
        signal.signal(signal.SIGHUP, hangup)  # pyst2 put its own there
    return 0


async def _run(script: Script, session: AgiSession) -> None:
    await script(session)
