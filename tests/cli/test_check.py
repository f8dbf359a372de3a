"""check-config and make-secrets: the whole truth in one go, and no secret ever printed."""

import json
import stat

from typer.testing import CliRunner

from acd.cli import main as cli
from acd.config.loading import load
from tests.config_help import write


def invoke(*arguments: str):
    return CliRunner().invoke(cli.app, list(arguments))


def test_a_good_configuration_is_summed_up_and_missing_secrets_are_warnings(tmp_path):
    result = invoke("check-config", "--config", str(write(tmp_path)))
    assert result.exit_code == 0
    assert "1 agents" in result.stdout
    assert "secrets/ami: No such file" in result.stderr
    assert "make-secrets" in result.stderr


def test_all_problems_are_printed_and_the_exit_code_is_two(tmp_path):
    write(tmp_path, acd="http: {port: x, prt: 1}\n", numbers="numbers: {1: nowhere}\n")
    result = invoke("check-config", "--config", str(tmp_path))
    assert result.exit_code == 2
    assert len([line for line in result.stderr.splitlines() if line.startswith(str(tmp_path))]) == 3
    assert "3 problems in" in result.stderr


def test_json_has_every_field_of_every_problem(tmp_path):
    write(tmp_path, acd="http: {port: x}\n")
    result = invoke("check-config", "--config", str(tmp_path), "--json")
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    assert answer["errors"] == [
        {
            "file": str(tmp_path / "acd.yaml"),
            "line": 1,
            "column": 14,
            "path": "http.port",
            "message": "must be a whole number",
        }
    ]
    good = json.loads(invoke("check-config", "--config", str(write(tmp_path)), "--json").stdout)
    assert good["ok"] is True
    assert good["summary"]["queues"] == 1


def test_overrides_are_checked_too(tmp_path):
    result = invoke(
        "check-config", "--config", str(write(tmp_path)), "--set", "http.port=0", "--set", "nonsense"
    )
    assert result.exit_code == 2
    assert "'nonsense' is not of the form a.b=value" in result.stderr


def test_make_secrets_creates_what_is_missing_for_the_owner_only(tmp_path):
    directory = write(tmp_path)
    state = load(directory).state_dir
    (state / "secrets").mkdir(parents=True)
    (state / "secrets" / "ami").write_text("mine\n")
    result = invoke("make-secrets", "--config", str(directory))
    assert result.exit_code == 0
    made = sorted(path.name for path in (state / "secrets").iterdir())
    assert made == ["ami", "http-token", "mqtt"]
    assert (state / "secrets" / "ami").read_text() == "mine\n", "an existing secret stays"
    token = state / "secrets" / "http-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text().strip()) >= 40
    assert token.read_text().strip() not in result.output
    assert "no such" not in invoke("check-config", "--config", str(directory)).stderr.casefold()
    assert invoke("make-secrets", "--config", str(directory)).stdout == "nothing to create\n"


def test_make_secrets_leaves_password_hashes_alone_and_says_what_it_cannot_do(tmp_path):
    agents = "agents: {1: {name: A, device: 1, skills: {talk: 3}, password_hash: {file: secrets/a1}}}\n"
    directory = write(tmp_path, agents=agents)
    assert invoke("make-secrets", "--config", str(directory)).exit_code == 0
    assert not (load(directory).state_dir / "secrets" / "a1").exists()
    (tmp_path / "file").write_text("")
    result = invoke("make-secrets", "--config", str(directory), "--set", "state_dir=file")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert invoke("make-secrets", "--config", str(tmp_path / "none")).exit_code == 2
