"""Sections of acd.yaml on their own: secrets from odd places, loopback, pairs that belong together."""

import dataclasses
from pathlib import Path

import pytest
from pydantic import ValidationError

from acd.config.system import (
    MAX_SECRET_BYTES,
    WEIGHT_LIMITS,
    Centre,
    Http,
    Mqtt,
    SecretReference,
    SecretUnavailableError,
    Transfers,
    is_loopback,
)
from acd.core.policy import RoutingWeights
from tests.config_help import refused


@pytest.mark.parametrize("prefix", ["112", "101", "104"])
def test_a_prefix_that_can_only_mean_an_emergency_service_is_refused(prefix):
    """Security row 8: short numbers are never dialled, so the configuration must not look as if they were."""
    with pytest.raises(ValidationError, match="take this prefix out"):
        Transfers(outside_prefixes=("+7495", prefix))
    assert Transfers(outside_prefixes=("+7495", "8", "911")).outside_prefixes == ("+7495", "8", "911")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_is_recognised(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
def test_nothing_else_passes_for_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("content", "secret"),
    [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b" a b \n\n", " a b \n")],
)
def test_one_trailing_line_break_of_a_secret_file_is_dropped(tmp_path, content, secret):
    (tmp_path / "s").write_bytes(content)
    assert SecretReference(file=Path("s")).resolve(tmp_path).get_secret_value() == secret


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (MAX_SECRET_BYTES + 1)])
def test_a_useless_secret_file_is_an_error_that_names_the_file_and_no_content(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(SecretUnavailableError, match=str(tmp_path / "s")) as caught:
        SecretReference(file=Path("s")).resolve(tmp_path)
    assert "xxx" not in str(caught.value)


def test_a_credential_outside_systemd_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretUnavailableError, match="started outside systemd"):
        SecretReference(credential="ami").resolve(tmp_path)


@pytest.mark.parametrize("name", ["../../etc/shadow", "a/b", "", "a b"])
def test_a_credential_cannot_leave_its_directory(name):
    with pytest.raises(ValidationError):
        SecretReference(credential=name)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "/etc/localtime", "Europe"])
def test_only_zones_of_the_database_are_time_zones(zone):
    with pytest.raises(ValidationError, match="IANA"):
        Centre(time_zone=zone)


def test_a_certificate_needs_its_key():
    with pytest.raises(ValidationError, match="belong together"):
        Http(certificate=Path("c.pem"))


@pytest.mark.parametrize("url", ["http://x", "mqtt://user:pass@host", "mqtt://", "mqtt://a b"])
def test_a_broker_address_has_no_password_and_the_right_scheme(url):
    with pytest.raises(ValidationError):
        Mqtt(url=url)


def test_every_number_among_the_weights_has_limits_that_hold_its_default():
    for item in dataclasses.fields(RoutingWeights):
        if isinstance(item.default, (bool, str)):
            continue
        limit = WEIGHT_LIMITS[item.name]
        assert limit.low <= item.default <= limit.high, item.name
        assert limit.beyond


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (
            "sticky_share: 1.5",
            "between 0 and 1: beyond that a call would be kept for its agent beyond its promise",
        ),
        (
            "opportunity_decay: 1.0",
            "between 0 and 0.99: beyond that many ready agents would be as dear as the last",
        ),
        ("debt_step: -0.1", "between 0 and 5: beyond that one missed call would turn the order over"),
        ("reserve_close_ms: 100", "between 500 and 3.6e+06: beyond that the reserve would flap"),
    ],
)
def test_a_weight_out_of_range_says_what_would_happen(tmp_path, weights, said):
    """Issue 4, bad input."""
    (problem,) = refused(tmp_path, acd=f"routing: {{weights: {{{weights}}}}}\n")
    assert problem.startswith("acd.yaml:1:")
    assert said in problem
