"""What a lab tells a person to type next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from acd.config.loading import load
from simulator.lab import __main__ as command
from simulator.lab.errors import LabError
from simulator.lab.instance import Lab
from simulator.lab.trial import next_steps, run_line, sample_agents

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path(__file__).parents[3] / "config"


def test_the_line_for_the_daemon_is_one_its_configuration_takes(tmp_path: Path) -> None:
    lab = Lab("try", folder=tmp_path)
    words = shlex.split(run_line(lab))
    assert words[:2] == ["bin/acd", "run"]
    config = load(SAMPLE, words[3::2])
    assert config.tree.asterisk.ami.port == lab.ports.ami
    assert config.tree.asterisk.agi.port == lab.ports.agi
    assert config.tree.asterisk.ami.secret.path(config.state_dir) == lab.run / "router.secret"
    assert config.state_dir == (lab.run / "acd").resolve()


def test_the_sample_agents_are_those_of_the_sample_and_may_take_the_call_of_the_steps(tmp_path: Path) -> None:
    agents = sample_agents(2)
    config = load(SAMPLE)
    assert {agent.id for agent in agents} <= set(config.tree.agents)
    assert [agent.target for agent in agents] == [config.dial(agent.id) for agent in agents]  # type: ignore[arg-type]
    assert len({agent.contact.rpartition(":")[2] for agent in agents}) == 1, "one SIPp is all of them"
    steps = next_steps(Lab("try", agents=agents, folder=tmp_path))
    route = config.route(steps.split(" call ")[1].split()[0])
    assert route is not None
    needs = config.queue(route[1].queue).needs  # type: ignore[arg-type]
    skills = config.tree.agents[agents[0].id].skills
    assert all(skills.get(need.skill, 0) >= need.min_level for need in needs)
    assert "bin/lab --name try phones" in steps


@pytest.mark.parametrize("count", [0, 9])
def test_more_phones_than_the_sample_has_agents_are_refused(count: int) -> None:
    with pytest.raises(LabError, match="1 to 8"):
        sample_agents(count)


class Running(Lab):
    """A lab whose console says what it is told."""

    said = ""

    @property
    def pid(self) -> int:
        return 1

    def console(self, command: str) -> str:
        """Answer."""
        return f"{self.said}{command}"


def test_a_refused_console_command_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = Running("try", folder=tmp_path)
    monkeypatch.setattr(command.Lab, "attach", lambda _name: lab)

    def ends(main: Callable[[], None], *words: str) -> object:
        monkeypatch.setattr("sys.argv", ["lab", "--name", "try", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code

    assert ends(command.main, "console", "core", "show", "version") == 0
    lab.said = "No such command "
    assert ends(command.main, "console", "nonsense") == 1
    monkeypatch.setattr(command.Lab, "attach", lambda _name: None)
    assert ends(command.main, "console", "x") == 2
    assert "bin/lab --name try up" in capsys.readouterr().err
