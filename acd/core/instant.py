"""Time in the core: integer milliseconds on one timeline that never steps.

An instant counts milliseconds since the Unix epoch as *anchored once at start*: the driver
adds a monotonic clock to one reading of the wall clock, so a jump of the wall clock moves
nothing here. Plain integers, because arithmetic on time is the core's most frequent work.
"""

from typing import TypeAlias

Instant: TypeAlias = int
"""A point on the timeline, in milliseconds."""

Duration: TypeAlias = int
"""A length of time, in milliseconds."""

SECOND_MS: Duration = 1_000
MINUTE_MS: Duration = 60 * SECOND_MS
HOUR_MS: Duration = 60 * MINUTE_MS
