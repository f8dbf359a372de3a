"""CSV for spreadsheets, with nothing in it that calculates (security row 16)."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.cards import export as cardexport
from tests.adapters.store.support import T0, make_card


def written(*cards: object):
    out = io.StringIO()
    cardexport.write_csv(cards, out)
    return list(csv.reader(io.StringIO(out.getvalue(), newline="")))


def test_a_card_is_one_line_with_the_desks_fields_as_columns():
    head, first, second = written(make_card("c-1"), make_card("c-2", fields=(("note", "x"),)))
    assert head == [*cardexport.COLUMNS, "subject", "answer", "note"]
    card = dict(zip(head, first, strict=True))
    assert (card["call"], card["subject"], card["note"], card["offers"]) == ("c-1", "Счёт №5", "", "2")
    assert (card["entered_at"], card["ani"]) == ("2023-11-14T22:13:20.000Z", "'+79160000001")
    assert dict(zip(head, second, strict=True))["note"] == "x"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "＝", "\u00a0@", "\n="])
def test_cells_that_would_calculate_become_text(start):
    cell = start + "cmd|' /C calc'!A0"
    (_, row) = written(make_card(fields=(("note", cell), ("=head", "x"))))
    assert "'" + cell in row
    (head, _) = written(make_card(fields=(("=head", "x"),)))
    assert "'=head" in head


@given(st.text())
def test_no_text_starts_a_formula(text):
    assert not cardexport.guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n", " "))


def test_moments_are_utc_and_absent_ones_empty():
    assert cardexport.iso(T0 + 7) == "2023-11-14T22:13:20.007Z"
    assert cardexport.iso(None) == ""
