"""A daemon of one's own against a lab: the line that starts it, phones that answer, one call.

bin/lab up --agents 2        agents 101 and 102; prints the line that starts the daemon
bin/lab phones               their phones, until Ctrl-C
bin/lab call 7002            one caller; says what it saw
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.lab.agents import Agent
from simulator.lab.errors import LabError
from simulator.lab.ports import free_port
from simulator.lab.sipp import Agents, Callers, CallPlan, OfferPlan, SippError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.lab.instance import Lab

FIRST_AGENT = 101
"""Agents are named as those of the sample configuration."""
MOST_AGENTS = 8
SAMPLE_NUMBER = "7002"
"""Of the sample configuration; its queue is open around the clock and agent 101 may take it."""
RING_MS = 2_000
PHONES_S = 3_600.0
"""Phones left alone end after an hour."""
POLL_S = 0.2


def sample_agents(count: int) -> tuple[Agent, ...]:
    """Return the first agents of config/agents.yaml, all on one port of 127.0.0.1. Raises LabError."""
    if not 1 <= count <= MOST_AGENTS:
        raise LabError(f"--agents takes 1 to {MOST_AGENTS}, or a JSON file of agents")
    port = free_port()
    names = (str(FIRST_AGENT + number) for number in range(count))
    return tuple(Agent(name, contact=f"sip:{name}@127.0.0.1:{port}") for name in names)


def run_line(lab: Lab) -> str:
    """Return the line that starts the daemon against this lab; its state is kept in the lab's folder."""
    values = {
        "state_dir": lab.run / "acd",
        "asterisk.ami.port": lab.ports.ami,
        "asterisk.ami.user": lab.router_user,
        "asterisk.ami.secret.file": lab.run / "router.secret",
        "asterisk.agi.port": lab.ports.agi,
        "asterisk.journal.queue_log": lab.queue_log,
        "recording.directory": lab.recordings,
    }
    return " ".join(overrides(values))


def overrides(values: dict[str, object]) -> list[str]:
    """Return words of a shell: bin/acd run with one --set each."""
    return ["bin/acd run", *(f"--set {shlex.quote(f'{key}={value}')}" for key, value in values.items())]


def next_steps(lab: Lab) -> str:
    """Return what a person types next, line by line."""
    name = "" if lab.name == "default" else f" --name {lab.name}"
    state = shlex.quote(f"state_dir={lab.run / 'acd'}")
    lines = [f"bin/acd make-secrets --set {state}", run_line(lab)]
    token = f"--token-file {shlex.quote(str(lab.run / 'acd' / 'secrets' / 'http-token'))}"
    if lab.agents:
        lines += [f"bin/lab{name} phones", *(_login(lab, agent.id) for agent in lab.agents)]
    lines += [f"bin/lab{name} call {SAMPLE_NUMBER}", f"bin/acd status {token}"]
    database = shlex.quote(str(lab.run / "acd" / "acd.db"))
    lines.append(
        f"bin/acd cards --db {database}  # a card is stored once its wrap-up is over: here within 2 minutes"
    )
    return "To try the daemon with it (two more terminals help):\n" + "\n".join(f"  {line}" for line in lines)


def _login(lab: Lab, agent: str) -> str:
    """Return the line by which a supervisor logs an agent in."""
    token = shlex.quote(str(lab.run / "acd" / "secrets" / "http-token"))
    where = f"http://127.0.0.1:8088/api/v1/agents/{agent}/login"
    # the daemon may still be starting when the next line is pasted
    return f'curl -sS --retry 30 --retry-delay 1 --retry-connrefused -X POST -H "Authorization: Bearer $(cat {token})" {where}'


def phones(lab: Lab, talk_s: float, say: Callable[[str], None]) -> None:
    """Be the agents' phones until interrupted, at most an hour. Raises LabError."""
    contacts = [agent.contact for agent in lab.agents if agent.contact]
    if not contacts:
        raise LabError("this lab has no phones: bin/lab reset --agents 2")
    port = int(contacts[0].rpartition(":")[2])
    folder = Path(tempfile.mkdtemp(prefix="acd-phones-"))
    plans = [OfferPlan(RING_MS, round(talk_s * 1000))]
    try:
        with Agents(lab.ports.sip, plans, folder, port=port, timeout_s=PHONES_S) as running:
            say(f"phones of {', '.join(agent.id for agent in lab.agents)} answer after 2 s; Ctrl-C ends them")
            told = 0
            while running.running and lab.pid:
                legs = running.records()
                for leg in legs[told:]:
                    say(f"phone {leg.agent} rings: caller {leg.ani}")
                told = len(legs)
                time.sleep(POLL_S)
    except SippError as error:
        raise LabError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def call(lab: Lab, number: str, caller: str, patience_s: float) -> tuple[str, bool]:
    """Make one call and wait for its end; return what the caller saw, and whether the PBX took it. Raises LabError."""
    folder = Path(tempfile.mkdtemp(prefix="acd-call-"))
    plan = CallPlan(ani=caller, did=number, patience_ms=round(patience_s * 1000))
    try:
        with Callers(lab.ports.sip, [plan], folder, timeout_s=patience_s + 600) as running:
            running.wait()
            legs = running.records()
            screen = running.screen()
    except SippError as error:
        raise LabError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not legs:
        raise LabError(f"SIPp said nothing about the call:\n{screen}")
    begin = legs[0].at("INVITE")
    events = sorted(legs[0].times.items(), key=lambda pair: pair[1])
    told = ", ".join(
        f"{event.lower()} after {moment - begin:.1f} s" for event, moment in events if event != "INVITE"
    )
    return f"{caller} called {number}: {told or 'no answer'}", "REFUSED" not in legs[0].times
