"""The dialplan's notes as they are written: what happened to a caller whom no phone tells of.

SIP shows that a call ended; only the journal says that the caller was turned away at the door or sent to the message
at closing time, and by which name the router knows the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Note:
    """One row of the journal. `kind` as in queue_log: ACDENTER and so on."""

    kind: str
    call: str
    agent: str
    fields: dict[str, str]

    @property
    def at_s(self) -> float:
        """When it happened, epoch seconds, by the switch's clock."""
        return int(self.fields["ms"]) / 1000


class Notes:
    """Reads a queue_log as it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._read, self._rest = path, 0, b""

    def news(self) -> Iterator[Note]:
        """Yield every whole note written since the last time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            parts = line.decode("utf-8", "replace").split("|")
            if len(parts) < 6 or not parts[4].startswith("ACD") or parts[1] == "NONE":
                continue
            fields = dict(part.split("=", 1) for part in parts[5:] if "=" in part)
            if fields.get("ms", "").isdigit():
                yield Note(parts[4], parts[1], "" if parts[3] == "NONE" else parts[3], fields)
