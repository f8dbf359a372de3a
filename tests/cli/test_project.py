"""A new subscriber from nothing to a passing dry run, as a person does it (000-13, O12)."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acd.adapters.store import directory_store
from acd.adapters.store.sqlite import SqliteStore
from acd.cli.main import app
from tests.fakes.ports import FakeClock

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "var").mkdir()
    return tmp_path / "config"


def acd(config: Path, *words: str, ends: int = 0) -> str:
    result = CliRunner().invoke(app, [*words, "--config", str(config)], env={"COLUMNS": "200"})
    assert result.exit_code == ends, result.output + repr(result.exception)
    return result.output


@pytest.mark.slow
def test_three_commands_make_a_subscriber_whose_calls_are_foretold(config: Path) -> None:
    assert "answering-basic" in acd(config, "project", "types")
    acd(
        config,
        "project",
        "new",
        "alfa",
        "--from",
        "answering-basic",
        "--title",
        "ООО «Альфа»",
        "--email",
        "a@alfa.example",
    )
    assert "alfa: fine" in acd(config, "project", "check", "alfa")
    said = acd(config, "project", "dry-run", "alfa", "--at", "2027-01-02T20:00", "--from", "+79160000001")
    for part in (
        "closed, opens 11.01.2027 09:00 (Новогодние каникулы)",
        "ООО «Альфа», здравствуйте!",
        "email to a@alfa.example at once",
    ):
        assert part in said
    steps = json.loads(acd(config, "project", "dry-run", "consul", "--at", "2026-11-25T20:00", "--json"))
    urgent = next(step["detail"] for step in steps if step["what"] == "message (urgent)")
    assert urgent == (
        "email to ivanov at once, to be acknowledged within 600 s, then petrova, sidorov, else alarm"
    )


def test_two_new_projects_do_not_get_the_same_number(config: Path) -> None:
    for name in ("alfa", "beta"):
        acd(config, "project", "new", name, "--from", "answering-basic")
    assert "fine" in acd(config, "project", "check")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "consul", "--from", "answering-basic"), "there is a project 'consul' already"),
        (("new", "beta", "--from", "answering-basic", "--number", "abc"), "not a telephone number"),
        (
            ("new", "beta", "--from", "answering-basic", "--number", "8 495 123-00-01"),
            "leads to 'romashka' already",
        ),
        (("new", "beta", "--from", "answering-basic", "--email", "notmail"), "is no e-mail address"),
        (("new", "alfa", "--from", "nonsense"), "known: answering-basic"),
        (("new", "../alfa", "--from", "answering-basic"), "an id has"),
        (("check", "nobody"), "no project 'nobody'"),
        (("dry-run", "nobody"), "no project 'nobody'"),
        (("dry-run", "consul", "--at", "tomorrow"), "is no time"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(config: Path, words: tuple[str, ...], said: str) -> None:
    assert said in acd(config, "project", *words, ends=2)


def test_a_bad_number_in_a_project_is_named_once_in_our_own_words(config: Path) -> None:
    path = config / "projects" / "alfa.yaml"
    path.write_text("extends: answering-basic\nname: A\nnumbers: [abc]\n", encoding="utf-8")
    said = acd(config, "project", "check", "alfa", ends=2)
    assert said.count("alfa.yaml:3") == 1
    assert "numbers[0]: must be a telephone number such as +74951230001" in said


def test_a_mistake_is_shown_with_its_place_and_only_for_the_project_asked_about(config: Path) -> None:
    path = config / "projects" / "alfa.yaml"
    path.write_text(
        "extends: answering-basic\nname: A\nnumbers: ['7050']\nretention_days: 0\n", encoding="utf-8"
    )
    assert "alfa.yaml:4:17" in acd(config, "project", "check", "alfa", ends=2)
    assert "fine" in acd(config, "project", "check", "consul")
    assert "alfa.yaml:4:17" in acd(config, "project", "dry-run", "alfa", ends=2)
    assert json.loads(acd(config, "project", "check", "--json", ends=2))["problems"][0]["line"] == 4


@pytest.mark.slow
def test_versions_are_listed_and_shown(config: Path) -> None:
    database = config.parent / "var" / "acd.db"

    async def fill() -> None:
        store = SqliteStore(database, FakeClock())
        await store.open()
        for n, text in enumerate(("name: A\n", "name: B\n", "name: B\n")):
            await store.writer.do(lambda db, t=text, n=n: directory_store.keep_version(db, "alfa", t, t, n))  # type: ignore[misc]
        await store.close()

    asyncio.run(fill())
    assert acd(config, "project", "versions", "alfa").count("since") == 2
    assert acd(config, "project", "versions", "alfa", "--show", "1") == "name: A\n"
    assert "there is no version 9" in acd(config, "project", "versions", "alfa", "--show", "9", ends=2)
