"""Reports of experiments: one list of blocks, written as a table on the terminal, Markdown, HTML or JSON.

No figure without its interval, no percentage without its formula, and always the command that repeats it.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from acd.core.instant import SECOND_MS
from simulator.bounds import CLAIRVOYANT, POOLED
from simulator.intervals import Estimate, shown
from simulator.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from acd.config.strict_yaml import Problem
    from simulator.experiment import Experiment
    from simulator.published import Agreement
    from simulator.scenario import Queue, Scenario

QUEUES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Heading:
    """A line over what follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; the first column is text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot in a file beside the report."""

    path: Path
    caption: str


Block: TypeAlias = Heading | Text | Table | Picture


def percent(estimate: Estimate) -> str:
    """Write a share as a percentage with its interval."""
    scaled = Estimate(estimate.value * 100, estimate.half_width * 100, estimate.level, estimate.runs)
    return f"{scaled} %"


def write_figure(metric: str, estimate: Estimate) -> str:
    """Write a figure in the unit in which people read it."""
    if METRICS[metric].unit == "s":
        return f"{estimate} s"
    if METRICS[metric].bottom is not None and metric != "queue_length":
        return percent(estimate)
    return str(estimate)


def verdict(estimate: Estimate, promise: float) -> str:
    """Say whether a promise is kept: the interval decides, and may leave it open."""
    if estimate.value - estimate.half_width >= promise:
        return "kept"
    return "broken" if estimate.value + estimate.half_width < promise else "open"


def blocks_of(
    experiment: Experiment, warnings: Sequence[Problem], pictures: Sequence[Picture], command: str
) -> list[Block]:
    """Return the report of an experiment."""
    scenario, level = experiment.scenario, f"{experiment.level:.0%}"
    runs = len(experiment.seeds)
    span = "1 day" if scenario.days == 1 else f"{scenario.days} days"
    blocks: list[Block] = [Heading(scenario.name)]
    if scenario.about:
        blocks.append(Text(scenario.about.strip()))
    if scenario.source:
        blocks.append(Text(f"Source: {scenario.source.strip()}"))
    blocks.append(
        Text(
            f"{runs} runs of {span} per policy, the same seeds for all; ± is the {level} confidence interval over runs."
            f" Repeat it with: {command}"
        )
    )
    blocks += [Text(f"Warning: {problem}") for problem in warnings]
    blocks.append(_policy_table(experiment))
    if len(experiment.policies) > 1:
        blocks.append(_gain_table(experiment))
    blocks.append(_queue_table(experiment))
    blocks.append(_group_table(experiment))
    blocks += pictures
    formulas = "; ".join(f"{name} = {METRICS[name].meaning}" for name in experiment.headlines)
    blocks.append(Text(f"Formulas: {formulas}."))
    return blocks


def _policy_table(experiment: Experiment) -> Table:
    names = experiment.headlines
    rows = tuple(
        (policy, *(write_figure(name, experiment.estimate(policy, name)) for name in names))
        for policy in experiment.policies
    )
    bound = experiment.clairvoyant_bound
    if bound is not None:
        cells = (percent(bound) if name == "sl_of_offered" else "–" for name in names)
        rows = (*rows, (CLAIRVOYANT, *cells))
    caption = "All queues together"
    if bound is not None or POOLED in experiment.policies:
        caption += "; pooled_bound and clairvoyant are bounds that no rule can pass, not rules"
    return Table(("policy", *names), rows, caption)


def _gain_table(experiment: Experiment) -> Table:
    names, base = experiment.headlines, experiment.policies[0]
    rows = []
    for policy in experiment.policies[1:]:
        cells = []
        for name in names:
            gain = experiment.gain(policy, name)
            cells.append(("" if gain.excludes_zero else "≈ ") + write_figure(name, gain))
        rows.append((policy, *cells))
    return Table(
        (f"minus {base}", *names), tuple(rows), "Differences on the same seeds; ≈ no difference shown"
    )


def _queue_table(experiment: Experiment) -> Table:
    scenario, metric = experiment.scenario, experiment.scenario.service_level
    rows = []
    for policy in experiment.policies:
        found = [(queue, experiment.estimate(policy, metric, queue=queue.name)) for queue in scenario.queues]
        found.sort(key=lambda pair: pair[1].value - pair[0].share)
        for queue, estimate in found[:QUEUES_SHOWN]:
            rows.append(_queue_row(experiment, policy, queue, estimate))
    many = len(scenario.queues) > QUEUES_SHOWN
    caption = f"Promises, {metric}" + (
        f": the {QUEUES_SHOWN} worst of {len(scenario.queues)} queues" if many else ""
    )
    return Table(
        ("queue", "policy", "promise", metric, "verdict", "asa_s", "abandoned_share"), tuple(rows), caption
    )


def _queue_row(experiment: Experiment, policy: str, queue: Queue, estimate: Estimate) -> tuple[str, ...]:
    promise = f"{queue.share:.0%} in {queue.threshold_ms / SECOND_MS:g} s"
    more = (
        write_figure(name, experiment.estimate(policy, name, queue=queue.name))
        for name in ("asa_s", "abandoned_share")
    )
    return (queue.name, policy, promise, percent(estimate), verdict(estimate, queue.share), *more)


def _group_table(experiment: Experiment) -> Table:
    rows = tuple(
        (
            group.name,
            policy,
            str(group.count),
            percent(experiment.estimate(policy, "occupancy", group=group.name)),
        )
        for group in experiment.scenario.groups
        for policy in experiment.policies
    )
    return Table(("group", "policy", "agents", "occupancy"), rows, "Agents: occupancy = busy / staffed")


def published_blocks(scenario: Scenario, found: Sequence[Agreement], runs: int) -> list[Block]:
    """Return the comparison with a published model."""
    rows = tuple(
        (
            one.item.metric,
            " ".join(
                part
                for part in (
                    one.item.queue,
                    one.item.group,
                    f"period {one.item.period}" if one.item.period is not None else "",
                )
                if part
            )
            or "all",
            f"{one.item.value:g} ±{one.item.half_width:g}"
            if one.item.half_width
            else f"{one.item.value:g} (exact)",
            str(one.ours),
            f"{one.z:+.2f}",
        )
        for one in found
    )
    caption = f"{runs} runs; z = difference / combined standard error"
    return [
        Heading(scenario.name),
        Text(f"Source: {scenario.source.strip()}"),
        Table(("metric", "of", "published", "ours", "z"), rows, caption),
    ]


def to_json(experiment: Experiment, warnings: Sequence[Problem], command: str) -> dict[str, Any]:
    """Return everything as plain data."""
    scenario = experiment.scenario

    def figures(policy: str, queue: str = "", group: str = "") -> dict[str, Any]:
        names = ("occupancy", "occupancy_of_plan", "offers_unanswered_share") if group else tuple(METRICS)
        return {name: figure(experiment.estimate(policy, name, queue=queue, group=group)) for name in names}

    base = experiment.policies[0]
    return {
        "scenario": scenario.name,
        "command": command,
        "seeds": list(experiment.seeds),
        "days": scenario.days,
        "level": experiment.level,
        "warnings": [str(problem) for problem in warnings],
        "formulas": {name: metric.meaning for name, metric in METRICS.items()},
        "policies": {
            policy: {
                "all": figures(policy),
                "queues": {queue.name: figures(policy, queue=queue.name) for queue in scenario.queues},
                "groups": {group.name: figures(policy, group=group.name) for group in scenario.groups},
            }
            for policy in experiment.policies
        },
        "differences": {
            policy: {name: figure(experiment.gain(policy, name)) for name in METRICS if name != "wait_p90_s"}
            for policy in experiment.policies
            if policy != base
        },
        "compared_with": base,
        "bounds": {}
        if experiment.clairvoyant_bound is None
        else {CLAIRVOYANT: {"sl_of_offered": figure(experiment.clairvoyant_bound)}},
    }


def figure(estimate: Estimate) -> dict[str, float | int | None]:
    """Return an estimate as plain data; what could not be estimated is null."""

    def finite(value: float) -> float | None:
        return value if abs(value) < float("inf") else None

    return {
        "value": finite(estimate.value),
        "half_width": finite(estimate.half_width),
        "level": estimate.level,
        "runs": estimate.runs,
    }


# --- renderings ------------------------------------------------------------------------------------


def to_markdown(blocks: Sequence[Block]) -> str:
    """Write the report as Markdown."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"# {block.text}")
        elif isinstance(block, Text):
            parts.append(block.text)
        elif isinstance(block, Picture):
            parts.append(f"![{block.caption}]({block.path.name})")
        else:
            lines = [f"**{block.caption}**", ""] if block.caption else []
            lines += ["| " + " | ".join(block.head) + " |", "|" + "---|" * len(block.head)]
            lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in block.rows]
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.25rem .6rem;text-align:right}
td:first-child,th:first-child{text-align:left}caption{text-align:left;font-weight:600}img{max-width:100%}"""


def to_html(blocks: Sequence[Block]) -> str:
    """Write the report as one HTML page with its pictures inside."""
    parts = []
    for block in blocks:
        if isinstance(block, Heading):
            parts.append(f"<h1>{html.escape(block.text)}</h1>")
        elif isinstance(block, Text):
            parts.append(f"<p>{html.escape(block.text)}</p>")
        elif isinstance(block, Picture):
            data = base64.b64encode(block.path.read_bytes()).decode()
            caption = html.escape(block.caption)
            parts.append(f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"></figure>')
        else:
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.head)
            rows = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in block.rows
            )
            caption = f"<caption>{html.escape(block.caption)}</caption>" if block.caption else ""
            parts.append(f"<table>{caption}<tr>{head}</tr>{rows}</table>")
    title = html.escape(next((b.text for b in blocks if isinstance(b, Heading)), "Report"))
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    )
    return page + "\n".join(parts) + "</html>\n"


__all__ = ["blocks_of", "published_blocks", "shown", "to_html", "to_json", "to_markdown"]
