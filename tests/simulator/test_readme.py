"""The page for testers and planners: its examples run."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from acd.config.strict_yaml import parse
from simulator.__main__ import _parser, find_scenario
from simulator.experiment import run_experiment
from simulator.scenario_file import from_document

PAGE = (Path(__file__).parents[2] / "simulator" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FORMS = re.findall(
    r"^\| `(\{(?:exponential|lognormal|uniform|gamma|pareto|mixture|survival).*?\}\})`", PAGE, re.MULTILINE
)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 2
    assert len(FORMS) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("text", EXAMPLES, ids=["office", "published"])
def test_every_example_runs_without_a_warning(text: str) -> None:
    scenario, warnings = from_document(parse(text, "page.yaml"))
    assert warnings == ()
    short = dataclasses.replace(scenario, warm_up_ms=0, days=1)
    found = run_experiment(short, [short.policy], [1, 2])
    assert 0.5 < found.estimate(short.policy, "sl_of_offered").value <= 1


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_duration_is_read(form: str) -> None:
    text = f"name: x\nqueues: [{{name: q, arrivals: {{per_hour: 1}}, talk: {form}}}]\nagents: [{{name: a, count: 9}}]\n"
    from_document(parse(text, "page.yaml"))


def test_every_command_of_the_page_is_understood() -> None:
    commands = re.findall(r"^    bin/simulate (.*?)(?:\s+#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        words = shlex.split(command)
        if words[0] in {"learn", "replay", "fit"}:
            continue
        options = _parser().parse_args(words)
        if options.scenario and options.scenario != "my.yaml":
            find_scenario(options.scenario)
