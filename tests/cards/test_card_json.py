"""A card as data and back: nothing is lost on the way to the spill file, the outbox or an export."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.cards import card_json as cardjson
from acd.core.events import EndedBy, EndReason
from tests.adapters.store.support import make_card

TEXT = st.text(st.characters(codec="utf-8"))


@given(
    st.sampled_from(EndReason),
    st.sampled_from(EndedBy),
    st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    st.lists(st.tuples(st.integers(), TEXT, TEXT), max_size=3).map(tuple),
    st.none() | st.integers(),
)
def test_every_card_comes_back_equal(reason, by, fields, history, answered_at):
    card = make_card(
        "c-1",
        end_reason=reason,
        ended_by=by,
        fields=fields,
        history=history,
        answered_at=answered_at,
        agent=None,
    )
    assert cardjson.loads(cardjson.dumps(card)) == card
    assert cardjson.digest(card) == cardjson.digest(cardjson.loads(cardjson.dumps(card)))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"v": 99}', "{}"])
def test_what_is_no_card_is_refused_in_one_way(text):
    with pytest.raises(cardjson.CardFormatError):
        cardjson.loads(text)


@pytest.mark.parametrize("name", sorted(set(cardjson.to_data(make_card("c-1"))) - {"v"}))
def test_every_part_must_be_there(name):
    data = cardjson.to_data(make_card("c-1"))
    del data[name]
    with pytest.raises(cardjson.CardFormatError):
        cardjson.loads(json.dumps(data))


def test_the_digest_tells_cards_apart_and_bears_hostile_text():
    assert cardjson.digest(make_card("c-1")) != cardjson.digest(make_card("c-1", acw_ms=1))
    assert cardjson.digest(make_card("c-1", fields=(("x", "\ud800"),)))
