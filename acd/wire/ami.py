"""Manager protocol (AMI), both roles: bytes to frames and back. No sockets, no clock.

A frame is lines `Name: value` ended by CR LF, and an empty line. Asterisk gives no lengths, no
sequence numbers and no escapes, so three rules keep it honest here:

* Only CR LF CR LF ends a frame we read as a client. A lone LF inside a value stays inside the value
  and cannot forge a header.
* Text is decoded per complete frame, so a letter cut between two TCP segments is never lost. UTF-8
  decoding with replacement never swallows the ASCII byte after a broken sequence, hence no frame can
  eat its neighbour's line end.
* A broken frame is counted and skipped; the good ones around it are still delivered. Only a peer that
  is no manager at all (wrong banner) raises.

Reading the first value of a repeated header wins; the others are in `AmiFrame.extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from acd.wire.errors import LocalProtocolError, RemoteProtocolError

BANNER_PREFIX: Final = b"Asterisk Call Manager/"
MAX_BANNER_BYTES: Final = 256
MAX_FRAME_BYTES: Final = 131_072
"""A longer incoming frame is skipped. Status frames with all our variables stay below 4 KiB."""
MAX_FRAME_LINES: Final = 2_000
MAX_LINE_BYTES: Final = 1_000
"""Asterisk refuses lines over about 1,024 bytes with a reply that has no ActionID (failure mode 21)."""
MAX_HEADERS: Final = 120
"""Asterisk refuses more than 128 headers in the same way."""

_END: Final = b"\r\n\r\n"
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]


class AmiFrame:
    """One message: an event, a response or (server role) an action.

    `kind` is `Event`, `Response` or `Action`, `name` its value (`Hangup`, `Success`, `Redirect`).
    """

    __slots__ = ("extra", "headers", "kind", "name")

    def __init__(
        self, kind: str, name: str, headers: dict[str, str], extra: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.kind = kind
        self.name = name
        self.headers = headers
        self.extra = extra
        """Second and later values of repeated headers, in order."""

    def get(self, header: str, default: str = "") -> str:
        """Return the first value of a header, spelled as Asterisk spells it."""
        return self.headers.get(header, default)

    def get_all(self, header: str) -> list[str]:
        """Return every value of a header in the order sent; empty when absent."""
        first = self.headers.get(header)
        if first is None:
            return []
        return [first, *(value for name, value in self.extra if name == header)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AmiFrame):
            return NotImplemented
        return (self.kind, self.name, self.headers, self.extra) == (
            other.kind,
            other.name,
            other.headers,
            other.extra,
        )

    __hash__ = None  # type: ignore[assignment]  # holds a dict

    def __repr__(self) -> str:
        return f"AmiFrame({self.kind}: {self.name}, {self.headers!r}, extra={self.extra!r})"


class AmiAction(AmiFrame):
    """An action as a server reads it: header names are case-insensitive, as Asterisk treats them."""

    __slots__ = ()

    def get(self, header: str, default: str = "") -> str:
        """Return the first value of a header in any spelling."""
        return self.headers.get(header.lower(), default)

    def get_all(self, header: str) -> list[str]:
        """Return every value of a header in any spelling."""
        return super().get_all(header.lower())


@dataclass(slots=True)
class ParserCounters:
    """What a parser met, for telemetry."""

    frames: int = 0
    filtered: int = 0
    """Events of no interest, never turned into a dictionary."""
    malformed: int = 0
    """Frames skipped: no known first line, too many lines."""
    oversized: int = 0
    """Frames skipped: over the byte limit."""
    odd_lines: int = 0
    """Lines without a colon inside frames that were delivered without them."""


class _FrameSplitter:
    """Cut a byte stream at frame ends, in any chunking, with a size limit."""

    __slots__ = ("_end", "_limit", "_skipping", "_tail")

    def __init__(self, end: bytes, limit: int) -> None:
        self._end = end
        self._limit = limit
        self._tail = b""
        self._skipping = False

    def feed(self, data: bytes) -> Sequence[bytes | None]:
        """Return the pieces completed by `data`; None stands for one that was over the limit."""
        pieces = (self._tail + data if self._tail else data).split(self._end)
        tail = pieces.pop()
        skipped = self._skipping and bool(pieces)
        self._skipping = len(tail) > self._limit or (self._skipping and not skipped)
        if self._skipping:
            # Only what could be the start of the frame end is worth keeping.
            tail = tail[max(0, len(tail) - len(self._end) + 1) :]
        self._tail = tail
        return [None, *pieces[1:]] if skipped else pieces


class AmiClientParser:
    """What a client hears: one banner line, then events and responses.

    Args:
        interest: names of events to build; others are only counted, which costs about a tenth.
            Responses always pass. None builds everything.
        max_frame_bytes: limit of one frame.
    """

    def __init__(
        self, interest: Iterable[str] | None = None, *, max_frame_bytes: int = MAX_FRAME_BYTES
    ) -> None:
        self.counters = ParserCounters()
        self.everything = False
        """Set it while waiting for a list: the items of a list come as events of many names."""
        self.banner: str | None = None
        """The manager protocol's version (not Asterisk's), None until the banner came."""
        self._interest = None if interest is None else frozenset(n.encode() for n in interest)
        self._limit = max_frame_bytes
        self._splitter = _FrameSplitter(_END, max_frame_bytes)
        self._head = b""
        self._dead: str | None = None

    def feed(self, data: bytes) -> list[AmiFrame]:
        """Take bytes as they arrive, return the frames completed by them.

        Raises:
            RemoteProtocolError: the peer's first line is not a manager's banner; every later call
                raises again.
        """
        return list(self.each(data))

    def each(self, data: bytes) -> Iterator[AmiFrame]:
        """The same, one by one: whoever waits for the first frame does not wait for the others to be read.

        To be exhausted before the next call. Raises as `feed`, when the first frame is asked for.
        """
        if self.banner is None:
            data = self._read_banner(data)
            if self.banner is None:
                return
        yield from self._parse(self._splitter.feed(data))

    def _read_banner(self, data: bytes) -> bytes:
        if self._dead is not None:
            raise RemoteProtocolError(self._dead)
        self._head += data
        line, newline, rest = self._head.partition(b"\n")
        wrong = not line.startswith(BANNER_PREFIX[: len(line)]) or (
            bool(newline) and not line.startswith(BANNER_PREFIX)
        )
        if wrong or len(line) > MAX_BANNER_BYTES:
            self._dead = f"not an Asterisk manager: it greets with {line[:60]!r}"
            raise RemoteProtocolError(self._dead)
        if newline:
            self.banner = line[len(BANNER_PREFIX) :].strip().decode("ascii", "replace")
            self._head = b""
            return rest
        return b""

    def _parse(self, raws: Sequence[bytes | None]) -> Iterator[AmiFrame]:
        counters = self.counters
        interest = None if self.everything else self._interest
        limit = self._limit
        for raw in raws:
            if raw is None or len(raw) > limit:
                counters.oversized += 1
                continue
            if raw[:2] == b"\r\n":
                raw = raw[2:]  # noqa: PLW2901  (an empty line too many between two frames)
            if not raw:
                continue
            if raw[:7] == b"Event: ":
                if interest is not None and raw[7:].partition(b"\r\n")[0] not in interest:
                    counters.filtered += 1
                    continue
                kind = "Event"
            elif raw[:10] == b"Response: ":
                kind = "Response"
            else:
                counters.malformed += 1
                continue
            frame = _build(raw, kind, counters)
            if frame is not None:
                counters.frames += 1
                yield frame


def _build(raw: bytes, kind: str, counters: ParserCounters) -> AmiFrame | None:
    """Turn one complete frame into its dictionary; the first line is known to be `kind: ...`."""
    lines = raw.decode("utf-8", "replace").split("\r\n")
    count = len(lines)
    if count > MAX_FRAME_LINES:
        counters.malformed += 1
        return None
    try:
        # Nearly every frame: each line has ": " and no name comes twice. At the speed of C.
        headers = dict([line.split(": ", 1) for line in lines])
    except ValueError:
        headers = {}
    if len(headers) == count:
        return AmiFrame(kind, headers[kind], headers)
    return _build_slowly(lines, kind, counters)


def _build_slowly(lines: list[str], kind: str, counters: ParserCounters) -> AmiFrame:
    """The rest: repeated names, empty values without the blank, lines that are no header."""
    headers: dict[str, str] = {}
    extra: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            counters.odd_lines += 1
            continue
        # Some actions print variables as "Name: a: b" or without the blank; the blank is no data.
        value = value.removeprefix(" ")
        if name in headers:
            extra.append((name, value))
        else:
            headers[name] = value
    return AmiFrame(kind, headers[kind], headers, tuple(extra))


class AmiServerParser:
    """What a server hears: actions. Lines may end with a bare LF, as the real server accepts."""

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self.counters = ParserCounters()
        self._limit = max_frame_bytes
        self._splitter = _FrameSplitter(b"\n", max_frame_bytes)
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[AmiAction]:
        """Take bytes as they arrive, return the actions completed by them. Never raises."""
        out: list[AmiAction] = []
        for raw in self._splitter.feed(data):
            line = b"" if raw is None else raw.removesuffix(b"\r")
            if line or raw is None:
                self._size += self._limit + 1 if raw is None else len(line)
                if self._size <= self._limit and len(self._lines) < MAX_FRAME_LINES:
                    self._lines.append(line)
                else:
                    self._size = self._limit + 1
                continue
            action = self._finish()
            if action is not None:
                out.append(action)
        self.counters.frames += len(out)
        return out

    def _finish(self) -> AmiAction | None:
        lines, size = self._lines, self._size
        self._lines, self._size = [], 0
        if not lines:
            return None
        if size > self._limit:
            self.counters.oversized += 1
            return None
        headers: dict[str, str] = {}
        extra: list[tuple[str, str]] = []
        for raw in lines:
            name, colon, value = raw.decode("utf-8", "replace").partition(":")
            if not colon:
                self.counters.odd_lines += 1
                continue
            key = name.strip().lower()
            if key in headers:
                extra.append((key, value.strip(" ")))
            else:
                headers[key] = value.strip(" ")
        if "action" not in headers:
            self.counters.malformed += 1
            return None
        return AmiAction("Action", headers["action"], headers, tuple(extra))


# --- sending -----------------------------------------------------------------------------------


def encode_action(name: str, headers: Headers = (), *, action_id: str = "") -> bytes:
    """Return the bytes of one action.

    Raises:
        LocalProtocolError: a name or value could become something else on the wire: a control
            character, a foreign header name, a line or a frame over Asterisk's limits.
    """
    pairs = list(_pairs(headers))
    if action_id:
        pairs.insert(0, ("ActionID", action_id))
    return encode_frame("Action", name, pairs)


def encode_event(name: str, headers: Headers = ()) -> bytes:
    """Return the bytes of one event (server role)."""
    return encode_frame("Event", name, _pairs(headers))


def encode_response(name: str, headers: Headers = (), *, action_id: str = "") -> bytes:
    """Return the bytes of one response (server role)."""
    pairs = list(_pairs(headers))
    if action_id:
        pairs.insert(0, ("ActionID", action_id))
    return encode_frame("Response", name, pairs)


def encode_banner(version: str = "11.0.0") -> bytes:
    """Return the line with which a manager greets (server role)."""
    return BANNER_PREFIX + version.encode("ascii") + b"\r\n"


def encode_frame(kind: str, name: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    """Return one frame; the only place where text becomes manager bytes."""
    lines = [_line(kind, name)]
    lines.extend(_line(header, value) for header, value in pairs)
    if len(lines) > MAX_HEADERS:
        raise LocalProtocolError(f"{kind} {name}: {len(lines)} headers, at most {MAX_HEADERS} allowed")
    lines.append(b"\r\n")
    return b"".join(lines)


def _pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    yield from headers.items() if isinstance(headers, Mapping) else headers


def _line(name: str, value: str) -> bytes:
    if not _HEADER_NAME.match(name):
        raise LocalProtocolError(f"header name {name[:80]!r} is not allowed")
    if _CONTROL.search(value):
        raise LocalProtocolError(f"{name}: control character in {value[:80]!r}")
    try:
        line = f"{name}: {value}\r\n".encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{name}: {value[:80]!r} is not valid Unicode") from error
    if len(line) > MAX_LINE_BYTES:
        raise LocalProtocolError(f"{name}: line of {len(line)} bytes, at most {MAX_LINE_BYTES} allowed")
    return line
