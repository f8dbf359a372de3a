"""From the sample configuration of this repository to the files of one Asterisk instance.

A sample is valid as it stands. A line `anything ;lab: replacement` becomes `replacement` in the lab, with
`@name@` filled in; so the same files are shown to administrators and tested on a real Asterisk.
"""

from __future__ import annotations

import math
import re
import struct
import wave
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAB_LINE = re.compile(r"^(?:[^;\n].*)?;lab:[ \t]*(.*)$", re.MULTILINE)
_NAME = re.compile(r"@([a-z_]+)@")


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill one sample file. Raises LabError for an unknown @name@."""

    def fill(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise LabError(f"no value for @{match[1]}@ in the sample configuration") from None

    return _LAB_LINE.sub(lambda line: _NAME.sub(fill, line[1]), text)


def repository_folder(name: str) -> Path:
    """Find `dialplan` or `config` in the checkout, else in the installed package's data."""
    here = Path(__file__).resolve().parents[2]
    for folder in (here / name, here / "acd" / "_data" / name):
        if folder.is_dir():
            return folder
    raise LabError(f"folder {name!r} not found beside {here}")


def write_configuration(etc: Path, values: Mapping[str, str]) -> None:
    """Write every sample and the dialplan into `etc`."""
    etc.mkdir(parents=True, exist_ok=True)
    for sample in sorted((repository_folder("config") / "asterisk").glob("*.conf")):
        (etc / sample.name).write_text(render(sample.read_text(encoding="utf-8"), values), encoding="utf-8")
    for source in sorted(repository_folder("dialplan").glob("*.conf")):
        (etc / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


def write_tone(path: Path, *, seconds: float = 4.0, hertz: float = 440.0) -> None:
    """Write a soft 8 kHz mono tone: a music class without a file would hang callers up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = int(seconds * 8000)
    samples = (int(1200 * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(count))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
