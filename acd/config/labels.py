"""The names that people read beside the ids of a snapshot, from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.snapshot_json import Labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from acd.config.loading import Config


def labels_of(
    config: Config, degraded: Iterable[str] = (), callbacks: Mapping[str, int] | None = None
) -> Labels:
    """Return the labels of a snapshot.

    Args:
        config: the configuration in force.
        degraded: what works less well than it should, one line each.
        callbacks: how many call-backs are owed, by what they wait for.
    """
    owed = callbacks or {}
    tree = config.tree
    return Labels(
        centre=tree.centre.name,
        queues={name: queue.display_name for name, queue in tree.queues.items()},
        agents={name: agent.name for name, agent in tree.agents.items()},
        degraded=tuple(degraded),
        callbacks_due=owed.get("due", 0) + owed.get("dialling", 0),
        callbacks_held=owed.get("held", 0),
    )
