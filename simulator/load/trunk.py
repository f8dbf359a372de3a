"""The telephone lines before the router: so many callers at once and the next one hears that the line is busy.

A limit of lines belongs to the carrier or the PBX, not to the router, which never hears of the caller. On a real
Asterisk the trunk's own dialplan counts the calls of each copy (GROUP_COUNT) and answers 486.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.lab.instance import Lab
    from simulator.load.centre import Centre

CONTEXT = "load-trunk"


def write_trunk(lab: Lab, centre: Centre) -> None:
    """Let the trunk's calls pass a limit of lines, if the scenario has one, before they come to the door."""
    lines = centre.scenario.lines
    if lines is None:
        return
    extensions = [f"[{CONTEXT}]"]
    for copy in range(len(centre.seeds)):
        for queue in range(len(centre.scenario.queues)):
            for did in (centre.did(copy, queue), centre.bench_did(copy, queue)):
                extensions += [
                    f"exten => {did},1,Set(GROUP(lines)=c{copy})",
                    f" same => n,GotoIf($[${{GROUP_COUNT(c{copy}@lines)}} > {lines}]?busy)",
                    " same => n,Goto(acd-in,${EXTEN},1)",
                    " same => n(busy),Hangup(17)",
                ]
    with (lab.etc / "acd-site.conf").open("a", encoding="utf-8") as file:
        file.write("\n".join(extensions) + "\n")
    path = lab.etc / "pjsip.conf"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("context = acd-in", f"context = {CONTEXT}", 1), encoding="utf-8")
    for command in ("dialplan reload", "module reload res_pjsip.so"):
        lab.console(command)


class Lines:
    """The same on the stand-in, which has no trunk: counts who holds a line of which copy."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._held: dict[str, set[str]] = {}

    def take(self, number: str) -> bool:
        """Take a line for a caller; False: all are taken."""
        held = self._held.setdefault(number[3:5], set())
        if self._most is not None and len(held) >= self._most:
            return False
        held.add(number)
        return True

    def free(self, number: str) -> None:
        """The caller's line is free again."""
        self._held.get(number[3:5], set()).discard(number)
