"""CEL lines as `config/asterisk/cel_custom.conf` writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.wire.cel import parse_line
from acd.wire.queue_log import JournalLineError


def line(kind, extra, when="1700000000.123", uniqueid="1700000000.7"):
    quoted = extra.replace('"', '""')
    return (
        f'"{kind}","{when}","+7916","s","acd-in","PJSIP/t-1","AGI","{uniqueid}","{uniqueid}","","{quoted}"'
    ).encode()


@pytest.mark.parametrize("extra", ["c-1", '{"extra":"c-1"}'])
def test_the_enter_event_joins_our_call_with_the_channel(extra):
    row = parse_line(line("AcdEnter", extra))
    assert (row.kind, row.call, row.ms, row.fields) == (
        "CELENTER",
        "c-1",
        1_700_000_000_123,
        {"uniqueid": "1700000000.7"},
    )


def test_the_hangup_carries_its_cause():
    row = parse_line(line("HANGUP", '{"hangupcause":16,"hangupsource":"","dialstatus":"ANSWER"}'))
    assert (row.kind, row.fields) == ("CELHANGUP", {"uniqueid": "1700000000.7", "cause": "16"})


def test_other_events_are_not_kept():
    assert parse_line(line("BRIDGE_ENTER", "{}")) is None


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b'"HANGUP","17',
        b"a,b",
        line("HANGUP", '{"cut'),
        line("HANGUP", "{}", when="yesterday"),
        line("", ""),
    ],
)
def test_garbage_is_reported_in_one_way(bad):
    with pytest.raises(JournalLineError):
        parse_line(bad)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_row_nothing_or_the_one_error(data):
    try:
        parse_line(data)
    except JournalLineError:
        return
