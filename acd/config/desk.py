"""The desk section of acd.yaml: mail, SMS, dossier and help desks of the secretarial desk."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from acd.config.system import Host, Milliseconds, Port, Seconds, SecretReference, is_loopback
from acd.config.strict_yaml import Flag, Section


def _not_in_clear(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if not url.startswith("https://") and not is_loopback(host):
        raise ValueError("messages leave this machine encrypted: write https://")
    return url


Address: TypeAlias = Annotated[str, Field(pattern=r"^https?://[^\s]+$"), AfterValidator(_not_in_clear)]


class Smtp(Section):
    """The mail server messages leave by."""

    host: Host = Field(default="127.0.0.1", description="Submission server")
    port: Port = Field(default=25, description="Its port")
    encryption: Literal["none", "starttls", "tls"] = Field(
        default="none", description="Anything but loopback: not none"
    )
    user: Annotated[str, Field(max_length=200)] = Field(default="", description="Empty: no login")
    password: SecretReference | None = Field(default=None, description="Of that user")
    sender: Annotated[str, Field(pattern=r"^[^@\s<>\"']+@[0-9A-Za-z.-]+$")] = Field(
        default="desk@localhost", description="Address in From"
    )
    timeout_s: Seconds = Field(default=20.0, description="One attempt")

    @model_validator(mode="after")
    def _not_in_clear(self) -> Smtp:
        if self.encryption == "none" and not is_loopback(self.host):
            raise ValueError("mail to another machine is encrypted: write encryption: starttls or tls")
        return self


class SmsGateway(Section):
    """An HTTP gateway: one POST with JSON `to`, `text`, `key` per message."""

    url: Address = Field(description="Receives the POST")
    token: SecretReference | None = Field(default=None, description="Sent as bearer token")
    timeout_s: Seconds = Field(default=10.0, description="One attempt")


class HelpDesk(Section):
    """A help desk that gets cases as tickets."""

    kind: Literal["webhook", "zammad"] = Field(description="How it is spoken to")
    url: Address = Field(description="Its address")
    token: SecretReference | None = Field(default=None, description="Bearer token, or Zammad access token")
    group: Annotated[str, Field(max_length=80)] = Field(
        default="Users", description="Zammad: group of new tickets"
    )
    customer: Annotated[str, Field(max_length=200)] = Field(
        default="desk@localhost", description="Zammad: customer of cases whose client left no address"
    )
    poll_s: Seconds = Field(default=60.0, description="Open tickets are asked for their state this often")


class Desk(Section):
    """The secretarial desk."""

    dossier_budget_ms: Milliseconds = Field(
        default=300, description="Sources that are later than this are left out"
    )
    smtp: Smtp | None = Field(default=None, description="Absent: e-mail waits, and says so")
    sms: SmsGateway | None = Field(default=None, description="Absent: SMS waits, and says so")
    helpdesks: dict[Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,32}$")], HelpDesk] = Field(
        default_factory=dict, description="By id, as projects name them"
    )
    case_numbers_keyed: Flag = Field(
        default=True, description="A quoted card number leads to its case and responsible person"
    )
