"""The reader guesses nothing, bounds everything and never raises for bad content."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.config.yaml_reader import (
    MAX_BYTES,
    MAX_DEPTH,
    UNREADABLE,
    Document,
    Mark,
    dotted,
    merge,
    override,
    parse,
    plain,
    read,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("0", 0),
        ("20", 20),
        ("-3", -3),
        ("0.8", 0.8),
        ("-1.50", -1.5),
    ],
)
def test_the_few_plain_words_that_mean_something_else_than_text(text, meaning):
    assert plain(text) == meaning
    assert type(plain(text)) is type(meaning) or isinstance(plain(text), type(meaning))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "09:00",
            "09:00-18:00",
            "+74951234567",
            "0101",
            "-0",
            "1e3",
            "0x10",
            "1_000",
            "1.",
            ".5",
            ".inf",
            ".nan",
        ),
        *("no", "yes", "on", "off", "True", "NULL", "~", "2027-01-01", "12:30:45", "=", "1" * 30),
    ],
)
def test_hours_phone_numbers_and_yes_stay_text(text):
    assert plain(text) == text


def test_values_and_keys_know_their_line_and_column():
    document = parse("a:\n  b: [1, x]\n'c d': 5\n", "f.yaml")
    assert document.data == {"a": {"b": [1, "x"]}, "c d": 5}
    assert document.mark(("a", "b", 1)) == Mark("f.yaml", 2, 10)
    assert document.key_mark(("a", "b")) == Mark("f.yaml", 2, 3)
    assert document.mark(("a", "missing")) == Mark("f.yaml", 1, 1), (
        "a missing key is shown at its parent's key"
    )
    assert not document.problems


def test_quoted_numbers_are_text_and_fractions_keep_their_writing():
    document = parse("a: '20'\nb: 1.10\nc: |\n  12\n", "f")
    assert document.data["a"] == "20"
    assert str(document.data["b"]) == "1.10"
    assert document.data["c"] == "12\n"


def test_keys_are_text_even_when_they_look_like_numbers():
    assert parse("101: a\n0101: b\ntrue: c\n", "f").data == {"101": "a", "0101": "b", "true": "c"}


def test_every_mistake_of_form_is_reported_at_once_with_its_place():
    text = (
        "a: 1\na: 2\nb: &x 3\nc: *x\nd: !!python/object:os.system x\n<<: {e: 1}\n? [k]\n: v\n'': 1\nok: yes\n"
    )
    document = parse(text, "f.yaml")
    assert [(p.line, p.column) for p in document.problems] == [
        (2, 1),
        (3, 4),
        (4, 4),
        (5, 4),
        (6, 1),
        (7, 3),
        (9, 1),
    ]
    assert str(document.problems[0]) == "f.yaml:2:1: a: duplicate key, first used in line 1"
    assert document.data["a"] == 1
    assert document.data["c"] is UNREADABLE
    assert document.data["ok"] == "yes"
    assert document.usable


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1\n", 2, "not valid YAML"),
        ("a:\tb\n\tc: d\n", 2, "not valid YAML"),
        ("a: @x\n", 1, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        (b"a: caf\xe9\n", 1, "not UTF-8"),
        ("a: \x00\n", 1, "a character that YAML forbids"),
        ("[" * 10_000, 1, f"deeper than {MAX_DEPTH}"),
        (b"#" * (MAX_BYTES + 1), 0, "larger than"),
    ],
)
def test_unreadable_text_becomes_one_problem_with_a_place(text, line, said):
    document = parse(text, "f")
    assert not document.usable
    assert len(document.problems) == 1
    assert document.problems[0].line == line
    assert said in document.problems[0].message


def test_a_billion_laughs_costs_nothing():
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    document = parse("\n".join(lines), "f")
    assert len(document.problems) == 40 + 78
    assert all(value is UNREADABLE for value in document.data.values())


@pytest.mark.parametrize("text", ['a: "x\\0y"\n', '"a\\0": 1\nb: "\\0"\n'])
def test_a_zero_character_is_a_problem_with_a_place(text: str):
    """A file name with it makes the operating system's calls raise ValueError, long after reading."""
    (problem,) = parse(text, "f").problems
    assert "zero character" in problem.message
    assert problem.line


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "x.yaml")
    (problem,) = read(tmp_path / "x.yaml", name="x.yaml").problems
    assert str(problem) == "x.yaml: cannot be read: this is no file"


def test_a_missing_file_is_a_problem_and_not_an_exception(tmp_path: Path):
    document = read(tmp_path / "none.yaml", name="none.yaml")
    assert [str(problem) for problem in document.problems] == [
        "none.yaml: cannot be read: No such file or directory"
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="ab:-[]{}&*!<>|'\"#\n\t ,?%@`~0 19.", max_size=120))
)
def test_any_bytes_give_a_document_and_never_an_exception(data):
    document = parse(data, "f")
    assert isinstance(document, Document)
    assert document.usable or document.problems


def test_later_documents_join_mappings_and_replace_everything_else():
    base = parse("a: {b: 1, c: [1, 2]}\nd: 4\n", "base")
    over = parse("a: {c: [9]}\ne: 5\n", "over")
    merged = merge(base, over)
    assert merged.data == {"a": {"b": 1, "c": [9]}, "d": 4, "e": 5}
    assert merged.mark(("a", "b")).file == "base"
    assert merged.mark(("a", "c", 0)) == Mark("over", 1, 9)
    assert ("a", "c", 1) not in merged.values, "places of replaced values are forgotten"
    assert merged.key_mark(("e",)) == Mark("over", 2, 1)


def test_an_override_reads_its_value_as_a_file_would():
    assert override("a.b=8090").data == {"a": {"b": 8090}}
    assert override("a=09:00").data == {"a": "09:00"}
    assert override("a.b=").data == {"a": {"b": None}}
    assert override("x=a=b").data == {"x": "a=b"}


@pytest.mark.parametrize("text", ["novalue", "=1", "a..b=1", ".a=1"])
def test_an_override_that_names_nothing_is_refused(text):
    assert not override(text).usable


def test_locations_are_written_as_people_read_them():
    assert dotted(("queues", "sales", "needs", 0, "skill")) == "queues.sales.needs[0].skill"
    assert dotted(("numbers", "+7 495")) == "numbers.'+7 495'"
    assert dotted(()) == ""
