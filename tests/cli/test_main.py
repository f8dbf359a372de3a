"""The acd command in process: sub-commands load lazily, errors say what to do, exit codes are honest."""

import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

import acd.cli.api as api_module
from acd.cards.number import spoken
from acd.cli import main as cli
from acd.cli import tables
from acd.cli.api import Api
from acd.cli.cardtables import brief
from acd.config.loading import load
from acd.snapshot_json import Labels, encode
from tests.config_help import write
from tests.wallboard.board_help import agent, call, queue, snapshot

ROOT = Path(__file__).parents[2]
SNAPSHOT = snapshot(
    queues=(queue(waiting=1, longest_wait_ms=65_000),),
    agents=(
        agent(state="talking", call="c1"),
        agent("102", status="paused", pause_reason="lunch", reachable=False),
    ),
    calls=(call(), call("c2", state="waiting", ani="", agent=None, card_number="", position=1)),
    counters=(("late_outcome", 2),),
)
LABELS = Labels("Centre", {"sales": "Sales\x1b[31m"}, {"101": "Ann"}, ("mqtt: no broker",))


def invoke(*arguments: str):
    return CliRunner().invoke(cli.app, list(arguments))


@pytest.fixture
def daemon(monkeypatch):
    """Let a function answer instead of the network; the requests it saw are kept."""
    seen: list[httpx.Request] = []

    def install(handler):
        def remember(request):
            seen.append(request)
            return handler(request)

        def made(*arguments: object, **_options: object):
            return Api(*arguments[:2], transport=httpx.MockTransport(remember))

        monkeypatch.setattr(api_module, "Api", made)
        return seen

    return install


def test_help_lists_every_command_without_loading_other_rooms():
    code = (
        "import sys\nfrom acd.cli.main import app\n"
        "from typer.main import get_command\n"
        "try:\n    get_command(app)(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted(name for name in sys.modules if name in "
        "{'textual', 'pydantic', 'httpx', 'acd.config.loading', 'acd.wallboard.app'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    commands = (
        "run",
        "check-config",
        "status",
        "calls",
        "agents",
        "explain",
        "wallboard",
        "cards",
        "card",
        "agent",
    )
    for name in commands:
        assert f"\n  {name} " in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_command_shows_the_help_and_is_a_misuse():
    result = invoke()
    assert result.exit_code == 2
    assert "check-config" in result.stdout
    assert invoke("nonsense").exit_code == 2


def test_a_sub_command_of_another_room_is_resolved_when_called(monkeypatch):
    other = typer.Typer()

    @other.command()
    def hello(name: str) -> None:
        typer.echo(f"hello {name}")

    module = type(sys)("a_room_of_its_own")
    module.app, module.plain = other, hello
    monkeypatch.setitem(sys.modules, "a_room_of_its_own", module)
    monkeypatch.setitem(cli.SUB_COMMANDS, "greet", ("a_room_of_its_own:app", "An application"))
    monkeypatch.setitem(cli.SUB_COMMANDS, "plain", ("a_room_of_its_own:plain", "A function"))
    assert invoke("greet", "Ann").stdout == "hello Ann\n"
    assert invoke("plain", "Bob").stdout == "hello Bob\n"


def test_run_hands_directory_and_overrides_to_the_daemon(monkeypatch, tmp_path):
    told = []
    module = type(sys)("acd.daemon")
    module.run = lambda directory, overrides: told.append((directory, overrides)) or 3
    monkeypatch.setitem(sys.modules, "acd.daemon", module)
    result = invoke("run", "--config", str(tmp_path), "--set", "a.b=1", "--set", "c=2")
    assert told == [(tmp_path, ("a.b=1", "c=2"))]
    assert result.exit_code == 3


def test_status_shows_queues_with_their_formula_and_what_is_degraded(daemon):
    daemon(lambda _: httpx.Response(200, json=encode(SNAPSHOT, LABELS)))
    result = invoke("status")
    assert result.exit_code == 0, result.output
    for piece in (
        "Centre",
        "sl_of_offered",
        "90%, 80%/20s",
        "aband.",
        "1:05",
        "offered 10 = answered 9 + abandoned 1 + fallback or voice mail 0 + left otherwise 0",
        "degraded: mqtt: no broker",
        "what to do: config/troubles.md",
        "late_outcome 2",
    ):
        assert piece in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.slow
def test_calls_and_agents_are_tables_with_names(daemon, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    daemon(lambda _: httpx.Response(200, json=encode(SNAPSHOT, LABELS)))
    calls, agents = invoke("calls").stdout, invoke("agents").stdout
    assert spoken("1042-7") in calls
    assert "Sales[31m" in calls
    assert "Ann" in calls
    assert "paused: lunch" in agents
    assert "NO" in agents


def test_json_is_the_resource_as_the_daemon_gave_it(daemon):
    seen = daemon(lambda request: httpx.Response(200, json={"asked": request.url.path}))
    for name in ("calls", "agents"):
        assert json.loads(invoke(name, "--json").stdout) == {"asked": f"/api/v1/{name}"}
    assert json.loads(invoke("status", "--json").stdout) == {"asked": "/api/v1/snapshot"}
    assert len(seen) == 3


def test_explain_prints_one_line_per_reason(daemon):
    seen = daemon(lambda _: httpx.Response(200, json={"lines": ["101 lacks english", "102 rings\x1b[0m"]}))
    result = invoke("explain", "../x y")
    assert result.stdout == "101 lacks english\n102 rings[0m\n"
    assert seen[0].url.raw_path == b"/api/v1/calls/..%2Fx%20y/explain"


def refuse(_request):
    raise httpx.ConnectError("refused")


def slow(_request):
    raise httpx.ReadTimeout("slow")


@pytest.mark.parametrize(
    ("handler", "said", "hint"),
    [
        (refuse, "does not answer at http://127.0.0.1:8088", "start it with `bin/acd run`"),
        (slow, "ReadTimeout", "daemon's log"),
        (lambda _: httpx.Response(401), "refuses the token", "--token-file"),
        (lambda _: httpx.Response(404), "not found", "bin/acd calls"),
        (lambda _: httpx.Response(503), "answers 503", "daemon's log"),
        (lambda _: httpx.Response(200, text="<html>"), "does not speak our API", "another service"),
        (lambda _: httpx.Response(200, json={"v": 7}), "not an answer of ours", "one version"),
    ],
)
def test_every_failure_says_what_to_do(daemon, handler, said, hint):
    daemon(handler)
    result = invoke("status", "--config", str(ROOT / "config"))
    assert result.exit_code == 1
    assert said in result.stderr
    assert hint in result.stderr
    assert "Traceback" not in result.output


def test_a_broken_configuration_does_not_hide_how_to_reach_the_daemon(tmp_path):
    write(tmp_path, acd="http: {port: x}\n")
    result = invoke("status", "--config", str(tmp_path))
    assert result.exit_code == 1
    assert "acd.yaml:1:14: http.port: must be a whole number" in result.stderr
    assert "--url" in result.stderr


def test_a_token_file_that_is_no_text_is_an_error_in_words(daemon, tmp_path):
    seen = daemon(lambda _: httpx.Response(200, json=encode(SNAPSHOT)))
    (tmp_path / "t").write_bytes("ключ".encode())
    result = invoke("status", "--url", "http://127.0.0.1:1", "--token-file", str(tmp_path / "t"))
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
    assert not seen


@pytest.mark.parametrize("url", ["nonsense", "http://[", "http://127.0.0.1:99999999", "ftp://x", ""])
def test_an_impossible_address_is_an_error_in_words(url):
    for command in (["status"], ["wallboard", "--once"]):
        result = invoke(*command, "--url", url)
        assert result.exit_code == 1, result.output
        assert "Traceback" not in result.output
        assert isinstance(result.exception, SystemExit)


def test_the_token_of_the_configuration_is_sent(daemon, tmp_path):
    directory = write(tmp_path)
    token = load(directory).state_dir / "secrets" / "http-token"
    token.parent.mkdir(parents=True)
    token.write_text("s3cret\n")
    seen = daemon(lambda _: httpx.Response(200, json=encode(SNAPSHOT)))
    assert invoke("status", "--config", str(directory)).exit_code == 0
    assert seen[0].headers["authorization"] == "Bearer s3cret"


def test_ids_are_cut_to_what_tells_them_apart_and_explain_takes_what_is_shown():
    from acd.cli.tables import short_ids

    one, two, odd = "0f8c2b1e-aaaa-4444", "0f8c2b1e-bbbb-4444", "77aa0000-cccc-4444"
    assert short_ids([one, two, odd, one]) == {one: "0f8c2b1e-a", two: "0f8c2b1e-b", odd: "77aa0000"}
    assert short_ids(["short"]) == {"short": "short"}


def test_a_table_at_80_columns_keeps_numbers_whole_and_leaves_the_least_important_out():
    heads = ("card!", "subscriber", "caller!", "wait>", "?agent!", "?subject")
    row = ("10 256 3", "Юридическая фирма «Консул»", "+79161234567", "0:00", "101", "a word " * 9)
    shown = {}
    for room in (55, 80, 200):
        out = Console(width=room, file=io.StringIO(), force_terminal=False)
        out.print(tables.table("T", heads, [row], room))
        shown[room] = out.file.getvalue()
        assert "10 256 3" in shown[room]
        assert "+79161234567" in shown[room]
        assert max(map(len, shown[room].splitlines())) <= room
    assert "subject" not in shown[55]
    assert "101" in shown[55]
    assert "subject" in shown[80]


def test_moments_are_as_short_as_they_can_be():
    noon = round(datetime(2026, 11, 26, 12, 0).astimezone().timestamp() * 1000)
    day = 86_400_000
    assert [brief(at, noon) for at in (noon, noon - 2 * day, noon - 400 * day, None)] == [
        "12:00",
        "11-24 12:00",
        "2025-10-22",
        "–",
    ]
