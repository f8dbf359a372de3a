"""A small firm on real Asterisk whose callers hear something at the door: its project file and what callers press."""

from __future__ import annotations

from pathlib import Path

from tests.dialplan.spoken import Ears
from tests.e2e.rigs import LabSwitch, Rig

TRUNK = "PJSIP/trunk"
ROMASHKA = """
extends: answering-basic
name: Romashka
numbers: ['7001']
greeting: Romashka, good day
language: en
needs: [{skill: general}]
opening: always
wrap_up_s: 1
people:
  ann: {name: Ann, email: ann@romashka.example}
deliver:
  - {to: 'person:ann', by: email}
"""


def listening_rig(folder: Path) -> Rig:
    """A rig on real Asterisk whose log says what is played."""
    switch = LabSwitch()
    switch.settings["verbose"] = "3"
    return Rig(switch, folder)


def ears(rig: Rig) -> Ears:
    """Prompts played from now on."""
    assert isinstance(rig.switch, LabSwitch)
    assert rig.switch.lab is not None
    return Ears(rig.switch.lab)


def said(ear: Ears) -> list[str]:
    """What callers were played."""
    return [played for played, _ in ear.heard(TRUNK)]


async def heard(rig: Rig, ear: Ears, file: str, times: int = 1) -> None:
    """Wait until callers were played this so often."""
    await rig.until(lambda: said(ear).count(file) >= times, 30)


def press(rig: Rig, keys: str) -> None:
    """Let the caller press these."""
    assert isinstance(rig.switch, LabSwitch)
    for digit in keys:
        rig.switch.press(TRUNK, digit)
