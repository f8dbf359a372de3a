"""Secrets: stored forms, comparison, names."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from acd import credentials
from acd.credentials import (
    BusyError,
    PasswordCheck,
    Principal,
    Role,
    find_by_token,
    hash_password,
    hash_token,
    new_token,
    verify,
)


@pytest.mark.slow
def test_token_and_password_verify_only_against_their_own_hash():
    token = new_token()
    assert verify(hash_token(token), token)
    assert not verify(hash_token(token), token + "x")
    stored = hash_password("correct horse")
    assert verify(stored, "correct horse")
    assert not verify(stored, "correct hors")


@pytest.mark.parametrize("stored", [None, "sha256:", "sha256:" + "0" * 64, "$argon2id$broken", "plain"])
@pytest.mark.parametrize("given", ["", "plain", "\ud800", "0" * 64])
def test_nothing_opens_an_unknown_or_broken_entry(stored, given):
    assert not verify(stored, given)


@pytest.mark.parametrize("name", ["", "a-b", "a/b", "a+", "#", "ann ", "аня", "a" * 65])
def test_name_that_could_reach_into_topics_or_client_ids_is_refused(name):
    with pytest.raises(ValueError, match="letters and digits"):
        Principal(name, Role.AGENT, hash_token("x"))


def test_plain_secret_in_the_configuration_is_refused_and_never_shown():
    with pytest.raises(ValueError, match="neither"):
        Principal("ann", Role.AGENT, "hunter2")
    assert "sha256" not in repr(Principal("ann", Role.AGENT, hash_token("x")))


def test_bearer_token_finds_its_owner():
    people = tuple(Principal(n, Role.AGENT, hash_token(n * 3)) for n in ("ann", "bob"))
    assert find_by_token(people, "bobbobbob") is people[1]
    assert find_by_token(people, "") is None


SLOW = "$argon2id$ of "
"""Of the stand-in below: the password's own name."""


class SlowHash:
    """Stands in for the slow comparison; waits while `shut`, and notes who asked for what and how modestly."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.niceness: set[int] = set()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, stored: str | None, given: str) -> bool:
        if stored is None or not stored.startswith(SLOW):
            return verify(stored, given)
        self.asked.append(given)
        self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        assert self.open.wait(10)
        return stored == SLOW + given


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowHash]:
    made = SlowHash()
    monkeypatch.setattr(credentials, "verify", made)
    yield made
    made.open.set()


def people() -> tuple[Principal, ...]:
    return (
        Principal("ann", Role.AGENT, SLOW + "annpw"),
        Principal("bob", Role.AGENT, SLOW + "bobpw"),
        Principal("desk", Role.SUPERVISOR, hash_token("t")),
    )


async def test_a_name_nobody_has_costs_as_much_as_one_there_is(slow: SlowHash) -> None:
    """Security row 19: 50 ms against 700 ms told which names there are."""
    check = PasswordCheck(people())
    assert await check.who("nobody", "guess") is None
    assert await check.who("ann", "guess") is None
    assert slow.asked == ["guess", "guess"]
    assert await check.who("nobody", "annpw") is None, "the decoy's own password opens nothing"
    assert await check.who("nobody", "annpw") is None
    assert await check.who("ann", "annpw") == people()[0]
    assert await PasswordCheck(people()[2:]).who("nobody", "x") is None
    assert len(slow.asked) == 5


async def test_guesses_in_parallel_do_not_tell_which_names_there_are(slow: SlowHash) -> None:
    """Security row 19: names nobody has shared one line, so five of them at once were told to try again."""
    check = PasswordCheck(people())
    check._key = bytes(32)  # which names share a bucket is chance: here none of these
    slow.open.clear()
    for names in (["ann"] * 5, ["nobody"] * 5, [f"nobody{n}" for n in range(5)]):
        guesses = [asyncio.create_task(check.who(name, "guess")) for name in names]
        done, _ = await asyncio.wait(guesses, timeout=0.05)
        assert len(done) == 5 - min(4, len(names)) if len(set(names)) == 1 else not done, names
    check = PasswordCheck(people())
    for n in range(20_000):
        check._queued[check._bucket(f"n{n}")] += 1
    assert len(check._queued) <= 1_024, "a flood of names costs bounded memory"


def test_the_slow_hash_runs_without_pythons_lock() -> None:
    """Else a thread of low priority would hold up the loop for as long as the hash takes."""
    stored, begun, ended, turns = hash_password("annpw"), threading.Event(), threading.Event(), 0
    thread = threading.Thread(target=lambda: (begun.set(), verify(stored, "annpw"), ended.set()))
    before = sys.getswitchinterval()
    sys.setswitchinterval(60)  # who holds the lock keeps it until he gives it back himself
    try:
        thread.start()
        while not ended.is_set():
            turns += begun.is_set()
            time.sleep(0)  # the only moment at which the other thread can go on
    finally:
        sys.setswitchinterval(before)
        thread.join()
    assert turns > 100


async def test_guesses_at_one_name_stand_in_nobody_elses_way(slow: SlowHash) -> None:
    """Security row 23: forty guessers at once took 14 s of an agent's login, and seconds of every call."""
    check = PasswordCheck(people())
    slow.open.clear()
    for name in ("ann", "nobody"):
        guesses = [asyncio.create_task(check.who(name, f"{name}{n}")) for n in range(40)]
        await asyncio.sleep(0)
        done, waiting = await asyncio.wait(guesses, timeout=0.05)
        assert len(waiting) == 4
        assert all(isinstance(task.exception(), BusyError) for task in done)
    assert await check.who("desk", "t") == people()[2], "tokens wait for no password"
    login = asyncio.create_task(check.who("bob", "bobpw"))
    await asyncio.sleep(0)
    slow.open.set()
    async with asyncio.timeout(5):
        assert await login == people()[1]
        assert await check.who("bob", "bobpw") == people()[1]
        assert await check.who("ann", "annpw") == people()[0], "and afterwards all is as ever"
    assert slow.niceness == {5}, (
        "callers wait for the other threads; and this one holds Python's lock at times"
    )
