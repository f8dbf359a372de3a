"""Project files: extends, places of mistakes, last good versions, their part of the configuration (000-17, O12)."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from acd.config import project_files
from acd.config.loading import load
from acd.config.strict_yaml import ConfigError
from acd.desk.operations import Operation
from tests.desk.test_hours import at

CONFIG = Path(__file__).parents[2] / "config"

MINIMAL = "extends: answering-basic\nname: Alfa\nnumbers: ['7050']\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def write(config: Path, name: str, text: str) -> Path:
    path = config / "projects" / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_sample_project_is_good_and_unlike_the_others() -> None:
    """Three unlike subscribers: on-call rotation, orders, around the clock."""
    config = load(CONFIG)
    assert not config.projects.problems
    consul, servis, severny = (config.projects.good[name] for name in ("consul", "servis", "severny"))
    assert consul.rotations["lawyers"].people == ("ivanov", "petrova", "sidorov")
    assert [rule.open_kind for rule in servis.routing] == ["complaint", "order"]
    assert severny.hours.is_open(at("2027-01-01T03:00"))
    night = dt.datetime.fromtimestamp(at("2027-01-02T03:00") / 1000, dt.UTC)
    assert not consul.hours.is_open(at("2027-01-02T03:00"))
    assert config.is_open("consul", night), "lawyers are on call: its calls are taken at night too"  # type: ignore[arg-type]
    assert not config.is_open("servis", night)  # type: ignore[arg-type]
    assert config.route("7011") is not None
    assert config.policy.queues[-1].promise.share


def test_one_firms_absurd_extends_is_its_own_problem_only(config: Path) -> None:
    """The file system refuses so long a name with an error of its own: it took the whole centre down."""
    write(config, "alfa", f"extends: {'a' * 300}\nname: Alfa\nnumbers: ['7050']\n")
    projects = load(config).projects
    assert {"consul", "servis", "severny"} <= projects.good.keys()
    assert any("no typical project" in str(problem) for problem in projects.problems)


def test_a_project_overrides_what_it_extends_and_keeps_the_rest(config: Path) -> None:
    write(
        config,
        "alfa",
        MINIMAL + "opening:\n  week: {mon: 10:00-11:00}\ntargets:\n  first_reply: {within_s: 60}\n",
    )
    alfa = load(config).projects.good["alfa"]
    assert alfa.hours.on(dt.date(2026, 11, 23)) == ((600, 660),)
    assert alfa.hours.on(dt.date(2026, 11, 24)) == ()
    assert alfa.targets[Operation.FIRST_REPLY].within_ms == 60_000
    assert [f.name for f in alfa.form.fields][:2] == ["caller_name", "callback_number"]


def test_state_holidays_and_working_saturdays_reach_the_queue_and_own_exceptions_win(config: Path) -> None:
    write(config, "alfa", MINIMAL + "opening:\n  except: {2027-01-02: 12:00-13:00}\n")
    whole = load(config)
    zone = whole.zone

    def is_open(text: str) -> bool:
        return whole.is_open("alfa", dt.datetime.fromisoformat(text).replace(tzinfo=zone))  # type: ignore[arg-type]

    assert not is_open("2027-01-01T12:30")
    assert is_open("2027-01-02T12:30")
    assert is_open("2027-02-20T12:30"), "a working Saturday by decree"
    assert not is_open("2027-02-13T12:30")


def test_every_mistake_has_its_place_and_all_come_at_once(config: Path) -> None:
    write(
        config,
        "alfa",
        "extends: answering-basic\nname: Alfa\nnumbers: ['7050']\ncolour: red\npeople:\n  ann: {name: Ann}\n"
        "deliver:\n  - {to: 'person:ann', by: sms}\n  - {to: nonsense, by: email}\n  - {to: 'on_call:nobody'}\n"
        "time_zone: Mars/Base\n",
    )
    found = {(p.line, p.column, p.message) for p in load(config).projects.problems}
    assert {(4, 1)} == {(line, column) for line, column, message in found if "unknown key" in message}
    write(
        config,
        "alfa",
        MINIMAL + "people:\n  ann: {name: Ann}\n"
        "deliver:\n  - {to: 'person:ann', by: sms}\n  - {to: nonsense, by: email}\n  - {to: 'on_call:nobody'}\n"
        "time_zone: Mars/Base\n",
    )
    problems = load(config).projects.problems
    assert [(Path(p.file).name, p.line) for p in problems] == [("alfa.yaml", n) for n in (7, 8, 9, 10)]
    assert "ann cannot be reached by sms" in str(problems[0])


def test_a_broken_project_never_keeps_the_centre_from_working_nor_replaces_a_good_one(config: Path) -> None:
    """A broken file: the last good version serves; without one only this firm is missing."""
    path = write(config, "alfa", MINIMAL)
    whole = load(config)
    kept = whole.projects.kept
    assert kept is not None
    assert project_files.keep(whole.projects.loaded["alfa"], kept)
    assert not project_files.keep(whole.projects.loaded["alfa"], kept), "the same version again is no news"
    path.write_text(MINIMAL.replace("Alfa", "Beta") + "promise: {share: 7}\n", encoding="utf-8")
    broken = load(config)
    assert broken.projects.loaded["alfa"].stale
    assert broken.projects.good["alfa"].name == "Alfa"
    assert broken.route("7050") is not None
    assert any("promise.share" in str(w) for w in broken.warnings)
    assert not project_files.keep(broken.projects.loaded["alfa"], kept), "a stale version is not kept as new"
    shutil.rmtree(kept)
    without = load(config)
    assert without.route("7050") is None
    assert without.route("7011") is not None


def test_what_does_not_fit_into_the_centre_is_the_projects_mistake_with_its_line(config: Path) -> None:
    """A skill nobody has: the project is left out, the mistake names its own file."""
    write(config, "alfa", MINIMAL + "needs: [{skill: chinese}]\n")
    whole = load(config)
    assert "alfa" not in whole.projects.good
    problem = next(p for p in whole.projects.problems if "chinese" in str(p))
    assert (Path(problem.file).name, problem.line) == ("alfa.yaml", 4)


def test_two_projects_cannot_have_the_same_number(config: Path) -> None:
    write(config, "zeta", MINIMAL.replace("7050", "8 495 123 00 11"))
    assert any("consul's number already" in str(p) for p in load(config).projects.problems)


def test_an_unknown_or_circular_type_is_named(config: Path) -> None:
    write(config, "alfa", MINIMAL.replace("answering-basic", "nonsense"))
    assert any(
        "no typical project 'nonsense'; known: answering-basic" in str(p)
        for p in load(config).projects.problems
    )
    (config / "projects" / "types" / "a.yaml").write_text("extends: a\n", encoding="utf-8")
    write(config, "alfa", MINIMAL.replace("answering-basic", "a"))
    assert any("no typical project 'a'" in str(p) for p in load(config).projects.problems)


@pytest.mark.parametrize(
    "text",
    [
        "instructions: [{text: 'see javascript:alert(1)'}]",
        "dossier: [{kind: http, url: 'javascript:alert(1)'}]",
        "dossier: [{kind: http, url: 'https://{number}.evil.example/'}]",
        'deliver: [{to: "a@b.example\\nBcc: c@d.example", by: email}]',
        "deliver: [{to: 'ftp://x', by: webhook}]",
        "form: {subject: \"{{ ''.__class__ }}\"}",
        "form: {text: \"{{ 'a' * 100000000 }}\"}",
        "form: {text: '{% for x in range(9) %}{% endfor %}'}",
        "form: {fields: {message: {label: Mine}}}",
        "people: {ann: {name: Ann, calendar: '../../secret.ics', email: 'a b@c'}}",
        "retention_days: 0",
        "on_call: {x: {people: [nobody], starts: 2027-13-01}}",
    ],
)
def test_hostile_or_senseless_values_are_refused(config: Path, text: str) -> None:
    write(config, "alfa", MINIMAL + text + "\n")
    assert "alfa" not in load(config).projects.good


def test_answers_before_the_line_are_read_and_a_senseless_one_is_named(config: Path) -> None:
    """002-18: off unless written; what says nothing, or of no matter, is a mistake with its place."""
    assert not load(CONFIG).projects.good["servis"].answers
    good = "{name: ready, when: {open: order, state: ready}, before: a, number: true, after: b, date: true, person: c}"
    write(config, "alfa", f"{MINIMAL}answers: [{good}]\n")
    [answer] = load(config).projects.good["alfa"].answers
    assert (answer.name, answer.open_kind, answer.open_state) == ("ready", "order", "ready")
    assert (answer.before, answer.number, answer.after, answer.date, answer.person) == (
        "a",
        True,
        "b",
        True,
        "c",
    )
    for text, said in (
        ("{name: x, when: {known: true}, before: a, person: c}", "of which open matter"),
        ("{name: x, when: {open: order}, person: c}", "nothing is said"),
        ("{name: x, when: {open: order}, before: a}", "person"),
        ("{name: x, when: {open: order}, before: 'a&b', person: c}", "before"),
    ):
        write(config, "alfa", f"{MINIMAL}answers: [{text}]\n")
        assert any(said in str(problem) for problem in load(config).projects.problems), text


def test_a_directory_that_is_not_there_is_said(config: Path) -> None:
    with pytest.raises(ConfigError, match="there is no directory"):
        load(config, ["projects=nowhere"])
