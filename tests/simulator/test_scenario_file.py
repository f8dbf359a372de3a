"""Scenario files: every mistake at once with its place; warnings name the consequence."""

import datetime as dt
from pathlib import Path

import pytest

from acd.config.strict_yaml import ConfigError, parse
from acd.core.instant import HOUR_MS
from simulator import distributions as dist
from simulator.scenario import Scenario
from simulator.scenario_file import from_document, load

FOLDER = Path(__file__).parents[2] / "simulator" / "scenarios"

GOOD = """\
name: small
queues:
  - name: line
    arrivals: {per_hour: 10}
    talk: {exponential: {mean_s: 120}}
    patience: 60
agents:
  - {name: agent, count: 2}
"""


def read(text: str) -> tuple[Scenario, list[str]]:
    scenario, warnings = from_document(parse(text, "s.yaml"))
    return scenario, [str(one) for one in warnings]


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_we_deliver_is_read_without_mistake_or_warning(path: Path) -> None:
    scenario, warnings = load(path)
    assert [str(one) for one in warnings if "second-line" not in str(one)] == []
    assert scenario.source
    assert bool(scenario.expect) == (path.parent.name == "published")


def test_defaults_are_those_of_the_page() -> None:
    scenario, warnings = read(GOOD)
    queue = scenario.queues[0]
    assert warnings == []
    assert (queue.share, queue.threshold_ms, queue.subscriber) == (0.8, 20_000, "line")
    assert queue.patience == dist.Fixed(60_000.0)
    assert scenario.policy == "fifo"
    assert scenario.expected_first_calls == pytest.approx(240)


def test_bad_input_is_refused_all_at_once_each_with_its_place() -> None:
    """Issue 5, bad input: negative rates, unknown skills, infinite mean, unknown words."""
    problems = refused("""\
name: bad
polcy: fifo
queues:
  - name: line
    needs: {chinese: 1}
    arrivals: {per_hour: -3}
    talk: {exponential: {mean_s: 0}}
agents:
  - {name: agent, count: 0}
""")
    assert [p.split(": ")[0] for p in problems[:-1]] == [
        "s.yaml:2:1",
        "s.yaml:6:26",
        "s.yaml:7:34",
        "s.yaml:9:26",
    ]
    assert problems[-1] == "s.yaml: more is checked once these are mended"
    assert "did you mean 'policy'" in problems[0]
    assert "queues[0].arrivals.per_hour" in problems[1]


MIXED = """\
name: mixed
policy: nonsense
queues:
  - name: line
    needs: {chinese: 1}
    arrivals: {per_hour: 3}
    talk: 60
    wrap_up: abc
    rules:
      - {when: waited_s >= 10, do: overflow nowhere}
agents:
  - {name: agent, count: 2, shifts: [{starts: 10:00, ends: 09:00}]}
"""


def test_contradictions_are_reported_together_with_mistakes_of_form() -> None:
    problems = refused(MIXED)
    places = ["s.yaml:2:9", "s.yaml:5:22", "s.yaml:8:14", "s.yaml:10:45", "s.yaml:12:60"]
    assert [p.split(": ")[0] for p in problems] == places
    assert "must be seconds (a number without unit), never, or a distribution" in problems[2]


def test_nothing_is_said_that_may_follow_from_an_agent_group_that_was_not_read() -> None:
    said = " ".join(refused(MIXED.replace("count: 2", "skills: {chinese: x}, count: 2")))
    assert "nonsense" in said
    assert "ends before it starts" in said
    assert "nobody could answer" not in said


def test_contradictions_are_refused_all_at_once_each_with_its_place() -> None:
    problems = refused("""\
name: bad
policy: magic
weights: {charm: 1}
periods: {length_s: 3600, count: 2}
queues:
  - name: line
    needs: {chinese: 1, tax: 3}
    served_by: [ghosts]
    arrivals: {per_hour: 3}
    talk: {pareto: {scale_s: 10, index: 0.9}}
    patience_by_period: [1, 2, 3]
    talk_by_group: {ghosts: 3}
    transfers: [{to: nowhere, probability: 0.6}, {to: line, probability: 0.6}]
  - name: line
    arrivals: {per_hour: 3}
    talk: never
agents:
  - {name: agent, skills: {tax: 2}, prefers: {nothing: 1}, no_answer: 0.6, refuse: 0.6, count: 1}
  - {name: agent, count: 1, staff: {counts: [1]}}
  - {name: team1, count: 1, ring: never, shifts: [{starts: "22:00", ends: "06:00"}]}
  - {name: plan, staff: {counts: [1]}, breaks: [{starts: "12:00", length_s: 60}]}
expect:
  - {metric: joy, value: 1, queue: q, group: g, period: 2}
""")
    expected = [
        ("2:9", "there is no policy 'magic'"),
        ("3:11", "there is no weight 'charm'"),
        ("7:13", "no agent has the skill 'chinese'"),
        ("7:25", "no agent has 'tax' at level 3"),
        ("8:17", "there is no group 'ghosts'"),
        ("10:11", "the mean is infinite"),
        ("11:25", "has 3 entries for 2 periods"),
        ("12:21", "there is no group 'ghosts'"),
        ("13:16", "the probabilities exceed 1"),
        ("13:22", "there is no queue 'nowhere'"),
        ("14:11", "the name 'line' is taken"),
        ("16:11", "the mean is infinite"),
        ("18:47", "there is no queue 'nothing'"),
        ("18:69", "together exceed 1"),
        ("19:5", "either count"),
        ("19:12", "the name 'agent' is taken"),
        ("20:12", "must not end with a digit"),
        ("20:36", "the phone would ring for ever"),
        ("20:76", "ends before it starts"),
        ("21:5", "staff is a head count"),
        ("23:14", "there is no metric 'joy'"),
        ("23:36", "there is no queue 'q'"),
        ("23:46", "there is no group 'g'"),
        ("23:57", "there is no such period"),
    ]
    for place, words in expected:
        assert any(f"s.yaml:{place.split(':')[0]}:" in p and words in p for p in problems), (
            place,
            words,
            problems,
        )
    assert len(problems) == len(expected)


@pytest.mark.parametrize(
    ("duration", "why"),
    [
        ("{}", "exactly one kind of distribution, not 0"),
        ("{fixed_s: 1, never: true}", "exactly one kind of distribution, not 2"),
        ("{lognormal: {mean_s: 5}}", "mean_s and cv, or mu and sigma"),
        ("{uniform: {low_s: 5, high_s: 1}}", "low_s must not exceed"),
        ("{mixture: [{share: 0.5, of: 1}]}", "add up to 1"),
        ("{survival: [{at_s: 5, share: 0.5}, {at_s: 4, share: 0.4}]}", "rises in at_s"),
        ("{survival: [{at_s: 5, share: 0.5}, {at_s: 6, share: 0.6}]}", "never rises in share"),
        ("-4", "greater than or equal to 0"),
        ("soon", "must be seconds (a number without unit), never, or"),
    ],
)
def test_a_distribution_that_makes_no_sense_is_refused(duration: str, why: str) -> None:
    problems = refused(GOOD.replace("patience: 60", f"patience: {duration}"))
    assert len(problems) == 1
    assert problems[0].startswith("s.yaml:6:")
    assert why in problems[0]


@pytest.mark.parametrize("time", ["9:30", "09:60", "49:00", "noon", "0930"])
def test_a_time_of_day_that_is_none_is_refused(time: str) -> None:
    text = GOOD.replace("count: 2", f'count: 2, shifts: [{{starts: "{time}", ends: "18:00"}}]')
    assert any("time of day" in problem for problem in refused(text))


@pytest.mark.parametrize("other", ["first_day: 2026-02-30", "days: 0", "queues: []", "lines: 0"])
def test_values_out_of_range_are_refused(other: str) -> None:
    key = other.split(":", maxsplit=1)[0]
    text = (
        GOOD if key != "queues" else GOOD.split("queues:", maxsplit=1)[0] + "agents: [{name: a, count: 1}]\n"
    )
    assert refused(text + other + "\n")


def test_every_distribution_is_read_as_written() -> None:
    forms = {
        "{lognormal: {mean_s: 100, cv: 0.5}}": dist.Lognormal.of_mean(100_000.0, 0.5),
        "{uniform: {low_s: 1, high_s: 2}}": dist.Uniform(1000.0, 2000.0),
        "{gamma: {mean_s: 3, shape: 2}}": dist.Gamma(3000.0, 2.0),
        "{pareto: {scale_s: 3, index: 2.5}}": dist.Pareto(3000.0, 2.5),
        "never": dist.Never(),
        "{mixture: [{share: 0.1, of: 0}, {share: 0.9, of: {exponential: {mean_s: 1}}}]}": dist.Mixture(
            (0.1, 0.9), (dist.Fixed(0.0), dist.Exponential(1000.0))
        ),
        "{survival: [{at_s: 5, share: 0.5}]}": dist.Survival((5000.0,), (0.5,)),
    }
    for text, made in forms.items():
        assert read(GOOD.replace("patience: 60", f"patience: {text}"))[0].queues[0].patience == made
    lognormal = read(GOOD.replace("patience: 60", "patience: {lognormal: {mu: 4.784, sigma: 0.953}}"))[
        0
    ].queues[0]
    assert lognormal.patience.mean_ms == pytest.approx(188_200, rel=0.01)


def test_copies_are_named_and_their_volumes_spread() -> None:
    text = GOOD.replace("- name: line", "- name: firm\n    copies: 3\n    volumes: {low: 0.5, high: 1.5}")
    queues = read(text)[0].queues
    assert [q.name for q in queues] == ["firm-1", "firm-2", "firm-3"]
    assert [q.arrivals.per_hour[0] for q in queues] == [5, 10, 15]


def test_calls_per_month_scale_the_shape_of_the_day() -> None:
    text = GOOD.replace(
        "{per_hour: 10}", '{starts: "08:00", per_month: 7000, per_hour: [1, 3], weekday: {sat: 0, sun: 0}}'
    )
    arrivals = read(text)[0].queues[0].arrivals
    week = sum(arrivals.expected(dt.date(2026, 3, 2) + dt.timedelta(days=day)) for day in range(7))
    assert week * 365.25 / 7 / 12 == pytest.approx(7000)
    assert arrivals.rate_at(9 * HOUR_MS) == pytest.approx(3 * arrivals.rate_at(8 * HOUR_MS))


def test_a_line_that_grows_without_end_is_named() -> None:
    _, warnings = read(
        GOOD.replace("per_hour: 10", "per_hour: 90").replace("patience: 60", "patience: never")
    )
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "s.yaml:3:5: queues[0]: line: at 00:00 the callers bring 3.0 erlang for 2 agents"
    )
    assert "the line grows" in warnings[0]


def test_the_share_that_must_be_lost_is_named() -> None:
    _, warnings = read(GOOD.replace("per_hour: 10", "per_hour: 120"))
    assert "4.0 erlang for 2 agents: at least 50% of them will be lost" in warnings[0]


def test_callers_who_meet_nobody_are_counted() -> None:
    text = GOOD.replace("count: 2", 'count: 2, shifts: [{starts: "08:00", ends: "20:00"}]')
    _, warnings = read(text)
    assert "about 120 calls on the first day come while nobody" in warnings[0]
    night = GOOD.replace("count: 2", 'count: 2, shifts: [{starts: "20:00", ends: "44:00"}]')
    assert read(night)[1] == []
    staff = GOOD.replace("count: 2", 'staff: {starts: "06:00", counts: [1], stays: true}')
    assert "about 60 calls" in read(staff)[1][0]


def test_faults_of_phones_name_somebody_and_others_are_said_not_to_happen(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    centre = (
        "name: x\nqueues:\n  - {name: a, arrivals: {per_hour: 10}, talk: 60}\n"
        "agents:\n  - {name: home, count: 2, line: home}\nfaults:\n"
    )
    path.write_text(f"{centre}  - {{kind: phone_gone, at_s: 60, target: nobody}}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert ":7:" in str(caught.value)
    assert "no group and no agent 'nobody'" in str(caught.value)
    assert "for how many seconds" in str(caught.value)
    path.write_text(
        f"{centre}  - {{kind: phone_gone, at_s: 60, target: home2, for_s: 5}}\n  - {{kind: kill_router, at_s: 90}}\n"
    )
    scenario, warnings = load(path)
    assert [fault.target for fault in scenario.faults] == ["home2", ""]
    (warning,) = [w for w in warnings if "kill_router" in str(w)]
    assert ":8:" in str(warning)
    assert "bin/faults" in str(warning)
