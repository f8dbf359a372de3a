"""How scenario files write routing rules: as queues.yaml does, checked by the same code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.config.rule_checks import Checker, Known, QueueFacts, Written
from acd.config.rule_language import window_hours
from acd.core.instant import MINUTE_MS
from simulator.file_durations import ms
from simulator.scenario import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acd.config.strict_yaml import Document
    from acd.core.instant import Instant
    from simulator.file_queues import QueueSection
    from simulator.scenario import Scenario
    from simulator.scenario_file import ScenarioFile


def check_rules(file: ScenarioFile, document: Document) -> Checker:
    """Check every queue's rules; of copies the first speaks for all."""
    levels: dict[str, int] = {}
    for group in file.agents:
        for skill, level in group.skills.items():
            levels[skill] = max(level, levels.get(skill, 0))
    names = frozenset(queue.name for section in file.queues for queue in section.build())
    checker = Checker(document, Known(names, frozenset(levels), levels))
    by_queue: dict[str, list[Written]] = {}
    for place, section in enumerate(file.queues):
        read = (
            checker.read(("queues", place, "rules", number), rule, number + 1)
            for number, rule in enumerate(section.rules)
        )
        rules = [written for written in read if written]
        for queue in section.build():
            by_queue[queue.name] = rules
        if rules:
            checker.in_queue(_facts(file, section), rules)
    checker.circles(by_queue)
    return checker


def _facts(file: ScenarioFile, section: QueueSection) -> QueueFacts:
    able = [
        group
        for group in file.agents
        if all(group.skills.get(skill, 0) >= level for skill, level in section.needs.items())
        and (not section.served_by or group.name in section.served_by)
    ]
    return QueueFacts(
        name=section.name,
        max_wait_ms=ms(section.max_wait_s),
        max_waiting=section.max_waiting,
        needs=section.needs,
        able=sum(group.build().count for group in able),
        reserve=max((group.reserve for group in able), default=0),
        always_open=True,
    )


def window_edges(scenario: Scenario) -> Iterator[tuple[Instant, str, bool]]:
    """Yield when a stretch of the clock that some rule speaks of begins (True) or ends, over the whole run."""
    conditions = (c for queue in scenario.queues for rule in queue.rules for c in rule.conditions)
    for window in sorted({c.window for c in conditions if c.window}):
        hours = window_hours(window)
        yield 0, window, False
        for day in range(-1, scenario.days):
            for start, end in hours.on(scenario.date(day)):
                begins, ends = (day * DAY_MS + minutes * MINUTE_MS for minutes in (start, end))
                if ends > 0:
                    yield max(0, begins), window, True
                    yield ends, window, False
