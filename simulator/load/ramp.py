"""Search for the highest rate that is still good: grow until it breaks, then halve the gap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ramp:
    """Which rate to try next. Between a good and a bad rate it takes their geometric mean."""

    start: float
    growth: float = 1.5
    fine: float = 1.2
    """Stop once bad / good is not larger than this."""
    most: float = 1_000.0
    good: float = 0.0
    bad: float = math.inf
    tried: list[float] = field(default_factory=list)

    def next(self) -> float | None:
        """Return the next rate, or None when the search is over."""
        if self.bad < math.inf:
            if self.good <= 0 or self.bad / self.good <= self.fine:
                return None
            return math.sqrt(self.good * self.bad)
        if self.good >= self.most:
            return None
        return min(self.good * self.growth, self.most) if self.good else self.start

    def tell(self, rate: float, *, was_good: bool) -> None:
        """Remember how a rate went."""
        self.tried.append(rate)
        if was_good:
            self.good = max(self.good, rate)
        else:
            self.bad = min(self.bad, rate)


def peak(spans: list[tuple[float, float]]) -> int:
    """Return the largest number of spans that overlap; one that ends when another begins does not."""
    edges = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def saturated(cpu: dict[str, float], cores: int, limit: float = 0.95) -> str:
    """Name what our own load filled, or nothing.

    Args:
        cpu: share of a core by process; `machine`, the share of all cores, is not ours alone and not judged.
        cores: of the machine.
        limit: from here on it is full.
    """
    single = {name: share for name, share in cpu.items() if name not in ("asterisk", "machine")}
    ours = sum(share for name, share in cpu.items() if name != "machine") / cores
    if ours >= limit:
        most = max((name for name in cpu if name != "machine"), key=lambda name: cpu[name])
        return f"all {cores} cores, {most} most"
    full = [name for name, share in single.items() if share >= limit]
    return f"{full[0]}: its one core" if full else ""
