"""Small files that are there complete or not at all, and still there after the power went."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, text: str) -> None:
    """Write a file, new or in another's place: aside, flushed to the disk, renamed, the folder flushed too.

    Not for two writers of one name at once. Raises OSError.
    """
    aside = path.with_name(f".{path.stem}.new")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush what a file holds, or which names a folder has. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def stands_at(path: Path, fd: int) -> bool:
    """Return whether this name still leads to the open file, and nobody deleted or replaced it."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False
