"""Forms as data: the default one, reading with every mistake at once (000-10, 000-17)."""

from __future__ import annotations

import json

import pytest

from acd.desk.forms import KINDS, MAX_FIELDS, FormError, default_form, from_data
from acd.topics import tidy_dossier


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_subscriber_has_a_form_before_his_own(language):
    form = default_form(language)
    names = [field.name for field in form.fields]
    assert names == ["caller_name", "callback_number", "urgency", "subject", "note"]
    assert [field.name for field in form.fields if field.required] == [
        "caller_name", "callback_number", "subject", "note",
    ]  # fmt: skip
    assert {o.value for o in form.outcomes if not o.needs_message} == {
        "settled",
        "transferred",
        "cut",
        "wrong",
    }


def test_an_unknown_language_gets_english():
    assert default_form("xx") == default_form("en")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_form_survives_the_way_to_the_page_and_back(language):
    form = default_form(language)
    travelled = json.loads(json.dumps(tidy_dossier({"form": form.to_data()})))["form"]
    assert from_data(travelled) == form


def test_a_bare_list_is_the_fields_and_the_outcomes_are_the_usual_ones():
    form = from_data([{"name": "order", "label": "Заказ", "kind": "number", "minimum": 1}], language="ru")
    assert (form.fields[0].kind, form.fields[0].minimum) == ("number", 1.0)
    assert form.outcomes == default_form("ru").outcomes


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "choice"])
def test_every_kind_can_be_asked_for(kind):
    assert from_data([{"name": "x", "kind": kind}]).fields[0].kind == kind


@pytest.mark.parametrize(
    "choices", [["a", "b"], [["a", "a"], ["b", "b"]], {"a": "a", "b": "b"}], ids=["texts", "pairs", "mapping"]
)
def test_choices_are_texts_pairs_or_a_mapping(choices):
    form = from_data([{"name": "x", "kind": "choice", "choices": choices}])
    assert form.fields[0].choices == (("a", "a"), ("b", "b"))


def test_all_mistakes_are_told_at_once_with_their_places():
    data = {
        "language": "fr",
        "colour": "red",
        "fields": [
            {"name": "Bad Name", "kind": "picture", "required": "yes"},
            {"name": "x", "kind": "choice"},
            {"name": "x", "minimum": "one", "phrases": ["a\nb"], "choices": ["q"]},
            {"name": "message"},
            "text",
        ],
        "outcomes": [{"value": "Done!", "needs_message": 1}, 3],
    }
    with pytest.raises(FormError) as told:
        from_data(data)
    text = str(told.value)
    for part in (
        "form.language", "unknown key 'colour'", "fields[0].name", "fields[0].kind", "fields[0].required",
        "fields[1].choices", "fields[2].minimum", "fields[2].phrases", "fields[2].choices", "fields[3].name",
        "fields[4]: a mapping", "x stands there twice", "outcomes[0].value", "outcomes[0].needs_message",
        "outcomes[1]: a mapping",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.parametrize(
    "data",
    [None, "x", 3, {}, {"fields": []}, {"fields": "x"}, [{"name": f"f{n}"} for n in range(MAX_FIELDS + 1)],
     [{"name": "x", "label": "a\u202eb\n"}], [{"name": "x", "kind": ["text"]}],
     [{"name": "x", "kind": "choice", "choices": [["a"]]}],
     [{"name": "x", "kind": "choice", "choices": [str(n) for n in range(99)]}],
     {"fields": [{"name": "x"}], "outcomes": []}, {"fields": [{"name": "x"}], "language": []}],
)  # fmt: skip
def test_what_is_no_form_is_one_kind_of_error(data):
    with pytest.raises(FormError):
        from_data(data)
