"""AGI protocol, both roles: request headers, commands and replies. No sockets, no clock.

Asterisk opens the talk with lines `agi_name: value` and an empty line; then we send one command per
line and it answers each with a code. Nothing is escaped in what it sends: a newline inside a caller's
name adds a line. Hence the first header of a name wins (Asterisk sends its own ones first), and a
reply line that is no reply ends the session, which leaves the dialplan on its default branch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from acd.wire.errors import LocalProtocolError, RemoteProtocolError

MAX_HEADER_BYTES: Final = 16_384
MAX_HEADER_LINES: Final = 128
MAX_REPLY_BYTES: Final = 16_384
MAX_COMMAND_BYTES: Final = 2_000
"""Asterisk reads commands into a buffer of 2,048 bytes."""

OK: Final = 200
INVALID_COMMAND: Final = 510
DEAD_CHANNEL: Final = 511
USAGE: Final = 520

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_KEYWORD: Final = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)*\Z", re.ASCII)
_RESULT: Final = re.compile(r"200 result=(\S*)(?: \((.*)\))?(?: endpos=(\d+))?\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AgiRequest:
    """The opening headers, names without `agi_` kept as sent; the first of a name wins."""

    headers: Mapping[str, str]
    repeated: int = 0
    """Header lines that came a second time: somebody tries to forge, or a value held a newline."""

    def get(self, name: str, default: str = "") -> str:
        """Return the value of a header such as `agi_network_script`."""
        return self.headers.get(name, default)

    def trusted(self) -> Mapping[str, str]:
        """Return the headers without the arguments if anything came twice.

        The arguments stand after the caller's name, so a forged one would be the first of its name; the
        script then asks for the channel variable instead.
        """
        if not self.repeated:
            return self.headers
        return {name: value for name, value in self.headers.items() if not name.startswith("agi_arg_")}


@dataclass(frozen=True, slots=True)
class AgiReply:
    """Asterisk's answer to one command."""

    code: int
    result: str = ""
    """What stands after `result=`; `-1` is failure or hangup for most commands."""
    data: str | None = None
    """What stands in brackets: a variable's value, `timeout`, `hangup`."""
    endpos: int | None = None
    text: str = ""
    """The raw line, or the whole usage text of a 520."""


@dataclass(frozen=True, slots=True)
class AgiHangup:
    """The channel hung up. Out of band: it may come before, between or after replies."""


class AgiRequestParser:
    """Read the opening headers. After `feed` returned the request, the rest is in `leftover`."""

    def __init__(self, *, max_bytes: int = MAX_HEADER_BYTES, max_lines: int = MAX_HEADER_LINES) -> None:
        self.leftover = b""
        self.odd_lines = 0
        """Lines without a colon: pieces of a value that held a newline."""
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._buffer = b""
        self._scanned = 0
        self._seen = 0
        self._lines = 0
        self._repeated = 0
        self._headers: dict[str, str] = {}

    def feed(self, data: bytes) -> AgiRequest | None:
        """Take bytes as they arrive; return the request once its empty line came.

        Raises:
            RemoteProtocolError: too many bytes or lines before the empty line.
        """
        if not self._seen and not self._buffer and (request := self._at_once(data)) is not None:
            return request
        self._buffer += data
        start = 0
        while (end := self._buffer.find(b"\n", max(start, self._scanned))) >= 0:
            line = self._buffer[start:end].removesuffix(b"\r")
            self._seen += end + 1 - start
            start = end + 1
            self._check(self._seen)
            if not line:
                self.leftover = self._buffer[start:]
                self._buffer = b""
                return AgiRequest(self._headers, self._repeated)
            self._take(line)
        self._buffer = self._buffer[start:]
        self._scanned = len(self._buffer)
        self._check(self._seen + len(self._buffer))
        return None

    def _at_once(self, data: bytes) -> AgiRequest | None:
        """Read the ordinary case at the speed of C: everything in one piece, nothing odd in it."""
        end = data.find(b"\n\n")
        if not 0 < end <= self._max_bytes - 2 or b"\r" in data[:end]:
            return None
        lines = data[:end].decode("utf-8", "replace").split("\n")
        if len(lines) > self._max_lines:
            return None
        try:
            headers = dict([line.split(": ", 1) for line in lines])
        except ValueError:
            return None
        if len(headers) != len(lines) or ":" in "".join(headers):
            return None
        self.leftover = data[end + 2 :]
        return AgiRequest(headers)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise RemoteProtocolError(f"AGI request headers over {self._max_bytes} bytes")

    def _take(self, line: bytes) -> None:
        self._lines += 1
        if self._lines > self._max_lines:
            raise RemoteProtocolError(f"AGI request of more than {self._max_lines} header lines")
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if not colon:
            self.odd_lines += 1
        elif name in self._headers:
            self._repeated += 1
        else:
            self._headers[name] = value.removeprefix(" ")


@dataclass(slots=True)
class AgiReplyParser:
    """Read replies to commands; HANGUP lines are told apart wherever they stand."""

    _buffer: bytes = b""
    _usage: list[str] = field(default_factory=list)
    _usage_bytes: int = 0
    _dead: str | None = None

    def feed(self, data: bytes) -> list[AgiReply | AgiHangup]:
        """Take bytes as they arrive, return what they complete, in order.

        Raises:
            RemoteProtocolError: a line that is no reply, or one over the limit. Good replies before
                it are returned first, so chunking changes nothing: the next call raises, and every
                later one again. `feed(b"")` asks whether the talk is still sane.
        """
        if self._dead is not None:
            raise RemoteProtocolError(self._dead)
        if not data:
            return []
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()
        out: list[AgiReply | AgiHangup] = []
        try:
            for raw in lines:
                item = self._line(raw)
                if item is not None:
                    out.append(item)
            _check_line(self._buffer)
        except RemoteProtocolError as error:
            self._dead = str(error)
            self._buffer = b""
            if not out:
                raise
        return out

    def _line(self, raw: bytes) -> AgiReply | AgiHangup | None:
        _check_line(raw)
        line = raw.removesuffix(b"\r").decode("utf-8", "replace")
        if line == "HANGUP":
            return AgiHangup()
        if self._usage or line.startswith("520-"):
            return self._usage_line(line)
        if line.startswith("100 ") or line == "":
            return None  # "Trying", and the empty line some applications leave behind
        return _reply(line)

    def _usage_line(self, line: str) -> AgiReply | None:
        self._usage.append(line)
        self._usage_bytes += len(line)
        if self._usage_bytes > MAX_REPLY_BYTES:
            raise RemoteProtocolError("AGI usage text over the limit")
        if not line.startswith("520 "):
            return None
        text = "\n".join(self._usage)
        self._usage, self._usage_bytes = [], 0
        return AgiReply(USAGE, text=text)


def _check_line(raw: bytes) -> None:
    if len(raw) > MAX_REPLY_BYTES:
        raise RemoteProtocolError("AGI reply line over the limit")


def _reply(line: str) -> AgiReply:
    if match := _RESULT.match(line):
        result, value, endpos = match.groups()
        return AgiReply(OK, result, value, int(endpos[:18]) if endpos else None, line)
    for code in (INVALID_COMMAND, DEAD_CHANNEL, USAGE):
        if line.startswith(str(code)):
            return AgiReply(code, text=line)
    raise RemoteProtocolError(f"not an AGI reply: {line[:80]!r}")


# --- sending -----------------------------------------------------------------------------------


def quote(argument: str) -> str:
    """Return one command argument in quotes, with quotes and backslashes escaped.

    Raises:
        LocalProtocolError: a control character, which would end or break the command line.
    """
    if _CONTROL.search(argument):
        raise LocalProtocolError(f"control character in AGI argument {argument[:80]!r}")
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_command(keyword: str, *arguments: str | int) -> bytes:
    """Return one command line, for example `encode_command("SET VARIABLE", "ACD_QUEUE", "sales")`.

    Raises:
        LocalProtocolError: keyword not made of letters, a control character, or a line too long.
    """
    if not _KEYWORD.match(keyword):
        raise LocalProtocolError(f"{keyword[:80]!r} is no AGI command")
    text = " ".join([keyword, *(quote(str(argument)) for argument in arguments)])
    try:
        line = text.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{keyword}: an argument is not valid Unicode") from error
    if len(line) > MAX_COMMAND_BYTES:
        raise LocalProtocolError(f"{keyword}: {len(line)} bytes, at most {MAX_COMMAND_BYTES} allowed")
    return line


def encode_request(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    """Return the opening headers (Asterisk's role); refuses control characters."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines: list[bytes] = []
    for name, value in pairs:
        if _CONTROL.search(name) or _CONTROL.search(value) or ":" in name or not name:
            raise LocalProtocolError(f"AGI header {name[:80]!r} cannot be sent")
        try:
            lines.append(f"{name}: {value}\n".encode())
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"{name}: not valid Unicode") from error
    return b"".join([*lines, b"\n"])


def encode_reply(code: int, result: str = "", data: str | None = None) -> bytes:
    """Return one reply line (Asterisk's role)."""
    if code == OK:
        text = f"200 result={result}" + ("" if data is None else f" ({data})")
    elif code == INVALID_COMMAND:
        text = "510 Invalid or unknown command"
    elif code == DEAD_CHANNEL:
        text = "511 Command Not Permitted on a dead channel or intercept routine"
    else:
        text = f"{code} {result}"
    if _CONTROL.search(text):
        raise LocalProtocolError("control character in AGI reply")
    return text.encode("utf-8", "replace") + b"\n"


def parse_command(line: bytes | str) -> list[str]:
    """Split a command line into words as Asterisk does (Asterisk's role): quotes and backslashes."""
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    words: list[str] = []
    current: list[str] | None = None
    quoted = escaped = False
    for char in text.rstrip("\r\n"):
        if escaped:
            current = [*(current or []), char]
            escaped = False
        elif char == "\\":
            current = current or []
            escaped = True
        elif char == '"':
            current = current if current is not None else []
            quoted = not quoted
        elif char in " \t" and not quoted:
            if current is not None:
                words.append("".join(current))
            current = None
        else:
            current = current if current is not None else []
            current.append(char)
    if current is not None:
        words.append("".join(current))
    return words
