"""Tails Asterisk's journal files (queue_log, CEL) by inode and byte offset.

The offset is handed to the sink together with the rows read up to it, and the sink commits both in one
transaction: after any crash reading goes on exactly where the stored rows end. Rotation by rename,
truncation in place, a torn last line and garbage are ordinary events; each is counted. A file we may not read now,
or that is not there yet, keeps its offset; a copy of a file is known by the text before the offset (decision 0240).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from acd.wire.queue_log import LINE_LIMIT, JournalLineError, JournalRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

READ_BYTES = 256 * 1024
TAIL_BYTES = 64
"""Bytes before the offset that are remembered, to notice a file that was replaced under the same inode."""
LINGER_POLLS = 40
"""A rotated file is looked at so many times more: Asterisk writes to it until its logger reloads."""


Cursor: TypeAlias = "tuple[int, int, bytes]"
"""How far one file is read: inode, byte offset, and the last bytes before the offset."""
_PACKED = (".gz", ".xz", ".bz2", ".zst")


class JournalSink(Protocol):
    """Where rows go: stored with the cursor in one transaction, or PortError and neither."""

    async def load_cursors(self, path: str) -> Sequence[Cursor]:
        """Return the cursors of this journal, one per file still being read."""

    async def commit_rows(
        self, path: str, rows: Sequence[JournalRow], cursor: Cursor | None, forget: int | None = None
    ) -> None:
        """Store rows and cursor together; `forget` is the inode of a file that is read to its end."""


@dataclass(slots=True)
class TailCounters:
    """What happened; `gaps` and `garbage` should stay 0."""

    rows: int = 0
    foreign: int = 0
    garbage: int = 0
    rotations: int = 0
    truncations: int = 0
    gaps: int = 0
    """A file we had not finished is gone: its rest was not read."""
    unreadable: str = ""
    """Why the journal cannot be read now, in plain words; empty while it can."""


@dataclass(slots=True)
class _File:
    inode: int
    fd: int
    offset: int
    tail: bytes = b""
    skipping: bool = False
    """Inside a line that is too long: drop up to its end."""
    idle: int = 0


@dataclass(slots=True)
class _Chunk:
    rows: list[JournalRow] = field(default_factory=list)
    offset: int = 0
    tail: bytes = b""
    more: bool = False


class JournalTailer:
    """Reads one journal file for ever. `parse` turns a line into a row, None, or JournalLineError."""

    def __init__(self, path: Path, parse: Callable[[bytes], JournalRow | None], sink: JournalSink) -> None:
        self.counters = TailCounters()
        self._path = path
        self._name = str(path)
        self._parse = parse
        self._sink = sink
        self._files: list[_File] = []
        """Oldest first; the last one is the file now under the journal's name."""
        self._parked: dict[int, tuple[int, bytes]] | None = None
        """Offset and tail by inode of files that are not open: missing or unreadable for now. None before the first look."""
        self._found: list[JournalRow] = []
        """Rows committed but not yet returned: a later chunk of the same poll may be refused."""
        self._doubt: tuple[_File, _Chunk] | None = None
        """A commit we gave up waiting for: the sink may have carried it out all the same."""
        self._finished: set[int] = set()
        """Inodes of rotated files read to their end; their names may stay around for weeks."""

    async def poll(self) -> list[JournalRow]:
        """Read and commit all there is; return the new rows. Raises PortError when the sink refuses.

        After PortError nothing is lost: the same bytes are read again by the next poll, and rows that
        were committed before the refusal are returned by it first.
        """
        await self._settle_doubt()
        self.counters.unreadable = ""
        if self._parked is None:
            cursors = await self._sink.load_cursors(self._name)
            self._parked = {inode: (offset, tail) for inode, offset, tail in cursors}
        try:
            await self._take_up_parked()
            await self._follow_rotation()
            await self._give_up_vanished()
            for file in list(self._files):
                await self._drain(file)
        except OSError as error:  # a disk that reports errors: nothing read is lost, we look again
            self.counters.unreadable = self._in_words(error)
        await self._drop_finished()
        found, self._found = self._found, []
        return found

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            os.close(file.fd)
        self._files.clear()
        self._parked = None

    # --- which files -----------------------------------------------------------------------------

    async def _take_up_parked(self) -> None:
        """Open the files of stored cursors again, under whatever name rotation gave them, or their copies."""
        if not self._parked:
            return
        siblings = self._siblings()
        by_inode = {inode: name for name, inode, _ in siblings}
        for inode, (offset, tail) in list(self._parked.items()):
            name = by_inode.get(inode)
            file = self._copy_of(offset, tail) if name is None else self._open(name)
            if file is None:
                continue
            file.offset, file.tail = offset, tail
            if file.inode != inode:  # the same text on another disk
                await self._remember(file, forget=inode)
            del self._parked[inode]
            self._files.append(file)
        self._files.sort(
            key=lambda file: (by_inode.get(file.inode) == self._name, os.fstat(file.fd).st_mtime_ns)
        )

    async def _give_up_vanished(self) -> None:
        """Forget files that are gone although the journal is here: what stood in them unread is lost."""
        if not self._parked:
            return
        there = {inode: name for name, inode, _ in self._siblings()}
        if all(there.get(file.inode) != self._name for file in self._files):
            return
        for inode in [inode for inode in self._parked if inode not in there]:
            await self._sink.commit_rows(self._name, [], None, inode)
            self.counters.gaps += 1
            del self._parked[inode]

    async def _remember(self, file: _File, forget: int | None = None) -> None:
        """Store how far a file is read from which no row was read yet."""
        await self._sink.commit_rows(self._name, [], (file.inode, file.offset, file.tail), forget)

    def _adopt_missed(self) -> None:
        """Take up files that were begun and rotated away between two looks: newer than all we know."""
        known = {file.inode for file in self._files} | self._finished | set(self._parked or ())
        newest = max(os.fstat(file.fd).st_mtime_ns for file in self._files)
        for name, inode, mtime in self._siblings():
            if inode in known or mtime < newest or name == self._name:
                continue
            file = None if name.endswith(_PACKED) else self._open(name)
            if file is None:
                self.counters.gaps += 1
            elif any(_is_copy(file.fd, of) for of in self._files):  # somebody keeps one: read already
                os.close(file.fd)
                self._finished.add(inode)
            else:
                self._files.append(file)

    def _siblings(self) -> list[tuple[str, int, int]]:
        """Return (name, inode, time of change) of the journal and its rotated copies, oldest first."""
        found = []
        try:
            with os.scandir(self._path.parent) as entries:
                for entry in entries:
                    if entry.name.startswith(self._path.name) and entry.is_file(follow_symlinks=False):
                        about = entry.stat(follow_symlinks=False)
                        found.append((entry.path, about.st_ino, about.st_mtime_ns))
        except OSError as error:
            self.counters.unreadable = self._in_words(error)
        return sorted(found, key=lambda item: (item[0] == self._name, item[2]))

    def _in_words(self, error: OSError) -> str:
        """What a person reads among the modes of the centre: which file, and why."""
        return f"{self._path.name} cannot be read: {error.strerror or error}"

    async def _follow_rotation(self) -> None:
        """Open the file now under the journal's name, if it is not the one we read."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError as error:
            if self._files:  # between rename and re-creation
                self._adopt_missed()
            elif self._parked or not self._path.parent.is_dir():
                self.counters.unreadable = self._in_words(error)
            return
        if any(file.inode == inode for file in self._files) or inode in (self._parked or ()):
            return
        file = self._open(self._name)
        if file is None:
            return
        try:
            await self._skip_what_is_read(file)
        except BaseException:
            os.close(file.fd)
            raise
        if self._files:
            self.counters.rotations += 1
            self._adopt_missed()
        self._files.append(file)

    async def _skip_what_is_read(self, new: _File) -> None:
        """Somebody put a copy in the journal's place (`sed -i`, `rsync`): go on in it behind what both have."""
        for old in self._files:
            if _is_copy(new.fd, old):
                new.offset = _end_of_same(new.fd, old.fd, old.offset)
                new.tail = os.pread(new.fd, TAIL_BYTES, max(0, new.offset - TAIL_BYTES))[: new.offset]
                await self._drain(old)
                await self._remember(new)
                return

    def _open(self, name: str) -> _File | None:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            self.counters.unreadable = self._in_words(error)
            return None
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            self.counters.unreadable = f"{self._path.name} is not a file"
            return None
        return _File(found.st_ino, fd, 0)

    async def _drop_finished(self) -> None:
        """Let go of rotated files nobody writes to any more."""
        for file in self._files[:-1]:
            file.idle += 1
            if file.idle > LINGER_POLLS:
                await self._sink.commit_rows(self._name, [], None, file.inode)
                os.close(file.fd)
                self._files.remove(file)
                self._finished.add(file.inode)

    # --- what is in them -------------------------------------------------------------------------

    async def _drain(self, file: _File) -> None:
        if self._is_truncated(file):
            self.counters.truncations += 1
            copy = self._copy_of(file.offset, file.tail)
            if copy is not None:  # copytruncate: what we had not read is in the copy
                self._files.insert(self._files.index(file), copy)
                await self._drain(copy)
            file.offset, file.tail, file.skipping = 0, b"", False
        while True:
            chunk = self._read(file)
            if chunk is None:
                return
            if chunk.offset != file.offset:
                self._doubt = file, chunk
                await self._sink.commit_rows(self._name, chunk.rows, (file.inode, chunk.offset, chunk.tail))
                self._doubt = None
                self._accept(file, chunk)
            if not chunk.more:
                return

    async def _settle_doubt(self) -> None:
        """Ask the sink whether the commit that failed or was cut short was carried out in the end.

        Its rows must not be stored a second time; they are told as if it had answered in time.
        """
        if self._doubt is None:
            return
        file, chunk = self._doubt
        stored = await self._sink.load_cursors(self._name)
        self._doubt = None
        if (file.inode, chunk.offset, chunk.tail) in stored:
            self._accept(file, chunk)

    def _accept(self, file: _File, chunk: _Chunk) -> None:
        file.offset, file.tail, file.idle = chunk.offset, chunk.tail, 0
        self.counters.rows += len(chunk.rows)
        self._found += chunk.rows

    def _is_truncated(self, file: _File) -> bool:
        """Whether what we read is no longer there: emptied in place, or replaced under the same inode."""
        return not _holds(file.fd, file.offset, file.tail)

    def _copy_of(self, offset: int, tail: bytes) -> _File | None:
        """Return the file that has the bytes we read, and more behind them perhaps."""
        if not tail:
            return None
        known = {known.inode for known in self._files}
        for name, inode, _ in reversed(self._siblings()):
            if inode in known:
                continue
            copy = self._open(name)
            if copy is None:
                continue
            if _holds(copy.fd, offset, tail):
                copy.offset, copy.tail = offset, tail
                return copy
            os.close(copy.fd)
        return None

    def _read(self, file: _File) -> _Chunk | None:
        """Read whole lines; the torn last line stays for the next time."""
        data = os.pread(file.fd, READ_BYTES, file.offset)
        zeros = len(data) - len(data.lstrip(b"\0"))  # a power cut leaves them where a line should stand
        end = data.rfind(b"\n") + 1
        lines: list[bytes] = []
        if end == 0 and not zeros and len(data) <= LINE_LIMIT:
            return None
        if end == 0 and zeros:
            end = zeros
        elif end == 0:  # a line without end: drop what there is, and its rest when it comes
            file.skipping = True
            self.counters.garbage += 1
            end = len(data)
        else:
            lines = data[: end - 1].split(b"\n")
            if file.skipping:
                file.skipping = False
                lines[0] = lines[0][lines[0].rfind(b"\0") :] if b"\0" in lines[0] else b""
        chunk = _Chunk(self._rows(lines), file.offset + end, more=len(data) == READ_BYTES)
        chunk.tail = (file.tail + data[:end])[-TAIL_BYTES:]
        return chunk

    def _rows(self, lines: list[bytes]) -> list[JournalRow]:
        rows = []
        for raw in lines:
            line = raw[raw.rfind(b"\0") + 1 :]
            if not line.strip():
                continue
            try:
                row = self._parse(line.removesuffix(b"\r"))
            except JournalLineError:
                self.counters.garbage += 1
                continue
            if row is None:
                self.counters.foreign += 1
            else:
                rows.append(row)
        return rows


def _holds(fd: int, offset: int, tail: bytes) -> bool:
    """Whether the file still has these bytes just before this offset."""
    if os.fstat(fd).st_size < offset:
        return False
    return os.pread(fd, len(tail), offset - len(tail)) == tail


def _is_copy(fd: int, of: _File) -> bool:
    """Whether this file has what we read of the other one, which still has it too."""
    return bool(of.tail) and _holds(fd, of.offset, of.tail) and _holds(of.fd, of.offset, of.tail)


def _end_of_same(one: int, other: int, offset: int) -> int:
    """Return the end of the last line up to which both files have the same bytes from `offset` on."""
    while True:
        first, second = (os.pread(fd, READ_BYTES, offset) for fd in (one, other))
        pairs = zip(first, second, strict=False)
        same = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
        end = first.rfind(b"\n", 0, same) + 1
        offset += end
        if not end:
            return offset
