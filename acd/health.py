"""How the house is: what does not work, in plain words, and figures for the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.adapters.asterisk.connection import UP
from acd.deskside import troubles as desk_troubles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acd.house import House

MINOR = (
    frozenset(
        {
            "twin",
            "store",
            "journal",
            "webhook",
            "door",
            "disk",
            "clock",
            "callbacks",
            "recording",
            "side",
            "spool",
        }
    )
    | desk_troubles.NAMES
)
"""Troubles that are shown but take nothing from our being ready: calls are routed as ever."""


NAMES = MINOR | {"asterisk", "mqtt"}
"""Every name a trouble can have: each has a row in config/troubles.md and a headline on the wallboard."""


def _no_asterisk(house: House) -> str:
    if house.ami.state == UP:
        return (
            "the manager link is up; what Asterisk does just now is being asked, nobody is offered meanwhile"
        )
    return f"no link to Asterisk's manager: {house.ami.state} {house.ami.detail}".strip()


def troubles(house: House) -> dict[str, str]:
    """What does not work, by name, in plain words; empty when all is well.

    The gravest first, for a narrow wallboard shows no more: what keeps offers or pops from people, then what callers
    at the door hear, then where cards go, then what waits beside the calls.
    """
    store, mqtt = house.store.status, house.pops.status()
    routing = house.ami.state == UP and house.sync.synced
    told = {
        "asterisk": "" if routing else _no_asterisk(house),
        "twin": house.twins.trouble,
        "mqtt": "" if mqtt.connected else mqtt.text,
        **{name: watch.trouble for name, watch in house.watches.items()},
        "store": "" if store.ok else store.words,
        "journal": house.journal.trouble,
        "callbacks": house.callbacks.trouble,
        "spool": house.spool.trouble,
        "recording": house.recording.trouble,
        "webhook": house.edges.trouble,
        "side": house.side.trouble,
        **({} if house.desk is None else house.desk.troubles()),
    }
    return {name: words for name, words in told.items() if words}


def lines(found: Mapping[str, str]) -> list[str]:
    """Return troubles as people see them: the name first, for it is what they look up in config/troubles.md."""
    return [f"{name}: {words}" for name, words in found.items()]


def gauges(house: House) -> dict[str, float]:
    """Figures for the metrics; no personal data."""
    figures: dict[str, float] = {
        "loop_lag_seconds": house.watch.lag_s,
        "ami_up": float(house.ami.state == UP),
        "synced": float(house.sync.synced),
        "unfinished_wishes": float(house.runner.unfinished),
        "pops_dropped": float(house.runner.pops_dropped),
        "note_repeats": float(house.gate.repeated),
        "cards_spilled": float(house.store.status.spilled),
        "cards_rejected": float(house.store.rejected),
        "cards_renumbered": float(house.store.renumbered),
        "database_written_back": float(house.store.writer.rescued),
    }
    if house.desk is not None:
        figures |= house.desk.gauges()
    sources = (
        ("ami", house.ami.counters),
        ("sync", house.sync.counters),
        ("agi", house.agi.counters),
        ("switch", house.switch.counters),
        ("journal", house.journal.figures()),
        ("runner", house.runner.counters),
        ("heartbeat", house.heartbeat.counters),
        ("twins", house.twins.counters),
        ("callbacks", house.callbacks.counters),
        ("callbacks_owed", house.callbacks.owed),
        ("recording", house.recording.counters),
        ("side_work_broken", house.side.counters),
    )
    for source, counters in sources:
        figures |= {f"{source}_{name}": float(value) for name, value in counters.items()}
    return figures
