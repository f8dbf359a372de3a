"""Rules that cannot mean what they say are named at load, all at once, with file, line and column."""

import pytest

from acd.config.loading import Config
from acd.core.rules import Deed
from tests.config_help import loaded, refused, warned

SKILLS = (
    "skills:\n  talk: {display_name: Talking}\n  law: {display_name: Law}\n  gold: {display_name: Gold}\n"
)
AGENTS = (
    "agents:\n  101: {name: Ann, device: 101, skills: {talk: 3, law: 2}}\n"
    "  102: {name: Bob, device: 102, skills: {talk: 3}}\n"
)
QUEUES = """\
queues:
  sales:
    subscriber: shop
    display_name: Shop
    needs: [{{skill: talk, min_level: 2}}]
    rules:
{}
  desk: {{subscriber: shop, display_name: Desk{}}}
"""
NUMBERS = "numbers:\n  +74951230001: sales\n  +74951230002: desk\n"


def files(*rules: str, desk: str = "") -> dict[str, str]:
    text = "\n".join(f"      - {{{rule}}}" for rule in rules)
    return {"queues": QUEUES.format(text, desk), "skills": SKILLS, "agents": AGENTS, "numbers": NUMBERS}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("when: waited >= 3, do: voicemail", "7:16: queues.sales.rules[0].when: unknown fact 'waited'"),
        ("when: open and dept > 3, do: voicemail", "7:25: queues.sales.rules[0].when: unknown fact 'dept'"),
        ("when: open, do: drop_skil law", "7:26: queues.sales.rules[0].do: unknown action 'drop_skil'"),
        ("when: open, do: [voicemail, jump]", "7:38: queues.sales.rules[0].do[1]: unknown action 'jump'"),
        ("when: depth > 2, do: overflow nowhere", "unknown queue 'nowhere': the caller could not be moved"),
        ("when: open, do: drop_skill tlak", "7:37: queues.sales.rules[0].do: unknown skill 'tlak'"),
        (
            "when: open, do: add_skill law 3",
            "no agent has skill 'law' at level 3: the caller would wait for nobody",
        ),
        (
            "when: depth > 5 and depth < 3, do: offer_callback",
            "never applies: depth cannot be all of that at once",
        ),
        (
            "when: depth > 5 and depth < 6, do: offer_callback",
            "never applies: depth cannot be all of that at once",
        ),
        (
            "when: waited_s > 9 and waited_s < 8, do: fallback",
            "never applies: waited_s cannot be all of that",
        ),
        ("when: open and closed, do: voicemail", "never applies: open cannot be all of that at once"),
        (
            "when: waited_s >= 600, do: voicemail",
            "never applies: after max_wait_s 600 the caller goes to the fallback",
        ),
        ("when: depth > 200, do: voicemail", "never applies: max_waiting is 200, more callers are refused"),
        (
            "when: open, do: [voicemail, announce x]",
            "is never done: after voicemail the caller has left the queue",
        ),
        ("when: open, do: voicemail, every_s: 5", "does nothing: after the first time the caller has left"),
        (
            "when: open, do: [drop_skill law, add_skill law 2]",
            "contradiction: drop_skill law and add_skill law 2",
        ),
        (
            "when: open, do: [set_priority 2, set_priority 3]",
            "contradiction: set_priority 2 and set_priority 3",
        ),
        ("when: open, do: overflow sales", "moved in a circle: sales → sales"),
        ("when: open, do: voicemail, evry_s: 5", "unknown key; did you mean 'every_s'?"),
    ],
)
def test_each_mistake_is_named_where_it_stands(tmp_path, rule: str, said: str):
    problems = refused(tmp_path, **files(rule))
    assert len(problems) == 1, problems
    assert problems[0].startswith("queues.yaml:7:")
    assert said in problems[0]


def test_two_rules_of_one_condition_with_opposite_actions(tmp_path):
    problems = refused(
        tmp_path,
        **files(
            "when: waited_s >= 9 and open, do: drop_skill talk",
            "when: open and waited_s >= 9, do: lower_skill talk 1",
        ),
    )
    assert problems == [
        (
            "queues.yaml:8:44: queues.sales.rules[1].do: contradiction: drop_skill talk and lower_skill talk 1; "
            "the other rule stands in line 7, same condition"
        )
    ]


@pytest.mark.parametrize(
    "rules",
    [
        ("when: depth > 3, do: voicemail", "when: depth > 5 and open, do: offer_callback"),
        ("when: waited_s >= 60, do: announce x", "when: waited_s >= 30, do: voicemail"),
    ],
)
def test_a_rule_behind_one_that_leads_the_caller_away_never_applies(tmp_path, rules: tuple[str, str]):
    problems = refused(tmp_path, **files(*rules))
    assert len(problems) == 1
    assert "never applies: by then the rule of line" in problems[0]
    assert "has led the caller away (voicemail)" in problems[0]


def test_callers_moved_in_a_circle(tmp_path):
    desk = ", rules: [{when: depth > 9, do: overflow sales}]"
    problems = refused(tmp_path, **files("when: depth > 3, do: overflow desk", desk=desk))
    assert [p.split(": ", 2)[2] for p in problems] == [
        "the caller would be moved in a circle: sales → desk → sales",
        "the caller would be moved in a circle: desk → sales → desk",
    ]


def test_many_mistakes_come_at_once(tmp_path):
    problems = refused(
        tmp_path,
        **files("when: waited >= 3 and dept = 0, do: [jump, overflow x]", "when: open, do: drop_skill tlak"),
    )
    assert len(problems) == 5


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("when: logged_in > 2, do: raise_priority 2", "only 2 agents can ever take calls of 'sales'"),
        ("when: closed, do: voicemail", "never applies: queue 'sales' is always open"),
        ("when: waited_s >= 5, do: drop_skill law", "queue 'sales' does not need 'law'"),
        ("when: waited_s >= 5, do: lower_skill talk 2", "does nothing: queue 'sales' needs only level 2"),
        (
            "when: waited_s >= 5, do: open_reserve 1",
            "does nothing: no agent of reserve 1 can take calls of 'sales'",
        ),
    ],
)
def test_what_will_not_help_is_a_warning(tmp_path, rule: str, said: str):
    found = warned(tmp_path, **files(rule))
    assert len(found) == 1, found
    assert said in found[0]


def rules(config: Config, queue: str) -> list[str]:
    return [rule.name for rule in next(q for q in config.policy.queues if q.id == queue).rules]


def test_a_queues_own_rules_come_before_the_defaults(tmp_path):
    own = files("name: mine, when: depth > 3, do: offer_callback", desk=", default_rules: false")
    config = loaded(tmp_path, **own)
    assert rules(config, "sales") == ["mine", "nobody logged in"]
    assert rules(config, "desk") == []
    defaults = "queue_defaults:\n  rules: [{name: all, when: waited_s >= 90, do: voicemail}]\n"
    config = loaded(tmp_path, **{**own, "queues": defaults + own["queues"]})
    assert rules(config, "sales") == ["mine", "all"]


def test_a_mistake_in_the_defaults_is_told_once(tmp_path):
    changed = files("when: depth > 3, do: offer_callback")
    changed["queues"] = "queue_defaults:\n  rules: [{when: wait > 3, do: voicemail}]\n" + changed["queues"]
    assert refused(tmp_path, **changed) == [
        "queues.yaml:2:18: queue_defaults.rules[0].when: unknown fact 'wait'; did you mean 'waited_s'?"
    ]


def test_nobody_waits_for_people_who_are_not_there(tmp_path):
    """The built-in rule: what a caller would want where nothing is configured."""
    config = loaded(tmp_path)
    (rule,) = config.policy.queues[0].rules
    assert (rule.from_ms, [a.deed for a in rule.actions]) == (20_000, [Deed.VOICEMAIL])


def test_windows_are_collected_for_the_clock(tmp_path):
    config = loaded(tmp_path, **files("when: during mon-fri 12:00-13:00 and depth > 2, do: offer_callback"))
    assert list(config.windows) == ["mon-fri 12:00-13:00"]


def test_a_queue_has_at_most_a_hundred_rules_and_a_thousand_are_refused_at_once(tmp_path):
    """A thousand took a minute and a half to check, and every caller would be held against each of them."""
    text = ["      - {when: waited_s >= 5, do: announce acd/sorry}"] * 1_000
    (problem,) = refused(tmp_path, **{**files(), "queues": QUEUES.format("\n".join(text), "")})
    assert problem == "queues.yaml:7:7: queues.sales.rules: must have at most 100 entries"


def test_defaults_are_held_against_each_other_once_and_against_every_queues_own(tmp_path):
    rules = "{when: depth > 9, do: voicemail}, {when: depth > 9, do: fallback}"
    own = "{subscriber: shop, display_name: X, rules: [{when: depth > 9, do: offer_callback}]}"
    text = f"queue_defaults: {{rules: [{rules}]}}\nqueues:\n  sales: {own}\n  desk: {own}\n"
    problems = refused(tmp_path, **{**files(), "queues": text})
    assert [p.split(": ")[0] for p in problems] == ["queues.yaml:1:67"]
    again = text.replace("offer_callback", "voicemail")
    assert len(refused(tmp_path, **{**files(), "queues": again})) == 5


def test_a_long_circle_is_found_quickly_and_told_briefly(tmp_path):
    """A circle of 1,500 queues took 80 s, and its problems 10 MB."""
    count = 600
    queues = "".join(
        f"  q{n}: {{subscriber: s, display_name: Q, rules: [{{when: waited_s >= 5, do: overflow q{(n + 1) % count}}}]}}\n"
        for n in range(count)
    )
    problems = refused(tmp_path, queues="queues:\n" + queues, numbers="numbers:\n  7001: q0\n")
    assert len(problems) == count
    assert max(map(len, problems)) < 250
    assert "q0 → q1 → q2 → q3 → q4 → q5 → q6 → q7 → q8 → q9 → … → q0" in problems[0]
