"""From a document to a model: every mistake of meaning, each with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from acd.config.strict_yaml import (
    ConfigError,
    Flag,
    Number,
    Section,
    Whole,
    check,
    known_keys,
    parse,
    salvage,
    validate,
)


class Promise(Section):
    share: Number = 0.8
    threshold_s: Whole = 20


class Line(Section):
    name: str
    promise: Promise = Promise()
    tags: tuple[str, ...] = ()
    owner: str | Promise | None = None


class Whole_(Section):  # noqa: N801 - `Whole` is the numeric type
    lines: dict[str, Line] = Field(default_factory=dict)
    on: Flag = False
    closing: str = Field("", alias="except")


def problems(text):
    with pytest.raises(ConfigError) as caught:
        validate(Whole_, parse(text, "f.yaml"))
    return [str(problem) for problem in caught.value.problems]


def test_a_good_document_becomes_a_model():
    made = validate(Whole_, parse("lines: {a: {name: 101, promise: {share: 1}}}\non: true\n", "f"))
    assert made.lines["a"].name == "101"
    assert made.lines["a"].promise.share == 1
    assert made.on is True


def test_an_empty_file_means_all_defaults():
    assert validate(Whole_, parse("# nothing\n", "f")) == Whole_()


def test_mistakes_of_form_and_meaning_come_out_together_in_one_error():
    text = "lines:\n  a: {name: x, name: y, nam: z}\n  b: {promise: {share: much}}\non: yes\n"
    assert problems(text) == [
        "f.yaml:2:16: lines.a.name: duplicate key, first used in line 2",
        "f.yaml:2:25: lines.a.nam: unknown key; did you mean 'name'?",
        "f.yaml:3:3: lines.b.name: required key is missing",
        "f.yaml:3:24: lines.b.promise.share: must be a number",
        "f.yaml:4:5: on: must be true or false",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("on: 1", "f.yaml:1:5: on: must be true or false"),
        ("on: 'true'", "f.yaml:1:5: on: must be true or false"),
        (
            "lines: {a: {name: x, promise: {threshold_s: '20'}}}",
            "must be a whole number, written without quotes: 20",
        ),
        ("lines: {a: {name: x, promise: {threshold_s: 2.5}}}", "must be a whole number"),
        ("lines: {a: {name: true}}", "must be text"),
        ("lines: [a]", "f.yaml:1:8: lines: must be a mapping (key: value)"),
        ("[]", "f.yaml:1:1: must be a mapping (key: value)"),
        ("lines: {a: {name: x, tags: x}}", "must be a list"),
        ("excpt: 1", "unknown key; did you mean 'except'?"),
        ("zzz: 1", "unknown key; known here: except, lines, on"),
    ],
)
def test_each_kind_of_mistake_says_what_to_write(text, said):
    found = problems(text)
    assert len(found) == 1
    assert found[0].endswith(said)


def test_a_refused_value_is_not_complained_about_twice():
    assert problems("lines: {a: &x {name: 1}, b: *x}\n") == [
        "f.yaml:1:12: lines.a: anchors (&name) are not allowed",
        "f.yaml:1:29: lines.b: aliases (*name) are not allowed: write the value again",
    ]


def test_values_are_never_shown_because_somebody_will_write_a_secret_there():
    text = "\n".join(problems("on: hunter2\nlines: {a: {name: [hunter2], hunter: 1}}\n"))
    assert "hunter2" not in text


def test_known_keys_follow_mappings_lists_and_unions():
    assert known_keys(Whole_, ()) == {"lines", "on", "except"}
    assert known_keys(Whole_, ("lines", "any")) == {"name", "promise", "tags", "owner"}
    assert known_keys(Whole_, ("lines", "any", "owner")) == {"share", "threshold_s"}
    assert known_keys(Whole_, ("nothing", "here")) == set()


def test_what_is_left_without_the_mistakes_can_still_be_checked():
    text = "lines: {a: {name: x, promise: {share: much}}, b: {}, c: {name: z, tags: [x, [y]]}}\non: perhaps\n"
    rest, left_out = salvage(Whole_, parse(text, "f"))
    assert rest is not None
    assert set(rest.lines) == {"a", "c"}
    assert rest.lines["a"].promise.share == 0.8
    assert set(left_out) == {
        ("lines", "a", "promise", "share"),
        ("lines", "b"),
        ("lines", "c", "tags"),
        ("on",),
    }


_LEAVES = st.sampled_from(["true", "3", "0.5", "x", "null", "'q'", "{}", "[]", "[1, x]"])
_KEYS = st.sampled_from(["lines", "on", "except", "name", "promise", "share", "tags", "owner", "a", "zz"])


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        _LEAVES,
        lambda inner: st.lists(st.tuples(_KEYS, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
        max_leaves=12,
    )
)
def test_any_document_gives_a_model_or_problems_with_places(text):
    document = parse(text, "f")
    made, found = check(Whole_, document)
    assert made is not None or found
    assert all(problem.line >= 1 and problem.column >= 1 for problem in found)
    salvage(Whole_, document)
