"""Views of the core: figures name their formula, and one line reads like a sentence."""

from __future__ import annotations

import dataclasses

from acd.core.snapshot import AgentView, CallView, QueueView, Snapshot

QUEUE = QueueView(
    queue="q", subscriber="s", open=True, waiting=1, longest_wait_ms=5_000, offered=100, answered=60,
    answered_in_target=57, abandoned=40, abandoned_short=15, fallback=0, handled=60, talking=0,
    sum_wait_answered_ms=600_000, sum_talk_ms=0, sum_acw_ms=0, target_share=0.8, target_threshold_ms=20_000,
)  # fmt: skip
CALL = CallView("c", "waiting", "q", "s", "1", "2", "17", 0, 5_000, None, 0, 1)
AGENT = AgentView("a", "available", "", "idle", 0, reachable=True, call=None, handled=0, rna=0)


def test_service_level_is_the_strict_formula_of_the_house() -> None:
    """House, section 3: the same day gives 57 % by `sl_of_offered`, never 95 %."""
    assert QUEUE.sl_of_offered == 0.57


def test_nothing_offered_or_answered_is_no_figure_at_all() -> None:
    empty = dataclasses.replace(QUEUE, offered=0, answered=0)
    assert empty.sl_of_offered is None
    assert empty.asa_ms is None


def test_average_wait_counts_answered_calls_only() -> None:
    assert QUEUE.asa_ms == 10_000


def test_the_line_reads_like_a_sentence() -> None:
    away = dataclasses.replace(AGENT, agent="b", status="logged_out", state="idle")
    view = Snapshot(0, synced=True, calls=(CALL,), agents=(AGENT, away), queues=(QUEUE,))
    assert view.line() == "calls 1 waiting 0 offering 0 talking | agents 1 idle"
    assert Snapshot(0, synced=False, calls=(), agents=(), queues=()).line().endswith("agents none")
