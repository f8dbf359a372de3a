"""Metrics: counters by finished cards."""

from __future__ import annotations

from acd.adapters.http.metrics import Metrics
from acd.core.events import EndReason
from tests.adapters.edges_help import snapshot
from tests.adapters.http.http_help import card


def test_card_written_twice_is_counted_once_and_waits_are_of_answered_calls():
    metrics = Metrics(snapshot, dict)
    metrics.call_finished(card())
    metrics.call_finished(card(fields=(("note", "late"),)))
    metrics.call_finished(card(call="x", answered_at=None, end_reason=EndReason.ABANDONED))
    text = metrics.text().decode()
    assert 'acd_calls_finished_total{outcome="handled",queue="sales"} 1.0' in text
    assert 'acd_calls_finished_total{outcome="abandoned",queue="sales"} 1.0' in text
    assert 'acd_wait_seconds_count{queue="sales"} 1.0' in text
    assert 'acd_wait_seconds_bucket{le="5.0",queue="sales"} 1.0' in text


def test_memory_of_counted_cards_is_bounded():
    metrics = Metrics(snapshot, dict)
    for n in range(10_050):
        metrics.call_finished(card(call=f"c{n}"))
    assert len(metrics._seen) == 10_000
