"""Small files that are there complete or not at all, and still there after the power went."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def appear(path: Path, text: str) -> None:
    """Write a new file: aside, flushed to the disk, renamed, the folder flushed too. Raises OSError."""
    aside = path.with_name(f".{path.stem}.new")
    with aside.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    sync(path.parent)


def replace(path: Path, text: str) -> None:
    """Put a text in a file's place, whole or not at all. Raises OSError."""
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
