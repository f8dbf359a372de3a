"""AMI frames: whole, byte by byte, cut everywhere; garbage gives one error type (000-06, rows 12, 20, 21)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.wire import ami
from acd.wire.errors import LocalProtocolError, RemoteProtocolError

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = (
    BANNER
    + (
        "Response: Success\r\nActionID: 7\r\nMessage: Authentication accepted\r\n\r\n"
        "Event: Newchannel\r\nPrivilege: call,all\r\nChannel: PJSIP/trunk-0001\r\n"
        "CallerIDName: Василий «Ёж»\r\nLanguage:\r\n\r\n"
        "\r\n"
        "Event: Status\r\nVariable: A=1\r\nVariable: B=2\r\nActionID: 8\r\n\r\n"
        "not a frame at all\r\n\r\n"
        "Event: UserEvent\r\nUserEvent: AcdEnter\r\nstray line\r\nCall: x\ny\r\n\r\n"
        "Event: Hangup\r\nCause: 16\r\n\r\n"
    ).encode()
)


def parse(*chunks: bytes, **options: object):
    parser = ami.AmiClientParser(**options)
    frames = [frame for chunk in chunks for frame in parser.feed(chunk)]
    return frames, parser


def outcome(chunks):
    """Frames, counters and the error, as one comparable value."""
    parser = ami.AmiClientParser(max_frame_bytes=120)
    frames: list[ami.AmiFrame] = []
    error = ""
    try:
        for chunk in chunks:
            frames += parser.feed(chunk)
    except RemoteProtocolError:
        error = "remote"
    return frames, error, parser.counters


def test_frames_are_read_with_their_text_whole():
    frames, parser = parse(STREAM)
    assert [(f.kind, f.name) for f in frames] == [
        ("Response", "Success"),
        ("Event", "Newchannel"),
        ("Event", "Status"),
        ("Event", "UserEvent"),
        ("Event", "Hangup"),
    ]
    assert parser.banner == "11.0.0"
    assert frames[1].get("CallerIDName") == "Василий «Ёж»"
    assert frames[1].get("Language") == ""
    assert frames[1].get("Absent", "default") == "default"
    assert frames[2].get_all("Variable") == ["A=1", "B=2"]
    assert frames[2].get_all("Nothing") == []
    assert parser.counters == ami.ParserCounters(frames=5, malformed=1, odd_lines=1)


def test_a_lone_newline_in_a_value_forges_no_header():
    """Security 5: only CR LF ends a line we read."""
    (frame,), _ = parse(BANNER, b"Event: UserEvent\r\nName: a\nEvent: Hangup\r\n\r\n")
    assert frame.name == "UserEvent"
    assert frame.get("Name") == "a\nEvent: Hangup"


def test_the_first_value_of_a_repeated_header_wins():
    (frame,), _ = parse(BANNER, b"Event: Hangup\r\nUniqueid: 1\r\nUniqueid: 2\r\nEvent: Other\r\n\r\n")
    assert frame.name == "Hangup"
    assert frame.get("Uniqueid") == "1"
    assert frame.extra == (("Uniqueid", "2"), ("Event", "Other"))


def test_byte_by_byte_gives_the_same_frames():
    whole, _ = parse(STREAM)
    single, _ = parse(*(STREAM[i : i + 1] for i in range(len(STREAM))))
    assert single == whole


def test_cut_at_every_position_gives_the_same_frames():
    whole, _ = parse(STREAM)
    for cut in range(len(STREAM)):
        assert parse(STREAM[:cut], STREAM[cut:])[0] == whole


PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b": ",
        b":",
        b"Event: ",
        b"Response: ",
        b"Hangup",
        b"ActionID: 1",
        b"\xd0",
        b"\xff",
        b"\0",
        "ё".encode(),
        b"x" * 130,
    ]
)
GARBAGE = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=60).map(b"".join)


@given(st.one_of(GARBAGE, GARBAGE.map(lambda g: BANNER + g)), st.lists(st.integers(0, 500), max_size=12))
def test_any_bytes_in_any_chunking_give_the_same_and_fail_in_one_way_only(data, cuts):
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert outcome(chunks) == outcome([data]) == outcome([data[i : i + 1] for i in range(len(data))])


def test_a_peer_that_is_no_manager_is_refused_and_stays_refused():
    parser = ami.AmiClientParser()
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="not an Asterisk manager"):
            parser.feed(b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(RemoteProtocolError):
        ami.AmiClientParser().feed(ami.BANNER_PREFIX + b"1" * 300)
    with pytest.raises(RemoteProtocolError):
        ami.AmiClientParser().feed(b"Asterisk\r\n")


def test_good_frames_around_a_frame_over_the_limit_are_delivered():
    big = b"Event: Big\r\nData: " + b"x" * 400 + b"\r\n\r\n"
    good = b"Event: Hangup\r\nCause: 16\r\n\r\n"
    for data in ([BANNER + good + big + good], [BANNER + good + big[:300], big[300:350], big[350:] + good]):
        frames, parser = parse(*data, max_frame_bytes=100)
        assert [f.name for f in frames] == ["Hangup", "Hangup"]
        assert parser.counters.oversized == 1


def test_memory_stays_bounded_while_a_frame_never_ends():
    parser = ami.AmiClientParser(max_frame_bytes=1000)
    parser.feed(BANNER)
    for _ in range(100):
        parser.feed(b"y" * 900)
    assert len(parser._splitter._tail) <= 1000


def test_a_frame_of_too_many_lines_is_skipped():
    frames, parser = parse(BANNER, b"Event: A\r\n" + b"B: 1\r\n" * 2100 + b"\r\n")
    assert frames == []
    assert parser.counters.malformed == 1


def test_the_filter_builds_only_events_of_interest_and_all_while_a_list_is_awaited():
    stream = (
        b"Event: VarSet\r\nVariable: A\r\n\r\n"
        b"Event: Hangup\r\nCause: 16\r\n\r\n"
        b"Response: Error\r\nMessage: no\r\n\r\n"
        b"Event: Bare\r\n\r\n"
    )
    frames, parser = parse(BANNER, stream, interest=["Hangup"])
    assert [f.name for f in frames] == ["Hangup", "Error"]
    assert parser.counters.filtered == 2
    parser.everything = True
    assert [f.name for f in parser.feed(stream)] == ["VarSet", "Hangup", "Error", "Bare"]


# --- server role -------------------------------------------------------------------------------


def test_a_server_reads_actions_in_any_spelling_and_with_bare_newlines():
    stream = (
        b"ACTION: Redirect\nactionid: 4\r\nChannel:  1.2 \nVariable: a\nVariable: b\njunk\n\n\r\nFoo: 1\n\n"
    )
    for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        parser = ami.AmiServerParser()
        (action,) = [a for c in chunks for a in parser.feed(c)]
        assert action.name == "Redirect"
        assert action.get("ActionID") == "4"
        assert action.get("channel") == "1.2"
        assert action.get_all("Variable") == ["a", "b"]
        assert parser.counters == ami.ParserCounters(frames=1, malformed=1, odd_lines=1)


@pytest.mark.parametrize("cut", [20, 130, 200])
def test_a_server_skips_an_action_with_a_line_over_the_limit(cut):
    data = b"Action: Setvar\nValue: " + b"v" * 300 + b"\nX: 1\n\nAction: Ping\n\n"
    parser = ami.AmiServerParser(max_frame_bytes=100)
    actions = [*parser.feed(data[:cut]), *parser.feed(data[cut:])]
    assert [a.name for a in actions] == ["Ping"]
    assert parser.counters.oversized == 1


@given(GARBAGE, st.integers(0, 200))
def test_a_server_never_raises(data, cut):
    whole, split = ami.AmiServerParser(max_frame_bytes=60), ami.AmiServerParser(max_frame_bytes=60)
    assert whole.feed(data) == [*split.feed(data[:cut]), *split.feed(data[cut:])]
    assert whole.counters == split.counters


# --- sending -----------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(
    lambda n: n.lower() not in ("action", "actionid")
)
VALUES = st.text(max_size=60)


@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_one_encoded_action_is_one_action_with_the_same_values_or_refused(headers):
    """Security 4: whatever the text, the number of frames out is the number of calls in."""
    headers = {name.lower(): value.strip(" ") for name, value in headers.items()}
    bad = any(
        ord(c) < 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) < 0xE000 for v in headers.values() for c in v
    )
    if bad:
        with pytest.raises(LocalProtocolError):
            ami.encode_action("Setvar", headers, action_id="9")
        return
    data = ami.encode_action("Setvar", headers, action_id="9")
    (action,) = ami.AmiServerParser().feed(data)
    assert action.headers == {"action": "Setvar", "actionid": "9", **headers}


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("Set\r\nAction: Originate", {}),
        ("Setvar", {"Value": "a\r\nAction: Originate"}),
        ("Setvar", {"Value": "a\0b"}),
        ("Setvar", {"Value": "a\nb"}),
        ("Setvar", {"Na me": "x"}),
        ("Setvar", {"": "x"}),
        ("Setvar", {"Имя": "x"}),
        ("Setvar", {"Value\n": "x"}),
        ("Setvar", {"Value": "x" * 1000}),
        ("Setvar", {"Value": "ё" * 500}),
        ("Setvar", {"Value": "\ud800"}),
        ("Setvar", [("Variable", "x")] * 120),
    ],
)
def test_what_could_mean_something_else_on_the_wire_is_refused(name, headers):
    with pytest.raises(LocalProtocolError):
        ami.encode_action(name, headers)


def test_a_line_of_exactly_the_limit_is_sent():
    value = "x" * (ami.MAX_LINE_BYTES - len("Value: \r\n"))
    assert len(ami.encode_action("Setvar", {"Value": value}).split(b"\r\n")[1]) == ami.MAX_LINE_BYTES - 2


def test_what_a_server_sends_a_client_reads():
    data = (
        ami.encode_banner("9.0")
        + ami.encode_response("Success", {"Message": "Ок"}, action_id="1")
        + ami.encode_event("Status", [("Variable", "A=1"), ("Variable", "B=")])
    )
    (response, event), parser = parse(data)
    assert parser.banner == "9.0"
    assert response.get("Message") == "Ок"
    assert event.get_all("Variable") == ["A=1", "B="]
    assert response != event
    assert (response == 1) is False
    assert "Success" in repr(response)
