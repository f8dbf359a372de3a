"""The names that people read beside the ids of a snapshot, from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.snapshot_json import Labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from acd.config.loading import Config


def labels_of(config: Config, degraded: Iterable[str] = ()) -> Labels:
    """Return the labels of a snapshot.

    Args:
        config: the configuration in force.
        degraded: what works less well than it should, one line each.
    """
    tree = config.tree
    return Labels(
        centre=tree.centre.name,
        queues={name: queue.display_name for name, queue in tree.queues.items()},
        agents={name: agent.name for name, agent in tree.agents.items()},
        degraded=tuple(degraded),
    )
