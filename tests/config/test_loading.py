"""The configuration as a whole: the sample works, ten mistakes are ten problems, order of layers, secrets."""

import dataclasses
from pathlib import Path

import pytest

from acd.config.loading import FILES, Tree, load
from acd.config.rules import BUILT_IN, rules_of
from acd.config.strict_yaml import ConfigError
from acd.config.system import SecretReference
from acd.core.ids import AgentId, QueueId
from acd.core.policy import AgentPolicy, Policy, QueuePolicy, RoutingWeights
from tests.config_help import loaded, refused, write

SAMPLE = Path(__file__).parents[2] / "config"


def test_the_sample_centre_works_out_of_the_box_on_loopback():
    config = load(SAMPLE)
    assert not config.warnings
    assert len(config.policy.queues) == 9
    assert len(config.policy.agents) == 8
    assert {config.tree.http.host, config.tree.asterisk.ami.host, config.tree.mqtt.host} == {"127.0.0.1"}
    for queue in config.tree.queues.values():
        assert queue.subscriber
    assert {agent.kind for agent in config.tree.agents.values()} == {"office", "home", "pstn"}


def test_a_configuration_with_ten_mistakes_gives_ten_problems_with_their_places(tmp_path):
    """Issue 2, bad input: form, meaning and relations come out in one go."""
    problems = refused(
        tmp_path,
        acd="centre: {time_zone: Europe/Moskow}\nhttp: {prt: 8080}\n",
        queues=(
            "queues:\n"
            "  sales: {subscriber: shop, display_name: Shop, promise: {share: 80}}\n"
            "  desk: {subscriber: shop, display_name: Desk, ring_timeout_s: 60, max_wait_s: 50}\n"
            "  sales: {subscriber: shop, display_name: Again}\n"
            "  help: {subscriber: shop, display_name: Help, opening: {week: {mon: 9-18}}}\n"
        ),
        agents="agents:\n  101: {name: Ann, device: 101, skills: {talk: 9}}\n  10-2: {name: Bob, device: 102}\n",
        numbers="numbers:\n  +74951230001: sales\n  8 495 123-00-01: desk\n  7001: nowhere\n",
    )
    places = [problem.split(": ")[:2] for problem in problems]
    assert places == [
        ["acd.yaml:1:21", "centre.time_zone"],
        ["acd.yaml:2:8", "http.prt"],
        ["agents.yaml:2:48", "agents.101.skills.talk"],
        ["agents.yaml:3:3", "agents.10-2"],
        ["numbers.yaml:3:20", "numbers.'8 495 123-00-01'"],
        ["numbers.yaml:4:9", "numbers.7001"],
        ["queues.yaml:2:66", "queues.sales.promise.share"],
        ["queues.yaml:3:64", "queues.desk.ring_timeout_s"],
        ["queues.yaml:4:3", "queues.sales"],
        ["queues.yaml:5:70", "queues.help.opening.week.mon"],
    ]


def test_a_mistake_in_conf_d_is_shown_there_and_hides_no_other(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.yaml").write_text(
        "queues:\n  sales:\n"
        "    opening: {week: {mon-fri: 09:00-18:00, sunn: closed, sat: 9-13, fri: closed}, except: {2027-02-30: x}}\n",
        encoding="utf-8",
    )
    queues = "queues:\n  sales: {subscriber: shop, display_name: Shop, opening: {week: {mon: 09:00-18:00}}}\n"
    problems = refused(tmp_path, queues=queues)
    assert [problem.split(": ")[0] for problem in problems] == [
        f"conf.d/10.yaml:3:{n}" for n in (22, 44, 63, 69, 92, 104)
    ]
    assert "mon stands twice" in problems[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("promise: {threshold_s: 20s}", "must be a number, written without unit: 20"),
        ('promise: {threshold_s: "20"}', "must be a number, written without quotes: 20"),
    ],
)
def test_a_number_with_a_unit_or_in_quotes_is_told_how_to_be_written(tmp_path, changed, said):
    queues = f"queues:\n  sales: {{subscriber: shop, display_name: Shop, {changed}}}\n"
    assert said in refused(tmp_path, queues=queues)[0]


def test_a_secret_in_the_configuration_is_told_where_to_go(tmp_path):
    (problem,) = refused(tmp_path, acd="state_dir: state\nmqtt: {password: geheim}\n")
    assert "{file: secrets/NAME}" in problem
    assert "geheim" not in problem


def test_each_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert {Path(problem.file).name for problem in caught.value.problems} == set(FILES)


def test_a_section_in_the_wrong_file_is_sent_home(tmp_path):
    problems = refused(tmp_path, skills="skills: {talk: {display_name: T}}\nhttp: {port: 1}\n")
    assert problems == ["skills.yaml:2:1: http: belongs in acd.yaml"]


def test_later_layers_win_and_lists_are_replaced_whole(tmp_path):
    directory = write(tmp_path)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "20-b.yaml").write_text("http: {port: 9002}\nlog: {level: debug}\n")
    (tmp_path / "conf.d" / "10-a.yaml").write_text(
        "http: {port: 9001}\nqueues: {sales: {needs: [], max_waiting: 7}}\n"
    )
    config = load(directory)
    assert config.tree.http.port == 9002, "later names win"
    assert config.tree.queues["sales"].needs == ()
    assert config.tree.queues["sales"].max_waiting == 7
    assert config.tree.queues["sales"].display_name == "Shop", "mappings join key by key"
    assert load(directory, ["http.port=9003"]).tree.http.port == 9003, "the command line is last"


def test_a_mistake_in_conf_d_or_on_the_command_line_is_shown_there(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10.yaml").write_text("http: {port: x}\n")
    assert refused(tmp_path, "queues.sales.max_waiting=0") == [
        "--set:1:1: queues.sales.max_waiting: must be greater than or equal to 1",
        "conf.d/10.yaml:1:14: http.port: must be a whole number",
    ]


def test_defaults_lie_under_every_queue_and_agent_but_what_is_written_wins(tmp_path):
    config = loaded(
        tmp_path,
        queues=(
            "queue_defaults: {promise: {share: 0.9, threshold_s: 15}, wrap_up_s: 30, needs: [{skill: talk}]}\n"
            "queues:\n"
            "  a: {subscriber: s, display_name: A, promise: {threshold_s: 25}}\n"
            "  b: {subscriber: s, display_name: B, wrap_up_s: 120, needs: []}\n"
        ),
        agents="agent_defaults: {kind: home, rna_limit: 3}\nagents: {1: {name: X, device: x, skills: {talk: 1}}}\n",
        numbers="numbers: {1: a, 2: b}\n",
    )
    a, b = (config.queue(QueueId(name)) for name in "ab")
    assert (a.promise.share, a.promise.threshold_s) == (0.9, 25), "a promise is joined key by key"
    assert (a.wrap_up_s, b.wrap_up_s) == (30, 120), "120 is the built-in default, yet it was written"
    assert (len(a.needs), len(b.needs)) == (1, 0)
    assert config.tree.agents["1"].kind == "home"
    assert config.policy.agents[0].rna_limit == 3


def test_the_core_gets_every_number_in_its_own_units(tmp_path):
    config = loaded(
        tmp_path,
        acd="routing: {reservation_s: 9.5, weights: {idle: 0.7, hard_limit_ms: 30000}}\n",
        queues=(
            "queues: {q: {subscriber: s, display_name: Q, priority: 2, ring_timeout_s: 10.5, expected_calls_per_hour: 36,\n"
            " needs: [{skill: talk, min_level: 3, relax_after_s: 10, relaxed_level: 1}]}}\n"
        ),
        numbers="numbers: {1: q}\n",
    )
    queue: QueuePolicy = config.policy.queues[0]
    assert (queue.ring_timeout_ms, queue.wrap_up_ms, queue.priority) == (10_500, 120_000, 2.0)
    assert queue.expected_calls_per_s == pytest.approx(0.01)
    assert dataclasses.astuple(queue.needs[0]) == ("talk", 3, 10_000, 1)
    assert config.policy.reservation_ms == 9_500
    assert (config.policy.weights.idle, config.policy.weights.hard_limit_ms) == (0.7, 30_000)
    assert config.policy.agents == (AgentPolicy(id=AgentId("101"), skills=(("talk", 3),)),)


def test_defaults_agree_with_the_core(tmp_path):
    """One default in two places would drift."""
    config = loaded(
        tmp_path, queues="queues: {q: {subscriber: s, display_name: Q}}\n", numbers="numbers: {1: q}\n"
    )
    assert config.policy == Policy(
        queues=(QueuePolicy(id=QueueId("q"), subscriber="s", rules=rules_of(BUILT_IN)),),
        agents=config.policy.agents,
        weights=RoutingWeights(),
    )


def test_every_number_of_the_core_can_be_configured(tmp_path):
    """A new field of the policy that nobody can set would be a hidden constant."""
    changed = load(
        write(
            tmp_path,
            acd=(
                "routing: {offer_confirm_ms: 1, skip_ms: 2, phone_rest_ms: 3, fallback_retry_ms: 4, "
                "reservation_s: 5, card_close_s: 6}\n"
            ),
            announcements="announcements: {standard: {every_s: 7}}\n",
        )
    ).policy
    derived = {"queues", "agents", "weights"}
    for item in dataclasses.fields(Policy):
        assert item.name in derived or getattr(changed, item.name) != item.default, item.name


def test_every_weight_of_the_core_can_be_configured():
    fields = {item.name for item in dataclasses.fields(RoutingWeights)}
    assert set(Tree.model_fields["routing"].default.weights.model_dump()) == fields


def test_a_dialled_number_is_found_in_any_usual_writing(tmp_path):
    config = loaded(
        tmp_path, numbers="numbers: {8 (495) 123-00-01: sales, 7001: {queue: sales, language: en}}\n"
    )
    for dialled in ("+74951230001", "84951230001", "74951230001", "4951230001"):
        found = config.route(dialled)
        assert found is not None
        assert found[0] == "+74951230001"
    short = config.route("7001")
    assert short is not None
    assert short[1].language == "en"
    for unknown in ("+74951230002", "", "anonymous", "7001; rm -rf", "٧٠٠١", "+" * 50, "1" * 400):
        assert config.route(unknown) is None


def test_agents_are_dialled_by_their_kind(tmp_path):
    config = loaded(
        tmp_path,
        acd="asterisk: {pstn_trunk: provider}\n",
        agents=(
            "agents:\n  1: {name: A, device: 101, skills: {talk: 3}}\n  2: {name: B, kind: pstn, device: +79211234567}\n"
            "  3: {name: C, kind: home, device: PJSIP/far}\n"
        ),
    )
    dialled = [config.dial(AgentId(name)) for name in "123"]
    assert dialled == ["PJSIP/101", "PJSIP/+79211234567@provider", "PJSIP/far"]
    assert [config.press_one(AgentId(name)) for name in "123"] == [False, True, False]


@pytest.mark.parametrize("device", ["101&102", "101,30", "PJSIP/1/2", "SIP/1", "${EVIL}", "a b", "101\nx"])
def test_a_device_that_could_inject_into_dial_is_refused(tmp_path, device):
    """Security 7: patterns pass & and / into Dial."""
    text = f"agents:\n  101: {{name: Ann, device: {device!r}, skills: {{talk: 3}}}}\n"
    assert len(refused(tmp_path, agents=text)) == 1


def test_secrets_come_from_files_and_never_show_in_representations(tmp_path):
    config = loaded(tmp_path)
    secret = config.state_dir / "secrets" / "ami"
    secret.parent.mkdir(parents=True)
    secret.write_text("hunter2\n")
    held = config.secret(config.tree.asterisk.ami.secret, "asterisk.ami.secret")
    assert held.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(held) + str(held) + repr(config)


def test_a_missing_secret_says_which_key_wants_it(tmp_path):
    config = loaded(
        tmp_path, acd="state_dir: s\nasterisk:\n  ami: {secret: {env: ACD_TEST_NO_SUCH_VARIABLE}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        config.secret(config.tree.asterisk.ami.secret, "asterisk.ami.secret")
    assert str(caught.value).endswith(
        "acd.yaml:3:17: asterisk.ami.secret: environment variable ACD_TEST_NO_SUCH_VARIABLE is missing or empty"
    )


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(tmp_path):
    problems = refused(tmp_path, acd="asterisk: {ami: {secret: hunter2}}\n")
    assert len(problems) == 1
    assert "hunter2" not in problems[0]


@pytest.mark.parametrize("text", ["{}", "{file: a, env: B}", "{file: null}"])
def test_a_secret_is_named_by_exactly_one_of_three(tmp_path, text):
    problems = refused(tmp_path, acd=f"asterisk: {{ami: {{secret: {text}}}}}\n")
    assert problems == [
        "acd.yaml:1:26: asterisk.ami.secret: a secret is named by exactly one of file, env or credential"
    ]


def test_systemd_credentials_are_read_from_their_directory(tmp_path, monkeypatch):
    reference = SecretReference(credential="ami")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "ami").write_text("s3cret")
    assert reference.resolve(Path("/nonexistent")).get_secret_value() == "s3cret"


def test_the_configuration_cannot_be_changed(tmp_path):
    config = loaded(tmp_path)
    with pytest.raises(Exception, match="frozen"):
        config.tree.http.port = 1
    with pytest.raises(TypeError):
        config.numbers["1"] = None


@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[" * 5000, b"- 1\n- 2\n", b"just text", b"a: &a [*a, *a]"]
)
def test_no_content_of_any_file_gives_anything_but_problems(tmp_path, name, content):
    write(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert any(Path(problem.file).name == name for problem in caught.value.problems)


def test_a_name_the_file_system_refuses_is_a_problem_like_any_other(tmp_path):
    (problem,) = refused(tmp_path, acd=f"projects: {'a' * 300}\n")
    assert problem.startswith("acd.yaml:1:11: projects: there is no directory")
    wanted = f"routing: {{weights: {{auto: true}}, weights_file: {'a' * 300}}}\n"
    assert "File name too long" in refused(tmp_path, acd=wanted)[0]
