"""When a queue may call upon its reserve: by load, with hysteresis, never flapping (001-08).

Opens one class further when
* a caller whom nobody of the front line can take has waited `reserve_open_at` of the promise's threshold (at
  once: the promise is at stake), or
* the wait predicted for whoever came now is above `reserve_open_wait` thresholds for `reserve_open_ms` on end.

Closes when at least `reserve_close_idle` of the front line were ready for `reserve_close_ms` on end. What
opens it (nobody ready) and what closes it (some ready for long) never hold at once, and between them lies
the calm time: it cannot flap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from acd.core.instant import Duration, Instant
    from acd.core.policy import RoutingWeights


class FrontLine(NamedTuple):
    """What the gate looks at: one queue's front line now."""

    ready: int
    head_ms: Duration | None
    """How long the first caller has waited; None when nobody waits."""
    predicted_ms: float
    """The wait to expect for whoever came now; 0 when somebody is ready."""


class Gate:
    """The reserve of one queue."""

    __slots__ = ("_calm_since", "_over_since", "due", "opened_at", "reserves", "threshold_ms", "why")

    def __init__(self, reserves: int, threshold_ms: Duration) -> None:
        self.reserves = reserves
        """The highest class anybody who fits has."""
        self.threshold_ms = threshold_ms
        self.opened_at: Instant = 0
        self.why = ""
        """What opened or closed it last, in words."""
        self.due: Instant | None = None
        """When time alone may move it next."""
        self._over_since: Instant | None = None
        self._calm_since: Instant | None = None

    def step(self, opened: int, line: FrontLine, weights: RoutingWeights, now: Instant) -> int:
        """Return the class that is open from now on."""
        by_head = self._by_head(opened, line, weights)
        wanted = max(by_head, self._by_prediction(opened, line, weights, now))
        if wanted > opened:
            self.opened_at = now
            self._calm_since = None
            opened = wanted
        elif opened and self._calm(line, weights, now):
            self.why = (
                f"closed: {line.ready} of the front line ready for {weights.reserve_close_ms / 1000:g} s"
            )
            self._calm_since = None
            opened = 0
        self._plan(opened, line, weights, now)
        return opened

    def open_by_rule(self, upto: int, now: Instant) -> int:
        """Return the class opened at a rule's wish."""
        self.why, self.opened_at, self._calm_since = "opened by rule", now, None
        return min(upto, self.reserves)

    def _by_head(self, opened: int, line: FrontLine, weights: RoutingWeights) -> int:
        if line.ready or line.head_ms is None:
            return 0
        step = self._step_ms(weights)
        wanted = min(self.reserves, line.head_ms // step if step else self.reserves)
        if wanted > opened:
            self.why = f"opened: a caller has waited {line.head_ms / 1000:g} s and nobody is ready"
        return wanted

    def _step_ms(self, weights: RoutingWeights) -> Duration:
        return int(weights.reserve_open_at * self.threshold_ms)

    def _by_prediction(self, opened: int, line: FrontLine, weights: RoutingWeights, now: Instant) -> int:
        if opened >= self.reserves or line.predicted_ms <= weights.reserve_open_wait * self.threshold_ms:
            self._over_since = None
            return 0
        if self._over_since is None:
            self._over_since = now
        if now - self._over_since < weights.reserve_open_ms:
            return 0
        self._over_since = now
        self.why = (
            f"opened: a wait of {line.predicted_ms / 1000:.0f} s was to be expected "
            f"for {weights.reserve_open_ms / 1000:g} s"
        )
        return opened + 1

    def _calm(self, line: FrontLine, weights: RoutingWeights, now: Instant) -> bool:
        if line.ready < max(1, weights.reserve_close_idle):
            self._calm_since = None
            return False
        if self._calm_since is None:
            self._calm_since = now
        return now - self._calm_since >= weights.reserve_close_ms

    def _plan(self, opened: int, line: FrontLine, weights: RoutingWeights, now: Instant) -> None:
        moments = []
        step = self._step_ms(weights)
        if opened < self.reserves and line.head_ms is not None and not line.ready:
            moments.append(now - line.head_ms + (opened + 1) * step)
        if self._over_since is not None and opened < self.reserves:
            moments.append(self._over_since + weights.reserve_open_ms)
        if opened and self._calm_since is not None:
            moments.append(self._calm_since + weights.reserve_close_ms)
        self.due = max(now + 1, min(moments)) if moments else None
