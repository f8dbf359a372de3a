"""What Asterisk's refusals to mute or end a recording mean: only its own words say that nothing is recorded (security 22)."""

from __future__ import annotations

import pytest

from acd.adapters.asterisk.link import NoAnswer
from acd.adapters.asterisk.recording import AsteriskRecording
from acd.ports import CallGoneError, NotRecordedError, RefusedError


class Answer:
    def __init__(self, name: str, message: str) -> None:
        self.name, self.message = name, message

    def get(self, _header: str) -> str:
        return self.message


class Manager:
    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def action(self, name, headers=(), timeout_s=None):
        self.asked.append((name, dict(headers)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Channels:
    def __init__(self, uniqueid: str | None = "17.1") -> None:
        self.uniqueid = uniqueid

    def uniqueid_of(self, _call):
        return self.uniqueid


@pytest.mark.parametrize(
    ("message", "means"),
    [
        ("Cannot set mute flag", NotRecordedError),
        ("Could not stop monitoring channel", NotRecordedError),
        ("No such channel", CallGoneError),
        ("Permission denied", RefusedError),
        ("", RefusedError),
    ],
)
async def test_each_refusal_is_what_it_says_and_no_more(message, means):
    recorder = AsteriskRecording(Manager(Answer("Error", message)), Channels())
    for command in (recorder.mute("c1", on=True), recorder.end("c1")):
        with pytest.raises(RefusedError) as told:
            await command
        assert type(told.value) is means


async def test_no_answer_is_no_refusal_and_a_caller_we_do_not_know_is_gone():
    with pytest.raises(NoAnswer):
        await AsteriskRecording(Manager(NoAnswer("late")), Channels()).mute("c1", on=True)
    with pytest.raises(CallGoneError):
        await AsteriskRecording(Manager(Answer("Success", "")), Channels(None)).mute("c1", on=True)


async def test_a_mute_goes_to_the_callers_channel_in_both_directions():
    manager = Manager(Answer("Success", ""))
    await AsteriskRecording(manager, Channels()).mute("c1", on=True)
    assert manager.asked == [("MixMonitorMute", {"Channel": "17.1", "Direction": "both", "State": "1"})]
