"""The dialplan's notes as they are written: what happened to a caller whom no phone tells of.

SIP shows that a call ended; only the journal says that the caller was turned away at the door or sent to the message
at closing time, and by which name the router knows the call.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from acd.wire.queue_log import JournalLineError, parse_line
from simulator.load.growing import Growing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from acd.wire.queue_log import JournalRow


class Notes:
    """Reads a queue_log as it grows."""

    def __init__(self, path: Path) -> None:
        self._file = Growing(path)

    def news(self) -> Iterator[JournalRow]:
        """Yield every note of a call written since the last time; what cannot be read is the oracle's to complain of."""
        for line in self._file.lines():
            with contextlib.suppress(JournalLineError):
                note = parse_line(line)
                if note is not None and note.call:
                    yield note
