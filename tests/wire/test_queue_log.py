"""One line of queue_log: ours, app_queue's, or garbage, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.wire.queue_log import LINE_LIMIT, JournalLineError, JournalRow, parse_line

LINE = b"1700000000|c-1|acme|anna|ACDDIALEND|ms=1700000000123|attempt=n1-3|status=NOANSWER"


def test_a_note_becomes_a_row():
    assert parse_line(LINE) == JournalRow(
        "ACDDIALEND", "c-1", "acme", "anna", 1_700_000_000_123, {"attempt": "n1-3", "status": "NOANSWER"}
    )


def test_none_columns_are_empty_and_a_trailing_bar_is_nothing():
    row = parse_line(b"1700000000|NONE|NONE|anna|ACDFEATURE|ms=1700000000123|action=login|")
    assert (row.call, row.queue, row.fields) == ("", "", {"action": "login"})


def test_lines_of_app_queue_are_valid_and_not_ours():
    assert parse_line(b"1700000000|1700000000.12|acd-fallback|NONE|ENTERQUEUE||+79160000001|1") is None


def test_a_forged_second_field_changes_nothing():
    row = parse_line(b"1700000000|c|q|a|ACDEND|ms=1700000000123|cause=16|cause=99")
    assert row.fields["cause"] == "16"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"|||",
        b"x|c|q|a|ACDEND|ms=1700000000123",
        b"1700000000|c|q|a|",
        b"1700000000|c|q|a|ACDEND",
        b"1700000000|c|q|a|ACDEND|ms=abc",
        b"1700000000|c|q|a|ACDEND|ms=99999999999999999999999",
        b"1700000000|c|q|a|ACDEND|ms=1500000000123",
        b"1700000000|c|q|a|ACDEND|ms=1700000000123|novalue",
        b"1700000000|c|q|a|ACD END|ms=1700000000123",
        b"\xff\xfe|c|q|a|ACDEND|ms=1700000000123",
        b"1" * (LINE_LIMIT + 1),
    ],
)
def test_garbage_is_reported_in_one_way(line):
    with pytest.raises(JournalLineError):
        parse_line(line)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_row_nothing_or_the_one_error(line):
    try:
        row = parse_line(line)
    except JournalLineError:
        return
    assert row is None or row.kind.startswith("ACD")


@given(st.integers(0, len(LINE) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_note_never_escapes_with_another_error(place, noise):
    try:
        parse_line(LINE[:place] + noise + LINE[place:])
        parse_line(LINE[:place])
    except JournalLineError:
        pass
