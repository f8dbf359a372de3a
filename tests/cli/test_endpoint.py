"""Finding the daemon from options and configuration."""

import ssl
from pathlib import Path

import pytest

from acd.cli.endpoint import Endpoint, EndpointError, find
from tests.config_help import write


def test_the_configuration_says_where_the_daemon_listens(tmp_path):
    found = find(write(tmp_path), None, None)
    assert found == Endpoint("http://127.0.0.1:8088", tmp_path / "state" / "secrets" / "http-token")
    assert found.verify() is True


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "https://127.0.0.1:8443"),
        ("'::'", "https://[::1]:8443"),
        ("desk.example", "https://desk.example:8443"),
    ],
)
def test_a_daemon_open_to_others_is_reached_from_here(tmp_path, host, url):
    acd = f"state_dir: s\nhttp: {{host: {host}, port: 8443, certificate: c.pem, key: k.pem}}\n"
    found = find(write(tmp_path, acd=acd), None, None)
    assert found.url == url
    assert found.certificate == tmp_path / "s" / "c.pem"
    with pytest.raises(EndpointError, match="cannot be read"):
        found.verify()


def test_the_configured_certificate_is_pinned(tmp_path):
    # any certificate of this machine will do as an example
    bundle = ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile
    certificate = tmp_path / "c.pem"
    text = Path(bundle).read_text(encoding="utf-8")
    certificate.write_text(text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n")
    context = Endpoint("https://127.0.0.1", certificate=certificate).verify()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.check_hostname


def test_options_win_and_need_no_configuration(tmp_path):
    other = find(tmp_path / "none", "http://127.0.0.1:9", tmp_path / "t")
    assert other == Endpoint("http://127.0.0.1:9", tmp_path / "t")
    with pytest.raises(EndpointError, match="cannot be read"):
        find(tmp_path / "none", None, None)
