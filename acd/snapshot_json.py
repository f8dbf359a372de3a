"""The core's snapshot as JSON and back: what GET /api/v1/snapshot says and the wallboard reads.

The form is flat and versioned (`v`), carries the names of queues and agents beside the ids, and the two
derived figures `sl_of_offered` and `asa_ms` for readers that do not want to divide. Unknown keys are
ignored on the way in, so that an older wallboard survives a newer daemon; anything else that does not
fit is one ValueError that says where.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from acd.core.snapshot import AgentView, CallView, QueueView, Snapshot

VERSION = 1
MAX_ITEMS = 100_000
"""No list of a snapshot may be longer; a wallboard must not drown in a broken answer."""

MAX_INSTANT = 253_402_214_400_000
"""The end of the year 9999 in milliseconds, less a day for time zones: later times cannot be shown."""
MAX_NUMBER = 10**15
"""Every other number is smaller; a larger one is nonsense that arithmetic should not meet."""


_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(spec.name for spec in dataclasses.fields(kind)) for kind in (CallView, AgentView, QueueView)
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What people want to read besides the ids."""

    centre: str = ""
    queues: Mapping[str, str] = field(default_factory=dict)
    """Queue id: display name."""
    agents: Mapping[str, str] = field(default_factory=dict)
    """Agent id: name."""
    degraded: tuple[str, ...] = ()
    """Modes in which something works less well than it should, one line each; empty = all is well."""
    callbacks_due: int = 0
    """Missed calls to be called back now, or being called back."""
    callbacks_held: int = 0
    """Call-backs that need a person's yes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One snapshot with its labels."""

    snapshot: Snapshot
    labels: Labels = field(default_factory=Labels)


def encode(snapshot: Snapshot, labels: Labels | None = None) -> dict[str, Any]:
    """Return plain data ready for json.dumps."""
    labels = labels or Labels()
    return {
        "v": VERSION,
        "now": snapshot.now,
        "synced": snapshot.synced,
        "calls": [_plain(call) for call in snapshot.calls],
        "agents": [_plain(agent) for agent in snapshot.agents],
        "queues": [
            {**_plain(queue), "sl_of_offered": queue.sl_of_offered, "asa_ms": queue.asa_ms}
            for queue in snapshot.queues
        ],
        "counters": dict(snapshot.counters),
        "labels": {
            "centre": labels.centre,
            "queues": dict(labels.queues),
            "agents": dict(labels.agents),
            "degraded": list(labels.degraded),
            "callbacks_due": labels.callbacks_due,
            "callbacks_held": labels.callbacks_held,
        },
    }


def _plain(view: CallView | AgentView | QueueView) -> dict[str, Any]:
    """A view as a dictionary; its values are plain already, so nothing is copied in depth (twice a second)."""
    return {name: getattr(view, name) for name in _NAMES[type(view)]}


def decode(data: Any) -> Frame:
    """Return the frame that `encode` made. Raises ValueError, and nothing else, for anything that is none."""
    whole = _mapping(data, "snapshot")
    if whole.get("v") != VERSION:
        raise ValueError(
            f"snapshot version {str(whole.get('v'))[:20]!r} is not {VERSION}: update the older side"
        )
    counters = _mapping(whole.get("counters", {}), "counters")
    now = _value(int, whole.get("now"), "now")
    if not 0 <= now <= MAX_INSTANT:
        raise ValueError("now: no instant between 1970 and 9999")
    snapshot = Snapshot(
        now=now,
        synced=_value(bool, whole.get("synced"), "synced"),
        calls=tuple(_view(CallView, item, "calls") for item in _items(whole, "calls")),
        agents=tuple(_view(AgentView, item, "agents") for item in _items(whole, "agents")),
        queues=tuple(_view(QueueView, item, "queues") for item in _items(whole, "queues")),
        counters=tuple(
            (_value(str, name, "counters"), _value(int, n, "counters")) for name, n in counters.items()
        ),
    )
    return Frame(snapshot, _labels(_mapping(whole.get("labels", {}), "labels")))


def _labels(data: Mapping[str, Any]) -> Labels:
    names = {
        part: {
            _value(str, key, part): _value(str, name, part)
            for key, name in _mapping(data.get(part, {}), part).items()
        }
        for part in ("queues", "agents")
    }
    return Labels(
        centre=_value(str, data.get("centre", ""), "centre"),
        queues=names["queues"],
        agents=names["agents"],
        degraded=tuple(
            _value(str, line, "degraded") for line in _items({"degraded": [], **data}, "degraded")
        ),
        callbacks_due=_value(int, data.get("callbacks_due", 0), "callbacks_due"),
        callbacks_held=_value(int, data.get("callbacks_held", 0), "callbacks_held"),
    )


def _mapping(data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or len(data) > MAX_ITEMS:
        raise ValueError(f"{where}: not an object")
    return data


def _items(whole: Mapping[str, Any], name: str) -> list[Any]:
    found = whole.get(name)
    if not isinstance(found, (list, tuple)) or len(found) > MAX_ITEMS:
        raise ValueError(f"{name}: not a list")
    return list(found)


@cache
def _hints(kind: type) -> dict[str, Any]:
    # the core imports its time aliases for the type checker only
    return get_type_hints(kind, localns={"Instant": int, "Duration": int})


def _view(kind: type, data: Any, where: str) -> Any:
    item = _mapping(data, where)
    made: dict[str, Any] = {}
    for spec in dataclasses.fields(kind):
        if spec.name in item:
            made[spec.name] = _value(_hints(kind)[spec.name], item[spec.name], f"{where}.{spec.name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where}.{spec.name}: missing")
    return kind(**made)


def _value(hint: Any, data: Any, where: str) -> Any:
    """Check one value against a type hint made of None, str, int, float, bool and new types of them."""
    if get_origin(hint) in (Union, types.UnionType):
        if data is None and type(None) in get_args(hint):
            return None
        hint = next(part for part in get_args(hint) if part is not type(None))
    base = getattr(hint, "__supertype__", hint)
    if base is float and isinstance(data, int) and not isinstance(data, bool):
        data = float(data) if abs(data) <= MAX_NUMBER else math.inf
    if not isinstance(data, base) or (isinstance(data, bool) and base is not bool):
        raise ValueError(f"{where}: not of type {base.__name__}")
    if isinstance(data, (int, float)) and not -MAX_NUMBER <= data <= MAX_NUMBER:  # catches NaN too
        raise ValueError(f"{where}: not a number we can work with")
    return data
