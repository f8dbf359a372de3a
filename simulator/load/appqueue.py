"""app_queue as a comparator: the same agents, phones, callers and promises on the same Asterisk.

What it cannot do is done the nearest way, and the report says so: skill levels become penalties (best level
0), the wrap-up of each call becomes one fixed `wrapuptime`, and who goes off duty is paused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from acd.core.instant import SECOND_MS
from simulator.agents import agent_ids
from simulator.load.centre import Centre, needs_of, skills_of

if TYPE_CHECKING:
    from simulator.lab.instance import Lab

STRATEGIES = ("leastrecent", "fewestcalls", "rrmemory", "random", "linear", "wrandom")


def write_app_queue(lab: Lab, centre: Centre, strategy: str) -> None:
    """Add one queue per line of each copy, and the extensions that lead there; everybody starts paused."""
    extensions, queues = ["[acd-in]"], []
    for copy in range(len(centre.seeds)):
        for number in range(len(centre.scenario.queues)):
            name, did = f"bench{copy}x{number}", centre.bench_did(copy, number)
            extensions += [
                f"exten => {did},1,Answer(,i)",
                f" same => n,Queue({name})",
                " same => n,Hangup()",
            ]
            queues += _queue(centre, copy, number, name, strategy)
    (lab.etc / "acd-site.conf").write_text("\n".join(extensions) + "\n", encoding="utf-8")
    with (lab.etc / "queues-members.conf").open("a", encoding="utf-8") as file:
        file.write("\n".join(queues) + "\n")
    for command in ("dialplan reload", "queue reload all"):
        lab.console(command)


def wrap_up_s(centre: Centre, number: int) -> int:
    """Return the fixed wrap-up that stands for a queue's own: whole seconds, the nearest."""
    return round(centre.scenario.queues[number].wrap_up.mean_ms / SECOND_MS)


def _queue(centre: Centre, copy: int, number: int, name: str, strategy: str) -> list[str]:
    queue = centre.scenario.queues[number]
    lines = [
        f"[{name}]",
        f"strategy = {strategy}",
        "ringinuse = no",
        "autofill = yes",
        f"timeout = {round(queue.ring_timeout_ms / SECOND_MS)}",
        "retry = 1",
        f"wrapuptime = {wrap_up_s(centre, number)}",
        f"weight = {max(0, round(queue.priority))}",
        "musicclass = acd",
        "joinempty = yes",
    ]
    needs, members = needs_of(centre.scenario, copy, number), []
    names = centre.agents(copy)
    for group in centre.scenario.groups:
        held = skills_of(centre.scenario, copy, group)
        if all(held.get(skill, 0) >= level for skill, level in needs):
            best = min((held[skill] for skill, _ in needs), default=1)
            members += [(best, names[agent]) for agent in agent_ids(group)]
    top = max((level for level, _ in members), default=1)
    return lines + [f"member => PJSIP/{device},{top - level},{device},,,,yes" for level, device in members]


class AppQueueDesks:
    """Implements simulator.load.world.Desks: off duty is paused."""

    pauses_unanswered = False
    hands_on = False

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._orders: asyncio.Queue[str] = asyncio.Queue(10_000)
        self._task = asyncio.create_task(self._work())

    def say(self, agent: str, action: str, reason: str = "") -> None:
        """Pause or unpause; wrap-up is the queue's own affair."""
        del reason
        verb = {"login": "unpause", "resume": "unpause", "logout": "pause", "pause": "pause"}.get(action)
        if verb is not None:
            self._orders.put_nowait(f"queue {verb} member PJSIP/{agent}")

    def hand_on(self, agent: str, call: str, queue: str) -> None:
        """Never asked: `hands_on` is False."""

    async def settle(self) -> None:
        """Wait until everything said is done."""
        await self._orders.join()

    async def _work(self) -> None:
        while True:
            order = await self._orders.get()
            try:
                await asyncio.to_thread(self._lab.console, order)
            finally:
                self._orders.task_done()

    async def close(self) -> None:
        """Stop."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
