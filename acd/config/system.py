"""The sections of acd.yaml: connections, storage, interfaces and routing, as strict models.

Every length of time has its unit in its name. Secrets stand here only by reference. Relative paths
are relative to ``state_dir``, which itself is relative to the configuration directory.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, create_model, field_validator, model_validator

from acd.config.strict_yaml import Flag, Number, Section, Whole
from acd.core.policy import RoutingWeights

SERVICE_NUMBERS = frozenset({"101", "102", "103", "104", "112"})
"""Emergency services of Russia and the EU; no subscriber's number begins with these."""

Port: TypeAlias = Annotated[Whole, Field(ge=1, le=65535)]
Seconds: TypeAlias = Annotated[Number, Field(gt=0, le=86_400)]
Milliseconds: TypeAlias = Annotated[Whole, Field(ge=1, le=600_000)]
Days: TypeAlias = Annotated[Whole, Field(ge=1, le=36_500)]
Host: TypeAlias = Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,253}$")]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
Account: TypeAlias = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,64}$")]
Language: TypeAlias = Literal["ru", "en"]

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
MAX_SECRET_BYTES = 64_000


class SecretUnavailableError(Exception):
    """A secret's file, variable or credential is missing, empty or unreadable. The text names the place, no content."""


class SecretReference(Section):
    """Where a secret is kept. The configuration itself never holds one."""

    file: Path | None = Field(default=None, description="File that holds the secret; relative to state_dir")
    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        default=None, description="Environment variable that holds the secret"
    )
    credential: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]+$")] | None = Field(
        default=None, description="Name of a systemd credential (LoadCredential=)"
    )

    @model_validator(mode="before")
    @classmethod
    def _only_by_reference(cls, value: Any) -> Any:
        if isinstance(value, str | int | float):
            raise ValueError(  # noqa: TRY004 - pydantic's way
                "a secret never stands in the configuration: name where it is, such as {file: secrets/NAME}"
                " (bin/acd make-secrets creates it), {env: NAME} or {credential: NAME}"
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretReference:
        if sum(part is not None for part in (self.file, self.env, self.credential)) != 1:
            raise ValueError("a secret is named by exactly one of file, env or credential")
        return self

    def where(self, state_dir: Path) -> str:
        """Say in words where the secret is kept."""
        if self.env is not None:
            return f"environment variable {self.env}"
        return f"systemd credential {self.credential}" if self.credential else f"file {self.path(state_dir)}"

    def path(self, state_dir: Path) -> Path | None:
        """Return the file to read, or None for an environment variable or an absent credential directory."""
        if self.file is not None:
            return state_dir / self.file
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        return Path(folder) / self.credential if self.credential and folder else None

    def resolve(self, state_dir: Path) -> SecretStr:
        """Read the secret; one trailing line break is dropped.

        Raises:
            SecretUnavailableError: missing, unreadable, empty or absurdly long.
        """
        if self.env is not None:
            text = os.environ.get(self.env, "")
        else:
            text = _read_secret(self.path(state_dir), self.where(state_dir))
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise SecretUnavailableError(f"{self.where(state_dir)} is missing or empty")
        return SecretStr(text)


def _read_secret(path: Path | None, where: str) -> str:
    if path is None:
        raise SecretUnavailableError(f"{where}: no CREDENTIALS_DIRECTORY; started outside systemd?")
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise SecretUnavailableError(f"{where}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SecretUnavailableError(f"{where} is not UTF-8 text") from error
    if len(data) > MAX_SECRET_BYTES:
        raise SecretUnavailableError(f"{where} is longer than {MAX_SECRET_BYTES} bytes")
    return text


class Centre(Section):
    """The contact centre as a whole."""

    name: Name = Field(default="Contact centre", description="Shown on the wallboard and in reports")
    time_zone: str = Field(
        default="Europe/Moscow", description="IANA zone of opening hours and of the reporting day"
    )
    language: Language = Field(default="ru", description="Default language of prompts and forms")
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="RU", description="Country in which national numbers are read, two capital letters"
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("not a time zone of the IANA database, such as Europe/Moscow") from error
        return value


class Tls(Section):
    """Encryption towards a server."""

    enabled: Flag = Field(default=False, description="Speak TLS")
    ca_file: Path | None = Field(default=None, description="Certificates to trust instead of the system's")


class Ami(Section):
    """Asterisk manager connection."""

    host: Host = Field(default="127.0.0.1", description="Where Asterisk's manager listens")
    port: Port = Field(default=5038, description="Its port")
    user: Account = Field(default="acd-router", description="Manager user (config/asterisk/manager.conf)")
    secret: SecretReference = Field(
        default=SecretReference(file=Path("secrets/ami")), description="Its secret"
    )
    tls: Tls = Field(default=Tls(), description="Encryption; needed when Asterisk is another machine")
    action_timeout_s: Seconds = Field(default=5.0, description="An action without answer fails after this")
    silence_s: Seconds = Field(
        default=3.0, description="No byte for this long after a ping: the link is dead"
    )


class Agi(Section):
    """FastAGI server for the dialplan's short questions."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on")
    port: Port = Field(default=4573, description="Port to listen on; ACD_AGI in the dialplan names it")
    answer_within_ms: Milliseconds = Field(
        default=1200, description="Every question is answered within this; the dialplan goes on after 1.5 s"
    )
    header_timeout_s: Seconds = Field(default=2.0, description="A peer that has not asked by then is dropped")
    max_sessions: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        default=500, description="More are refused"
    )


class Journal(Section):
    """Asterisk's own record, the truth about calls."""

    queue_log: Path = Field(default=Path("/var/log/asterisk/queue_log"), description="Written by QueueLog()")
    cel: Path | None = Field(default=None, description="CEL custom CSV, when configured")


class Asterisk(Section):
    """The switch."""

    ami: Ami = Field(default=Ami(), description="Manager connection")
    agi: Agi = Field(default=Agi(), description="FastAGI server")
    journal: Journal = Field(default=Journal(), description="Asterisk's journal files")
    pstn_trunk: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")] | None = Field(
        default=None, description="PJSIP endpoint through which agents on PSTN numbers are dialled"
    )
    websocket: Annotated[str, Field(pattern=r"^wss?://[^\s@/]+/[^\s]*$")] = Field(
        default="ws://127.0.0.1:8089/ws", description="Asterisk's WebSocket, for phones in the agents' page"
    )
    spool: Path = Field(
        default=Path("spool"), description="One-shot AGI scripts leave facts here when the daemon is down"
    )


class Store(Section):
    """Where cards live."""

    path: Path = Field(default=Path("acd.db"), description="SQLite file")
    fact_log: Path = Field(default=Path("facts"), description="Directory of the fact log")
    ballast_mib: Annotated[int, Field(ge=0, le=10_240)] = Field(
        default=64, description="Room kept for cards when something else fills the disk, MiB; 0 = none"
    )


class Mqtt(Section):
    """Screen-pops."""

    url: Annotated[str, Field(pattern=r"^mqtts?://[^\s@/]+$")] | None = Field(
        default=None, description="Broker, mqtt://host:port or mqtts://host:port; absent = the built-in one"
    )
    host: Host = Field(default="127.0.0.1", description="Built-in broker: address")
    port: Port = Field(default=1883, description="Built-in broker: port")
    user: Account = Field(default="acd", description="The daemon's user")
    password: SecretReference = Field(
        default=SecretReference(file=Path("secrets/mqtt")), description="Its password"
    )
    ca_file: Path | None = Field(
        default=None, description="Certificates to trust for mqtts instead of the system's"
    )


class Http(Section):
    """REST, agents' desktop, metrics."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on")
    port: Port = Field(default=8088, description="Port to listen on")
    token: SecretReference = Field(
        default=SecretReference(file=Path("secrets/http-token")),
        description="Bearer token of the command line and wallboard",
    )
    certificate: Path | None = Field(
        default=None, description="TLS certificate chain (PEM); absent = plain HTTP"
    )
    key: Path | None = Field(default=None, description="Its private key (PEM)")
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = Field(
        default=None, description="How agents' machines reach us, for links in screen-pops"
    )

    @model_validator(mode="after")
    def _pair(self) -> Http:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self


class Webhook(Section):
    """Finished cards to one downstream system."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] = Field(description="Receives one POST per card")
    token: SecretReference | None = Field(default=None, description="Sent as bearer token")
    timeout_s: Seconds = Field(default=10.0, description="One attempt")
    give_up_after_h: Annotated[Whole, Field(ge=1, le=720)] = Field(
        default=24, description="Then it is kept, shown as trouble `webhook`, and sent by `acd outbox revive`"
    )


class Recording(Section):
    """Conversations on disk. Asterisk writes them (`ACD_RECORD` of the dialplan)."""

    directory: Path = Field(
        default=Path("/var/spool/asterisk/monitor"),
        description="Asterisk's monitor folder; overdue recordings are removed from it",
    )
    no_new_below_percent: Annotated[Number, Field(ge=0, le=99)] = Field(
        default=10.0, description="Less of its disk free: calls that enter are not recorded; 0 = never"
    )
    stop_below_percent: Annotated[Number, Field(ge=0, le=99)] = Field(
        default=5.0, description="Less of its disk free: running recordings are ended too; 0 = never"
    )
    pause_most_s: Seconds = Field(
        default=120.0, description="A recording that an agent paused goes on by itself after this time"
    )

    @model_validator(mode="after")
    def _first_things_first(self) -> Recording:
        if self.stop_below_percent > self.no_new_below_percent:
            raise ValueError("stop_below_percent must not be above no_new_below_percent")
        return self


class Retention(Section):
    """How long what is kept. Longer needs a reason (152-FZ, GDPR)."""

    cards_days: Days = Field(default=1095, description="Call cards")
    facts_days: Days = Field(default=30, description="Fact log: callers' numbers in clear")
    recordings_days: Days = Field(default=90, description="Recordings")


class Pops(Section):
    """What an agent's screen shows while the phone rings."""

    show_ani: Flag = Field(default=True, description="Show the caller's number")
    expire_s: Seconds = Field(
        default=60.0, description="A pop that could not be delivered by then is dropped"
    )


def _no_service_number(prefix: str) -> str:
    """Refuse what only a short number can be meant by: it is never dialled, and must not look as if it were."""
    if prefix in SERVICE_NUMBERS:
        raise ValueError(
            f"{prefix} is a service number; numbers of fewer than five digits are never dialled, so that nobody"
            " rings an emergency service by a slip: take this prefix out"
        )
    return prefix


class Transfers(Section):
    """To whom outside the centre a call may be handed. Without prefixes: to nobody."""

    outside_prefixes: tuple[
        Annotated[str, Field(pattern=r"^\+?[0-9]{1,15}$"), AfterValidator(_no_service_number)], ...
    ] = Field(
        default=(),
        description="What an allowed outside number begins with, as +7495; needs asterisk.pstn_trunk."
        " Numbers of fewer than five digits are never dialled",
    )
    outside_per_hour: Annotated[Whole, Field(ge=0, le=1_000)] = Field(
        default=30, description="Calls to outside numbers one agent may cause within an hour"
    )


class Log(Section):
    """The daemon's log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level written"
    )
    format: Literal["json", "text"] = Field(default="json", description="json for machines, text for people")


class Limit(NamedTuple):
    """A sensible span of one weight, and what would happen beyond it."""

    low: float
    high: float
    beyond: str


# The least durations leave room for a day compressed some twenty times (simulator/load/compress.py).
WEIGHT_LIMITS: dict[str, Limit] = {
    "urgency_hard": Limit(0, 10, "the promise would hardly count beside the hard limit"),
    "urgency_age": Limit(0, 10, "calls would be served by age alone"),
    "hard_limit_ms": Limit(100, 600_000, "every call, or none, would count as past the limit"),
    "free_rate": Limit(0.01, 5, "a waiting call would count on agents who do not come, or on none"),
    "urgency_allowance": Limit(0, 3, "the strictest promise would take every agent"),
    "lost_cost": Limit(0, 100, "promises would no longer count"),
    "patience_ms": Limit(100, 3_600_000, "every caller, or none, would be about to give up"),
    "fair_wait_ms": Limit(500, 3_600_000, "age alone would decide at once, or nobody's long wait ever would"),
    "hold_most_ms": Limit(0, 600_000, "a caller could wait ten minutes beside an idle agent"),
    "debt_step": Limit(0, 5, "one missed call would turn the order over"),
    "debt_cap": Limit(0.1, 1_000, "one subscriber behind would take every agent"),
    "debt_floor": Limit(0, 50, "a subscriber ahead would be forgotten"),
    "debt_memory": Limit(0, 1_000, "a good morning would excuse a bad day"),
    "promise_margin": Limit(0, 0.9, "no miss at all would be allowed"),
    "level": Limit(0, 100, "calls would wait rather than go to a good agent"),
    "level_low": Limit(0, 1_000, "beginners would never get a call"),
    "level_pickup": Limit(0, 10, "the best agent would leave long waits to others"),
    "idle": Limit(0, 100, "levels and promises would no longer count"),
    "sticky": Limit(0, 1_000, "the last agent would be taken at any price"),
    "sticky_share": Limit(0, 1, "a call would be kept for its agent beyond its promise"),
    "reserve": Limit(0, 100_000, "an opened reserve would never be used"),
    "reserve_open_at": Limit(0, 10, "the reserve would open long after the promise is broken"),
    "reserve_open_wait": Limit(0, 100, "the reserve would open only by callers already waiting"),
    "reserve_open_ms": Limit(0, 600_000, "the reserve would come after the peak"),
    "reserve_close_idle": Limit(1, 1_000, "the reserve would never go back"),
    "reserve_close_ms": Limit(500, 3_600_000, "the reserve would flap, or never go back"),
    "opportunity": Limit(0, 1_000, "every agent with a second skill would be kept idle"),
    "opportunity_decay": Limit(0, 0.99, "many ready agents would be as dear as the last one"),
    "opportunity_allowance": Limit(0, 3, "the strictest promise would take every agent"),
    "blend": Limit(0, 1_000_000, "written work would never stop for calls"),
    "hold_back": Limit(0, 1, "calls would wait beside idle agents"),
    "hold_check_ms": Limit(10, 60_000, "a call held back would be looked at too often, or too late"),
}


def _within(name: str) -> AfterValidator:
    limit = WEIGHT_LIMITS[name]

    def check(value: float) -> float:
        if not limit.low <= value <= limit.high:
            raise ValueError(f"must be between {limit.low:g} and {limit.high:g}: beyond that {limit.beyond}")
        return value

    return AfterValidator(check)


def _weights_model() -> type[Section]:
    """Make the model from the core's dataclass: names, defaults and meanings have one home."""
    kinds: dict[type, Any] = {
        float: Number,
        int: Whole,
        str: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")],
        bool: Flag,
    }
    standard = RoutingWeights()  # asked for kinds and defaults: the compiled record tells only its names
    fields: dict[str, Any] = {}
    for item in dataclasses.fields(RoutingWeights):
        default = getattr(standard, item.name)
        kind = kinds[type(default)]
        more: dict[str, Any] = {}
        if item.name in WEIGHT_LIMITS:
            limit = WEIGHT_LIMITS[item.name]
            kind = Annotated[kind, _within(item.name)]
            more = {"json_schema_extra": {"minimum": limit.low, "maximum": limit.high}}
        fields[item.name] = (kind, Field(default=default, **more))
    made: type[Section] = create_model("Weights", __base__=Section, **fields)
    return made


Weights = _weights_model()


class Routing(Section):
    """The core's numbers that belong to no single queue."""

    weights: Weights = Field(default=Weights(), description="Every number of the routing score")  # type: ignore[valid-type]
    weights_file: Path = Field(
        default=Path("weights.yaml"),
        description="What `bin/simulate fit` wrote, beside this file; read when weights.auto is true",
    )
    offer_confirm_ms: Milliseconds = Field(
        default=2_000, description="Wish sent, dialplan silent: offer again after this"
    )
    skip_ms: Milliseconds = Field(
        default=10_000, description="An agent who let a call ring is not offered the same call for this long"
    )
    phone_rest_ms: Milliseconds = Field(
        default=5_000, description="A phone that failed, refused or was busy gets no offer for this long"
    )
    fallback_retry_ms: Milliseconds = Field(
        default=5_000,
        description="A wish for fallback that the dialplan did not confirm is repeated after this",
    )
    reservation_s: Seconds = Field(
        default=8.0, description="A reserved agent without any leg is freed after this"
    )
    card_close_s: Annotated[Number, Field(gt=0, le=604_800)] = Field(
        default=3_600.0, description="A finished call accepts card fields for this long"
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host can only be reached from this machine."""
    return host in LOOPBACK or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
