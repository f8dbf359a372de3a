"""Named random streams: one per purpose, so that a change in one place leaves all other draws alone.

Two policies run with the same seed meet the same callers with the same patience and the same talk:
every stream's state depends on the seed and on its name only, never on the order of events.
"""

from __future__ import annotations

import hashlib
import random
from typing import TypeAlias

import numpy as np

Name: TypeAlias = str | int


class Streams:
    """A seed's family of streams.

    >>> Streams(7).vector("patience", "bank", 0).random() == Streams(7).vector("patience", "bank", 0).random()
    True
    """

    __slots__ = ("seed",)

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"a seed is zero or more, not {seed}")
        self.seed = seed

    def vector(self, *name: Name) -> np.random.Generator:
        """Return the stream of that name for whole arrays of draws."""
        return np.random.Generator(np.random.PCG64(self._key(name)))

    def single(self, *name: Name) -> random.Random:
        """Return the stream of that name for a few single draws."""
        return random.Random(self._key(name))

    def _key(self, name: tuple[Name, ...]) -> int:
        # hash() of text differs between processes; a digest does not
        text = "\x1f".join(map(str, (self.seed, *name)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
