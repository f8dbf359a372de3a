"""Learning: what went into a synthetic record comes out of it again."""

import datetime as dt
import math
from collections import Counter
from pathlib import Path

import pytest

from acd.config.strict_yaml import parse
from simulator.learn import (
    covered_days,
    day_shape,
    fit_talk,
    heads,
    kaplan_meier,
    learn,
    main,
    rates,
    safe_name,
    survival_points,
)
from simulator.records import Recording, Stay
from simulator.scenario_file import from_document
from simulator.streams import Streams

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def stay(
    day: int, hour: float, wait: float = 0, outcome: str = "served", talk: float = 60, **other: object
) -> Stay:
    return Stay("line", MONDAY + dt.timedelta(days=day, hours=hour), wait, outcome, talk, **other)  # type: ignore[arg-type]


def synthetic(days: int = 56, seed: int = 1) -> Recording:
    """Return 8 weeks of 20 calls an hour from 9 to 17 on working days, gamma shape 20, patience 100 s."""
    rng = Streams(seed).single("record")
    made = Recording()
    for day in range(days):
        if day % 7 > 4:
            continue
        factor = rng.gammavariate(20, 1 / 20)
        at = 9 + rng.expovariate(20 * factor)
        while at < 17:
            patience, wait = rng.expovariate(1 / 100), rng.choice([0.0, 0.0, rng.expovariate(1 / 60)])
            if patience < wait:
                made.stays.append(stay(day, at, patience, "abandoned", 0))
            else:
                talk = (
                    rng.uniform(1, 10) if rng.random() < 0.06 else max(10.1, rng.lognormvariate(4.784, 0.953))
                )
                made.stays.append(
                    stay(day, at, wait, "served", talk, agent=f"a{rng.randrange(3)}", wrap_s=20.0)
                )
            at += rng.expovariate(20 * factor)
    return made.sort()


def test_kaplan_meier_is_the_textbooks() -> None:
    """Answered callers are censored: at 3 s two of five remain at risk."""
    waits = [1.0, 2.0, 2.0, 3.0, 4.0]
    curve = kaplan_meier(waits, [True, True, False, True, False])
    assert curve == [(1.0, pytest.approx(0.8), 5), (2.0, pytest.approx(0.6), 4), (3.0, pytest.approx(0.3), 2)]


def test_without_censoring_patience_would_come_out_too_short() -> None:
    points = dict(survival_points(synthetic().stays))
    assert points[60.0] == pytest.approx(math.exp(-0.6), abs=0.04)
    gone = [s.wait_s for s in synthetic().stays if s.outcome == "abandoned"]
    assert sum(w > 60 for w in gone) / len(gone) < 0.4


@pytest.mark.slow
def test_rates_weekdays_talk_and_the_spread_between_days_are_found() -> None:
    found = synthetic()
    per_hour, weekday = rates(found.stays, covered_days(found))
    assert all(rate == pytest.approx(20, rel=0.15) for rate in per_hour[9:17])
    assert sum(per_hour[:9] + per_hour[17:]) == 0
    assert weekday["sun"] == 0.0
    assert all(0.7 < weekday[day] < 1.3 for day in ("mon", "tue", "wed", "thu", "fri"))
    shape = day_shape(found.stays)
    assert shape is not None
    assert 10 < shape < 45
    fit = fit_talk([s.talk_s for s in found.stays if s.outcome == "served"])
    assert fit is not None
    assert fit.short_share == pytest.approx(0.06, abs=0.02)
    assert (fit.mu, fit.sigma) == (pytest.approx(4.79, abs=0.05), pytest.approx(0.94, abs=0.05))


def test_a_learned_scenario_is_a_scenario_with_the_records_load() -> None:
    found = synthetic()
    scenario, _ = from_document(parse(learn(found, 'odd "name"\n'), "l.yaml"))
    days = len({s.arrival.date() for s in found.stays})
    assert scenario.expected_first_calls / 5 == pytest.approx(len(found.stays) / days, rel=0.01)
    assert scenario.groups[0].count == 3
    talk = [s.talk_s for s in found.stays if s.outcome == "served"]
    assert scenario.queues[0].talk.mean_ms / 1000 == pytest.approx(sum(talk) / len(talk), rel=0.1)
    assert scenario.queues[0].wrap_up.mean_ms == pytest.approx(20_000)


def test_a_short_record_is_learned_with_assumptions_that_say_so() -> None:
    few = Recording([stay(0, 9 + n / 10, 1.0) for n in range(5)])
    text = learn(few, "few")
    assert "too few gave up" in text
    assert "too few calls" in text
    assert "an assumption" in text
    from_document(parse(text, "l.yaml"))
    with pytest.raises(ValueError, match="no answered call"):
        learn(Recording([stay(0, 9, 1, "abandoned")]), "none")


def test_heads_are_counted_by_name_or_assumed_from_the_load() -> None:
    days = Counter({0: 1})
    named = Recording([stay(0, 9, agent="a"), stay(0, 9.5, agent="b"), stay(0, 10, agent="a")])
    assert heads(named, days)[0][8:11] == [0, 2, 1]
    counts, counted = heads(Recording([stay(0, 9, talk=3600.0)] * 2), days)
    assert (counts[9], counted) == (3, False)


def test_days_that_differ_no_more_than_chance_need_no_factor() -> None:
    same = [stay(day, 9 + n / 100) for day in range(28) for n in range(20)]
    assert day_shape(same) is None
    assert day_shape(same[:20]) is None


def test_names_become_names_that_a_file_may_use() -> None:
    assert safe_name("продажи", "queue-1") == "queue-1"
    assert safe_name("sales dept/1", "q") == "sales-dept-1"


def test_the_command_writes_a_file_and_names_what_it_did_not_understand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "c.csv", tmp_path / "s.yaml"
    source.write_text("arrival,wait,outcome,service\n2026-03-02T09:00,1,served,60\nx,1,served,1\n")
    assert main(["--csv", str(source), "--out", str(out), "--tz", "Europe/Moscow"]) == 0
    assert "not understood" in capsys.readouterr().err
    assert out.read_text().startswith('name: "Learned from c.csv"')
    assert main(["--csv", str(source)]) == 0
    assert "queues:" in capsys.readouterr().out
    assert main(["--csv", str(source), "--tz", "Moon/Base"]) == 2
    assert main(["--queue-log", str(source)]) == 2
    assert main(["--cards", str(source)]) == 2
