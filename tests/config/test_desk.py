"""The desk's settings: nothing leaves this machine in clear."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from acd.config.desk import Desk


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp": {"host": "mail.example"}},
        {"sms": {"url": "http://sms.example/send"}},
        {"helpdesks": {"z": {"kind": "zammad", "url": "http://help.example"}}},
        {"helpdesks": {"z": {"kind": "fax", "url": "https://help.example"}}},
        {"smpp": {"host": "smsc.example", "source": "Desk"}},
        {"smpp": {"source": "Desk"}, "sms": {"url": "https://sms.example/send"}},
        {"inbox": {"imap": {"host": "mail.example", "user": "u", "password": "env:X", "encryption": "none"}}},
        {"smtp": {"host": "mail.example", "encryption": "tls", "bounces": "a@b\nBcc: c@d"}},
        {"smtp": {"host": "mail.example", "encryption": "tls", "sender": "a@b\nBcc: c@d"}},
    ],
)
def test_what_would_leave_in_clear_or_forge_headers_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Desk.model_validate(wrong)


def test_a_mail_server_beside_us_needs_no_encryption_and_another_one_does() -> None:
    good = {
        "smtp": {"host": "127.0.0.1", "port": 2525},
        "sms": {"url": "https://sms.example/send"},
        "helpdesks": {"z": {"kind": "zammad", "url": "http://127.0.0.1:8080"}},
    }
    desk = Desk.model_validate(good)
    assert desk.smtp is not None
    assert desk.dossier_budget_ms == 300
    assert Desk.model_validate({"smtp": {"host": "mail.example", "encryption": "starttls"}}).smtp is not None
