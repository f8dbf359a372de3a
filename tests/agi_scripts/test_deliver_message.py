"""A message by phone: what is said, and what a key means (000-11, 002-17)."""

from __future__ import annotations

import pytest

from agi_scripts.deliver_message import ASKED_TIMES, CONNECT, PASS_ON, TAKE, Spoken, prompts, talk
from tests.agi_scripts.fake_session import FakeSession

SPOKEN = Spoken("105126", "+79160000001", urgent=True)


class Person(FakeSession):
    """Presses `early` during a prompt of that number, else what `keyed` holds."""

    def __init__(self, *keyed: str, early: tuple[int, str] = (-1, "")) -> None:
        super().__init__()
        self.keyed = list(keyed)
        self.early = early

    async def stream(self, file: str, digits: str = "") -> str:
        await super().stream(file, digits)
        at, key = self.early
        return key if len(self.prompts) - 1 == at and key in digits else ""


def taking(*, works: bool = True):
    taken: list[str] = []

    async def take() -> bool:
        taken.append("taken")
        return works

    return take, taken


def test_what_is_said_are_prompts_and_digits_only() -> None:
    assert prompts(SPOKEN)[:4] == ("vm-youhave", "vm-Urgent", "vm-message", "digits/1")
    assert prompts(SPOKEN)[-1] == "digits/1"
    assert "vm-from-phonenumber" not in prompts(Spoken("10", ""))
    assert prompts(Spoken("1/../2", "+7x")) == (
        "vm-youhave", "vm-message", "digits/1", "digits/2", "vm-from-phonenumber", "digits/7",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keyed", "result", "stored"),
    [
        (("1",), TAKE, 1), (("2",), CONNECT, 1), (("3",), PASS_ON, 0), (("", "9", "1"), TAKE, 1), (("", "", ""), PASS_ON, 0),
        (("0", "0", "0", "1"), PASS_ON, 0),
    ],
)  # fmt: skip
async def test_a_key_decides_and_silence_takes_nothing(
    keyed: tuple[str, ...], result: str, stored: int
) -> None:
    take, taken = taking()
    session = Person(*keyed)
    assert await talk(session, SPOKEN, take) == result
    assert len(taken) == stored
    assert session.variables == ({"ACD_ANI": "+79160000001"} if result == CONNECT else {})
    assert session.prompts.count("vm-youhave") <= ASKED_TIMES


async def test_a_key_during_a_prompt_counts_at_once() -> None:
    take, taken = taking()
    session = Person(early=(4, "1"))
    assert await talk(session, SPOKEN, take) == TAKE
    assert taken == ["taken"]
    assert len(session.prompts) == 6, "five prompts and the good-bye"


async def test_a_withheld_number_is_taken_but_nobody_is_connected() -> None:
    take, _ = taking()
    session = Person("2")
    assert await talk(session, Spoken("105126", ""), take) == TAKE
    assert session.variables == {}


async def test_what_could_not_be_stored_is_not_taken_and_nobody_says_good_bye() -> None:
    take, _ = taking(works=False)
    session = Person("1")
    assert await talk(session, SPOKEN, take) == PASS_ON
    assert "vm-goodbye" not in session.prompts
