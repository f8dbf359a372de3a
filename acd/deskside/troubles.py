"""Names of what the desk's `troubles` tell; calls are routed as ever."""

from __future__ import annotations

NAMES = frozenset(
    {
        "desk_email",
        "desk_sms",
        "desk_webhook",
        "desk_helpdesk",
        "desk_directory",
        "desk_undelivered",
        "desk_late",
        "desk_projects",
        "desk_inbox",
        "desk_templates",
    }
)
