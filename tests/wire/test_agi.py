"""AGI lines: whole, byte by byte, cut everywhere; injected lines change nothing (row 25, security 6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.wire import agi
from acd.wire.errors import LocalProtocolError, RemoteProtocolError

REQUEST = (
    "agi_network: yes\nagi_network_script: enter\r\nagi_callerid: +74951234567\n"
    "agi_calleridname: Ёж: лесной\nagi_arg_1:\nagi_network_script: evil\nstray\n\n"
).encode()


def read_request(*chunks: bytes, **options: int):
    parser = agi.AgiRequestParser(**options)
    for index, chunk in enumerate(chunks):
        request = parser.feed(chunk)
        if request is not None:
            return request, parser.leftover + b"".join(chunks[index + 1 :])
    return None, b""


def test_the_first_header_of_a_name_wins():
    request, leftover = read_request(REQUEST + b"200 result=0\n")
    assert request.get("agi_network_script") == "enter"
    assert request.get("agi_calleridname") == "Ёж: лесной"
    assert request.get("agi_arg_1") == ""
    assert request.get("agi_absent", "none") == "none"
    assert request.repeated == 1
    assert leftover == b"200 result=0\n"


def test_an_argument_forged_through_the_callers_name_is_not_trusted():
    """Security 6: the name stands before the arguments, so there the first is not the true one."""
    forged, _ = read_request(b"agi_calleridname: x\nagi_arg_1: evil\nagi_arg_1: call\n\n")
    assert "agi_arg_1" not in forged.trusted()
    honest, _ = read_request(b"agi_calleridname: x\nagi_arg_1: call\n\n")
    assert honest.trusted()["agi_arg_1"] == "call"


def test_request_cut_at_every_position_and_byte_by_byte_is_the_same():
    data = REQUEST + b"200"
    whole = read_request(data)
    assert read_request(*(data[i : i + 1] for i in range(len(data)))) == whole
    for cut in range(len(data)):
        assert read_request(data[:cut], data[cut:]) == whole


@pytest.mark.parametrize(
    "data", [b"a: b\n" * 200, b"agi_x: " + b"y" * 20_000, b"agi_x: " + b"y" * 20_000 + b"\n\n"]
)
def test_headers_without_end_are_refused(data):
    """Security 23."""
    with pytest.raises(RemoteProtocolError):
        read_request(data)


@given(
    st.lists(
        st.sampled_from(
            [b"\n", b"\n\n", b"\r", b":", b": ", b"agi_", b"a: b\n", b"c:d: e\n", b"x" * 50, b"\xff", b" "]
        ),
        max_size=40,
    ).map(b"".join)
)
def test_any_request_bytes_in_any_chunking_give_the_same(data):
    def run(chunks):
        try:
            return read_request(*chunks, max_bytes=300, max_lines=6)
        except RemoteProtocolError:
            return "refused"

    assert run([data]) == run([data[i : i + 1] for i in range(len(data))])


REPLIES = (
    "100 Trying\n200 result=1 (Сбыт (юг))\nHANGUP\n200 result=0 endpos=160\n200 result=-1\n"
    "510 Invalid or unknown command\n520-Invalid command syntax.  Proper usage follows:\nHANGUP\n Usage: X\n\n"
    "520 End of proper usage.\n511 Command Not Permitted on a dead channel or intercept routine\n"
    "200 result= (timeout)\n520 Invalid command syntax.  Proper usage not available.\r\n"
).encode()


def read_replies(*chunks: bytes):
    parser = agi.AgiReplyParser()
    out: list[object] = []
    try:
        for chunk in chunks:
            out += parser.feed(chunk)
        parser.feed(b"")
    except RemoteProtocolError:
        out.append("refused")
    return out


def test_replies_are_told_apart_and_hangup_shifts_nothing():
    """Row 25: HANGUP may stand between the lines of one reply."""
    replies = read_replies(REPLIES)
    codes = [r.code if isinstance(r, agi.AgiReply) else "hangup" for r in replies]
    assert codes == [200, "hangup", 200, 200, 510, "hangup", 520, 511, 200, 520]
    assert replies[0].data == "Сбыт (юг)"
    assert replies[2].endpos == 160
    assert replies[3].result == "-1"
    assert "Usage: X" in replies[6].text
    assert replies[8] == agi.AgiReply(200, "", "timeout", None, "200 result= (timeout)")


def test_replies_cut_at_every_position_and_byte_by_byte_are_the_same():
    whole = read_replies(REPLIES)
    assert read_replies(*(REPLIES[i : i + 1] for i in range(len(REPLIES)))) == whole
    for cut in range(len(REPLIES)):
        assert read_replies(REPLIES[:cut], REPLIES[cut:]) == whole


LINES = st.sampled_from(
    [b"200 result=1 (", b"x", b")", b"\n", b"HANGUP\n", b"520-", b"520 ", b"510", b"\r", b"\xd0"]
)


@pytest.mark.slow
@given(st.lists(st.one_of(LINES, st.binary(max_size=5)), max_size=40).map(b"".join))
def test_any_reply_bytes_in_any_chunking_give_the_same_and_one_error_type(data):
    assert read_replies(data) == read_replies(*(data[i : i + 1] for i in range(len(data))))


@pytest.mark.parametrize(
    "data", [b"hello\n", b"y" * 20_000, b"z" * 20_000 + b"\n", b"520-a\n" + b"u" * 999 + b"\n" * 1]
)
def test_what_is_no_reply_ends_the_talk_for_good(data):
    parser = agi.AgiReplyParser()
    if data.startswith(b"520-"):
        parser.feed(data)
        data = (b"u" * 999 + b"\n") * 20
    with pytest.raises(RemoteProtocolError):
        parser.feed(data)
    with pytest.raises(RemoteProtocolError):
        parser.feed(b"200 result=0\n")


def test_a_good_reply_before_garbage_is_still_given():
    assert read_replies(b"200 result=0\nnonsense\n") == [
        agi.AgiReply(200, "0", None, None, "200 result=0"),
        "refused",
    ]


# --- commands ----------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=30), max_size=5))
def test_an_encoded_command_is_one_line_with_the_same_arguments_or_refused(arguments):
    """Security 6: quotes, backslashes and newlines in a value cannot add a command."""
    bad = any(ord(c) < 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) < 0xE000 for a in arguments for c in a)
    if bad:
        with pytest.raises(LocalProtocolError):
            agi.encode_command("SET VARIABLE", *arguments)
        return
    line = agi.encode_command("SET VARIABLE", *arguments)
    assert line.count(b"\n") == 1
    assert agi.parse_command(line) == ["SET", "VARIABLE", *arguments]


@pytest.mark.parametrize("keyword", ["", "SET\nEXEC", 'SET "', "SET  X", "S3T"])
def test_a_keyword_is_letters_only(keyword):
    with pytest.raises(LocalProtocolError):
        agi.encode_command(keyword)


def test_a_command_over_the_limit_is_refused():
    with pytest.raises(LocalProtocolError):
        agi.encode_command("SET VARIABLE", "A", "x" * 2000)


def test_words_are_split_as_asterisk_does():
    assert agi.parse_command('EXEC  Playback "a b"\\ c \t"" \\"\n') == ["EXEC", "Playback", "a b c", "", '"']
    assert agi.parse_command("GET VARIABLE ACD_CALL") == ["GET", "VARIABLE", "ACD_CALL"]


def test_what_asterisk_sends_we_read():
    data = agi.encode_request({"agi_network_script": "enter", "agi_calleridname": "Ёж"})
    assert read_request(data)[0].get("agi_calleridname") == "Ёж"
    for bad in ({"a\n": "b"}, {"a": "b\nc"}, {"a:b": "c"}, {"a": "\ud800"}):
        with pytest.raises(LocalProtocolError):
            agi.encode_request(bad)
    replies = read_replies(
        agi.encode_reply(200, "1", "да"),
        agi.encode_reply(200, "0"),
        agi.encode_reply(510),
        agi.encode_reply(511),
        agi.encode_reply(520, "Invalid command syntax."),
    )
    assert [r.code for r in replies] == [200, 200, 510, 511, 520]
    assert replies[0].data == "да"
    with pytest.raises(LocalProtocolError):
        agi.encode_reply(200, "1", "a\nb")
