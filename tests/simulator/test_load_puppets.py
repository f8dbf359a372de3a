"""SIPp moved from outside: logs are read once and whole, commands are well-formed SIP."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from simulator.load.puppets import HERE, Puppets, command


def test_a_growing_log_is_read_once_and_torn_lines_wait_for_their_end(tmp_path: Path):
    puppets = Puppets("callers.xml", "127.0.0.1", 5060, tmp_path)
    assert list(puppets.news()) == []
    log = tmp_path / "events.log"
    log.write_bytes(b"acd INVITE ani=+7900 cid=1-2@x 2026-01-01 10:00:00.1 1767261600.125\nacd ACC")
    first = list(puppets.news())
    assert first == [("INVITE", {"ani": "+7900", "cid": "1-2@x"}, 1767261600.125)]
    with log.open("ab") as file:
        file.write(b"EPTED ani=+7900 cid=1-2@x 2026-01-01 10:00:00.2 1767261600.25\nnoise\n\n")
    assert [event for event, _, _ in puppets.news()] == ["ACCEPTED"]
    assert list(puppets.news()) == []


def test_a_command_names_the_call_and_ends_as_sip_must(tmp_path: Path):
    puppets = Puppets("callers.xml", "127.0.0.1", 5060, tmp_path, port=5099)
    request = command("INFO", puppets, "7-1@127.0.0.1", 12).decode("ascii")
    head, _, body = request.partition("\r\n\r\n")
    assert head.startswith("INFO sip:puppet@127.0.0.1:5099 SIP/2.0\r\n")
    assert "Call-ID: 7-1@127.0.0.1\r\n" in head
    assert "CSeq: 12 INFO\r\n" in head
    assert body == ""
    assert command("INFO", puppets, "a", 1) != command("INFO", puppets, "a", 2), "no retransmission to SIPp"


@pytest.mark.parametrize("name", ["callers.xml", "phones.xml", "busy_phones.xml"])
def test_every_jump_of_a_scenario_has_its_label(name: str):
    root = ET.parse(HERE / name).getroot()  # noqa: S314 - our own file
    labels = {node.get("id") for node in root.iter("label")}
    jumps = {node.get("next") for node in root.iter() if node.get("next")}
    assert jumps <= labels
    logged = [node.get("message", "") for node in root.iter("log")]
    assert all(text.startswith("acd ") and text.endswith("[timestamp]") for text in logged)
