"""Every test runs with records that refuse to be changed: acd/core/record.py."""

from __future__ import annotations

from acd.core import record

record.LOCKED = True
