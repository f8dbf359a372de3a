"""What Asterisk really plays, read from its own verbose log: the file, and the language it was found in."""

from __future__ import annotations

import re
import time

from simulator.lab import Lab

PLAYED = re.compile(
    r"<(?P<channel>[^>]+)> Playing '(?P<file>[^']+)' "
    r"(?:\(escape_digits=[^)]*\) \(sample_offset \d+\) )?\(language '(?P<language>[^']*)'\)"
)
"""The longer form is that of AGI's STREAM FILE."""


MUSIC = re.compile(r"Started music on hold, class '([^']+)'")


class Ears:
    """Prompts played since the listening began. The lab's setting `verbose` must be 3."""

    def __init__(self, lab: Lab) -> None:
        self._log = lab.run / "log" / "full.log"
        self._from = self._log.stat().st_size if self._log.exists() else 0

    def heard(self, on: str = "") -> list[tuple[str, str]]:
        """(file without its ending, language), of channels whose name contains `on`."""
        return [
            (found["file"].rpartition(".")[0] or found["file"], found["language"])
            for found in PLAYED.finditer(self._text())
            if on in found["channel"]
        ]

    def music(self) -> list[str]:
        """Classes of music on hold begun so far."""
        return MUSIC.findall(self._text())

    def _text(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode("utf-8", "replace")

    def wait_for(self, file: str, *, on: str = "", timeout_s: float = 10) -> str:
        """Wait until a prompt was played; returns its language."""
        end = time.monotonic() + timeout_s
        while True:
            for played, language in self.heard(on):
                if played == file:
                    return language
            assert time.monotonic() < end, f"{file} was not played; heard: {self.heard()[-12:]}"
            time.sleep(0.1)
