"""The stand-in's queue_log: the same rows that the dialplan's acd-note subroutine writes."""

from __future__ import annotations

from pathlib import Path
from typing import IO


class QueueLog:
    """Append rows `time|call|queue|agent|EVENT|k=v|...`, flushed one by one as Asterisk does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[str] = path.open("a", encoding="utf-8")

    def write(
        self, now_s: int, call: str, queue: str, agent: str, event: str, fields: dict[str, str]
    ) -> None:
        """Write one row. Empty columns become NONE, as Asterisk writes them."""
        data = "|".join(f"{key}={value}" for key, value in fields.items())
        self._stream.write(f"{now_s}|{call or 'NONE'}|{queue or 'NONE'}|{agent or 'NONE'}|{event}|{data}\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
