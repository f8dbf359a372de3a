"""Names of what the desk's `troubles` tell; calls are routed as ever."""

from __future__ import annotations

from acd.desk.delivery import CHANNELS

NAMES = frozenset(f"desk_{channel}" for channel in CHANNELS) | frozenset(
    {
        "desk_helpdesk",
        "desk_directory",
        "desk_undelivered",
        "desk_late",
        "desk_projects",
        "desk_inbox",
        "desk_templates",
    }
)
