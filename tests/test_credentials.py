"""Secrets: stored forms, comparison, names."""

from __future__ import annotations

import pytest

from acd.credentials import Principal, Role, find_by_token, hash_password, hash_token, new_token, verify


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
