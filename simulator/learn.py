"""A scenario learned from what happened: rates, day factor, patience with censoring, talk, head counts.

`bin/simulate learn --queue-log FILE --out my.yaml`. The file says what was measured and what was assumed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from simulator.file_durations import DAYS
from simulator.records import Recording, Stay, read_cards, read_csv, read_queue_log

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

SHORT_CALL_S = 10.0
SURVIVAL_POINTS_S = (5, 10, 20, 30, 40, 60, 90, 120, 180, 240, 300, 450, 600, 900)
LEAST_AT_RISK = 10
"""A survival curve is not drawn where fewer callers than this are left: it would be noise."""
ASSUMED_OCCUPANCY = 0.7


def kaplan_meier(waits_s: Sequence[float], gave_up: Sequence[bool]) -> list[tuple[float, float, int]]:
    """Return (time, share still waiting, callers at risk) at every moment somebody gave up.

    Callers who were answered are censored: they had at least that much patience.
    """
    order = sorted(zip(waits_s, gave_up, strict=True), key=lambda pair: (pair[0], not pair[1]))
    at_risk, share = len(order), 1.0
    curve: list[tuple[float, float, int]] = []
    index = 0
    while index < len(order):
        time = order[index][0]
        same = [gone for wait, gone in order[index : index + _run(order, index)] if wait == time]
        lost = sum(same)
        if lost:
            share *= 1 - lost / at_risk
            curve.append((time, share, at_risk))
        at_risk -= len(same)
        index += len(same)
    return curve


def _run(order: list[tuple[float, bool]], start: int) -> int:
    end = start
    while end < len(order) and order[end][0] == order[start][0]:
        end += 1
    return end - start


def survival_points(stays: Sequence[Stay]) -> list[tuple[float, float]]:
    """Return the patience curve at a few readable times; empty when too few gave up."""
    curve = kaplan_meier([s.wait_s for s in stays], [s.outcome == "abandoned" for s in stays])
    if sum(s.outcome == "abandoned" for s in stays) < LEAST_AT_RISK:
        return []
    points: list[tuple[float, float]] = []
    for at in SURVIVAL_POINTS_S:
        before = [entry for entry in curve if entry[0] <= at]
        left = sum(s.wait_s >= at for s in stays)
        if before and left >= LEAST_AT_RISK and before[-1][1] > 0:
            points.append((float(at), round(before[-1][1], 4)))
    return points


@dataclass(frozen=True, slots=True)
class TalkFit:
    """A short-call atom and a lognormal above it."""

    short_share: float
    mu: float
    sigma: float
    mean_s: float
    cv: float


def fit_talk(seconds: Sequence[float]) -> TalkFit | None:
    """Fit talk times; None with fewer than ten."""
    values = np.asarray([value for value in seconds if value > 0], dtype=float)
    if len(values) < LEAST_AT_RISK:
        return None
    long = values[values > SHORT_CALL_S]
    share = 1 - len(long) / len(values)
    logs = np.log(long) if len(long) > 1 else np.log(values)
    sigma = float(logs.std(ddof=1)) or 0.01
    return TalkFit(
        share, float(logs.mean()), sigma, float(values.mean()), float(values.std(ddof=1) / values.mean())
    )


def day_shape(stays: Sequence[Stay]) -> float | None:
    """Return the gamma shape that explains how much days of the same weekday differ; None: chance explains it.

    Var(day) = mean + mean^2 / shape.
    """
    per_day = Counter(stay.arrival.date() for stay in stays)
    by_weekday: dict[int, list[int]] = defaultdict(list)
    for day, count in per_day.items():
        by_weekday[day.weekday()].append(count)
    extra, weight = 0.0, 0
    for counts in by_weekday.values():
        if len(counts) >= 2:
            mean, variance = float(np.mean(counts)), float(np.var(counts, ddof=1))
            extra += (variance - mean) / mean**2 * (len(counts) - 1)
            weight += len(counts) - 1
    if weight < 4 or extra <= 0:
        return None
    return round(weight / extra, 1)


def rates(stays: Sequence[Stay], days: Counter[int]) -> tuple[list[float], dict[str, float]]:
    """Return calls per hour by hour of an ordinary working day, and the factor of each weekday.

    Args:
        stays: of one queue.
        days: how many days of each weekday the recording covers.
    """
    by_weekday = Counter(stay.arrival.weekday() for stay in stays)
    means = {day: by_weekday[day] / days[day] for day in days if days[day]}
    busy = [mean for day, mean in means.items() if day < 5] or list(means.values())
    base = sum(busy) / len(busy) or max(means.values())
    factors = {DAYS[day]: round(mean / base, 3) for day, mean in sorted(means.items())}
    total = sum(days[day] * means[day] for day in means) or 1.0
    by_hour = Counter(stay.arrival.hour for stay in stays)
    return [round(by_hour[hour] / total * base, 3) for hour in range(24)], factors


def heads(recording: Recording, days: Counter[int]) -> tuple[list[int], bool]:
    """Return agents by hour, and whether they were counted (else: assumed from the load)."""
    seen: dict[tuple[dt.date, int], set[str]] = defaultdict(set)
    load = [0.0] * 24
    for stay in recording.stays:
        if stay.outcome == "served":
            load[stay.arrival.hour] += stay.talk_s + stay.wrap_s
            if stay.agent:
                seen[stay.arrival.date(), stay.arrival.hour].add(stay.agent)
    total = max(1, sum(days.values()))
    if seen:
        most = [max((len(v) for (_, h), v in seen.items() if h == hour), default=0) for hour in range(24)]
        return most, True
    return [math.ceil(load[hour] / total / 3600 / ASSUMED_OCCUPANCY) for hour in range(24)], False


def covered_days(recording: Recording) -> Counter[int]:
    """Return how many days of each weekday lie between the first and the last call."""
    import datetime as dt

    first, last = recording.stays[0].arrival.date(), recording.stays[-1].arrival.date()
    span = (last - first).days + 1
    return Counter((first + dt.timedelta(days=step)).weekday() for step in range(span))


def learn(recording: Recording, name: str) -> str:
    """Return the text of a scenario file.

    Raises:
        ValueError: there is nothing to learn from.
    """
    if not any(stay.outcome == "served" for stay in recording.stays):
        raise ValueError("no answered call in the record: nothing to learn from")
    days = covered_days(recording)
    counts, counted = heads(recording, days)
    shape = day_shape(recording.stays)
    served = sum(stay.outcome == "served" for stay in recording.stays)
    staff_note = (
        "the most agents seen in that hour on any day"
        if counted
        else f"load / {ASSUMED_OCCUPANCY}, an assumption"
    )
    lines = [
        f"name: {_quoted(name)}",
        "about: |",
        f"  Learned from {len(recording.stays)} calls ({served} answered) on {sum(days.values())} days from",
        f"  {recording.stays[0].arrival.date()} to {recording.stays[-1].arrival.date()}; lines not understood: {recording.skipped}.",
        f"  Head counts by hour: {staff_note}. Promises are not in the record: set them.",
        "days: 5",
    ]
    if shape is not None:
        lines.append(f"day_factor: {{gamma_shape: {shape}}}")
    lines.append("queues:")
    names = sorted({stay.queue for stay in recording.stays})
    for number, queue in enumerate(names):
        lines += _queue_lines(
            queue, f"queue-{number + 1}", [s for s in recording.stays if s.queue == queue], days
        )
    lines += ["agents:", "  - name: agent", f"    staff: {{counts: {counts}}}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    plain = "".join(c if c.isprintable() and c not in '"\\' else "_" for c in text)
    return f'"{plain}"'


def safe_name(name: str, fallback: str) -> str:
    """Return a queue name that a scenario file may use."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in name)[:60]
    return safe if safe and safe[0].isalnum() else fallback


def _queue_lines(queue: str, fallback: str, stays: list[Stay], days: Counter[int]) -> list[str]:
    per_hour, weekday = rates(stays, days)
    lines = [
        f"  - name: {_quoted(safe_name(queue, fallback))}",
        "    promise: {share: 0.8, threshold_s: 20}",
        "    arrivals:",
        f"      per_hour: {per_hour}",
        "      weekday: {" + ", ".join(f"{day}: {factor}" for day, factor in weekday.items()) + "}",
    ]
    points = survival_points(stays)
    if points:
        lines += ["    patience:", "      survival:"]
        lines += [f"        - {{at_s: {at}, share: {share}}}" for at, share in points]
    else:
        lines.append(
            "    patience: {exponential: {mean_s: 345}}  # too few gave up to measure; a bank's mean"
        )
    fit = fit_talk([stay.talk_s for stay in stays if stay.outcome == "served"])
    if fit is None:
        lines.append(
            "    talk: {lognormal: {mean_s: 177, cv: 1.23}}  # too few calls to measure; a bank's talk"
        )
    elif fit.short_share > 0:
        lines += [
            "    talk:",
            "      mixture:",
            f"        - {{share: {fit.short_share:.4f}, of: {{uniform: {{low_s: 1, high_s: {SHORT_CALL_S:g}}}}}}}",
            f"        - {{share: {1 - round(fit.short_share, 4):.4f}, of: {{lognormal: {{mu: {fit.mu:.4f}, sigma: {fit.sigma:.4f}}}}}}}",
        ]
    else:
        lines.append(f"    talk: {{lognormal: {{mu: {fit.mu:.4f}, sigma: {fit.sigma:.4f}}}}}")
    wraps = [stay.wrap_s for stay in stays if stay.wrap_s > 0]
    if wraps:
        lines.append(f"    wrap_up: {{exponential: {{mean_s: {np.mean(wraps):.2f}}}}}")
    return lines


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name!r}") from None


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a record."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cards", type=Path, help="our call cards, one JSON object per line")
    source.add_argument("--queue-log", type=Path, help="Asterisk's queue_log")
    source.add_argument("--csv", type=Path, help="arrival,wait,outcome,service[,queue,agent,wrap]")
    parser.add_argument("--tz", default="UTC", help="time zone of the centre, such as Europe/Moscow")


def read_source(options: argparse.Namespace) -> Recording:
    """Read the record named on the command line."""
    zone = zone_of(options.tz)
    if options.cards is not None:
        return read_cards(options.cards, zone)
    if options.queue_log is not None:
        return read_queue_log(options.queue_log, zone)
    return read_csv(options.csv, zone)


def main(argv: Sequence[str]) -> int:
    """Learn a scenario; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="bin/simulate learn", description="Write a scenario file from a record of calls."
    )
    add_sources(parser)
    parser.add_argument("--out", type=Path, help="the scenario file to write; default: standard output")
    parser.add_argument("--name", default="", help="its name")
    options = parser.parse_args(list(argv))
    source = options.cards or options.queue_log or options.csv
    try:
        recording = read_source(options)
        text = learn(recording, options.name or f"Learned from {source.name}")
        if options.out is None:
            print(text, end="")
        else:
            options.out.write_text(text, encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"simulate learn: {error}", file=sys.stderr)
        return 2
    for problem in recording.problems:
        print(f"not understood: {problem}", file=sys.stderr)
    return 0
