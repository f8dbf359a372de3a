"""Where cards wait while the database refuses them: a preallocated file, and a ballast for full disks."""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import TYPE_CHECKING

from acd import durable
from acd.ports import PortError

if TYPE_CHECKING:
    from pathlib import Path

SPILL_BYTES = 16 * 1024 * 1024
BALLAST_BYTES = 64 * 1024 * 1024
_HEADER = 18  # "llllllll cccccccc\n": length and checksum in hexadecimal
_ZEROS = b"\0" * _HEADER


class SpillFile:
    """Append records durably into space reserved beforehand, so that a full disk cannot refuse them.

    Blocking calls (one write and one fsync each): run them in a thread. Not safe for two callers at once.
    """

    def __init__(self, path: Path, size: int = SPILL_BYTES) -> None:
        self._path = path
        self._size = size
        self._fd: int | None = None
        self._end = 0
        self.torn = 0
        """Records cut by a crash while being written: their writer was never told they were safe."""

    def open(self) -> list[bytes]:
        """Reserve the space and return the records a former process left. Raises OSError."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.posix_fallocate(self._fd, 0, self._size)
        self._size = max(self._size, os.fstat(self._fd).st_size)
        os.fsync(self._fd)
        return self.records()

    def look(self) -> None:
        """Make the file again, with what is in it, when somebody deleted or replaced it. Raises OSError, PortError."""
        if self._fd is None or durable.stands_at(self._path, self._fd):
            return
        records, old = self.records(), self._fd
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        try:
            self.open()
            for record in records:
                self.append(record)
        except BaseException:
            self.close()
            self._fd = old
            self.records()  # the position to go on at
            raise
        os.close(old)

    def close(self) -> None:
        """Close; the records stay."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def records(self) -> list[bytes]:
        """Return every whole record, oldest first, and set the append position behind them."""
        fd = self._open_fd()
        found, position = [], 0
        while position + _HEADER <= self._size:
            header = os.pread(fd, _HEADER, position)
            if header[:1] == b"\0":
                break
            body = self._body(fd, header, position)
            if body is None:
                self.torn += 1
                break
            found.append(body)
            position += _HEADER + len(body)
        self._end = position
        return found

    def append(self, record: bytes) -> None:
        """Keep one record; when this returns it is on the disk. Raises PortError when the file is full."""
        fd = self._open_fd()
        header = b"%08x %08x\n" % (len(record), zlib.crc32(record))
        # the next header is zeroed together with the record: an older, longer content must not show through
        data = header + record + _ZEROS
        if self._end + len(data) > self._size:
            raise PortError("the spill file is full", retryable=True)
        os.pwrite(fd, data, self._end)
        os.fdatasync(fd)
        self._end += len(data) - len(_ZEROS)

    def clear(self) -> None:
        """Forget every record, durably."""
        fd = self._open_fd()
        os.pwrite(fd, _ZEROS, 0)
        os.fdatasync(fd)
        self._end = 0

    def wipe(self) -> None:
        """Overwrite the whole file with zeros: for erasure of personal data."""
        fd = self._open_fd()
        for position in range(0, self._size, 1 << 20):
            os.pwrite(fd, b"\0" * min(1 << 20, self._size - position), position)
        os.fdatasync(fd)
        self._end = 0

    def _body(self, fd: int, header: bytes, position: int) -> bytes | None:
        try:
            length, checksum = int(header[:8], 16), int(header[9:17], 16)
        except ValueError:
            return None
        if header[8:9] != b" " or header[17:18] != b"\n" or position + _HEADER + length > self._size:
            return None
        body = os.pread(fd, length, position + _HEADER)
        return body if len(body) == length and zlib.crc32(body) == checksum else None

    def _open_fd(self) -> int:
        if self._fd is None:
            raise PortError("the spill file is not open", retryable=True)
        return self._fd


def set_aside(path: Path, record: bytes) -> None:
    """Keep a record nobody can store, durably, for a person. Raises OSError."""
    with path.open("ab") as file:
        file.write(record + b"\n")
        file.flush()
        os.fsync(file.fileno())


def set_aside_count(path: Path) -> int:
    """Return how many records lie there for a person. Raises OSError."""
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0


class Ballast:
    """A file that only takes room: given up when the disk is full, so that cards can still be written."""

    def __init__(self, path: Path, size: int = BALLAST_BYTES) -> None:
        self._path = path
        self._size = size

    def inflate(self) -> bool:
        """Reserve the room unless the disk is already tight; return whether the ballast is there.

        A size of 0 is no ballast: a file of another setting is removed.
        """
        if not self._size:
            return self.release()
        if self.is_inflated:
            return True
        free = os.statvfs(self._path.parent)
        if free.f_bavail * free.f_frsize < 2 * self._size:
            return False
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(fd, 0, self._size)
            os.fsync(fd)
        finally:
            os.close(fd)
        return True

    def release(self) -> bool:
        """Give the room back to the disk; return whether there was any."""
        if not self._path.exists():
            return False
        self._path.unlink()
        return True

    @property
    def is_inflated(self) -> bool:
        """Return whether the room is reserved."""
        return self._path.exists() and self._path.stat().st_size >= self._size
