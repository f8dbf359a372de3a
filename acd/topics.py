"""The MQTT contract: topics, payloads, and how a command is read. Pure; no library, no clock.

Version 1 of the contract is `acd/v1/...` with `"v": 1` in every payload; the JSON Schemas in
acd/schemas say exactly what each payload holds. MQTT 3.1.1 has no message expiry, so a pop carries its
own end (`expires_at_ms`). Delivery is at least once: a reader drops a pop whose (`effect`, `kind`) it
has seen.

```
acd/v1/agent/<id>/pop        router → agent     show, confirm, withdraw, wrapup, wrapup_closed; not retained
acd/v1/agent/<id>/state      router → agent     the agent's own status and state; retained
acd/v1/agent/<id>/command    agent → router     login, logout, pause, resume, done; never retained
acd/v1/agent/<id>/presence   agent → router     desk online or gone (last will); retained
acd/v1/snapshot              router → wallboards   figures without any telephone number; retained
acd/v1/status                router → wallboards   router up or down (last will); retained
```
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from acd import snapshot_json
from acd.core.events import AgentLoggedIn, AgentLoggedOut, AgentPaused, AgentResumed, WrapUpDone
from acd.core.ids import AgentId, Ani, Did

if TYPE_CHECKING:
    from collections.abc import Callable

    from acd.core.effects import CloseWrapUp, ConfirmPop, OpenWrapUp, ShowPop, WithdrawPop
    from acd.core.events import Fact
    from acd.core.instant import Instant
    from acd.core.snapshot import AgentView, CallView, Snapshot

VERSION = 1
ROOT = "acd/v1"
SNAPSHOT = f"{ROOT}/snapshot"
STATUS = f"{ROOT}/status"
ALL_COMMANDS = f"{ROOT}/agent/+/command"
ALL_PRESENCE = f"{ROOT}/agent/+/presence"
SCHEMAS = ("pop", "command", "presence", "snapshot", "status", "state")

MAX_COMMAND_BYTES = 2_048
MAX_REASON = 64
MAX_DOSSIER_FIELDS = 60
MAX_DOSSIER_TEXT = 2_000
_DOSSIER_DEPTH = 6
"""form → fields → field → choices → choice → text."""


class MalformedMessage(ValueError):  # noqa: N818 - it is what the sender sent, not an error of ours
    """A peer's payload or topic is not of the contract; the message says what is wrong."""


# --- topics ------------------------------------------------------------------------------------


def agent_topic(agent: str, leaf: str) -> str:
    """Return `acd/v1/agent/<id>/<leaf>`; leaf is pop, state, command or presence."""
    return f"{ROOT}/agent/{agent}/{leaf}"


def split_agent_topic(topic: str) -> tuple[AgentId, str] | None:
    """Return (agent, leaf) of `acd/v1/agent/<id>/<leaf>`, else None."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[:3] != [*ROOT.split("/"), "agent"] or not is_agent_id(parts[3]):  # noqa: PLR2004 - the tree's depth
        return None
    return AgentId(parts[3]), parts[4]


def is_agent_id(text: str) -> bool:
    """Tell whether the text may be an agent id: it is a topic level and an extension."""
    return 0 < len(text) <= 64 and text.isascii() and text.isalnum()  # noqa: PLR2004 - as in acd.credentials


# --- pops --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish. `expires_at` None: state, which only the next state replaces."""

    topic: str
    payload: bytes
    retain: bool = False
    expires_at: Instant | None = None
    kind: str = ""


def _pop(agent: AgentId, body: dict[str, Any], expires_at: Instant) -> Message:
    return Message(agent_topic(agent, "pop"), encode(body), expires_at=expires_at, kind=body["kind"])


def show(
    wish: ShowPop,
    token: str,
    now: Instant,
    expires_at: Instant,
    dossier: Mapping[str, object] | None = None,
) -> Message:
    """Build the pop of an offer. `dossier` None (privacy minimal) leaves every personal field out.

    Minimal is still useful before the first word: which firm's name to say (`subscriber`), the queue,
    the card's number. Numbers and names come over HTTP against `token`.
    """
    body: dict[str, Any] = {
        "v": VERSION,
        "kind": "show",
        "effect": wish.effect,
        "call": wish.call,
        "agent": wish.agent,
        "attempt": wish.attempt,
        "token": token,
        "subscriber": wish.subscriber,
        "queue": wish.queue,
        "card": wish.card_number,
        "waited_ms": wish.waited_ms,
        "at_ms": now,
        "expires_at_ms": expires_at,
    }
    if dossier is not None:
        body |= {"ani": wish.ani, "did": wish.did, "dossier": tidy_dossier(without_sensitive(dossier))}
    return _pop(wish.agent, body, expires_at)


def confirm(wish: ConfirmPop, now: Instant, expires_at: Instant) -> Message:
    """Build "the call is in hand"."""
    return _pop(wish.agent, _about(wish, "confirm", now, expires_at), expires_at)


def withdraw(wish: WithdrawPop, now: Instant, expires_at: Instant) -> Message:
    """Build "take it away", with the reason."""
    body = _about(wish, "withdraw", now, expires_at) | {"reason": wish.reason}
    return _pop(wish.agent, body, expires_at)


def open_wrap_up(wish: OpenWrapUp, now: Instant, expires_at: Instant) -> Message:
    """Build "fill in the card until deadline_ms"."""
    body = _about(wish, "wrapup", now, expires_at) | {"deadline_ms": wish.deadline}
    return _pop(wish.agent, body, expires_at)


def close_wrap_up(wish: CloseWrapUp, now: Instant, expires_at: Instant) -> Message:
    """Build "the card's time is over", with who ended it."""
    body = _about(wish, "wrapup_closed", now, expires_at) | {"by": wish.by}
    return _pop(wish.agent, body, expires_at)


def _about(
    wish: ConfirmPop | WithdrawPop | OpenWrapUp | CloseWrapUp, kind: str, now: Instant, expires_at: Instant
) -> dict[str, Any]:
    return {
        "v": VERSION,
        "kind": kind,
        "effect": wish.effect,
        "call": wish.call,
        "agent": wish.agent,
        "at_ms": now,
        "expires_at_ms": expires_at,
    }


def without_sensitive(dossier: Mapping[str, object]) -> Mapping[str, object]:
    """Return the dossier with only the names of what opens after the agent confirmed who calls (row 10)."""
    sensitive = dossier.get("sensitive")
    if not isinstance(sensitive, Mapping):
        return {key: value for key, value in dossier.items() if key != "sensitive"}
    return {**dossier, "sensitive": dict.fromkeys(sensitive)}


def tidy_dossier(dossier: Mapping[str, object]) -> dict[str, Any]:
    """Return a copy that JSON can carry: plain values, bounded lengths, no lone surrogates."""
    return {
        clean(str(key))[:64]: _plain(value, _DOSSIER_DEPTH)
        for key, value in list(dossier.items())[:MAX_DOSSIER_FIELDS]
    }


def _plain(value: object, depth: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth and isinstance(value, dict):
        return {clean(str(k))[:64]: _plain(v, depth - 1) for k, v in list(value.items())[:MAX_DOSSIER_FIELDS]}
    if depth and isinstance(value, list | tuple):
        return [_plain(v, depth - 1) for v in value[:MAX_DOSSIER_FIELDS]]
    return clean(str(value))[:MAX_DOSSIER_TEXT]


def clean(text: str) -> str:
    """Return text that UTF-8 can carry: lone surrogates, which JSON escapes can smuggle in, become `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


# --- state -------------------------------------------------------------------------------------


AGENT_STATE = (
    "agent", "status", "pause_reason", "state", "state_since", "reachable", "call", "handled", "rna", "wrap_up_until",
    "transfer", "transfer_to", "held_since",
)  # fmt: skip


def agent_state(view: AgentView) -> Message:
    """Build the agent's own retained status and state, in the words of the snapshot.

    Only what changes by an event: running times would send a message per agent and second.
    """
    body = {"v": VERSION} | {name: getattr(view, name) for name in AGENT_STATE}
    return Message(agent_topic(view.agent, "state"), encode(body), retain=True, kind="state")


def snapshot(view: Snapshot) -> Message:
    """Build the retained snapshot, in the form of acd.snapshot_json and of GET /api/v1/snapshot.

    No telephone number in it: retained messages lie on disks (row 12).
    """
    body = snapshot_json.encode(without_numbers(view))
    return Message(SNAPSHOT, encode(body), retain=True, kind="snapshot")


def without_numbers(view: Snapshot, keep: Callable[[CallView], bool] | None = None) -> Snapshot:
    """Return the snapshot with the telephone numbers of all calls emptied, but of those to keep."""
    calls = tuple(
        call if keep is not None and keep(call) else dataclasses.replace(call, ani=Ani(""), did=Did(""))
        for call in view.calls
    )
    return dataclasses.replace(view, calls=calls)


def status(state: str, text: str, now: Instant | None) -> Message:
    """Build the router's retained status: `up` or `down`, and a sentence. `now` None in a last will."""
    body: dict[str, Any] = {"v": VERSION, "state": state, "text": text, "at_ms": now}
    return Message(STATUS, encode(body), retain=True, kind="status")


def presence(agent: AgentId, *, online: bool) -> Message:
    """Build the desk's presence; the offline form is its last will."""
    body = {"v": VERSION, "online": online}
    return Message(agent_topic(agent, "presence"), encode(body), retain=True, kind="presence")


# --- commands ----------------------------------------------------------------------------------

COMMANDS = ("login", "logout", "pause", "resume", "done")


def command_fact(agent: AgentId, command: str, reason: str, at: Instant | None) -> Fact:
    """Return the fact an agent's command stands for. Raises MalformedMessage for an unknown one."""
    match command:
        case "login":
            return AgentLoggedIn(agent, at=at)
        case "logout":
            return AgentLoggedOut(agent, at=at)
        case "pause":
            return AgentPaused(agent, tidy_reason(reason), at=at)
        case "resume":
            return AgentResumed(agent, at=at)
        case "done":
            return WrapUpDone(agent, at=at)
        case _:
            raise MalformedMessage(f"command is none of {', '.join(COMMANDS)}")


def tidy_reason(reason: str) -> str:
    """Return a pause reason code: letters, digits, space, dash, underscore, dot; `pause` when empty."""
    kept = "".join(c for c in clean(reason) if c.isalnum() or c in " -_.")
    return kept.strip()[:MAX_REASON] or "pause"


def read_command(topic: str, payload: bytes, at: Instant | None, *, retained: bool = False) -> Fact:
    """Read one agent's command from its own topic.

    The agent is the one of the topic, which the broker lets only that agent write; a payload that names
    another one is refused. Raises MalformedMessage.
    """
    place = split_agent_topic(topic)
    if place is None or place[1] != "command":
        raise MalformedMessage("not an agent's command topic")
    if retained:
        # Acting again on an old command after every reconnect would be worse than not at all.
        raise MalformedMessage("a command must not be retained")
    body = decode(payload, MAX_COMMAND_BYTES)
    unknown = set(body) - {"v", "command", "reason", "agent", "id"}
    if unknown:
        raise MalformedMessage(f"unknown keys: {len(unknown)}")
    command, reason = body.get("command"), body.get("reason", "")
    if not isinstance(command, str) or not isinstance(reason, str):
        raise MalformedMessage("command and reason must be text")
    if body.get("agent", place[0]) != place[0]:
        raise MalformedMessage("agent differs from the topic's")
    return command_fact(place[0], command, reason, at)


def command(name: str, reason: str = "") -> bytes:
    """Build a command's payload, for clients written in this language."""
    body: dict[str, Any] = {"v": VERSION, "command": name}
    if reason:
        body["reason"] = reason
    return encode(body)


def read_presence(topic: str, payload: bytes) -> tuple[AgentId, bool]:
    """Read (agent, online) from a presence message. Raises MalformedMessage."""
    place = split_agent_topic(topic)
    if place is None or place[1] != "presence":
        raise MalformedMessage("not an agent's presence topic")
    online = decode(payload, MAX_COMMAND_BYTES).get("online")
    if not isinstance(online, bool):
        raise MalformedMessage("online must be true or false")
    return place[0], online


# --- JSON --------------------------------------------------------------------------------------


def encode(body: Mapping[str, Any]) -> bytes:
    """Return compact UTF-8 JSON; text that UTF-8 cannot carry stays escaped rather than failing."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def decode(payload: bytes, max_bytes: int) -> dict[str, Any]:
    """Return the object of a version-1 payload. Raises MalformedMessage, and nothing else."""
    if len(payload) > max_bytes:
        raise MalformedMessage(f"longer than {max_bytes} bytes")
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as problem:
        raise MalformedMessage("not JSON") from problem
    if not isinstance(body, dict):
        raise MalformedMessage("not an object")
    if type(body.get("v")) is not int or body["v"] != VERSION:
        raise MalformedMessage(f"v is not {VERSION}")
    return body


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one payload; `name` is one of SCHEMAS."""
    if name not in SCHEMAS:
        raise KeyError(name)
    text = (resources.files("acd") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
