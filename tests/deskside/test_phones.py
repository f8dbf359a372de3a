"""Which agent has a phone in the page."""

from __future__ import annotations

from types import SimpleNamespace

from pydantic import SecretStr

from acd.config.strict_yaml import ConfigError
from acd.deskside.phones import WebPhones


def config(readable: bool = True) -> SimpleNamespace:
    def secret(reference: str, location: str) -> SecretStr:
        if not readable:
            raise ConfigError([f"{location}: cannot be read"])
        return SecretStr(reference)

    agents = {"ann": SimpleNamespace(webphone="s3cret"), "bob": SimpleNamespace(webphone=None)}
    tree = SimpleNamespace(agents=agents, asterisk=SimpleNamespace(websocket="ws://127.0.0.1:8089/ws"))
    return SimpleNamespace(tree=tree, secret=secret, dial=lambda agent: f"PJSIP/{agent}&PJSIP/{agent}-2")


def test_an_agent_with_a_secret_has_one_others_have_none():
    phones = WebPhones(config)
    assert [phones.password(name) for name in ("ann", "bob", "nobody")] == ["s3cret", None, None]
    assert (phones.endpoint("ann"), phones.websocket) == ("ann", "ws://127.0.0.1:8089/ws")


def test_a_secret_that_cannot_be_read_is_no_phone_and_no_crash():
    assert WebPhones(lambda: config(readable=False)).password("ann") is None
