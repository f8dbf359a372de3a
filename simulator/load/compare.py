"""Engines side by side: one experiment whose "policies" are engines, and whether they agree.

Method. Every seed is one observation and all engines meet the same callers. Two engines *agree* on a figure
when the difference of their estimates is not larger than the 95 % interval of that difference for independent
runs, the root of the sum of both squared half widths. Because the runs are paired by seed, the difference itself is known
much better; it is shown with its own paired interval, so a small true difference (the milliseconds a real
switch needs, multiplied by the time scale) is seen and not hidden.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.experiment import Experiment
from simulator.load.breaking import effects
from simulator.load.compress import Stretch, compress
from simulator.report import Block, Heading, Table, Text, blocks_of, figure, to_json, write_figure
from simulator.scenario import HOME, PHONE_GONE, PSTN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acd.config.strict_yaml import Problem
    from simulator.intervals import Estimate
    from simulator.load.run import EngineRun
    from simulator.results import CallRecord, RunResult
    from simulator.scenario import Scenario

COMPARED = (
    "sl_of_offered",
    "sl_of_answered",
    "asa_s",
    "abandoned_share",
    "occupancy",
    "offers_unanswered_share",
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure of one engine against the base's."""

    metric: str
    engine: str
    base: Estimate
    ours: Estimate
    difference: Estimate
    """Ours minus the base's, with the paired interval."""

    @property
    def allowed(self) -> float:
        """Half width of the difference if the runs were independent."""
        return math.hypot(self.base.half_width, self.ours.half_width)

    @property
    def agrees(self) -> bool:
        """Whether the difference lies within the engines' own intervals; no interval, no statement."""
        return math.isfinite(self.allowed) and abs(self.difference.value) <= self.allowed + 1e-12


def experiment_of(
    scenario: Scenario, part: Stretch, found: Sequence[EngineRun], seeds: Sequence[int]
) -> Experiment:
    """Put the runs of all engines on the same seeds into one experiment, in the scenario's own time."""
    own, _ = compress(scenario, dataclasses.replace(part, scale=1.0))
    return Experiment(own, tuple(seeds), {one.engine: one.runs for one in found})


def experiment_of_the_day(scenario: Scenario, part: Stretch, experiment: Experiment) -> Experiment:
    """Return the same runs placed into the day they come from: for plots over the hours of a day."""
    day = dataclasses.replace(scenario, days=1, first_day=scenario.date(part.day))

    def moved(run: RunResult) -> RunResult:
        calls = [
            dataclasses.replace(
                call, entered_at=call.entered_at + part.start_ms, left_at=call.left_at + part.start_ms
            )
            for call in run.calls
        ]
        return dataclasses.replace(run, calls=calls)

    runs = {engine: [moved(run) for run in found] for engine, found in experiment.runs.items()}
    return Experiment(day, experiment.seeds, runs)


def agreements(experiment: Experiment) -> list[Agreement]:
    """Compare every engine with the first one."""
    base = experiment.policies[0]
    return [
        Agreement(
            metric,
            engine,
            experiment.estimate(base, metric),
            experiment.estimate(engine, metric),
            experiment.gain(engine, metric),
        )
        for metric in COMPARED
        for engine in experiment.policies[1:]
    ]


def load_blocks(
    experiment: Experiment,
    found: Sequence[EngineRun],
    warnings: Sequence[Problem],
    notes: Sequence[str],
    part: Stretch,
    command: str,
) -> list[Block]:
    """Return the report: the virtual engine's own, with engines for policies, and what real processes add."""
    blocks = [_in_engines(block) for block in blocks_of(experiment, warnings, [], command)]
    text = f"The stretch run: {part}. All times are the scenario's own, whatever the speed."
    blocks.insert(1, Text(" ".join([text, *(f"Note: {note}." for note in notes)])))
    blocks.insert(2, _facts(found))
    texts = [*map(_sound, found), _lines(experiment.scenario, found)]
    blocks[3:3] = [Text(text) for text in texts if text]
    blocks[3:3] = _faults(experiment, found)
    problems = [f"{one.engine}: {problem}" for one in found for problem in one.problems[:10]]
    blocks += [Text(f"Problem: {problem}") for problem in problems]
    if len(experiment.seeds) < 2:
        blocks.append(
            Text("One seed gives no interval: nothing may be concluded from differences. Use --seeds.")
        )
    return blocks


def _in_engines(block: Block) -> Block:
    if isinstance(block, Text):
        return Text(block.text.replace("per policy", "per engine"))
    if isinstance(block, Table):
        return dataclasses.replace(block, head=tuple("engine" if h == "policy" else h for h in block.head))
    return block


def _facts(found: Sequence[EngineRun]) -> Table:
    rows = []
    for one in found:
        cpu = ", ".join(f"{name} {share:.2f}" for name, share in one.cpu_share_of_a_core.items())
        odd = ", ".join(f"{name} {count}" for name, count in one.oddities.items())
        cards = "-" if one.cards is None else str(one.cards)
        rows.append(
            (one.engine, one.version, str(one.calls), cards, str(one.lost), str(one.double_booked),
             f"{one.seconds:.0f} s", cpu or "-", odd or "-")
        )  # fmt: skip
    head = (
        "engine",
        "switch",
        "calls made",
        "cards",
        "lost",
        "double-booked",
        "took",
        "cores used",
        "oddities",
    )
    return Table(
        head, tuple(rows), "What the real processes did; `machine` is the share of all cores, others included"
    )


def _sound(one: EngineRun) -> str:
    """Say who heard whom, if anybody spoke."""
    heard, keys = one.speech, one.speech.get("keys_pressed", 0)
    pressed = (
        f" Agents on outside numbers pressed 1 {keys} times, {heard['keys_not_taken']} not taken."
        if keys
        else ""
    )
    if "talks" not in heard:
        return f"{one.engine}: nobody spoke (--no-media).{pressed}" if heard else ""
    share = heard["speech_heard_share"]
    much = (
        ""
        if share is None
        else f"; {share:.1%} of what was said was heard, gaps {heard['speech_gaps_share']:.2%}"
    )
    missed = heard["speaker_turns_missed"]
    caution = (
        f" The machine was full: the speakers missed {missed} turns of 20 ms, gaps are ours."
        if missed
        else ""
    )
    return (
        f"{one.engine}: {heard['talks_with_sound_both_ways']} of {heard['talks']} talks had sound both ways{much}."
        f" {heard['waits_with_music']} of {heard['waits']} who waited 2 s or longer heard music."
        f" Too short to tell: {heard['talks_too_short_to_tell']}."
        f" Calls that heard another's voice: {heard['calls_with_crossed_sound']}.{caution}{pressed}"
    )


def _lines(scenario: Scenario, found: Sequence[EngineRun]) -> str:
    """Say what an agent's line is where there are no phones, if any is not in the office."""
    kinds = {group.line for group in scenario.groups}
    without = [one.engine for one in found if one.engine in ("virtual", "stand-in")]
    told = []
    if HOME in kinds:
        told.append("a line at home is as one in the office")
    if PSTN in kinds:
        told.append("pressing 1 is a longer way to the talk, without a key")
    return f"{' and '.join(without)}: {'; '.join(told)}." if without and told else ""


def _faults(experiment: Experiment, found: Sequence[EngineRun]) -> list[Block]:
    """Say of every fault what was done and how those fared who waited meanwhile, beside all others."""
    rows = []
    for fault in experiment.scenario.faults:
        for one in found:
            carried = fault.kind == PHONE_GONE or any(text.startswith(fault.kind) for text in one.faults)
            met, other = effects(fault, [call for run in one.runs for call in run.calls])
            what = f"{fault.kind} at {fault.at_s:g} s for {fault.for_s:g} s"
            rows.append((what, one.engine, "yes" if carried else "no", *_fared(met), *_fared(other)))
    if not rows:
        return []
    names = ("calls", "in target", "mean wait", "gave up")
    head = ("fault", "engine", "done", *names, *(f"others: {name}" for name in names))
    about = "Faults: how those fared who waited while one lasted, all seeds together, beside all others of the same engine"
    return [Table(head, tuple(rows), about)]


def _fared(calls: Sequence[CallRecord]) -> tuple[str, str, str, str]:
    count = len(calls)
    if not count:
        return "0", "-", "-", "-"
    wait_s = sum(call.wait_ms for call in calls) / count / 1000
    share = sum(call.in_target for call in calls) / count
    gave_up = sum(call.outcome == "abandoned" for call in calls) / count
    return str(count), f"{share:.0%}", f"{wait_s:.1f} s", f"{gave_up:.0%}"


def agreement_blocks(found: Sequence[Agreement]) -> list[Block]:
    """Return the verdict on the engines."""
    rows = tuple(
        (
            one.metric,
            one.engine,
            write_figure(one.metric, one.base),
            write_figure(one.metric, one.ours),
            write_figure(one.metric, one.difference),
            "yes" if one.agrees else "no interval" if not math.isfinite(one.allowed) else "NO",
        )
        for one in found
    )
    head = ("metric", "engine", "virtual", "this engine", "difference, paired", "agree")
    verdict = "agree" if all(one.agrees for one in found) else "do not agree"
    method = (
        "Method: each seed is one observation; two engines agree on a figure when the difference is not larger than "
        "the root of the sum of both squared half widths (95 %). The paired interval is narrower and shows what "
        "difference remains."
    )
    return [Heading(f"The engines {verdict} within their intervals"), Table(head, rows), Text(method)]


def load_json(
    experiment: Experiment,
    found: Sequence[EngineRun],
    warnings: Sequence[Problem],
    notes: Sequence[str],
    part: Stretch,
    command: str,
) -> dict[str, Any]:
    """Return everything as plain data: the virtual report's shape, where `policies` are engines, and more."""
    data = to_json(experiment, warnings, command)
    data["stretch"] = {
        "day": part.day + 1,
        "start_ms": part.start_ms,
        "length_ms": part.length_ms,
        "time_scale": part.scale,
        "wall_s": part.wall_s,
    }
    data["notes"] = list(notes)
    data["engines"] = [one.as_json() for one in found]
    data["promises"] = {
        queue.name: {
            "share": queue.share,
            "threshold_s": queue.threshold_ms / 1000,
            "formula": "sl_of_offered",
        }
        for queue in experiment.scenario.queues
    }
    return data


def agreement_json(found: Sequence[Agreement]) -> list[dict[str, Any]]:
    """Return the comparisons as plain data."""
    return [
        {
            "metric": one.metric,
            "engine": one.engine,
            "virtual": figure(one.base),
            "ours": figure(one.ours),
            "difference_paired": figure(one.difference),
            "allowed": one.allowed if math.isfinite(one.allowed) else None,
            "agrees": one.agrees,
        }
        for one in found
    ]
