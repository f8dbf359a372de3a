"""The PBX's prompts, made silent and short: no prompt runs faster than life, and a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.lab.render import write_tone

if TYPE_CHECKING:
    from simulator.lab.instance import Lab

PROMPTS: Final = (
    "vm-num-i-have",
    "vm-tocallnum",
    "vm-calldiffnum",
    "vm-goodbye",
    *(f"digits/{n}" for n in range(10)),
)
"""Of the offer of a call-back (dialplan/40-callback.conf)."""


def say_nothing(lab: Lab) -> None:
    """Make the offer of a call-back as short as it is in virtual time."""
    for language in ("en", "ru"):
        folder = lab.run / "data" / "sounds" / language
        if folder.is_symlink():
            folder.unlink()
        for prompt in PROMPTS:
            write_tone(folder / f"{prompt}.wav", seconds=0.02, hertz=0)
