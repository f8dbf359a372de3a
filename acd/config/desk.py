"""The desk section of acd.yaml: mail, SMS, dossier and help desks of the secretarial desk."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from acd.config.strict_yaml import Flag, Section
from acd.config.system import Host, Milliseconds, Port, Seconds, SecretReference, is_loopback


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
    bounces: Annotated[str, Field(pattern=r"^([^@\s<>\"']+@[0-9A-Za-z.-]+)?$")] = Field(
        default="", description="Return-Path: undeliverable mail comes back here; empty: to the sender"
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


class Smpp(Section):
    """A message centre spoken to by SMPP 3.4 (the extra `smpp`)."""

    host: Host = Field(
        default="127.0.0.1", description="Loopback only, SMPP is in clear: a TLS tunnel leads to a far centre"
    )
    port: Port = Field(default=2775, description="Its port")
    system_id: Annotated[str, Field(max_length=15)] = Field(default="", description="Login")
    password: SecretReference | None = Field(default=None, description="Of that login, at most 8 characters")
    system_type: Annotated[str, Field(max_length=12)] = Field(
        default="", description="If the operator wants one"
    )
    source: Annotated[str, Field(pattern=r"^(\+?[0-9]{3,15}|[0-9A-Za-z ._-]{1,11})$")] = Field(
        description="Number or name shown to the receiver"
    )
    timeout_s: Seconds = Field(default=10.0, description="One answer")

    @model_validator(mode="after")
    def _not_in_clear(self) -> Smpp:
        if not is_loopback(self.host):
            raise ValueError(
                "SMPP is in clear: write 127.0.0.1 and let a TLS tunnel (stunnel) lead to the centre"
            )
        return self


class Imap(Section):
    """A mailbox that is looked into for bounces and answers (the extra `inbox`)."""

    host: Host = Field(description="Mail server")
    port: Port = Field(default=993, description="Its port")
    encryption: Literal["none", "starttls", "tls"] = Field(
        default="tls", description="Anything but loopback: not none"
    )
    user: Annotated[str, Field(max_length=200)] = Field(description="Login")
    password: SecretReference = Field(description="Of that user")
    folder: Annotated[str, Field(max_length=200)] = Field(default="INBOX", description="Where they arrive")
    poll_s: Seconds = Field(default=30.0, description="How often")

    @model_validator(mode="after")
    def _not_in_clear(self) -> Imap:
        if self.encryption == "none" and not is_loopback(self.host):
            raise ValueError("a mailbox on another machine is read encrypted: write encryption: tls")
        return self


class Inbox(Section):
    """Where bounces and answers to our mails come in. Both may be used at once."""

    lmtp_port: Port | None = Field(
        default=None, description="LMTP on 127.0.0.1 for this machine's mail server"
    )
    imap: Imap | None = Field(default=None, description="A mailbox looked into")


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
    smpp: Smpp | None = Field(default=None, description="SMS without a gateway; instead of `sms`")
    phone_ring_s: Annotated[int, Field(ge=5, le=60)] = Field(
        default=25,
        description="Messages by phone (section `callbacks` names who dials): one ring of a person",
    )
    retry_first_s: Seconds = Field(
        default=2.0, description="A refused message is tried again after this, then doubled"
    )
    retry_longest_s: Seconds = Field(default=600.0, description="The longest pause between two tries")
    inbox: Inbox = Field(default=Inbox(), description="Bounces and answers to our mails")
    helpdesks: dict[Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,32}$")], HelpDesk] = Field(
        default_factory=dict, description="By id, as projects name them"
    )
    case_numbers_keyed: Flag = Field(
        default=True, description="A quoted card number leads to its case and responsible person"
    )

    @model_validator(mode="after")
    def _agree(self) -> Desk:
        if self.sms is not None and self.smpp is not None:
            raise ValueError("SMS leaves one way: write sms (a gateway) or smpp (a message centre), not both")
        if self.retry_first_s > self.retry_longest_s:
            raise ValueError("retry_longest_s is at least retry_first_s")
        return self
