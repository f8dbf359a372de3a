"""How the house is: what does not work, in plain words, and figures for the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.adapters.asterisk.connection import UP
from acd.deskside import troubles as desk_troubles

if TYPE_CHECKING:
    from acd.house import House

MINOR = (
    frozenset(
        {"twin", "store", "journal", "webhook", "door", "disk", "clock", "callbacks", "recording", "side"}
    )
    | desk_troubles.NAMES
)
"""Troubles that are shown but take nothing from our being ready: calls are routed as ever."""


def troubles(house: House) -> dict[str, str]:
    """What does not work, by name, in plain words; empty when all is well."""
    found: dict[str, str] = {}
    if house.ami.state != UP or not house.sync.synced:
        found["asterisk"] = f"AMI {house.ami.state} {house.ami.detail}".strip()
    if house.twins.trouble:
        found["twin"] = house.twins.trouble
    if not house.store.status.ok:
        found["store"] = house.store.status.words
    if house.journal.trouble:
        found["journal"] = house.journal.trouble
    if house.edges.trouble:
        found["webhook"] = house.edges.trouble
    if house.desk is not None:
        found |= house.desk.troubles()
    for name, part in (("callbacks", house.callbacks), ("recording", house.recording), ("side", house.side)):
        if part.trouble:
            found[name] = part.trouble
    mqtt = house.pops.status()
    if not mqtt.connected:
        found["mqtt"] = mqtt.text
    return found | {name: words for name, watch in house.watches.items() if (words := watch.trouble)}


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
        "database_written_back": float(house.store.writer.rescued),
    }
    if house.desk is not None:
        figures |= house.desk.gauges()
    sources = (
        ("ami", house.ami.counters),
        ("sync", house.sync.counters),
        ("agi", house.agi.counters),
        ("switch", house.switch.counters),
        ("journal", house.journal.counters),
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
