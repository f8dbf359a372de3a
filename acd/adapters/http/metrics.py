"""Prometheus metrics. No personal data: the only labels are queues, outcomes, states and names of ours."""

from __future__ import annotations

import re
from collections import Counter as Tally
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from acd.core.card import CallCard
    from acd.core.snapshot import QueueView, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WAIT_BUCKETS_S = (1, 2, 5, 10, 15, 20, 30, 40, 60, 90, 120, 300, 600)
_REMEMBERED_CARDS = 10_000
_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Metrics:
    """Counters fed by finished cards; gauges read from snapshot and daemon at each scrape."""

    def __init__(self, snapshot: Callable[[], Snapshot], gauges: Callable[[], Mapping[str, float]]) -> None:
        self._registry = CollectorRegistry()
        self._seen: dict[str, None] = {}
        self._finished = Counter(
            "acd_calls_finished", "Finished calls by outcome", ["queue", "outcome"], registry=self._registry
        )
        self._waits = Histogram(
            "acd_wait_seconds", "Queue entry to answer, answered calls", ["queue"],
            buckets=_WAIT_BUCKETS_S, registry=self._registry,
        )  # fmt: skip
        self._registry.register(_Live(snapshot, gauges))

    def call_finished(self, card: CallCard) -> None:
        """Count one card; a card written again with late fields is not counted twice."""
        if card.call in self._seen:
            return
        self._seen[card.call] = None
        if len(self._seen) > _REMEMBERED_CARDS:
            del self._seen[next(iter(self._seen))]
        self._finished.labels(card.queue, card.end_reason.value).inc()
        if card.answered_at is not None:
            self._waits.labels(card.queue).observe(card.wait_ms / 1000)

    def text(self) -> bytes:
        """Return the exposition."""
        return generate_latest(self._registry)


class _Live(Collector):
    def __init__(self, snapshot: Callable[[], Snapshot], gauges: Callable[[], Mapping[str, float]]) -> None:
        self._snapshot = snapshot
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Nothing to say before the first scrape."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read everything now."""
        view = self._snapshot()
        yield _gauge("acd_synced", "1 when we hear the switch and know its calls", float(view.synced))
        yield from self._queues(view.queues)
        calls = GaugeMetricFamily("acd_calls", "Live calls by state", labels=["state"])
        for state, count in sorted(Tally(c.state for c in view.calls).items()):
            calls.add_metric([state], count)
        yield calls
        agents = GaugeMetricFamily("acd_agents", "Agents by status and state", labels=["status", "state"])
        for (status, state), count in sorted(Tally((a.status, a.state) for a in view.agents).items()):
            agents.add_metric([status, state], count)
        yield agents
        anomalies = GaugeMetricFamily("acd_anomalies", "Anomalies since start, by name", labels=["name"])
        for name, count in view.counters:
            anomalies.add_metric([name], count)
        yield anomalies
        for name, value in sorted(self._gauges().items()):
            yield _gauge("acd_" + _NAME.sub("_", name.removeprefix("acd_")), "Reported by the daemon", value)

    @staticmethod
    def _queues(queues: tuple[QueueView, ...]) -> Iterable[Metric]:
        figures = {
            "waiting": "Calls waiting now",
            "offered": "Entered the queue in the current interval",
            "answered": "Joined with an agent in the current interval",
            "answered_in_target": "Answered within the promise's threshold; / offered = sl_of_offered",
            "abandoned": "Hung up while waiting or offered, in the current interval",
            "fallback": "Left to the fallback in the current interval",
        }
        for name, text in figures.items():
            family = GaugeMetricFamily(f"acd_queue_{name}", text, labels=["queue"])
            for queue in queues:
                family.add_metric([queue.queue], getattr(queue, name))
            yield family


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
