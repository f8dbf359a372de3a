"""One real Asterisk for a whole test session. Import the fixture: `from tests.lab_fixture import lab`.

Agents a1 to a6 have static contacts on one port, where a test starts `simulator.lab.sipp.Agents`; m1 is a
mobile that must press 1 and is asked in English (the lab speaks Russian), x1 an agent whose phone never registered.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from simulator.lab import Agent, Lab
from simulator.lab.ports import free_port


def agents_port(lab: Lab) -> int:
    """The UDP port all static contacts of this lab point to."""
    return int(lab.agents[0].contact.rpartition(":")[2])


def numbers_port(lab: Lab) -> int:
    """The UDP port behind the trunk: where numbers that are called back answer."""
    return int(lab.setting("out_port"))


_shared: list[Lab] = []


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running Asterisk of the right version; set up on first use, gone at the end of the session.

    Each module that imports the fixture gets its own copy of it, so the instance is shared here; the
    copy that made it ends it.
    """
    if _shared:
        yield _shared[0]
        return
    assert shutil.which("sipp"), "SIPp is missing: apt-get install sip-tester"
    port = free_port()
    agents = [Agent(f"a{n}", contact=f"sip:a{n}@127.0.0.1:{port}") for n in range(1, 7)]
    agents += [
        Agent("m1", contact=f"sip:m1@127.0.0.1:{port}", press1=True, language="en"),
        Agent("x1"),
        Agent("r1", password="pw1"),
    ]
    settings = {"announce_turns": "1", "fallback_s": "4", "out_port": str(free_port()), "verbose": "3"}
    with Lab(f"test{os.getpid()}", agents=agents, settings=settings, die_with_parent=True) as running:
        _shared.append(running)
        yield running
        _shared.clear()
