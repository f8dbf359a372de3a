"""Work beside the calls: what breaks in it is logged, shown and begun again, and callers do not notice.

A broken core, switch or journal ends the daemon, for a restart is safer than wrong routing. A full disk under the
projects, a mailbox that talks nonsense or a defect in a delivery is no reason to let callers wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger("acd.sidework")

AGAIN_S: Final = 5.0
"""So long a broken part rests before it is begun again: its cause is often still there."""
SHOWN_S: Final = 60.0


class SideWork:
    """Keeps parts going. `counters`: how often each broke."""

    def __init__(self, again_s: float = AGAIN_S) -> None:
        self.counters: Counter[str] = Counter()
        self._again_s = again_s
        self._broke: dict[str, tuple[float, str]] = {}

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work until it ends by itself or is cancelled; begin it again whenever it breaks."""
        while True:
            try:
                await work()
                return  # noqa: TRY300 - the work may raise
            except Exception as defect:
                self.counters[name.replace(" ", "_")] += 1
                self._broke[name] = (
                    asyncio.get_running_loop().time(),
                    f"{type(defect).__name__}: {defect}"[:200],
                )
                log.exception("side_work_broken", part=name, again_in_s=self._again_s)
            await asyncio.sleep(self._again_s)

    @property
    def trouble(self) -> str:
        """What broke within the last minute, in plain words."""
        now = asyncio.get_running_loop().time()
        parts = [f"{name} ({why})" for name, (at, why) in self._broke.items() if now - at < SHOWN_S]
        if not parts:
            return ""
        return f"broke and was begun again: {'; '.join(parts)}; calls are routed, the log has the details"
