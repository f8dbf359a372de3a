"""Every test runs with records that refuse to be changed: acd/core/record.py.

And none fails because a busy machine was slow: what is slow is a benchmark's matter.
"""

from __future__ import annotations

from hypothesis import settings

from acd.core import record

record.LOCKED = True
settings.register_profile("house", deadline=None)
settings.load_profile("house")
