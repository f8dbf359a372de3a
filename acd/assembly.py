"""From configuration to the settings of each adapter: one function per adapter, secrets read here.

Part of the composition root: the only room that knows both the configuration and the adapters' words.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acd.adapters.asterisk.fastagi import FastAgiServer, Route
from acd.adapters.asterisk.journal import JournalTailer
from acd.adapters.asterisk.originate import CallbackCaller
from acd.adapters.http.services import HttpSettings
from acd.adapters.mqtt import MqttSettings
from acd.adapters.store.outbox import Outbox
from acd.adapters.store.retention import RetentionRules
from acd.core.instant import HOUR_MS
from acd.credentials import Principal, Role, hash_token
from acd.retention_files import FACT_LOGS, RECORDINGS, KeptFiles
from acd.wire import cel, queue_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acd.adapters.asterisk.fastagi import Script
    from acd.adapters.asterisk.link import AmiSettings
    from acd.adapters.broker import EmbeddedBroker
    from acd.adapters.store.sqlite import SqliteStore
    from acd.adapters.webhook import WebhookWorker
    from acd.config.loading import Config
    from acd.config.system import Tls
    from acd.ports import Clock, Inbox

SUPERVISOR = "supervisor"
"""The principal of the configured HTTP token: `bin/acd`, wallboards, supervisors."""


def tls_context(config: Config, tls: Tls) -> ssl.SSLContext | None:
    """Return the client context, None when encryption is off. A foreign certificate is refused."""
    if not tls.enabled:
        return None
    cafile = str(config.path(tls.ca_file)) if tls.ca_file else None
    return ssl.create_default_context(cafile=cafile)


def ami_settings(config: Config, interest: frozenset[str] | None = None) -> AmiSettings:
    """How to reach Asterisk's manager."""
    from acd.adapters.asterisk.link import AmiSettings

    ami = config.tree.asterisk.ami
    return AmiSettings(
        username=ami.user,
        secret=config.secret(ami.secret, "asterisk.ami.secret").get_secret_value(),
        host=ami.host,
        port=ami.port,
        tls=tls_context(config, ami.tls),
        action_timeout_s=ami.action_timeout_s,
        silence_s=ami.silence_s,
        interest=interest,
    )


def callback_caller(config: Config) -> CallbackCaller | None:
    """Who makes Asterisk dial call-backs: the originate user; None when the daemon makes none."""
    wanted = config.tree.callbacks
    if wanted is None:
        return None
    secret = config.secret(wanted.secret, "callbacks.secret").get_secret_value()
    return CallbackCaller(replace(ami_settings(config), username=wanted.user, secret=secret))


TALK_DEADLINE_S = 90.0
"""A talk with prompts by FastAGI; questions have their own, much shorter limit."""


def agi_server(
    config: Config, scripts: Mapping[str, Script], talks: Mapping[str, Script], inbox: Inbox
) -> FastAgiServer:
    """The server for the dialplan's questions, with its limits; not yet listening."""
    agi = config.tree.asterisk.agi
    return FastAgiServer(
        {path: Route(script, agi.answer_within_ms / 1000) for path, script in scripts.items()}
        | {path: Route(script, TALK_DEADLINE_S) for path, script in talks.items()},
        inbox,
        max_connections=agi.max_sessions,
        header_deadline_s=agi.header_timeout_s,
    )


def broker_maker(config: Config) -> Callable[[tuple[Principal, ...]], EmbeddedBroker] | None:
    """Return how to make the built-in broker for the people who may knock; None when an outside one is configured."""
    mqtt = config.tree.mqtt
    if mqtt.url:
        return None

    def make(people: tuple[Principal, ...]) -> EmbeddedBroker:
        from acd.adapters.broker import BrokerSettings, EmbeddedBroker

        return EmbeddedBroker(BrokerSettings(host=mqtt.host, port=mqtt.port), people)

    return make


def mqtt_settings(config: Config) -> MqttSettings:
    """How the daemon reaches the broker."""
    mqtt = config.tree.mqtt
    return MqttSettings(
        url=mqtt.url or f"mqtt://{mqtt.host}:{mqtt.port}",
        user=mqtt.user,
        password=config.secret(mqtt.password, "mqtt.password").get_secret_value(),
        ca_file=str(config.path(mqtt.ca_file)) if mqtt.ca_file else "",
        privacy="minimal",  # the broker carries no personal data (security row 12): the desk fetches it
        pop_life_ms=round(config.tree.pops.expire_s * 1000),
    )


def http_settings(config: Config) -> HttpSettings:
    """Where the HTTP edge listens, and for whom."""
    http = config.tree.http
    tls = None
    if http.certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(config.path(http.certificate), config.path(http.key) if http.key else None)
    return HttpSettings(
        host=http.host,
        port=http.port,
        principals=principals(config),
        allowed_origins=(http.public_url.rstrip("/"),) if http.public_url else (),
        desk=Path(__file__).with_name("desktop"),
        tls=tls,
    )


def agent_hash_file(config: Config, agent: str) -> Path:
    """Where `acd agent-password` keeps an agent's hash when the configuration names no other place."""
    return config.state_dir / "secrets" / "agents" / agent


def principals(config: Config) -> tuple[Principal, ...]:
    """Everybody who may knock at broker and HTTP: the daemon, the supervisor's token, each agent."""
    tree = config.tree
    router = config.secret(tree.mqtt.password, "mqtt.password").get_secret_value()
    supervisor = config.secret(tree.http.token, "http.token").get_secret_value()
    found = [
        Principal(tree.mqtt.user, Role.ROUTER, hash_token(router)),
        Principal(SUPERVISOR, Role.SUPERVISOR, hash_token(supervisor)),
    ]
    for name, agent in tree.agents.items():
        if agent.password_hash is not None:
            location = f"agents.{name}.password_hash"
            stored = config.secret(agent.password_hash, location).get_secret_value()
            found.append(Principal(name, Role.AGENT, stored))
        elif (kept := agent_hash_file(config, name)).exists():
            found.append(Principal(name, Role.AGENT, kept.read_text(encoding="ascii").strip()))
    return tuple(found)


def tailers(config: Config, store: SqliteStore) -> tuple[JournalTailer, ...]:
    """Return who reads the journal: queue_log, and CEL where there is one."""
    journal = config.tree.asterisk.journal
    files = [JournalTailer(journal.queue_log, queue_log.parse_line, store)]
    if journal.cel is not None:
        files.append(JournalTailer(journal.cel, cel.parse_line, store))
    return tuple(files)


def webhook_maker(config: Config, store: SqliteStore, clock: Clock) -> Callable[[], WebhookWorker] | None:
    """Return how to make the worker that tells the downstream system of cards; None when none is configured.

    Raises ConfigError for a secret that cannot be read.
    """
    hook = config.tree.webhook
    if hook is None:
        return None
    token = config.secret(hook.token, "webhook.token").get_secret_value() if hook.token else ""
    outbox: Any = Outbox(
        store.writer, dead_after_ms=hook.give_up_after_h * HOUR_MS
    )  # its message type is what the worker's protocol describes

    def make() -> WebhookWorker:
        from acd.adapters.webhook import WebhookWorker

        return WebhookWorker(outbox, clock, hook.url, token=token, timeout_s=hook.timeout_s)

    return make


def retention_rules(config: Config) -> RetentionRules:
    """How long what is kept."""
    keep = config.tree.retention
    return RetentionRules(cards_days=keep.cards_days)


def kept_files(config: Config) -> tuple[KeptFiles, ...]:
    """Which files are removed by age: rotated fact logs and recordings."""
    tree, keep = config.tree, config.tree.retention
    return (
        KeptFiles(config.path(tree.store.fact_log), FACT_LOGS, keep.facts_days),
        KeptFiles(config.path(tree.recording.directory), RECORDINGS, keep.recordings_days),
    )
