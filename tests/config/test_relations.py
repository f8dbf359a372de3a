"""What must hold between the parts: each relation broken once, and the promises nobody can keep."""

import pytest

from tests.config_help import refused, warned

QUEUE = "queues:\n  sales: {{subscriber: shop, display_name: Shop{}}}\n"
AGENTS = (
    "agents:\n  101: {{name: Ann, device: 101, skills: {}}}\n  102: {{name: Bob, device: 102, skills: {}}}\n"
)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"queues": QUEUE.format(", needs: [{skill: tlak}]")},
            "queues.yaml:2:65: queues.sales.needs[0].skill: unknown skill 'tlak'; skills.yaml does not have it",
        ),
        (
            {"queues": QUEUE.format(", needs: [{skill: talk, min_level: 4}]")},
            "queues.yaml:2:57: queues.sales.needs[0]: no agent has skill 'talk' at level 4 or higher",
        ),
        (
            {"agents": AGENTS.format("{talk: 3, tlak: 1}", "{}")},
            "agents.yaml:2:57: agents.101.skills.tlak: unknown skill 'tlak'; skills.yaml does not have it",
        ),
        (
            {"queues": QUEUE.format(", announcements: calm")},
            (
                "queues.yaml:2:64: queues.sales.announcements: unknown announcement plan 'calm'; "
                "announcements.yaml does not have it"
            ),
        ),
        (
            {"queues": QUEUE.format(", max_wait_s: 30")},
            (
                "queues.yaml:2:61: queues.sales.max_wait_s: max_wait_s 30 must be longer than every_s 30 "
                "of announcement plan 'standard'"
            ),
        ),
        (
            {"numbers": "numbers: {+74951230001: sale}\n"},
            "numbers.yaml:1:25: numbers.+74951230001: points to queue 'sale', which queues.yaml does not have",
        ),
        (
            {"numbers": "numbers: {+7 495 123 00 01: sales, 84951230001: sales}\n"},
            "numbers.yaml:1:49: numbers.84951230001: the same number as '+7 495 123 00 01'",
        ),
        (
            {"agents": AGENTS.format("{talk: 3}", "{}").replace("device: 102", "device: 101")},
            "agents.yaml:3:28: agents.102.device: device '101' already belongs to agent '101'",
        ),
        (
            {"agents": "agents: {1: {name: A, kind: pstn, device: +79211234567, skills: {talk: 3}}}\n"},
            "agents.yaml:1:43: agents.1.device: an agent on a PSTN number needs asterisk.pstn_trunk in acd.yaml",
        ),
        (
            {
                "acd": "asterisk: {pstn_trunk: t}\n",
                "agents": "agent_defaults: {kind: pstn}\nagents: {1: {name: A, device: desk, skills: {talk: 3}}}\n",
            },
            "agents.yaml:2:31: agents.1.device: kind pstn needs a telephone number: digits with an optional leading +",
        ),
        (
            {"acd": "http: {port: 4573}\n"},
            "acd.yaml:1:14: http.port: port 4573 is already used by asterisk.agi.port",
        ),
        (
            {"queues": QUEUE.format(", needs: [{skill: talk, relax_after_s: 5, relaxed_level: 1}]")},
            "queues.yaml:2:57: queues.sales.needs[0]: relaxed_level must be below min_level",
        ),
    ],
)
def test_each_broken_relation_is_one_problem_at_its_place(tmp_path, changed, said):
    assert refused(tmp_path, **changed) == [said]


def test_skills_that_no_single_agent_joins_are_an_error(tmp_path):
    problems = refused(
        tmp_path,
        skills="skills: {talk: {display_name: T}, sing: {display_name: S}}\n",
        queues=QUEUE.format(", needs: [{skill: talk}, {skill: sing}]"),
        agents=AGENTS.format("{talk: 3}", "{sing: 3}"),
    )
    assert problems == [
        "queues.yaml:2:56: queues.sales.needs: no single agent has all these skills at these levels"
    ]


def test_a_mistake_in_the_defaults_is_shown_in_the_defaults_once(tmp_path):
    queues = "queue_defaults: {needs: [{skill: tlak}]}\n" + QUEUE.format("")
    assert refused(tmp_path, queues=queues) == [
        "queues.yaml:1:34: queue_defaults.needs[0].skill: unknown skill 'tlak'; skills.yaml does not have it"
    ]


def test_what_only_follows_from_another_mistake_is_not_said(tmp_path):
    """An agent with a bad level is left out; that nobody has the skill would be a second complaint."""
    problems = refused(
        tmp_path,
        agents="agents: {101: {name: Ann, device: 101, skills: {talk: 9}}}\n",
        queues=QUEUE.format(", x: 1"),
    )
    assert len(problems) == 2


def test_skills_that_cannot_be_read_blame_none_of_the_lines_that_use_them(tmp_path):
    assert refused(tmp_path, skills="skills: yes\n") == [
        "skills.yaml:1:9: skills: must be a mapping (key: value)"
    ]
    assert len(refused(tmp_path, skills="skills: {}\n")) == 2, "an empty list of skills is one that was read"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"queues": QUEUE.format(", promise: {share: 0.999}")}, "share 0.999 is a promise nobody can keep"),
        (
            {"queues": QUEUE.format(", promise: {threshold_s: 2}")},
            "threshold_s 2 is a promise nobody can keep",
        ),
        (
            {"queues": QUEUE.format(", ring_timeout_s: 25")},
            "one unanswered ring of 25 s already breaks the 20 s",
        ),
        (
            {"queues": QUEUE.format(", expected_calls_per_hour: 60, expected_talk_s: 120")},
            "2.0 erlang are expected, but only 1 agents can take these calls",
        ),
        (
            {"queues": QUEUE.format("") + "  other: {subscriber: s, display_name: O}\n"},
            "queues.other: no number leads to this queue",
        ),
        ({"numbers": "numbers: {+74951230001: sales, +70001112233: sales}\n"}, "no valid number in RU"),
        ({"acd": "asterisk: {ami: {host: pbx.example}}\n"}, "leaves this machine without TLS"),
        ({"acd": "mqtt: {host: 0.0.0.0}\n"}, "the built-in broker speaks no TLS"),
        ({"acd": "mqtt: {url: mqtt://broker.example:1883}\n"}, "screen-pops leave this machine without TLS"),
        ({"acd": "http: {host: 0.0.0.0}\n"}, "open to other machines without TLS"),
        ({"acd": "asterisk: {agi: {host: 0.0.0.0}}\n"}, "FastAGI has neither password nor encryption"),
        (
            {"agents": "agent_defaults: {reserve: 1}\n" + AGENTS.format("{talk: 3}", "{}")},
            "every agent is a reserve",
        ),
    ],
)
def test_each_doubtful_choice_is_one_warning_and_no_error(tmp_path, changed, said):
    found = warned(tmp_path, **changed)
    assert len(found) == 1
    assert said in found[0]


def test_a_broker_or_interface_with_tls_is_no_warning(tmp_path):
    acd = "mqtt: {url: mqtts://broker.example}\nhttp: {host: 0.0.0.0, certificate: c.pem, key: k.pem}\n"
    assert warned(tmp_path, acd=acd) == []
    assert warned(tmp_path, acd="mqtt: {url: 'mqtt://127.0.0.1:1884'}\n") == []
